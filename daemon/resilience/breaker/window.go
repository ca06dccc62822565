package breaker

import "time"

// window counts calls and failures over the last stretch of time, in slices that are forgotten one by one.
type window struct {
	slices [windowSlices]struct{ calls, bad int }
	last   int64 // number of the slice written last, counted from the epoch
}

const windowSlices = 10

// turn forgets the slices that lie further back than width.
func (w *window) turn(now time.Time, width time.Duration) {
	n := now.UnixNano() / max(int64(width)/windowSlices, 1)
	for k := w.last + 1; k <= min(n, w.last+windowSlices); k++ {
		w.slices[k%windowSlices] = struct{ calls, bad int }{}
	}
	w.last = max(n, w.last)
}

func (w *window) add(now time.Time, width time.Duration, bad bool) {
	w.turn(now, width)
	s := &w.slices[w.last%windowSlices]
	s.calls++
	if bad {
		s.bad++
	}
}

func (w *window) sum(now time.Time, width time.Duration) (calls, bad int) {
	w.turn(now, width)
	for _, s := range w.slices {
		calls += s.calls
		bad += s.bad
	}
	return calls, bad
}
