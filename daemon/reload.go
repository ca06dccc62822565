package daemon

import (
	"context"
	"time"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/pricing"
)

// changes is what became of the changes to the config so far.
type changes struct {
	loaded     time.Time // when what is in force was read
	rejected   string    // why a later one is not in force; empty: it is
	rejectedAt time.Time
}

// subscribe lets each stage follow the config. What could fail is tried before anything changes.
func (d *Daemon) subscribe() {
	var next *routing
	var prices *pricing.Table
	d.config.Subscribe(func(_, c config.Config) (err error) {
		next, err = d.newTable(c)
		return err
	}, func(c config.Config) {
		d.router.Set(next.table)
		d.routing.Swap(next).close()
	})
	d.config.Subscribe(func(_, c config.Config) (err error) {
		prices, err = d.newPrices(c)
		return err
	}, func(c config.Config) {
		d.auth.Required.Store(c.Auth == config.AuthRequired)
		d.limit.Set(rules(c))
		d.nest.Set(nestRules(c))
		d.take(c, prices)
		d.trace.Set(d.traceRules(c))
		d.budgets.Set(context.Background(), budgetRules(c))
		d.sizeCache(c)
		if d.replies != nil && c.Cache.MaxFile > 0 {
			d.replies.SetMaxBytes(int64(c.Cache.MaxFile))
		}
		d.probes.forget()
		select { // what counts as short may have changed, and what is done about it
		case d.wellness.again <- struct{}{}:
		default:
		}
	})
}

// watchConfig takes over changes of the file.
func (d *Daemon) watchConfig(ctx context.Context) {
	if err := d.config.Run(ctx, d.reloaded); err != nil {
		d.log.Warn("changes of the config will be seen on SIGHUP only", "cause", err)
	}
}

// obey reads the config again whenever that is asked for.
func (d *Daemon) obey(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.o.Reload:
			d.reload(ctx)
		}
	}
}

// reload reads the config again, as a SIGHUP or the operator asks.
func (d *Daemon) reload(ctx context.Context) error {
	err := d.config.Reload(ctx)
	if ctx.Err() == nil { // else the file is no worse for it
		d.reloaded(err, nil)
	}
	return err
}

// reloaded notes and logs what became of a change.
func (d *Daemon) reloaded(err error, changed []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.tellConfig(err, changed)
	if err != nil {
		d.changes.rejected, d.changes.rejectedAt = err.Error(), time.Now()
		d.log.Error("the changed config is not valid; what was in force stays so", "cause", err)
		return
	}
	d.changes = changes{loaded: time.Now()}
	d.log.Info("config in force", "path", d.config.Path(), "changed", changed, "needs_restart", config.NeedsRestart(d.config.Started(), d.config.Current()))
	for _, w := range d.config.Warnings() {
		d.log.Warn(w.Error())
	}
}

func (d *Daemon) shownConfig(c config.Config) admin.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := admin.Config{Path: d.config.Path(), Warnings: []string{}, Loaded: d.changes.loaded, Rejected: d.changes.rejected,
		NeedsRestart: append([]string{}, config.NeedsRestart(d.config.Started(), c)...)}
	for _, w := range d.config.Warnings() {
		out.Warnings = append(out.Warnings, w.Error())
	}
	if out.Rejected != "" {
		at := d.changes.rejectedAt
		out.RejectedAt = &at
	}
	return out
}
