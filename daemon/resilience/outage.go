package resilience

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"corral/daemon/llm"
)

// OutageKind is how a target fails that is made to.
type OutageKind string

const (
	Refuse OutageKind = "refuse" // as if nobody listened
	Hang   OutageKind = "hang"   // it takes the call and never answers
	Error  OutageKind = "error"  // it answers with status 500
)

// Outage is a target that fails by the operator's wish, for a time. It is known to this process only, so none outlives a restart.
type Outage struct {
	Provider, Model string // Model is the provider's own name; empty: all of its models
	Kind            OutageKind
	Since, Until    time.Time

	ended chan struct{} // closed when the operator ends it, or begins another in its place
}

// BeginOutage makes a target fail until o.Until. Calls for it meet the failure where they would meet the server's own, so retries,
// breaker and fallback do what they would do.
func (n *Nest) BeginOutage(o Outage) {
	o.ended = make(chan struct{})
	n.changeOutages(func(list []Outage) []Outage { return append(without(list, o.Provider, o.Model), o) })
}

// EndOutage ends one before its time; false: there is none.
func (n *Nest) EndOutage(provider, model string) (was bool) {
	n.changeOutages(func(list []Outage) []Outage {
		left := without(list, provider, model)
		was = len(left) < len(list)
		return left
	})
	return was
}

// Outages are those that go on.
func (n *Nest) Outages() []Outage {
	p := n.outages.Load()
	if p == nil {
		return nil
	}
	return current(*p)
}

func (n *Nest) changeOutages(change func([]Outage) []Outage) {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []Outage
	if p := n.outages.Load(); p != nil {
		list = current(*p)
	}
	if list = change(list); len(list) == 0 {
		n.outages.Store(nil)
		return
	}
	n.outages.Store(&list)
}

func current(list []Outage) []Outage {
	now := time.Now()
	return slices.DeleteFunc(slices.Clone(list), func(o Outage) bool { return !now.Before(o.Until) })
}

// without is list but for the outages of that target, which are over.
func without(list []Outage, provider, model string) []Outage {
	return slices.DeleteFunc(slices.Clone(list), func(o Outage) bool {
		its := o.Provider == provider && o.Model == model
		if its {
			close(o.ended)
		}
		return its
	})
}

// outage is the one that t is in; nil: none. While there are none at all it costs one load.
func (n *Nest) outage(t llm.Target, asked string) *Outage {
	p := n.outages.Load()
	if p == nil {
		return nil
	}
	model := t.Model
	if model == "" {
		model = asked
	}
	for _, o := range *p {
		if o.Provider == t.Provider && (o.Model == "" || o.Model == model) && time.Now().Before(o.Until) {
			return &o
		}
	}
	return nil
}

// InOutage is the outage that a target is in; false: it is in none. model is the provider's own name for it.
func (n *Nest) InOutage(provider, model string) (Outage, bool) {
	if o := n.outage(llm.Target{Provider: provider, Model: model}, model); o != nil {
		return *o, true
	}
	return Outage{}, false
}

// fail is what the target gives in place of an answer.
func (o *Outage) fail(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	switch o.Kind {
	case Hang:
		over := time.NewTimer(time.Until(o.Until))
		defer over.Stop()
		select {
		case <-ctx.Done():
			return nil, llm.Ended(ctx)
		case <-over.C:
		case <-o.ended:
		}
		return nil, llm.Errorf(llm.Broken, "ask "+o.Provider, nil, "An outage of %q that the operator began is over; please try again.", o.Provider)
	case Error:
		const body = `{"error":"an outage that the operator began"}`
		return &llm.Reply{Status: http.StatusInternalServerError, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(body)),
			Body: &failure500{rest: body}, Provider: o.Provider, Model: r.Target.Model, Route: r.Target.Why}, nil
	}
	return nil, llm.Errorf(llm.Unreachable, "ask "+o.Provider, nil, "The model server at %q cannot be reached: the operator began an outage to see what happens.", o.Provider)
}

// failure500 is the body of an error answer.
type failure500 struct{ rest string }

func (b *failure500) Next() ([]byte, error) {
	if b.rest == "" {
		return nil, io.EOF
	}
	out := strings.Clone(b.rest)
	b.rest = ""
	return []byte(out), nil
}
func (b *failure500) More() bool       { return false }
func (b *failure500) Last() bool       { return b.rest == "" }
func (b *failure500) Usage() llm.Usage { return llm.NoUsage }
func (b *failure500) Close()           {}
