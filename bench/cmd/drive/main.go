// drive loads one URL, or compares several in one run ("pair": A B C A B C …).
// A table goes to standard error and one JSON line to standard output.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"corral/bench/internal/hist"
	"corral/bench/internal/load"
	"corral/bench/internal/proc"
)

type list []string

func (l *list) String() string     { return strings.Join(*l, " ") }
func (l *list) Set(s string) error { *l = append(*l, s); return nil }

// round is one target's result with what its process spent meanwhile.
type round struct {
	load.Result
	CPUus float64 `json:"cpu_us_per_req,omitempty"`
	RSSmb float64 `json:"rss_mb,omitempty"`
	HWMmb float64 `json:"rss_max_mb,omitempty"`
}

func main() {
	var urls, heads list
	var cfg load.Config
	flag.Var(&urls, "url", "[name=]http://… ; give several, the direct upstream first, for a pair run")
	flag.Var(&heads, "H", "extra request header, \"Name: value\" (repeatable); \"@name Name: value\" goes to that target only")
	flag.IntVar(&cfg.Conns, "c", 16, "connections")
	flag.Float64Var(&cfg.Rate, "rate", 0, "open loop: requests a second (0: closed loop)")
	flag.DurationVar(&cfg.Duration, "d", 5*time.Second, "time per run or per round")
	flag.DurationVar(&cfg.Warm, "warm", 300*time.Millisecond, "unrecorded time before each")
	flag.Int64Var(&cfg.MaxRequests, "n", 0, "stop a run after so many requests (0: no limit)")
	flag.DurationVar(&cfg.Timeout, "timeout", 30*time.Second, "time allowed for one request")
	flag.BoolVar(&cfg.Stream, "stream", false, "ask for a stream; TTFT is reported and the end mark required")
	flag.BoolVar(&cfg.Fixed, "fixed", false, "send one same prompt always")
	flag.Float64Var(&cfg.Repeat, "repeat", 0, "share of requests that repeat one of -pool prompts")
	flag.IntVar(&cfg.Pool, "pool", 100, "how many prompts -repeat draws from")
	flag.Uint64Var(&cfg.Seed, "seed", uint64(time.Now().UnixNano()), "seed of the prompts' ids")
	api := flag.String("api", "openai", "body to send: openai, ollama (chat), generate, embed, get (none)")
	file := flag.String("body", "", "file with the body instead; {{id}} in it becomes the prompt's id")
	size := flag.Int("prompt", 1024, "prompt bytes of the built-in body")
	model := flag.String("model", "mock-1", "model name in the built-in body")
	rounds := flag.Int("rounds", 5, "rounds of a pair run")
	raw := flag.Bool("raw", false, "include every round in the JSON")
	flag.Parse()
	if len(urls) == 0 {
		flag.Usage()
		os.Exit(2)
	}
	var targets []load.Target
	for i, u := range urls {
		name, rest, ok := strings.Cut(u, "=")
		if !ok || strings.HasPrefix(u, "http") {
			name, rest = string(rune('A'+i)), u
		}
		targets = append(targets, load.Target{Name: name, URL: rest})
	}
	cfg.NDJSON = *api == "ollama" || *api == "generate"
	var err error
	cfg.Body, err = load.Body(*api, *model, *size, cfg.Stream, true)
	check(err)
	if *file != "" {
		b, err := os.ReadFile(*file)
		check(err)
		cfg.Body = b
	}
	n := 1
	if len(targets) > 1 {
		n = *rounds
	}
	all := make([][]round, len(targets))
	for r := range n {
		for i, t := range targets {
			c := cfg
			for _, h := range heads {
				if to, v, ok := strings.Cut(h, " "); strings.HasPrefix(h, "@") {
					if !ok || to[1:] != t.Name {
						continue
					}
					h = v
				}
				c.Headers = append(c.Headers, h)
			}
			pids := pidsOf(t.URL)
			before, _ := proc.Read(pids)
			res, err := load.Run(t, c)
			check(err)
			x := round{Result: res}
			if after, ok := proc.Read(pids); ok && res.Requests > 0 {
				// The process also worked during the warm-up: scale to the recorded share of the time.
				share := res.Seconds / (res.Seconds + c.Warm.Seconds())
				x.CPUus = (after.CPU - before.CPU) * share / float64(res.Requests) * 1e6
				x.RSSmb, x.HWMmb = float64(after.RSS)/1e6, float64(after.HWM)/1e6
			}
			all[i] = append(all[i], x)
			if len(targets) > 1 {
				a := all[0][r]
				fmt.Fprintf(os.Stderr, "round %d %-14s rps %9.0f  p50 %8.0f (+%.0f)  p99 %8.0f (+%.0f) us  errors %v\n", r+1, t.Name,
					x.RPS, x.Latency.P50, x.Latency.P50-a.Latency.P50, x.Latency.P99, x.Latency.P99-a.Latency.P99, x.Errors)
			}
		}
	}
	if len(targets) == 1 {
		one(all[0][0])
		return
	}
	pair(targets, all, *raw)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func pidsOf(s string) []int {
	u, err := url.Parse(s)
	check(err)
	p, _ := strconv.Atoi(u.Port())
	return proc.ByPort(p)
}

func one(r round) {
	w := tabwriter.NewWriter(os.Stderr, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "ok %d of %d in %.2fs\t%.0f req/s\terrors %v\tcpu %.1f us/req\trss %.1f MB (max %.1f)\n", r.OK, r.Requests, r.Seconds, r.RPS, r.Errors, r.CPUus, r.RSSmb, r.HWMmb)
	fmt.Fprintln(w, "us\tmin\tp50\tp90\tp99\tp99.9\tmax")
	row := func(name string, s *hist.Summary) {
		if s != nil {
			fmt.Fprintf(w, "%s\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\n", name, s.Min, s.P50, s.P90, s.P99, s.P999, s.Max)
		}
	}
	row("latency", &r.Latency)
	row("service", r.Service)
	row("ttft", r.TTFT)
	w.Flush()
	json.NewEncoder(os.Stdout).Encode(r)
}

// line sums a target's rounds up: medians over rounds, differences and ratios
// taken inside each round against the first target.
type line struct {
	Name       string            `json:"name"`
	RPS        float64           `json:"rps"`
	RPSRatio   float64           `json:"rps_ratio"`
	P50        float64           `json:"p50_us"`
	P99        float64           `json:"p99_us"`
	AddP50     float64           `json:"add_p50_us"`
	AddP50Low  float64           `json:"add_p50_min_us"`
	AddP50High float64           `json:"add_p50_max_us"`
	AddP99     float64           `json:"add_p99_us"`
	RatioP50   float64           `json:"ratio_p50"`
	TTFT50     float64           `json:"ttft_p50_us,omitempty"`
	AddTTFT50  float64           `json:"add_ttft_p50_us,omitempty"`
	AddTTFT99  float64           `json:"add_ttft_p99_us,omitempty"`
	CPUus      float64           `json:"cpu_us_per_req"`
	RSSmb      float64           `json:"rss_mb"`
	HWMmb      float64           `json:"rss_max_mb"`
	Requests   uint64            `json:"requests"`
	Errors     map[string]uint64 `json:"errors,omitempty"`
	Rounds     []round           `json:"rounds,omitempty"`
}

func median(x []float64) float64 {
	x = slices.Sorted(slices.Values(x))
	n := len(x)
	return (x[(n-1)/2] + x[n/2]) / 2
}

func pair(ts []load.Target, all [][]round, raw bool) {
	var out []line
	for i, t := range ts {
		med := func(f func(x, a round) float64) float64 {
			v := []float64{}
			for r, x := range all[i] {
				v = append(v, f(x, all[0][r]))
			}
			return median(v)
		}
		l := line{Name: t.Name, Errors: map[string]uint64{},
			RPS:      med(func(x, _ round) float64 { return x.RPS }),
			RPSRatio: med(func(x, a round) float64 { return x.RPS / max(a.RPS, 1e-9) }),
			P50:      med(func(x, _ round) float64 { return x.Latency.P50 }),
			P99:      med(func(x, _ round) float64 { return x.Latency.P99 }),
			AddP50:   med(func(x, a round) float64 { return x.Latency.P50 - a.Latency.P50 }),
			AddP99:   med(func(x, a round) float64 { return x.Latency.P99 - a.Latency.P99 }),
			RatioP50: med(func(x, a round) float64 { return x.Latency.P50 / max(a.Latency.P50, 1e-9) }),
			CPUus:    med(func(x, _ round) float64 { return x.CPUus }),
			RSSmb:    med(func(x, _ round) float64 { return x.RSSmb }),
		}
		for r, x := range all[i] {
			d := x.Latency.P50 - all[0][r].Latency.P50
			if r == 0 {
				l.AddP50Low, l.AddP50High = d, d
			}
			l.AddP50Low, l.AddP50High = min(l.AddP50Low, d), max(l.AddP50High, d)
			l.HWMmb = max(l.HWMmb, x.HWMmb)
			l.Requests += x.Requests
			for k, n := range x.Errors {
				l.Errors[k] += n
			}
		}
		if all[0][0].TTFT != nil {
			l.TTFT50 = med(func(x, _ round) float64 { return x.TTFT.P50 })
			l.AddTTFT50 = med(func(x, a round) float64 { return x.TTFT.P50 - a.TTFT.P50 })
			l.AddTTFT99 = med(func(x, a round) float64 { return x.TTFT.P99 - a.TTFT.P99 })
		}
		if raw {
			l.Rounds = all[i]
		}
		out = append(out, l)
	}
	w := tabwriter.NewWriter(os.Stderr, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "target\trps\tx rps\tp50\tadded p50 [min max]\tadded p99\tx p50\tadded ttft p50/p99\tcpu us/req\trss MB (max)\terrors\t")
	for _, l := range out {
		fmt.Fprintf(w, "%s\t%.0f\t%.2f\t%.0f\t%+.0f [%+.0f %+.0f]\t%+.0f\t%.2f\t%+.0f / %+.0f\t%.0f\t%.0f (%.0f)\t%v\t\n", l.Name, l.RPS, l.RPSRatio, l.P50,
			l.AddP50, l.AddP50Low, l.AddP50High, l.AddP99, l.RatioP50, l.AddTTFT50, l.AddTTFT99, l.CPUus, l.RSSmb, l.HWMmb, l.Errors)
	}
	w.Flush()
	json.NewEncoder(os.Stdout).Encode(out)
}
