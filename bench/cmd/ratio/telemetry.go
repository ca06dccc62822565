package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"corral/bench/internal/fleet"
	"corral/bench/internal/load"
	"corral/daemon/admin"
)

// telemetryMax is what all telemetry together may add to a call at its median, in microseconds.
const telemetryMax = 30

// setup is a Corral with some telemetry on. The ledger and the metrics are on in all of them: they have no switch.
type setup struct {
	name              string
	traces, log, feed bool // to a collector; each call into a file; to one reader
	scraped           bool // /metrics is read once a second
}

// The first one is what the others are compared with, and the last one is judged.
var setups = []setup{
	{name: "off"},
	{name: "traces", traces: true},
	{name: "log", log: true},
	{name: "feed", feed: true},
	{name: "all", traces: true, log: true, feed: true, scraped: true},
}

var telemetryScenes = []scene{
	{Name: "1 connection", Conns: 1, Prompt: 1 << 10, AddMax: telemetryMax},
	{Name: "1 connection, stream", Conns: 1, Prompt: 1 << 10, Stream: true, AddMax: telemetryMax},
	{Name: "16 connections", Conns: 16, Prompt: 1 << 10},
}

// cost is what telemetry adds to a call in a scene. Times are in microseconds.
type cost struct {
	Scene  string             `json:"scene"`
	P50    map[string]float64 `json:"p50_us"`
	Adds   map[string]float64 `json:"adds_us"`    // to the p50 of the Corral with none of it: the median of the rounds' differences
	Low    float64            `json:"all_low_us"` // the middle half of the rounds of "all"
	High   float64            `json:"all_high_us"`
	CPU    map[string]float64 `json:"cpu_us"`    // of Corral, a call, beside calls' ways too; 0: not known here
	Record float64            `json:"record_us"` // mean of what every call pays for metrics and ledger, here in "off": corral_stage_seconds{stage="record"}
	Misses []string           `json:"misses,omitempty"`
}

// runTelemetry measures what telemetry costs: Corrals with some of it, all of it and none, driven turn about.
func runTelemetry(dir, gateway, api string, rounds int, d time.Duration, pick *regexp.Regexp, asJSON bool) (pass bool, err error) {
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
	taker, stop, err := takeTraces()
	if err != nil {
		return false, err
	}
	defer stop()
	var readers sync.WaitGroup
	defer readers.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	path := "/v1/chat/completions"
	if api == "ollama" {
		path = "/api/chat"
	}
	var targets []load.Target
	var corrals []*fleet.Program
	for _, s := range setups {
		p, err := up.StartCorral(gateway, s.name, inFrontOf(mock.URL)+s.config(taker, filepath.Join(tmp, s.name+".log")))
		if err != nil {
			return false, err
		}
		corrals = append(corrals, p)
		targets = append(targets, load.Target{Name: s.name, URL: p.URL + path})
		if s.feed {
			token, err := os.ReadFile(filepath.Join(tmp, s.name, admin.TokenFile))
			if err != nil {
				return false, err
			}
			readers.Go(func() { read(ctx, p.URL+admin.Base+"/events", strings.TrimSpace(string(token))) })
		}
		if s.scraped {
			readers.Go(func() {
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for {
					select {
					case <-tick.C:
						read(ctx, p.URL+"/metrics", "")
					case <-ctx.Done():
						return
					}
				}
			})
		}
	}
	var all []cost
	for _, s := range telemetryScenes {
		if !pick.MatchString(s.Name) {
			continue
		}
		body, err := load.Body(api, "mock-1", s.Prompt, s.Stream, false)
		if err != nil {
			return false, err
		}
		cfg := load.Config{Conns: s.Conns, Duration: d, Warm: d / 5, Timeout: 30 * time.Second, Body: body, Stream: s.Stream, NDJSON: api == "ollama", Seed: uint64(time.Now().UnixNano())}
		got := make([][]load.Result, len(targets))
		cpu, calls := make([]float64, len(targets)), make([]float64, len(targets))
		before := recorded(ctx, targets[0].URL, path)
		for r := range rounds {
			for i := range targets {
				i = (i + r) % len(targets) // nobody always goes first
				began := corrals[i].CPU()
				x, err := load.Run(targets[i], cfg)
				if err != nil {
					return false, err
				}
				got[i] = append(got[i], x)
				cpu[i] += (corrals[i].CPU() - began) * x.Seconds / (x.Seconds + cfg.Warm.Seconds()) // the warm-up's calls are not in x
				calls[i] += float64(x.Requests)
			}
		}
		x := sumUp(s, got)
		for i, set := range setups {
			x.CPU[set.name] = cpu[i] / max(calls[i], 1) * 1e6
		}
		if after := recorded(ctx, targets[0].URL, path); after.n > before.n {
			x.Record = (after.seconds - before.seconds) / (after.n - before.n) * 1e6
		}
		all = append(all, x)
	}
	pass = reportTelemetry(all)
	if asJSON {
		err = json.NewEncoder(os.Stdout).Encode(map[string]any{"pass": pass, "scenes": all})
	}
	return pass, err
}

// config is what it has beside a model server.
func (s setup) config(collector, log string) string {
	level, more := "error", ""
	if s.log {
		level, more = "info", fmt.Sprintf(", format: json, file: %q", log)
	}
	if s.traces {
		more += fmt.Sprintf(", otlp: %q", collector)
	}
	return fmt.Sprintf("audit: { durability: group }\ntelemetry: { log: %s%s }\n", level, more)
}

// takeTraces is a collector that takes all and looks at nothing, so that the machine's time is not spent on it.
func takeTraces() (url string, stop func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/x-protobuf")
	})}
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	return "http://" + l.Addr().String(), func() { s.Close(); wg.Wait() }, nil
}

// read reads an answer to its end, or until ctx ends.
func read(ctx context.Context, url, token string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
}

// spent is the sum of a histogram.
type spent struct{ seconds, n float64 }

// recorded is how long writing calls down has taken so far.
func recorded(ctx context.Context, url, path string) (s spent) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(url, path)+"/metrics", nil)
	if err != nil {
		return s
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return s
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if v, ok := strings.CutPrefix(lines.Text(), `corral_stage_seconds_sum{stage="record"} `); ok {
			s.seconds, _ = strconv.ParseFloat(v, 64)
		}
		if v, ok := strings.CutPrefix(lines.Text(), `corral_stage_seconds_count{stage="record"} `); ok {
			s.n, _ = strconv.ParseFloat(v, 64)
		}
	}
	return s
}

func sumUp(s scene, got [][]load.Result) cost {
	x := cost{Scene: s.Name, P50: map[string]float64{}, Adds: map[string]float64{}, CPU: map[string]float64{}}
	for i, set := range setups {
		var p50, adds []float64
		for r := range got[i] {
			p50 = append(p50, got[i][r].Latency.P50)
			adds = append(adds, got[i][r].Latency.P50-got[0][r].Latency.P50)
		}
		x.P50[set.name], x.Adds[set.name] = quantile(p50, 0.5), quantile(adds, 0.5)
		x.Low, x.High = quantile(adds, 0.25), quantile(adds, 0.75)
		if failed := errorsOf(got[i]); len(failed) > 0 {
			x.Misses = append(x.Misses, fmt.Sprintf("failed calls with %q: %v", set.name, failed))
		}
	}
	if added := x.Adds["all"]; s.AddMax > 0 && added > s.AddMax {
		x.Misses = append(x.Misses, fmt.Sprintf("all telemetry adds %.0f us to a call, target %.0f", added, s.AddMax))
	}
	return x
}

// quantile is that of a few numbers: between two of them, their mean.
func quantile(v []float64, q float64) float64 {
	v = slices.Clone(v)
	slices.Sort(v)
	at := q * float64(len(v)-1)
	low := int(at)
	if float64(low) == at {
		return v[low]
	}
	return (v[low] + v[low+1]) / 2
}

func reportTelemetry(all []cost) (pass bool) {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "load\tp50 us with none\t")
	for _, s := range setups[1:] {
		fmt.Fprintf(w, "%s adds\t", s.name)
	}
	fmt.Fprintln(w, "half of the rounds\tmetrics and ledger\tCPU us with none\twith all\t")
	for _, x := range all {
		fmt.Fprintf(w, "%s\t%.0f\t", x.Scene, x.P50[setups[0].name])
		for _, s := range setups[1:] {
			fmt.Fprintf(w, "%+.1f\t", x.Adds[s.name])
		}
		fmt.Fprintf(w, "%+.1f to %+.1f\t%.1f\t%.0f\t%.0f\t\n", x.Low, x.High, x.Record, x.CPU[setups[0].name], x.CPU["all"])
	}
	w.Flush()
	fmt.Println()
	pass = true
	for _, x := range all {
		for _, m := range x.Misses {
			fmt.Printf("FAIL  %s: %s\n", x.Scene, m)
			pass = false
		}
		if len(x.Misses) == 0 && slices.ContainsFunc(telemetryScenes, func(s scene) bool { return s.Name == x.Scene && s.AddMax > 0 }) {
			fmt.Printf("pass  %s: all telemetry adds %.1f us to a call (target: at most %d)\n", x.Scene, x.Adds["all"], telemetryMax)
		}
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		fmt.Printf("      load of the machine: %s\n", cmp.Or(strings.TrimSpace(string(b)), "not told"))
	}
	return pass
}
