package daemon

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"corral/daemon/admin"
	"corral/daemon/gateway"
	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/route"
	"corral/store/keys"
)

// errExplained ends a call that is only explained where it would have been sent.
var errExplained = &llm.Error{Kind: llm.Internal, Message: "explained"}

// explain takes a call through the stages that decide where it goes, up to the one that would ask a target. They are the same
// stages, so what it says is what would be.
func (d *Daemon) explain(ctx context.Context, in admin.Explain) (admin.Explained, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	r, err := d.imagined(in)
	if err != nil {
		return admin.Explained{}, err
	}
	out := admin.Explained{Candidates: []admin.ExplainCandidate{}, LastResort: []string{}, Cache: "no"}
	var routed, paid, spared *llm.Plan // the plan after each stage
	note := func(to **llm.Plan) func(llm.Handler) llm.Handler {
		return func(next llm.Handler) llm.Handler {
			return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				*to = r.Plan
				if to == &routed {
					out.Cache = d.cache.Would(ctx, r)
				}
				return next.Serve(ctx, r)
			})
		}
	}
	gate := d.wellness.gate.Trial()
	end := llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, errExplained })
	_, err = llm.Chain(end, d.pause.Stage, d.decoder.Stage, d.router.Stage, note(&routed), d.budgets.Stage, note(&paid), gate.Stage, note(&spared)).Serve(ctx, r)
	if r.Release != nil {
		r.Release()
	}
	var why *llm.Error
	if errors.As(err, &why) && why != errExplained {
		out.Refused, out.Status = why.Message, why.Status()
	}
	if r.OverBudget {
		out.Budget = "a budget is used up, or this call may cost more than is left; corral usage budgets shows which"
	}
	if s := gate.State(); s != nil {
		out.Pressure = s.Kind
	}

	t := d.router.Table()
	targets := []route.Target{t.Default}
	r.Model = cmp.Or(r.Model, in.Model) // a pause refuses before the body is read
	if name := t.Named(r.Model); name != "" {
		out.Name, targets = name, t.Models[name].Targets
		for _, l := range t.Models[name].LastResort {
			if !in.Alone && r.Endpoint.Task == llm.Generate { // others get none
				out.LastResort = append(out.LastResort, cmp.Or(l.Static, "an answer to a question alike, from the cache"))
			}
		}
	}
	d.explainTargets(&out, r, targets, in.Alone, routed, paid, spared)
	out.Text = sentenceOf(&out, d.silent(ctx, &out))
	return out, nil
}

// silent says of the candidates that would be asked which providers do not answer at the moment.
func (d *Daemon) silent(ctx context.Context, out *admin.Explained) map[string]bool {
	silent := map[string]bool{}
	for _, p := range d.seen(ctx) {
		if p.Reachable || p.Checked.IsZero() {
			continue
		}
		silent[p.Name] = true
		for i := range out.Candidates {
			if c := &out.Candidates[i]; c.Provider == p.Name && (c.Taken == "first" || c.Taken == "next") {
				c.Why += "; it does not answer at the moment: " + p.Problem
			}
		}
	}
	return silent
}

func (d *Daemon) explainTargets(out *admin.Explained, r *llm.Request, targets []route.Target, alone bool, plans ...*llm.Plan) {
	var last *llm.Plan
	for _, p := range plans {
		if p != nil {
			last = p
		}
	}
	states := map[string]breaker.Snapshot{}
	for _, b := range d.nest.Breakers() {
		states[b.Target.Provider+"/"+b.Target.Model] = b
	}
	asked := false
	if last != nil && out.Refused == "" {
		for i := range last.Candidates {
			x := &last.Candidates[i]
			if last.LocalOnly && !x.OnDevice() {
				continue
			}
			c := admin.ExplainCandidate{Provider: x.Target.Provider, Model: cmp.Or(x.Target.Model, r.Model), Away: x.Target.Away}
			b, seen := states[c.Provider+"/"+c.Model]
			if seen {
				c.State = b.State.String()
			}
			fails, failing := d.nest.InOutage(c.Provider, c.Model)
			switch {
			case len(out.Candidates) > 0 && alone:
				c.Taken, c.Why = "out", "the caller takes no other target (Corral-Fallback: off)"
			case failing:
				c.Taken, c.Why = "skipped", fmt.Sprintf("the operator makes it fail (%s) until %s; corral outage list shows it", fails.Kind, fails.Until.Format(time.TimeOnly))
			case d.nest.Away(c.Provider, c.Model):
				c.Taken, c.Why = "skipped", "it is left alone: "+cmp.Or(b.Why, "by hand")
				if !b.NextProbe.IsZero() {
					c.Why += fmt.Sprintf("; a call goes there again in %s", max(time.Until(b.NextProbe).Round(time.Second), time.Second))
				}
			case asked:
				c.Taken, c.Why = "next", "it is asked if those before it fail"
			case len(out.Candidates) > 0:
				c.Taken, c.Why, asked = "first", "it is the first that is not left alone or made to fail", true
			default:
				c.Taken, c.Why, asked = "first", whyFirst(x.Target.Why), true
			}
			out.Candidates = append(out.Candidates, c)
		}
	}
	has := func(p *llm.Plan, t llm.Target) bool {
		return p != nil && slices.ContainsFunc(p.Candidates, func(x llm.Candidate) bool {
			return x.Target.Provider == t.Provider && x.Target.Model == t.Model && (!p.LocalOnly || x.OnDevice())
		})
	}
	stays := func(p *llm.Plan, t llm.Target, host *string) bool {
		if p == nil {
			return true
		}
		for i := range p.Candidates {
			if x := &p.Candidates[i]; x.Target.Provider == t.Provider && x.Target.Model == t.Model {
				*host = x.Target.Away
				return !p.LocalOnly || x.OnDevice()
			}
		}
		return true
	}
	for _, t := range targets {
		if out.Refused == "" && has(last, t.Target) {
			continue
		}
		c := admin.ExplainCandidate{Provider: t.Target.Provider, Model: cmp.Or(t.Target.Model, r.Model), Away: t.Target.Away, Taken: "out"}
		switch {
		case !t.Provider.Can(r.Endpoint):
			c.Why = "it cannot answer in this API"
		case out.Refused != "" && plans[0] == nil:
			c.Why = "the call is refused before a target is chosen"
		case !stays(plans[0], t.Target, &c.Away):
			c.Why = fmt.Sprintf("it would be answered at %s, and %s may be answered on this device only (local_only)", c.Away, cmp.Or(out.Name, r.Model))
		case !has(plans[0], t.Target):
			c.Why = "its model cannot do what the call needs: tools, pictures, vectors, or the length of its text"
		case !has(plans[1], t.Target):
			c.Why = "a budget is used up, and it costs something"
		default:
			c.Why = "the machine is short: its model is not in memory, or another is preferred"
		}
		out.Candidates = append(out.Candidates, c)
	}
}

func whyFirst(why string) string {
	switch {
	case why == "default":
		return "no entry of models has this name, so the first provider is asked"
	case why == "model":
		return "it is the first target of this name"
	case why == "capable":
		return "it is the first target that can do what the call needs"
	case strings.HasPrefix(why, "pressure:"):
		return "it is preferred while the machine is short of " + strings.TrimPrefix(why, "pressure:")
	}
	return "Corral-Route: " + why
}

func sentenceOf(x *admin.Explained, silent map[string]bool) string {
	if x.Refused != "" {
		return "The call would be refused: " + x.Refused
	}
	for i, c := range x.Candidates {
		if c.Taken != "first" {
			continue
		}
		s := c.Provider + "/" + c.Model + " would be asked first"
		if silent[c.Provider] {
			s += ", and does not answer at the moment"
		}
		if c.Away != "" {
			s += ", and the text would go to " + c.Away
		}
		if i > 0 {
			s += "; what stands before it would not"
		}
		return s + "."
	}
	if len(x.LastResort) > 0 {
		return "No target would answer, so the last resort would."
	}
	return "No target would answer, and the call would fail."
}

// imagined is the call that is explained.
func (d *Daemon) imagined(in admin.Explain) (*llm.Request, error) {
	names := map[string]string{"ollama chat": "chat", "openai chat": "chat_completions", "anthropic chat": "messages", "ollama embed": "embed", "openai embed": "v1_embeddings"}
	name := names[cmp.Or(in.Dialect, "openai")+" "+cmp.Or(in.Task, "chat")]
	ep := gateway.Endpoint(name)
	if ep == nil {
		return nil, fmt.Errorf("%s has no call for vectors; choose another API", in.Dialect)
	}
	text := strings.Repeat("word", max(in.Tokens, 1))
	message := map[string]any{"role": "user", "content": text}
	if in.Images {
		const dot = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
		switch ep.Dialect {
		case llm.Ollama:
			message["images"] = []string{dot}
		case llm.OpenAI:
			message["content"] = []any{map[string]any{"type": "text", "text": text}, map[string]any{"type": "image_url", "image_url": map[string]string{"url": "data:image/png;base64," + dot}}}
		case llm.Anthropic:
			message["content"] = []any{map[string]any{"type": "text", "text": text}, map[string]any{"type": "image", "source": map[string]string{"type": "base64", "media_type": "image/png", "data": dot}}}
		}
	}
	body := map[string]any{"model": in.Model, "messages": []any{message}, "stream": in.Stream, "max_tokens": 1024}
	if ep.Task == llm.Embed {
		body = map[string]any{"model": in.Model, "input": text}
	}
	if in.Tools {
		schema := map[string]any{"type": "object", "properties": map[string]any{}}
		body["tools"] = []any{map[string]any{"type": "function", "function": map[string]any{"name": "look", "parameters": schema}, "name": "look", "input_schema": schema}}
	}
	if in.Greedy {
		body["temperature"] = 0
		if ep.Dialect == llm.Ollama {
			body["options"] = map[string]any{"temperature": 0}
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if in.Alone {
		h["Corral-Fallback"] = []string{"off"}
	}
	caller := llm.Caller{App: in.App, User: in.User, Remote: "127.0.0.1"}
	if in.Key != "" {
		k, ok := keys.Find(d.books.keySet().List(), in.Key)
		if !ok {
			return nil, fmt.Errorf("there is no app key %q; `corral keys list` shows them", in.Key)
		}
		caller.Key, caller.KeyName = k.ID, k.Name
	}
	return &llm.Request{ID: "explain", Endpoint: ep, Method: http.MethodPost, Path: ep.Pattern, Header: h, Start: time.Now(), Source: bytes.NewReader(b), Length: int64(len(b)),
		Caller: caller}, nil
}
