package soak

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"corral/daemon/client"
	"corral/daemon/event"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// tally is what a book says of the calls as a whole.
type tally struct {
	calls         int
	status        map[int]int
	in, out, nano int64 // tokens, and billionths of a dollar
}

func newTally() *tally { return &tally{status: map[int]int{}} }

func (t *tally) add(status int, in, out, nano int64) {
	t.calls++
	t.status[status]++
	t.in += max(in, 0)
	t.out += max(out, 0)
	t.nano += nano
}

// numberOf is the number of the call with a request id of ours; negative: it is none.
func numberOf(id string) int {
	digits, ok := strings.CutPrefix(id, idPrefix)
	n, err := strconv.Atoi(digits)
	if !ok || err != nil {
		return -1
	}
	return n
}

// mark counts a call in a book's own counter; false: it is none of ours.
func (r *run) mark(id string, of func(*call) *uint8) bool {
	n := numberOf(id)
	if n < 0 || n >= len(r.calls) {
		return false
	}
	if c := of(&r.calls[n]); *c < math.MaxUint8 {
		*c++
	}
	return true
}

// entries is the ledger, entry by entry.
type entries struct {
	*tally
	byCall  []*entry // of each call; nil: none
	foreign int
}

// entry is what is needed of one.
type entry struct {
	status        int
	flags         record.Flags
	in, out, nano int64
	priced        bool
}

func (r *run) ledger(ctx context.Context) (*entries, *usage.Report, string, error) {
	x := &entries{tally: newTally(), byCall: make([]*entry, len(r.calls))}
	q := client.Query{}
	q.Set("format", "jsonl")
	q.Set("calls", "true")
	err := r.control.ExportEntries(ctx, q, func(e *record.Entry) error {
		x.add(e.Status, e.Tokens.Input, e.Tokens.Output, e.Cost.Nano)
		if !r.mark(e.RequestID, func(c *call) *uint8 { return &c.entries }) {
			x.foreign++
			return nil
		}
		x.byCall[numberOf(e.RequestID)] = &entry{e.Status, e.Flags, e.Tokens.Input, e.Tokens.Output, e.Cost.Nano, e.Cost.Known}
		return nil
	})
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the ledger: %w", err)
	}
	q = client.Query{}
	q.Set("by", "status")
	q.Set("to", time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	sums, err := r.control.Usage(ctx, q)
	if err != nil {
		return nil, nil, "", fmt.Errorf("read the ledger's sums: %w", err)
	}
	v, err := r.control.Verify(ctx, func(uint64, uint64) {})
	if err != nil {
		return nil, nil, "", fmt.Errorf("verify the ledger: %w", err)
	}
	verified := ""
	if err := v.Err(); err != nil {
		verified = err.Error()
	}
	return x, sums, verified, nil
}

// feed is the live feed as one reader gets it, from its beginning on.
type feed struct {
	cancel context.CancelFunc
	done   chan struct{}
	news   chan struct{} // of room for one: there is something new

	mu     sync.Mutex // guards what follows
	tally  *tally
	byCall map[int]int // events of each call
	gaps   int
	missed uint64 // events, where there were gaps
	err    error
}

func newFeed(ctx context.Context, c *client.Client, calls int) *feed {
	ctx, cancel := context.WithCancel(ctx)
	f := &feed{cancel: cancel, done: make(chan struct{}), news: make(chan struct{}, 1), tally: newTally(), byCall: make(map[int]int, calls)}
	go func() {
		defer close(f.done)
		for x, err := range c.Events(ctx, client.EventOptions{After: "0"}) {
			f.take(x, err)
			select {
			case f.news <- struct{}{}:
			default:
			}
		}
	}()
	return f
}

func (f *feed) take(x event.Told, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.err = err
		return
	}
	switch e := x.Event.(type) {
	case event.Call:
		f.tally.add(e.Status, e.TokensIn, e.TokensOut, e.Cost.Nano)
		f.byCall[numberOf(e.RequestID)]++
	case event.Gap:
		f.gaps++
		f.missed += e.Missed
	case event.Dropped:
		f.gaps++
		f.missed += e.Missed
	}
}

// wait lets the feed come to want calls, for a few seconds, and ends it.
func (f *feed) wait(want int) {
	late := time.After(10 * time.Second)
	for {
		f.mu.Lock()
		n := f.tally.calls
		f.mu.Unlock()
		if n >= want {
			break
		}
		select {
		case <-f.news:
			continue
		case <-late:
		case <-f.done:
		}
		break
	}
	f.stop()
}

func (f *feed) stop() {
	f.cancel()
	<-f.done
}

// metricsText are the values of one look at /metrics, by series.
type metricsText map[string]float64

func (r *run) scrape(ctx context.Context) (metricsText, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.url+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := r.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("/metrics answers %s", res.Status), err)
	}
	m := metricsText{}
	for line := range bytes.Lines(b) {
		line = bytes.TrimSpace(line)
		if i := bytes.LastIndexByte(line, ' '); i > 0 && line[0] != '#' {
			v, err := strconv.ParseFloat(string(line[i+1:]), 64)
			if err != nil {
				return nil, fmt.Errorf("/metrics has the line %q", line)
			}
			m[string(line[:i])] = v
		}
	}
	return m, nil
}

// sum adds up all series of a name that have all of these labels, each as `name="value"`.
func (m metricsText) sum(name string, labels ...string) (sum float64) {
	m.each(name, func(series string, v float64) {
		for _, l := range labels {
			if !strings.Contains(series, "{"+l) && !strings.Contains(series, ","+l) {
				return
			}
		}
		sum += v
	})
	return sum
}

func (m metricsText) each(name string, f func(series string, v float64)) {
	for series, v := range m {
		if rest, ok := strings.CutPrefix(series, name); ok && (rest == "" || rest[0] == '{') {
			f(series, v)
		}
	}
}

// tally is what the metrics say of the calls. Money is a number of dollars there, and is rounded to billionths here.
func (m metricsText) tally() *tally {
	t := newTally()
	m.each("llm_requests_total", func(series string, v float64) {
		_, rest, _ := strings.Cut(series, `status="`)
		status, _ := strconv.Atoi(rest[:max(strings.IndexByte(rest, '"'), 0)])
		t.calls += int(v)
		t.status[status] += int(v)
	})
	t.in = int64(m.sum("llm_tokens_used_total", `direction="input"`))
	t.out = int64(m.sum("llm_tokens_used_total", `direction="output"`))
	t.nano = int64(math.Round(m.sum("llm_cost_usd_total") * 1e9))
	return t
}

// readLog reads the lines of calls in all files of the log.
func (r *run) readLog() (*tally, error) {
	files, err := filepath.Glob(r.logFile + "*")
	if err != nil {
		return nil, err
	}
	t := newTally()
	for _, name := range files {
		if err := r.readLogFile(name, t); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func (r *run) readLogFile(name string, t *tally) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Msg       string `json:"msg"`
			RequestID string `json:"request_id"`
			Status    int
			In        int64   `json:"tokens_in"`
			Out       int64   `json:"tokens_out"`
			USD       float64 `json:"cost_usd"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return fmt.Errorf("%s has the line %.200q: %w", name, lines.Bytes(), err)
		}
		if line.Msg == "call" {
			t.add(line.Status, line.In, line.Out, int64(math.Round(line.USD*1e9)))
			r.mark(line.RequestID, func(c *call) *uint8 { return &c.lines })
		}
	}
	return lines.Err()
}
