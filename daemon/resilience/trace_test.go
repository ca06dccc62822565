package resilience

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/llm"
)

// notes is a trace that writes down what it is told.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) note(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, fmt.Sprintf(format, args...))
}

func (n *notes) Texts() bool      { return false }
func (n *notes) End(*llm.Outcome) {}

func (n *notes) Step(name string, _ time.Time) llm.Step { return noted{n, name} }

func (n *notes) Attempt(r *llm.Request, why llm.Again) llm.Attempt {
	n.note("ask %s %+v", r.Target.Provider, why)
	return notedAttempt{noted{n, r.Target.Provider}}
}

type noted struct {
	*notes
	name string
}

func (x noted) Note(key, value string) {}
func (x noted) End(err *llm.Error)     { x.note("end %s %s", x.name, code(err)) }

type notedAttempt struct{ noted }

func (x notedAttempt) Answered(reply *llm.Reply)       { x.note("answer %d", reply.Status) }
func (x notedAttempt) End(_ llm.Usage, err *llm.Error) { x.noted.End(err) }

func code(err *llm.Error) string {
	if err == nil {
		return "well"
	}
	return err.Code()
}

// TestTheTraceOfAnAttempt: every attempt that begins ends, and when.
func TestTheTraceOfAnAttempt(t *testing.T) {
	panics := func(context.Context, *llm.Request) (*llm.Reply, error) { panic("a fault") }
	for _, tt := range []struct {
		name   string
		script []fault
		second bool
		task   llm.Task
		leave  bool
		want   []string
	}{
		{name: "a stream", script: []fault{answer}, want: []string{"ask a {Resend:0 Retry: Fallback:}", "answer 200", "served", "end a well"}},
		{name: "a stream that breaks", script: []fault{breaksLater}, want: []string{"ask a {Resend:0 Retry: Fallback:}", "answer 200", "served", "end a target_broke_off"}},
		{name: "a caller who leaves", script: []fault{answer}, leave: true, want: []string{"ask a {Resend:0 Retry: Fallback:}", "answer 200", "served", "end a caller_left"}},
		{name: "again, and then another", script: []fault{status(503), reset, reset}, second: true, want: []string{
			"ask a {Resend:0 Retry: Fallback:}", "answer 503", "end a well",
			"ask a {Resend:1 Retry:error Fallback:}", "end a target_broke_off",
			"ask a {Resend:2 Retry:broken Fallback:}", "end a target_broke_off",
			"ask b {Resend:0 Retry: Fallback:broken}", "answer 200", "served", "end b well"}},
		{name: "a change", task: llm.Manage, script: []fault{answer}, want: []string{"ask a {Resend:0 Retry: Fallback:}", "answer 200", "served", "end a well"}},
		{name: "a fault of Corral's", script: []fault{panics}, want: []string{"ask a {Resend:0 Retry: Fallback:}", "end a internal_error", "a fault"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rules := plain()
			rules.Retry.Base, rules.Retry.Max = time.Millisecond, time.Millisecond
			a, b := &fake{name: "a", script: tt.script}, &fake{name: "b", script: []fault{answer}}
			p := &Plan{Candidates: []Candidate{a.candidate("")}}
			if tt.second {
				p.Candidates = append(p.Candidates, b.candidate(""))
			}
			n, r := &notes{}, chat()
			r.Trace = n
			if tt.task == llm.Manage {
				ep := *r.Endpoint
				ep.Task = llm.Manage
				r.Endpoint = &ep
			}
			func() {
				defer func() {
					if v := recover(); v != nil {
						n.note("%v", v)
					}
				}()
				reply, err := newNest(rules).Serve(t.Context(), r, p)
				if err != nil {
					t.Fatal(err)
				}
				n.note("served")
				if tt.leave {
					reply.Close()
				} else {
					drain(reply)
				}
			}()
			if !slices.Equal(n.lines, tt.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(n.lines, "\n"), strings.Join(tt.want, "\n"))
			}
		})
	}
}
