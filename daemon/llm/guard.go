package llm

import "context"

// Found is what the guard saw in a call's text, never the text itself.
type Found struct {
	Class string // secret, pii or injection
	Kind  string // such as email: one of a bounded list
	Count int
	Act   Act
}

// Act is what is done about what was found.
type Act uint8

// The acts, from the mildest on.
const (
	Flag       Act = iota // write it down
	MaskAway              // hide it from targets that are not on this device
	MaskAlways            // hide it from all targets
	Block                 // refuse the call
)

// Acts are some of them.
type Acts uint8

// With is a, and x.
func (a Acts) With(x Act) Acts { return a | 1<<x }

// Has reports whether x is one of a.
func (a Acts) Has(x Act) bool { return a&(1<<x) != 0 }

// Private reports whether r's text holds what is not for everybody: what the guard hides, or for which it refuses the call.
func (r *Request) Private() bool {
	for _, f := range r.Found {
		if f.Act != Flag {
			return true
		}
	}
	return false
}

// Mask hides parts of a call's text from who is asked, and puts them back into the answer.
type Mask interface {
	// Hides reports whether t must not see all of the text.
	Hides(t Target) bool
	// Minds reports whether more is hidden from targets that are not on this device than from others.
	Minds() bool
	// Serve asks target with the rest of r's text. It notes in r that something was hidden.
	Serve(ctx context.Context, r *Request, target Handler) (*Reply, error)
}
