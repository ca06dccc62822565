package app

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// How much garbage may gather before the collector runs: so many bytes, and between so many per cent of what is live. Live memory is
// a few MB where nothing is cached, so at Go's default of 100 % it would run very often under load, for very little; with a full cache
// that default, or more, would keep as much memory again for garbage.
const (
	spareHeap  = 64 << 20
	leastSpare = 75
	mostSpare  = 300
	lookAtHeap = 10 * time.Second
)

func sparePercent(live uint64) int {
	return int(min(max(spareHeap*100/max(live, 1), leastSpare), mostSpare))
}

// paceCollector fits the collector's pace to what is live, until ctx ends.
func paceCollector(ctx context.Context) {
	debug.SetGCPercent(mostSpare)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	now := mostSpare
	tick := time.NewTicker(lookAtHeap)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(live)
		if p := sparePercent(live[0].Value.Uint64()); p != now {
			now = p
			debug.SetGCPercent(p) // it stops the world for a moment, and collects nothing
		}
	}
}
