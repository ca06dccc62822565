// Package soak has a whole Corral answer many calls, with faults behind it and all telemetry on, and then asks each of its books
// what happened: the ledger, its sums, the metrics, the live feed, the traces and the log. All of them have to agree with each
// other and with what the callers saw, call by call and to the last token. Meanwhile its memory, its open files and its goroutines
// have to stay where they are.
//
// To add a kind of call, add a row to calls.go; to add a book, fill a tally in books.go and compare it in judge.
//
// The surprise: every call bears a request id that holds its number, so a book that is wrong by one and right by another is
// found out too.
package soak

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"corral/bench/internal/fleet"
	"corral/daemon/client"
)

// Options say how long and how hard.
type Options struct {
	Corral, Mock string // programs
	Dir          string // for all that is written; it must be empty
	Calls        int
	Conns        int           // calls at once
	For          time.Duration // the calls are spread over so long; 0: as fast as they go
	Every        time.Duration // between two looks at memory, files and goroutines
	Strict       bool          // the end of each answer waits for the ledger
	Seed         uint64        // of what is asked, and of the faults
	Progress     func(line string)
}

// run is one soak.
type run struct {
	o       Options
	url     string
	config  string // text
	file    string // path of it
	logFile string
	data    string // Corral's data folder
	corral  *fleet.Program
	flaky   *fleet.Program
	keys    []string // of apps
	poor    string   // the key whose budget is soon used up
	http    *http.Client
	control *client.Client
	endless *endless
	calls   []call
	next    atomic.Int64
	began   time.Time
}

// Run makes the calls and compares. An error says that the soak could not be done; what was found is in the Report.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if o.Calls < 1 || o.Conns < 1 {
		return nil, errors.New("a soak needs calls and connections: 1 or more of each")
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	up := fleet.New(o.Dir)
	defer up.Stop()
	seed := fmt.Sprint(o.Seed)
	steady, err := up.Start(o.Mock, "/api/version", "-tokens", "16", "-seed", seed, "-listen")
	if err != nil {
		return nil, err
	}
	flaky, err := up.Start(o.Mock, "/api/version", "-tokens", "16", "-seed", seed, "-err-5xx", "0.02", "-err-429", "0.002", "-err-reset", "0.02", "-err-cut", "0.02",
		"-err-hang", "0.0003", "-listen")
	if err != nil {
		return nil, err
	}
	endless, err := newEndless()
	if err != nil {
		return nil, err
	}
	defer endless.close()
	collector, err := newCollector(o.Calls)
	if err != nil {
		return nil, err
	}
	defer collector.close()

	r := &run{o: o, flaky: flaky, endless: endless, file: filepath.Join(o.Dir, "corral.yaml"), data: filepath.Join(o.Dir, "corral"), logFile: filepath.Join(o.Dir, "corral.log"),
		calls: make([]call, o.Calls), http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: o.Conns, DisableCompression: true}}}
	defer r.http.CloseIdleConnections()
	if r.logFile, err = filepath.Abs(r.logFile); err != nil {
		return nil, err
	}
	r.config = configText(steady.URL, flaky.URL, endless.url, collector.url, r.logFile, o.Strict)
	corral, err := up.StartCorral(o.Corral, "corral", r.config)
	if err != nil {
		return nil, err
	}
	r.corral, r.url = corral, corral.URL
	if r.control, err = client.Open(r.data, r.url, ""); err != nil {
		return nil, err
	}
	if err := r.makeKeys(ctx); err != nil {
		return nil, err
	}

	feed := newFeed(ctx, r.control, o.Calls)
	defer feed.stop()
	watch := newWatch(ctx, r, o.Every)
	defer watch.stop()
	if err := r.drive(ctx); err != nil {
		return nil, err
	}
	took := time.Since(r.began)
	watch.stop()
	o.Progress("all calls are made; the books are read")
	last, err := r.settled(ctx)
	if err != nil {
		return nil, errors.Join(err, errGone(corral))
	}
	entries, sums, verified, err := r.ledger(ctx)
	if err != nil {
		return nil, err
	}
	feed.wait(entries.calls)
	corral.Stop()
	lines, err := r.readLog()
	if err != nil {
		return nil, err
	}
	rep := &Report{Calls: o.Calls, Seconds: took.Seconds(), Strict: o.Strict, Samples: watch.samples}
	r.judge(rep, last, entries, sums, feed, collector, lines, verified)
	rep.Flat = flat(watch.samples, o.Calls)
	for _, f := range rep.Flat {
		if f.Problem != "" {
			rep.Problems = append(rep.Problems, f.Problem)
		}
	}
	return rep, nil
}

func errGone(p *fleet.Program) error {
	if p.Gone() {
		return fmt.Errorf("corral ended: %s", p.Tail())
	}
	return nil
}

// Prices of the mock models, in billionths of a dollar a token.
const (
	nanoIn  = 1000
	nanoOut = 2000
)

// configText is the corral.yaml of a soak. Where a target answers for another, both have the same price.
func configText(steady, flaky, endless, collector, log string, strict bool) string {
	durability := "group"
	if strict {
		durability = "strict"
	}
	return fmt.Sprintf(`
auth: required
providers:
  - { name: flaky, kind: ollama, url: %[2]q }
  - { name: steady, kind: ollama, url: %[1]q }
  - { name: flaky-v1, kind: openai, url: "%[2]s/v1" }
  - { name: steady-v1, kind: openai, url: "%[1]s/v1" }
  - { name: endless, kind: openai, url: "%[3]s/v1" }
models:
  - { name: chat, targets: [ { provider: flaky, model: mock-1 }, { provider: steady, model: mock-1 } ] }
  - { name: claude, targets: [ { provider: flaky-v1, model: mock-1 }, { provider: steady-v1, model: mock-1 } ] }
  - { name: vectors, targets: [ { provider: flaky, model: mock-embed }, { provider: steady, model: mock-embed } ] }
  - { name: endless, targets: [ { provider: endless, model: endless } ] }
retry: { max_attempts: 2, base: 1ms, max: 5ms }
breaker: { open_for: 1s }
timeouts: { first_token: 1s, idle: 1s, whole: 2s, load: 1s }
cache: { exact: { ttl: 30s, max_bytes: 4MiB }, embeddings: { ttl: 30s }, max_file: 16MiB }
limits: { body: 64KiB, requests_per_minute: 0 }
audit: { durability: %[6]s }
guard: { pii: redact, secrets: block }
budgets:
  - { per: day, usd: 1000000, then: warn }
  - { per: month, usd: 0.0001, then: refuse, scope: key, only: poor }
prices:
  models:
    - { provider: "", model: mock-1, input: 1, output: 2 }
    - { provider: "", model: mock-embed, input: 1, output: 0 }
    - { provider: "", model: endless, input: 1, output: 2 }
health: { pressure: [off], probe: 0s }
telemetry: { otlp: %[4]q, log: info, format: json, file: %[5]q, file_max_bytes: 16MiB, file_keep: 1000 }
`, steady, flaky, endless, collector, log, durability)
}

func (r *run) makeKeys(ctx context.Context) error {
	for _, name := range []string{"notes", "editor", "shell", "poor"} {
		k, err := r.control.CreateKey(ctx, name, 0)
		if err != nil {
			return err
		}
		r.keys = append(r.keys, k.Secret)
	}
	r.poor = r.keys[3]
	r.keys = r.keys[:3]
	return nil
}

// drive makes all the calls.
func (r *run) drive(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	r.began = time.Now()
	for range r.o.Conns {
		wg.Go(func() {
			for {
				n := int(r.next.Add(1)) - 1
				if n >= r.o.Calls || ctx.Err() != nil {
					return
				}
				if err := r.trouble(ctx, n); err != nil {
					cancel(err)
					return
				}
				if due := r.began.Add(time.Duration(float64(r.o.For) * float64(n) / float64(r.o.Calls))); time.Until(due) > 0 {
					t := time.NewTimer(time.Until(due))
					select {
					case <-t.C:
					case <-ctx.Done():
						t.Stop()
						return
					}
				}
				r.call(ctx, n)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// trouble changes what is around the calls at certain points: twenty times the flaky server is away for a while, and
// once there is a narrow limit of calls a minute.
func (r *run) trouble(ctx context.Context, n int) error {
	part := max(r.o.Calls/20, 40)
	switch {
	case n%part == part/2:
		return r.set(ctx, "5xx=1")
	case n%part == part/2+part/10:
		return r.set(ctx, "5xx=0.02")
	case n == r.o.Calls/2:
		return r.reload(ctx, strings.Replace(r.config, "requests_per_minute: 0", "requests_per_minute: 1", 1))
	case n == r.o.Calls/2+part/4:
		return r.reload(ctx, r.config)
	}
	return nil
}

func (r *run) set(ctx context.Context, what string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.flaky.URL+"/mock/set?"+what, nil)
	if err != nil {
		return err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	io.Copy(io.Discard, res.Body)
	return nil
}

func (r *run) reload(ctx context.Context, config string) error {
	if err := os.WriteFile(r.file, []byte(config), 0o600); err != nil {
		return err
	}
	return r.control.Reload(ctx)
}

// settlePatience is for what is written down after its caller has its answer, and for the last traces.
const settlePatience = 30 * time.Second

// settled waits until no call is under way and all traces are sent or dropped, and returns the metrics then.
func (r *run) settled(ctx context.Context) (m metricsText, err error) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(settlePatience)
	for {
		if m, err = r.scrape(ctx); err != nil {
			return nil, err
		}
		traced := m.sum("corral_traces_sent_total") + m.sum("corral_traces_dropped_total")
		if m.sum("corral_calls_in_flight") == 0 && traced >= m.sum("llm_requests_total") {
			return m, nil
		}
		select {
		case <-tick.C:
		case <-late:
			return m, nil // judge says what is missing
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
