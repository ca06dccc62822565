// Package slo reckons how well the service keeps what it promises: availability, error rate, latency, what was saved, how
// long outages last, and how fast the error budgets are used, over rolling windows that end now.
//
// It reads the minutes that the ledger adds up (store/ledger/usage) and holds nothing itself, so a restart forgets nothing.
// Only calls that ask a model count; record.Verdict says what each of them says of the service. The terms are those of
// Google's Site Reliability Workbook, chapter 5 (https://sre.google/workbook/alerting-on-slos/).
//
// The surprise: availability and error rate are not two words for one thing. A call to which nobody answered counts against
// both. An answer that broke off, or a last resort in place of the model's, counts against the error rate only: the service
// was there, the model was not.
package slo

import (
	"fmt"
	"math"
	"time"

	"corral/store/ledger/usage"
)

// Objectives are what the service promises. A zero is no promise.
type Objectives struct {
	Availability float64       // share of calls that are answered, 0 to 1
	ErrorRate    float64       // share of calls that may get no whole answer from a model, 0 to 1
	Latency      time.Duration // that 95 of 100 answered calls do not exceed
}

// Quantile is the share of calls that keep to the objective's latency.
const Quantile = 0.95

// The names of objectives.
const (
	Availability = "availability"
	ErrorRate    = "error_rate"
	LatencyP95   = "latency_p95"
)

// The names of the windows, and how long they are.
var windows = [...]struct {
	name string
	long time.Duration
}{{"1h", time.Hour}, {"1d", 24 * time.Hour}, {"30d", 30 * 24 * time.Hour}}

// pairs are the windows that are watched for a budget that is used too fast: both must be above the threshold, the
// long one so that it matters, the short one so that it goes on. A burn of 1 uses the budget up in just its window. The
// thresholds are those of the Workbook, table 5-6: 2 % of 30 days' budget in an hour, and 5 % in six.
var pairs = [...]struct {
	speed       string
	long, short time.Duration
	threshold   float64
}{{"fast", time.Hour, 5 * time.Minute, 14.4}, {"slow", 6 * time.Hour, 30 * time.Minute, 6}}

// LeastBad is how many calls must have failed, or been too slow, in the long window before a burn counts: of ten calls a
// single one that fails would use up the budget a hundred times over.
const LeastBad = 5

// Report is how the service fares.
type Report struct {
	At      time.Time `json:"at"`
	Since   time.Time `json:"since,omitzero" doc:"the first minute on record within 30 days; not there: none is"`
	Windows []Window  `json:"windows"`
	Burns   []Burn    `json:"burns"`
}

// Window is how it fared from a moment up to now.
type Window struct {
	Window     string    `json:"window" enum:"1h,1d,30d"`
	From       time.Time `json:"from" doc:"a whole minute"`
	Served     uint64    `json:"served" doc:"calls that a model, or the cache, answered"`
	Faulty     uint64    `json:"faulty" doc:"calls whose answer broke off, or that got a last resort"`
	Unanswered uint64    `json:"unanswered" doc:"calls that nobody answered, through no fault of their callers"`
	Limited    uint64    `json:"limited" doc:"calls over a limit or a budget; they count neither for nor against"`

	Availability *float64 `json:"availability" doc:"0 to 1; null: there were no calls"`
	ErrorRate    *float64 `json:"error_rate" doc:"0 to 1; null: there were no calls"`
	LatencyP95   *float64 `json:"latency_p95_seconds" doc:"of answered calls: until the first content of a stream, or the end of another answer; within 6.25 % of the true one; null: none was answered"`

	Cost     int64 `json:"cost_nano_usd" doc:"of all calls, in billionths of a US dollar"`
	Baseline int64 `json:"baseline_nano_usd" doc:"what they would have cost at the model that savings are reckoned by"`
	Saved    int64 `json:"saved_nano_usd" doc:"baseline less cost, over calls where both are known"`

	Outages  int      `json:"outages" doc:"that were going on in the window"`
	Downtime float64  `json:"downtime_seconds"`
	MTTR     *float64 `json:"mttr_seconds" doc:"mean time to recovery: from the first call that failed to the first that was answered again, of the outages that ended in the window; null: none did"`
	Down     bool     `json:"down" doc:"an outage is going on"`

	Objectives []Objective `json:"objectives"`
}

// Objective is one promise and its error budget.
type Objective struct {
	Name    string   `json:"name" enum:"availability,error_rate,latency_p95"`
	Target  float64  `json:"target" doc:"a share, 0 to 1; latency_p95: seconds"`
	Actual  *float64 `json:"actual" doc:"null: there were no calls"`
	Met     bool     `json:"met"`
	Calls   uint64   `json:"calls" doc:"that count"`
	Bad     float64  `json:"bad" doc:"of these, how many failed, or were slower than the target"`
	Allowed float64  `json:"allowed" doc:"the error budget: how many of these calls might have been bad"`
	Left    float64  `json:"budget_left" doc:"share of the error budget that is left; below 0: overspent"`
	Burn    float64  `json:"burn_rate" doc:"bad by allowed; 1: the budget is just used up"`
}

// Burn is how fast a budget is used at the moment.
type Burn struct {
	Objective string  `json:"objective" enum:"availability,error_rate,latency_p95"`
	Speed     string  `json:"speed" enum:"fast,slow"`
	Long      string  `json:"long" doc:"the long window"`
	Short     string  `json:"short" doc:"the short window"`
	LongRate  float64 `json:"long_rate"`
	ShortRate float64 `json:"short_rate"`
	Threshold float64 `json:"threshold"`
	Burning   bool    `json:"burning" doc:"both rates are at the threshold or above, and enough calls were bad"`
}

// Read visits what the minutes from that of from up to that of to, both included, say, in their order (ledger.Ledger.Minutes).
type Read func(from, to time.Time, take func(minute uint32, m *usage.Minute)) error

// Reckon makes the report for the windows that end now. An error is one of read.
func Reckon(read Read, now time.Time, o Objectives) (*Report, error) {
	spans := make([]*span, len(windows))
	for i, w := range windows {
		spans[i] = newSpan(now, w.long)
	}
	first := uint32(math.MaxUint32)
	var out outages
	err := read(spans[len(spans)-1].from, now, func(at uint32, m *usage.Minute) {
		first = min(first, at)
		out.take(at, m)
		for _, s := range spans {
			s.take(at, m)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read service levels: %w", err)
	}
	r := &Report{At: now}
	if first != math.MaxUint32 {
		r.Since = begin(first)
	}
	for i, s := range spans {
		w := s.window(windows[i].name, o)
		out.tell(&w, now)
		r.Windows = append(r.Windows, w)
	}
	r.Burns, err = Burning(read, now, o)
	return r, err
}

// Burning tells how fast the budgets are used at the moment. It reads six hours only.
func Burning(read Read, now time.Time, o Objectives) ([]Burn, error) {
	type both struct{ long, short *span }
	var spans [len(pairs)]both
	longest := now
	for i, p := range pairs {
		spans[i] = both{newSpan(now, p.long), newSpan(now, p.short)}
		if spans[i].long.from.Before(longest) {
			longest = spans[i].long.from
		}
	}
	err := read(longest, now, func(at uint32, m *usage.Minute) {
		for _, s := range spans {
			s.long.take(at, m)
			s.short.take(at, m)
		}
	})
	if err != nil {
		return nil, fmt.Errorf("read service levels: %w", err)
	}
	burns := []Burn{}
	for i, p := range pairs {
		long, short := spans[i].long.objectives(o), spans[i].short.objectives(o)
		for j := range long {
			b := Burn{Objective: long[j].Name, Speed: p.speed, Long: words(p.long), Short: words(p.short), LongRate: long[j].Burn, ShortRate: short[j].Burn, Threshold: p.threshold}
			b.Burning = b.LongRate >= p.threshold && b.ShortRate >= p.threshold && long[j].Bad >= LeastBad
			burns = append(burns, b)
		}
	}
	return burns, nil
}

func words(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%dm", d/time.Minute)
	}
	return fmt.Sprintf("%dh", d/time.Hour)
}

// span adds up the minutes of a window.
type span struct {
	from        time.Time
	first, last uint32
	sum         usage.Minute
}

// newSpan is a window of whole minutes: the one that goes on is the last of them.
func newSpan(now time.Time, long time.Duration) *span {
	last := usage.MinuteOf(now)
	first := last + 1 - min(last, uint32(long/time.Minute))
	return &span{from: begin(first), first: first, last: last}
}

func begin(minute uint32) time.Time { return time.Unix(int64(minute)*60, 0).UTC() }

func moment(minute uint32, ms uint64) time.Time {
	return begin(minute).Add(time.Duration(ms-1) * time.Millisecond)
}

func (s *span) take(at uint32, m *usage.Minute) {
	if at >= s.first && at <= s.last {
		s.sum.Add(m)
	}
}

// outages are the times in which nobody was answered.
type outages struct {
	all  []outage // the last may go on
	down bool
}

type outage struct{ from, to time.Time }

// take adds a minute. An outage begins with the first call that fails in a minute in which none is answered, and ends with
// the next call that is. Minutes without calls belong to it: what nobody asks for cannot be known to be there again.
func (o *outages) take(at uint32, m *usage.Minute) {
	switch {
	case o.down && m.Served > 0:
		o.all[len(o.all)-1].to = moment(at, m.FirstServed)
		o.down = false
	case !o.down && m.Served == 0 && m.Failed() > 0:
		o.all = append(o.all, outage{from: moment(at, m.FirstFailed)})
		o.down = true
	}
}

// tell writes into w what of the outages belongs to its window.
func (o *outages) tell(w *Window, now time.Time) {
	repaired, ended := time.Duration(0), 0
	lost := time.Duration(0)
	for i, x := range o.all {
		goesOn := o.down && i == len(o.all)-1
		if goesOn {
			x.to = now
		}
		if x.to.Before(w.From) {
			continue
		}
		w.Outages++
		lost += max(0, x.to.Sub(later(x.from, w.From)))
		if !goesOn {
			repaired += x.to.Sub(x.from)
			ended++
		}
	}
	w.Down, w.Downtime = o.down, lost.Seconds()
	if ended > 0 {
		mean := repaired.Seconds() / float64(ended)
		w.MTTR = &mean
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (s *span) window(name string, o Objectives) Window {
	m := &s.sum
	return Window{Window: name, From: s.from, Served: m.Served, Faulty: m.Faulty, Unanswered: m.Unanswered, Limited: m.Limited,
		Availability: s.availability(), ErrorRate: s.errorRate(), LatencyP95: s.latency(),
		Cost: m.Cost, Baseline: m.Baseline, Saved: m.Saved, Objectives: s.objectives(o)}
}

func (s *span) calls() uint64 { return s.sum.Served + s.sum.Failed() }

func (s *span) availability() *float64 {
	return share(float64(s.sum.Served+s.sum.Faulty), s.calls())
}

func (s *span) errorRate() *float64 { return share(float64(s.sum.Failed()), s.calls()) }

func (s *span) latency() *float64 {
	d, ok := s.sum.Latency.Quantile(Quantile)
	if !ok {
		return nil
	}
	seconds := d.Seconds()
	return &seconds
}

func share(part float64, of uint64) *float64 {
	if of == 0 {
		return nil
	}
	v := part / float64(of)
	return &v
}

// objectives are the promises that there are, in the order of their names above.
func (s *span) objectives(o Objectives) []Objective {
	out := []Objective{}
	if o.Availability > 0 {
		out = append(out, objective(Availability, o.Availability, s.availability(), s.calls(), float64(s.sum.Unanswered), 1-o.Availability))
	}
	if o.ErrorRate > 0 {
		out = append(out, objective(ErrorRate, o.ErrorRate, s.errorRate(), s.calls(), float64(s.sum.Failed()), o.ErrorRate))
	}
	if o.Latency > 0 {
		out = append(out, objective(LatencyP95, o.Latency.Seconds(), s.latency(), s.sum.Served, s.sum.Latency.Above(o.Latency), 1-Quantile))
	}
	return out
}

// objective reckons one budget: budget is the share of calls that may be bad.
func objective(name string, target float64, actual *float64, calls uint64, bad, budget float64) Objective {
	x := Objective{Name: name, Target: target, Actual: actual, Calls: calls, Bad: bad, Allowed: budget * float64(calls)}
	if calls > 0 {
		x.Burn = bad / x.Allowed
	}
	x.Left = 1 - x.Burn
	x.Met = x.Burn <= 1+1e-9 // a budget spent to the last call is kept to; floats may say otherwise
	return x
}
