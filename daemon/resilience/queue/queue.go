// Package queue lets no more calls into a small server than it can do at once, and decides who is next.
//
// There is one Queue for each server on the device. As long as there is a free place, nobody waits and the queue is not
// felt. When there is none, the next is chosen by these rules, the first that decides:
//
//  1. Interactive calls come before batch calls; after maxAhead of them in a row one batch call comes.
//  2. Calls for the model that was called last come before those for others, for changing the model costs a small device
//     seconds; after MaxRun of them in a row the one that has waited longest comes, whatever its model.
//  3. Callers take turns, however many calls each of them has waiting.
//  4. Who came first comes first.
//
// So no call waits for ever: whoever has waited longest in its class is next after at most MaxRun calls, and a batch call
// after at most maxAhead. When the queue is full, the caller with the most calls waiting gives one up to a caller with
// fewer; all others are told when to come back.
package queue

import (
	"context"
	"math"
	"sync"
	"time"

	"corral/daemon/llm"
)

// Rules are a queue's measures.
type Rules struct {
	Concurrent int // calls in the server at once; 0: no limit, and so no queue
	Waiting    int // calls that may wait; 0: none
	MaxRun     int // calls for one model in a row while others wait; 0: 8
}

// Default is so wide that it is not felt: Ollama itself does far fewer calls at once, and refuses more than 512 that wait.
func Default() Rules { return Rules{Concurrent: 256, Waiting: 1024, MaxRun: 8} }

const maxAhead = 16 // interactive calls in a row while a batch call waits

// Ticket says who wants a place, and what for.
type Ticket struct {
	ID     string // of the request
	Caller string // whose turn it is
	Model  string
	Batch  bool // nobody sits and waits for the answer
}

// Waiter is a waiting call as it is shown.
type Waiter struct {
	Ticket
	Since    time.Time
	Position int // 1 is next, if nobody comes or goes
}

// Use is what the queue's server does for one model.
type Use struct {
	Model   string // as called
	Running int
	Last    time.Time // when a call for it began or ended last
}

// Snapshot is the queue as it is shown.
type Snapshot struct {
	Running int
	Rules   Rules
	Model   string // that was called last
	Waiting []Waiter
}

// Queue is one server's. Its methods may be called at the same time.
type Queue struct {
	mu      sync.Mutex // guards what follows
	rules   Rules
	running int
	waiting []*waiter // in the order in which they came
	order   order
	held    time.Duration // how long a place is held, on average
	uses    map[string]*Use
}

// maxUses bounds the models that are remembered, for callers may invent names.
const maxUses = 64

type waiter struct {
	Ticket
	since   time.Time
	ready   chan struct{} // closed when the wait is over
	use     *Use          // set before ready is closed, where there is a place
	refused *llm.Error    // set before ready is closed, where there is no place after all
}

// order is what the choice of the next one depends on, beside who waits.
type order struct {
	model string // called last
	run   int    // calls for model in a row while others waited
	ahead int    // interactive calls in a row while batch calls waited
	now   uint64 // the turn that was taken last
	turns map[string]uint64
}

// New makes a Queue.
func New(r Rules) *Queue {
	q := &Queue{order: order{turns: map[string]uint64{}}, uses: map[string]*Use{}}
	q.Set(r)
	return q
}

// Set puts other rules in force.
func (q *Queue) Set(r Rules) {
	if r.MaxRun <= 0 {
		r.MaxRun = 8
	}
	q.mu.Lock()
	q.rules = r
	q.fill()
	q.mu.Unlock()
}

// Place is a call's place in the server. Leave must be called when the call is over.
type Place struct {
	q      *Queue
	since  time.Time
	use    *Use
	waited bool
}

// Waited reports whether there was no place free when the call came.
func (p *Place) Waited() bool { return p.waited }

// Enter waits for a place. The error is an *llm.Error: Busy when the queue is full, Gone when ctx ends first, in which case
// the place in the queue is free at once.
func (q *Queue) Enter(ctx context.Context, t Ticket) (Place, error) {
	now := time.Now()
	q.mu.Lock()
	if q.free() && len(q.waiting) == 0 {
		q.running++
		q.order.model = t.Model
		use := q.begin(t.Model, now)
		q.mu.Unlock()
		return Place{q: q, since: now, use: use}, nil
	}
	if len(q.waiting) >= q.rules.Waiting && !q.makeRoom(t) {
		err := q.full()
		q.mu.Unlock()
		return Place{}, err
	}
	w := &waiter{Ticket: t, since: now, ready: make(chan struct{})}
	q.waiting = append(q.waiting, w)
	q.order.join(t.Caller)
	q.forget()
	q.mu.Unlock()

	select {
	case <-w.ready:
		if w.refused != nil {
			return Place{}, w.refused
		}
		return Place{q: q, since: time.Now(), use: w.use, waited: true}, nil
	case <-ctx.Done():
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	select {
	case <-w.ready: // it was given a place in this very moment
		if w.refused == nil {
			q.running--
			w.use.Running--
			q.fill()
		}
	default:
		for i, other := range q.waiting {
			if other == w {
				q.remove(i)
				break
			}
		}
	}
	return Place{}, llm.Ended(ctx)
}

// Leave gives the place to the next. Only the first time counts.
func (p *Place) Leave() {
	q := p.q
	if q == nil {
		return
	}
	p.q = nil
	now := time.Now()
	took := now.Sub(p.since)
	q.mu.Lock()
	q.running--
	p.use.Running--
	p.use.Last = now
	q.held += (took - q.held) / 8
	q.fill()
	q.mu.Unlock()
}

// begin counts a call for model. Those of which nothing runs are forgotten first, the longest unused of them.
func (q *Queue) begin(model string, now time.Time) *Use {
	u := q.uses[model]
	if u == nil {
		if len(q.uses) >= maxUses {
			var oldest *Use
			for _, x := range q.uses {
				if x.Running == 0 && (oldest == nil || x.Last.Before(oldest.Last)) {
					oldest = x
				}
			}
			if oldest != nil {
				delete(q.uses, oldest.Model)
			}
		}
		u = &Use{Model: model}
		if len(q.uses) < maxUses {
			q.uses[model] = u
		}
	}
	u.Running++
	u.Last = now
	return u
}

// Uses are the models that calls were for, as far as they are remembered.
func (q *Queue) Uses() []Use {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Use, 0, len(q.uses))
	for _, u := range q.uses {
		out = append(out, *u)
	}
	return out
}

func (q *Queue) free() bool { return q.rules.Concurrent <= 0 || q.running < q.rules.Concurrent }

// fill lets in whoever there is room for.
func (q *Queue) fill() {
	for len(q.waiting) > 0 && q.free() {
		w := q.waiting[q.order.next(q.waiting, q.rules.MaxRun)]
		for i, other := range q.waiting {
			if other == w {
				q.remove(i)
				break
			}
		}
		q.running++
		w.use = q.begin(w.Model, time.Now())
		close(w.ready)
	}
}

func (q *Queue) remove(i int) {
	copy(q.waiting[i:], q.waiting[i+1:])
	q.waiting[len(q.waiting)-1] = nil
	q.waiting = q.waiting[:len(q.waiting)-1]
	if len(q.waiting) == 0 {
		clear(q.order.turns) // nobody waits, so nobody is owed a turn
		q.order.now, q.order.run, q.order.ahead = 0, 0, 0
	}
}

// join gives a caller its turn after the one that is going on. A newcomer comes after all who wait for that turn already,
// so that even an endless row of new callers passes nobody by.
func (o *order) join(caller string) { o.turns[caller] = max(o.turns[caller], o.now+1) }

// forget bounds the table of turns in a queue that is never empty: who would get the same turn as a newcomer need not be
// remembered.
func (q *Queue) forget() {
	if len(q.order.turns) <= 2*len(q.waiting)+64 {
		return
	}
	for who, turn := range q.order.turns {
		if turn <= q.order.now+1 {
			delete(q.order.turns, who)
		}
	}
	for _, w := range q.waiting {
		q.order.join(w.Caller)
	}
}

// next chooses one of waiting, which is not empty, by the rules in the package's doc, and notes whose turn it was.
func (o *order) next(waiting []*waiter, maxRun int) int {
	var batch, interactive bool
	for _, w := range waiting {
		batch = batch || w.Batch
		interactive = interactive || !w.Batch
	}
	class := batch && (!interactive || o.ahead >= maxAhead)
	oldest, same, others := -1, false, false
	for i, w := range waiting {
		if w.Batch != class {
			continue
		}
		if oldest < 0 {
			oldest = i
		}
		same = same || w.Model == o.model
		others = others || w.Model != o.model
	}
	chosen := oldest
	if !same || !others || o.run < maxRun {
		for i, w := range waiting {
			if w.Batch != class || same && w.Model != o.model {
				continue
			}
			if c := waiting[chosen]; same && c.Model != o.model || o.turns[w.Caller] < o.turns[c.Caller] {
				chosen = i
			}
		}
	}
	w := waiting[chosen]
	switch {
	case w.Model != o.model:
		o.model, o.run = w.Model, 0
	case others:
		o.run++
	}
	if batch && !class {
		o.ahead++
	} else {
		o.ahead = 0
	}
	o.now = max(o.now, o.turns[w.Caller])
	o.turns[w.Caller] = o.now + 1
	return chosen
}

// makeRoom takes the place of a call that has less right to it than t, if there is one: a batch call where t is not one,
// else the youngest of the caller who has the most waiting, if that is more than t's caller would have.
func (q *Queue) makeRoom(t Ticket) bool {
	count := map[string]int{}
	for _, w := range q.waiting {
		if w.Batch || !t.Batch {
			count[w.Caller]++
		}
	}
	victim := -1
	for i, w := range q.waiting {
		switch {
		case t.Batch && !w.Batch:
		case w.Batch && !t.Batch:
			if victim < 0 || !q.waiting[victim].Batch || count[w.Caller] >= count[q.waiting[victim].Caller] {
				victim = i
			}
		case victim >= 0 && q.waiting[victim].Batch && !t.Batch:
		case w.Caller != t.Caller && count[w.Caller] > count[t.Caller]+1 && (victim < 0 || count[w.Caller] >= count[q.waiting[victim].Caller]):
			victim = i
		}
	}
	if victim < 0 {
		return false
	}
	w := q.waiting[victim]
	w.refused = q.full()
	q.remove(victim)
	close(w.ready)
	return true
}

// full is what a caller hears for whom there is no place.
func (q *Queue) full() *llm.Error {
	e := llm.Errorf(llm.Busy, "queue", nil, "%d calls are under way on this device and %d wait, which is the limit; try again in a moment.",
		q.running, len(q.waiting))
	turns := float64(len(q.waiting)+1) / float64(max(q.rules.Concurrent, 1))
	e.RetryAfter = time.Duration(min(max(math.Ceil(turns*q.held.Seconds()), 1), 60)) * time.Second
	return e
}

// Snapshot is the queue as it is now, in the order in which those who wait would be let in.
func (q *Queue) Snapshot() Snapshot {
	q.mu.Lock()
	out := Snapshot{Running: q.running, Rules: q.rules, Model: q.order.model}
	o, waiting := q.order, append([]*waiter(nil), q.waiting...)
	turns := make(map[string]uint64, len(o.turns))
	for who, turn := range o.turns {
		turns[who] = turn
	}
	q.mu.Unlock()
	o.turns = turns
	for len(waiting) > 0 {
		i := o.next(waiting, out.Rules.MaxRun)
		w := waiting[i]
		out.Waiting = append(out.Waiting, Waiter{Ticket: w.Ticket, Since: w.since, Position: len(out.Waiting) + 1})
		waiting = append(waiting[:i], waiting[i+1:]...)
	}
	return out
}
