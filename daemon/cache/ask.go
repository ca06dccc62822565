package cache

import (
	"context"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
	"corral/daemon/translate"
)

// ask is what is known of a call that may be answered from the cache.
type ask struct {
	ctx    context.Context
	r      *llm.Request
	rules  *Rules
	when   When
	plan   *llm.Plan // the call's own may be cut down later, for want of money or memory
	canon  translate.Canonical
	d      directives
	shape  shape
	exact  bool          // the same question may be answered from the cache
	alike  bool          // one alike may be
	texts  uint64        // llm.Fields.Texts of this caller
	unread bool          // canon is not known yet: nothing is kept that could answer, and it goes on first
	ttl    time.Duration // of an answer to the same question
	at     time.Time

	digests []string // of each candidate of the plan, where it matters
	keys    []Key    // for each candidate
}

// ask looks at a call. Nil: it is none of the cache's business. failed says that all targets have been asked in vain.
func (c *Cache) ask(ctx context.Context, r *llm.Request, rules *Rules, failed bool) *ask {
	when, ttl := rules.of(r.Model)
	similar := c.alike.wanted(r, rules)
	if r.Plan == nil || len(r.Plan.Candidates) == 0 || len(r.Body) == 0 || !similar && (when == Off || when == Deterministic && !deterministic(r)) {
		return nil
	}
	a := &ask{ctx: ctx, r: r, rules: rules, plan: r.Plan, ttl: ttl, at: c.o.Now(), d: asked(r.Header), when: when, shape: shapeOf(r), texts: textsOf(r, rules.Shared)}
	if !similar && r.Endpoint.Name != "responses" && !c.seen.may(a.texts) {
		a.unread, a.exact = true, true
	} else if !a.read(similar) {
		return nil
	}
	c.name(a, failed)
	return a
}

// read finds out what is asked. False: it is none of the cache's business.
func (a *ask) read(similar bool) bool {
	var err error
	if a.canon, err = translate.Canon(a.r.Endpoint, a.r.Body); err != nil || a.canon.Unfit != "" {
		return false // the target says best what is wrong with it
	}
	a.unread = false
	a.exact = a.when == Always || a.when == Deterministic && (a.canon.Greedy || a.canon.Seeded)
	a.alike = similar && a.canon.Prefix != nil && !a.canon.Agentic && a.canon.Turns <= maxTurns
	return a.exact || a.alike
}

// deterministic is a quick look at what Canon looks at thoroughly: a temperature of 0, or a seed.
func deterministic(r *llm.Request) bool {
	f := &r.Fields
	if zero(r.Body, f.Temperature) || f.Seed.To > 0 && r.Body[f.Seed.From] != 'n' {
		return true
	}
	if f.Options.To == 0 {
		return false
	}
	o := gjson.ParseBytes(r.Body[f.Options.From:f.Options.To])
	t, s := o.Get("temperature"), o.Get("seed")
	return t.Type == gjson.Number && t.Num == 0 || s.Type == gjson.Number
}

func zero(body []byte, at llm.Span) bool {
	if at.To == 0 {
		return false
	}
	n, err := strconv.ParseFloat(string(body[at.From:at.To]), 64)
	return err == nil && n == 0
}

// Would says in words whether a kept answer to r would be looked for.
func (c *Cache) Would(ctx context.Context, r *llm.Request) string {
	rules := c.o.Rules()
	if r.Endpoint.Task == llm.Embed {
		if rules.When == Off {
			return "no: the cache is off"
		}
		return "yes: vectors are kept by input"
	}
	when, _ := rules.of(r.Model)
	switch a := c.ask(ctx, r, rules, false); {
	case a != nil && a.exact && a.alike:
		return "yes: an answer to the same question, or to one alike"
	case a != nil && a.alike:
		return "yes: an answer to a question alike"
	case a != nil:
		return "yes: an answer to the same question"
	case when == Off:
		return "no: the cache is off for this model"
	case when == Deterministic:
		return "no: only calls at temperature 0 or with a seed are kept (cache.exact.when)"
	}
	return "no: an answer to this call is not kept"
}
