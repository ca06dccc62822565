package meter

import (
	"corral/daemon/llm"
	"corral/store/ledger/record"
)

// verdict is what the call says of the service's levels. Only calls that ask a model say anything, and none of these a call
// whose caller was at fault or left.
func (c *call) verdict(o *outcome) record.Verdict {
	if t := c.r.Endpoint.Task; t != llm.Generate && t != llm.Embed {
		return record.Unjudged
	}
	if o.err != nil {
		switch o.err.Kind {
		case llm.Gone, llm.SlowCaller, llm.Invalid, llm.Blocked, llm.Unauthorized, llm.Forbidden, llm.NotFound, llm.NotAllowed, llm.TooLarge, llm.Unsupported, llm.NotKept:
			return record.Unjudged
		case llm.OverBudget, llm.Paused:
			return record.Limited
		case llm.TooMany, llm.Busy:
			if c.r.Plan == nil { // at the door; once there is a plan it is a target that has no room
				return record.Limited
			}
		}
		if c.reply != nil {
			return record.Faulty
		}
		return record.Unanswered
	}
	switch {
	case o.status >= 500:
		return record.Unanswered
	case o.status >= 400:
		if o.status == 401 || o.status == 403 || o.status == 429 {
			if c.keyed() {
				return record.Unanswered
			}
		}
		return record.Unjudged
	case c.r.LastResort, o.usage.Failed:
		return record.Faulty
	}
	return record.Served
}

// keyed reports whether Corral showed a key of its own to the target that answered. Then a refusal of it is no fault of the
// caller.
func (c *call) keyed() bool {
	if c.r.Plan == nil {
		return false
	}
	for i := range c.r.Plan.Candidates {
		if x := &c.r.Plan.Candidates[i]; x.Keyed && x.Target.Provider == c.r.Target.Provider {
			return true
		}
	}
	return false
}
