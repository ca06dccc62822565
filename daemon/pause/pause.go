// Package pause is the stage that lets no model be asked while a person wants it so.
//
// The surprise: it is in memory only. A restart ends a pause, for a machine that answers nothing after a power cut, because of
// what somebody clicked last week, is worse than a pause that has to be asked for again.
package pause

import (
	"context"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
)

// Again is when a caller that was refused should come back.
const Again = 30 * time.Second

// Pause is the stage. The zero value lets all in.
type Pause struct {
	since atomic.Pointer[time.Time] // nil: calls come in
}

// Set begins a pause at a time, or ends it with the zero time. It reports whether that changed anything: a pause that goes on
// began when it began.
func (p *Pause) Set(since time.Time) (changed bool) {
	if since.IsZero() {
		return p.since.Swap(nil) != nil
	}
	return p.since.CompareAndSwap(nil, &since)
}

// Since is when the pause began; false: there is none.
func (p *Pause) Since() (time.Time, bool) {
	if t := p.since.Load(); t != nil {
		return *t, true
	}
	return time.Time{}, false
}

// Stage refuses new calls that a model would have to answer, or that change models. Lists and versions are told as ever: apps ask for them
// to see what is there. Calls that are under way end as they would.
func (p *Pause) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		if p.since.Load() != nil && asks(r.Endpoint) {
			e := llm.Errorf(llm.Paused, "pause", nil, "Corral is paused by its operator, and answers again once `corral resume` was run; please try again later.")
			e.RetryAfter = Again
			return nil, e
		}
		return next.Serve(ctx, r)
	})
}

// asks reports whether an endpoint has a model do something. Of a route that stands in no row of its own nobody knows.
func asks(e *llm.Endpoint) bool { return e.Task != llm.Read || e.Method == "" }
