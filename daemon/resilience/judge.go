package resilience

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/retry"
)

// verdict is what may be done about an outcome.
type verdict uint8

const (
	settled   verdict = iota // nothing: the caller gets it, an answer or an error that would be the same everywhere
	elsewhere                // another target may answer
	mayPass                  // the same target may answer in a moment, and so may another
)

// cause is why a target gave no answer.
type cause uint8

const (
	none cause = iota
	unreachable
	timedOut
	broken
	badAnswer
	empty
	failed
	conflict
	limited
	denied
	open
	busy
	missing
	unable
	refused
	internal
	away
	untold
)

// causes says of each: the word for it in metrics and in Corral-Route, the words for people (after the target's name),
// the kind of error if all targets fail so, and what it tells the breaker.
var causes = [...]struct {
	word, route, text string
	kind              llm.Kind
	outcome           breaker.Outcome
}{
	none:        {},
	unreachable: {"unreachable", "fallback:unreachable", "cannot be reached", llm.Unreachable, breaker.Refused},
	timedOut:    {"timeout", "fallback:timeout", "did not answer in time", llm.Timeout, breaker.Failed},
	broken:      {"broken", "fallback:broken", "broke off before any answer", llm.Broken, breaker.Failed},
	badAnswer:   {"bad_answer", "fallback:bad_answer", "answered with something that is no answer", llm.BadAnswer, breaker.Failed},
	empty:       {"empty", "fallback:empty", "answered with nothing", llm.BadAnswer, breaker.Failed},
	failed:      {"error", "fallback:error", "failed", llm.TargetRefused, breaker.Failed},
	conflict:    {"not_now", "fallback:not_now", "could not take the call", llm.TargetRefused, breaker.Unjudged},
	limited:     {"rate_limited", "fallback:rate_limited", "is over its rate limit", llm.TooMany, breaker.Unjudged},
	denied:      {"auth", "fallback:auth", "does not accept the key", llm.TargetRefused, breaker.Unjudged},
	open:        {"open", "fallback:open", "failed too often and is left alone for now", llm.Busy, breaker.Unjudged},
	busy:        {"busy", "fallback:busy", "has no place free", llm.Busy, breaker.Unjudged},
	missing:     {"not_found", "fallback:not_found", "does not have the model", llm.NotFound, breaker.Unjudged},
	unable:      {"unsupported", "fallback:unsupported", "cannot do what was asked", llm.Unsupported, breaker.Unjudged},
	refused:     {"refused", "fallback:refused", "refused the call, which was translated for it", llm.Invalid, breaker.Unjudged},
	internal:    {"internal", "fallback:internal", "could not be asked", llm.Internal, breaker.Unjudged},
	away:        {"not_local", "fallback:not_local", "would pass the call on to another machine", llm.Unsupported, breaker.Unjudged},
	untold:      {"not_told", "fallback:not_told", "does not say whether it would pass the call on to another machine", llm.Unreachable, breaker.Unjudged},
}

// outcome is what came of asking one target.
type outcome struct {
	reply   *llm.Reply
	err     *llm.Error
	held    *held // the reply's body, where something waits for its end
	verdict verdict
	cause   cause
	status  int           // of an error answer
	after   time.Duration // when the target wants to be asked again; 0: it did not say
	unasked bool          // the target was not asked: its breaker or queue said no, or the text must stay on this device
}

// discard lets go of a reply that nobody will get.
func (o *outcome) discard() {
	if o.reply != nil {
		o.reply.Close()
		o.reply = nil
	}
}

// judge says what to make of what a target gave.
func judge(r *llm.Request, reply *llm.Reply, err error) outcome {
	if err != nil {
		return judgeError(llm.AsError(err))
	}
	o := outcome{reply: reply}
	switch s := reply.Status; {
	case s < 400:
		if nothing(r, reply) {
			reply.Close()
			return outcome{verdict: mayPass, cause: empty, err: llm.Errorf(llm.BadAnswer, "read "+reply.Provider, nil,
				"The model server at %q answered with nothing. Its own log may say why; please try again.", reply.Provider)}
		}
		return o
	case s == http.StatusUnauthorized, s == http.StatusForbidden:
		o.verdict, o.cause = elsewhere, denied
	case s == http.StatusNotFound, s == http.StatusGone:
		o.verdict, o.cause = elsewhere, missing
	case s == http.StatusPaymentRequired, s == http.StatusRequestEntityTooLarge, s == http.StatusNotImplemented, s == http.StatusHTTPVersionNotSupported:
		o.verdict, o.cause = elsewhere, unable
	case s == http.StatusRequestTimeout, s == http.StatusConflict, s == http.StatusTooEarly:
		o.verdict, o.cause = mayPass, conflict
	case s == http.StatusTooManyRequests:
		o.verdict, o.cause = mayPass, limited
	case s >= 500:
		o.verdict, o.cause = mayPass, failed
	case reply.Translated && (s == http.StatusBadRequest || s == http.StatusUnprocessableEntity):
		o.verdict, o.cause = elsewhere, refused // it may be Corral's words that it does not take; the next may know the caller's own
	default:
		return o // what is wrong with the call is wrong everywhere
	}
	o.status = reply.Status
	o.after = retry.After(reply.Header, time.Now())
	// OpenAI's and Anthropic's servers say so where they know that it would be in vain.
	if v := reply.Header["X-Should-Retry"]; len(v) > 0 && v[0] == "false" {
		o.verdict = elsewhere
	}
	return o
}

// nothing reports whether an answer that should say something has no byte. Where its length is not known, something came.
func nothing(r *llm.Request, reply *llm.Reply) bool {
	return reply.Length == 0 && !reply.Stream && r.Method != http.MethodHead && reply.Status < 300 &&
		(r.Endpoint.Task == llm.Generate || r.Endpoint.Task == llm.Embed)
}

func judgeError(e *llm.Error) outcome {
	o := outcome{err: e, after: e.RetryAfter}
	switch e.Kind {
	case llm.Unreachable:
		o.verdict, o.cause = mayPass, unreachable
	case llm.Broken:
		o.verdict, o.cause = mayPass, broken
	case llm.BadAnswer:
		o.verdict, o.cause = mayPass, badAnswer
	case llm.TargetRefused:
		o.verdict, o.cause = mayPass, failed
	case llm.Timeout:
		o.verdict, o.cause = elsewhere, timedOut // whoever has waited for so long should not wait as long again
	case llm.Busy:
		o.verdict, o.cause = elsewhere, busy
	case llm.TooMany:
		o.verdict, o.cause = elsewhere, limited
	case llm.Unsupported:
		o.verdict, o.cause = elsewhere, unable
	case llm.NotFound:
		o.verdict, o.cause = elsewhere, missing
	case llm.Internal:
		o.verdict, o.cause = elsewhere, internal // such as a key that cannot be read
	}
	return o
}

// failure is what is remembered of a target that did not answer.
type failure struct {
	target llm.Target
	outcome
}

// name is the target as messages name it.
func (c *call) name(t llm.Target) string {
	model := t.Model
	if model == "" {
		model = c.r.Model
	}
	if model == "" {
		return t.Provider
	}
	return t.Provider + "/" + clip(model)
}

func clip(s string) string {
	if len(s) > 100 {
		return s[:100] + "..."
	}
	return s
}

// allRefused reports whether no target failed otherwise than by refusing the call as wrong.
func (c *call) allRefused() bool {
	return !slices.ContainsFunc(c.fails, func(f failure) bool { return f.cause != refused })
}

// sum is one error for all targets that failed. It is put together from words of Corral's own, so nothing of what one
// target said, and no key, is told to the caller of another.
func (c *call) sum() *llm.Error {
	var text strings.Builder
	var each []error
	kind, after := causes[c.fails[0].cause].kind, time.Duration(0)
	lasting := true // time does not mend it
	for i, f := range c.fails {
		k := causes[f.cause].kind
		lasting = lasting && (k == llm.Invalid || k == llm.Unsupported)
		switch {
		case k == kind:
		case later(k) || later(kind):
			kind = llm.Busy
		default:
			kind = llm.TargetRefused
		}
		if f.after > 0 && (after == 0 || f.after < after) {
			after = f.after
		}
		if i > 0 {
			text.WriteString("; ")
		}
		text.WriteString(c.name(f.target) + " " + causes[f.cause].text)
		if f.status > 0 {
			fmt.Fprintf(&text, " (status %d)", f.status)
		}
		if f.err != nil {
			each = append(each, fmt.Errorf("%s: %w", c.name(f.target), f.err))
		}
	}
	advice := "Please try again later."
	if lasting {
		advice = "Leave out what they cannot take, or ask a target that speaks this API itself."
	}
	e := llm.Errorf(kind, "ask all targets", errors.Join(each...), "No target could answer: %s. %s", text.String(), advice)
	if later(kind) {
		e.RetryAfter = max(after, time.Second)
	}
	return e
}

// later reports whether an error of kind k says when to come back.
func later(k llm.Kind) bool { return k == llm.Busy || k == llm.TooMany }

// nowhere is for a call that may go to none of its targets.
func (c *call) nowhere() *llm.Error {
	if !c.plan.LocalOnly || len(c.plan.Candidates) == 0 {
		return llm.Errorf(llm.Unsupported, "resilience", nil, "There is no target for %q; add one to corral.yaml.", clip(c.r.Model))
	}
	return c.leaves(c.plan.Candidates[0].Target) // as all of them: what may stay was asked
}

// leaves is for a call that would leave this device at t, and must not.
func (c *call) leaves(t llm.Target) *llm.Error {
	return llm.Errorf(llm.Unsupported, "resilience", llm.ErrStays, "%q may be answered on this device only, and %s would answer it at %s. Change its targets or local_only in corral.yaml.",
		clip(cmp.Or(c.r.Model, strings.Join(c.r.Seems, " or "))), c.name(t), t.Away)
}
