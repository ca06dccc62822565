package daemon

import (
	"context"
	"fmt"
	"slices"
	"time"

	"corral/daemon/health"
	"corral/daemon/pressure"
)

// relieve keeps what is done against pressure in step with the conditions, until ctx ends.
func (d *Daemon) relieve(ctx context.Context) {
	w := &d.wellness
	tick := time.NewTicker(lookSelf)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.again:
		case <-tick.C:
		}
		d.act(d.weigh())
		if s := w.gate.State(); s.May(pressure.UnloadIdle) && s.Kind == "memory" {
			d.unloadIdle(ctx)
		}
	}
}

// weigh says what pressure there is; nil: none. A shortage of memory hides too much heat.
func (d *Daemon) weigh() *pressure.State {
	w := &d.wellness
	s := &pressure.State{}
	switch {
	case w.set.Severity(health.Memory) >= health.Warning:
		s.Kind, s.Text = "memory", "memory is short on this machine"
	case w.set.Severity(health.Temperature) >= health.Warning, w.set.Severity(health.GPUTemperature) >= health.Warning, w.machine.Hot():
		s.Kind, s.Text = "heat", "this machine is too hot"
	default:
		return nil
	}
	for _, a := range d.config.Current().Health.Pressure {
		s.Actions = append(s.Actions, pressure.Action(a))
	}
	return s
}

// act does what s asks for, and undoes what it no longer does.
func (d *Daemon) act(s *pressure.State) {
	w := &d.wellness
	was := w.gate.State()
	same := was == nil && s == nil || was != nil && s != nil && was.Kind == s.Kind && slices.Equal(was.Actions, s.Actions)
	if same {
		return
	}
	w.gate.Set(s)
	most := 0
	if s.May(pressure.LowerConcurrency) {
		most = 1
	}
	d.nest.Squeeze(most)
	short := func(s *pressure.State) bool { return s.May(pressure.ShrinkCache) && s.Kind == "memory" }
	if short(s) != short(was) {
		w.short.Store(short(s))
		d.sizeCache(d.config.Current())
	}
	if s == nil {
		d.log.Info("the pressure on the machine is over", "was", was.Kind)
		return
	}
	d.log.Warn("the machine is under pressure", "kind", s.Kind, "actions", s.Actions)
}

// unusedFor is how long a model must have been left unused before it is let go because memory is short.
const unusedFor = time.Minute

func (d *Daemon) unloadIdle(ctx context.Context) {
	for name, h := range d.holders() {
		let, err := d.wellness.room.Idle(ctx, name, h, unusedFor)
		for _, model := range let {
			d.log.Warn("a model that nobody used was let go, because memory is short", "provider", name, "model", model)
			d.set.GetOrCreateCounter(fmt.Sprintf("corral_models_unloaded_total{provider=%q}", name)).Inc()
		}
		if err != nil && ctx.Err() == nil {
			d.log.Warn("models that nobody uses cannot be let go", "provider", name, "cause", err)
		}
	}
}
