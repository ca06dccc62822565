package health

import (
	"math/rand/v2"
	"testing"
	"time"
)

func TestTrip(t *testing.T) {
	levels := Levels{Rise: 3 * time.Second, Fall: 10 * time.Second, Levels: []Level{{Warning, 90, 80}, {Critical, 95, 90}}}
	type step struct {
		after time.Duration // the step before
		value float64
		want  Severity
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"the first value counts at once", []step{{0, 96, Critical}}},
		{"a short peak is none", []step{{0, 10, OK}, {1e9, 99, OK}, {1e9, 99, OK}, {1e9, 10, OK}, {1e9, 99, OK}, {2e9, 99, OK}}},
		{"one that lasts is", []step{{0, 10, OK}, {1e9, 92, OK}, {3e9, 92, Warning}}},
		{"and worse", []step{{0, 92, Warning}, {1e9, 96, Warning}, {3e9, 96, Critical}}},
		{"from well to the worst", []step{{0, 10, OK}, {1e9, 99, OK}, {3e9, 99, Critical}}},
		{"between the two values it stays", []step{{0, 92, Warning}, {1e9, 85, Warning}, {60e9, 85, Warning}}},
		{"below both it ends, once that lasts", []step{{0, 92, Warning}, {1e9, 79, Warning}, {9e9, 79, Warning}, {1e9, 79, OK}}},
		{"a short dip ends nothing", []step{{0, 92, Warning}, {1e9, 70, Warning}, {5e9, 91, Warning}, {1e9, 70, Warning}, {9e9, 70, Warning}, {1e9, 70, OK}}},
		{"step by step down", []step{{0, 99, Critical}, {1e9, 85, Critical}, {10e9, 85, Warning}, {1e9, 70, Warning}, {10e9, 70, OK}}},
		{"just at the limit", []step{{0, 90, Warning}, {1e9, 80, Warning}, {60e9, 80, Warning}, {1e9, 79.9, Warning}, {10e9, 79.9, OK}}},
	} {
		trip, now := Trip{}, time.Unix(0, 0)
		for i, s := range c.steps {
			now = now.Add(s.after)
			if got := trip.Next(now, s.value, levels); got != s.want {
				t.Errorf("%s: step %d, %v at %v: %v, want %v", c.name, i, s.value, now.Unix(), got, s.want)
			}
		}
	}
}

// TestNoiseDoesNotFlap: a value that trembles around a limit, or jumps over all of them at random, changes the severity seldom.
func TestNoiseDoesNotFlap(t *testing.T) {
	levels := Levels{Rise: 3 * time.Second, Fall: 20 * time.Second, Levels: []Level{{Warning, 90, 80}, {Critical, 95, 90}}}
	random := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct {
		name  string
		value func(second int) float64
		most  int // changes in an hour
	}{
		{"around where it is entered", func(int) float64 { return 90 + random.NormFloat64()*2 }, 3},
		{"around where it is left", func(int) float64 { return 80 + random.NormFloat64()*2 }, 1},
		{"at random from 70 to 100", func(int) float64 { return 70 + 30*random.Float64() }, 60},
		{"up and down each second", func(s int) float64 { return 60 + 40*float64(s%2) }, 1},
		{"up and down each five", func(s int) float64 { return 60 + 40*float64(s/5%2) }, 1},
	} {
		trip, was, changes := Trip{}, OK, 0
		last := time.Time{}
		for s := range 3600 {
			now := time.Unix(int64(s), 0)
			got := trip.Next(now, c.value(s), levels)
			if got != was {
				if got < was && now.Sub(last) < levels.Fall {
					t.Errorf("%s: it got better %v after it got worse", c.name, now.Sub(last))
				}
				was, last = got, now
				changes++
			}
		}
		if changes > c.most {
			t.Errorf("%s: %d changes in an hour", c.name, changes)
		}
		t.Logf("%s: %d changes in an hour", c.name, changes)
	}
}
