package desktop

import (
	"fmt"
	"time"

	"corral/daemon/event"
)

// notice is a word to somebody who does not look at the window.
type notice struct{ Title, Text string }

// A desktop that is full of notices is read by nobody.
const (
	noticeGap   = 10 * time.Minute // between two about the same thing
	noticeBurst = 4                // in noticeGap, of all kinds
	noticeKinds = 200              // things that are remembered
)

// notices decides which events are worth a word. It is one goroutine's.
type notices struct {
	last   map[string]time.Time // by what it was about
	lately []time.Time
}

// of is the notice for an event at a time; false: none.
func (n *notices) of(e event.Event, now time.Time) (notice, bool) {
	var about string
	var out notice
	switch e := e.(type) {
	case event.Condition:
		name := e.Code
		if e.Subject != "" {
			name += " " + e.Subject
		}
		switch {
		case e.Severity == "critical" || e.Severity == "warning" && e.Was != "critical":
			about, out = "condition "+name+" "+e.Severity, notice{"Corral: " + name, e.Text}
		case e.Severity == "ok" && e.Was == "critical" && !n.last["condition "+name+" critical"].IsZero():
			about, out = "condition "+name+" ok", notice{"Corral: " + name + " is well again", e.Text}
		default:
			return notice{}, false
		}
	case event.Budget:
		about = "budget " + e.Budget + e.Who + e.State
		out = notice{"Corral: a budget is " + e.State, fmt.Sprintf("%s: $%.2f of $%.2f", e.Budget, float64(e.Spent)/1e9, float64(e.Limit)/1e9)}
	default:
		return notice{}, false
	}
	if at, ok := n.last[about]; ok && now.Sub(at) < noticeGap {
		return notice{}, false
	}
	kept := n.lately[:0]
	for _, at := range n.lately {
		if now.Sub(at) < noticeGap {
			kept = append(kept, at)
		}
	}
	n.lately = kept
	if len(n.lately) >= noticeBurst {
		return notice{}, false
	}
	if len(n.last) >= noticeKinds {
		clear(n.last)
	}
	n.last[about] = now
	n.lately = append(n.lately, now)
	return out, true
}

func newNotices() *notices { return &notices{last: map[string]time.Time{}} }
