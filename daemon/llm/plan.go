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
	// for model. Without sure it is what is known, though it may be old. With sure it is what the server said within the last second; the
	// error says that it could not be asked, and what is told then is what it said last. Nobody waits for longer than a second.
	Forwards(ctx context.Context, r *Request, model string, sure bool) (host string, err *Error)
	// Sending is to be called when r is sent. What it returns tells later where the text went, by what the server said when it was asked
	// then; known is false where it did not say.
	Sending(r *Request, model string) func() (host string, known bool)
}

// ErrStays wraps in an error that a call may not leave this device.
var ErrStays = errors.New("it may not leave this device")

// Leaves is the host that the text of r goes to when the candidate answers it; empty: it stays on this device. sure and the error are those
// of Forwarder.
func (x *Candidate) Leaves(ctx context.Context, r *Request, sure bool) (host string, err *Error) {
	f := x.forwarder(r)
	if f == nil {
		return x.Target.Away, nil
	}
	for _, model := range x.models(r) {
		if host, err = f.Forwards(ctx, r, model, sure); host != "" || err != nil {
			return host, err
		}
	}
	return "", nil
}

// Sending is Forwarder's; nil: where the text goes is as the plan says.
func (x *Candidate) Sending(r *Request) func() (host string, known bool) {
	f := x.forwarder(r)
	if f == nil {
		return nil
	}
	var each []func() (string, bool)
	for _, model := range x.models(r) {
		each = append(each, f.Sending(r, model))
	}
	if len(each) == 1 {
		return each[0]
	}
	return func() (host string, known bool) {
		known = true
		for _, where := range each {
			if at, ok := where(); at != "" && ok {
				return at, true
			} else if !ok {
				known = false
			}
		}
		return "", known
	}
}

func (x *Candidate) forwarder(r *Request) Forwarder {
	if !x.OnDevice() || !r.Endpoint.Carries() {
		return nil
	}
	f, _ := x.Handler.(Forwarder)
	return f
}

// models are those that r may be for.
func (x *Candidate) models(r *Request) []string {
	if model := cmp.Or(x.Target.Model, r.Model); model != "" || len(r.Seems) == 0 {
		return []string{model}
	}
	return r.Seems
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
