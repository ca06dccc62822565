// Package route is the stage that decides where a call goes: by the name of its model to the targets that the config gives
// for it, else as it is to the first provider.
package route

import (
	"context"
	"strings"
	"sync/atomic"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
)

// Table is where calls may go. It is never changed; Set puts another in its place.
type Table struct {
	Providers map[string]provider.Provider
	Default   provider.Provider // for names that no entry of Models has
	Models    map[string][]llm.Target
	Made      time.Time
	Away      func(model string) string // host that text for a model at Default goes to; empty: it stays on this device
}

// Router is the last stage: it hands the call to its target.
type Router struct{ table atomic.Pointer[Table] }

// New makes a Router.
func New(t *Table) *Router {
	r := &Router{}
	r.table.Store(t)
	return r
}

// Set puts t in force for calls to come.
func (x *Router) Set(t *Table) { x.table.Store(t) }

// Table is the one in force.
func (x *Router) Table() *Table { return x.table.Load() }

// Serve sends r to the first of its targets that speaks its dialect.
func (x *Router) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	t := x.table.Load()
	targets, named := t.Models[r.Model]
	if !named && strings.HasSuffix(r.Model, ":latest") {
		targets, named = t.Models[strings.TrimSuffix(r.Model, ":latest")] // clients of Ollama add it
	}
	switch name := r.Endpoint.Name; {
	case name == "models" || name == "tags":
		r.Target = llm.Target{Provider: t.Default.Name(), Why: "default"}
		reply, err := t.Default.Serve(ctx, r)
		if err != nil {
			return nil, err
		}
		return t.listed(ctx, r, reply)
	case name == "model" && named:
		return t.own(r), nil
	}
	if !named || r.Endpoint.Task == llm.Manage {
		if !t.Default.Can(r.Endpoint) {
			return nil, unsupported(r, t.Default.Name())
		}
		r.Target = llm.Target{Provider: t.Default.Name(), Why: "default", Away: t.Away(r.Model)}
		return t.Default.Serve(ctx, r)
	}
	for _, target := range targets {
		if p := t.Providers[target.Provider]; p != nil && p.Can(r.Endpoint) {
			r.Target = target
			return p.Serve(ctx, r)
		}
	}
	return nil, unsupported(r, r.Model)
}

func unsupported(r *llm.Request, what string) *llm.Error {
	return llm.Errorf(llm.Unsupported, "route", nil, "No target of %q speaks the API of %s. Ask in another dialect, or add a target that does to corral.yaml.",
		what, r.Path)
}
