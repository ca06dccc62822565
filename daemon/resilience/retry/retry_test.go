package retry

import (
	"context"
	"math"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestCeilings(t *testing.T) {
	ms := func(n ...int) (out []time.Duration) {
		for _, n := range n {
			out = append(out, time.Duration(n)*time.Millisecond)
		}
		return out
	}
	for _, tt := range []struct {
		strategy Strategy
		want     []time.Duration
	}{
		{Exponential, ms(100, 200, 400, 800, 1000, 1000)},
		{Linear, ms(100, 200, 300, 400, 500, 600)},
		{Fibonacci, ms(100, 200, 300, 500, 800, 1000)},
	} {
		p := Policy{Strategy: tt.strategy, Base: 100 * time.Millisecond, Max: time.Second}
		for i, want := range tt.want {
			if got := p.Ceiling(i + 1); got != want {
				t.Errorf("%v: retry %d waits up to %v, want %v", tt.strategy, i+1, got, want)
			}
		}
		if parsed, err := Parse(tt.strategy.String()); err != nil || parsed != tt.strategy {
			t.Errorf("%v is parsed as %v, %v", tt.strategy, parsed, err)
		}
		unbounded := Policy{Strategy: tt.strategy, Base: time.Hour}
		if got := unbounded.Ceiling(5000); got <= 0 {
			t.Errorf("%v: retry 5000 waits %v", tt.strategy, got)
		}
	}
	if _, err := Parse("random"); err == nil {
		t.Error("random is a strategy")
	}
}

func TestWait(t *testing.T) {
	p := Policy{Base: time.Second, Max: 5 * time.Second}
	for _, tt := range []struct {
		n      int
		after  time.Duration
		random float64
		want   time.Duration
		ok     bool
	}{
		{1, 0, 0, 0, true}, // full jitter begins at nothing
		{1, 0, 0.5, 500 * time.Millisecond, true},
		{2, 0, 0.5, time.Second, true},
		{9, 0, 0.5, 2500 * time.Millisecond, true},
		{1, 3 * time.Second, 0.5, 3 * time.Second, true},
		{3, time.Second, 0.75, 3 * time.Second, true},
		{1, 5 * time.Second, 0, 5 * time.Second, true},
		{1, 6 * time.Second, 0, 0, false}, // asked for more than we are ready to wait
	} {
		if got, ok := p.Wait(tt.n, tt.after, tt.random); got != tt.want || ok != tt.ok {
			t.Errorf("Wait(%d, %v, %v) = %v, %v; want %v, %v", tt.n, tt.after, tt.random, got, ok, tt.want, tt.ok)
		}
	}
}

func TestAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for value, want := range map[string]time.Duration{
		"":                               0,
		"7":                              7 * time.Second,
		" 7 ":                            7 * time.Second,
		"0":                              0,
		"-5":                             0,
		"1.5":                            1500 * time.Millisecond,
		"99999999999999999999":           math.MaxInt32 * time.Second,
		"NaN":                            0,
		"soon":                           0,
		"Sun, 01 Mar 2026 12:01:30 GMT":  90 * time.Second,
		"Sunday, 01-Mar-26 12:00:10 GMT": 10 * time.Second,
		"Sun Mar  1 12:00:20 2026":       20 * time.Second,
		"Sun, 01 Mar 2026 11:00:00 GMT":  0,
	} {
		if got := After(http.Header{"Retry-After": {value}}, now); got != want {
			t.Errorf("%q: %v, want %v", value, got, want)
		}
	}
	if got := After(nil, now); got != 0 {
		t.Errorf("no header: %v", got)
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := NewBudget(BudgetRules{Ratio: 0.1, PerSecond: 1, Burst: 10})
		take := func() (n int) {
			for b.Take() {
				n++
			}
			return n
		}
		if got := take(); got != 10 {
			t.Errorf("a full budget grants %d retries, want 10", got)
		}
		for range 51 {
			b.Call()
		}
		if got := take(); got != 5 {
			t.Errorf("51 calls pay for %d retries, want 5", got)
		}
		time.Sleep(3 * time.Second)
		if got := take(); got != 3 {
			t.Errorf("3 s give %d retries, want 3", got)
		}
		time.Sleep(time.Hour)
		if got := take(); got != 10 {
			t.Errorf("an hour gives %d retries, want no more than 10", got)
		}
		b.Set(BudgetRules{Off: true})
		for range 100 {
			if !b.Take() {
				t.Fatal("a budget that is off refuses")
			}
		}
	})
}

func TestFitsAndSleep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if !Fits(ctx, time.Second) || Fits(ctx, 2*time.Second) || !Fits(context.Background(), time.Hour) {
			t.Error("a wait up to the deadline is one too long")
		}
		if !Sleep(ctx, time.Second) || Sleep(ctx, time.Hour) || Sleep(ctx, 0) {
			t.Error("Sleep must say whether ctx ended first")
		}
	})
}
