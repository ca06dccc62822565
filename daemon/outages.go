package daemon

import (
	"fmt"
	"time"

	"corral/daemon/admin"
	"corral/daemon/event"
	"corral/daemon/health"
	"corral/daemon/resilience"
)

func shownOutage(o resilience.Outage) admin.Outage {
	return admin.Outage{Provider: o.Provider, Model: o.Model, Kind: string(o.Kind), Since: o.Since, Until: o.Until}
}

func (d *Daemon) outages() []admin.Outage {
	out := []admin.Outage{}
	for _, o := range d.nest.Outages() {
		out = append(out, shownOutage(o))
	}
	return out
}

// beginOutage makes a target fail for a while, as the operator asks.
func (d *Daemon) beginOutage(in admin.NewOutage) (admin.Outage, error) {
	if d.routing.Load().providers[in.Provider] == nil {
		return admin.Outage{}, fmt.Errorf("there is no provider %q; `corral status` shows them", in.Provider)
	}
	now := time.Now()
	o := resilience.Outage{Provider: in.Provider, Model: in.Model, Kind: resilience.OutageKind(in.Kind), Since: now, Until: now.Add(time.Duration(in.Seconds) * time.Second)}
	d.nest.BeginOutage(o)
	d.log.Warn("the operator began an outage, to see what happens", "provider", o.Provider, "model", o.Model, "kind", string(o.Kind), "until", o.Until)
	d.events.Publish(event.Outage{Provider: o.Provider, Model: short(o.Model), Kind: string(o.Kind), State: "begun", Until: o.Until})
	return shownOutage(o), nil
}

func (d *Daemon) endOutage(provider, model string) bool { return d.nest.EndOutage(provider, model) }

// tellOutages tells of outages that have ended, whichever way, and gives those that go on.
func (d *Daemon) tellOutages(was []resilience.Outage) []resilience.Outage {
	now := d.nest.Outages()
	for _, o := range was {
		on := false
		for _, x := range now {
			on = on || x.Provider == o.Provider && x.Model == o.Model
		}
		if !on {
			d.log.Info("an outage that the operator began is over", "provider", o.Provider, "model", o.Model)
			d.events.Publish(event.Outage{Provider: o.Provider, Model: short(o.Model), Kind: string(o.Kind), State: "ended", Until: o.Until})
		}
	}
	return now
}

func (d *Daemon) outageConditions() (found []health.Found) {
	for _, o := range d.nest.Outages() {
		name := o.Provider
		if o.Model != "" {
			name += "/" + o.Model
		}
		found = append(found, health.Found{Code: health.Outage, Subject: name, Severity: health.Warning,
			Text: fmt.Sprintf("made to fail by the operator (%s), until %s", o.Kind, o.Until.Format(time.TimeOnly)), Do: "corral outage end " + name})
	}
	return found
}
