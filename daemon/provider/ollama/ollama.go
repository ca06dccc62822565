// Package ollama is the provider that runs models with Ollama (https://ollama.com), which speaks all three dialects.
package ollama

import (
	"context"
	"net/http"

	"github.com/ollama/ollama/api"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
)

// Provider is one Ollama server.
type Provider struct {
	*relay.Relay
	api *api.Client
}

// New makes a Provider of o, of which Server, Hint and Path are filled in here.
func New(o relay.Options) *Provider {
	o.Server = "Ollama"
	o.Hint = "Start it with `ollama serve`, or set the provider's url in corral.yaml."
	o.Path = func(r *llm.Request) string { return o.Base.EscapedPath() + r.Path }
	base := *o.Base
	return &Provider{Relay: relay.New(o), api: api.NewClient(&base, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}})}
}

// Speaks is true for everything: Ollama relays what it knows and answers 404 to the rest, as it would without Corral.
func (p *Provider) Speaks(*llm.Endpoint) bool { return true }

// Probe asks for the server's version.
func (p *Provider) Probe(ctx context.Context) error {
	_, err := p.api.Version(ctx)
	return err
}
