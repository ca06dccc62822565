package meter

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/store/ledger/record"
)

// action is what became of what the guard found, in the ledger's word.
func action(r *llm.Request, f llm.Found) string {
	switch {
	case f.Act == llm.Block:
		return "block"
	case r.Masked.Has(f.Act):
		return "redact"
	}
	return "flag" // also where no target was asked that must not see it
}

// guarded adds to e what the guard found, and did.
func guarded(e *record.Entry, r *llm.Request) {
	e.Policy = r.Policy
	for _, f := range r.Found {
		a := action(r, f)
		e.Findings = append(e.Findings, record.Finding{Kind: f.Kind, Action: a, Count: f.Count})
		switch f.Class {
		case "secret":
			e.Flags |= record.FoundSecret
		case "pii":
			e.Flags |= record.FoundPII
		case "injection":
			e.Flags |= record.FoundInject
		}
		switch a {
		case "block":
			e.Flags |= record.Blocked
		case "redact":
			e.Flags |= record.Redacted
		}
	}
}

// Found is how often the guard found something of a kind since the start, and what became of it.
type Found struct {
	Class, Kind, Action string // Action: flag, redact or block
	Count               int
}

// Found lists what the guard found since the start. Kinds are a bounded list.
func (m *Meter) Found() []Found {
	s := m.series
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Found, 0, len(s.guarded))
	for _, f := range s.guarded {
		out = append(out, f.Found)
	}
	slices.SortFunc(out, func(a, b Found) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Action, b.Action))
	})
	return out
}

// guardSeries counts one kind of finding.
type guardSeries struct {
	Found
	found *metrics.Counter
}

// found counts what the guard found, and the calls that it did something about.
func (s *series) found(r *llm.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var counted [12]string // classes and actions of this call
	n := 0
	for _, f := range r.Found {
		key := Found{Class: f.Class, Kind: f.Kind, Action: action(r, f)}
		g := s.guarded[key]
		if g == nil {
			g = &guardSeries{key, s.set.GetOrCreateCounter(fmt.Sprintf("corral_guard_findings_total{class=%q,kind=%q,action=%q}", key.Class, key.Kind, key.Action))}
			s.guarded[key] = g
		}
		g.Count += f.Count
		g.found.Add(f.Count)
		name := fmt.Sprintf("corral_guard_calls_total{class=%q,action=%q}", key.Class, key.Action)
		if n < len(counted) && !slices.Contains(counted[:n], name) {
			counted[n] = name
			n++
			s.set.GetOrCreateCounter(name).Inc()
		}
	}
}

// seen is what the guard found, for the log: "email=2:redact iban=1:flag".
func seen(e *record.Entry) string {
	var b strings.Builder
	for i, f := range e.Findings {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%d:%s", f.Kind, f.Count, f.Action)
	}
	return b.String()
}
