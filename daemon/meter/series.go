package meter

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
)

const maxModels = 100 // model names that have series of their own; the rest count as "other"

// buckets of seconds, from a cached answer to a long generation.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// series are the metrics of calls. Their labels are bounded whatever callers send: a model counts under its own name only
// once a target has answered for it, and only the first maxModels of those.
//
// Each combination of labels is found once by its formatted name: that look-up costs more than a call's whole share of
// everything else here.
type series struct {
	set    *metrics.Set
	calls  sync.Map // of labels to *counters
	errors sync.Map // of failure to *metrics.Counter

	mu     sync.Mutex // guards models
	models map[string]bool
}

type labels struct {
	model, endpoint, provider string
	status                    int
}

type failure struct{ endpoint, code string }

type counters struct {
	requests       *metrics.Counter
	duration, ttft *metrics.PrometheusHistogram
	input, output  *metrics.Counter
}

func newSeries(set *metrics.Set) *series { return &series{set: set, models: map[string]bool{}} }

func (s *series) count(r *llm.Request, o *outcome) {
	c := s.of(labels{s.label(r.Model, o.status), r.Endpoint.Name, o.provider, o.status})
	c.requests.Inc()
	c.duration.Update(o.took.Seconds())
	if o.stream {
		c.ttft.Update(o.first.Seconds())
	}
	if o.usage.Input > 0 {
		c.input.AddInt64(o.usage.Input)
	}
	if o.usage.Output > 0 {
		c.output.AddInt64(o.usage.Output)
	}
	if o.err != nil {
		s.failed(r.Endpoint.Name, o.err.Code())
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
	if status < 300 && len(s.models) < maxModels && len(model) <= 128 {
		s.models[model] = true
		return model
	}
	return "other"
}

func (s *series) of(k labels) *counters {
	if c, ok := s.calls.Load(k); ok {
		return c.(*counters)
	}
	few := fmt.Sprintf("model=%q,endpoint=%q,provider=%q", k.model, k.endpoint, k.provider)
	c := &counters{
		requests: s.set.GetOrCreateCounter(fmt.Sprintf("llm_requests_total{model=%q,endpoint=%q,status=%q,provider=%q}", k.model, k.endpoint, strconv.Itoa(k.status), k.provider)),
		duration: s.set.GetOrCreatePrometheusHistogramExt("llm_request_duration_seconds{"+few+"}", buckets),
		ttft:     s.set.GetOrCreatePrometheusHistogramExt("llm_time_to_first_token_seconds{"+few+"}", buckets),
		input:    s.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="input"}`),
		output:   s.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="output"}`),
	}
	got, _ := s.calls.LoadOrStore(k, c)
	return got.(*counters)
}

func (s *series) failed(endpoint, code string) {
	k := failure{endpoint, code}
	c, ok := s.errors.Load(k)
	if !ok {
		c, _ = s.errors.LoadOrStore(k, s.set.GetOrCreateCounter(fmt.Sprintf("llm_errors_total{endpoint=%q,code=%q}", endpoint, code)))
	}
	c.(*metrics.Counter).Inc()
}
