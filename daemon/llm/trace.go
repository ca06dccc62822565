package llm

import "time"

// Trace records the steps of one call for a collector of traces (daemon/trace). A call has none unless somebody collects
// and this call was chosen, so each use of it asks first; Request.Mark does so itself.
type Trace interface {
	// Step says that the step name has gone on since began.
	Step(name string, began time.Time) Step
	// Attempt says that r.Target is about to be asked, and puts into r.Traceparent what it is to be told.
	Attempt(r *Request, why Again) Attempt
	// Texts reports whether the prompt and the answer are to be recorded too.
	Texts() bool
	// End says how the call ended. Only the first time counts.
	End(o *Outcome)
}

// Step is a part of a call's journey that is going on.
type Step interface {
	Note(key, value string)
	End(err *Error) // nil: it went well
}

// Attempt is one target being asked.
type Attempt interface {
	// Answered says that the target's answer has begun: with its first content, or all of it where it is not streamed.
	Answered(reply *Reply)
	// End says how the attempt ended, and what the target reported. Only the first time counts.
	End(u Usage, err *Error)
}

// Again says why a target is asked although one was asked before. The words are those of metrics.
type Again struct {
	Resend   int    // how often this target was asked before for this call
	Retry    string // what went wrong there the last time; empty: it was not asked
	Fallback string // what went wrong with the target before this one; empty: this is the first
}

// Outcome is what became of a call.
type Outcome struct {
	Status   int // that was sent to the caller; 0: none
	Provider string
	Model    string // that answered
	Route    string
	Stream   bool
	First    time.Duration // until the first content
	Usage    Usage
	Counted  bool // Usage was counted here, since the target did not tell
	NanoUSD  int64
	Priced   bool   // NanoUSD is known
	Answer   []byte // as it went to the caller, where Trace.Texts asks for it; valid during the call of End only
	Err      *Error
}

// Mark is a step that a stage marks as its own:
//
//	m := r.Mark("cache")
//	...
//	m.Note("corral.cache", "hit")
//	m.End(nil)
//
// Where nobody traces, it is empty and costs nothing. The call's trace waits for its end.
type Mark struct{ step Step }

// Mark says that the step name begins.
func (r *Request) Mark(name string) Mark {
	if r.Trace == nil {
		return Mark{}
	}
	return Mark{r.Trace.Step(name, time.Now())}
}

// Note adds what is worth knowing about the step. Names of attributes begin with "corral.". Never a text of the caller's.
func (m Mark) Note(key, value string) {
	if m.step != nil {
		m.step.Note(key, value)
	}
}

// End says that the step is over; nil: it went well.
func (m Mark) End(err *Error) {
	if m.step != nil {
		m.step.End(err)
	}
}
