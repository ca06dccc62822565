package retry

import (
	"sync"
	"time"
)

// BudgetRules say what share of calls may be repeated.
type BudgetRules struct {
	Ratio     float64 // retries that each call pays for; 0: none but what PerSecond gives
	PerSecond float64 // retries that are free, so that a quiet machine may retry as well
	Burst     float64 // retries that may be saved up
	Off       bool    // no budget: every retry is granted
}

// DefaultBudget keeps the attempts of an outage below 1.2 times the calls at any busy rate.
func DefaultBudget() BudgetRules { return BudgetRules{Ratio: 0.1, PerSecond: 1, Burst: 10} }

// Budget is a bucket of retries, one a target: each call puts a little in, each retry takes one out. In an outage, where
// every call wants to be repeated, the attempts then stay at (1 + Ratio) times the calls, and the target has room to
// come back. (The idea is Finagle's: https://twitter.github.io/finagle/guide/Clients.html#retry-budget.)
type Budget struct {
	mu     sync.Mutex // guards all
	rules  BudgetRules
	tokens float64
	last   time.Time // up to when PerSecond has been paid
}

// NewBudget makes a full Budget.
func NewBudget(r BudgetRules) *Budget {
	return &Budget{rules: r, tokens: r.Burst}
}

// Set puts other rules in force.
func (b *Budget) Set(r BudgetRules) {
	b.mu.Lock()
	b.rules = r
	b.tokens = min(b.tokens, r.Burst)
	b.mu.Unlock()
}

// Call pays in for one call.
func (b *Budget) Call() {
	b.mu.Lock()
	b.tokens = min(b.tokens+b.rules.Ratio, b.rules.Burst)
	b.mu.Unlock()
}

// Take pays for one retry, or reports that there is nothing left.
func (b *Budget) Take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.rules.Off {
		return true
	}
	now := time.Now()
	if !b.last.IsZero() {
		b.tokens = min(b.tokens+now.Sub(b.last).Seconds()*b.rules.PerSecond, b.rules.Burst)
	}
	b.last = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}
