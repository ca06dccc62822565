package resilience

import (
	"io"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/queue"
)

// held is the body of an answer whose end is waited for.
type held struct {
	llm.Body
	pass     breaker.Pass // for the breaker: how did it end?
	place    queue.Place  // at the server, which is busy as long as it sends
	attempt  llm.Attempt  // for the call's trace; nil: it has none
	patience *patience    // under whose context the answer is read; nil: none
	loaded   bool         // the model had to be loaded first
	closed   bool
}

// hold makes o's reply one whose end is waited for.
func (o *outcome) hold() *held {
	if o.held == nil {
		o.held = &held{Body: o.reply.Body}
		o.reply.Body = o.held
	}
	return o.held
}

// Next notes how the answer ends.
func (h *held) Next() ([]byte, error) {
	b, err := h.Body.Next()
	switch {
	case err != nil:
		h.ended(err)
	case h.Body.Last():
		h.ended(io.EOF) // whoever has got all of it may not come back for the end
	}
	return b, err
}

func (h *held) ended(err error) {
	outcome := breaker.Failed
	if err == io.EOF {
		if !h.Body.Usage().Failed { // the target's own word of failure is an honest end for the caller, who gets it, but not for the breaker
			outcome = breaker.Succeeded
		}
	} else if k := llm.AsError(err).Kind; k == llm.Gone || k == llm.Stopping {
		outcome = breaker.Unjudged
	}
	h.pass.Done(outcome)
	h.place.Leave()
	h.over(told(err, outcome))
}

// over tells the call's trace how the attempt ended, once.
func (h *held) over(err *llm.Error) {
	if h.attempt != nil {
		h.attempt.End(h.Body.Usage(), err)
		h.attempt = nil
	}
}

// told is how a stream that ended with err is told in a trace.
func told(err error, outcome breaker.Outcome) *llm.Error {
	switch {
	case err != io.EOF:
		return llm.AsError(err)
	case outcome == breaker.Failed:
		return &llm.Error{Kind: llm.TargetRefused, Message: "The target ended its answer by a word of failure."}
	}
	return nil
}

// Close gives back what is held. An answer that is closed before its end is one that the caller left.
func (h *held) Close() {
	if h.closed {
		return
	}
	h.closed = true
	h.over(&llm.Error{Kind: llm.Gone, Message: "The caller closed the connection."})
	h.Body.Close()
	h.pass.Done(breaker.Unjudged)
	h.place.Leave()
	if h.patience != nil {
		h.patience.close()
	}
}
