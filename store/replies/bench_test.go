package replies

import (
	"fmt"
	"os"
	"testing"
	"time"

	"corral/store"
)

const benchBody = 2000 // bytes: an answer of some 400 words

func fill(b *testing.B, s *Store, entries, size int) {
	b.Helper()
	c := newClock()
	for n := range entries {
		for it := itemOf(c, n, size); !s.Put(it); {
			sync1(b, s)
		}
	}
	sync1(b, s)
}

// BenchmarkWrite is how fast items reach the disk.
func BenchmarkWrite(b *testing.B) {
	c := newClock()
	s := open(b, b.TempDir(), nil)
	items := make([]Item, 1000)
	for n := range items {
		items[n] = itemOf(c, n, benchBody)
	}
	n := 0
	for b.Loop() {
		it := items[n%len(items)]
		it.Key = keyOf(n)
		n++
		for !s.Put(it) {
			sync1(b, s)
		}
	}
	sync1(b, s)
	b.SetBytes(benchBody)
}

// BenchmarkPut is what a caller pays.
func BenchmarkPut(b *testing.B) {
	c := newClock()
	s := open(b, b.TempDir(), nil)
	it := itemOf(c, 0, benchBody)
	for b.Loop() {
		s.Put(it)
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{400, benchBody, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, b.TempDir(), nil)
			fill(b, s, 2000, size)
			keys := make([]Key, 2000)
			for n := range keys {
				keys[n] = keyOf(n)
			}
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				if _, _, _, ok := s.Get(keys[n%len(keys)]); !ok {
					b.Fatal("not found")
				}
				n++
			}
		})
	}
}

// BenchmarkMiss is what a call pays whose answer is not there.
func BenchmarkMiss(b *testing.B) {
	s := open(b, b.TempDir(), nil)
	fill(b, s, 2000, benchBody)
	k := keyOf(1 << 20)
	b.ReportAllocs()
	for b.Loop() {
		s.Get(k)
	}
}

// BenchmarkOpen is a start with 100,000 answers in the file, with the check in a child process and without it.
func BenchmarkOpen(b *testing.B) {
	dir := b.TempDir()
	s := open(b, dir, func(o *Options) { o.MaxBytes = 1 << 30 })
	const entries = 100_000
	fill(b, s, entries, benchBody)
	st := s.Stats()
	shut(b, s)
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	for name, check := range map[string]func(string, bool) error{"plain": nil, "checked": store.CheckInChild(exe, store.CheckCommand)} {
		b.Run(name, func(b *testing.B) {
			var until time.Duration
			for b.Loop() {
				start := time.Now()
				s, err := Open(Options{Dir: dir, Secret: secret, MaxBytes: 1 << 30, Check: check, Now: newClock().Now})
				if err != nil {
					b.Fatal(err)
				}
				<-s.ready
				until += time.Since(start)
				if s.Stats().Entries != entries {
					b.Fatalf("%+v", s.Stats())
				}
				shut(b, s)
			}
			b.ReportMetric(float64(until.Milliseconds())/float64(b.N), "ms/open")
			b.ReportMetric(float64(st.Bytes)/entries, "data-B/entry")
			b.ReportMetric(float64(st.FileBytes)/entries, "file-B/entry")
		})
	}
}
