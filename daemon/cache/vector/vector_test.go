package vector

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// minilm are the vectors that all-MiniLM-L6-v2 gives for 512 of the questions in ../similar/testdata, packed.
func minilm(t testing.TB) [][]float32 {
	t.Helper()
	raw, err := os.ReadFile("testdata/minilm.packed")
	if err != nil {
		t.Fatal(err)
	}
	var out [][]float32
	for len(raw) > 0 {
		v, err := Unpack(raw[:388])
		if err != nil {
			t.Fatal(err)
		}
		out, raw = append(out, unit(v)), raw[388:]
	}
	return out
}

func unit(v []float32) []float32 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x) * float64(x)
	}
	for i := range v {
		v[i] = float32(float64(v[i]) / math.Sqrt(sum))
	}
	return v
}

// mix leans a vector towards others.
func mix(v []float32, others ...[]float32) []float32 {
	out := slices.Clone(v)
	for _, o := range others {
		for i := range out {
			out[i] += o[i]
		}
	}
	return unit(out)
}

func times(v []float32, by float64) []float32 {
	out := slices.Clone(v)
	for i := range out {
		out[i] *= float32(by)
	}
	return out
}

func noise(r *rand.Rand, dim int) []float32 {
	v := make([]float32, dim)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return unit(v)
}

func exact(a, b []float32) float64 {
	var w, x, y, z float32
	for len(a) >= 4 && len(b) >= 4 {
		w += a[0] * b[0]
		x += a[1] * b[1]
		y += a[2] * b[2]
		z += a[3] * b[3]
		a, b = a[4:], b[4:]
	}
	for i := range a {
		w += a[i] * b[i]
	}
	return float64(w) + float64(x) + float64(y) + float64(z)
}

// bruteForce compares with all vectors, which stand one after another.
func bruteForce(flat, q []float32) (at int, cosine float64) {
	at, cosine = -1, -2
	for i := 0; i*len(q) < len(flat); i++ {
		if c := exact(flat[i*len(q):(i+1)*len(q)], q); c > cosine {
			at, cosine = i, c
		}
	}
	return at, cosine
}

// populations are sets of n vectors such as a cache may hold, and questions asked of them: each is a vector of the set, leaned away
// so far that the cosine is 0.80 to 1.
var populations = []struct {
	name string
	make func(t testing.TB, r *rand.Rand, n int) [][]float32
}{
	{"uniform", func(_ testing.TB, r *rand.Rand, n int) [][]float32 {
		out := make([][]float32, n)
		for i := range out {
			out[i] = noise(r, 384)
		}
		return out
	}},
	// 200 subjects, each with hundreds of questions near it.
	{"clustered", func(_ testing.TB, r *rand.Rand, n int) [][]float32 {
		centres := make([][]float32, 200)
		for i := range centres {
			centres[i] = noise(r, 384)
		}
		out := make([][]float32, n)
		for i := range out {
			out[i] = mix(centres[r.IntN(len(centres))], times(noise(r, 384), 0.3+0.7*r.Float64()))
		}
		return out
	}},
	// Questions as they are, and what lies between two or three of them.
	{"questions", func(t testing.TB, r *rand.Rand, n int) [][]float32 {
		base := minilm(t)
		out := slices.Clone(base)
		for len(out) < n {
			v := base[r.IntN(len(base))]
			out = append(out, mix(v, times(base[r.IntN(len(base))], r.Float64()), times(base[r.IntN(len(base))], r.Float64()), times(noise(r, 384), 0.3*r.Float64())))
		}
		return out[:n]
	}},
	// One template, filled in: all are near each other.
	{"template", func(t testing.TB, r *rand.Rand, n int) [][]float32 {
		base := minilm(t)
		out := make([][]float32, n)
		for i := range out {
			out[i] = mix(base[0], times(base[r.IntN(len(base))], 0.4*r.Float64()), times(noise(r, 384), 0.1+0.3*r.Float64()))
		}
		return out
	}},
}

func questions(r *rand.Rand, vs [][]float32, n int) [][]float32 {
	out := make([][]float32, n)
	for i := range out {
		// One part noise, one part towards another question.
		lean := 0.5 * r.Float64()
		out[i] = mix(vs[r.IntN(len(vs))], times(noise(r, 384), lean), times(vs[r.IntN(len(vs))], lean/2))
	}
	return out
}

type measured struct {
	search, slow, all time.Duration // the middle, and the 99th of 100; of a search of all vectors
	recall, near      float64       // how often the nearest one was found; or one whose cosine is no more than 0.002 less
	asked             int           // questions that something was near enough to
	bytes             float64       // a vector
}

// measure searches for many questions, in the index and in all vectors.
func measure(t testing.TB, vs, qs [][]float32, atLeast float64) measured {
	t.Helper()
	var m measured
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	x := New[string, int](384, len(vs))
	for i, v := range vs {
		if err := x.Add("", i, v); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	m.bytes = (float64(after.HeapAlloc) - float64(before.HeapAlloc)) / float64(len(vs))
	found := make([][]Near[int], len(qs))
	var took, tookAll []time.Duration
	for i, q := range qs {
		start := time.Now()
		found[i] = x.Nearest("", q, atLeast, 8)
		took = append(took, time.Since(start))
	}
	flat := slices.Concat(vs...)
	var same, close int
	for i, q := range qs {
		start := time.Now()
		at, cosine := bruteForce(flat, q)
		tookAll = append(tookAll, time.Since(start))
		if cosine < atLeast {
			continue
		}
		m.asked++
		if got := found[i]; len(got) >= 1 {
			c := exact(vs[got[0].ID], q)
			same += count(got[0].ID == at || c == cosine)
			close += count(c >= cosine-0.002)
		}
	}
	slices.Sort(took)
	slices.Sort(tookAll)
	m.search, m.slow, m.all = took[len(took)/2], took[len(took)*99/100], tookAll[len(took)/2]
	m.recall, m.near = float64(same)/float64(m.asked), float64(close)/float64(m.asked)
	return m
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}

// BenchmarkNearest measures 50,000 vectors in one partition, beside a search of all of them.
func BenchmarkNearest(b *testing.B) {
	for _, p := range populations {
		b.Run(p.name, func(b *testing.B) {
			r := rand.New(rand.NewPCG(1, 2))
			vs := p.make(b, r, 50_000)
			var m measured
			for b.Loop() {
				m = measure(b, vs, questions(r, vs, 300), 0.70)
			}
			b.ReportMetric(float64(m.search.Microseconds()), "µs/p50")
			b.ReportMetric(float64(m.slow.Microseconds()), "µs/p99")
			b.ReportMetric(float64(m.all.Microseconds()), "µs/exact")
			b.ReportMetric(m.recall, "recall")
			b.ReportMetric(m.near, "recall±0.002")
			b.ReportMetric(m.bytes, "B/vector")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func TestRecall(t *testing.T) {
	for _, p := range populations {
		for _, atLeast := range []float64{0.80, 0.90} {
			r := rand.New(rand.NewPCG(3, 4))
			vs := p.make(t, r, 5000)
			m := measure(t, vs, questions(r, vs, 200), atLeast)
			if m.asked < 50 || m.recall < 0.98 || m.near < 0.99 {
				t.Errorf("%s, at least %.2f: %d questions, recall %.3f, near enough %.3f", p.name, atLeast, m.asked, m.recall, m.near)
			}
			if m.bytes > 600 {
				t.Errorf("%s: %.0f bytes a vector", p.name, m.bytes)
			}
		}
	}
}

// Whatever is added, replaced and removed, a search sees what is there, in its own partition, with cosines that are right.
func TestSearchSeesWhatIsThere(t *testing.T) {
	for _, dim := range []int{1, 3, 64, 100, 384, 1000} {
		t.Run(fmt.Sprint(dim), func(t *testing.T) {
			r := rand.New(rand.NewPCG(5, uint64(dim)))
			x := New[string, int](dim, 3000)
			there := map[string]map[int][]float32{"a": {}, "b": {}}
			all := 0
			for step := range 6000 {
				part, id := []string{"a", "a", "a", "b"}[r.IntN(4)], r.IntN(1500)
				_, known := there[part][id]
				if step/1500%2 == 0 == (r.IntN(4) > 0) { // grows, shrinks, grows, shrinks
					v := times(noise(r, dim), 0.1+10*r.Float64())
					if err := x.Add(part, id, v); err != nil {
						t.Fatal(err)
					}
					there[part][id] = unit(v)
					all += count(!known)
				} else {
					if x.Remove(part, id) != known {
						t.Fatalf("removed %v, was there %v", !known, known)
					}
					delete(there[part], id)
					all -= count(known)
				}
				if x.Len() != all {
					t.Fatalf("%d vectors, not %d", x.Len(), all)
				}
				if step%20 != 0 {
					continue
				}
				q := noise(r, dim)
				if v, ok := there[part][id]; ok {
					q = mix(v, times(q, 0.3))
				}
				got := x.Nearest(part, q, 0.8, 3)
				if v, ok := there[part][id]; ok && dim >= 64 && exact(v, q) > 0.85 && (len(got) == 0 || got[0].ID != id && got[0].Cosine < exact(v, q)-0.002) {
					t.Fatalf("step %d: %+v, not %d at %.3f", step, got, id, exact(v, q))
				}
				seen := map[int]bool{}
				for i, n := range got {
					v, ok := there[part][n.ID]
					if !ok || seen[n.ID] {
						t.Fatalf("%+v found, which is not there or is found twice", n)
					}
					seen[n.ID] = true
					if c := exact(v, q); math.Abs(c-n.Cosine) > 0.004 || c < 0.796 || i > 0 && n.Cosine > got[i-1].Cosine {
						t.Fatalf("%d of %+v: the cosine is %.4f", i, got, c)
					}
				}
			}
		})
	}
}

func TestOfTwoNearOnesBothAreGiven(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	x := New[string, string](384, 10)
	q := noise(r, 384)
	for _, v := range []struct {
		id   string
		lean float64
	}{{"far", 0.6}, {"nearest", 0.1}, {"near", 0.3}} {
		if err := x.Add("", v.id, mix(q, times(noise(r, 384), v.lean))); err != nil {
			t.Fatal(err)
		}
	}
	got := x.Nearest("", q, 0.8, 2)
	if len(got) != 2 || got[0].ID != "nearest" || got[1].ID != "near" {
		t.Errorf("%+v", got)
	}
	if got := x.Nearest("", q, 0.8, 10); len(got) != 3 {
		t.Errorf("%+v", got)
	}
	if got := x.Nearest("", q, 0.98, 10); len(got) != 1 {
		t.Errorf("%+v", got)
	}
	if got := x.Nearest("other", q, 0.1, 10); got != nil {
		t.Errorf("%+v", got)
	}
	if got := x.Nearest("", q, 0.1, 0); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestWhatIsNoVector(t *testing.T) {
	x := New[string, int](3, 1)
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, v := range [][]float32{nil, {1, 2}, {1, 2, 3, 4}, {0, 0, 0}, {nan, 1, 1}, {inf, 1, 1}} {
		if err := x.Add("", 1, v); !errors.Is(err, ErrVector) {
			t.Errorf("%v: %v", v, err)
		}
	}
	if x.Len() != 0 {
		t.Error("it was added all the same")
	}
	for _, v := range [][]float32{{1, 2, 3}, {1e-30, 0, 0}, {1e30, 0, 1e30}} { // the same ID: always room
		if err := x.Add("", 1, v); err != nil {
			t.Errorf("%v: %v", v, err)
		}
		if got := x.Nearest("", v, 0.99, 1); len(got) != 1 {
			t.Errorf("%v: %v", v, got)
		}
	}
	if got := x.Nearest("", []float32{nan, 1, 1}, -1, 1); got != nil {
		t.Errorf("%v", got)
	}
	if err := x.Add("", 2, []float32{1, 2, 3}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if err := x.Add("other", 2, []float32{1, 2, 3}); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if !x.Remove("", 1) || x.Add("other", 2, []float32{1, 2, 3}) != nil {
		t.Error("what is removed leaves no room")
	}
}

func TestRemovingGivesMemoryBack(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	x := New[int, int](384, 20_000)
	v := noise(r, 384)
	heap := func() float64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // pools keep what they hold for one
		runtime.ReadMemStats(&m)
		return float64(m.HeapAlloc)
	}
	empty := heap()
	for i := range 20_000 {
		if err := x.Add(i%3*i, i, v); err != nil { // a third in one partition, the others each in one of its own
			t.Fatal(err)
		}
	}
	full := heap()
	for i := range 20_000 {
		if i != 3 && !x.Remove(i%3*i, i) {
			t.Fatal(i)
		}
	}
	if left := heap(); left-empty > (full-empty)/10 {
		t.Errorf("%.0f KB when empty, %.0f KB when full, %.0f KB with one left", empty/1e3, full/1e3, left/1e3)
	}
	if got := x.Nearest(0, v, 0.99, 5); len(got) != 1 || got[0].ID != 3 {
		t.Errorf("%v", got)
	}
}

// With the race detector this shows what the locks are for.
func TestManySearchWhileOneWrites(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	vs := make([][]float32, 200)
	for i := range vs {
		vs[i] = noise(r, 64)
	}
	x := New[string, int](64, len(vs))
	if err := x.Add("p", 0, vs[0]); err != nil { // never removed
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if got := x.Nearest("p", vs[0], 0.9, 1); len(got) != 1 || got[0].ID != 0 {
					t.Errorf("%v", got)
					return
				}
				x.Nearest("q", vs[1], 0.9, 1)
			}
		})
	}
	for i := range 4000 {
		at := 1 + i%(len(vs)-1)
		part := []string{"p", "q"}[at%2]
		if i/(len(vs)-1)%2 == 0 {
			if err := x.Add(part, at, vs[at]); err != nil {
				t.Fatal(err)
			}
		} else if !x.Remove(part, at) {
			t.Fatal(at)
		}
	}
	close(done)
	wg.Wait()
}

// A rotation keeps lengths and angles.
func TestRotation(t *testing.T) {
	r := rand.New(rand.NewPCG(13, 14))
	for _, dim := range []int{1, 2, 63, 64, 65, 384, 768, 1024, 1536} {
		turn := newRotation(dim)
		a, b := noise(r, dim), noise(r, dim)
		x, _ := turn.of(a, make([]float32, 2*turn.padded))
		y, _ := turn.of(times(b, 7), make([]float32, 2*turn.padded))
		if math.Abs(exact(x, x)-1) > 1e-4 || math.Abs(exact(x, y)-exact(a, b)) > 1e-4 {
			t.Errorf("%d: length %v, cosine %v, not %v", dim, exact(x, x), exact(x, y), exact(a, b))
		}
	}
}

func TestPacked(t *testing.T) {
	r := rand.New(rand.NewPCG(15, 16))
	for range 100 {
		a, b := noise(r, 384), noise(r, 384)
		got, err := Unpack(Pack(times(a, 5)))
		if err != nil || len(Pack(a)) != 388 || math.Abs(exact(unit(got), b)-exact(a, b)) > 0.004 {
			t.Fatalf("%v: %v, not %v", err, exact(unit(got), b), exact(a, b))
		}
	}
	for _, v := range [][]float32{{0, 0}, {float32(math.NaN()), 0}, {float32(math.Inf(1)), 1}} {
		if got, err := Unpack(Pack(v)); err != nil || !slices.Equal(got, []float32{0, 0}) {
			t.Errorf("%v: %v %v", v, got, err)
		}
	}
	for _, b := range [][]byte{nil, {1, 2, 3, 4}, {0, 0, 0xc0, 0x7f, 1}, {0, 0, 0x80, 0xff, 1}} {
		if _, err := Unpack(b); !errors.Is(err, ErrVector) {
			t.Errorf("%x: %v", b, err)
		}
	}
}

// Bytes are read as what is done with an index of 4 dimensions; a map and a search of all is what it is held against.
func FuzzIndex(f *testing.F) {
	f.Add([]byte("add, remove and ask, a byte a step and four a vector"))
	f.Fuzz(func(t *testing.T, in []byte) {
		x := New[byte, byte](4, 20)
		there := map[[2]byte][]float32{}
		for len(in) >= 6 {
			part, id := in[0]>>4&1, in[1]%30
			v := make([]float32, 4)
			for i := range v {
				v[i] = float32(int8(in[2+i]))
			}
			zero := v[0] == 0 && v[1] == 0 && v[2] == 0 && v[3] == 0
			key := [2]byte{part, id}
			_, known := there[key]
			switch in[0] % 3 {
			case 0:
				err := x.Add(part, id, v)
				switch full := len(there) == 20 && !known; {
				case zero:
					if !errors.Is(err, ErrVector) {
						t.Fatal(err)
					}
				case full:
					if !errors.Is(err, ErrFull) {
						t.Fatal(err)
					}
				case err != nil:
					t.Fatal(err)
				default:
					there[key] = unit(v)
				}
			case 1:
				if x.Remove(part, id) != known {
					t.Fatalf("was there: %v", known)
				}
				delete(there, key)
			case 2:
				if zero {
					break
				}
				q := unit(v)
				got := x.Nearest(part, q, -1, 30)
				n := 0
				for key := range there {
					n += count(key[0] == part)
				}
				if len(got) != n {
					t.Fatalf("%d found of %d", len(got), n)
				}
				if !slices.IsSortedFunc(got, func(a, b Near[byte]) int { return cmp.Compare(b.Cosine, a.Cosine) }) {
					t.Fatalf("not in order: %v", got)
				}
				for _, g := range got {
					if v := there[[2]byte{part, g.ID}]; v == nil || math.Abs(exact(v, q)-g.Cosine) > 0.03 {
						t.Fatalf("%+v, but the cosine is %v", g, exact(v, q))
					}
				}
			}
			in = in[6:]
		}
		if x.Len() != len(there) {
			t.Fatalf("%d, not %d", x.Len(), len(there))
		}
	})
}
