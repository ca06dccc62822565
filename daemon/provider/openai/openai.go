// Package openai is the provider for any server with OpenAI's API: OpenAI's own, and llama.cpp, vLLM, LM Studio, OpenRouter
// and others that speak it.
package openai

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"corral/daemon/config"
	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/knowledge"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// Provider is one such server.
type Provider struct {
	*relay.Relay
	base  string
	known *knowledge.Of[traits] // nil: the server is not on this device, and is not asked what its models can do
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
	p := &Provider{Relay: relay.New(o), base: base}
	if (config.Provider{URL: o.Base.String()}).OnDevice() {
		p.known = knowledge.New(p.traitsOf, func(x traits) bool { return !x.told })
	}
	return p
}

// Close lets go of idle connections.
func (p *Provider) Close() {
	if p.known != nil {
		p.known.Close()
	}
	p.Relay.Close()
}

// Probe asks for the list of models.
func (p *Provider) Probe(ctx context.Context) error { return p.Ask(ctx, p.base+"/models") }

// Models are those that the server lists (https://platform.openai.com/docs/api-reference/models/list).
func (p *Provider) Models(ctx context.Context) ([]provider.Listed, error) {
	return p.List(ctx, p.base+"/models", "data.#.id")
}

// Stock is the same, with what else the server tells. llama.cpp has its one model's size
// in meta (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md), and has it in memory as long as it runs.
func (p *Provider) Stock(ctx context.Context) ([]provider.Model, error) {
	b, err := p.Tell(ctx, p.base+"/models")
	if err != nil {
		return nil, err
	}
	var in struct {
		Data []struct {
			ID      string
			OwnedBy string `json:"owned_by"`
			Meta    struct {
				Trained    int     `json:"n_ctx_train"`
				Parameters float64 `json:"n_params"`
				Size       uint64
			}
		}
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return nil, fmt.Errorf("its list of models cannot be read: %w", err)
	}
	out := make([]provider.Model, 0, len(in.Data))
	for _, m := range in.Data {
		x := provider.Model{Name: m.ID, Bytes: m.Meta.Size, Trained: m.Meta.Trained, Loaded: m.OwnedBy == "llamacpp"}
		switch n := m.Meta.Parameters; {
		case n >= 1e9:
			x.Parameters = fmt.Sprintf("%.1fB", n/1e9)
		case n >= 1e6:
			x.Parameters = fmt.Sprintf("%.0fM", n/1e6)
		case n > 0:
			x.Parameters = fmt.Sprintf("%.0fK", n/1e3)
		}
		out = append(out, x)
	}
	return out, nil
}

// Look asks for its models.
func (p *Provider) Look(ctx context.Context) (provider.Look, error) {
	return p.Relay.Look(ctx, p.base+"/models", "data.#.id", "")
}
