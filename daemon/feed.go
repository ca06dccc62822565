package daemon

import (
	"context"
	"strings"
	"time"

	"corral/daemon/admin"
	"corral/daemon/budget"
	"corral/daemon/config"
	"corral/daemon/event"
	"corral/daemon/health"
	"corral/daemon/journey"
	"corral/daemon/llm"
	"corral/daemon/resilience"
	"corral/store/ledger/record"
)

// toldText bounds a text of a call's event, in bytes: callers may send names of any length.
const toldText = 256

func short(s string) string {
	if len(s) <= toldText {
		return s
	}
	return strings.Clone(s[:toldText])
}

// tellCall tells the feed of a call that is over, and remembers how it went.
func (d *Daemon) tellCall(r *llm.Request, e record.Entry, others int64) {
	d.journeys.Add(journey.Past{ID: e.RequestID, Began: e.Time, Passed: r.Passed, Tries: r.Tries, First: e.FirstToken, Total: e.Duration, Status: e.Status,
		Code: e.ErrorCode, Hit: e.Flags&record.CacheHit != 0, Looked: e.Policy != ""})
	d.events.Publish(event.Call{
		RequestID: e.RequestID, TraceID: e.TraceID, Dialect: e.Dialect, Endpoint: e.Operation, Model: short(e.ModelAsked), Answered: short(e.ModelAnswered),
		Provider: e.Provider, Route: e.Route, Status: e.Status, Code: e.ErrorCode, Flags: e.Flags, MS: ms(e.Duration), FirstMS: ms(e.FirstToken),
		TokensIn: e.Tokens.Input, TokensOut: e.Tokens.Output, Cost: e.Cost, Attempts: e.Attempts,
		Key: short(r.Caller.KeyName), App: short(e.App), User: short(e.User), Others: others,
	})
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// tellEvery is how often what has no moment of its own is looked at for the feed.
const tellEvery = time.Second

// tellStates tells the feed what changed without anybody saying so: how much is under way, and whether the ledger can be
// written.
func (d *Daemon) tellStates(ctx context.Context) {
	tick := time.NewTicker(tellEvery)
	defer tick.Stop()
	var load event.Load
	failing := false
	var outages []resilience.Outage
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		outages = d.tellOutages(outages)
		if err := d.books.Err(); (err != nil) != failing {
			failing = err != nil
			e := event.Ledger{Failing: failing}
			if failing {
				e.Why = err.Error()
			}
			d.events.Publish(e)
		}
		if !d.events.Listening() {
			continue
		}
		now := event.Load{InFlight: d.limit.Inside()}
		for _, q := range d.nest.Queues() {
			now.Waiting += len(q.Waiting)
		}
		if now != load {
			load = now
			d.events.Publish(load)
		}
	}
}

// tellBudget tells the feed of a budget that is nearly used up, or used up.
func (d *Daemon) tellBudget(n budget.Notice) {
	d.events.Publish(event.Budget{Budget: n.Rule.String(), State: n.State, Scope: n.Rule.Scope, Who: short(n.Who), Spent: n.Spent, Limit: n.Rule.Limit, Then: n.Rule.Then, Until: n.Until})
}

// tellConfig tells the feed what became of a change to the config.
func (d *Daemon) tellConfig(err error, changed []string) {
	if err != nil {
		d.events.Publish(event.Config{Why: err.Error()})
		return
	}
	d.events.Publish(event.Config{InForce: true, Changed: changed, NeedsRestart: config.NeedsRestart(d.config.Started(), d.config.Current())})
}

// tellCondition tells the feed of a condition that took another severity.
func (d *Daemon) tellCondition(c health.Change) {
	d.events.Publish(event.Condition{Code: c.Code, Subject: c.Subject, Severity: c.Severity.String(), Was: c.Was.String(), Text: c.Text, Do: c.Do})
}

// tellProviders tells the feed which providers are no longer as they were seen last; before the first look all count as
// reachable.
func (d *Daemon) tellProviders(was map[string]admin.Provider, now []admin.Provider) {
	for _, p := range now {
		if old, seen := was[p.Name]; p.Reachable != (!seen || old.Reachable) {
			d.events.Publish(event.Provider{Name: p.Name, Reachable: p.Reachable, Problem: p.Problem})
		}
	}
}
