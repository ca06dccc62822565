package cache

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"corral/daemon/cache/similar"
	"corral/daemon/cache/vector"
	"corral/daemon/llm"
)

// SimilarRules are about answers to questions alike.
type SimilarRules struct {
	On        bool    // an embedding model is named
	Always    bool    // a question alike is answered so; else only where every target has failed
	Threshold float64 // of the cosine, see package similar
	TTL       time.Duration
}

// Embed makes the vector of a question by a model on this device. space names that model and its bytes: vectors of two spaces
// have nothing in common.
type Embed func(ctx context.Context, question string) (space string, vec []float32, err error)

const (
	maxTurns     = 2               // longer conversations are about more than their last question
	maxQuestion  = 2 << 10         // bytes; longer ones are tasks, not questions
	maxVectors   = 100_000         // in memory
	maxEmbedding = 256             // questions that wait for their vector; the answers of more are found by their words only
	embedSoon    = 2 * time.Second // for a caller who waits
	embedLater   = 30 * time.Second
	neighbours   = 8 // looked at for one that nothing speaks against
)

// alike finds answers to questions that are put in other words. A question is looked for by its words, which needs no model
// and so works while everything else is down, and then by its vector.
type alike struct {
	c *Cache

	mu      sync.Mutex // guards what follows
	space   string     // of the vectors in index
	index   *vector.Index[Key, Key]
	places  map[Key]place // of what is in index or words, by the answer's key
	words   map[Key]Key   // the answer's key, by partition and question
	waiting chan job
	stop    context.CancelFunc
	wg      sync.WaitGroup
}

type place struct{ partition, words Key }

type job struct {
	k Key
	e *entry
}

func newAlike(c *Cache) *alike {
	a := &alike{c: c, places: map[Key]place{}, words: map[Key]Key{}}
	if c.o.Embed == nil {
		return a
	}
	ctx, stop := context.WithCancel(context.Background())
	a.stop, a.waiting = stop, make(chan job, maxEmbedding)
	a.wg.Go(func() { a.embedAll(ctx) })
	return a
}

func (x *alike) close() {
	if x.stop != nil {
		x.stop()
	}
	x.wg.Wait()
}

// wanted reports whether answers to r may be kept for questions alike, or be found by one.
func (x *alike) wanted(r *llm.Request, rules *Rules) bool {
	return x.c.o.Embed != nil && rules.Similar.On && (rules.Similar.Always || r.Plan != nil && lastResort(r.Plan))
}

func lastResort(p *llm.Plan) bool {
	for i := range p.LastResort {
		if p.LastResort[i].Similar {
			return true
		}
	}
	return false
}

// partition is what two calls must share whose questions may be alike: all but the question.
func (x *alike) partition(a *ask, t llm.Target, digest string) Key {
	return x.c.key(a, t, digest, append([]byte("but for the question\x00"), a.canon.Prefix...))
}

// byWords names a question whose case, white space and final punctuation may differ.
func byWords(partition Key, question string) (k Key) {
	h := sha256.New()
	h.Write(partition[:])
	h.Write([]byte(strings.ToLower(strings.TrimRight(strings.Join(strings.Fields(question), " "), "?!. "))))
	h.Sum(k[:0])
	return k
}

// keep keeps an answer for questions alike, and has the question's vector made.
func (x *alike) keep(a *ask, k Key, partition Key, e *entry) {
	if len(a.canon.Question) <= maxQuestion {
		e.Similar, e.Partition, e.Question = e.Stored.Add(a.rules.Similar.TTL), partition, a.canon.Question
	}
	if e.expires().IsZero() {
		return
	}
	x.c.put(k, e)
	if e.Question == "" {
		return
	}
	x.remember(k, e)
	select {
	case x.waiting <- job{k, e}:
	default:
		x.c.counts.unembedded.Inc()
	}
}

// remember makes the question of an entry findable by its words, and by its vector if it has one.
func (x *alike) remember(k Key, e *entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p, known := x.places[k]
	if !known {
		if len(x.places) >= maxVectors {
			for old := range x.places { // any: what is asked again comes back
				x.drop(old)
				break
			}
		}
		p = place{e.Partition, byWords(e.Partition, e.Question)}
		x.places[k], x.words[p.words] = p, k
	}
	if len(e.Vector) == 0 || e.Space == "" {
		return
	}
	vec, err := vector.Unpack(e.Vector)
	if err != nil {
		return
	}
	if x.index == nil || x.space != e.Space {
		x.space, x.index = e.Space, vector.New[Key, Key](len(vec), maxVectors)
	}
	x.index.Add(p.partition, k, vec) // a vector of another length is not of this space
}

// forget is called for an entry that is no longer there.
func (x *alike) forget(k Key) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.drop(k)
}

// drop is forget. mu is held.
func (x *alike) drop(k Key) {
	p, known := x.places[k]
	if !known {
		return
	}
	delete(x.places, k)
	if x.words[p.words] == k {
		delete(x.words, p.words)
	}
	if x.index != nil {
		x.index.Remove(p.partition, k)
	}
}

// clear forgets all.
func (x *alike) clear() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.places, x.words, x.index, x.space = map[Key]place{}, map[Key]Key{}, nil, ""
}

// size is the number of questions that can be found.
func (x *alike) size() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.places)
}

// vectors is the number of questions that can be found by other words.
func (x *alike) vectors() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.index == nil {
		return 0
	}
	return x.index.Len()
}

// embedAll makes the vectors of the questions that have been kept.
func (x *alike) embedAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-x.waiting:
			x.embed(ctx, j)
		}
	}
}

func (x *alike) embed(ctx context.Context, j job) {
	ctx, cancel := context.WithTimeout(ctx, embedLater)
	defer cancel()
	space, vec, err := x.c.o.Embed(ctx, j.e.Question)
	if err != nil {
		x.c.counts.unembedded.Inc()
		return
	}
	if now, _ := x.c.find(j.k); now != j.e {
		return // it has been replaced or removed meanwhile
	}
	e := *j.e
	e.Space, e.Vector = space, vector.Pack(vec)
	x.c.put(j.k, &e)
	x.remember(j.k, &e)
}

// answer finds the answer to a question alike; nil: there is none.
func (x *alike) answer(a *ask) *llm.Reply {
	if len(a.canon.Question) > maxQuestion || a.canon.Prefix == nil {
		return nil
	}
	partitions := make([]Key, 0, len(a.keys))
	for i := range a.keys {
		partitions = append(partitions, x.partition(a, a.plan.Candidates[i].Target, a.digests[i]))
	}
	for _, p := range partitions {
		x.mu.Lock()
		k, ok := x.words[byWords(p, a.canon.Question)]
		x.mu.Unlock()
		if ok {
			if reply := x.try(a, k, p, 1); reply != nil {
				return reply
			}
		}
	}
	x.mu.Lock()
	index, space := x.index, x.space
	x.mu.Unlock()
	if index == nil || index.Len() == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, embedSoon)
	defer cancel()
	in, vec, err := x.c.o.Embed(ctx, a.canon.Question)
	if err != nil || in != space {
		return nil
	}
	for _, p := range partitions {
		for _, near := range index.Nearest(p, vec, max(a.rules.Similar.Threshold-similar.Slack, 0), neighbours) {
			if reply := x.try(a, near.ID, p, near.Cosine); reply != nil {
				return reply
			}
		}
	}
	return nil
}

// try is the answer kept under k as one to a, if it may be that.
func (x *alike) try(a *ask, k, partition Key, cosine float64) *llm.Reply {
	e, _ := x.c.find(k)
	if e == nil || e.Partition != partition || e.Question == "" {
		x.forget(k)
		return nil
	}
	age, fresh := a.at.Sub(e.Stored), e.Similar.Sub(a.at)
	if fresh <= 0 || age > a.rules.Similar.TTL || !a.d.allow(age, fresh) {
		return nil
	}
	if hit, _ := similar.DecideAt(a.rules.Similar.Threshold, a.canon.Question, e.Question, cosine); !hit {
		return nil
	}
	reply := x.c.replay(a, e, age, min(fresh, a.rules.Similar.TTL-age))
	if reply == nil {
		return nil
	}
	reply.Route = "similar"
	reply.Header["Cache-Status"] = []string{fmt.Sprintf("corral; hit; ttl=%d; detail=similar", int64(fresh/time.Second))}
	reply.Header["Corral-Similarity"] = []string{fmt.Sprintf("%.3f", cosine)}
	a.r.Target.Why = "similar"
	a.r.Reuse.Similar = true
	x.c.counts.hit(bySimilar)
	return reply
}

// LastResort finds an answer to r, or to a question alike, when no target could give one. Nil: there is none.
func (c *Cache) LastResort(ctx context.Context, r *llm.Request) *llm.Reply {
	rules := c.o.Rules()
	if r.Endpoint.Task != llm.Generate || !c.alike.wanted(r, rules) {
		return nil
	}
	a := c.ask(ctx, r, rules, true)
	if a == nil || a.d.noCache {
		return nil
	}
	return c.alike.answer(a)
}

// Warm takes in what the file holds, so that it is found again; until then each call is looked for in the file. It ends with ctx.
func (c *Cache) Warm(ctx context.Context) error {
	if c.o.File == nil {
		return nil
	}
	err := c.o.File.Each(ctx, func(k Key, head []byte, expires time.Time, _ int) error {
		e, err := decode(head, nil)
		if err != nil || !expires.After(c.o.Now()) {
			return ctx.Err()
		}
		c.seen.add(e.Texts)
		if e.Question != "" && c.o.Embed != nil {
			c.alike.remember(k, e)
		}
		return ctx.Err()
	})
	c.seen.ready.Store(err == nil)
	return err
}
