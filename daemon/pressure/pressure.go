// Package pressure is the stage that spares a machine that is short of memory or too hot. While it is, calls are sent to a smaller
// model or to the cloud first, and no second model is loaded, as far as the config says so; and only ever among the targets that
// the config names for the model asked for. Why is in Corral-Route: pressure:memory, pressure:heat.
//
// What is no call's matter (a narrower queue, a smaller cache, models that are let go because nobody uses them) is done by package
// daemon at the same moment; Room, which lets go of models, stands here because a call may need it too.
//
// While all is well the stage costs one atomic load.
package pressure

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
)

// Action is what may be done, by its name in the config.
type Action string

const (
	RefuseLoad       Action = "refuse-load"       // no second model is loaded
	ShrinkCache      Action = "shrink-cache"      // memory only
	LowerConcurrency Action = "lower-concurrency" // one call at a time to each server on this device
	UnloadIdle       Action = "unload-idle"       // memory only
	PreferSmaller    Action = "prefer-smaller"
	PreferCloud      Action = "prefer-cloud"
)

// State is the pressure that the machine is under.
type State struct {
	Kind    string // memory or heat
	Text    string // for callers: "memory is short on this machine"
	Actions []Action
}

// May reports whether an action is to be taken; of no State none is.
func (s *State) May(a Action) bool { return s != nil && slices.Contains(s.Actions, a) }

// Gate is the stage.
type Gate struct {
	state atomic.Pointer[State]
	room  *Room
}

// New makes a Gate.
func New(room *Room) *Gate { return &Gate{room: room} }

// Set says how things are from now on; nil: well.
func (g *Gate) Set(s *State) { g.state.Store(s) }

// State is how things are; nil: well.
func (g *Gate) State() *State { return g.state.Load() }

// Trial is a gate that decides as g does now, for a call that is only explained: it lets go of no model, and nobody's room is taken.
func (g *Gate) Trial() *Gate {
	room := &Room{Uses: g.room.Uses, loading: map[target]time.Time{}, leaving: map[target]time.Time{}, full: map[string]time.Time{}}
	x := New(room)
	if s := g.state.Load(); s != nil {
		x.Set(&State{Kind: s.Kind, Text: s.Text, Actions: slices.DeleteFunc(slices.Clone(s.Actions), func(a Action) bool { return a == UnloadIdle })})
	}
	return x
}

// RetryAfter is when a call that was refused may come again: pressure that is over is left about as late.
const RetryAfter = 20 * time.Second

// Stage changes the plans of calls while there is pressure.
func (g *Gate) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		s := g.state.Load()
		if s == nil || r.Plan == nil || r.Endpoint.Task != llm.Generate && r.Endpoint.Task != llm.Embed {
			return next.Serve(ctx, r)
		}
		if err := g.spare(ctx, s, r); err != nil {
			return nil, err
		}
		return next.Serve(ctx, r)
	})
}

// choice is a candidate and what is known of it.
type choice struct {
	llm.Candidate
	was    int // its place in the plan
	model  string
	holder provider.Holder // nil: it loads nothing, or cannot tell
	held   bool            // in memory already, or taken to be
	size   uint64          // 0: not known
}

func (g *Gate) spare(ctx context.Context, s *State, r *llm.Request) error {
	list := g.choices(ctx, r)
	if len(list) == 0 {
		return nil
	}
	usual, first := list[0].was, r.Alone() // first: the caller takes nobody else
	if !first {
		s.order(list)
	}
	var left []llm.Candidate
	var refused *choice
	for i := range list {
		c := &list[i]
		if len(left) > 0 && first {
			break
		}
		if s.May(RefuseLoad) && !c.held && (len(left) > 0 || !g.room.For(ctx, c, s.May(UnloadIdle))) {
			if refused == nil {
				refused = c
			}
			if first {
				break
			}
			continue
		}
		if c.was != usual && len(left) == 0 || refused != nil {
			c.Target.Why = "pressure:" + s.Kind
		}
		left = append(left, c.Candidate)
	}
	if len(left) == 0 && refused != nil {
		e := refusal(s, refused.model)
		if first || len(r.Plan.LastResort) == 0 {
			return e
		}
		refused.Handler = llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, e })
		left = append(left, refused.Candidate)
	}
	if first {
		left = append(left, r.Plan.Candidates[1:]...) // resilience leaves them out, and knows that there are others
	}
	r.Plan = &llm.Plan{Candidates: left, LastResort: r.Plan.LastResort, LocalOnly: r.Plan.LocalOnly}
	r.Target = left[0].Target
	return nil
}

func refusal(s *State, model string) *llm.Error {
	e := llm.Errorf(llm.Busy, "pressure", nil, "%q is not in memory, and no second model is loaded while %s. Try again in %d s, or ask for the model that is loaded.",
		model, s.Text, int(RetryAfter.Seconds()))
	e.RetryAfter = RetryAfter
	return e
}

func (g *Gate) choices(ctx context.Context, r *llm.Request) []choice {
	var list []choice
	for i, x := range r.Plan.Candidates {
		if r.Plan.LocalOnly && !x.OnDevice() {
			continue
		}
		c := choice{Candidate: x, was: i, model: cmp.Or(x.Target.Model, r.Model), held: true}
		if h, ok := x.Handler.(provider.Holder); ok && x.OnDevice() {
			c.holder = h
			full := h.Full(c.model)
			if held, err := h.Held(ctx); err == nil { // who cannot be asked will say so to the call itself
				c.held = has(held, full)
			}
			if len(r.Plan.Candidates) > 1 {
				if sizes, err := h.Stored(ctx); err == nil {
					c.size = sizes[full]
				}
			}
		}
		list = append(list, c)
	}
	return list
}

// order puts what the config prefers to the front, in the order in which it names the two. A smaller model is preferred to the usual
// one unless that one is in memory and the smaller is not: then it would take more, not less.
func (s *State) order(list []choice) {
	usual := slices.IndexFunc(list, func(c choice) bool { return c.OnDevice() })
	if usual < 0 {
		return
	}
	u := list[usual]
	smaller := func(c *choice) bool {
		return c.OnDevice() && c.size > 0 && c.size < u.size && (c.held || !u.held)
	}
	rank := func(c *choice) int {
		for i, a := range s.Actions {
			if a == PreferSmaller && smaller(c) || a == PreferCloud && !c.OnDevice() {
				return i
			}
		}
		return len(s.Actions)
	}
	slices.SortStableFunc(list, func(a, b choice) int {
		if d := cmp.Compare(rank(&a), rank(&b)); d != 0 {
			return d
		}
		if smaller(&a) && smaller(&b) {
			return cmp.Compare(a.size, b.size)
		}
		return 0
	})
}

// Room lets go of models that no call uses.
type Room struct {
	// Uses says what a provider's calls are for: names as called, whether some run, and when one last did.
	Uses func(provider string) []Use

	mu      sync.Mutex           // held while room is made, so that two calls do not load two models
	loading map[target]time.Time // since when
	leaving map[target]time.Time
	full    map[string]time.Time // by provider: when no room could be made there
}

// Use is what is known of the calls for a model.
type Use struct {
	Model   string
	Running int
	Last    time.Time
}

type target struct{ provider, model string }

const (
	loadSeen     = 10 * time.Second // by then a server shows the model that it was told to load
	roomPatience = 5 * time.Second  // a model that is let go is gone by then
	roomLook     = 50 * time.Millisecond
)

// For makes room for c's model and reports whether it may be loaded: nothing else is in that server's memory then. What is idle there is
// let go, if that is allowed; what answers a call is not.
func (x *Room) For(ctx context.Context, c *choice, unload bool) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	wanted := target{c.Target.Provider, c.holder.Full(c.model)}
	held, err := c.holder.Held(ctx)
	if err != nil {
		return true // the call will hear what is wrong there
	}
	for t, at := range x.loading {
		if time.Since(at) > loadSeen || has(held, t.model) {
			delete(x.loading, t)
		} else if t.provider == wanted.provider && t != wanted {
			return false // another call is about to load its own
		}
	}
	others := slices.DeleteFunc(slices.Clone(held), func(m provider.Held) bool { return m.Model == wanted.model })
	if len(others) > 0 {
		if !unload || time.Since(x.full[wanted.provider]) < roomPatience { // not each of many calls in turn waits in vain
			return false
		}
		uses := x.uses(wanted.provider, c.holder)
		for _, m := range others {
			if uses[m.Model].Running > 0 {
				return false
			}
		}
		for _, m := range others {
			if c.holder.Unload(ctx, m.Model) != nil {
				return false
			}
		}
		if !gone(ctx, c.holder, others) {
			if ctx.Err() == nil {
				if x.full == nil {
					x.full = map[string]time.Time{}
				}
				x.full[wanted.provider] = time.Now()
			}
			return false
		}
	}
	if x.loading == nil {
		x.loading = map[target]time.Time{}
	}
	x.loading[wanted] = time.Now()
	return true
}

func has(held []provider.Held, model string) bool {
	return slices.ContainsFunc(held, func(m provider.Held) bool { return m.Model == model })
}

// gone waits until none of models is in h's memory any more.
func gone(ctx context.Context, h provider.Holder, models []provider.Held) bool {
	look := time.NewTicker(roomLook)
	defer look.Stop()
	for deadline := time.Now().Add(roomPatience); time.Now().Before(deadline); {
		held, err := h.Held(ctx)
		if err == nil && !slices.ContainsFunc(models, func(m provider.Held) bool { return has(held, m.Model) }) {
			return true
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
	return false
}

func (x *Room) uses(name string, h provider.Holder) map[string]Use {
	out := map[string]Use{}
	for _, u := range x.Uses(name) {
		full := h.Full(u.Model)
		was := out[full]
		was.Running += u.Running
		if u.Last.After(was.Last) {
			was.Last = u.Last
		}
		out[full] = was
	}
	return out
}

// Idle lets go of the models of a provider that no call has used for a while, and names them. A server that cannot be asked what it
// holds is no error: it is away, and others say so.
func (x *Room) Idle(ctx context.Context, name string, h provider.Holder, unused time.Duration) (let []string, err error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	held, err := h.Held(ctx)
	if err != nil {
		return nil, nil
	}
	uses := x.uses(name, h)
	if x.leaving == nil {
		x.leaving = map[target]time.Time{}
	}
	for t, at := range x.leaving {
		if time.Since(at) >= roomPatience {
			delete(x.leaving, t)
		}
	}
	for _, m := range held {
		if at, ok := x.loading[target{name, m.Model}]; ok && time.Since(at) < loadSeen {
			continue
		}
		if u := uses[m.Model]; u.Running > 0 || time.Since(u.Last) < unused {
			continue
		}
		if _, told := x.leaving[target{name, m.Model}]; told {
			continue
		}
		if err := h.Unload(ctx, m.Model); err != nil {
			return let, err
		}
		x.leaving[target{name, m.Model}] = time.Now()
		let = append(let, m.Model)
	}
	return let, nil
}
