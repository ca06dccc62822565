package cache

import (
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
)

// tier is where an answer came from.
type tier uint8

const (
	nowhere tier = iota
	inMemory
	inFile
	inFlight // of another call, under way
	bySimilar
)

// counts are what the cache did since the start. For embeddings each input counts, for other calls each call that could have
// been answered.
type counts struct {
	asked, stored, unconverted, unembedded, unkept *metrics.Counter
	hits                                           [bySimilar + 1]*metrics.Counter
	tokens                                         *metrics.Counter
	seconds                                        *metrics.FloatCounter
	nanoUSD                                        *metrics.Counter
}

func newCounts(set *metrics.Set) counts {
	n := counts{
		asked:       set.NewCounter("corral_cache_lookups_total"),
		stored:      set.NewCounter("corral_cache_stored_total"),
		unconverted: set.NewCounter("corral_cache_unconvertible_total"),
		unembedded:  set.NewCounter("corral_cache_unembedded_total"),
		unkept:      set.NewCounter("corral_cache_unkept_total"),
		tokens:      set.NewCounter("corral_cache_saved_tokens_total"),
		seconds:     set.NewFloatCounter("corral_cache_saved_seconds_total"),
		nanoUSD:     &metrics.Counter{},
	}
	for t, name := range [...]string{inMemory: "memory", inFile: "file", inFlight: "flight", bySimilar: "similar"} {
		if name != "" {
			n.hits[t] = set.NewCounter(`corral_cache_hits_total{tier="` + name + `"}`)
		}
	}
	set.NewGauge("corral_cache_saved_usd", func() float64 { return float64(n.nanoUSD.Get()) / 1e9 })
	set.NewGauge("llm_cache_hit_rate", n.rate)
	return n
}

func (n *counts) hit(t tier) { n.hits[t].Inc() }

// rate is the share of lookups that were hits, 0 to 1.
func (n *counts) rate() float64 {
	asked := n.asked.Get()
	if asked == 0 {
		return 0
	}
	var hits uint64
	for _, h := range n.hits {
		if h != nil {
			hits += h.Get()
		}
	}
	return min(1, float64(hits)/float64(asked))
}

// again counts what giving e again spared.
func (n *counts) again(c *Cache, e *entry) {
	n.saved(c, llm.Target{Provider: e.Provider, Model: e.Model, Away: e.Away}, e.Model, e.Usage, e.Took)
}

// saved counts what a target was spared that would have worked for so long.
func (n *counts) saved(c *Cache, t llm.Target, model string, u llm.Usage, took time.Duration) {
	n.seconds.Add(took.Seconds())
	n.tokens.AddInt64(max(u.Input, 0) + max(u.Output, 0))
	if c.o.Saved != nil {
		n.nanoUSD.AddInt64(c.o.Saved(t, model, u))
	}
}
