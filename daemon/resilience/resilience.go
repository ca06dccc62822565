// Package resilience is the stage that gets an answer although targets fail. A call comes with its plan: the targets that
// may answer it, in order. What is then done about failures stands in one place, New, and reads
//
//	fallback(retry(remember(queue(breaker(stay(trace(timeout(ask))))))))
//
// from the outside in: the next target when one cannot; the same target again when that may help; a place at a server on
// this device (each try is remembered for who looks at the call later); nothing at all to a target that is known to be away, or that
// would pass on what must stay here; and no longer than the rules allow. judge.go is the table that says of each error which of these may help.
//
// To add a kind of failure, add a row to causes and a case to judge. To add a policy, write a function from step to step
// and name it in New.
//
// The surprise: a provider's Serve returns with the first content of a stream, so the nest has done its work when the
// caller's answer begins; but the breaker and the queue hear of the call's end only when its reply is closed. Until then
// they are held by the reply's body (held.go).
//
// design.md says why this is not built on a library.
package resilience

import (
	"context"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/queue"
	"corral/daemon/resilience/retry"
)

// What a call brings with it, in the words of the nest.
type (
	Candidate  = llm.Candidate
	LastResort = llm.LastResort
	Plan       = llm.Plan
)

// Loader is a provider that can tell a model that is being loaded from one that hangs.
type Loader interface {
	// Loading reports whether the server is loading model at the moment.
	Loading(ctx context.Context, model string) (bool, error)
}

// Rules are what is in force. DefaultRules has useful ones.
type Rules struct {
	Retry   retry.Policy
	Budget  retry.BudgetRules
	Breaker breaker.Rules
	Queue   queue.Rules            // of each server on this device
	QueueOf map[string]queue.Rules // by provider, where it differs
	Timeout Timeout
	Ping    time.Duration // a caller who waits for a stream hears this often that it goes on, where its dialect has a word for it; 0: never
}

// Timeout bounds one attempt. Zero: no bound. Idle streams are the provider's matter.
type Timeout struct {
	Content time.Duration // of a stream: until its first content
	Whole   time.Duration // of an answer that is not streamed, and of a stream from its first content to its end
	Load    time.Duration // how much longer while the model is being loaded
}

// DefaultRules are those of an untouched config.
func DefaultRules() Rules {
	return Rules{
		Retry:  retry.Policy{Strategy: retry.Exponential, MaxAttempts: 3, Base: 200 * time.Millisecond, Max: 5 * time.Second},
		Budget: retry.DefaultBudget(),
		Breaker: breaker.Rules{Failures: 5, Rate: 0.5, Window: 30 * time.Second, MinCalls: 20, OpenFor: time.Minute, RefusedFor: time.Second,
			Probes: 1, AuthFor: 5 * time.Minute},
		Queue:   queue.Default(),
		Timeout: Timeout{Content: 2 * time.Minute, Whole: time.Hour, Load: 10 * time.Minute},
	}
}

// Hooks are told what happens. Each may be nil, and must be quick.
type Hooks struct {
	Ask      func(r *llm.Request)                     // r.Target is about to be asked, for the first time or again
	Queued   func(t llm.Target, waited time.Duration) // a place at t was waited for, in vain or not
	Retry    func(t llm.Target, cause string)         // t is about to be asked again
	Fallback func(from, to llm.Target, cause string)  // to answers in place of from; its Why says how
	Breaker  func(breaker.Change)
}

// Options are what a Nest needs.
type Options struct {
	Rules Rules
	// Similar finds an answer to a question like r; nil: there is none. The nest marks it.
	Similar func(ctx context.Context, r *llm.Request) *llm.Reply
	Hooks   Hooks
	Random  func() float64 // from 0 up to, not including, 1; nil: chance
}

// Nest is the stage.
type Nest struct {
	o       Options
	rules   atomic.Pointer[Rules]
	serve   func(ctx context.Context, c *call) (*llm.Reply, error)
	outages atomic.Pointer[[]Outage] // begun by hand; nil: none

	mu      sync.RWMutex // guards what follows
	targets map[key]*target
	queues  map[string]*queue.Queue // by provider
	most    int                     // calls at once that Squeeze allows; 0: as the rules say
}

type key struct{ provider, model string }

// target is what is known of one, from one call to the next.
type target struct {
	breaker *breaker.Breaker
	budget  *retry.Budget
}

// maxTargets bounds the table, for callers may invent names. Those of which nothing is known are forgotten first; what
// is then still too much shares one entry a provider.
const maxTargets = 1000

// New makes a Nest.
func New(o Options) *Nest {
	if o.Random == nil {
		o.Random = rand.Float64
	}
	n := &Nest{o: o, targets: map[key]*target{}, queues: map[string]*queue.Queue{}}
	n.rules.Store(&o.Rules)
	n.serve = fallback(retried(remembered(queued(guarded(staying(traced(bounded(ask))))))))
	return n
}

// Set puts other rules in force for calls to come, and lets targets that refused their key be tried again: the config may
// have another one now.
func (n *Nest) Set(r Rules) {
	n.rules.Store(&r)
	n.mu.RLock()
	defer n.mu.RUnlock()
	for _, t := range n.targets {
		t.breaker.Set(r.Breaker)
		t.budget.Set(r.Budget)
	}
	for provider, q := range n.queues {
		q.Set(n.queueRules(&r, provider))
	}
}

// Squeeze lets no more than most calls at once into each server on this device, whatever the rules say; 0: as they say. Calls that
// run go on.
func (n *Nest) Squeeze(most int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.most = most
	r := n.rules.Load()
	for provider, q := range n.queues {
		q.Set(n.queueRules(r, provider))
	}
}

// queueRules needs the lock.
func (n *Nest) queueRules(r *Rules, provider string) queue.Rules {
	out := r.queueOf(provider)
	if n.most > 0 && (out.Concurrent <= 0 || out.Concurrent > n.most) {
		out.Concurrent = n.most
	}
	return out
}

func (r *Rules) queueOf(provider string) queue.Rules {
	if own, ok := r.QueueOf[provider]; ok {
		return own
	}
	return r.Queue
}

// call is one call on its way through the nest.
type call struct {
	n     *Nest
	r     *llm.Request
	rules *Rules
	plan  *Plan
	at    *Candidate // that is asked now
	again llm.Again  // why, where it is not the first to be asked, or not for the first time
	alone bool       // Corral-Fallback: off
	kept  *llm.Reply // the error answer of the only target asked so far
	fails []failure
	sent  bool // the text has come to c.at, or may have
	where func() (host string, known bool)
}

// Handler is the nest as the last handler of a journey, for calls that bring their plan.
func (n *Nest) Handler() llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) { return n.Serve(ctx, r, r.Plan) })
}

// Serve gets an answer to r from one of p's targets. What changes something at a target (Manage, Upload) goes to the
// first of them, once, whatever its breaker says: whoever asks for it is told what the target itself has to say.
func (n *Nest) Serve(ctx context.Context, r *llm.Request, p *Plan) (*llm.Reply, error) {
	c := &call{n: n, r: r, rules: n.rules.Load(), plan: p, alone: r.Alone()}
	if t := r.Endpoint.Task; t == llm.Manage || t == llm.Upload {
		return manage(ctx, c)
	}
	if c.rules.Ping > 0 && canPing(r) {
		return awake(ctx, c)
	}
	return n.serve(ctx, c)
}

// may reports whether the call may go to x.
func (c *call) may(x *Candidate) bool { return !c.plan.LocalOnly || x.OnDevice() }

func manage(ctx context.Context, c *call) (*llm.Reply, error) {
	for i := range c.plan.Candidates {
		if x := &c.plan.Candidates[i]; c.may(x) {
			c.at, c.r.Target = x, x.Target
			o := remembered(traced(ask))(ctx, c, nil)
			if o.err != nil {
				return nil, o.err
			}
			return o.reply, nil
		}
	}
	return nil, c.nowhere()
}

// target finds what is known of x for the model that is asked for.
func (n *Nest) target(x *Candidate, asked string) *target {
	k := key{x.Target.Provider, x.Target.Model}
	if k.model == "" {
		k.model = asked
	}
	n.mu.RLock()
	t := n.targets[k]
	n.mu.RUnlock()
	if t != nil {
		return t
	}
	return n.newTarget(k)
}

func (n *Nest) newTarget(k key) *target {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.targets) >= maxTargets {
		for k, t := range n.targets {
			if t.breaker.Idle() {
				delete(n.targets, k)
			}
		}
		if len(n.targets) >= maxTargets {
			k.model = "*"
		}
	}
	if t := n.targets[k]; t != nil {
		return t
	}
	rules := n.rules.Load()
	t := &target{breaker: breaker.New(llm.Target{Provider: k.provider, Model: k.model}, rules.Breaker, n.o.Hooks.Breaker), budget: retry.NewBudget(rules.Budget)}
	n.targets[k] = t
	return t
}

// queue is that of a server on this device. A model may come to be elsewhere, and back: it is the call that stands in it, not the model.
func (n *Nest) queue(provider string) *queue.Queue {
	n.mu.RLock()
	q := n.queues[provider]
	n.mu.RUnlock()
	if q != nil {
		return q
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if q = n.queues[provider]; q == nil {
		q = queue.New(n.queueRules(n.rules.Load(), provider))
		n.queues[provider] = q
	}
	return q
}

// Breaker is the breaker of one target, to be opened, closed or pinned by hand. model is the provider's own name for it.
func (n *Nest) Breaker(provider, model string) *breaker.Breaker {
	k := key{provider, model}
	n.mu.RLock()
	t := n.targets[k]
	n.mu.RUnlock()
	if t == nil {
		t = n.newTarget(k)
	}
	return t.breaker
}

// Away reports whether a target is left alone at the moment, because it failed. model is the provider's own name for it.
func (n *Nest) Away(provider, model string) bool {
	n.mu.RLock()
	t := n.targets[key{provider, model}]
	n.mu.RUnlock()
	return t != nil && t.breaker.Refuses(time.Now()) != nil
}

// Breakers are all targets that calls have gone to, by name.
func (n *Nest) Breakers() []breaker.Snapshot {
	n.mu.RLock()
	out := make([]breaker.Snapshot, 0, len(n.targets))
	for _, t := range n.targets {
		out = append(out, t.breaker.Snapshot())
	}
	n.mu.RUnlock()
	slices.SortFunc(out, func(a, b breaker.Snapshot) int {
		return strings.Compare(a.Target.Provider+"/"+a.Target.Model, b.Target.Provider+"/"+b.Target.Model)
	})
	return out
}

// Uses are the models that calls to a server on this device were for.
func (n *Nest) Uses(provider string) []queue.Use {
	n.mu.RLock()
	q := n.queues[provider]
	n.mu.RUnlock()
	if q == nil {
		return nil
	}
	return q.Uses()
}

// Queues are the queues of the servers on this device, by provider.
func (n *Nest) Queues() map[string]queue.Snapshot {
	n.mu.RLock()
	defer n.mu.RUnlock()
	out := make(map[string]queue.Snapshot, len(n.queues))
	for provider, q := range n.queues {
		out[provider] = q.Snapshot()
	}
	return out
}
