package slo_test

import (
	"testing"
	"time"

	"corral/daemon/slo"
	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/storetest"
)

// A month with calls in every minute: what a report takes to reckon, which the daemon does once a minute.
func BenchmarkReckon(b *testing.B) {
	db := storetest.Open(b)
	a := usage.NewAdder()
	from := now.Add(-30 * 24 * time.Hour)
	for day := range 30 {
		if err := db.Update(func(tx *store.Tx) error {
			if err := usage.Ensure(tx); err != nil {
				return err
			}
			for minute := range 24 * 60 {
				for i := range 10 {
					a.Add(&record.Row{Time: from.Add(time.Duration(day*24*60+minute) * time.Minute), Verdict: record.Served, Duration: time.Duration(i*i*10+minute) * time.Millisecond})
				}
			}
			return a.Write(tx)
		}); err != nil {
			b.Fatal(err)
		}
		a.Done()
	}
	read := func(from, to time.Time, take func(uint32, *usage.Minute)) error {
		return db.View(func(tx *store.Tx) error { return usage.Minutes(tx, usage.MinuteOf(from), usage.MinuteOf(to)+1, take) })
	}
	b.Run("30 days", func(b *testing.B) {
		for b.Loop() {
			if r, err := slo.Reckon(read, now, promised); err != nil || r.Windows[2].Served < 400_000 {
				b.Fatal(r, err)
			}
		}
	})
	b.Run("burns", func(b *testing.B) {
		for b.Loop() {
			if _, err := slo.Burning(read, now, promised); err != nil {
				b.Fatal(err)
			}
		}
	})
}
