// Command ratio says what Corral adds to a call, as a multiple of what a bare httputil.ReverseProxy adds.
// It starts a mock upstream, the bare proxy and Corral on free loopback ports, loads them turn about, and
// judges the ratios against the project's targets: exit 1 when one is missed.
//
// Differences are taken inside a round, and each number is the median over the rounds: the machine's noise
// is in all three alike.
package main

import (
	"cmp"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"corral/bench/internal/fleet"
	"corral/bench/internal/load"
)

// scene is one kind of load.
type scene struct {
	Name   string
	Conns  int
	Stream bool
	Prompt int  // bytes
	Kept   bool // Corral looks each call up in its cache and keeps the answer, as far as it keeps so many; no two are the same
	Hit    bool // the same question always: Corral answers from its cache, the bare proxy asks the upstream
	// The targets; 0: none. AddMax bounds Corral's added time over the bare proxy's, RPSMin its calls a second over the bare proxy's,
	// HitMax the whole time of a call over the bare proxy's.
	AddMax, RPSMin, HitMax float64
}

var scenes = []scene{
	{Name: "1 connection", Conns: 1, Prompt: 1 << 10, AddMax: 1.2},
	{Name: "16 connections", Conns: 16, Prompt: 1 << 10, RPSMin: 0.9},
	{Name: "128 connections", Conns: 128, Prompt: 1 << 10},
	{Name: "1 connection, stream", Conns: 1, Prompt: 1 << 10, Stream: true, AddMax: 1.2},
	{Name: "16 connections, stream", Conns: 16, Prompt: 1 << 10, Stream: true, RPSMin: 0.9},
	{Name: "128 connections, stream", Conns: 128, Prompt: 1 << 10, Stream: true},
	{Name: "1 connection, 1 MB prompt", Conns: 1, Prompt: 1 << 20, AddMax: 3},
	{Name: "1 connection, kept", Conns: 1, Prompt: 1 << 10, Kept: true},
	{Name: "16 connections, kept", Conns: 16, Prompt: 1 << 10, Kept: true},
	{Name: "1 connection, stream, kept", Conns: 1, Prompt: 1 << 10, Stream: true, Kept: true},
	{Name: "1 connection, cache hit", Conns: 1, Prompt: 1 << 10, Hit: true, HitMax: 1},
	{Name: "16 connections, cache hit", Conns: 16, Prompt: 1 << 10, Hit: true, HitMax: 1},
	{Name: "128 connections, cache hit", Conns: 128, Prompt: 1 << 10, Hit: true, HitMax: 1},
	{Name: "16 connections, cache hit, stream", Conns: 16, Prompt: 1 << 10, Stream: true, Hit: true, HitMax: 1},
}

// restMax is the memory Corral may hold at rest, in MB.
const restMax = 30

// result is a scene's outcome: times in microseconds.
type result struct {
	Scene        string            `json:"scene"`
	Direct       float64           `json:"direct_p50_us"`
	FloorAdds    float64           `json:"floor_adds_p50_us"`
	CorralAdds   float64           `json:"corral_adds_p50_us"`
	AddRatio     float64           `json:"add_ratio"`
	FloorFirst   float64           `json:"floor_adds_ttft_p50_us,omitempty"` // streams: to the first byte of the answer
	CorralFirst  float64           `json:"corral_adds_ttft_p50_us,omitempty"`
	FloorRPS     float64           `json:"floor_rps"`
	CorralRPS    float64           `json:"corral_rps"`
	RPSRatio     float64           `json:"rps_ratio"`
	HitRatio     float64           `json:"hit_ratio,omitempty"`     // a cache hit's whole time over a call's through the bare proxy
	RSS          float64           `json:"corral_rss_mb,omitempty"` // after the scene
	FloorErrors  map[string]uint64 `json:"floor_errors,omitempty"`
	CorralErrors map[string]uint64 `json:"corral_errors,omitempty"`
	Misses       []string          `json:"misses,omitempty"`
}

func main() {
	dir := flag.String("bin", "bin/bench", "folder of the mockllm and floor programs")
	gateway := flag.String("corral", "bin/corral", `the program to judge; "floor" has the bare proxy judged by itself, which tells how far ratios wander here`)
	quick := flag.Bool("quick", false, "fewer and shorter rounds: half a minute, and coarser")
	rounds := flag.Int("rounds", 0, "rounds a scene (0: 7, quick 3; with -telemetry 31, quick 7)")
	d := flag.Duration("d", 0, "time a program a round (0: 1s, quick 400ms; with -telemetry 250ms)")
	only := flag.String("only", "", "regular expression: the scenes to run")
	api := flag.String("api", "openai", "openai or ollama: the dialect spoken")
	telemetry := flag.Bool("telemetry", false, "what traces, log, feed and all of them together add to a call instead: Corral with and without")
	asJSON := flag.Bool("json", false, "print one JSON object to standard output too")
	flag.Parse()
	measure := run
	if *telemetry { // small differences: many short rounds, so that noise meets all alike
		measure = runTelemetry
		*rounds, *d = cmp.Or(*rounds, map[bool]int{false: 31, true: 7}[*quick]), cmp.Or(*d, 250*time.Millisecond)
	}
	if *rounds == 0 {
		*rounds = map[bool]int{false: 7, true: 3}[*quick]
	}
	if *d == 0 {
		*d = map[bool]time.Duration{false: time.Second, true: 400 * time.Millisecond}[*quick]
	}
	pick, err := regexp.Compile(*only)
	if err != nil {
		fail(err)
	}
	ok, err := measure(*dir, *gateway, *api, *rounds, *d, pick, *asJSON)
	if err != nil {
		fail(err)
	}
	if !ok {
		os.Exit(1)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(2)
}

func run(dir, gateway, api string, rounds int, d time.Duration, pick *regexp.Regexp, asJSON bool) (pass bool, err error) {
	tmp, err := os.MkdirTemp("", "corral-bench-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(tmp)
	up := fleet.New(tmp)
	defer up.Stop()
	mock, err := up.Start(filepath.Join(dir, "mockllm"), "/api/version", "-listen")
	if err != nil {
		return false, err
	}
	floor, err := up.Start(filepath.Join(dir, "floor"), "/api/version", "-buffer", "-upstream", mock.URL, "-listen")
	if err != nil {
		return false, err
	}
	var corral *fleet.Program
	if gateway == "floor" {
		corral, err = up.Start(filepath.Join(dir, "floor"), "/api/version", "-buffer", "-upstream", mock.URL, "-listen")
	} else {
		corral, err = up.StartCorral(gateway, "corral", inFrontOf(mock.URL))
	}
	if err != nil {
		return false, err
	}
	// A fresh Go program has given back little of what starting took; a second at rest is what a user would see.
	time.Sleep(time.Second)
	rest := corral.RSS()

	path := "/v1/chat/completions"
	if api == "ollama" {
		path = "/api/chat"
	}
	targets := []load.Target{{Name: "direct", URL: mock.URL + path}, {Name: "floor", URL: floor.URL + path}, {Name: "corral", URL: corral.URL + path}}
	st, err := os.Stderr.Stat()
	terminal := err == nil && st.Mode()&os.ModeCharDevice != 0
	var all []result
	for _, s := range scenes {
		if !pick.MatchString(s.Name) {
			continue
		}
		body, err := load.Body(api, "mock-1", s.Prompt, s.Stream, s.Hit || s.Kept)
		if err != nil {
			return false, err
		}
		cfg := load.Config{Conns: s.Conns, Duration: d, Warm: d / 5, Timeout: 30 * time.Second, Body: body, Stream: s.Stream, Fixed: s.Hit,
			NDJSON: api == "ollama", Seed: uint64(time.Now().UnixNano())}
		got := make([][]load.Result, len(targets))
		for r := range rounds {
			for i := range targets {
				i = (i + r) % len(targets) // nobody always goes first
				x, err := load.Run(targets[i], cfg)
				if err != nil {
					return false, err
				}
				got[i] = append(got[i], x)
			}
			if terminal {
				fmt.Fprintf(os.Stderr, "\r%-30s round %d of %d ", s.Name, r+1, rounds)
			}
		}
		x := judge(s, got[0], got[1], got[2])
		x.RSS = corral.RSS()
		all = append(all, x)
	}
	if terminal {
		fmt.Fprintf(os.Stderr, "\r%60s\r", "")
	}
	if corral.Gone() {
		return false, fmt.Errorf("%s ended under load: %s", gateway, corral.Tail())
	}
	pass = report(all, rest)
	if asJSON {
		err = json.NewEncoder(os.Stdout).Encode(map[string]any{"pass": pass, "rest_rss_mb": rest, "scenes": all})
	}
	return pass, err
}

// inFrontOf is the config of a Corral with nothing but an Ollama behind it, and no limit on calls: the bench makes more than a
// person would be allowed.
func inFrontOf(upstream string) string {
	return fmt.Sprintf("providers:\n  - { name: local, kind: ollama, url: %q }\nlimits: { requests_per_minute: 0, concurrent: 0 }\n", upstream)
}

// judge sums a scene's rounds up. Every number is a median; ratios are of medians, since a single round's difference may be near zero.
func judge(s scene, direct, floor, corral []load.Result) result {
	med := func(f func(d, f, c load.Result) float64) float64 {
		var v []float64
		for i := range direct {
			v = append(v, f(direct[i], floor[i], corral[i]))
		}
		slices.Sort(v)
		return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
	}
	x := result{Scene: s.Name,
		Direct:       med(func(d, _, _ load.Result) float64 { return d.Latency.P50 }),
		FloorAdds:    med(func(d, f, _ load.Result) float64 { return f.Latency.P50 - d.Latency.P50 }),
		CorralAdds:   med(func(d, _, c load.Result) float64 { return c.Latency.P50 - d.Latency.P50 }),
		FloorRPS:     med(func(_, f, _ load.Result) float64 { return f.RPS }),
		CorralRPS:    med(func(_, _, c load.Result) float64 { return c.RPS }),
		RPSRatio:     med(func(_, f, c load.Result) float64 { return c.RPS / max(f.RPS, 1e-9) }),
		FloorErrors:  errorsOf(floor),
		CorralErrors: errorsOf(corral),
	}
	x.AddRatio = x.CorralAdds / max(x.FloorAdds, 1e-9)
	if s.Stream {
		x.FloorFirst = med(func(d, f, _ load.Result) float64 { return f.TTFT.P50 - d.TTFT.P50 })
		x.CorralFirst = med(func(d, _, c load.Result) float64 { return c.TTFT.P50 - d.TTFT.P50 })
	}
	if s.AddMax > 0 && x.AddRatio > s.AddMax {
		x.Misses = append(x.Misses, fmt.Sprintf("adds %.2f times the bare proxy's time, target %.1f", x.AddRatio, s.AddMax))
	}
	if s.RPSMin > 0 && x.RPSRatio < s.RPSMin {
		x.Misses = append(x.Misses, fmt.Sprintf("%.2f of the bare proxy's calls a second, target %.1f", x.RPSRatio, s.RPSMin))
	}
	if s.Hit {
		x.HitRatio = med(func(_, f, c load.Result) float64 { return c.Latency.P50 / max(f.Latency.P50, 1e-9) })
		if x.HitRatio > s.HitMax {
			x.Misses = append(x.Misses, fmt.Sprintf("a cache hit takes %.2f times a pass through the bare proxy, target %.1f", x.HitRatio, s.HitMax))
		}
	}
	if len(x.CorralErrors) > 0 {
		x.Misses = append(x.Misses, fmt.Sprintf("failed calls: %v", x.CorralErrors))
	}
	return x
}

func hitTime(x result) string {
	if x.HitRatio == 0 {
		return ""
	}
	return fmt.Sprintf(": %.2f times a pass through the bare proxy", x.HitRatio)
}

func errorsOf(rs []load.Result) map[string]uint64 {
	sum := map[string]uint64{}
	for _, r := range rs {
		for k, n := range r.Errors {
			sum[k] += n
		}
	}
	return sum
}

func report(all []result, rest float64) (pass bool) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "load\tdirect p50 us\tproxy adds\tcorral adds\tratio\tto first byte\tproxy calls/s\tcorral calls/s\tratio\tcorral MB\t")
	pass = true
	for _, x := range all {
		first := ""
		if x.FloorFirst != 0 || x.CorralFirst != 0 {
			first = fmt.Sprintf("%+.0f / %+.0f", x.FloorFirst, x.CorralFirst)
		}
		fmt.Fprintf(w, "%s\t%.0f\t%+.0f\t%+.0f\t%.2f\t%s\t%.0f\t%.0f\t%.2f\t%.0f\t\n", x.Scene, x.Direct, x.FloorAdds, x.CorralAdds, x.AddRatio,
			first, x.FloorRPS, x.CorralRPS, x.RPSRatio, x.RSS)
		pass = pass && len(x.Misses) == 0
	}
	w.Flush()
	fmt.Println()
	for i, x := range all {
		for _, s := range scenes {
			if s.Name == x.Scene && len(x.Misses) == 0 && (s.AddMax > 0 || s.RPSMin > 0 || s.HitMax > 0) {
				fmt.Printf("pass  %s%s\n", x.Scene, hitTime(x))
			}
		}
		for _, m := range all[i].Misses {
			fmt.Printf("FAIL  %s: %s\n", x.Scene, m)
		}
	}
	switch {
	case rest == 0:
		fmt.Println("      memory at rest: not measured here (Linux only)")
	case rest < restMax:
		fmt.Printf("pass  memory at rest: %.1f MB (target: under %d)\n", rest, restMax)
	default:
		fmt.Printf("FAIL  memory at rest: %.1f MB (target: under %d)\n", rest, restMax)
		pass = false
	}
	return pass
}
