// Package retry says how long to wait before a target is asked again, and whether it may be at all: a Policy gives the
// waits, After reads what the target itself asked for, and a Budget keeps the attempts of an outage in bounds.
//
// To add a strategy, add a row to strategies. The surprise: waits are drawn evenly from nothing up to the ceiling ("full
// jitter"), so one wait may be shorter than the one before it; it is the ceiling that grows
// (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
package retry

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Strategy is how the ceiling of the waits grows.
type Strategy uint8

const (
	Exponential Strategy = iota // base, 2 base, 4 base, 8 base, ...
	Linear                      // base, 2 base, 3 base, 4 base, ...
	Fibonacci                   // base, 2 base, 3 base, 5 base, ...
)

var strategies = [...]struct {
	name   string
	factor func(n int) float64 // of the base, before the nth retry
}{
	Exponential: {"exponential", func(n int) float64 { return math.Ldexp(1, n-1) }},
	Linear:      {"linear", func(n int) float64 { return float64(n) }},
	Fibonacci:   {"fibonacci", fibonacci},
}

func fibonacci(n int) float64 {
	a, b := 1.0, 2.0
	for range n - 1 {
		a, b = b, a+b
	}
	return a
}

// String is the strategy's name in the config.
func (s Strategy) String() string { return strategies[s].name }

// Parse finds a strategy by its name in the config.
func Parse(name string) (Strategy, error) {
	var names []string
	for s, known := range strategies {
		if known.name == name {
			return Strategy(s), nil
		}
		names = append(names, known.name)
	}
	return 0, fmt.Errorf("%q is no strategy; use %s", name, strings.Join(names, ", "))
}

// Policy says how often and how soon.
type Policy struct {
	Strategy    Strategy
	MaxAttempts int           // at one target, the first included; 1 or less: no retry
	Base        time.Duration // the ceiling of the first wait
	Max         time.Duration // no wait is longer, not even one that the target asks for; 0: no bound
}

// Ceiling is the longest wait before the nth retry; n counts from 1.
func (p Policy) Ceiling(n int) time.Duration {
	d := float64(p.Base) * strategies[p.Strategy].factor(max(n, 1))
	if p.Max > 0 && d > float64(p.Max) {
		return p.Max
	}
	if d > math.MaxInt64/2 {
		return math.MaxInt64 / 2
	}
	return time.Duration(d)
}

// Wait is how long to wait before the nth retry. random is from 0 up to, not including, 1. after is what the target
// asked for, 0 if nothing: the wait is never shorter than that. ok is false when the target asked for more than Max:
// asking sooner would only be refused again, so it is not asked again at all.
func (p Policy) Wait(n int, after time.Duration, random float64) (wait time.Duration, ok bool) {
	if p.Max > 0 && after > p.Max {
		return 0, false
	}
	return max(time.Duration(random*float64(p.Ceiling(n))), after), true
}

// After reads Retry-After (RFC 9110, section 10.2.3): seconds or a date. It is 0 where there is none that can be read.
func After(h http.Header, now time.Time) time.Duration {
	v := h["Retry-After"]
	if len(v) == 0 {
		return 0
	}
	s := strings.TrimSpace(v[0])
	if seconds, err := strconv.ParseFloat(s, 64); err == nil { // some servers send fractions
		if !(seconds > 0) {
			return 0
		}
		return time.Duration(min(seconds, math.MaxInt32) * float64(time.Second))
	}
	at, err := http.ParseTime(s)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

// Fits reports whether ctx will still go on after wait.
func Fits(ctx context.Context, wait time.Duration) bool {
	deadline, bounded := ctx.Deadline()
	return !bounded || time.Until(deadline) > wait
}

// Sleep waits, and reports false when ctx ended first.
func Sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
