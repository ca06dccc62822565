// Package ollama is the provider that runs models with Ollama (https://ollama.com), which speaks all three dialects.
package ollama

import (
	"context"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ollama/ollama/api"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/knowledge"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// Provider is one Ollama server.
type Provider struct {
	*relay.Relay
	base    string // of its paths
	api     *api.Client
	catalog *catalog
	// unaliased is when the server last said that it has no word for aliases.
	unaliased atomic.Pointer[time.Time]
	known     *knowledge.Of[traits]
	held      recent[[]provider.Held]
	details   details
}

// New makes a Provider of o, of which Server, Hint and Path are filled in here.
func New(o relay.Options) *Provider {
	o.Server = "Ollama"
	o.Hint = "Start it with `ollama serve`, or set the provider's url in corral.yaml."
	o.Path = func(r *llm.Request) string { return o.Base.EscapedPath() + r.Path }
	o.API = translate.Ollama
	o.Speaks = func(*llm.Endpoint) bool { return true } // what it does not know it answers with 404, as it would without Corral
	base := *o.Base
	p := &Provider{Relay: relay.New(o), base: strings.TrimSuffix(o.Base.EscapedPath(), "/"), api: api.NewClient(&base, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, Proxy: nil}})}
	p.catalog = newCatalog(p.list)
	p.known = knowledge.New(p.show, func(x traits) bool { return len(x.can) == 0 && x.context == 0 })
	p.held = recent[[]provider.Held]{fresh: heldFresh, fetch: p.holds}
	return p
}

// Serve relays r and notes the digest of the model that answered.
func (p *Provider) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	alters := r.Endpoint.Task == llm.Manage || strings.HasPrefix(r.Path, "/api/experimental/aliases") && r.Method != http.MethodGet
	reply, err := p.Relay.Serve(ctx, r)
	if alters {
		p.altered() // also where it failed, for it may have been done
	}
	if err != nil {
		return nil, err
	}
	switch {
	case alters:
		reply.Body = &altering{reply.Body, p.altered}
	case (r.Endpoint.Task == llm.Generate || r.Endpoint.Task == llm.Embed) && reply.Status < 300:
		reply.Digest = p.Digest(ctx, reply.Model)
	}
	return reply, nil
}

// altering is the answer to what changes the models: when it began they were not changed yet.
type altering struct {
	llm.Body
	done func()
}

func (b *altering) Next() ([]byte, error) {
	piece, err := b.Body.Next()
	if err != nil || b.Body.Last() {
		b.done()
	}
	return piece, err
}

func (b *altering) Close() {
	b.Body.Close()
	b.done()
}

// Able reports whether model can do what is needed, by what Ollama says of it. It waits for that for half a second at most.
func (p *Provider) Able(ctx context.Context, model string, n provider.Needs) bool {
	return p.known.Get(ctx, tagged(model)).able(n)
}

func (p *Provider) show(ctx context.Context, model string) (traits, error) {
	s, err := p.api.Show(ctx, &api.ShowRequest{Model: model})
	if err != nil {
		return traits{}, err
	}
	return traitsOf(s), nil
}

// Digest is that of model; empty when it cannot be told.
func (p *Provider) Digest(ctx context.Context, model string) string {
	e, _ := p.catalog.known(ctx, model, catalogFresh)
	return e.digest
}

// Probe asks for the server's version.
func (p *Provider) Probe(ctx context.Context) error {
	_, err := p.api.Version(ctx)
	return err
}

// Close lets go of idle connections.
func (p *Provider) Close() {
	p.catalog.close()
	p.known.Close()
	p.Relay.Close()
}

// Look asks for its models and its version.
func (p *Provider) Look(ctx context.Context) (provider.Look, error) {
	look, err := p.Relay.Look(ctx, p.base+"/api/tags", "models.#.name", "")
	if err == nil {
		look.Version = p.Relay.Text(ctx, p.base+"/api/version", "version")
	}
	return look, err
}
