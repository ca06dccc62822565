package daemon

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/event"
	"corral/daemon/exposition"
	"corral/daemon/llm"
	"corral/daemon/resilience"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/queue"
	"corral/daemon/resilience/retry"
)

func nestRules(c config.Config) resilience.Rules {
	strategies := map[string]retry.Strategy{"exponential": retry.Exponential, "linear": retry.Linear, "fibonacci": retry.Fibonacci}
	d := resilience.DefaultRules()
	d.Retry = retry.Policy{Strategy: strategies[c.Retry.Strategy], MaxAttempts: c.Retry.MaxAttempts, Base: time.Duration(c.Retry.Base), Max: time.Duration(c.Retry.Max)}
	d.Budget.Ratio = float64(c.Retry.Budget) / 100
	b := c.Breaker
	d.Breaker = breaker.Rules{Failures: b.Failures, Rate: float64(b.Rate) / 100, Window: time.Duration(b.Window), MinCalls: b.MinCalls, OpenFor: time.Duration(b.OpenFor),
		RefusedFor: d.Breaker.RefusedFor, Probes: b.Probes, Slow: time.Duration(b.Slow), AuthFor: d.Breaker.AuthFor}
	d.Queue = queue.Rules{Concurrent: c.Queue.Concurrent, Waiting: c.Queue.Waiting, MaxRun: d.Queue.MaxRun}
	d.Timeout = resilience.Timeout{Content: time.Duration(c.Timeouts.FirstToken), Whole: time.Duration(c.Timeouts.Whole), Load: time.Duration(c.Timeouts.Load)}
	d.Ping = time.Duration(c.Timeouts.Ping)
	return d
}

func (d *Daemon) newNest(c config.Config) *resilience.Nest {
	count := func(format string, args ...any) *metrics.Counter {
		return d.set.GetOrCreateCounter(fmt.Sprintf(format, args...))
	}
	return resilience.New(resilience.Options{Rules: nestRules(c), Similar: d.cache.LastResort, Hooks: resilience.Hooks{
		Ask: func(r *llm.Request) {
			r.Attempts++
			r.AskedOf = r.Target
			if d.log.Enabled(context.Background(), slog.LevelDebug) {
				d.log.Debug("asking a target", "request_id", r.ID, "provider", r.Target.Provider, "model", r.Target.Model, "why", r.Target.Why, "attempt", r.Attempts)
			}
		},
		Queued: func(t llm.Target, waited time.Duration) {
			d.waits(t.Provider).Update(waited.Seconds())
		},
		Retry: func(t llm.Target, cause string) {
			count("llm_retries_total{provider=%q,cause=%q}", t.Provider, cause).Inc()
			d.events.Publish(event.Retry{Provider: t.Provider, Model: short(t.Model), Cause: cause})
		},
		Fallback: func(from, to llm.Target, cause string) {
			count("llm_fallbacks_total{from=%q,to=%q,cause=%q}", from.Provider, to.Provider, cause).Inc()
			d.events.Publish(event.Fallback{Provider: from.Provider, Model: short(from.Model), ToProvider: to.Provider, ToModel: short(to.Model), Cause: cause})
		},
		Breaker: func(x breaker.Change) {
			count("corral_breaker_changes_total{provider=%q,to=%q}", x.Target.Provider, x.To.String()).Inc()
			d.events.Publish(event.Breaker{Provider: x.Target.Provider, Model: short(x.Target.Model), From: x.From.String(), To: x.To.String(), Why: x.Why, Seq: x.Seq})
			d.log.Warn("breaker", "provider", x.Target.Provider, "model", x.Target.Model, "from", x.From.String(), "to", x.To.String(), "why", x.Why)
		},
	}})
}

// waitBuckets are seconds in a queue.
var waitBuckets = []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300}

func (d *Daemon) waits(provider string) *metrics.PrometheusHistogram {
	return d.set.GetOrCreatePrometheusHistogramExt(fmt.Sprintf("corral_queue_wait_seconds{provider=%q}", provider), waitBuckets)
}

// targets are those that calls have gone to, and the queues.
func (d *Daemon) targets() ([]admin.Target, []admin.Queue) {
	ts, qs := []admin.Target{}, []admin.Queue{}
	for _, b := range d.nest.Breakers() {
		t := admin.Target{Provider: b.Target.Provider, Model: b.Target.Model, State: b.State.String(), Pin: b.Pin.String(), Since: b.Since, Why: b.Why, Failures: b.Failures}
		if !b.NextProbe.IsZero() {
			t.NextProbe = &b.NextProbe
		}
		ts = append(ts, t)
	}
	for provider, q := range d.nest.Queues() {
		qs = append(qs, admin.Queue{Provider: provider, Running: q.Running, Concurrent: q.Rules.Concurrent, Waiting: len(q.Waiting)})
	}
	slices.SortFunc(qs, func(a, b admin.Queue) int { return strings.Compare(a.Provider, b.Provider) })
	return ts, qs
}

// breaker does by hand what the operator asks.
func (d *Daemon) breaker(in admin.Breaker) error {
	if d.routing.Load().providers[in.Provider] == nil {
		return fmt.Errorf("there is no provider %q; `corral status` shows them", in.Provider)
	}
	if in.Model == "" {
		return fmt.Errorf("no model is named; write PROVIDER/MODEL as `corral status` does")
	}
	if !d.isTarget(in.Provider, in.Model) {
		return fmt.Errorf("no call has gone to %s/%s, and no name in the config leads there; `corral status` shows the targets", in.Provider, in.Model)
	}
	b := d.nest.Breaker(in.Provider, in.Model)
	if pin := b.Snapshot().Pin; pin != breaker.Unpinned && (in.Action == "open" || in.Action == "close") {
		return fmt.Errorf("%s/%s is pinned %s; `corral breaker unpin %[1]s/%[2]s` comes first", in.Provider, in.Model, pin)
	}
	switch in.Action {
	case "open":
		b.Open()
	case "close":
		b.Close()
	case "pin-open":
		b.Pin(breaker.PinnedOpen)
	case "pin-closed":
		b.Pin(breaker.PinnedClosed)
	case "unpin":
		b.Pin(breaker.Unpinned)
	}
	return nil
}

// isTarget reports whether calls have gone to the model there, or a name in the config leads there.
func (d *Daemon) isTarget(provider, model string) bool {
	for _, b := range d.nest.Breakers() {
		if b.Target.Provider == provider && b.Target.Model == model {
			return true
		}
	}
	for _, m := range d.config.Current().Models {
		for _, t := range m.Targets {
			if t.Provider == provider && t.Model == model {
				return true
			}
		}
	}
	return false
}

// maxBreakerSeries bounds the targets that have a series of their own; callers may invent names.
const maxBreakerSeries = 200

// writeNest writes the state of breakers and queues as metrics.
func (d *Daemon) writeNest(w io.Writer) {
	written := 0
	for _, b := range d.nest.Breakers() {
		if !exposition.Plain(b.Target.Model) {
			continue // a name that somebody made up
		}
		if written++; written > maxBreakerSeries {
			break
		}
		metrics.WriteGaugeUint64(w, fmt.Sprintf("llm_breaker_state{provider=%q,model=%q}", b.Target.Provider, b.Target.Model), uint64(b.State))
	}
	for provider, q := range d.nest.Queues() {
		d.waits(provider) // there from the first time on: what appears with its first wait has no increase
		metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_queue_running{provider=%q}", provider), uint64(q.Running))
		metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_queue_waiting{provider=%q}", provider), uint64(len(q.Waiting)))
	}
}
