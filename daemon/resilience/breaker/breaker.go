// Package breaker keeps calls away from a target that does not answer, and finds out when it does again.
//
// There is one Breaker a target. A call asks Allow for a Pass and says with it what came of the call; nothing else moves
// the state but time and a person:
//
//	closed    --Failures in a row, or Rate of at least MinCalls in Window-->  open
//	open      --OpenFor (RefusedFor where the connection was refused)------>  half-open
//	half-open --Probes calls succeeded------------------------------------->  closed
//	half-open --one failed------------------------------------------------->  open
//
// Two further states lie over these and end with time: limited (the target said 429 and when to come back) and auth (it
// does not take the key that Corral shows). They say nothing about the target's health, so they leave what is below
// them alone.
//
// The surprise: a Pass belongs to the state in which it was given (its generation). What comes of it after the state has
// changed is of a time that is over: it neither opens nor closes anything, and the place of a probe, which the change has
// given back already, is not given back twice. States survive nothing: a restart begins closed.
package breaker

import (
	"fmt"
	"sync"
	"time"

	"corral/daemon/llm"
)

// State is how a target is treated.
type State uint8

const (
	Closed   State = iota // calls go through
	Open                  // none does
	HalfOpen              // a few do, as probes
	Limited               // none does until the target's own Retry-After is over
	Auth                  // none does: the target refuses Corral's key
)

// String is the state's name in the API, the feed and the metrics.
func (s State) String() string {
	return [...]string{"closed", "open", "half-open", "limited", "auth"}[s]
}

// Pin is what a person has decided.
type Pin uint8

const (
	Unpinned     Pin = iota
	PinnedOpen       // no call goes through, whatever happens
	PinnedClosed     // every call does
)

// String is the pin's name in the API; empty for none.
func (p Pin) String() string { return [...]string{"", "open", "closed"}[p] }

// Rules say when a breaker opens and closes. A zero turns its rule off, where not said otherwise.
type Rules struct {
	Failures   int           // in a row
	Rate       float64       // share of failures in Window, over 0 and at most 1
	Window     time.Duration // the time over which Rate is taken; 0: 10 s
	MinCalls   int           // fewer in Window decide nothing; 0: 10
	OpenFor    time.Duration // how long no call goes through
	RefusedFor time.Duration // OpenFor where the connection was refused, which costs neither side anything to try again; 0: OpenFor
	Probes     int           // calls at once in half-open, and successes that close it; 0: 1
	Slow       time.Duration // an answer whose first content takes longer counts as failure
	AuthFor    time.Duration // how long a target that refuses the key is left alone; 0: until Reload
	MaxLimited time.Duration // a longer Retry-After is cut to this; 0: 10 minutes
}

// forbiddenInRow is how many 403 in a row mean that it is the key: a single one may be about what was asked for.
const forbiddenInRow = 3

// Change is told when a target comes to be treated otherwise.
type Change struct {
	Target   llm.Target
	From, To State
	Why      string // in words, for the feed
	At       time.Time
	Seq      uint64 // counts up; changes may be told out of order when they follow each other closely
}

// Snapshot is a breaker as it is shown.
type Snapshot struct {
	Target    llm.Target
	State     State
	Pin       Pin
	Since     time.Time
	Why       string
	Failures  int       // in a row
	NextProbe time.Time // when a call may go through again; zero: now, or not before a person acts
	Probing   int       // probes under way
}

// Refusal is why no call goes through.
type Refusal struct {
	State State
	Until time.Time // zero: not known
	Why   string
	Hand  bool // until the operator lets go of it
}

// Outcome is what came of a call.
type Outcome uint8

const (
	Unjudged  Outcome = iota // says nothing of the target: the caller left, or the call itself was wrong
	Succeeded                // a whole answer came
	Failed                   // none came, or it broke off
	Refused                  // failed: nobody accepts connections there
)

// Breaker is one target's. Its methods may be called at the same time.
type Breaker struct {
	target  llm.Target
	changed func(Change)

	mu         sync.Mutex // guards what follows
	rules      Rules
	pin        Pin
	state      State  // Closed, Open or HalfOpen
	generation uint64 // goes up with every change of state
	since      time.Time
	why        string
	until      time.Time // of Open
	failures   int       // in a row
	forbidden  int       // 403 in a row
	window     window
	probing    int // passes of this generation that hold a probe's place
	passed     int // probes that succeeded
	limited    overlay
	auth       overlay
	shown      State // what was told last
	shownPin   Pin
	seq        uint64
}

// overlay is a state that lies over another.
type overlay struct {
	on           bool
	since, until time.Time // until zero: no end
	why          string
}

func (o *overlay) active(now time.Time) bool {
	return o.on && (o.until.IsZero() || now.Before(o.until))
}

// New makes a closed Breaker for t. changed is called after each change, with no lock held; nil: nobody asks.
func New(t llm.Target, r Rules, changed func(Change)) *Breaker {
	return &Breaker{target: t, rules: r.filled(), changed: changed, since: time.Now()}
}

func (r Rules) filled() Rules {
	r.Window = or(r.Window, 10*time.Second)
	r.MinCalls = or(r.MinCalls, 10)
	r.Probes = or(r.Probes, 1)
	r.RefusedFor = or(r.RefusedFor, r.OpenFor)
	r.MaxLimited = or(r.MaxLimited, 10*time.Minute)
	return r
}

func or[T int | time.Duration](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Pass is the leave for one call. The zero Pass is good for nothing and may be ended at no cost.
type Pass struct {
	b          *Breaker
	generation uint64
	began      time.Time
	probe      bool // holds a probe's place
	slow       bool
}

// Allow fills p if a call may go to the target now; otherwise it says why not. Every filled Pass must be ended, with
// Done, Limited or Denied.
func (b *Breaker) Allow(p *Pass) *Refusal {
	now := time.Now()
	b.mu.Lock()
	r := b.refuses(now)
	if r == nil {
		if b.state == Open && b.pin == Unpinned {
			b.to(HalfOpen, now, "it is time to see whether it answers again")
		}
		*p = Pass{b: b, generation: b.generation, began: now}
		if b.state == HalfOpen && b.pin == Unpinned {
			p.probe = true
			b.probing++
		}
	}
	b.unlock(now)
	return r
}

// Refuses says why no call could go through at the time t, as things are now; nil: one could. It changes nothing.
func (b *Breaker) Refuses(t time.Time) *Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refuses(t)
}

func (b *Breaker) refuses(now time.Time) *Refusal {
	switch {
	case b.pin == PinnedClosed:
		return nil
	case b.pin == PinnedOpen:
		return &Refusal{State: Open, Why: b.why, Hand: true}
	case b.auth.active(now):
		return &Refusal{State: Auth, Until: b.auth.until, Why: b.auth.why}
	case b.limited.active(now):
		return &Refusal{State: Limited, Until: b.limited.until, Why: b.limited.why}
	case b.state == Open && now.Before(b.until):
		return &Refusal{State: Open, Until: b.until, Why: b.why}
	case b.state == HalfOpen && b.probing >= b.rules.Probes:
		return &Refusal{State: HalfOpen, Why: b.why}
	}
	return nil
}

// Content notes that the first content has come. patient says that the wait was for a good reason, such as a model that
// was being loaded, and is not to be called slow. A probe's place is free from now on for another: the target answers
// again, and only whether it answers to the end is open. So there are never more probes without an answer than the
// rules say, and one long stream does not keep all others out.
func (p *Pass) Content(patient bool) {
	b := p.b
	if b == nil {
		return
	}
	b.mu.Lock()
	p.slow = !patient && b.rules.Slow > 0 && time.Since(p.began) > b.rules.Slow
	p.free(b)
	b.mu.Unlock()
}

// free gives a probe's place back, unless a change of state has done so.
func (p *Pass) free(b *Breaker) {
	if p.probe && p.generation == b.generation {
		b.probing--
	}
	p.probe = false
}

// Done says what came of the call. Of a pass that has ended, nothing more is heard.
func (p *Pass) Done(o Outcome) {
	b := p.b
	if b == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	p.b = nil
	p.free(b)
	if p.slow && o == Succeeded {
		o = Failed
	}
	if p.generation == b.generation && o != Unjudged {
		switch b.state {
		case Closed:
			b.count(now, o, p.slow)
		case HalfOpen:
			b.judge(now, o)
		}
	}
	b.unlock(now)
}

// count takes in a result while calls go through.
func (b *Breaker) count(now time.Time, o Outcome, slow bool) {
	failed := o != Succeeded
	if b.rules.Rate > 0 {
		b.window.add(now, b.rules.Window, failed)
	}
	if !failed {
		b.failures, b.forbidden = 0, 0
		return
	}
	b.failures++
	word := "failed"
	if slow {
		word = "failed or were slow"
	}
	if b.rules.Failures > 0 && b.failures >= b.rules.Failures {
		b.open(now, o, fmt.Sprintf("%d calls in a row %s", b.failures, word))
		return
	}
	if b.rules.Rate > 0 {
		if calls, bad := b.window.sum(now, b.rules.Window); calls >= b.rules.MinCalls && float64(bad) >= b.rules.Rate*float64(calls) {
			b.open(now, o, fmt.Sprintf("%d of %d calls in %v %s", bad, calls, b.rules.Window, word))
		}
	}
}

// judge takes in a result of a probe.
func (b *Breaker) judge(now time.Time, o Outcome) {
	if o != Succeeded {
		b.failures++
		b.open(now, o, "it was asked again and failed again")
		return
	}
	if b.passed++; b.passed >= b.rules.Probes {
		b.to(Closed, now, "it answers again")
	}
}

func (b *Breaker) open(now time.Time, o Outcome, why string) {
	b.to(Open, now, why)
	b.until = now.Add(b.rules.OpenFor)
	if o == Refused {
		b.until = now.Add(b.rules.RefusedFor)
	}
}

// to changes the state: all that is under way belongs to the past from here on.
func (b *Breaker) to(s State, now time.Time, why string) {
	b.state, b.since, b.why = s, now, why
	b.generation++
	b.probing, b.passed = 0, 0
	b.window = window{}
	if s == Closed {
		b.failures, b.forbidden = 0, 0
	}
}

// Limited says that the target answered 429 and asked to be left alone for after. 0: it did not say for how long, so it
// is not kept from others; backing off is the retry's matter.
func (p *Pass) Limited(after time.Duration) {
	b := p.b
	if b == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	p.b = nil
	p.free(b)
	if after > 0 && p.generation == b.generation {
		until := now.Add(min(after, b.rules.MaxLimited))
		if !b.limited.active(now) {
			b.limited = overlay{on: true, since: now}
		}
		if until.After(b.limited.until) {
			b.limited.until = until
		}
		b.limited.why = "it is over its rate limit"
	}
	b.unlock(now)
}

// Denied says that the target did not take Corral's key: status 401 or 403.
func (p *Pass) Denied(status int) {
	b := p.b
	if b == nil {
		return
	}
	now := time.Now()
	b.mu.Lock()
	p.b = nil
	p.free(b)
	if p.generation == b.generation {
		b.forbidden++
		if status != 403 || b.forbidden >= forbiddenInRow {
			b.auth = overlay{on: true, since: now, why: fmt.Sprintf("it refuses Corral's key with status %d", status)}
			if b.rules.AuthFor > 0 {
				b.auth.until = now.Add(b.rules.AuthFor)
			}
		}
	}
	b.unlock(now)
}

// Open opens the breaker by hand: no call goes through for OpenFor.
func (b *Breaker) Open() { b.byHand(func(now time.Time) { b.open(now, Failed, "opened by hand") }) }

// Close closes the breaker by hand, and forgets that the target refused the key or was over its limit.
func (b *Breaker) Close() {
	b.byHand(func(now time.Time) {
		b.auth, b.limited = overlay{}, overlay{}
		b.to(Closed, now, "closed by hand")
	})
}

// Pin keeps the breaker as p says until it is unpinned. What calls come to still counts, below.
func (b *Breaker) Pin(p Pin) {
	b.byHand(func(now time.Time) {
		b.pin = p
		switch p {
		case Unpinned:
			b.to(Closed, now, "unpinned")
		default:
			b.since, b.why = now, "pinned "+p.String()+" by hand"
		}
	})
}

// Set puts r in force. The state stays, but a target that refused the key may be tried with what may be a new one.
func (b *Breaker) Set(r Rules) {
	b.byHand(func(now time.Time) {
		b.rules = r.filled()
		if b.auth.on {
			b.auth, b.forbidden = overlay{}, 0
			b.generation++ // a refusal of the old key may still be on its way
			b.probing, b.passed = 0, 0
		}
	})
}

func (b *Breaker) byHand(do func(now time.Time)) {
	now := time.Now()
	b.mu.Lock()
	do(now)
	b.unlock(now)
}

// unlock tells of the change there was, if any, when the lock is free again.
func (b *Breaker) unlock(now time.Time) {
	s, since, why := b.seen(now)
	if s == b.shown && b.pin == b.shownPin { // a pin that changes no state keeps it: that is told too
		b.mu.Unlock()
		return
	}
	b.seq++
	c := Change{Target: b.target, From: b.shown, To: s, Why: why, At: since, Seq: b.seq}
	b.shown, b.shownPin = s, b.pin
	b.mu.Unlock()
	if b.changed != nil {
		b.changed(c)
	}
}

// seen is the state as it shows.
func (b *Breaker) seen(now time.Time) (s State, since time.Time, why string) {
	switch {
	case b.pin == PinnedOpen:
		return Open, b.since, b.why
	case b.pin == PinnedClosed:
		return Closed, b.since, b.why
	case b.auth.active(now):
		return Auth, b.auth.since, b.auth.why
	case b.limited.active(now):
		return Limited, b.limited.since, b.limited.why
	}
	return b.state, b.since, b.why
}

// Snapshot is the breaker as it is now. An open one whose time is over shows as half-open, which the feed tells when the next call comes.
func (b *Breaker) Snapshot() Snapshot {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	out := Snapshot{Target: b.target, Pin: b.pin, Failures: b.failures, Probing: b.probing}
	out.State, out.Since, out.Why = b.seen(now)
	if out.State == Open && b.pin == Unpinned && !now.Before(b.until) {
		// Only the next call moves the state, and where nobody calls it would be shown as open for ever, with nothing kept away.
		out.State, out.Since, out.Why = HalfOpen, b.until, b.why+"; the next call tries it"
	}
	if r := b.refuses(now); r != nil {
		out.NextProbe = r.Until
	}
	return out
}

// Idle reports whether a new Breaker would be the same.
func (b *Breaker) Idle() bool {
	now := time.Now()
	b.mu.Lock()
	defer b.mu.Unlock()
	s, _, _ := b.seen(now)
	return s == Closed && b.pin == Unpinned && b.failures == 0 && b.forbidden == 0
}
