// Package anthropic is the provider for Anthropic's Messages API (https://docs.anthropic.com/en/api/messages).
package anthropic

import (
	"context"
	"net/http"
	"strings"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// version is sent when the caller names none (https://docs.anthropic.com/en/api/versioning).
const version = "2023-06-01"

// Provider is Anthropic's API, or a server that speaks it.
type Provider struct {
	*relay.Relay
	base string
}

// New makes a Provider of o, of which Server, Hint, Path and Authorize are filled in here. key gives the API key; nil: the
// caller's own goes through.
func New(o relay.Options, key func() (string, error)) *Provider {
	o.Server = "Anthropic"
	o.Hint = "Check the network, and the provider's url in corral.yaml."
	base := strings.TrimSuffix(o.Base.EscapedPath(), "/")
	o.Path = func(r *llm.Request) string { return base + r.Path }
	o.API = translate.Anthropic
	o.Speaks = func(ep *llm.Endpoint) bool { return ep.Dialect == llm.Anthropic }
	o.Translated = func(path string) string { return base + path }
	if key != nil {
		o.Authorize = func(h http.Header) error {
			k, err := key()
			if err == nil {
				h["X-Api-Key"] = []string{k}
				if len(h["Anthropic-Version"]) == 0 {
					h["Anthropic-Version"] = []string{version}
				}
			}
			return err
		}
	}
	return &Provider{Relay: relay.New(o), base: base}
}

// Probe asks for the list of models. Without a key the refusal is proof enough that the server is there.
func (p *Provider) Probe(ctx context.Context) error { return p.Ask(ctx, p.base+"/v1/models") }

// Models are those that the API lists (https://docs.anthropic.com/en/api/models-list).
func (p *Provider) Models(ctx context.Context) ([]provider.Listed, error) {
	return p.List(ctx, p.base+"/v1/models?limit=1000", "data.#.id")
}

// Look asks for its models.
func (p *Provider) Look(ctx context.Context) (provider.Look, error) {
	return p.Relay.Look(ctx, p.base+"/v1/models", "data.#.id", "")
}
