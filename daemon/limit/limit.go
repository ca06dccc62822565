// Package limit is the stage that bounds how many calls come in: at once from all callers together, and a minute from each.
package limit

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"corral/daemon/llm"
)

// Rules are the limits in force. Zero: no limit.
type Rules struct {
	PerMinute  int // calls of one caller; a whole minute's worth may come at once
	Concurrent int // calls of all callers
}

// Limit is the stage.
type Limit struct {
	rules  atomic.Pointer[Rules]
	inside atomic.Int64

	mu      sync.Mutex // guards callers
	callers map[string]*caller
}

type caller struct {
	*rate.Limiter
	last time.Time
}

// maxCallers bounds the table; the longest silent are forgotten first.
const maxCallers = 10000

// New makes a Limit.
func New(r Rules) *Limit {
	l := &Limit{callers: map[string]*caller{}}
	l.rules.Store(&r)
	return l
}

// Set puts other rules in force.
func (l *Limit) Set(r Rules) {
	l.rules.Store(&r)
	l.mu.Lock()
	clear(l.callers)
	l.mu.Unlock()
}

// Inside is how many calls are on their way now.
func (l *Limit) Inside() int { return int(l.inside.Load()) }

// Stage refuses what is over the limits. A call counts until its reply is closed.
func (l *Limit) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		rules := l.rules.Load()
		if rules.PerMinute > 0 {
			if wait := l.wait(r.Caller, rules.PerMinute, r.Start); wait > 0 {
				e := llm.Errorf(llm.TooMany, "limit", nil, "Over the limit of %d calls a minute; try again in %v.", rules.PerMinute, wait.Round(time.Second)+time.Second)
				e.RetryAfter = wait
				return nil, e
			}
		}
		if n := l.inside.Add(1); rules.Concurrent > 0 && n > int64(rules.Concurrent) {
			l.inside.Add(-1)
			e := llm.Errorf(llm.Busy, "limit", nil, "%d calls are under way, which is the limit; try again in a moment.", rules.Concurrent)
			e.RetryAfter = time.Second
			return nil, e
		}
		var reply *llm.Reply
		defer func() {
			if reply == nil { // an error, or a stage that panicked
				l.inside.Add(-1)
			}
		}()
		reply, err := next.Serve(ctx, r)
		if err != nil {
			return nil, err
		}
		reply.Body = &counted{Body: reply.Body, inside: &l.inside}
		return reply, nil
	})
}

func (l *Limit) wait(c llm.Caller, perMinute int, now time.Time) time.Duration {
	who := c.Key
	if who == "" {
		who = c.Remote
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.callers[who]
	if t == nil {
		if len(l.callers) >= maxCallers {
			l.forget(now)
		}
		t = &caller{Limiter: rate.NewLimiter(rate.Limit(float64(perMinute)/60), perMinute)}
		l.callers[who] = t
	}
	t.last = now
	res := t.ReserveN(now, 1)
	d := res.DelayFrom(now)
	if d > 0 {
		res.CancelAt(now)
	}
	return d
}

// forget drops callers whose minute has passed: their buckets are full again, so nothing is lost. If all are busy, one goes.
func (l *Limit) forget(now time.Time) {
	for who, t := range l.callers {
		if now.Sub(t.last) > time.Minute {
			delete(l.callers, who)
		}
	}
	for who := range l.callers {
		if len(l.callers) < maxCallers {
			return
		}
		delete(l.callers, who)
	}
}

// counted gives the call's place back, once.
type counted struct {
	llm.Body
	inside *atomic.Int64
}

func (c *counted) Close() {
	if c.inside != nil {
		c.inside.Add(-1)
		c.inside = nil
	}
	c.Body.Close()
}
