package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/daemon/health/host"
	"corral/daemon/pressure"
)

// wellness is what Corral knows of how it and its machine are, and what it does about that.
type wellness struct {
	set     *health.Set
	machine *health.Machine
	gate    *pressure.Gate
	room    *pressure.Room
	short   atomic.Bool    // the cache has to do with less memory
	again   chan struct{}  // something has changed: look whether there is pressure
	tried   map[string]try // when each loaded model was tried last; of the source `answers` alone
}

func healthRules(c config.Config) health.Rules {
	share := func(s config.Share) health.Share {
		return health.Share{Percent: float64(s.Percent), Bytes: uint64(max(s.Bytes, 0))}
	}
	return health.Rules{MinFreeMemory: share(c.Health.MinFreeMemory), MinFreeDisk: share(c.Health.MinFreeDisk), MaxTemperature: c.Health.MaxTemperature}
}

func (d *Daemon) newWellness() {
	w := &d.wellness
	w.again = make(chan struct{}, 1)
	reader := d.o.Machine
	if reader == nil {
		reader = host.New(d.o.DataDir)
	}
	w.set = health.NewSet(d.conditionChanged)
	w.machine = health.NewMachine(reader, func() health.Rules { return healthRules(d.config.Current()) })
	w.room = &pressure.Room{Uses: func(name string) (list []pressure.Use) {
		for _, u := range d.nest.Uses(name) {
			list = append(list, pressure.Use{Model: u.Model, Running: u.Running, Last: u.Last})
		}
		return list
	}}
	w.gate = pressure.New(w.room)
	w.tried = map[string]try{}
}

// conditionChanged logs it, and lets weigh look what follows from it.
func (d *Daemon) conditionChanged(c health.Change) {
	level := slog.LevelDebug // models come and go all day
	switch {
	case c.Bad():
		level = slog.LevelWarn
	case c.Was >= health.Warning:
		level = slog.LevelInfo
	}
	d.log.Log(context.Background(), level, "condition", "code", c.Code, "subject", c.Subject, "severity", c.Severity.String(), "was", c.Was.String(), "text", c.Text, "do", c.Do)
	d.set.GetOrCreateCounter(fmt.Sprintf("corral_condition_changes_total{code=%q,severity=%q}", c.Code, c.Severity)).Inc()
	d.tellCondition(c)
	select {
	case d.wellness.again <- struct{}{}:
	default: // it will look anyway
	}
}

// How often what stands beside the machine is looked at. The first looks come late: who asks for the state before that has them made
// at once, and a start should be quick.
const (
	lookNear   = 10 * time.Second
	lookFar    = 5 * time.Minute
	lookModels = 30 * time.Second
	lookSelf   = 5 * time.Second
	lookTry    = time.Minute
)

// watchHealth looks at everything, each at its time, until ctx ends.
func (d *Daemon) watchHealth(ctx context.Context) {
	w := &d.wellness
	sources := append(w.machine.Sources(),
		health.Source{Name: "providers", Every: lookNear, After: lookNear, Deadline: probeTimeout, Look: func(ctx context.Context) ([]health.Found, time.Duration) {
			return d.providerConditions(d.look(ctx, func(p config.Provider, age time.Duration) bool {
				return age >= lookFar || p.OnDevice() && age >= lookNear/2
			})), 0
		}},
		health.Source{Name: "models", Every: lookModels, After: lookNear, Deadline: 5 * time.Second, Look: func(ctx context.Context) ([]health.Found, time.Duration) {
			return d.modelConditions(ctx), 0
		}},
		health.Source{Name: "self", Every: lookSelf, Deadline: 5 * time.Second, Look: func(context.Context) ([]health.Found, time.Duration) {
			return d.selfConditions(), 0
		}},
		health.Source{Name: "answers", Every: lookTry, After: lookTry, Deadline: triesAtOnce * tryTimeout, Look: func(ctx context.Context) ([]health.Found, time.Duration) {
			return d.tryModels(ctx), 0
		}},
	)
	health.Watch(ctx, w.set, sources, func(source string, after time.Duration) {
		d.log.Warn("a look at the machine is late", "source", source, "after", after.String())
	})
}

// refresh makes the looks that a person who asks should not get old news of.
func (d *Daemon) refresh(ctx context.Context) []admin.Provider {
	seen := d.refreshProviders(ctx)
	d.wellness.set.Put("self", time.Now(), d.selfConditions())
	return seen
}

func (d *Daemon) refreshProviders(ctx context.Context) []admin.Provider {
	seen := d.seen(ctx)
	d.wellness.set.Put("providers", time.Now(), d.providerConditions(seen))
	return seen
}

// refreshForProbe is refresh without a look at the disk, on which a probe should not have to wait; but whether the ledger can be
// written is known without one.
func (d *Daemon) refreshForProbe(ctx context.Context) []admin.Provider {
	if (d.books.Err() != nil) != (d.wellness.set.Severity(health.Ledger) > health.OK) {
		return d.refresh(ctx)
	}
	return d.refreshProviders(ctx)
}

// health is all of it for the operator.
func (d *Daemon) health(ctx context.Context) admin.Health {
	seen := d.refresh(ctx)
	d.wellness.set.Put("models", time.Now(), d.modelConditions(ctx))
	list := d.wellness.set.List()
	h := admin.Health{Severity: health.Worst(list), Conditions: list, Machine: d.wellness.machine.Facts()}
	h.Ready = d.readiness(seen)
	if s := d.wellness.gate.State(); s != nil {
		h.Pressure = s.Kind
		for _, a := range s.Actions {
			h.Actions = append(h.Actions, string(a))
		}
	}
	return h
}

// bad are the conditions that need somebody.
func bad(all []health.Condition) []health.Condition {
	out := []health.Condition{}
	for _, c := range all {
		if c.Bad() {
			out = append(out, c)
		}
	}
	return out
}
