package budget

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/llm"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// book is a ledger in memory.
type book struct {
	mu      sync.Mutex
	entries []record.Entry
	err     error
	reads   int
}

func (k *book) add(e record.Entry) {
	runtime.Gosched() // the writer takes its time
	k.mu.Lock()
	defer k.mu.Unlock()
	k.entries = append(k.entries, e)
}

func (k *book) Usage(_ context.Context, q usage.Query) (*usage.Report, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.reads++; k.err != nil {
		return nil, k.err
	}
	sums := map[string]*usage.Sum{}
	for _, e := range k.entries {
		if h := usage.HourOf(e.Time); h < usage.HourOf(q.From) || h >= usage.HourOf(q.To.Add(time.Hour-1)) {
			continue
		}
		name := map[usage.Dimension]string{usage.Total: "total", usage.User: e.User, usage.App: e.App, usage.Caller: e.Caller}[q.By]
		if sums[name] == nil {
			sums[name] = new(usage.Sum)
		}
		s := usage.Of(&record.Row{Kind: e.Kind, Cost: e.Cost})
		sums[name].Add(&s)
	}
	r := &usage.Report{}
	for name, s := range sums {
		r.Rows = append(r.Rows, usage.Row{Key: name, Sum: *s})
	}
	return r, nil
}

// prices are per token of the answer, by provider; a negative one is not known.
type prices map[string]int64

func (p prices) Most(t llm.Target, _ string, _, out int64) record.Money {
	if n := p[t.Provider]; n < 0 {
		return record.Money{}
	}
	return record.Nano(p[t.Provider] * out)
}

// desk is a Budgets with all that is around it.
type desk struct {
	t    *testing.T
	b    *Budgets
	book *book
	log  bytes.Buffer
	now  time.Time
	mu   sync.Mutex // guards now
}

var monday = time.Date(2026, 11, 23, 10, 30, 0, 0, time.UTC)

const usd = 1_000_000_000

func open(t *testing.T, k *book, rules ...Rule) *desk {
	d := &desk{t: t, book: k, now: monday}
	d.b = New(Options{Log: slog.New(slog.NewTextHandler(&d.log, nil)), Prices: prices{"cloud": usd / 1000, "dear": usd, "proxy": usd / 1000, "odd": -1, "metered": -1, "gratis": 0}, Usage: k.Usage,
		KeyName: func(id string) string { return strings.TrimPrefix(id, "id-") }, Zone: time.UTC, Now: d.clock})
	d.b.Set(t.Context(), rules)
	return d
}

func (d *desk) clock() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.now
}

func (d *desk) at(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = now
}

// plan has targets by their providers' names; "local", "metered" and "proxy" are on this device.
func plan(resort bool, names ...string) *llm.Plan {
	p := &llm.Plan{}
	for _, n := range names {
		x := llm.Candidate{Target: llm.Target{Provider: n, Model: "m", Why: "model"}}
		if n != "local" && n != "metered" && n != "proxy" {
			x.Target.Away = n + ".example"
		}
		p.Candidates = append(p.Candidates, x)
	}
	if resort {
		p.LastResort = []llm.LastResort{{Static: "away"}}
	}
	return p
}

// call asks for so many tokens as caller c.
func (d *desk) call(c llm.Caller, p *llm.Plan, tokens int64) *llm.Request {
	r := &llm.Request{Endpoint: &llm.Endpoint{Name: "chat", Task: llm.Generate}, Header: http.Header{}, Caller: c, Start: d.clock(), Plan: p, Fields: llm.Fields{MaxOutput: tokens}}
	if len(p.Candidates) > 0 {
		r.Target = p.Candidates[0].Target
	}
	return r
}

// begin lets r through the stage. What it may go to is told in the words of plan.
func (d *desk) begin(r *llm.Request) (string, error) {
	var got []string
	reply, err := d.b.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		for _, x := range r.Plan.Candidates {
			got = append(got, x.Target.Provider+":"+x.Target.Why)
		}
		if len(got) == 0 {
			got = []string{"resort"}
		} else if r.Target != r.Plan.Candidates[0].Target {
			d.t.Errorf("the target is %+v, not the plan's first", r.Target)
		}
		return &llm.Reply{Body: closing{}}, nil
	})).Serve(d.t.Context(), r)
	if err == nil {
		release := r.Release
		r.Release = func() { // as the gateway does
			reply.Close()
			if release != nil {
				release()
			}
		}
	}
	return strings.Join(got, " "), err
}

// closing is a body that is only closed.
type closing struct{ llm.Body }

func (closing) Close() {}

// end writes down what r has cost, as the meter and the gateway do.
func (d *desk) end(r *llm.Request, cost record.Money) {
	e := record.Entry{Kind: record.Call, Time: r.Start, Caller: r.Caller.Key, User: r.Caller.User, App: r.Caller.App, Cost: cost}
	d.b.Post(&e)
	d.book.add(e)
	d.b.Posted()
	if r.Release != nil {
		r.Release()
	}
}

// spend is a call that costs so much.
func (d *desk) spend(c llm.Caller, nano int64) {
	d.end(d.call(c, plan(false, "local"), 1), record.Nano(nano))
}

// has is what stands on the first budget's accounts: who spent/reserved, in thousandths of a dollar.
func (d *desk) has(want string) {
	d.t.Helper()
	var got []string
	for _, a := range d.b.Balances()[0].Accounts {
		got = append(got, fmt.Sprintf("%s %d/%d", a.Who, a.Spent/(usd/1000), a.Reserved/(usd/1000)))
	}
	if s := strings.Join(got, ", "); s != want {
		d.t.Errorf("accounts: %q, want %q", s, want)
	}
}

var nobody llm.Caller

// has0 looks whether a call would be let through.
func (d *desk) has0(c llm.Caller, tokens int64, want bool) {
	d.t.Helper()
	r := d.call(c, plan(false, "cloud"), tokens)
	if _, err := d.begin(r); (err == nil) != want {
		d.t.Errorf("%+v may use %d tokens: %v", c, tokens, err)
	}
	d.end(r, record.Nano(0))
}
