package health

import "time"

// Level is one step of a Trip.
type Level struct {
	Severity Severity
	Enter    float64 // a value of at least this is so bad
	Leave    float64 // and stays so until it is below this
}

// Levels say how bad which values are, and how long they must last. Higher values are worse; where lower ones are, negate.
type Levels struct {
	Levels []Level       // from the least to the worst
	Rise   time.Duration // a worse value counts once it has lasted so long
	Fall   time.Duration // and a better one once it has lasted so long
}

// Trip turns a noisy number into a severity that does not flap: it takes a higher value to enter a level than to leave it, and
// either must last.
type Trip struct {
	now     Severity
	worse   time.Time // since when the value has been bad enough for more than now; zero: it is not
	better  time.Time // since when it has been good enough for less
	started bool
}

// Next takes the value at a moment. The first one counts at once: there is nothing that it could flap from.
func (t *Trip) Next(at time.Time, value float64, l Levels) Severity {
	up, down := OK, OK
	for _, x := range l.Levels {
		if value >= x.Enter {
			up = x.Severity
		}
		if value >= x.Leave {
			down = x.Severity
		}
	}
	first := !t.started
	t.started = true
	switch {
	case up > t.now:
		t.better = time.Time{}
		if t.worse.IsZero() {
			t.worse = at
		}
		if first || at.Sub(t.worse) >= l.Rise {
			t.now, t.worse = up, time.Time{}
		}
	case down < t.now:
		t.worse = time.Time{}
		if t.better.IsZero() {
			t.better = at
		}
		if at.Sub(t.better) >= l.Fall {
			t.now, t.better = down, time.Time{}
		}
	default:
		t.worse, t.better = time.Time{}, time.Time{}
	}
	return t.now
}
