package llm

import (
	"cmp"
	"context"
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

// Forwarder is a server on this device that passes the text for some of its models on to another host.
type Forwarder interface {
	// Forwards is that host for a call of model at path; empty: it is answered where the server is. What it says may be some seconds old.
	// With sure it is a second old at most, and the error says that the server could not be asked. It keeps nobody waiting for longer than
	// a second.
	Forwards(ctx context.Context, path, model string, sure bool) (host string, err *Error)
}

// Leaves is the host that the text of a call of model at path goes to when the candidate answers it; empty: it stays on this device. sure
// and the error are those of Forwarder.
func (x *Candidate) Leaves(ctx context.Context, path, model string, sure bool) (host string, err *Error) {
	if f, ok := x.Handler.(Forwarder); ok && x.OnDevice() {
		return f.Forwards(ctx, path, cmp.Or(x.Target.Model, model), sure)
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
