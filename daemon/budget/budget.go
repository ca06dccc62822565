// Package budget is the stage that bounds what calls cost: in an hour, a day, a week or a month, all of them together or
// those of each key, user or app.
//
// A call that may cost something is let through when what was spent in the window, what is set aside for calls under way,
// and the most that this one may cost (estimate.go) are together no more than the limit. That much is then set aside, in
// one step, so calls that come at once cannot overrun a budget between them. When the call is over its real cost, which is
// what the ledger's entry says, is on the accounts (Post) before what was set aside is given back.
//
// Accounts are kept in memory. What is on them when Corral starts, when the config adds a budget, or when another ledger is
// put in place is read from the ledger's sums (Load), so that a restart forgets nothing.
//
// The surprise: each entry is posted by its own caller and time, not by what was set aside for it. So the accounts and the
// ledger's sums are the same to the billionth of a dollar, whatever calls cost that nothing was set aside for.
package budget

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// How long a window is.
const (
	Hour  = "hour"
	Day   = "day"
	Week  = "week"
	Month = "month"
)

// Whose calls are counted together.
const (
	All  = "all"
	Key  = "key" // each on an account of its own, as below
	User = "user"
	App  = "app"
)

// What becomes of a call that may cost more than is left.
const (
	Warn      = "warn"       // it goes on
	LocalOnly = "local-only" // a model on this device answers it
	Refuse    = "refuse"
)

// Rule is one budget.
type Rule struct {
	Per   string
	Limit int64 // billionths of a US dollar; over 0
	Then  string
	Scope string
	Only  string // the one key (name or id), user or app that is meant; empty: each
}

// String is the budget as people speak of it.
func (r Rule) String() string {
	s := Dollars(r.Limit) + " per " + r.Per
	switch {
	case r.Scope == All:
		return s
	case r.Only != "":
		return s + " for " + r.Scope + " " + strconv.Quote(r.Only)
	}
	return s + " for each " + r.Scope
}

// Dollars is an amount for people: in ten-thousandths, or in billionths where it is less than a cent.
func Dollars(nano int64) string {
	digits := 9
	if nano >= 1e7 {
		digits = 4
	}
	s := strconv.FormatFloat(float64(nano)/1e9, 'f', digits, 64)
	return "$" + strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// Prices says what tokens cost.
type Prices interface {
	// Most is the most that so many tokens may cost at t, where model is t's own name for it; not known: the model has no
	// price, or its price is one of time.
	Most(t llm.Target, model string, input, output int64) record.Money
}

// Options are what Budgets need.
type Options struct {
	Log    *slog.Logger
	Prices Prices
	// Usage is the ledger's report, with all in it that was appended before.
	Usage   func(ctx context.Context, q usage.Query) (*usage.Report, error)
	KeyName func(id string) string // of an app's key
	Zone    *time.Location         // of days; nil: this machine's
	Now     func() time.Time       // nil: time.Now
	// Notice is told what is logged of budgets that are nearly or wholly used up; nil: nobody is.
	Notice func(Notice)
}

// Notice is that a budget is nearly used up, or used up.
type Notice struct {
	Rule  Rule
	State string // "nearly used up" or "used up"
	Who   string // whose account it is, where the rule is for each key, user or app
	Spent int64  // billionths of a US dollar
	Until time.Time
}

// Budgets is the stage.
type Budgets struct {
	o     Options
	table atomic.Pointer[table] // nil: there are no budgets
	// posting is held for reading from when an entry's cost is posted until the ledger has the entry, and for writing while
	// the ledger's sums are taken over: none is then on the accounts and not yet in the ledger, or the other way round.
	posting sync.RWMutex
	stale   chan struct{} // an account was begun that the ledger has not been asked about

	mu     sync.Mutex // guards all that a table leads to; held for some look-ups in maps and no longer
	unread error      // why the ledger's sums could not be read
}

// table is the budgets in force. The accounts of a tally go on in the next table.
type table struct {
	rules   []Rule // as the config has them
	tallies []*tally
	keyName bool // some rule is for a key by its name
}

// New makes Budgets without any rule.
func New(o Options) *Budgets {
	if o.Zone == nil {
		o.Zone = time.Local
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Budgets{o: o, stale: make(chan struct{}, 1)}
}

// Set puts rules in force. What was spent stays: budgets of the same scope and window share their accounts, whatever their
// limits are. The accounts of new ones are read from the ledger first; if that fails they begin at nothing, which is logged,
// and Run tries again.
func (b *Budgets) Set(ctx context.Context, rules []Rule) {
	b.posting.Lock()
	defer b.posting.Unlock()
	var next *table
	if len(rules) > 0 {
		next = &table{rules: rules}
	}
	was := b.table.Load()
	b.mu.Lock()
	for _, r := range rules {
		next.keyName = next.keyName || r.Scope == Key && r.Only != ""
		k := kind{r.Per, r.Scope, r.Only}
		if slices.ContainsFunc(next.tallies, func(t *tally) bool { return t.kind == k }) {
			continue
		}
		t := was.tally(k)
		if t == nil {
			t = &tally{kind: k}
			t.at(b.o.Now(), b.o.Zone)
		}
		next.tallies = append(next.tallies, t)
	}
	b.mu.Unlock()
	b.load(ctx, next, false)
	b.table.Store(next)
}

func (t *table) tally(k kind) *tally {
	if t == nil {
		return nil
	}
	for _, x := range t.tallies {
		if x.kind == k {
			return x
		}
	}
	return nil
}

// Reread takes what was spent from the ledger alone, which is another one than before.
func (b *Budgets) Reread(ctx context.Context) {
	b.posting.Lock()
	defer b.posting.Unlock()
	b.load(ctx, b.table.Load(), true)
}

// Run reads from the ledger what was spent in windows that begin while Corral runs, until ctx ends. For the most part that
// is nothing; but a machine without a clock of its own finds out late which day it is.
func (b *Budgets) Run(ctx context.Context) {
	again := time.NewTicker(time.Minute)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.stale:
		case <-again.C:
			if b.Trouble() == nil {
				continue
			}
		}
		b.posting.Lock()
		b.load(ctx, b.table.Load(), false)
		b.posting.Unlock()
	}
}

// Trouble is why what was spent is not known; nil: it is.
func (b *Budgets) Trouble() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.unread
}

// readPatience bounds the reading of sums: entries wait for it.
const readPatience = 2 * time.Second

// load puts on t's accounts what the ledger says was spent, where it has not been asked yet; with anew on all of them. It
// is called with posting held.
func (b *Budgets) load(ctx context.Context, t *table, anew bool) {
	if t == nil {
		t = &table{}
	}
	ctx, cancel := context.WithTimeout(ctx, readPatience)
	defer cancel()
	var failed error
	for _, x := range t.tallies {
		b.mu.Lock()
		periods := slices.Clone(x.periods)
		b.mu.Unlock()
		for _, p := range periods {
			if p.read && !anew { // written here only, and by whoever holds posting
				continue
			}
			report, err := b.o.Usage(ctx, usage.Query{From: p.from, To: p.to, By: x.dimension()})
			if err != nil {
				failed = err
				continue
			}
			names := map[string]string{} // looked up before: it may have to wait
			if x.scope == Key && x.only != "" {
				for _, row := range report.Rows {
					names[row.Key] = b.o.KeyName(row.Key)
				}
			}
			b.mu.Lock()
			x.take(p, report, names, anew)
			p.read = true
			near := t.near(x, p)
			b.mu.Unlock()
			b.tell(near)
		}
	}
	b.mu.Lock()
	known := b.unread != nil
	b.unread = failed
	b.mu.Unlock()
	if failed != nil && !known && ctx.Err() != context.Canceled {
		b.o.Log.Error("what was spent before cannot be read from the ledger; budgets count from now on", "cause", failed)
	}
}

// Post puts what an entry says a call has cost on the accounts. Posted must follow as soon as the ledger has the entry.
func (b *Budgets) Post(e *record.Entry) {
	b.posting.RLock()
	t := b.table.Load()
	if t == nil || e.Kind != record.Call {
		return
	}
	s := usage.Of(&record.Row{Kind: e.Kind, Cost: e.Cost}) // as the ledger's own sums have it
	if s.Cost == 0 && s.Unpriced == 0 {
		return
	}
	w := who{key: e.Caller, user: e.User, app: e.App}
	if t.keyName {
		w.keyName = b.o.KeyName(e.Caller)
	}
	var near []notice
	b.mu.Lock()
	for _, x := range t.tallies {
		name, ok := x.whose(&w)
		if !ok {
			continue
		}
		p := x.find(e.Time)
		if p == nil && x.newer(e.Time) {
			p = b.begin(x, e.Time)
		}
		if p == nil {
			continue // of a window that is over, and nobody asks about
		}
		a := p.account(name)
		a.spent = add(a.spent, s.Cost)
		a.unpriced += s.Unpriced
		near = append(near, t.nearing(x, p, a)...)
	}
	b.mu.Unlock()
	b.tell(near)
}

// Posted ends what Post began.
func (b *Budgets) Posted() { b.posting.RUnlock() }

// period is the window of x that a call belongs to that began at a time. One that took longer to come than windows are known
// for goes on the present one. It is called with mu held.
func (b *Budgets) period(x *tally, at time.Time) *period {
	if p := x.find(at); p != nil {
		return p
	}
	if !x.newer(at) {
		at = b.o.Now()
		if p := x.find(at); p != nil {
			return p
		}
	}
	return b.begin(x, at)
}

// begin begins a window of x. It is called with mu held.
func (b *Budgets) begin(x *tally, at time.Time) *period {
	p := x.at(at, b.o.Zone)
	if !p.read {
		select {
		case b.stale <- struct{}{}:
		default:
		}
	}
	return p
}

// Stage lets calls through that the budgets have room for, and does with the others what the budgets say.
func (b *Budgets) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		t := b.table.Load()
		if t == nil || r.Plan == nil || r.Endpoint.Task != llm.Generate && r.Endpoint.Task != llm.Embed && !r.Unknown() {
			return next.Serve(ctx, r)
		}
		most, costs := b.most(r)
		if !costs {
			return next.Serve(ctx, r)
		}
		over, h := b.reserve(t, r, most)
		if over != nil {
			r.OverBudget = true
			if over.rule.Then != Warn {
				return b.instead(ctx, r, over, next)
			}
		}
		if h == nil {
			return next.Serve(ctx, r)
		}
		return h.serve(ctx, r, next)
	})
}

// maxMost is the most that is set aside for one call: a million dollars.
const maxMost = 1_000_000 * 1_000_000_000

// most is the most that r may cost at any of its targets, and whether it may cost anything. What has no price counts as
// nothing in the first and as something in the second.
func (b *Budgets) most(r *llm.Request) (nano int64, costs bool) {
	in, out := int64(-1), int64(0)
	for i := range r.Plan.Candidates {
		x := &r.Plan.Candidates[i]
		if r.Plan.LocalOnly && !x.OnDevice() {
			continue
		}
		if r.Unknown() { // nobody can say what it costs, where somebody is paid
			costs = costs || !x.OnDevice()
			continue
		}
		if in < 0 {
			in, out = tokens(r)
		}
		m := b.price(r, x, in, out)
		nano = max(nano, min(m.Nano, maxMost))
		costs = costs || !m.Known || m.Nano > 0
	}
	return nano, costs
}

func (b *Budgets) price(r *llm.Request, x *llm.Candidate, in, out int64) record.Money {
	model := x.Target.Model
	if model == "" {
		model = r.Model
	}
	return b.o.Prices.Most(x.Target, model, in, out)
}

// instead is what becomes of a call that a budget has no room for: it stays on this device, where it may, or is refused.
// Under Refuse it stays only where it would have gone anyhow, to a target that costs nothing. A target on this device whose
// tokens cost something is none to stay at: it stands in front of somebody who is paid.
func (b *Budgets) instead(ctx context.Context, r *llm.Request, over *over, next llm.Handler) (*llm.Reply, error) {
	was := r.Plan
	plan := &llm.Plan{LastResort: was.LastResort, LocalOnly: true}
	in, out := tokens(r)
	for i := range was.Candidates {
		x := was.Candidates[i]
		m := b.price(r, &x, in, out)
		stays := x.OnDevice() && (r.Unknown() || m.Known && m.Nano == 0 || !m.Known && over.rule.Then == LocalOnly)
		if !stays && i == 0 && (over.rule.Then == Refuse || r.Alone()) {
			break
		}
		if !stays {
			continue
		}
		if len(plan.Candidates) == 0 && i > 0 {
			x.Target.Why = Route
		}
		plan.Candidates = append(plan.Candidates, x)
	}
	if len(plan.Candidates) == 0 && (len(plan.LastResort) == 0 || over.rule.Then == Refuse || r.Alone()) {
		return nil, over.refusal(b.o.Zone)
	}
	r.Plan = plan
	if len(plan.Candidates) > 0 {
		r.Target = plan.Candidates[0].Target
		reply, err := next.Serve(ctx, r)
		if errors.Is(err, llm.ErrStays) && llm.AsError(err).Kind == llm.Unsupported && !was.LocalOnly { // it would have left after all
			return nil, over.refusal(b.o.Zone)
		}
		return reply, err
	}
	reply, err := next.Serve(ctx, r)
	if err != nil && llm.AsError(err).Kind == llm.Unsupported { // the last resort knew nothing either
		return nil, over.refusal(b.o.Zone)
	}
	return reply, err
}

// Route is what Corral-Route says of a target that answers in place of one that would have cost too much.
const Route = "budget"

// over is a budget that has no room for a call.
type over struct {
	rule            Rule
	spent, reserved int64
	most            int64
	until           time.Time
	after           time.Duration // until the window ends
}

// soon is when to come back for what is set aside for calls under way.
const soon = 5 * time.Second

// passing reports that there will be room when the calls under way have ended.
func (o *over) passing() bool { return add(o.spent, max(o.most, 1)) <= o.rule.Limit }

func (o *over) refusal(zone *time.Location) *llm.Error {
	budget := Dollars(o.rule.Limit) + " per " + o.rule.Per
	if o.rule.Scope != All {
		budget += " for this " + o.rule.Scope
	}
	text := fmt.Sprintf("The budget of %s has no room for this call: %s spent", budget, Dollars(o.spent))
	if o.reserved > 0 {
		text += fmt.Sprintf(", %s set aside for calls under way", Dollars(o.reserved))
	}
	if o.most > 0 {
		text += fmt.Sprintf(", and it may cost up to %s", Dollars(o.most))
	}
	after, then := o.after, "until then ask for a shorter answer (max_tokens) or a model on this device, or raise it under budgets in corral.yaml"
	switch {
	case o.passing():
		after, then = soon, "try again when the others have ended, or ask for a shorter answer (max_tokens)"
	case o.most > o.rule.Limit:
		then = "but this call may cost more than all of it: ask for a shorter answer (max_tokens), or raise it under budgets in corral.yaml"
	}
	e := llm.Errorf(llm.OverBudget, "budget", nil, "%s. It begins anew at %s; %s.", text, o.until.In(zone).Format("2006-01-02 15:04 MST"), then)
	e.RetryAfter = max(after, time.Second)
	return e
}

// reserve sets aside what r may cost under all budgets that fit. Where one has no room nothing is set aside, unless it only
// warns, and that budget is returned: the strictest of them, and of these the one that lasts.
func (b *Budgets) reserve(t *table, r *llm.Request, most int64) (worst *over, h *hold) {
	w := who{r.Caller.Key, r.Caller.KeyName, r.Caller.User, r.Caller.App}
	type place struct {
		p    *period
		name string
	}
	var space [4]place
	on := space[:0]
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, x := range t.tallies {
		name, ok := x.whose(&w)
		if !ok {
			continue
		}
		p := b.period(x, r.Start)
		on = append(on, place{p, name})
		spent, reserved := p.sums(name)
		for _, rule := range t.rules {
			if !x.has(rule) || add(add(spent, reserved), max(most, 1)) <= rule.Limit {
				continue
			}
			o := &over{rule: rule, spent: spent, reserved: reserved, most: most, until: p.to, after: p.to.Sub(b.o.Now())}
			if worst == nil || o.worse(worst) {
				worst = o
			}
		}
	}
	if most > 0 && (worst == nil || worst.rule.Then == Warn) {
		h = &hold{b: b, most: most}
		h.on = h.space[:0]
		for _, x := range on {
			a := x.p.account(x.name)
			a.reserved += most
			h.on = append(h.on, held{x.p, a})
		}
	}
	return worst, h
}

func (o *over) worse(than *over) bool {
	strict := []string{Warn, LocalOnly, Refuse}
	a, b := slices.Index(strict, o.rule.Then), slices.Index(strict, than.rule.Then)
	switch {
	case a != b:
		return a > b
	case o.passing() != than.passing():
		return than.passing()
	}
	return o.until.After(than.until)
}

// hold is what is set aside for one call, until both the call and its reply are over: other calls may share the reply, and
// one of these pays if this one is over sooner. The entry of the one that pays has been posted by then.
type hold struct {
	b       *Budgets
	most    int64
	on      []held
	space   [4]held
	release func() // of the call, before; nil once it was called

	called, replied bool // what is over; b.mu guards it
}

type held struct {
	p *period
	a *account
}

// serve has next answer r, and r.Release and the reply's end give back what is held.
func (h *hold) serve(ctx context.Context, r *llm.Request, next llm.Handler) (*llm.Reply, error) {
	h.release = r.Release
	r.Release = h.over
	var body llm.Body
	defer func() {
		if body == nil { // an error, or a panic
			h.closed()
		}
	}()
	reply, err := next.Serve(ctx, r)
	if err != nil {
		return nil, err
	}
	body = &paid{reply.Body, h}
	reply.Body = body
	return reply, nil
}

// over is called when the call is written down.
func (h *hold) over() {
	h.giveBack(true, false)
	if h.release != nil {
		h.release()
		h.release = nil
	}
}

func (h *hold) closed() { h.giveBack(false, true) }

func (h *hold) giveBack(call, reply bool) {
	h.b.mu.Lock()
	defer h.b.mu.Unlock()
	h.called, h.replied = h.called || call, h.replied || reply
	if !h.called || !h.replied {
		return
	}
	for _, x := range h.on {
		x.a.reserved -= h.most
		x.p.tidy(x.a)
	}
	h.on = nil
}

// paid is the body of a reply that money is set aside for.
type paid struct {
	llm.Body
	h *hold
}

// Close implements llm.Body.
func (p *paid) Close() {
	p.Body.Close()
	p.h.closed()
}
