package llm

import (
	"context"
	"time"
)

// Point is a place on a call's way.
type Point uint8

// The points, in the order in which a call comes past them.
const (
	Admitted  Point = iota // it may come in
	Decoded                // its body is there and valid
	Guarded                // its text may pass
	Routed                 // its targets are known
	Looked                 // no kept answer will do
	Allowed                // there is money for it
	Asked                  // the first target is asked
	AskedLast              // the target that answered is asked
	Answered               // that target's answer, or its first content, is there
	Points                 // how many there are
)

// Passed are the times since a call's start at which it came past each point; 0: it did not.
type Passed [Points]time.Duration

// Pass notes that r comes past p now.
func (r *Request) Pass(p Point) { r.Passed[p] = time.Since(r.Start) }

// Pass is a stage that notes when calls come past p.
func Pass(p Point) Stage {
	return func(next Handler) Handler {
		return HandlerFunc(func(ctx context.Context, r *Request) (*Reply, error) {
			r.Pass(p)
			return next.Serve(ctx, r)
		})
	}
}

// Try is one target that a call came to: asked, or left out because its breaker or its queue said no, or because the text must stay on
// this device. Times are since the call's start.
type Try struct {
	Target Target
	Began  time.Duration
	Queued time.Duration // of it, the wait for a place at the server
	Over   time.Duration // when the answer, its first content, or the failure was there
	Cause  string        // why it gave no answer, in the words of metrics; empty: it gave one
	Status int           // of its answer; 0: there was none
	Asked  bool
	Sent   bool // the text has, or may have, come to it
	// Where tells where the text went, as its server said when it was sent there; nil: as Target says.
	Where func() (host string, known bool)
}

// maxTries bounds what is remembered of a call: a config may allow any number of attempts.
const maxTries = 32

// Tried notes that a target was tried.
func (r *Request) Tried(t Try) {
	if len(r.Tries) < maxTries {
		r.Tries = append(r.Tries, t)
	}
}
