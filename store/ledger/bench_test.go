package ledger_test

import (
	"testing"

	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
)

// BenchmarkAppend is what a call pays that does not wait for the disk.
func BenchmarkAppend(b *testing.B) {
	l := ledgertest.Open(b, b.TempDir(), func(o *ledger.Options) { o.OnFailure = ledger.Continue })
	e := ledgertest.Call(1)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%4000 == 0 { // else it would measure the full queue
			b.StopTimer()
			if err := l.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
		if err := l.Append(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendStrict(b *testing.B) {
	l := ledgertest.Open(b, b.TempDir(), nil)
	e := ledgertest.Call(1)
	b.ReportAllocs()
	b.SetParallelism(128)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := l.AppendStrict(b.Context(), e); err != nil {
				b.Fatal(err)
			}
		}
	})
}
