package meter_test

import (
	"context"
	"io"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/store/ledger/record"
)

func TestWhatACallSaysOfTheService(t *testing.T) {
	left, leave := context.WithCancel(context.Background())
	leave()
	reply := func(status int, end error) *llm.Reply {
		return &llm.Reply{Status: status, Body: &body{pieces: []string{"x"}, err: end}, Provider: "local"}
	}
	fail := func(k llm.Kind) error { return &llm.Error{Kind: k, Message: "No."} }
	theirs := &llm.Plan{Candidates: []llm.Candidate{{Target: llm.Target{Provider: "local"}}}}
	ours := &llm.Plan{Candidates: []llm.Candidate{{Target: llm.Target{Provider: "local"}, Keyed: true}}}
	for _, c := range []struct {
		name  string
		ctx   context.Context
		task  llm.Task
		plan  *llm.Plan
		last  bool // a last resort
		reply *llm.Reply
		err   error
		want  record.Verdict
	}{
		{"answered", nil, llm.Generate, ours, false, reply(200, io.EOF), nil, record.Served},
		{"vectors", nil, llm.Embed, ours, false, reply(200, io.EOF), nil, record.Served},
		{"a list of models", nil, llm.Read, ours, false, reply(200, io.EOF), nil, record.Unjudged},
		{"a list of models of a target that is away", nil, llm.Read, ours, false, nil, fail(llm.Unreachable), record.Unjudged},
		{"a download", nil, llm.Manage, ours, false, reply(200, io.EOF), nil, record.Unjudged},
		{"a last resort", nil, llm.Generate, ours, true, reply(200, io.EOF), nil, record.Faulty},
		{"broke off", nil, llm.Generate, ours, false, reply(200, fail(llm.Broken)), nil, record.Faulty},
		{"the target ended it by a word of failure", nil, llm.Generate, ours, false, &llm.Reply{Status: 200, Body: &body{pieces: []string{"x"}, err: io.EOF, usage: llm.Usage{Failed: true}}, Provider: "local", Stream: true}, nil, record.Faulty},
		{"the caller left", left, llm.Generate, ours, false, reply(200, context.Canceled), nil, record.Unjudged},
		{"the caller left before", left, llm.Generate, ours, false, nil, context.Canceled, record.Unjudged},
		{"unreachable", nil, llm.Generate, ours, false, nil, fail(llm.Unreachable), record.Unanswered},
		{"too late", nil, llm.Generate, ours, false, nil, fail(llm.Timeout), record.Unanswered},
		{"a fault of Corral's", nil, llm.Generate, ours, false, nil, fail(llm.Internal), record.Unanswered},
		{"Corral stops", nil, llm.Generate, ours, false, nil, fail(llm.Stopping), record.Unanswered},
		{"the target's 500", nil, llm.Generate, ours, false, reply(500, io.EOF), nil, record.Unanswered},
		{"the target's 404", nil, llm.Generate, ours, false, reply(404, io.EOF), nil, record.Unjudged},
		{"the target refuses Corral's key", nil, llm.Generate, ours, false, reply(401, io.EOF), nil, record.Unanswered},
		{"the target limits Corral", nil, llm.Generate, ours, false, reply(429, io.EOF), nil, record.Unanswered},
		{"the target refuses the caller's key", nil, llm.Generate, theirs, false, reply(401, io.EOF), nil, record.Unjudged},
		{"the caller's nonsense", nil, llm.Generate, nil, false, nil, fail(llm.Invalid), record.Unjudged},
		{"the caller's key", nil, llm.Generate, nil, false, nil, fail(llm.Unauthorized), record.Unjudged},
		{"only a kept answer was wanted", nil, llm.Generate, ours, false, nil, fail(llm.NotKept), record.Unjudged},
		{"over a rate", nil, llm.Generate, nil, false, nil, fail(llm.TooMany), record.Limited},
		{"too many at once", nil, llm.Generate, nil, false, nil, fail(llm.Busy), record.Limited},
		{"paused by the operator", nil, llm.Generate, nil, false, nil, fail(llm.Paused), record.Limited},
		{"over a budget", nil, llm.Generate, ours, false, nil, fail(llm.OverBudget), record.Limited},
		{"no room at the target", nil, llm.Generate, ours, false, nil, fail(llm.Busy), record.Unanswered},
		{"the target has said to come back later", nil, llm.Generate, ours, false, nil, fail(llm.TooMany), record.Unanswered},
	} {
		o := observe(t, meter.Rules{})
		r := request("m")
		ep := *chat
		ep.Task = c.task
		r.Endpoint, r.Plan, r.LastResort = &ep, c.plan, c.last
		ctx := c.ctx
		if ctx == nil {
			ctx = t.Context()
		}
		o.serve(ctx, r, c.reply, c.err, -1)
		o.m.Close()
		if len(o.led.entries) != 1 || o.led.entries[0].Verdict != c.want {
			t.Errorf("%s: %+v, want verdict %d", c.name, o.led.entries, c.want)
		}
	}
}
