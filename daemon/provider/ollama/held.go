package ollama

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"corral/daemon/provider"
)

const (
	heldFresh   = 250 * time.Millisecond
	storedFresh = 5 * time.Second // a person may pull a model and look again
	heldTimeout = time.Second
)

// recent remembers what a server said for a while, and for a moment that it said nothing. Those who want it at once wait for one
// question, and for no longer than they like.
type recent[T any] struct {
	fresh time.Duration
	fetch func(context.Context) (T, error)

	mu     sync.Mutex
	last   *asked[T] // nil: nothing is known
	asking *asked[T] // nil: the server is not being asked
}

// asked is one question, and what came of it.
type asked[T any] struct {
	done  chan struct{} // closed when what follows stands
	value T
	err   error
	until time.Time
}

func (r *recent[T]) get(ctx context.Context) (T, error) {
	r.mu.Lock()
	if x := r.last; x != nil && time.Now().Before(x.until) {
		r.mu.Unlock()
		return x.value, x.err
	}
	x := r.asking
	if x == nil {
		x = &asked[T]{done: make(chan struct{})}
		r.asking = x
		r.mu.Unlock()
		r.ask(ctx, x)
		return x.value, x.err
	}
	r.mu.Unlock()
	select {
	case <-x.done:
		return x.value, x.err
	case <-ctx.Done():
		var nothing T
		return nothing, context.Cause(ctx)
	}
}

// ask asks the server. Whoever asks may go away meanwhile; what is learned is for the others too.
func (r *recent[T]) ask(ctx context.Context, x *asked[T]) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), heldTimeout)
	defer cancel()
	x.err = errors.New("the question was not put")
	defer func() {
		fresh := r.fresh
		if x.err != nil {
			fresh = min(fresh, heldFresh)
		}
		x.until = time.Now().Add(fresh)
		r.mu.Lock()
		if r.asking == x {
			r.asking, r.last = nil, x
		}
		r.mu.Unlock()
		close(x.done)
	}()
	x.value, x.err = r.fetch(ctx)
}

// changed says that what is known, and what is being asked, is not so any more.
func (r *recent[T]) changed() {
	r.mu.Lock()
	r.last, r.asking = nil, nil
	r.mu.Unlock()
}

// Held are the models in the server's memory, those too that are being read into it.
func (p *Provider) Held(ctx context.Context) ([]provider.Held, error) { return p.held.get(ctx) }

func (p *Provider) holds(ctx context.Context) ([]provider.Held, error) {
	list, err := p.api.ListRunning(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]provider.Held, 0, len(list.Models))
	for _, m := range list.Models {
		out = append(out, provider.Held{Model: p.Full(m.Name), Bytes: uint64(max(m.Size, 0)), Expires: m.ExpiresAt})
	}
	return out, nil
}

// Stored are the models on the server's disk.
func (p *Provider) Stored(ctx context.Context) (map[string]uint64, error) {
	l, err := p.catalog.since(ctx, time.Now().Add(-storedFresh), short)
	if err != nil {
		return nil, err
	}
	out := make(map[string]uint64, len(l.models))
	for name, e := range l.models {
		if e.away == "" {
			out[name] = e.bytes
		}
	}
	return out, nil
}

// Full is model with its tag. Ollama takes names in any case.
func (p *Provider) Full(model string) string { return full(model) }

// Unload asks for a model to be let go (https://github.com/ollama/ollama/blob/v0.17.4/docs/api.md#unload-a-model). Ollama waits for
// the calls that run.
func (p *Provider) Unload(ctx context.Context, model string) error {
	ctx, cancel := context.WithTimeout(ctx, heldTimeout)
	defer cancel()
	now := api.Duration{}
	err := p.api.Generate(ctx, &api.GenerateRequest{Model: model, KeepAlive: &now}, func(api.GenerateResponse) error { return nil })
	p.held.changed()
	return err
}

// Try asks model for one token, or for the vector of one word where it makes no text. It says nothing of how long the model is to be
// kept, so that Ollama keeps it on as after any call.
func (p *Provider) Try(ctx context.Context, name string) error {
	can := p.known.Get(ctx, tagged(name)).can
	if slices.Contains(can, model.CapabilityEmbedding) && !slices.Contains(can, model.CapabilityCompletion) {
		return p.tryVector(ctx, name)
	}
	err := p.tryToken(ctx, name)
	var refused api.StatusError
	if len(can) == 0 && errors.As(err, &refused) && refused.StatusCode == http.StatusBadRequest {
		// What it can do was not told, as on a machine too busy to say so in time, and it makes no text.
		return p.tryVector(ctx, name)
	}
	return err
}

func (p *Provider) tryVector(ctx context.Context, name string) error {
	_, err := p.api.Embed(ctx, &api.EmbedRequest{Model: name, Input: "a"})
	return err
}

func (p *Provider) tryToken(ctx context.Context, name string) error {
	done := false
	err := p.api.Generate(ctx, &api.GenerateRequest{Model: name, Prompt: "a", Options: map[string]any{"num_predict": 1}}, func(r api.GenerateResponse) error {
		done = done || r.Done
		return nil
	})
	if err == nil && !done {
		err = errors.New("the answer has no end")
	}
	return err
}
