// Package route is the stage that decides where a call may go: by the name of its model to the targets that the config
// gives for it, else as it is to the first provider. It makes the plan; resilience carries it out.
package route

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
	"corral/daemon/provider"
)

// Target is one target of a name, as the config gives it.
type Target struct {
	llm.Target
	Provider provider.Provider
	Keyed    bool // Corral has a key of its own there
}

// Model is a name of the config.
type Model struct {
	Targets    []Target
	LastResort []llm.LastResort
	LocalOnly  bool
}

// Table is where calls may go. It is never changed; Set puts another in its place.
type Table struct {
	Default   Target // for names that no entry of Models has; its Model is empty
	Models    map[string]*Model
	LocalOnly bool                      // no call leaves this device, whatever its model
	Away      func(model string) string // host that text for a model at Default goes to; empty: it stays on this device
	// Choose finds a target that the operator names, whether or not an entry of Models has it; nil: nobody may choose.
	Choose func(provider, model string) (Target, bool)
	Made   time.Time

	plans sync.Map // of planKey to *llm.Plan: made once for each name and endpoint that is asked for
}

type planKey struct {
	name string // of an entry of Models; empty: Default
	away string // Default's, by the model asked for
	ep   *llm.Endpoint
}

// Router is the stage.
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

// Stage gives each call its plan. Lists of models get the config's names added on their way back.
func (x *Router) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		t := x.table.Load()
		key := planKey{ep: r.Endpoint, away: t.Away("")}
		switch r.Endpoint.Name {
		case "models", "tags":
			r.Plan = t.plan(key)
			reply, err := next.Serve(ctx, r)
			if err != nil {
				return nil, err
			}
			return t.listed(ctx, r, reply)
		}
		if r.Chosen != "" {
			if err := t.choose(r); err != nil {
				return nil, err
			}
			leaving(ctx, r)
			return next.Serve(ctx, r)
		}
		if r.Endpoint.Task != llm.Manage { // which is about the server's own names
			key.name = t.named(r.Model)
		}
		if key.name != "" && r.Endpoint.Name == "model" {
			return t.own(r), nil
		}
		if key.name == "" && r.Endpoint.Carries() {
			if r.Endpoint.Method == "" { // nothing was read of the body, but where it goes is to be known
				r.Seems = seems(r)
			}
			key.away = t.Away(r.Model)
			for _, model := range r.Seems {
				key.away = cmp.Or(key.away, t.Away(model))
			}
		}
		r.Plan = t.plan(key)
		if r.Endpoint.Name == "show" && key.name != "" && len(r.Plan.Candidates) == 0 {
			return t.show(key.name), nil // so that `ollama run` takes the name, as /api/tags has it
		}
		if len(r.Plan.Candidates) == 0 && len(r.Plan.LastResort) == 0 {
			what := r.Model
			if key.name == "" {
				what = t.Default.Target.Provider
			}
			return nil, llm.Errorf(llm.Unsupported, "route", nil, "No target of %q can answer %s. Ask in another API, or add a target that can to corral.yaml.", what, r.Path)
		}
		leaving(ctx, r)
		if len(r.Plan.Candidates) > 1 {
			r.Plan = able(ctx, r)
		}
		if len(r.Plan.Candidates) > 0 {
			r.Target = r.Plan.Candidates[0].Target
		}
		return next.Serve(ctx, r)
	})
}

// Named is the config's name that model stands for; empty: none does.
func (t *Table) Named(model string) string { return t.named(model) }

// named is the config's name that model stands for; empty: none does. Clients of Ollama add :latest.
func (t *Table) named(model string) string {
	if _, ok := t.Models[model]; ok {
		return model
	}
	if short, ok := strings.CutSuffix(model, ":latest"); ok && t.Models[short] != nil {
		return short
	}
	return ""
}

func (t *Table) plan(k planKey) *llm.Plan {
	if p, ok := t.plans.Load(k); ok {
		return p.(*llm.Plan)
	}
	p := &llm.Plan{LocalOnly: t.LocalOnly}
	targets := []Target{t.Default}
	if m := t.Models[k.name]; m != nil {
		targets, p.LastResort, p.LocalOnly = m.Targets, m.LastResort, m.LocalOnly || t.LocalOnly
	}
	for _, to := range targets {
		if k.name == "" {
			to.Away = k.away
		}
		if to.Provider.Can(k.ep) {
			p.Candidates = append(p.Candidates, llm.Candidate{Target: to.Target, Handler: to.Provider, Keyed: to.Keyed})
		}
	}
	got, _ := t.plans.LoadOrStore(k, p)
	return got.(*llm.Plan)
}

// leaving gives r a plan that says of each target whether the text leaves this device, where its server has the last word: an Ollama
// passes some of its models on.
func leaving(ctx context.Context, r *llm.Request) {
	own := false
	for i := range r.Plan.Candidates {
		x := &r.Plan.Candidates[i]
		host, _ := x.Leaves(ctx, r, false)
		if host == x.Target.Away {
			continue
		}
		if !own { // others share the plan
			p := *r.Plan
			p.Candidates = slices.Clone(p.Candidates)
			r.Plan, own = &p, true
			x = &p.Candidates[i]
		}
		x.Target.Away = host
		if i == 0 {
			r.Target.Away = host
		}
	}
}

const (
	maxParts = 100 // of a form that are looked at
	maxName  = 512 // bytes of a model's name that is read out of a form
)

// seems are the models that a call may be for whose route is not known. Servers differ in where they look first: in the query, in which of
// several members of JSON, in which part of a form, as for sounds and pictures.
func seems(r *llm.Request) (names []string) {
	if q, err := url.ParseQuery(r.Query); err == nil {
		names = q["model"]
	}
	if p, err := dialect.Peek(r.Body); err == nil {
		for _, s := range p.Fields.Model {
			var name string
			if json.Unmarshal(r.Body[s.From:s.To], &name) == nil {
				names = append(names, name)
			}
		}
		return names
	}
	if len(r.Body) == 0 {
		return names
	}
	kind, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" {
		return append(names, llm.AnyModel)
	}
	form := multipart.NewReader(bytes.NewReader(r.Body), params["boundary"])
	found := false
	for range maxParts {
		part, err := form.NextPart()
		if err == io.EOF && found {
			return names
		}
		if err != nil {
			break
		}
		if part.FormName() != "model" {
			continue
		}
		name, err := io.ReadAll(io.LimitReader(part, maxName+1))
		if err != nil || len(name) > maxName {
			break
		}
		names, found = append(names, string(name)), true
	}
	return append(names, llm.AnyModel)
}
