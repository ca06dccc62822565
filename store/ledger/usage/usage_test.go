package usage

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/storetest"
)

func TestOddCountsAreInNoSum(t *testing.T) {
	for name, c := range map[string]struct {
		tokens        record.Tokens
		cost          record.Money
		input, output uint64
		odd, unpriced uint64
		costInSum     int64
	}{
		"plain":          {record.Tokens{Input: 10, Output: 5}, record.Nano(7), 10, 5, 0, 0, 7},
		"not told":       {record.Tokens{Input: -1, Output: -1, CachedInput: -1, Reasoning: -1}, record.Money{}, 0, 0, 0, 1, 0},
		"negative":       {record.Tokens{Input: -5, Output: 5}, record.Nano(7), 0, 5, 1, 0, 7},
		"huge":           {record.Tokens{Input: math.MaxInt64, Output: 5}, record.Nano(7), 0, 5, 1, 0, 7},
		"least":          {record.Tokens{Input: math.MinInt64, Output: math.MinInt64}, record.Nano(7), 0, 0, 1, 0, 7},
		"more cached":    {record.Tokens{Input: 5, CachedInput: 50}, record.Nano(7), 5, 0, 1, 0, 7},
		"negative money": {record.Tokens{}, record.Nano(-7), 0, 0, 1, 1, 0},
		"huge money":     {record.Tokens{}, record.Nano(math.MaxInt64), 0, 0, 1, 1, 0},
	} {
		s := Of(&record.Row{Status: 200, Tokens: c.tokens, Cost: c.cost})
		if s.Calls != 1 || s.Input != c.input || s.Output != c.output || s.Odd != c.odd || s.Unpriced != c.unpriced || s.Cost != c.costInSum {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestSumsSaturate(t *testing.T) {
	s := Sum{Calls: math.MaxUint64 - 1, Cost: math.MaxInt64 - 1, Saved: math.MinInt64 + 1}
	s.Add(&Sum{Calls: 5, Cost: 5, Saved: -5})
	if s.Calls != math.MaxUint64 || s.Cost != math.MaxInt64 || s.Saved != math.MinInt64 {
		t.Errorf("%+v", s)
	}
	got, err := parseSum(s.append(nil))
	if err != nil || got != s {
		t.Errorf("on disk: %+v, %v", got, err)
	}
}

// Sums that an older Corral wrote lack the newer fields.
func TestOlderSumsAreRead(t *testing.T) {
	s := Sum{Calls: 3, Cost: 7, Streams: 2}
	b := s.append(nil)
	got, err := parseSum(b[:len(b)-2]) // without what cache hits saved
	if err != nil || got != s {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := parseSum(b[:len(b)-3]); err == nil {
		t.Error("half a sum was taken for a whole one")
	}
}

func TestCacheHitsSayWhatTheySaved(t *testing.T) {
	s := Of(&record.Row{Status: 200, Flags: record.CacheHit, Tokens: record.Tokens{Input: 5, Output: 7}, Cost: record.Nano(0), Baseline: record.Nano(90)})
	s.Add(&Sum{Calls: 1, Input: 1, Saved: 4})
	if s.CacheHits != 1 || s.HitTokens != 12 || s.HitSaved != 90 || s.Saved != 94 {
		t.Errorf("%+v", s)
	}
}

// Reports over any stretch must be the sum of its calls, whether they come from hours, from days or from both.
func TestReportsOverAnyStretchAgreeWithTheCalls(t *testing.T) {
	db := storetest.Open(t)
	if err := db.Update(Ensure); err != nil {
		t.Fatal(err)
	}
	begin := time.Date(2026, 2, 27, 5, 0, 0, 0, time.UTC)
	var calls []record.Row
	adder := NewAdder()
	for batch := range 40 {
		err := db.Update(func(tx *store.Tx) error {
			for n := range 25 {
				i := batch*25 + n
				r := record.Row{Time: begin.Add(time.Duration(i*17) * time.Minute), Status: 200 + i%2, User: uint32(2 + i%3), Tokens: record.Tokens{Input: int64(i)}, Cost: record.Nano(int64(i))}
				calls = append(calls, r)
				adder.Add(&r)
			}
			return adder.Write(tx)
		})
		if err != nil {
			t.Fatal(err)
		}
		if batch%3 == 2 { // as after a commit in doubt
			adder.Forget()
		} else {
			adder.Done()
		}
	}
	names := func(_ Dimension, n uint32) string { return fmt.Sprint("u", n) }
	for _, hours := range [][2]int{{0, 1}, {0, 24}, {3, 19}, {19, 43}, {20, 21}, {0, 300}, {43, 140}, {100, 284}} {
		from, to := begin.Add(time.Duration(hours[0])*time.Hour), begin.Add(time.Duration(hours[1])*time.Hour)
		var want, before Sum
		for i := range calls {
			s := Of(&calls[i])
			switch at := calls[i].Time; {
			case !at.Before(from) && at.Before(to):
				want.Add(&s)
			case !at.Before(from.Add(from.Sub(to))) && at.Before(from):
				before.Add(&s)
			}
		}
		for _, by := range []Dimension{Total, User, Status, Day, Hour} {
			var r *Report
			err := db.View(func(tx *store.Tx) (err error) {
				r, err = Read(tx, Query{From: from, To: to, By: by}, names)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			if r.Total != want || r.Before != before {
				t.Errorf("hours %v by %s: %d calls for %d, want %d for %d; before: %d, want %d", hours, by, r.Total.Calls, r.Total.Cost, want.Calls, want.Cost, r.Before.Calls, before.Calls)
			}
		}
	}
	if err := db.View(func(tx *store.Tx) error { _, err := Read(tx, Query{From: begin, To: begin}, names); return err }); err == nil {
		t.Error("an empty stretch was taken")
	}
	if err := db.View(func(tx *store.Tx) error {
		_, err := Read(tx, Query{From: time.Now().Add(time.Hour), To: time.Now()}, names)
		return err
	}); err == nil || strings.Contains(err.Error(), "m=+") {
		t.Errorf("a stretch that ends before it begins: %v", err) // the clock's own reading was in it
	}
}

func TestDimensionsHaveNames(t *testing.T) {
	for _, name := range Dimensions() {
		d, ok := ParseDimension(name)
		if !ok || d.String() != name {
			t.Errorf("%s: %v, %v", name, d, ok)
		}
	}
	if _, ok := ParseDimension("colour"); ok {
		t.Error("an unknown one was taken")
	}
}
