package soak

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Sample is one look at Corral's process. Memory is what it holds for itself: pages of its database that the system keeps mapped
// come and go with the ledger's size and are apart.
type Sample struct {
	At         float64 `json:"at_s"`   // since the first call
	Memory     float64 `json:"memory"` // bytes; 0 where the system does not tell
	Mapped     float64 `json:"mapped"` // bytes of files
	Heap       float64 `json:"heap"`   // bytes in use by Go
	Files      float64 `json:"files"`
	Goroutines float64 `json:"goroutines"`
	Series     float64 `json:"series"` // of metrics
}

// watch looks at Corral now and then, as Prometheus would.
type watch struct {
	cancel  context.CancelFunc
	done    chan struct{}
	samples []Sample // to be read after stop
}

func newWatch(ctx context.Context, r *run, every time.Duration) *watch {
	ctx, cancel := context.WithCancel(ctx)
	w := &watch{cancel: cancel, done: make(chan struct{})}
	began := time.Now()
	go func() {
		defer close(w.done)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			m, err := r.scrape(ctx)
			if err != nil {
				continue // its last scrape is looked at closely; one that is late under load says nothing
			}
			own, mapped := r.corral.Memory()
			w.samples = append(w.samples, Sample{At: time.Since(began).Seconds(), Memory: float64(own), Mapped: float64(mapped), Heap: m.sum("go_memstats_heap_inuse_bytes"),
				Files: m.sum("process_open_fds"), Goroutines: m.sum("go_goroutines"), Series: float64(len(m))})
			if len(w.samples)%10 == 0 {
				s := w.samples[len(w.samples)-1]
				r.o.Progress(fmt.Sprintf("%4.0f s: %7d calls; memory %.1f MB, %.0f files, %.0f goroutines, %.0f series", s.At, min(r.next.Load(), int64(r.o.Calls)), s.Memory/1e6, s.Files, s.Goroutines, s.Series))
			}
		}
	}()
	return w
}

func (w *watch) stop() {
	w.cancel()
	<-w.done
}

// Flat compares the last third of a soak with the middle one.
type Flat struct {
	What    string  `json:"what"`
	Middle  float64 `json:"middle"` // median of the middle third
	Last    float64 `json:"last"`   // median of the last third
	Allowed float64 `json:"allowed"`
	Problem string  `json:"problem,omitempty"`
}

// Fewer samples and calls are no soak. The first ten thousand calls fill what is bounded: caches, names of models.
const (
	minSamples = 15
	minCalls   = 50_000
)

// flat judges by medians: a garbage collector has a rhythm of its own. A leak of one goroutine or handle in a thousand calls is found
// in a soak of two hundred thousand, and so is one of a hundred bytes a call. What may grow are keys and numbers of persons and
// models that callers invent: 0.9 KB a person, 0.1 KB a model.
func flat(samples []Sample, calls int) (list []Flat) {
	if len(samples) < minSamples || calls < minCalls {
		return nil
	}
	third := len(samples) / 3
	for _, x := range []struct {
		what        string
		of          func(Sample) float64
		share, more float64 // that the last third may have above the middle one
	}{
		{"memory, bytes", func(s Sample) float64 { return s.Memory }, 0.1, 4e6},
		{"Go heap, bytes", func(s Sample) float64 { return s.Heap }, 0.1, 4e6},
		{"open files", func(s Sample) float64 { return s.Files }, 0, 10},
		{"goroutines", func(s Sample) float64 { return s.Goroutines }, 0, 20},
		{"series of metrics", func(s Sample) float64 { return s.Series }, 0.05, 10},
	} {
		f := Flat{What: x.what, Middle: median(samples[third:2*third], x.of), Last: median(samples[2*third:], x.of)}
		f.Allowed = f.Middle*(1+x.share) + x.more
		if f.Last > f.Allowed {
			f.Problem = fmt.Sprintf("%s grew from %.0f to %.0f, and up to %.0f is flat", f.What, f.Middle, f.Last, f.Allowed)
		}
		list = append(list, f)
	}
	return list
}

func median(samples []Sample, of func(Sample) float64) float64 {
	var v []float64
	for _, s := range samples {
		v = append(v, of(s))
	}
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
