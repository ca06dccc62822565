package resilience

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
)

func TestCallerLeaves(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script fault
	}{{"while it waits for the target", hang}, {"between two attempts", refuse}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := DefaultRules()
				rules.Breaker.Failures = 2
				rules.Retry.Base, rules.Retry.Max = time.Minute, time.Minute
				n := newNest(rules)
				a, b := &fake{name: "a", script: []fault{tt.script}}, &fake{name: "b", script: []fault{answer}}
				p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
				ctx, cancel := context.WithCancel(context.Background())
				defer time.AfterFunc(time.Second, cancel).Stop()
				_, err := n.Serve(ctx, chat(), p)
				if e := llm.AsError(err); e.Kind != llm.Gone || a.calls.Load() != 1 || b.calls.Load() != 0 {
					t.Errorf("%v; asked %d and %d times", e, a.calls.Load(), b.calls.Load())
				}
				if q := n.Queues()["a"]; q.Running != 0 || len(q.Waiting) != 0 {
					t.Errorf("the queue still has %+v", q)
				}
			})
		})
	}
}

func TestStreamsThatBreakOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a, b := &fake{name: "a", script: []fault{breaksLater}}, &fake{name: "b", script: []fault{answer}}
		p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
		for range 5 {
			reply, err := n.Serve(context.Background(), chat(), p)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := drain(reply); text != "half" || err == nil {
				t.Fatalf("%q %v: what broke off after its first content may not be put right unseen", text, err)
			}
		}
		if a.calls.Load() != 5 {
			t.Errorf("asked %d times for 5 calls: committed calls are not retried", a.calls.Load())
		}
		reply, err := n.Serve(context.Background(), chat(), p)
		if err != nil || reply.Route != "fallback:open" {
			t.Fatalf("%+v %v", reply, err)
		}
		reply.Close()
	})
}

// failedBody ends well for the caller, by the target's own word of failure.
type failedBody struct{ bodyOf }

func (*failedBody) Usage() llm.Usage { return llm.Usage{Failed: true} }

// lastBody says with its last piece that it is the last.
type lastBody struct{ bodyOf }

func (b *lastBody) Last() bool { return len(b.pieces) == 0 }

func TestHowAStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		body     llm.Body
		pieces   int // that the caller reads
		failures int // counted, after one before
	}{
		{"to the end", &bodyOf{pieces: []string{"a"}, err: io.EOF}, 2, 0},
		{"to the last piece", &lastBody{bodyOf{pieces: []string{"a"}, err: io.EOF}}, 1, 0},
		{"not to the end", &bodyOf{pieces: []string{"a", "b"}, err: io.EOF}, 1, 1},
		{"by a word of failure", &failedBody{bodyOf{pieces: []string{"a"}, err: io.EOF}}, 2, 2},
		{"broken", &bodyOf{pieces: []string{"a"}, err: llm.Errorf(llm.Broken, "", nil, "")}, 2, 2},
		{"Corral stops", &bodyOf{pieces: []string{"a"}, err: llm.Errorf(llm.Stopping, "", nil, "")}, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNest(DefaultRules())
			n.rules.Load().Retry.MaxAttempts = 1
			target := llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				return &llm.Reply{Status: 200, Stream: true, Body: tt.body}, nil
			})
			x := Candidate{Target: llm.Target{Provider: "a", Model: "m"}, Handler: llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
				return nil, llm.Errorf(llm.Broken, "", nil, "")
			})}
			n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{x}})
			x.Handler = target
			reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{x}})
			if err != nil {
				t.Fatal(err)
			}
			for range tt.pieces {
				reply.Body.Next()
			}
			reply.Close()
			reply.Close()
			if s := n.Breakers()[0]; s.Failures != tt.failures {
				t.Errorf("%d failures, want %d", s.Failures, tt.failures)
			}
			if q := n.Queues()["a"]; q.Running != 0 {
				t.Errorf("%d in the queue", q.Running)
			}
		})
	}
}

func TestAStreamEndsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// drips is an answer that takes a quarter of an hour.
		drips := func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, every: time.Second, pieces: slices.Repeat([]string{"drop"}, 1000)}}, nil
		}
		f := &fake{name: "one", script: []fault{drips}}
		rules := DefaultRules()
		rules.Timeout.Whole = 10 * time.Second
		rules.Breaker.Failures = 1
		n := New(Options{Rules: rules})
		reply, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{f.candidate(""), f.candidate("")}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for err == nil {
			_, err = reply.Body.Next()
		}
		reply.Close()
		if e := llm.AsError(err); e.Kind != llm.Timeout || !strings.Contains(e.Message, "timeouts.whole") || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s := n.Breaker("one", "m").Snapshot().State; s != breaker.Open {
			t.Errorf("the breaker is %v", s)
		}
		if f.open.Load() != 0 {
			t.Error("the reply was not closed")
		}
	})
}
