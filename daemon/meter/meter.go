// Package meter is the stage that wraps the rest of the journey and writes down what became of each call: its metrics and
// its log line, refusals and broken streams included. A call is written down when its reply is closed.
//
// The labels of every metric are bounded whatever callers send: a model counts under its own name only when a target has
// answered for it, and only the first maxModels of those.
package meter

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
)

const maxModels = 100 // model names that have series of their own; the rest count as "other"

// Meter is the stage.
type Meter struct {
	log    *slog.Logger
	set    *metrics.Set
	inside atomic.Int64

	series sync.Map // of seriesKey to *series
	errors sync.Map // of errorKey to *metrics.Counter
	mu     sync.Mutex
	models map[string]bool
}

type seriesKey struct {
	model, endpoint, provider string
	status                    int
}

// series are the metrics of one combination of labels, found once: a look-up by a formatted name costs more than a call's
// whole share of everything else here.
type series struct {
	requests       *metrics.Counter
	duration, ttft *metrics.PrometheusHistogram
	input, output  *metrics.Counter
}

type errorKey struct{ endpoint, code string }

// New makes a Meter whose metrics are in set.
func New(log *slog.Logger, set *metrics.Set) *Meter {
	m := &Meter{log: log, set: set, models: map[string]bool{}}
	set.NewGauge("corral_calls_in_flight", func() float64 { return float64(m.inside.Load()) })
	return m
}

// buckets of seconds, from a cached answer to a long generation.
var buckets = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600}

// Refused counts a call that the listener turned away before it became one.
func (m *Meter) Refused(code string) {
	m.errorCount(errorKey{"listener", code}).Inc()
}

// Stage measures what next does.
func (m *Meter) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		m.inside.Add(1)
		reply, err := next.Serve(ctx, r)
		if err != nil {
			m.inside.Add(-1)
			e := llm.AsError(err)
			m.record(r, &outcome{status: e.Status(), err: e, provider: r.Target.Provider, usage: llm.NoUsage})
			return nil, err
		}
		reply.Body = &metered{Body: reply.Body, m: m, r: r, reply: reply, first: time.Since(r.Start), ctx: ctx}
		return reply, nil
	})
}

// metered is a reply's body under observation.
type metered struct {
	llm.Body
	m     *Meter
	r     *llm.Request
	reply *llm.Reply
	ctx   context.Context
	first time.Duration
	bytes int64
	ended error // what Next gave last
}

func (b *metered) Next() ([]byte, error) {
	p, err := b.Body.Next()
	b.bytes += int64(len(p))
	if err != nil {
		b.ended = err
	}
	return p, err
}

func (b *metered) Close() {
	if b.m == nil {
		return
	}
	m := b.m
	b.m = nil
	o := &outcome{status: b.reply.Status, provider: b.reply.Provider, model: b.reply.Model, usage: b.Body.Usage(), first: b.first, bytes: b.bytes, stream: b.reply.Stream}
	switch {
	case b.ended == nil && b.r.Method != "HEAD":
		o.err = llm.Ended(b.ctx)
		if o.err == nil {
			o.err = &llm.Error{Kind: llm.Gone, Message: "The caller closed the connection."}
		}
	case b.ended != nil && b.ended != io.EOF:
		o.err = llm.AsError(b.ended)
	}
	if o.err != nil {
		o.status = o.err.Status()
	}
	b.Body.Close()
	m.inside.Add(-1)
	m.record(b.r, o)
}

// outcome is what became of a call.
type outcome struct {
	status          int
	provider, model string
	err             *llm.Error
	usage           llm.Usage
	first           time.Duration // until the first content, or the whole of an answer that is not streamed
	bytes           int64
	stream          bool
}

func (m *Meter) record(r *llm.Request, o *outcome) {
	took := time.Since(r.Start)
	s := m.seriesOf(seriesKey{m.label(r.Model, o.status), r.Endpoint.Name, o.provider, o.status})
	s.requests.Inc()
	s.duration.Update(took.Seconds())
	if o.stream {
		s.ttft.Update(o.first.Seconds())
	}
	if o.usage.Input > 0 {
		s.input.AddInt64(o.usage.Input)
	}
	if o.usage.Output > 0 {
		s.output.AddInt64(o.usage.Output)
	}
	level := slog.LevelInfo
	if o.err != nil {
		m.errorCount(errorKey{r.Endpoint.Name, o.err.Code()}).Inc()
		if o.err.Kind != llm.Gone && o.status >= 500 {
			level = slog.LevelWarn
		}
	}
	ctx := context.Background()
	if !m.log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("request_id", r.ID), slog.String("dialect", r.Endpoint.Dialect.String()), slog.String("endpoint", r.Endpoint.Name),
		slog.String("model", r.Model), slog.String("provider", o.provider))
	if o.model != "" && o.model != r.Model {
		attrs = append(attrs, slog.String("target_model", o.model))
	}
	attrs = append(attrs, slog.Int("status", o.status), slog.Float64("ms", ms(took)))
	if o.stream {
		attrs = append(attrs, slog.Float64("first_ms", ms(o.first)))
	}
	if o.usage.Input >= 0 {
		attrs = append(attrs, slog.Int64("tokens_in", o.usage.Input))
	}
	if o.usage.Output >= 0 {
		attrs = append(attrs, slog.Int64("tokens_out", o.usage.Output))
	}
	attrs = append(attrs, slog.Int64("bytes", o.bytes))
	if r.Caller.KeyName != "" {
		attrs = append(attrs, slog.String("key", r.Caller.KeyName))
	}
	if r.Caller.App != "" {
		attrs = append(attrs, slog.String("app", r.Caller.App))
	}
	if r.Caller.User != "" {
		attrs = append(attrs, slog.String("user", r.Caller.User))
	}
	if o.err != nil {
		attrs = append(attrs, slog.String("code", o.err.Code()), slog.String("error", o.err.Message))
		if o.err.Err != nil {
			attrs = append(attrs, slog.String("cause", o.err.Err.Error()))
		}
	}
	m.log.LogAttrs(ctx, level, "call", attrs...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// label is the model's name as a label.
func (m *Meter) label(model string, status int) string {
	if model == "" {
		return ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.models[model] {
		return model
	}
	if status < 300 && len(m.models) < maxModels && len(model) <= 128 {
		m.models[model] = true
		return model
	}
	return "other"
}

func (m *Meter) seriesOf(k seriesKey) *series {
	if s, ok := m.series.Load(k); ok {
		return s.(*series)
	}
	labels := fmt.Sprintf("model=%q,endpoint=%q,status=%q,provider=%q", k.model, k.endpoint, strconv.Itoa(k.status), k.provider)
	few := fmt.Sprintf("model=%q,endpoint=%q,provider=%q", k.model, k.endpoint, k.provider)
	s := &series{
		requests: m.set.GetOrCreateCounter("llm_requests_total{" + labels + "}"),
		duration: m.set.GetOrCreatePrometheusHistogramExt("llm_request_duration_seconds{"+few+"}", buckets),
		ttft:     m.set.GetOrCreatePrometheusHistogramExt("llm_time_to_first_token_seconds{"+few+"}", buckets),
		input:    m.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="input"}`),
		output:   m.set.GetOrCreateCounter("llm_tokens_used_total{" + few + `,direction="output"}`),
	}
	got, _ := m.series.LoadOrStore(k, s)
	return got.(*series)
}

func (m *Meter) errorCount(k errorKey) *metrics.Counter {
	if c, ok := m.errors.Load(k); ok {
		return c.(*metrics.Counter)
	}
	c, _ := m.errors.LoadOrStore(k, m.set.GetOrCreateCounter(fmt.Sprintf("llm_errors_total{endpoint=%q,code=%q}", k.endpoint, k.code)))
	return c.(*metrics.Counter)
}
