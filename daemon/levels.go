package daemon

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/config"
	"corral/daemon/event"
	"corral/daemon/health"
	"corral/daemon/slo"
	"corral/store/ledger/usage"
)

// burnsEvery is how often it is looked whether an error budget is used too fast, and levelsEvery how many of these looks
// are for the longer windows as well, which take longer to read.
const (
	burnsEvery  = 15 * time.Second
	levelsEvery = 4
)

func (d *Daemon) objectives() slo.Objectives {
	c := d.config.Current().SLO
	share := func(p config.Percent) float64 { return math.Round(float64(p)*1e7) / 1e9 } // 0.999, where 99.9/100 is 0.9990000000000001
	return slo.Objectives{Availability: share(c.Availability), ErrorRate: share(c.ErrorRate), Latency: time.Duration(c.LatencyP95)}
}

// minutes implements slo.Read.
func (b *books) minutes(from, to time.Time, take func(uint32, *usage.Minute)) error {
	l, err := b.open()
	if err != nil {
		return err
	}
	return l.Minutes(from, to, take)
}

// serviceLevels are those of this moment, with all calls in them that are over. Of a ledger that cannot be written they are
// what it has.
func (d *Daemon) serviceLevels(ctx context.Context) (*slo.Report, error) {
	l, err := d.books.open()
	if err != nil {
		return nil, err
	}
	if l.Err() == nil {
		if err := l.Flush(ctx); err != nil && l.Err() == nil {
			return nil, err
		}
	}
	return slo.Reckon(d.books.minutes, time.Now(), d.objectives())
}

// watchLevels keeps the levels at hand for the metrics, and tells the feed and the log of a budget that is used too fast.
func (d *Daemon) watchLevels(ctx context.Context) {
	tick := time.NewTicker(burnsEvery)
	defer tick.Stop()
	burning := map[[2]string]bool{}
	for n := 0; ; n++ {
		if n%levelsEvery == 0 {
			r, err := slo.Reckon(d.books.minutes, time.Now(), d.objectives())
			if err == nil {
				d.levels.Store(r)
				d.tellBurns(burning, r.Burns)
			}
		} else if burns, err := slo.Burning(d.books.minutes, time.Now(), d.objectives()); err == nil {
			d.tellBurns(burning, burns)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// tellBurns tells of each burn that is not as it was. What is no longer promised is forgotten: nothing of it burns.
func (d *Daemon) tellBurns(was map[[2]string]bool, burns []slo.Burn) {
	maps.DeleteFunc(was, func(k [2]string, _ bool) bool {
		return !slices.ContainsFunc(burns, func(b slo.Burn) bool { return b.Objective == k[0] && b.Speed == k[1] })
	})
	d.burns.Store(&burns)
	for _, b := range burns {
		k := [2]string{b.Objective, b.Speed}
		if was[k] == b.Burning {
			continue
		}
		was[k] = b.Burning
		d.events.Publish(event.SLO{Objective: b.Objective, Speed: b.Speed, Burning: b.Burning, LongRate: b.LongRate, ShortRate: b.ShortRate, Threshold: b.Threshold, Long: b.Long, Short: b.Short})
		if b.Burning {
			d.log.Warn("an error budget is used too fast", "objective", b.Objective, "speed", b.Speed, "burn_"+b.Long, b.LongRate, "burn_"+b.Short, b.ShortRate, "threshold", b.Threshold)
		} else {
			d.log.Info("an error budget is no longer used too fast", "objective", b.Objective, "speed", b.Speed)
		}
	}
}

// levelsCondition says which error budgets are used up too fast.
func (d *Daemon) levelsCondition() health.Found {
	f := health.Found{Code: health.SLO, Text: "no error budget is used up too fast"}
	burns := d.burns.Load()
	if burns == nil {
		return f
	}
	var list []string
	for _, b := range *burns {
		if b.Burning {
			list = append(list, fmt.Sprintf("%s at %.0f times its pace for %s", b.Objective, b.ShortRate, b.Short))
		}
	}
	if len(list) > 0 {
		f.Severity, f.Text = health.Warning, strings.Join(list, ", ")
	}
	return f
}

// writeLevels writes the service levels as metrics, as they were a minute ago at most. What is not known has no series.
func (d *Daemon) writeLevels(w io.Writer) {
	r := d.levels.Load()
	if r == nil {
		return
	}
	for i := range r.Windows {
		x := &r.Windows[i]
		gauge := func(name string, v *float64) {
			if v != nil {
				metrics.WriteGaugeFloat64(w, fmt.Sprintf("%s{window=%q}", name, x.Window), *v)
			}
		}
		saved := float64(x.Saved) / 1e9
		gauge("corral_slo_availability_ratio", x.Availability)
		gauge("corral_slo_error_ratio", x.ErrorRate)
		gauge("corral_slo_latency_p95_seconds", x.LatencyP95)
		gauge("corral_slo_saved_usd", &saved)
		gauge("corral_slo_downtime_seconds", &x.Downtime)
		gauge("corral_slo_mttr_seconds", x.MTTR)
		for _, v := range [...]struct {
			verdict string
			calls   uint64
		}{{"served", x.Served}, {"faulty", x.Faulty}, {"unanswered", x.Unanswered}, {"limited", x.Limited}} {
			metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_slo_calls{window=%q,verdict=%q}", x.Window, v.verdict), v.calls)
		}
		for _, o := range x.Objectives {
			labels := fmt.Sprintf("{objective=%q,window=%q}", o.Name, x.Window)
			metrics.WriteGaugeFloat64(w, "corral_slo_objective"+labels, o.Target)
			metrics.WriteGaugeFloat64(w, "corral_slo_budget_left_ratio"+labels, o.Left)
			metrics.WriteGaugeFloat64(w, "corral_slo_burn_rate"+labels, o.Burn)
		}
	}
	for _, b := range r.Burns {
		burning := uint64(0)
		if b.Burning {
			burning = 1
		}
		metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_slo_burning{objective=%q,speed=%q}", b.Objective, b.Speed), burning)
	}
}
