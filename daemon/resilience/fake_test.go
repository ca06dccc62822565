package resilience

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/retry"
)

// fault is what a fake target does with a call.
type fault func(ctx context.Context, r *llm.Request) (*llm.Reply, error)

// fake is a target that does one thing after another; the last one from then on.
type fake struct {
	name   string
	script []fault
	calls  atomic.Int64
	open   atomic.Int64 // replies that have not been closed
	load   atomic.Bool  // says that it is loading
}

func (f *fake) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	n := int(f.calls.Add(1)) - 1
	reply, err := f.script[min(n, len(f.script)-1)](ctx, r)
	if reply != nil {
		reply.Provider, reply.Route, reply.Model = f.name, r.Target.Why, r.Target.Model
		f.open.Add(1)
		reply.Body.(*bodyOf).closed = func() { f.open.Add(-1) }
	}
	return reply, err
}

func (f *fake) Loading(context.Context, string) (bool, error) { return f.load.Load(), nil }

func (f *fake) candidate(away string) Candidate {
	return Candidate{Target: llm.Target{Provider: f.name, Model: "m", Why: "model", Away: away}, Handler: f, Keyed: away != ""}
}

// bodyOf gives its pieces, and then err.
type bodyOf struct {
	ctx    context.Context
	pieces []string
	every  time.Duration
	err    error
	closed func()
}

func (b *bodyOf) Next() ([]byte, error) {
	if b.every > 0 {
		if !retry.Sleep(b.ctx, b.every) {
			return nil, llm.Ended(b.ctx)
		}
	}
	if len(b.pieces) == 0 {
		return nil, b.err
	}
	p := b.pieces[0]
	b.pieces = b.pieces[1:]
	return []byte(p), nil
}
func (b *bodyOf) More() bool       { return false }
func (b *bodyOf) Last() bool       { return false }
func (b *bodyOf) Usage() llm.Usage { return llm.NoUsage }
func (b *bodyOf) Close() {
	if b.closed != nil {
		b.closed()
		b.closed = nil
	}
}

func answer(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: 2, Stream: r.Stream, Body: &bodyOf{ctx: ctx, pieces: []string{"ok"}, err: io.EOF}}, nil
}

// lasting is a stream that goes on for d after its first content.
func lasting(d time.Duration) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, pieces: []string{"ok"}, every: d, err: io.EOF}}, nil
	}
}

func after(d time.Duration, then fault) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		if !retry.Sleep(ctx, d) {
			return nil, llm.Ended(ctx)
		}
		return then(ctx, r)
	}
}

func fails(k llm.Kind) fault {
	return func(context.Context, *llm.Request) (*llm.Reply, error) {
		return nil, llm.Errorf(k, "ask", errors.New("secret-key"), "the provider's own words at 10.0.0.7")
	}
}

func refuse(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return fails(llm.Unreachable)(ctx, r)
}
func reset(ctx context.Context, r *llm.Request) (*llm.Reply, error) { return fails(llm.Broken)(ctx, r) }

func hang(ctx context.Context, _ *llm.Request) (*llm.Reply, error) {
	<-ctx.Done()
	return nil, llm.Ended(ctx)
}

func status(code int, header ...string) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &llm.Reply{Status: code, Header: h, Length: 7, Body: &bodyOf{ctx: ctx, pieces: []string{"its own"}, err: io.EOF}}, nil
	}
}

// translated is what a target answers to a call that was put into its words.
func translated(f fault) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		reply, err := f(ctx, r)
		if reply != nil {
			reply.Translated = true
		}
		return reply, err
	}
}

func nothingAtAll(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: 0, Body: &bodyOf{ctx: ctx, err: io.EOF}}, nil
}

func breaksLater(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, pieces: []string{"half"}, err: llm.Errorf(llm.Broken, "read", nil, "broke off")}}, nil
}

func chat() *llm.Request {
	return &llm.Request{ID: "r1", Endpoint: &llm.Endpoint{Name: "chat", Method: "POST", Form: llm.NDJSON, Task: llm.Generate, Streams: true}, Method: "POST",
		Header: http.Header{}, Model: "m", Stream: true, Body: []byte(`{"model":"m"}`)}
}

func plain() Rules {
	r := DefaultRules()
	r.Breaker.Failures, r.Breaker.Rate = 0, 0
	return r
}

// fixed draws the longest wait there may be, all but.
func fixed() float64 { return 0.999999 }

func newNest(r Rules) *Nest { return New(Options{Rules: r, Random: fixed}) }

// drain reads a reply to its end and closes it.
func drain(reply *llm.Reply) (string, error) {
	defer reply.Close()
	var s strings.Builder
	for {
		b, err := reply.Body.Next()
		s.Write(b)
		if err == io.EOF {
			return s.String(), nil
		}
		if err != nil {
			return s.String(), err
		}
	}
}
