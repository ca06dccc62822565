// Command ratio says what Corral adds to a call, as a multiple of what a bare httputil.ReverseProxy adds.
// It starts a mock upstream, the bare proxy and Corral on free loopback ports, loads them turn about, and
// judges the ratios against the project's targets: exit 1 when one is missed.
//
// Differences are taken inside a round, and each number is the median over the rounds: the machine's noise
// is in all three alike.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"corral/bench/internal/load"
)

// scene is one kind of load.
type scene struct {
	Name   string
	Conns  int
	Stream bool
	Prompt int // bytes
	// The targets; 0: none. AddMax bounds Corral's added time over the bare proxy's, RPSMin its calls a second over the bare proxy's.
	AddMax, RPSMin float64
}

var scenes = []scene{
	{Name: "1 connection", Conns: 1, Prompt: 1 << 10, AddMax: 1.2},
	{Name: "16 connections", Conns: 16, Prompt: 1 << 10, RPSMin: 0.9},
	{Name: "128 connections", Conns: 128, Prompt: 1 << 10},
	{Name: "1 connection, stream", Conns: 1, Prompt: 1 << 10, Stream: true, AddMax: 1.2},
	{Name: "16 connections, stream", Conns: 16, Prompt: 1 << 10, Stream: true, RPSMin: 0.9},
	{Name: "128 connections, stream", Conns: 128, Prompt: 1 << 10, Stream: true},
	{Name: "1 connection, 1 MB prompt", Conns: 1, Prompt: 1 << 20, AddMax: 3},
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
	RSS          float64           `json:"corral_rss_mb,omitempty"` // after the scene
	FloorErrors  map[string]uint64 `json:"floor_errors,omitempty"`
	CorralErrors map[string]uint64 `json:"corral_errors,omitempty"`
	Misses       []string          `json:"misses,omitempty"`
}

func main() {
	dir := flag.String("bin", "bin/bench", "folder of the mockllm and floor programs")
	gateway := flag.String("corral", "bin/corral", `the program to judge; "floor" has the bare proxy judged by itself, which tells how far ratios wander here`)
	quick := flag.Bool("quick", false, "fewer and shorter rounds: half a minute, and coarser")
	rounds := flag.Int("rounds", 0, "rounds a scene (0: 7, quick 3)")
	d := flag.Duration("d", 0, "time a program a round (0: 1s, quick 400ms)")
	only := flag.String("only", "", "regular expression: the scenes to run")
	api := flag.String("api", "openai", "openai or ollama: the dialect spoken")
	asJSON := flag.Bool("json", false, "print one JSON object to standard output too")
	flag.Parse()
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
	ok, err := run(*dir, *gateway, *api, *rounds, *d, pick, *asJSON)
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
	var up fleet
	defer up.stop()
	mock, err := up.start(filepath.Join(dir, "mockllm"), "/api/version", tmp, "-listen")
	if err != nil {
		return false, err
	}
	floor, err := up.start(filepath.Join(dir, "floor"), "/api/version", tmp, "-buffer", "-upstream", mock.url, "-listen")
	if err != nil {
		return false, err
	}
	var corral *program
	if gateway == "floor" {
		corral, err = up.start(filepath.Join(dir, "floor"), "/api/version", tmp, "-buffer", "-upstream", mock.url, "-listen")
	} else {
		corral, err = startCorral(&up, gateway, mock.url, tmp)
	}
	if err != nil {
		return false, err
	}
	// A fresh Go program has given back little of what starting took; a second at rest is what a user would see.
	time.Sleep(time.Second)
	rest := corral.rss()

	path := "/v1/chat/completions"
	if api == "ollama" {
		path = "/api/chat"
	}
	targets := []load.Target{{Name: "direct", URL: mock.url + path}, {Name: "floor", URL: floor.url + path}, {Name: "corral", URL: corral.url + path}}
	st, err := os.Stderr.Stat()
	terminal := err == nil && st.Mode()&os.ModeCharDevice != 0
	var all []result
	for _, s := range scenes {
		if !pick.MatchString(s.Name) {
			continue
		}
		body, err := load.Body(api, "mock-1", s.Prompt, s.Stream)
		if err != nil {
			return false, err
		}
		cfg := load.Config{Conns: s.Conns, Duration: d, Warm: d / 5, Timeout: 30 * time.Second, Body: body, Stream: s.Stream,
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
		x.RSS = corral.rss()
		all = append(all, x)
	}
	if terminal {
		fmt.Fprintf(os.Stderr, "\r%60s\r", "")
	}
	if corral.gone() {
		return false, fmt.Errorf("%s ended under load: %s", gateway, corral.tail())
	}
	pass = report(all, rest)
	if asJSON {
		err = json.NewEncoder(os.Stdout).Encode(map[string]any{"pass": pass, "rest_rss_mb": rest, "scenes": all})
	}
	return pass, err
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
	if len(x.CorralErrors) > 0 {
		x.Misses = append(x.Misses, fmt.Sprintf("failed calls: %v", x.CorralErrors))
	}
	return x
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
			if s.Name == x.Scene && len(x.Misses) == 0 && (s.AddMax > 0 || s.RPSMin > 0) {
				fmt.Printf("pass  %s\n", x.Scene)
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
