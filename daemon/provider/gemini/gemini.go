// Package gemini is the provider for Google's Gemini API (https://ai.google.dev/api). No caller speaks it, so every call is
// translated.
package gemini

import (
	"context"
	"net/http"
	"strings"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// Provider is the Gemini API.
type Provider struct {
	*relay.Relay
	base string
}

// New makes a Provider of o, of which what depends on the API is filled in here. key gives the API key.
func New(o relay.Options, key func() (string, error)) *Provider {
	o.Server = "Gemini"
	o.Hint = "Check the network, and the provider's url in corral.yaml."
	base := strings.TrimSuffix(o.Base.EscapedPath(), "/")
	o.API = translate.Gemini
	o.Speaks = func(*llm.Endpoint) bool { return false }
	o.Translated = func(path string) string { return base + path }
	if key != nil {
		o.Authorize = func(h http.Header) error {
			k, err := key()
			if err == nil {
				h["X-Goog-Api-Key"] = []string{k}
			}
			return err
		}
	}
	return &Provider{Relay: relay.New(o), base: base}
}

// Probe asks for the list of models.
func (p *Provider) Probe(ctx context.Context) error {
	return p.Ask(ctx, p.base+"/v1beta/models?pageSize=1")
}

// Models are those that the API lists (https://ai.google.dev/api/models#method:-models.list).
func (p *Provider) Models(ctx context.Context) ([]provider.Listed, error) {
	list, err := p.List(ctx, p.base+"/v1beta/models?pageSize=1000", "models.#.name")
	for i := range list {
		list[i].Model = strings.TrimPrefix(list[i].Model, "models/")
	}
	return list, err
}

// Look asks for its models.
func (p *Provider) Look(ctx context.Context) (provider.Look, error) {
	return p.Relay.Look(ctx, p.base+"/v1beta/models?pageSize=200", "models.#.name", "models/")
}
