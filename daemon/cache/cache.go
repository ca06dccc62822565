// Package cache is the stage that answers a question from an answer that was given before.
//
// A call is looked at (ask.go) and named by all that can change its answer (key.go): who asks, which model with which bytes
// would answer, and what is asked, in a form that does not depend on the dialect (translate.Canon). An answer kept under that
// name is given again, byte for byte where the call wants the same form of it, else converted (answer.go, keep.go). Equal calls that come while the first is under way
// share its answer as it comes (flight.go). What is kept stands in memory, bounded in bytes, and behind it in a file that may
// be deleted at any time (store/replies). Embeddings are kept by input (embed.go), and where that is wished a question finds
// the answer to one alike (alike.go).
//
// To let something new decide about an answer, write it into the key: a false "same" is a wrong answer.
//
// The surprise: nothing is written while a caller waits. A stream is kept when the last of its callers has all of it, and an
// answer is looked through (complete, no failure inside) only then.
package cache

import (
	"context"
	"fmt"
	"hash/maphash"
	"net/http"
	"path"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/maypok86/otter/v2"
	"golang.org/x/time/rate"

	"corral/daemon/llm"
	"corral/store/replies"
)

// When says which calls may be answered from the cache.
type When uint8

// The values of When.
const (
	Off           When = iota
	Deterministic      // temperature 0, or a seed
	Always
)

// Rules are what is in force. They are never changed once given.
type Rules struct {
	When     When
	TTL      time.Duration // of an answer
	MaxBytes int64         // of memory
	Shared   bool          // callers with different keys share answers
	EmbedTTL time.Duration // of a vector; 0: none are kept
	Models   []ModelRules  // the first that fits counts
	Similar  SimilarRules
}

// ModelRules are rules for models whose name fits a pattern (path.Match).
type ModelRules struct {
	Model string
	When  When
	TTL   time.Duration
}

func (r *Rules) of(model string) (When, time.Duration) {
	for i := range r.Models {
		m := &r.Models[i]
		if ok, _ := path.Match(m.Model, model); ok {
			return m.When, m.TTL
		}
	}
	return r.When, r.TTL
}

// File is where answers are kept beyond the memory and the life of the process (store/replies).
type File interface {
	Get(Key) (head, body []byte, expires time.Time, ok bool)
	Put(replies.Item) bool
	Delete(...Key)
	Clear() error
	Each(ctx context.Context, f func(k Key, head []byte, expires time.Time, size int) error) error
	Stats() replies.Stats
}

// Options are what a Cache needs.
type Options struct {
	Rules  func() *Rules
	File   File                                                // nil: memory only
	Policy func() string                                       // what the guard does to texts, in a word
	Away   func(llm.Target) bool                               // the breaker of a target is open; nil: never
	Saved  func(llm.Target, string, llm.Usage) (nanoUSD int64) // what an answer would have cost, in billionths of a US dollar; nil: 0
	Embed  Embed                                               // makes vectors of questions; nil: no similar answers
	Set    *metrics.Set
	Now    func() time.Time // nil: time.Now
}

// Digester is a provider that knows which bytes stand behind a model's name.
type Digester interface {
	Digest(ctx context.Context, model string) string
}

// Cache is the stage.
type Cache struct {
	o      Options
	memory *otter.Cache[Key, *entry]
	counts counts
	alike  *alike
	seen   *seen
	seeds  [2]maphash.Seed
	keeps  *rate.Limiter // a flood of questions is not slowed down by keeping all of it

	mu      sync.Mutex // guards what follows
	flights map[flightKey]*flight
}

// New makes a Cache. Close must be called.
func New(o Options) (*Cache, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Policy == nil {
		o.Policy = func() string { return "" }
	}
	c := &Cache{o: o, seen: newSeen(), seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, keeps: rate.NewLimiter(keepsPerSecond, 1000), flights: map[flightKey]*flight{}, counts: newCounts(o.Set)}
	memory, err := otter.New(&otter.Options[Key, *entry]{
		MaximumWeight: uint64(max(o.Rules().MaxBytes, 1)),
		Weigher:       func(_ Key, e *entry) uint32 { return e.weight() },
		ExpiryCalculator: otter.ExpiryWritingFunc(func(e otter.Entry[Key, *entry]) time.Duration {
			return max(e.Value.expires().Sub(o.Now()), 1)
		}),
	})
	if err != nil {
		return nil, fmt.Errorf("make the cache: %w", err)
	}
	c.memory = memory
	c.seen.ready.Store(o.File == nil) // else Warm does
	c.alike = newAlike(c)
	return c, nil
}

// keepsPerSecond is how many answers are kept in a second, over some seconds: of calls for vectors, all that one gave count once.
// Models answer more slowly than that.
const keepsPerSecond = 200

// worthwhile is how long the answer to a call of more than largePrompt bytes must have taken for each of them to be kept: ten
// times as long as reading the call does.
const (
	worthwhile  = 50 * time.Nanosecond
	largePrompt = 64 << 10
)

// Resize puts another bound of memory in force.
func (c *Cache) Resize(maxBytes int64) { c.memory.SetMaximum(uint64(max(maxBytes, 1))) }

// Close ends what runs beside the calls. None may come any more. The file is the caller's to close.
func (c *Cache) Close() {
	c.alike.close()
	c.memory.StopAllGoroutines()
}

// What Cache-Status says of a call (RFC 9211).
var (
	statusBypass = []string{"corral; fwd=bypass"}
	ageNow       = []string{"0"}
)

const (
	forwardMiss    = "corral; fwd=uri-miss"
	forwardRequest = "corral; fwd=request"
	forwardStale   = "corral; fwd=stale"
)

// Stage answers from the cache what it may.
func (c *Cache) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		rules := c.o.Rules()
		switch r.Endpoint.Task {
		case llm.Generate:
			if a := c.ask(ctx, r, rules, false); a != nil {
				return c.answer(a, next)
			}
		case llm.Embed:
			if rules.When != Off {
				return c.embed(ctx, r, rules, next)
			}
		}
		if asked(r.Header).onlyIfCached {
			return nil, notKept()
		}
		reply, err := next.Serve(ctx, r)
		if err == nil {
			mark(reply, statusBypass)
		}
		return reply, err
	})
}

func mark(reply *llm.Reply, status []string) {
	if reply.Header == nil {
		reply.Header = http.Header{}
	}
	reply.Header["Cache-Status"], reply.Header["Age"] = status, ageNow
}

func notKept() *llm.Error {
	return llm.Errorf(llm.NotKept, "cache", nil, "No answer to this call is kept, and it asks for a kept one only. Leave out Cache-Control: only-if-cached to ask the model.")
}
