package usage

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/storetest"
)

// What is read of the latencies may be off by what LatencyError says, and by no more.
func TestLatenciesAreReadToWithinTheStatedError(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var l Latency
		var all []time.Duration
		for range 1 + r.IntN(300) {
			d := time.Duration(math.Exp(r.Float64()*math.Log(60e6/200)) * 200e3) // 200 us to a minute
			all = append(all, d)
			l.Add(d)
		}
		slices.Sort(all)
		for _, q := range []float64{0.5, 0.95, 0.99, 1} {
			want := float64(all[int(math.Ceil(q*float64(len(all))))-1])
			got, ok := l.Quantile(q)
			if off := math.Abs(float64(got)-want) / want; !ok || off > LatencyError+1e-9 {
				t.Fatalf("the %v quantile of %d: %v, want %v: %.1f%% off", q, len(all), got, time.Duration(want), 100*off)
			}
		}
		if n := l.Calls(); n != uint64(len(all)) {
			t.Fatalf("%d calls, want %d", n, len(all))
		}
	}
	var none Latency
	if _, ok := none.Quantile(0.95); ok {
		t.Error("a quantile of nothing")
	}
}

func TestBucketsHoldWhatTheirBoundsSay(t *testing.T) {
	for i := range buckets {
		from, to := bounds(i)
		if bucketOf(uint64(from)) != i || bucketOf(uint64(to)-1) != i {
			t.Errorf("bucket %d from %v to %v: %d, %d", i, from, to, bucketOf(uint64(from)), bucketOf(uint64(to)-1))
		}
	}
	if bucketOf(math.MaxUint64) != buckets-1 {
		t.Error("the longest has no bucket")
	}
	var l Latency
	for _, ms := range []int{1, 10, 100, 400, 600, 1000} {
		l.Add(time.Duration(ms) * time.Millisecond)
	}
	if n := l.Above(500 * time.Millisecond); n != 2 {
		t.Errorf("%v calls above 500ms, want 2", n)
	}
}

func TestMinutesSayWhatTheirCallsDid(t *testing.T) {
	db := storetest.Open(t)
	at := time.Date(2026, 3, 1, 10, 0, 30, 0, time.UTC)
	calls := []record.Row{
		{Time: at, Duration: time.Second, Verdict: record.Served, Cost: record.Nano(5), Baseline: record.Nano(25)},
		{Time: at, Duration: 20 * time.Second, FirstToken: 2 * time.Second, Flags: record.Streamed, Verdict: record.Served},
		{Time: at, Duration: 40 * time.Second, Verdict: record.Unanswered}, // ends in the next minute
		{Time: at, Verdict: record.Faulty},
		{Time: at, Verdict: record.Limited},
		{Time: at, Verdict: record.Unjudged, Cost: record.Nano(7), Baseline: record.Nano(7)},
		{Kind: record.Gap, Time: at, Verdict: record.Served},
	}
	a := NewAdder()
	write := func(fail error) {
		t.Helper()
		err := db.Update(func(tx *store.Tx) error {
			if err := Ensure(tx); err != nil {
				return err
			}
			for i := range calls {
				a.Add(&calls[i])
			}
			return errors.Join(a.Write(tx), fail)
		})
		if !errors.Is(err, fail) {
			t.Fatal(err)
		}
		if fail != nil {
			a.Undo()
		} else {
			a.Done()
		}
	}
	write(errors.New("the disk is full"))
	write(nil)
	write(nil)

	got := map[uint32]Minute{}
	read := func() {
		t.Helper()
		clear(got)
		if err := db.View(func(tx *store.Tx) error {
			return Minutes(tx, MinuteOf(at), MinuteOf(at)+2, func(n uint32, m *Minute) { got[n] = *m })
		}); err != nil {
			t.Fatal(err)
		}
	}
	read()
	m := got[MinuteOf(at)]
	if m.Served != 4 || m.Faulty != 2 || m.Unanswered != 0 || m.Limited != 2 || m.Failed() != 2 {
		t.Errorf("counts: %+v", m)
	}
	if m.Cost != 24 || m.Baseline != 64 || m.Saved != 40 {
		t.Errorf("money: %d, %d, %d", m.Cost, m.Baseline, m.Saved)
	}
	if m.FirstServed != 31001 || m.FirstFailed != 30001 {
		t.Errorf("first served %d, first failed %d", m.FirstServed, m.FirstFailed)
	}
	if p, _ := m.Latency.Quantile(1); p < 1900*time.Millisecond || p > 2200*time.Millisecond {
		t.Errorf("the longest took %v: a stream counts until its first content", p)
	}
	if next := got[MinuteOf(at)+1]; next.Unanswered != 2 || next.FirstFailed != 10001 {
		t.Errorf("the next minute: %+v", next)
	}

	// What is too old goes, a few minutes with each commit.
	calls = []record.Row{{Time: at.Add((KeptMinutes + 10) * time.Minute), Verdict: record.Served}}
	write(nil)
	if read(); len(got) != 0 {
		t.Errorf("kept for longer than 31 days: %+v", got)
	}
}

func TestDamagedMinutesAreNoMinutes(t *testing.T) {
	m := Minute{Served: 3, Cost: -1}
	m.Latency.Add(time.Second)
	m.Latency.Add(time.Minute)
	whole := m.append(nil)
	var got Minute
	if err := parseMinute(whole, &got); err != nil || got != m {
		t.Errorf("%+v, %v", got, err)
	}
	for n := range whole {
		if parseMinute(whole[:n], &got) == nil {
			t.Errorf("%d of %d bytes were taken for a whole one", n, len(whole))
		}
	}
	if parseMinute(append(whole, 1, 2, 3), &got) != nil {
		t.Error("what a newer Corral adds is not left alone")
	}
	far := append([]byte(nil), whole[:len(whole)-4]...)
	if parseMinute(append(far, 0xff, 0xff, 0x7f, 1, 1, 1), &got) == nil {
		t.Error("a bucket that there is not")
	}
}
