package llm

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
