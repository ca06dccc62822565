package cache

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"corral/store/replies"
)

// Stats are how the cache is, and what it did since the start.
type Stats struct {
	Entries   int            `json:"entries" doc:"answers in memory"`
	Bytes     uint64         `json:"bytes" doc:"that they take"`
	MaxBytes  int64          `json:"max_bytes"` // as it is now: less than the config says while memory is short
	Questions int            `json:"questions" doc:"that can be found by one alike"`
	Vectors   int            `json:"vectors" doc:"of these, those that can be found by other words"`
	File      *replies.Stats `json:"file,omitempty" doc:"the answers on disk; absent: none are kept there"`

	Lookups uint64  `json:"lookups" doc:"calls, and inputs of embeddings, that could have been answered from the cache"`
	Memory  uint64  `json:"memory_hits"`
	Disk    uint64  `json:"file_hits"`
	Flight  uint64  `json:"flight_hits" doc:"calls that shared the answer of an equal one under way"`
	Similar uint64  `json:"similar_hits" doc:"calls that got the answer to a question alike"`
	HitRate float64 `json:"hit_rate" doc:"0 to 1"`
	Stored  uint64  `json:"stored"`

	SavedTokens  uint64  `json:"saved_tokens"`
	SavedSeconds float64 `json:"saved_seconds"`
	SavedNano    int64   `json:"saved_nano_usd" doc:"billionths of a US dollar"`
}

// Stats tells how the cache is.
func (c *Cache) Stats() Stats {
	n := &c.counts
	s := Stats{Entries: c.memory.EstimatedSize(), Bytes: c.memory.WeightedSize(), MaxBytes: int64(c.memory.GetMaximum()), Questions: c.alike.size(), Vectors: c.alike.vectors(),
		Lookups: n.asked.Get(), Memory: n.hits[inMemory].Get(), Disk: n.hits[inFile].Get(), Flight: n.hits[inFlight].Get(), Similar: n.hits[bySimilar].Get(),
		HitRate: n.rate(), Stored: n.stored.Get(), SavedTokens: n.tokens.Get(), SavedSeconds: n.seconds.Get(), SavedNano: int64(n.nanoUSD.Get())}
	if c.o.File != nil {
		f := c.o.File.Stats()
		s.File = &f
	}
	return s
}

// Item is one kept answer, as a list shows it.
type Item struct {
	ID       string    `json:"id" doc:"hexadecimal; the beginning is enough to name it"`
	Caller   string    `json:"caller,omitempty" doc:"id of the caller's key"`
	Asked    string    `json:"asked" doc:"model as the caller named it"`
	Provider string    `json:"provider"`
	Model    string    `json:"model" doc:"that answered"`
	Endpoint string    `json:"endpoint"`
	Stored   time.Time `json:"stored"`
	Expires  time.Time `json:"expires"`
	Bytes    int       `json:"bytes" doc:"as it is kept"`
	Tokens   int64     `json:"tokens" doc:"that it took; 0: not known"`
	TookMS   float64   `json:"took_ms"`
	Tier     string    `json:"tier" enum:"memory,file"`
	Similar  bool      `json:"similar" doc:"it may answer questions alike"`
}

// Filter chooses among what is kept. The zero Filter takes all.
type Filter struct {
	Model  string        // as asked, or that answered; may be a pattern (path.Match)
	Caller string        // id of a key
	Older  time.Duration // since it was stored
}

// ErrPattern says that a Filter's Model cannot be understood.
var ErrPattern = errors.New("no name and no pattern of names, such as llama3*")

func (f *Filter) takes(h *Head, now time.Time) bool {
	if f.Model != "" {
		asked, _ := path.Match(f.Model, h.Asked)
		answered, _ := path.Match(f.Model, h.Model)
		if !asked && !answered {
			return false
		}
	}
	return (f.Caller == "" || f.Caller == h.Owner) && now.Sub(h.Stored) >= f.Older
}

func (f *Filter) check() error {
	if _, err := path.Match(f.Model, ""); err != nil {
		return fmt.Errorf("%q is %w", f.Model, ErrPattern)
	}
	return nil
}

// each calls do for all that f takes: what is in memory, and then what is in the file only.
func (c *Cache) each(ctx context.Context, f Filter, do func(Key, Item)) error {
	if err := f.check(); err != nil {
		return err
	}
	now := c.o.Now()
	seen := map[Key]bool{}
	for k, e := range c.memory.All() {
		seen[k] = true
		if f.takes(&e.Head, now) && e.expires().After(now) {
			do(k, e.shown(k, "memory", int(e.weight())))
		}
	}
	if c.o.File == nil {
		return nil
	}
	return c.o.File.Each(ctx, func(k Key, head []byte, expires time.Time, size int) error {
		if seen[k] || !expires.After(now) {
			return ctx.Err()
		}
		if e, err := decode(head, nil); err == nil && f.takes(&e.Head, now) {
			do(k, e.shown(k, "file", size))
		}
		return ctx.Err()
	})
}

func (e *entry) shown(k Key, tier string, size int) Item {
	return Item{ID: hex.EncodeToString(k[:]), Caller: e.Owner, Asked: e.Asked, Provider: e.Provider, Model: e.Model, Endpoint: e.Endpoint, Stored: e.Stored, Expires: e.expires(), Bytes: size,
		Tokens: max(e.Usage.Input, 0) + max(e.Usage.Output, 0), TookMS: float64(e.Took.Microseconds()) / 1000, Tier: tier, Similar: e.Similar.After(e.Stored)}
}

// List tells what is kept, newest first, at most so many, and how many there are.
func (c *Cache) List(ctx context.Context, f Filter, most int) (items []Item, all int, err error) {
	items = []Item{}
	newest := func(a, b Item) int { return cmp.Or(b.Stored.Compare(a.Stored), cmp.Compare(a.ID, b.ID)) }
	err = c.each(ctx, f, func(_ Key, it Item) {
		all++
		if items = append(items, it); len(items) >= 2*most+1024 { // so that a list of a few needs no room for all
			slices.SortFunc(items, newest)
			items = items[:most]
		}
	})
	slices.SortFunc(items, newest)
	return items[:min(most, len(items))], all, err
}

// Errors of Show.
var (
	ErrNoItem    = errors.New("no kept answer has this id; `corral cache list` shows them")
	ErrAmbiguous = errors.New("several kept answers have an id that begins so; give more of it")
)

// Show is one kept answer with its bytes. id may be the beginning of one. question is what it answers, where that is known.
func (c *Cache) Show(ctx context.Context, id string) (it Item, question string, body []byte, err error) {
	var key Key
	found := 0
	err = c.each(ctx, Filter{}, func(k Key, x Item) {
		if len(id) > 0 && len(id) <= len(x.ID) && x.ID[:len(id)] == id {
			found, key, it = found+1, k, x
		}
	})
	switch {
	case err != nil:
		return Item{}, "", nil, err
	case found > 1:
		return Item{}, "", nil, ErrAmbiguous
	case found == 1:
		if e, _ := c.find(key); e != nil {
			return it, e.Question, e.body, nil
		}
	}
	return Item{}, "", nil, ErrNoItem
}

// Clear removes what f takes, and tells how many answers that were. The zero Filter removes everything, so that the file holds
// nothing of it any more either.
func (c *Cache) Clear(ctx context.Context, f Filter) (removed int, err error) {
	var keys []Key
	if err := c.each(ctx, f, func(k Key, _ Item) { keys = append(keys, k) }); err != nil {
		return 0, err
	}
	if f == (Filter{}) {
		c.memory.InvalidateAll()
		c.alike.clear()
		if c.o.File != nil {
			err = c.o.File.Clear()
		}
		return len(keys), err
	}
	for _, k := range keys {
		c.memory.Invalidate(k)
		c.alike.forget(k)
	}
	if c.o.File != nil {
		c.o.File.Delete(keys...)
	}
	return len(keys), nil
}
