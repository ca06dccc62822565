// Package journey remembers how the newest calls went through the stages: when each came past which point, and the targets
// that it came to. The ledger keeps what a call was; this is how it came about, for those who look a little later.
//
// The surprise: it is a ring that is searched from its newest end. Calls only write one place of it, and looking at one call
// may take a while.
package journey

import (
	"strings"
	"sync"
	"time"

	"corral/daemon/llm"
)

// Keep is how many calls are remembered.
const Keep = 1000

// Step is a part of a call's way. Times are milliseconds since the call's start.
type Step struct {
	Name string  `json:"name" enum:"admit,read,guard,route,cache,allow,write"`
	From float64 `json:"from_ms"`
	To   float64 `json:"to_ms"`
}

// Try is a target that the call came to. Times are milliseconds since the call's start.
type Try struct {
	Provider string  `json:"provider"`
	Model    string  `json:"model,omitempty"`
	Why      string  `json:"why,omitempty" doc:"this target, as in Corral-Route"`
	Away     string  `json:"away,omitempty" doc:"host that the text went to; missing: it stayed on this device"`
	From     float64 `json:"from_ms"`
	To       float64 `json:"to_ms" doc:"when its answer, its first content, or its failure was there"`
	Queued   float64 `json:"queued_ms,omitempty" doc:"of it, the wait for a place at the server"`
	Asked    bool    `json:"asked" doc:"false: its breaker or its queue said no, or the text must stay on this device"`
	Cause    string  `json:"cause,omitempty" doc:"why it gave no answer; missing: it gave one"`
	Status   int     `json:"status,omitempty" doc:"of its answer"`
}

// Journey is how one call went.
type Journey struct {
	RequestID string     `json:"request_id"`
	Kept      bool       `json:"kept" doc:"false: it is not known, or not any more, how this call went"`
	Why       string     `json:"why,omitempty" doc:"it is not kept"`
	Began     *time.Time `json:"began,omitempty"`
	Steps     []Step     `json:"steps" doc:"in the order in which the call came to them; the last one may be where it ended"`
	Tries     []Try      `json:"tries" doc:"between the steps allow and write"`
	First     float64    `json:"first_ms,omitempty" doc:"until the first content"`
	Total     float64    `json:"total_ms"`
	Status    int        `json:"status,omitempty" doc:"as the caller saw it"`
	Code      string     `json:"code,omitempty" doc:"of a failure"`
	CacheHit  bool       `json:"cache_hit,omitempty" doc:"the answer was given before, or is another call's"`
}

// Past is a call that is over.
type Past struct {
	ID     string
	Began  time.Time
	Passed llm.Passed
	Tries  []llm.Try
	First  time.Duration
	Total  time.Duration
	Status int
	Code   string
	Hit    bool
	Looked bool // the guard looked at its text
}

// Ring holds the newest calls.
type Ring struct {
	mu    sync.Mutex // guards what follows; held for moments, but while one call is looked for
	calls []Past
	next  int
}

// Add remembers a call. Its tries are the ring's from now on.
func (x *Ring) Add(p Past) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.calls) < Keep {
		x.calls = append(x.calls, p)
		return
	}
	x.calls[x.next] = p
	x.next = (x.next + 1) % Keep
}

// Of is the journey of the newest call with a request id.
func (x *Ring) Of(id string) Journey {
	p, known := x.find(id)
	if !known {
		return Journey{RequestID: id, Steps: []Step{}, Tries: []Try{},
			Why: "Only of the last 1,000 calls since Corral started it is kept how they went. This one is older, or not over yet."}
	}
	return p.journey()
}

func (x *Ring) find(id string) (Past, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.calls {
		at := (x.next - 1 - i + 2*len(x.calls)) % len(x.calls)
		if x.calls[at].ID == id {
			return x.calls[at], true
		}
	}
	return Past{}, false
}

// steps names what ends at each point.
var steps = [...]struct {
	point llm.Point
	name  string
}{{llm.Admitted, "admit"}, {llm.Decoded, "read"}, {llm.Guarded, "guard"}, {llm.Routed, "route"}, {llm.Looked, "cache"}, {llm.Allowed, "allow"}}

func (p *Past) journey() Journey {
	j := Journey{RequestID: p.ID, Kept: true, Began: &p.Began, Steps: []Step{}, Tries: []Try{}, First: ms(p.First), Total: ms(p.Total),
		Status: p.Status, Code: p.Code, CacheHit: p.Hit}
	at := time.Duration(0)
	ended := false
	for _, s := range steps {
		to := p.Passed[s.point]
		if s.point == llm.Guarded && !p.Looked {
			continue
		}
		if to == 0 { // here it was answered or refused
			to = p.Total
			if p.First > 0 {
				to = p.First
			}
			ended = true
		}
		j.Steps = append(j.Steps, Step{s.name, ms(at), ms(to)})
		at = to
		if ended {
			break
		}
	}
	for _, t := range p.Tries {
		if !t.Sent {
			t.Target.Away = ""
		}
		j.Tries = append(j.Tries, Try{Provider: t.Target.Provider, Model: cut(t.Target.Model), Why: t.Target.Why, Away: t.Target.Away, From: ms(t.Began), To: ms(t.Over),
			Queued: ms(t.Queued), Asked: t.Asked, Cause: t.Cause, Status: t.Status})
	}
	if p.First > 0 && p.Total > p.First {
		j.Steps = append(j.Steps, Step{"write", ms(p.First), ms(p.Total)})
	}
	return j
}

// cut bounds a name that a caller chose.
func cut(s string) string {
	const most = 256 // bytes
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "")
	}
	return s
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
