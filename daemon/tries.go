package daemon

import (
	"context"
	"fmt"
	"time"

	"corral/daemon/config"
	"corral/daemon/health"
)

// try is one, and what came of it.
type try struct {
	at  time.Time
	err error
}

const (
	tryTimeout  = 30 * time.Second
	triesAtOnce = 4                   // that one look at the models has time for
	forEver     = 30 * 24 * time.Hour // a model that is kept for so long is kept until somebody says otherwise
)

// tryModels asks each loaded model on this device for one token, when no call is under way at all and none was for it for as long as
// health.probe says. Such a try goes to the server itself: it is in no queue, breaker, ledger or sum. Servers keep a model in memory
// for a while after any use, so one is not tried a second time before somebody has called it, unless it is kept for ever or the first
// try failed.
func (d *Daemon) tryModels(ctx context.Context) (found []health.Found) {
	every := time.Duration(d.config.Current().Health.Probe)
	tries := d.wellness.tried
	if every <= 0 {
		clear(tries)
		return []health.Found{{Code: health.Answers, Absent: "health.probe is 0s, so no model is tried"}}
	}
	seen := map[string]bool{}
	for name, h := range d.holders() {
		held, err := h.Held(ctx)
		if err != nil {
			continue // provider-away says it
		}
		last := map[string]time.Time{}
		for _, u := range d.nest.Uses(name) {
			if full := h.Full(u.Model); u.Last.After(last[full]) {
				last[full] = u.Last
			}
		}
		for _, m := range held {
			subject := name + "/" + m.Model
			seen[subject] = true
			was, tried := tries[subject]
			if d.limit.Inside() == 0 && due(time.Now(), every, m.Expires, last[m.Model], was, tried) {
				its, cancel := context.WithTimeout(ctx, tryTimeout)
				now := try{time.Now(), h.Try(its, m.Model)}
				cancel()
				if ctx.Err() == nil { // else it had no time of its own, and the next look gives it some
					if d.limit.Inside() > 0 { // a call came between; what it hears counts
						now.err = nil
					}
					was, tried = now, true
					tries[subject] = was
				}
			}
			f := health.Found{Code: health.Answers, Subject: subject, Text: "it answered at " + was.at.Format(time.TimeOnly)}
			switch {
			case !tried:
				f.Text, f.Absent = "", "it was not tried yet; that is done when nobody has called it for "+config.Duration(every).String()
			case was.err != nil && last[m.Model].After(was.at):
				f.Text = "it has been called since it gave no answer"
			case was.err != nil:
				f.Severity, f.Text = health.Critical, fmt.Sprintf("it gave no token at %s: %v", was.at.Format(time.TimeOnly), was.err)
			}
			found = append(found, f)
		}
	}
	for subject := range tries {
		if !seen[subject] {
			delete(tries, subject)
		}
	}
	if len(found) == 0 {
		found = append(found, health.Found{Code: health.Answers, Absent: "no model is loaded"})
	}
	return found
}

// due reports whether a model is to be tried now. used is when a call for it was under way last; zero: none was.
func due(now time.Time, every time.Duration, expires, used time.Time, was try, tried bool) bool {
	switch {
	case now.Sub(used) < every:
		return false
	case !tried:
		return true
	case was.err != nil:
		return now.Sub(was.at) >= lookTry
	case used.After(was.at), expires.Sub(now) > forEver:
		return now.Sub(was.at) >= every
	}
	return false
}
