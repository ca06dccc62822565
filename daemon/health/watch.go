package health

import (
	"context"
	"fmt"
	"time"
)

// Source looks at something.
type Source struct {
	Name     string
	Every    time.Duration
	After    time.Duration // the first look comes so long after the start
	Deadline time.Duration
	// Look says what is so, and when it wants to look again if that is later than Every. It is not called again before it has
	// returned; ctx ends at the deadline.
	Look func(ctx context.Context) (found []Found, wait time.Duration)
}

// Watch lets each source look when it is time, and keeps what they find in s. A source that is late is waited for, and is not
// asked again meanwhile; until it comes back, its conditions stay as they were and the log is told once.
//
// Watch returns when ctx has ended and no source looks any more. One that the kernel holds, as it may on a disk that hangs, is left
// behind after its deadline.
func Watch(ctx context.Context, s *Set, sources []Source, late func(source string, after time.Duration)) {
	type result struct {
		i     int
		found []Found
		wait  time.Duration
	}
	results := make(chan result, len(sources)) // one is under way of each at most, so nobody waits to put it there
	type state struct {
		due     time.Time
		began   time.Time // zero: it does not look now
		told    bool
		pending context.CancelFunc
	}
	states := make([]state, len(sources))
	now := time.Now()
	for i, x := range sources {
		states[i].due = now.Add(x.After)
	}
	looking := 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			patience := time.NewTimer(time.Second)
			defer patience.Stop()
			for i := range states {
				if states[i].pending != nil {
					states[i].pending()
				}
			}
			for looking > 0 {
				select {
				case <-results:
					looking--
				case <-patience.C:
					return
				}
			}
			return
		case r := <-results:
			x := &states[r.i]
			x.pending()
			took := time.Since(x.began)
			*x = state{due: x.began.Add(max(sources[r.i].Every, r.wait, 2*took))} // what is slow is asked less often
			looking--
			s.Put(sources[r.i].Name, time.Now(), r.found)
		case <-timer.C:
		}
		now := time.Now()
		next := now.Add(time.Hour)
		for i := range states {
			x, source := &states[i], sources[i]
			switch {
			case !x.began.IsZero():
				if deadline := x.began.Add(source.Deadline + time.Second); !x.told && now.Before(deadline) {
					next = earlier(next, deadline)
				} else if !x.told {
					x.told = true
					late(source.Name, now.Sub(x.began))
				}
				continue
			case now.Before(x.due):
				next = earlier(next, x.due)
				continue
			}
			look, cancel := context.WithTimeoutCause(ctx, source.Deadline, fmt.Errorf("no answer within %v", source.Deadline))
			x.began, x.pending = now, cancel
			looking++
			go func() { // its result is waited for above
				found, wait := source.Look(look)
				results <- result{i, found, wait}
			}()
			next = earlier(next, now.Add(source.Deadline+time.Second))
		}
		timer.Reset(time.Until(next))
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
