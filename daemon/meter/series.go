package meter

import (
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/exposition"
	"corral/daemon/llm"
	"corral/store/ledger/record"
)

const (
	maxModels = 100  // model names that have series of their own; the rest count as "other"
	maxSeries = 2000 // combinations of labels; of what comes after them all models count as "other"
)

// Buckets of seconds.
var (
	callBuckets  = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600} // from a cached answer to a long generation
	tokenBuckets = []float64{.0005, .001, .0025, .005, .01, .02, .03, .05, .075, .1, .15, .25, .5, 1, 2.5}
	stageBuckets = []float64{.00001, .000025, .00005, .0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, 1}
)

// speedBuckets are tokens a second.
var speedBuckets = []float64{1, 2.5, 5, 7.5, 10, 15, 20, 30, 40, 60, 80, 120, 200, 400, 1000}

// series are the metrics of calls. Their labels are bounded whatever callers send: a model counts under its own name only
// once a target has answered for it, and only the first maxModels of those.
//
// Each combination of labels is found once by its formatted name: that look-up costs more than a call's whole share of
// everything else here.
type series struct {
	set    *metrics.Set
	calls  sync.Map // of labels to *counters
	errors sync.Map // of failure to *metrics.Counter

	stages   [stages]*metrics.PrometheusHistogram
	added    *metrics.PrometheusHistogram
	verdicts [record.Limited + 1]*metrics.Counter

	mu      sync.Mutex // guards what follows
	models  map[string]bool
	guarded map[Found]*guardSeries // by all but the count
	known   int                    // combinations in calls and errors
}

type labels struct {
	model, endpoint, provider string
	status                    int
}

type failure struct {
	labels
	code string
}

type counters struct {
	requests          *metrics.Counter
	duration          *metrics.PrometheusHistogram
	latency, ttft     *metrics.PrometheusHistogram
	input, output     *metrics.Counter
	perToken, tokensS *metrics.PrometheusHistogram
	cost, saved       *metrics.FloatCounter
}

// stage is a part of a call's way in which only Corral's own work takes time; the reading of the call, which takes as long as
// its caller likes, stands beside them.
type stage uint8

const (
	admit    stage = iota // key and limits
	decode                // the body read and looked at; not Corral's own time
	inspect               // its text looked at by the guard
	route                 // targets chosen
	look                  // a kept answer looked for
	allow                 // budgets, and the machine's state
	dispatch              // breaker, queue (the wait apart), the call made ready for its target
	answer                // from the target's answer, or its first content, to its way out
	settle                // counted, written down, handed to the ledger
	stages
)

var stageNames = [stages]string{"admit", "decode", "guard", "route", "cache", "allow", "dispatch", "answer", "record"}

func newSeries(set *metrics.Set) *series {
	s := &series{set: set, models: map[string]bool{}, guarded: map[Found]*guardSeries{}}
	for i, name := range stageNames {
		s.stages[i] = set.GetOrCreatePrometheusHistogramExt(`corral_stage_seconds{stage="`+name+`"}`, stageBuckets)
	}
	s.added = set.GetOrCreatePrometheusHistogramExt("corral_added_seconds", stageBuckets)
	for v, name := range [...]string{record.Served: "served", record.Faulty: "faulty", record.Unanswered: "unanswered", record.Limited: "limited"} {
		if name != "" {
			s.verdicts[v] = set.GetOrCreateCounter(`corral_verdicts_total{verdict="` + name + `"}`)
		}
	}
	return s
}

func (s *series) count(r *llm.Request, o *outcome) {
	k := labels{s.label(r.Model, o.status), r.Endpoint.Name, o.provider, o.status}
	c := s.of(k)
	c.requests.Inc()
	c.duration.Update(o.took.Seconds())
	if o.stream {
		c.ttft.Update(o.first.Seconds())
	}
	if asked := r.Passed[llm.AskedLast]; o.answered && asked > 0 && !r.Reuse.Free && !r.LastResort {
		c.latency.Update((o.took - asked).Seconds())
		if made := (o.took - o.first).Seconds(); o.stream && o.usage.Output > 1 && made > 0 {
			c.perToken.Update(made / float64(o.usage.Output-1))
			c.tokensS.Update(float64(o.usage.Output-1) / made)
		}
	}
	if o.usage.Input > 0 {
		c.input.AddInt64(o.usage.Input)
	}
	if o.usage.Output > 0 {
		c.output.AddInt64(o.usage.Output)
	}
	if o.cost.Known && o.cost.Nano > 0 {
		c.cost.Add(float64(o.cost.Nano) / 1e9)
	}
	if o.cost.Known && o.baseline.Known && o.baseline.Nano > o.cost.Nano {
		c.saved.Add(float64(o.baseline.Nano-o.cost.Nano) / 1e9)
	}
	if len(r.Found) > 0 {
		s.found(r)
	}
	switch {
	case o.err != nil:
		s.fail(failure{k, o.err.Code()})
	case o.status >= 400:
		s.fail(failure{k, "relayed"})
	}
}

// timed counts where Corral's own time went, once a call is written down. recorded is how long that took.
func (s *series) timed(r *llm.Request, o *outcome, recorded time.Duration) {
	at, p := time.Duration(0), &r.Passed
	own := recorded
	for i, point := range [...]llm.Point{admit: llm.Admitted, decode: llm.Decoded, inspect: llm.Guarded, route: llm.Routed, look: llm.Looked, allow: llm.Allowed, dispatch: llm.Asked} {
		if p[point] == 0 {
			break // it was answered or refused there
		}
		took := p[point] - at
		at = p[point]
		if stage(i) == dispatch {
			if p[llm.AskedLast] != p[llm.Asked] && r.Queued > 0 {
				continue // which of its attempts waited is not known
			}
			took = max(0, took-r.Queued)
		}
		s.stages[i].Update(took.Seconds())
		if stage(i) != decode {
			own += took
		}
	}
	if p[llm.Answered] > 0 && o.answered && o.first > p[llm.Answered] {
		took := o.first - p[llm.Answered]
		s.stages[answer].Update(took.Seconds())
		own += took
	}
	s.stages[settle].Update(recorded.Seconds())
	s.added.Update(own.Seconds())
}

// judged counts what a call says of the service.
func (s *series) judged(v record.Verdict) {
	if c := s.verdicts[v]; c != nil {
		c.Inc()
	}
}

// label is the model's name as a label.
func (s *series) label(model string, status int) string {
	if model == "" {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.models[model] {
		return model
	}
	if status < 300 && len(s.models) < maxModels && len(model) <= 128 && exposition.Plain(model) {
		s.models[model] = true
		return model
	}
	return "other"
}

// room reports whether there may be another combination of labels.
func (s *series) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.known++
	return s.known <= maxSeries
}

func (s *series) of(k labels) *counters {
	if c, ok := s.calls.Load(k); ok {
		return c.(*counters)
	}
	if k.model != "other" && k.model != "" && !s.room() {
		k.model = "other"
		return s.of(k)
	}
	few := fmt.Sprintf("model=%q,endpoint=%q,provider=%q", k.model, k.endpoint, k.provider)
	least := fmt.Sprintf("{model=%q,provider=%q}", k.model, k.provider)
	c := &counters{
		requests: s.set.GetOrCreateCounter(fmt.Sprintf("llm_requests_total{model=%q,endpoint=%q,status=%q,provider=%q}", k.model, k.endpoint, strconv.Itoa(k.status), k.provider)),
		duration: s.set.GetOrCreatePrometheusHistogramExt("llm_request_duration_seconds{"+few+"}", callBuckets),
		latency:  s.set.GetOrCreatePrometheusHistogramExt("llm_model_latency_seconds{"+few+"}", callBuckets),
		ttft:     s.set.GetOrCreatePrometheusHistogramExt("llm_time_to_first_token_seconds{"+few+"}", callBuckets),
		input:    s.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="input"}`),
		output:   s.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="output"}`),
		perToken: s.set.GetOrCreatePrometheusHistogramExt("corral_time_per_token_seconds"+least, tokenBuckets),
		tokensS:  s.set.GetOrCreatePrometheusHistogramExt("corral_tokens_per_second"+least, speedBuckets),
		cost:     s.set.GetOrCreateFloatCounter("llm_cost_usd_total" + least),
		saved:    s.set.GetOrCreateFloatCounter("llm_cost_saved_usd_total" + least),
	}
	got, _ := s.calls.LoadOrStore(k, c)
	return got.(*counters)
}

// turnedAway counts a call that never became one, or that could not be written down.
func (s *series) turnedAway(endpoint, code string) {
	s.fail(failure{labels{endpoint: endpoint}, code})
}

func (s *series) fail(k failure) {
	c, ok := s.errors.Load(k)
	if !ok {
		if k.model != "other" && k.model != "" && !s.room() {
			k.model = "other"
		}
		status := ""
		if k.status > 0 {
			status = strconv.Itoa(k.status)
		}
		c, _ = s.errors.LoadOrStore(k, s.set.GetOrCreateCounter(fmt.Sprintf("llm_errors_total{model=%q,endpoint=%q,status=%q,provider=%q,code=%q}", k.model, k.endpoint, status, k.provider, k.code)))
	}
	c.(*metrics.Counter).Inc()
}
