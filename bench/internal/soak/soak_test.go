package soak

import (
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"corral/testkit"
)

// build makes the mock model server.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "mockllm")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", path, "corral/bench/cmd/mockllm").CombinedOutput(); err != nil {
		t.Fatalf("go build mockllm: %v\n%s", err, out)
	}
	return path
}

// A short soak: the counts are exact whatever happens around the calls. scripts/soak makes a long one, that looks at memory too.
func TestTheBooksAgreeWithEachOtherAndWithTheCallers(t *testing.T) {
	corral, mock := testkit.BuildCorral(t), build(t)
	for _, c := range []struct {
		name   string
		calls  int
		strict bool
	}{{"group", 3000, false}, {"strict", 600, true}} {
		t.Run(c.name, func(t *testing.T) {
			rep, err := Run(t.Context(), Options{Corral: corral, Mock: mock, Dir: t.TempDir(), Calls: c.calls, Conns: 6, Every: time.Second, Strict: c.strict, Seed: uint64(c.calls)})
			if err != nil {
				t.Fatal(err)
			}
			if len(rep.Problems) > 0 {
				var b strings.Builder
				rep.Print(&b)
				t.Error(b.String())
			}
			if c.calls < 3000 {
				return
			}
			// What did not happen was not tried.
			ended := map[string]int{}
			for how, n := range rep.Callers {
				_, end, _ := strings.Cut(how, " ")
				ended[how] += n
				ended[end] += n
			}
			for _, how := range []string{"200 whole", "400 whole", "401 whole", "403 whole", "413 whole", "429 whole", "503 whole", "504 whole", "200 left", "0 left"} {
				if ended[how] == 0 {
					t.Errorf("no call ended as %q: %v", how, rep.Callers)
				}
			}
			if rep.Free == 0 || rep.Told == 0 || rep.Trouble["llm_fallbacks_total"] == 0 || rep.Trouble["corral_breaker_changes_total"] == 0 {
				t.Errorf("nothing from the cache, or no trouble: %+v", rep)
			}
		})
	}
}

// samples make up a soak of 90 looks, of one value each.
func samples(of func(i int) float64) []Sample {
	list := make([]Sample, 90)
	for i := range list {
		v := of(i)
		list[i] = Sample{Memory: 40e6 + v*1e5, Heap: 20e6, Files: 30 + v, Goroutines: 40, Series: 1000}
	}
	return list
}

func TestWhatGrowsIsNotFlat(t *testing.T) {
	for _, c := range []struct {
		name string
		of   func(i int) float64
		want []string // what is not flat
	}{
		{"still", func(int) float64 { return 0 }, nil},
		{"full after the first third", func(i int) float64 { return float64(min(i, 30)) * 10 }, nil},
		{"up and down", func(i int) float64 { return float64(i%7) * 10 }, nil},
		{"a leak", func(i int) float64 { return float64(i) * 4 }, []string{"memory, bytes", "open files"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var not []string
			for _, f := range flat(samples(c.of), minCalls) {
				if f.Problem != "" {
					not = append(not, f.What)
				}
			}
			if strings.Join(not, ", ") != strings.Join(c.want, ", ") {
				t.Errorf("%q grow, want %q", not, c.want)
			}
		})
	}
	if flat(samples(func(int) float64 { return 0 }), minCalls-1) != nil || flat(make([]Sample, minSamples-1), minCalls) != nil {
		t.Error("too short a soak was judged")
	}
}
