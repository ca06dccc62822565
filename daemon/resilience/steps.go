package resilience

import (
	"context"
	"net/http"
	"slices"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/queue"
	"corral/daemon/resilience/retry"
	"corral/daemon/resilience/sentence"
)

// step is one way of asking c.at, of which t is known.
type step func(ctx context.Context, c *call, t *target) outcome

// fallback goes from target to target until one answers, and then to the last resorts.
func fallback(next step) func(ctx context.Context, c *call) (*llm.Reply, error) {
	return func(ctx context.Context, c *call) (*llm.Reply, error) {
		for i := range c.plan.Candidates {
			x := &c.plan.Candidates[i]
			if !c.may(x) {
				continue
			}
			c.at, c.r.Target, c.again = x, x.Target, llm.Again{}
			if len(c.fails) > 0 {
				c.r.Target.Why = causes[c.fails[0].cause].route
				c.again.Fallback = causes[c.fails[len(c.fails)-1].cause].word
			}
			o := next(ctx, c, c.n.target(x, c.r.Model))
			if o.verdict == settled {
				return c.settle(&o)
			}
			if e := llm.Ended(ctx); e != nil {
				o.discard()
				c.drop()
				return nil, e
			}
			c.fail(&o)
			if c.alone || !c.repeatable(o.cause) {
				break
			}
		}
		if c.kept != nil && c.allRefused() {
			return c.kept, nil // a last resort would hide that the call is wrong
		}
		if reply := c.lastResort(ctx); reply != nil {
			c.drop()
			return reply, nil
		}
		if len(c.fails) == 0 {
			return nil, c.nowhere()
		}
		return c.failed()
	}
}

// settle gives the caller what it gets.
func (c *call) settle(o *outcome) (*llm.Reply, error) {
	c.drop()
	if o.err != nil {
		return nil, o.err
	}
	if len(c.fails) > 0 {
		o.reply.Route = c.r.Target.Why
		c.fellBack()
	}
	return o.reply, nil
}

func (c *call) fellBack() {
	if f := c.n.o.Hooks.Fallback; f != nil && len(c.fails) > 0 { // a plan may have no target at all
		f(c.fails[0].target, c.r.Target, causes[c.fails[0].cause].word)
	}
}

// fail remembers that a target did not answer. Its own words are kept as long as it is the only one, and where all refuse the call those
// of the last: then it is the call that is wrong, and they may say how.
func (c *call) fail(o *outcome) {
	c.drop()
	if len(c.fails) == 0 || o.cause == refused && c.allRefused() {
		c.kept = o.reply
	} else {
		o.discard()
	}
	f := failure{c.at.Target, *o}
	f.reply, f.held = nil, nil
	c.fails = append(c.fails, f)
}

func (c *call) drop() {
	if c.kept != nil {
		c.kept.Close()
		c.kept = nil
	}
}

// failed is for the caller whom nobody could answer. Where only one target was asked, the caller gets what that one said,
// as it would without Corral.
func (c *call) failed() (*llm.Reply, error) {
	if c.kept != nil {
		return c.kept, nil
	}
	if len(c.fails) > 1 {
		return nil, c.sum()
	}
	return nil, c.fails[0].err
}

// lastResort is an answer that is better than none; nil: there is none.
func (c *call) lastResort(ctx context.Context) *llm.Reply {
	if c.alone || c.r.Endpoint.Task != llm.Generate {
		return nil
	}
	for _, last := range c.plan.LastResort {
		var reply *llm.Reply
		switch {
		case !last.Similar:
			reply = sentence.Reply(c.r, last.Static)
		case c.n.o.Similar != nil:
			look := c.r.Mark("cache lookup")
			if reply = c.n.o.Similar(ctx, c.r); reply != nil {
				look.Note("corral.cache", "similar")
				reply.Route = "similar"
				if reply.Header == nil {
					reply.Header = map[string][]string{}
				}
				if len(reply.Header["Cache-Status"]) == 0 {
					reply.Header["Cache-Status"] = []string{"corral; hit; detail=similar"}
				}
			}
			look.End(nil)
		}
		if reply == nil {
			continue
		}
		c.r.LastResort = true
		if last.Similar {
			c.r.Target.Why = reply.Route // the rest is that of whoever gave the answer at first
		} else {
			c.r.Target = llm.Target{Provider: reply.Provider, Model: reply.Model, Why: reply.Route}
		}
		c.fellBack()
		return reply
	}
	return nil
}

// repeatable reports whether the call may be sent again after it failed so. What is not known to Corral may not be harmless
// to do twice, unless it has never arrived.
func (c *call) repeatable(why cause) bool {
	switch ep := c.r.Endpoint; {
	case ep.Task == llm.Generate, ep.Task == llm.Embed, why == unreachable, why == open, why == busy:
		return true
	case ep.Task == llm.Read:
		return ep.Method != "" || c.r.Method == "GET" || c.r.Method == "HEAD"
	}
	return false
}

// retried asks a target again as long as that may help.
func retried(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		t.budget.Call()
		o := next(ctx, c, t)
		for n := 1; o.verdict == mayPass && n < c.rules.Retry.MaxAttempts; n++ {
			wait, ok := c.rules.Retry.Wait(n, o.after, c.n.o.Random())
			if !ok || !c.repeatable(o.cause) || !retry.Fits(ctx, wait) || t.breaker.Refuses(time.Now().Add(wait)) != nil || !t.budget.Take() {
				return o
			}
			if !retry.Sleep(ctx, wait) {
				o.discard()
				return outcome{err: llm.Ended(ctx)}
			}
			if c.n.o.Hooks.Retry != nil {
				c.n.o.Hooks.Retry(c.r.Target, causes[o.cause].word)
			}
			c.again = llm.Again{Resend: n, Retry: causes[o.cause].word}
			again := next(ctx, c, t)
			if again.unasked {
				return o // the target's own words say more than that it was not asked again
			}
			o.discard()
			o = again
		}
		return o
	}
}

// remembered writes down what became of a try, for the call's journey.
func remembered(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		r := c.r
		began, queued := time.Since(r.Start), r.Queued
		c.sent, c.where = false, nil
		o := next(ctx, c, t)
		x := llm.Try{Target: r.Target, Began: began, Queued: r.Queued - queued, Over: time.Since(r.Start), Cause: causes[o.cause].word, Status: o.status, Asked: !o.unasked, Sent: c.sent, Where: c.where}
		switch {
		case o.reply != nil:
			x.Status = o.reply.Status
		case x.Cause == "" && o.err != nil:
			x.Cause = o.err.Code() // the caller left, or what is wrong with the call is wrong everywhere
		}
		r.Tried(x)
		return o
	}
}

// queued waits for a place at a server on this device. The place is held until the answer is over.
func queued(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		if !c.at.OnDevice() || c.r.Endpoint.Task == llm.Read {
			return next(ctx, c, t)
		}
		q := c.n.queue(c.at.Target.Provider)
		if refusal := t.breaker.Refuses(time.Now()); refusal != nil {
			return c.refused(refusal) // not worth a wait
		}
		began := time.Now()
		place, err := q.Enter(ctx, c.ticket())
		if err != nil || place.Waited() {
			waited := time.Since(began)
			c.r.Queued += waited
			if c.n.o.Hooks.Queued != nil {
				c.n.o.Hooks.Queued(c.r.Target, waited)
			}
		}
		if c.r.Trace != nil && (err != nil || place.Waited()) {
			step := c.r.Trace.Step("queue wait", began)
			step.Note("corral.provider", c.r.Target.Provider)
			step.End(errorOf(err))
		}
		if err != nil {
			o := judgeError(llm.AsError(err))
			o.unasked = true
			return o
		}
		held := false
		defer func() {
			if !held { // of a target that panicked too
				place.Leave()
			}
		}()
		o := next(ctx, c, t)
		if held = o.verdict == settled && o.reply != nil && o.reply.Stream; held {
			o.hold().place = place
		}
		return o
	}
}

// batchBody is the size from which a call for embeddings is taken for the work of a program that reads in documents; a
// shorter one is likely a question that somebody has just typed. In bytes.
const batchBody = 8 << 10

func (c *call) ticket() queue.Ticket {
	r := c.r
	t := queue.Ticket{ID: r.ID, Caller: r.Caller.Key, Model: r.Target.Model}
	if t.Caller == "" {
		t.Caller = r.Caller.App + "@" + r.Caller.Remote // without keys, apps on one machine differ by their names only
	}
	if t.Model == "" {
		t.Model = r.Model
	}
	quality := r.Header["Corral-Quality"]
	t.Batch = len(quality) > 0 && quality[0] == "low" || r.Endpoint.Task == llm.Embed && len(r.Body) > batchBody
	return t
}

// guarded asks only a target whose breaker lets it, and tells the breaker what came of it.
func guarded(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		var pass breaker.Pass
		if refusal := t.breaker.Allow(&pass); refusal != nil {
			return c.refused(refusal)
		}
		defer pass.Done(breaker.Unjudged) // for a stage that panics; by then a pass has ended or moved on else
		o := next(ctx, c, t)
		switch {
		case o.cause == limited && c.at.Keyed:
			pass.Limited(o.after)
		case o.cause == denied && c.at.Keyed:
			pass.Denied(o.status)
		case c.only() && (o.status == http.StatusInternalServerError || o.cause == unreachable && c.at.OnDevice()):
			// Ollama answers 500 to some calls that were wrong themselves, and where nobody listens on this device that is
			// told at once. Where nobody else could answer, keeping the next calls away would help no one.
			pass.Done(breaker.Unjudged)
		case o.cause != none:
			if causes[o.cause].outcome == breaker.Refused && !c.at.OnDevice() {
				pass.Done(breaker.Failed) // over a network it is not told at once, so it is not asked as often
				break
			}
			pass.Done(causes[o.cause].outcome)
		case o.err != nil || o.status >= 400 || o.reply.Status >= 400:
			pass.Done(breaker.Unjudged)
		case c.r.Endpoint.Task != llm.Generate && c.r.Endpoint.Task != llm.Embed:
			pass.Done(breaker.Succeeded)
		default:
			pass.Content(o.held != nil && o.held.loaded)
			if !o.reply.Stream {
				pass.Done(breaker.Succeeded)
				break
			}
			o.hold().pass = pass
			pass = breaker.Pass{}
		}
		return o
	}
}

// only reports that there is but one target, and nothing to fall back to.
func (c *call) only() bool { return len(c.plan.Candidates) == 1 && len(c.plan.LastResort) == 0 }

// refused is the outcome of a call that the breaker does not let through.
func (c *call) refused(x *breaker.Refusal) outcome {
	o := outcome{verdict: elsewhere, unasked: true, after: time.Second}
	if !x.Until.IsZero() {
		o.after = max(time.Until(x.Until), time.Second)
	}
	name := c.name(c.r.Target)
	switch x.State {
	case breaker.Auth:
		o.cause, o.after = denied, 0
		o.err = llm.Errorf(llm.TargetRefused, "breaker", nil, "%s is not asked, because %s. Set the right key for the provider in corral.yaml.", name, x.Why)
	case breaker.Limited:
		o.cause = limited
		o.err = llm.Errorf(llm.TooMany, "breaker", nil, "%s is not asked, because %s; try again in %v.", name, x.Why, o.after.Round(time.Second))
	default:
		o.cause = open
		if x.Hand {
			o.err = llm.Errorf(llm.Busy, "breaker", nil, "%s is not asked, because it is %s, until somebody unpins it.", name, x.Why)
			break
		}
		o.err = llm.Errorf(llm.Busy, "breaker", nil, "%s is not asked for now, because %s; try again in %v.", name, x.Why, o.after.Round(time.Second))
	}
	o.err.RetryAfter = o.after
	return o
}

// staying sends nothing to a server that would pass on what must stay on this device, or what it must not see: the plan may be some
// seconds old. To one that does not say whether it would, nothing is sent either.
func staying(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		r := c.r
		if !c.plan.LocalOnly && (r.Mask == nil || !r.Mask.Minds()) {
			return next(ctx, c, t)
		}
		host, err := c.at.Leaves(ctx, r, true)
		switch {
		case llm.Ended(ctx) != nil:
			return outcome{err: llm.Ended(ctx), unasked: true}
		case err != nil && err.Kind == llm.Unreachable:
			return judgeError(err)
		case err != nil:
			return outcome{verdict: elsewhere, cause: untold, unasked: true, err: err}
		}
		if r.Target.Away = host; host != "" && c.plan.LocalOnly {
			return outcome{verdict: elsewhere, cause: away, unasked: true, err: c.leaves(r.Target)}
		}
		return next(ctx, c, t)
	}
}

// traced records an attempt in the call's trace, up to the end of its stream.
func traced(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		if c.r.Trace == nil {
			return next(ctx, c, t)
		}
		a := c.r.Trace.Attempt(c.r, c.again)
		returned := false
		defer func() {
			if !returned {
				a.End(llm.NoUsage, &llm.Error{Kind: llm.Internal, Message: "A stage panicked."})
			}
		}()
		o := next(ctx, c, t)
		returned = true
		if o.reply == nil {
			a.End(llm.NoUsage, o.err)
			return o
		}
		a.Answered(o.reply)
		if o.verdict == settled && o.reply.Stream {
			o.hold().attempt = a
		} else {
			a.End(o.reply.Body.Usage(), nil)
		}
		return o
	}
}

// errorOf is err, which is an *llm.Error or nil, as one.
func errorOf(err error) *llm.Error {
	if err == nil {
		return nil
	}
	return llm.AsError(err)
}

// bounded gives an attempt so much time and no more.
func bounded(next step) step {
	return func(ctx context.Context, c *call, t *target) outcome {
		bound := c.rules.Timeout.Whole
		if c.r.Stream {
			bound = c.rules.Timeout.Content
		}
		if bound <= 0 || c.r.Endpoint.Task != llm.Generate && c.r.Endpoint.Task != llm.Embed {
			return next(ctx, c, t)
		}
		p := newPatience(ctx, c, bound)
		o := next(p.ctx, c, t)
		loaded, over := p.end()
		if o.reply == nil {
			p.cancel(nil)
			if over && llm.Ended(ctx) == nil {
				o = judgeError(llm.Errorf(llm.Timeout, "ask "+c.r.Target.Provider, errTooLong,
					"%s did not answer in time. It may be overloaded or hung; see timeouts in corral.yaml.", c.name(c.r.Target)))
			}
			return o
		}
		h := o.hold() // the answer is still read under p.ctx
		h.patience, h.loaded = p, loaded
		if whole := c.rules.Timeout.Whole; whole > 0 && (o.reply.Stream || o.reply.Length < 0) {
			p.lastFor(whole, o.reply.Provider)
		}
		return o
	}
}

// unsent are the kinds of error that come before anything was sent: nobody listens, there is no key, the call cannot be put into the
// target's words.
var unsent = []llm.Kind{llm.Unreachable, llm.Internal, llm.Unsupported, llm.Invalid, llm.Busy}

// ask is the innermost step: it asks the target itself.
func ask(ctx context.Context, c *call, _ *target) outcome {
	if c.n.o.Hooks.Ask != nil {
		c.n.o.Hooks.Ask(c.r)
	}
	c.r.Pass(llm.AskedLast)
	if c.r.Passed[llm.Asked] == 0 {
		c.r.Passed[llm.Asked] = c.r.Passed[llm.AskedLast]
	}
	left := c.r.Left
	c.where = c.at.Sending(c.r)
	if c.sent = true; c.r.Target.Away != "" { // though it panics
		c.r.Left = c.r.Target.Away
	}
	var reply *llm.Reply
	var err error
	if o := c.n.outage(c.r.Target, c.r.Model); o != nil {
		c.sent = false
		reply, err = o.fail(ctx, c.r)
	} else if m := c.r.Mask; m != nil && m.Hides(c.r.Target) {
		reply, err = m.Serve(ctx, c.r, c.at.Handler)
	} else {
		reply, err = c.at.Handler.Serve(ctx, c.r)
	}
	if err != nil && slices.Contains(unsent, llm.AsError(err).Kind) {
		c.sent = false
	}
	if !c.sent {
		c.r.Left = left
	}
	c.r.Pass(llm.Answered)
	return judge(c.r, reply, err)
}
