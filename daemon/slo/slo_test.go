package slo_test

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"corral/daemon/slo"
	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/storetest"
)

var now = time.Date(2026, 5, 20, 12, 0, 30, 0, time.UTC)

// call is one that ended so long before now.
func call(ago time.Duration, v record.Verdict, took time.Duration) record.Row {
	return record.Row{Time: now.Add(-ago - took), Duration: took, Verdict: v}
}

func many(n int, ago time.Duration, v record.Verdict, took time.Duration) (rows []record.Row) {
	for range n {
		rows = append(rows, call(ago, v, took))
	}
	return rows
}

// on is a ledger's minutes after these calls.
func on(t *testing.T, rows ...[]record.Row) slo.Read {
	t.Helper()
	db := storetest.Open(t)
	if err := db.Update(func(tx *store.Tx) error {
		if err := usage.Ensure(tx); err != nil {
			return err
		}
		a := usage.NewAdder()
		all := slices.Concat(rows...)
		for i := range all {
			a.Add(&all[i])
		}
		return a.Write(tx)
	}); err != nil {
		t.Fatal(err)
	}
	return func(from, to time.Time, take func(uint32, *usage.Minute)) error {
		return db.View(func(tx *store.Tx) error {
			return usage.Minutes(tx, usage.MinuteOf(from), usage.MinuteOf(to)+1, take)
		})
	}
}

var promised = slo.Objectives{Availability: 0.99, ErrorRate: 0.02, Latency: 500 * time.Millisecond}

func reckon(t *testing.T, read slo.Read) *slo.Report {
	t.Helper()
	r, err := slo.Reckon(read, now, promised)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const ms = time.Millisecond

func TestWindowsSayWhatTheirCallsDid(t *testing.T) {
	r := reckon(t, on(t,
		many(90, 10*time.Minute, record.Served, 100*ms),
		many(6, 20*time.Minute, record.Served, 2*time.Second),
		many(1, 20*time.Minute, record.Faulty, ms),
		many(3, 20*time.Minute, record.Unanswered, ms),
		many(50, 20*time.Minute, record.Limited, ms),
		many(50, 20*time.Minute, record.Unjudged, time.Hour),
		many(100, 5*time.Hour, record.Served, 100*ms),
		many(200, 20*24*time.Hour, record.Served, 100*ms),
		many(1000, 30*24*time.Hour+time.Hour, record.Unanswered, ms), // too long ago
	))
	if len(r.Windows) != 3 || !r.Since.Equal(now.Add(-20*24*time.Hour).Truncate(time.Minute)) {
		t.Fatalf("since %v, %d windows", r.Since, len(r.Windows))
	}
	for i, c := range []struct {
		window                              string
		served, faulty, unanswered, limited uint64
		available, errors                   float64
	}{
		{"1h", 96, 1, 3, 50, 0.97, 0.04},
		{"1d", 196, 1, 3, 50, 0.985, 0.02},
		{"30d", 396, 1, 3, 50, 0.9925, 0.01},
	} {
		w := r.Windows[i]
		if w.Window != c.window || w.Served != c.served || w.Faulty != c.faulty || w.Unanswered != c.unanswered || w.Limited != c.limited {
			t.Errorf("%s: %+v", c.window, w)
		}
		if !near(*w.Availability, c.available) || !near(*w.ErrorRate, c.errors) {
			t.Errorf("%s: availability %v, errors %v", c.window, *w.Availability, *w.ErrorRate)
		}
	}
	hour := r.Windows[0]
	if got := *hour.LatencyP95; got < 2*(1-usage.LatencyError) || got > 2*(1+usage.LatencyError) {
		t.Errorf("p95 %v, want about 2 s: 6 of 96 were slow", got)
	}
	if got := *r.Windows[2].LatencyP95; got > 0.11 {
		t.Errorf("p95 of 30 days: %v, want about 100 ms", got)
	}
	for i, want := range []slo.Objective{
		{Name: "availability", Target: 0.99, Actual: hour.Availability, Calls: 100, Bad: 3, Allowed: 1, Left: -2, Burn: 3},
		{Name: "error_rate", Target: 0.02, Actual: hour.ErrorRate, Calls: 100, Bad: 4, Allowed: 2, Left: -1, Burn: 2},
		{Name: "latency_p95", Target: 0.5, Actual: hour.LatencyP95, Calls: 96, Bad: 6, Allowed: 4.8, Left: -0.25, Burn: 1.25},
	} {
		got := hour.Objectives[i]
		if got.Name != want.Name || got.Calls != want.Calls || got.Met || got.Actual == nil || *got.Actual != *want.Actual || !near(got.Target, want.Target) ||
			!near(got.Bad, want.Bad) || !near(got.Allowed, want.Allowed) || !near(got.Left, want.Left) || !near(got.Burn, want.Burn) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
	if x := r.Windows[1].Objectives[1]; !x.Met || !near(x.Left, 0) {
		t.Errorf("a budget used up to the last call is kept to: %+v", x)
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestMoneyIsThatOfAllCalls(t *testing.T) {
	paid := call(time.Minute, record.Served, ms)
	paid.Cost, paid.Baseline = record.Nano(10), record.Nano(100)
	left := call(time.Minute, record.Unjudged, ms)
	left.Cost, left.Baseline = record.Nano(3), record.Nano(3)
	w := reckon(t, on(t, []record.Row{paid, left})).Windows[0]
	if w.Cost != 13 || w.Baseline != 103 || w.Saved != 90 {
		t.Errorf("%d, %d, %d", w.Cost, w.Baseline, w.Saved)
	}
}

func TestNothingKnownIsNotPerfect(t *testing.T) {
	r := reckon(t, on(t, many(3, time.Minute, record.Limited, ms)))
	w := r.Windows[0]
	if w.Availability != nil || w.ErrorRate != nil || w.LatencyP95 != nil || w.MTTR != nil || w.Down {
		t.Errorf("%+v", w)
	}
	for _, o := range w.Objectives {
		if o.Actual != nil || !o.Met || o.Burn != 0 || o.Left != 1 {
			t.Errorf("%+v", o)
		}
	}
	none, err := slo.Reckon(on(t), now, slo.Objectives{})
	if err != nil || !none.Since.IsZero() || len(none.Windows[0].Objectives) != 0 || len(none.Burns) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestOutages(t *testing.T) {
	at := func(clock string) time.Duration {
		x, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return now.Sub(time.Date(2026, 5, 20, x.Hour(), x.Minute(), x.Second(), 0, time.UTC))
	}
	served := func(clock string) []record.Row { return many(1, at(clock), record.Served, 0) }
	failed := func(clock string) []record.Row { return many(1, at(clock), record.Unanswered, 0) }
	broken := func(clock string) []record.Row { return many(1, at(clock), record.Faulty, 0) }
	limited := func(clock string) []record.Row { return many(1, at(clock), record.Limited, 0) }
	for _, c := range []struct {
		name    string
		calls   [][]record.Row
		outages int
		lost    time.Duration // in the last hour
		mttr    time.Duration // in the last hour; negative: not known
		down    bool
	}{
		{"none", [][]record.Row{served("11:10:00"), served("11:50:00")}, 0, 0, -1, false},
		{"a minute in which one failed and another was answered", [][]record.Row{failed("11:10:00"), served("11:10:59")}, 0, 0, -1, false},
		{"from the first that failed to the first that was answered", [][]record.Row{served("11:10:00"), failed("11:11:40"), failed("11:12:10"), served("11:13:20"), failed("11:13:50")}, 1, 100 * time.Second, 100 * time.Second, false},
		{"a broken answer is none", [][]record.Row{broken("11:11:00"), served("11:12:00")}, 1, time.Minute, time.Minute, false},
		{"silence belongs to it", [][]record.Row{failed("11:10:00"), served("11:40:00")}, 1, 30 * time.Minute, 30 * time.Minute, false},
		{"a limit neither begins nor ends one", [][]record.Row{limited("11:05:00"), failed("11:10:00"), limited("11:11:00"), served("11:12:00")}, 1, 2 * time.Minute, 2 * time.Minute, false},
		{"two, on average", [][]record.Row{failed("11:10:00"), served("11:11:00"), failed("11:20:00"), served("11:23:00")}, 2, 4 * time.Minute, 2 * time.Minute, false},
		{"one goes on", [][]record.Row{failed("11:10:00"), served("11:11:00"), failed("11:59:30")}, 2, 2 * time.Minute, time.Minute, true},
		{"it began before the window", [][]record.Row{failed("10:31:00"), served("11:31:00")}, 1, 30 * time.Minute, time.Hour, false},
		{"it began before the window, and nobody asked since", [][]record.Row{failed("10:31:00")}, 1, 59*time.Minute + 30*time.Second, -1, true},
		{"it was over before the window", [][]record.Row{failed("10:31:00"), served("10:32:00")}, 0, 0, -1, false},
	} {
		w := reckon(t, on(t, c.calls...)).Windows[0]
		if w.Outages != c.outages || w.Downtime != c.lost.Seconds() || w.Down != c.down || (w.MTTR == nil) != (c.mttr < 0) {
			t.Errorf("%s: %+v", c.name, w)
			continue
		}
		if w.MTTR != nil && *w.MTTR != c.mttr.Seconds() {
			t.Errorf("%s: mean time to recovery %v, want %v", c.name, *w.MTTR, c.mttr)
		}
	}
}

func TestABudgetBurnsWhenBothWindowsSaySo(t *testing.T) {
	for _, c := range []struct {
		name       string
		calls      [][]record.Row
		fast, slow bool // of the availability, of which 1 % may fail
	}{
		{"all is well", [][]record.Row{many(1000, time.Minute, record.Served, ms)}, false, false},
		{"a fifth fails now", [][]record.Row{many(80, time.Minute, record.Served, ms), many(20, time.Minute, record.Unanswered, ms)}, true, true},
		{"a tenth fails now", [][]record.Row{many(90, time.Minute, record.Served, ms), many(10, time.Minute, record.Unanswered, ms)}, false, true},
		{"it was so half an hour ago, and is over", [][]record.Row{many(20, 32*time.Minute, record.Unanswered, ms), many(80, time.Minute, record.Served, ms)}, false, false},
		{"it was so ten minutes ago, and is over", [][]record.Row{many(20, 10*time.Minute, record.Unanswered, ms), many(80, time.Minute, record.Served, ms)}, false, true},
		{"the last minutes only, of a busy hour", [][]record.Row{many(5000, 40*time.Minute, record.Served, ms), many(20, time.Minute, record.Unanswered, ms)}, false, false},
		{"too few to say", [][]record.Row{many(slo.LeastBad-1, time.Minute, record.Unanswered, ms)}, false, false},
		{"just enough", [][]record.Row{many(slo.LeastBad, time.Minute, record.Unanswered, ms)}, true, true},
		{"of a limit nothing burns", [][]record.Row{many(100, time.Minute, record.Limited, ms)}, false, false},
	} {
		burns, err := slo.Burning(on(t, c.calls...), now, promised)
		if err != nil || len(burns) != 6 {
			t.Fatal(len(burns), err)
		}
		for _, b := range burns {
			want := map[string]bool{"fast": c.fast, "slow": c.slow}[b.Speed]
			if b.Objective == slo.Availability && b.Burning != want {
				t.Errorf("%s: %+v", c.name, b)
			}
		}
	}
	burns, err := slo.Burning(on(t, many(20, time.Minute, record.Served, ms), many(80, time.Minute, record.Served, time.Second)), now, promised)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range burns {
		if b.Objective == slo.LatencyP95 && (!b.Burning || !near(b.LongRate, 16)) {
			t.Errorf("four of five are too slow: %+v", b)
		}
	}
}

func TestALedgerThatCannotBeReadIsAnError(t *testing.T) {
	gone := errors.New("gone")
	if _, err := slo.Reckon(func(time.Time, time.Time, func(uint32, *usage.Minute)) error { return gone }, now, promised); !errors.Is(err, gone) {
		t.Error(err)
	}
}
