package llm

import (
	"cmp"
	"context"
	"errors"
)

// Candidate is one target that may answer a call.
type Candidate struct {
	Target  Target
	Handler Handler // the provider
	// Keyed says that Corral shows a key of its own there. Where it does not, a 401, 403 or 429 is between the caller and
	// the target, and no reason to keep others away.
	Keyed bool
}

// OnDevice reports whether the text of a call stays on this device when the candidate answers it.
func (x *Candidate) OnDevice() bool { return x.Target.Away == "" }

// Forwarder is a server on this device that passes the text of some calls on to another host.
type Forwarder interface {
	// Forwards is the host that the text of r goes on to when r is for model; empty: it is answered where the server is. r nil: of any call
	// for model. The error says that the server could not be asked, and what is told then is what it said last.
	Forwards(ctx context.Context, r *Request, model string, as Word) (host string, err *Error)
}

// Word is how far one may go by what a Forwarder says.
type Word uint8

// The words. None keeps its asker waiting for longer than a second.
const (
	Lately Word = iota // what is known, though it may be some seconds old: for a plan
	Now                // what the server said within the last second: for what must not leave
	Then               // what it said when r came, or later: for the record
)

// ErrStays wraps in an error that a call may not leave this device.
var ErrStays = errors.New("it may not leave this device")

// Leaves is the host that the text of r goes to when the candidate answers it; empty: it stays on this device. The error is that of
// Forwarder.
func (x *Candidate) Leaves(ctx context.Context, r *Request, as Word) (host string, err *Error) {
	if f, ok := x.Handler.(Forwarder); ok && x.OnDevice() && r.Endpoint.Carries() {
		return f.Forwards(ctx, r, cmp.Or(x.Target.Model, r.Model, r.Seems), as)
	}
	return x.Target.Away, nil
}

// LastResort answers when every candidate failed: either Similar, or the sentence Static.
type LastResort struct {
	Similar bool
	Static  string
}

// Plan is where a call may go. Many calls share one; it is never changed.
type Plan struct {
	Candidates []Candidate // in order of preference
	LastResort []LastResort
	LocalOnly  bool // leave out what is not on this device
}
