// Package openai is the provider for any server with OpenAI's API: OpenAI's own, and llama.cpp, vLLM, LM Studio, OpenRouter
// and others that speak it.
package openai

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// Provider is one such server.
type Provider struct {
	*relay.Relay
	base string
}

// New makes a Provider of o, of which Server, Hint, Path and Authorize are filled in here. o.Base goes up to and
// including /v1. key gives the server's key; nil: none. also are dialects that it speaks beside OpenAI's.
func New(o relay.Options, key func() (string, error), also []llm.Dialect) *Provider {
	o.Server = "The model server"
	o.Hint = "Check that it runs, and the provider's url in corral.yaml (for this kind it ends in /v1)."
	base := strings.TrimSuffix(o.Base.EscapedPath(), "/")
	o.Path = func(r *llm.Request) string {
		if r.Endpoint.Name == "model" && r.Target.Model != "" {
			return base + "/models/" + url.PathEscape(r.Target.Model)
		}
		return base + strings.TrimPrefix(r.Path, "/v1")
	}
	o.API = translate.OpenAI
	o.Speaks = func(ep *llm.Endpoint) bool { return ep.Dialect == llm.OpenAI || slices.Contains(also, ep.Dialect) }
	o.Translated = func(path string) string { return base + strings.TrimPrefix(path, "/v1") }
	if key != nil {
		o.Authorize = func(h http.Header) error {
			k, err := key()
			if err == nil {
				h["Authorization"] = []string{"Bearer " + k}
			}
			return err
		}
	}
	return &Provider{Relay: relay.New(o), base: base}
}

// Probe asks for the list of models.
func (p *Provider) Probe(ctx context.Context) error { return p.Ask(ctx, p.base+"/models") }
