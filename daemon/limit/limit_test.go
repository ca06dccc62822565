package limit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"corral/daemon/llm"
)

type empty struct{}

func (empty) Next() ([]byte, error) { return nil, io.EOF }
func (empty) More() bool            { return false }
func (empty) Last() bool            { return true }
func (empty) Usage() llm.Usage      { return llm.NoUsage }
func (empty) Close()                {}

func answers(context.Context, *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Body: empty{}}, nil
}

func kindOf(err error) llm.Kind {
	var e *llm.Error
	if !errors.As(err, &e) {
		return llm.Internal
	}
	return e.Kind
}

func TestCallsAMinute(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	type ask struct {
		after       time.Duration
		key, remote string
		refused     bool
		wait        time.Duration // of a refusal
	}
	for name, c := range map[string]struct {
		perMinute int
		asks      []ask
	}{
		"no limit":          {0, []ask{{remote: "a"}, {remote: "a"}, {remote: "a"}}},
		"a minute at once":  {2, []ask{{remote: "a"}, {remote: "a"}, {remote: "a", refused: true, wait: 30 * time.Second}}},
		"each for itself":   {1, []ask{{remote: "a"}, {remote: "b"}, {remote: "a", refused: true, wait: time.Minute}, {remote: "b", refused: true, wait: time.Minute}}},
		"by key, not place": {1, []ask{{key: "k", remote: "a"}, {key: "k", remote: "b", refused: true, wait: time.Minute}, {key: "l", remote: "a"}, {remote: "a"}}},
		"it comes back": {60, append(func() (out []ask) {
			for range 60 {
				out = append(out, ask{remote: "a"})
			}
			return out
		}(), ask{remote: "a", refused: true, wait: time.Second}, ask{after: 500 * time.Millisecond, remote: "a", refused: true, wait: 500 * time.Millisecond},
			ask{after: time.Second, remote: "a"}, ask{after: time.Second, remote: "a", refused: true, wait: time.Second})},
		"a refusal costs nothing": {1, []ask{{remote: "a"}, {after: 10 * time.Second, remote: "a", refused: true, wait: 50 * time.Second},
			{after: 20 * time.Second, remote: "a", refused: true, wait: 40 * time.Second}, {after: time.Minute, remote: "a"}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := New(Rules{PerMinute: c.perMinute}).Stage(llm.HandlerFunc(answers))
			for i, a := range c.asks {
				reply, err := h.Serve(t.Context(), &llm.Request{Start: start.Add(a.after), Caller: llm.Caller{Key: a.key, Remote: a.remote}})
				if a.refused != (err != nil) {
					t.Fatalf("call %d: %v", i, err)
				}
				if err != nil {
					e := llm.AsError(err)
					if off := e.RetryAfter - a.wait; e.Kind != llm.TooMany || off > time.Millisecond || off < -time.Millisecond {
						t.Errorf("call %d: %v after %v, want %v", i, err, e.RetryAfter, a.wait)
					}
					continue
				}
				reply.Close()
			}
		})
	}
}

func TestCallsAtOnce(t *testing.T) {
	l := New(Rules{Concurrent: 2})
	h := l.Stage(llm.HandlerFunc(answers))
	serve := func() (*llm.Reply, error) { return h.Serve(t.Context(), &llm.Request{Start: time.Now()}) }
	one, err1 := serve()
	two, err2 := serve()
	if err1 != nil || err2 != nil || l.Inside() != 2 {
		t.Fatal(err1, err2, l.Inside())
	}
	if _, err := serve(); kindOf(err) != llm.Busy || llm.AsError(err).RetryAfter <= 0 || l.Inside() != 2 {
		t.Errorf("a third: %v, %d inside", err, l.Inside())
	}
	one.Close()
	one.Close() // gives its place back once
	if l.Inside() != 1 {
		t.Errorf("%d inside", l.Inside())
	}
	three, err := serve()
	if err != nil {
		t.Fatal(err)
	}
	l.Set(Rules{Concurrent: 1}) // those inside stay
	if _, err := serve(); kindOf(err) != llm.Busy {
		t.Error(err)
	}
	two.Close()
	three.Close()
	if four, err := serve(); err != nil {
		t.Error(err)
	} else {
		four.Close()
	}
	// A call that fails gives its place back too.
	failing := l.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: llm.Broken}
	}))
	for range 3 {
		if _, err := failing.Serve(t.Context(), &llm.Request{}); kindOf(err) != llm.Broken {
			t.Error(err)
		}
	}
	if l.Inside() != 0 {
		t.Errorf("%d inside at the end", l.Inside())
	}
}

// A call in which a stage panicked is over all the same.
func TestAPanicGivesItsPlaceBack(t *testing.T) {
	l := New(Rules{Concurrent: 1})
	h := l.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { panic("a stage") }))
	for range 3 {
		func() {
			defer func() {
				if got := recover(); got != "a stage" {
					t.Errorf("got %v", got)
				}
			}()
			_, err := h.Serve(t.Context(), &llm.Request{})
			t.Errorf("got %v", err)
		}()
	}
	if n := l.Inside(); n != 0 {
		t.Errorf("%d calls are under way", n)
	}
}

func TestTheTableOfCallersIsBounded(t *testing.T) {
	l := New(Rules{PerMinute: 1})
	now := time.Now()
	for i := range maxCallers + 500 {
		if wait := l.wait(llm.Caller{Remote: fmt.Sprint(i)}, 1, now); wait > 0 {
			t.Fatalf("caller %d waits %v", i, wait)
		}
	}
	if n := len(l.callers); n > maxCallers {
		t.Errorf("%d callers are remembered", n)
	}
	// Those who have been silent for a minute are forgotten, and nobody else.
	later := now.Add(30 * time.Second)
	l.wait(llm.Caller{Remote: "busy"}, 1, later)
	l.wait(llm.Caller{Remote: "new"}, 1, now.Add(61*time.Second))
	if n := len(l.callers); n > 2 {
		t.Errorf("%d callers are remembered", n)
	}
	if wait := l.wait(llm.Caller{Remote: "busy"}, 1, now.Add(62*time.Second)); wait <= 0 {
		t.Error("a caller whose minute is not over was forgotten")
	}
}

func TestManyCallersAtOnce(t *testing.T) {
	l := New(Rules{PerMinute: 1000, Concurrent: 1000})
	h := l.Stage(llm.HandlerFunc(answers))
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 200 {
				if reply, err := h.Serve(context.Background(), &llm.Request{Start: time.Now(), Caller: llm.Caller{Remote: fmt.Sprint(i % 2)}}); err == nil {
					reply.Close()
				}
				l.Set(Rules{PerMinute: 1000, Concurrent: 1000})
			}
		})
	}
	wg.Wait()
	if l.Inside() != 0 {
		t.Errorf("%d inside at the end", l.Inside())
	}
}
