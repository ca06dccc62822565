package resilience

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

// forwarder is a target on this device that may pass calls on.
type forwarder struct {
	*fake
	now   string     // where to, as it says when it is asked to be sure
	err   *llm.Error // why it does not say
	asked int
	told  int // how often it was sent something
}

func (f *forwarder) Sending(*llm.Request, string) func() (string, bool) {
	f.told++
	return func() (string, bool) { return f.now, true }
}

func (f *forwarder) Forwards(ctx context.Context, _ *llm.Request, model string, sure bool) (string, *llm.Error) {
	if f.asked++; !sure || model != "m" {
		return "", llm.Errorf(llm.Internal, "ask", nil, "asked for %q, %v", model, sure)
	}
	if f.err != nil && f.err.Kind == llm.Timeout {
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
	return f.now, f.err
}

// hiding is a mask that hides something from targets that are not on this device, or from all.
type hiding struct{ always, away bool }

func (m hiding) Hides(t llm.Target) bool { return m.always || m.away && t.Away != "" }
func (m hiding) Minds() bool             { return m.away }
func (m hiding) Serve(ctx context.Context, r *llm.Request, target llm.Handler) (*llm.Reply, error) {
	reply, err := target.Serve(ctx, r)
	if reply != nil {
		reply.Digest = "masked for " + r.Target.Away
	}
	return reply, err
}

// TestWhatMustStayIsSentToNobodyWhoPassesItOn, though the plan says that it stays.
func TestWhatMustStayIsSentToNobodyWhoPassesItOn(t *testing.T) {
	untold := llm.Errorf(llm.Timeout, "ask", nil, "it did not say")
	gone := llm.Errorf(llm.Unreachable, "ask", nil, "nobody listens")
	for _, c := range []struct {
		name  string
		now   string
		err   *llm.Error
		local bool
		mask  llm.Mask
		sent  int64
		alone string // what the caller gets where there is no other
		two   string // and where there is one
		left  string
	}{
		{"it need not", "far", nil, false, nil, 1, "200 ok", "200 ok model", ""},
		{"it stays", "", nil, true, nil, 1, "200 ok", "200 ok model", ""},
		{"it would leave", "far", nil, true, nil, 0, "unsupported", "200 ok fallback:not_local", ""},
		{"nobody says", "", untold, true, nil, 0, "target_timeout", "200 ok fallback:not_told", ""},
		{"nobody is there", "", gone, true, nil, 0, "target_unreachable", "200 ok fallback:unreachable", ""},
		{"hidden here as there", "far", nil, false, hiding{always: true}, 1, "200 ok, masked for ", "200 ok model, masked for ", ""},
		{"hidden if it leaves", "far", nil, false, hiding{away: true}, 1, "200 ok, masked for far", "200 ok model, masked for far", "far"},
		{"hidden here, and more if it leaves", "far", nil, false, hiding{true, true}, 1, "200 ok, masked for far", "200 ok model, masked for far", "far"},
		{"not hidden as it stays", "", nil, false, hiding{away: true}, 1, "200 ok", "200 ok model", ""},
		{"hidden if it leaves, and nobody says", "", untold, false, hiding{away: true}, 0, "target_timeout", "200 ok fallback:not_told", ""},
	} {
		for _, alone := range []bool{true, false} {
			t.Run(c.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					first := &forwarder{fake: &fake{name: "first", script: []fault{answer}}, now: c.now, err: c.err}
					second := &fake{name: "second", script: []fault{answer}}
					x := first.candidate("")
					x.Handler = first
					p, want := &Plan{Candidates: []Candidate{x}, LocalOnly: c.local}, c.alone
					if !alone {
						p.Candidates, want = append(p.Candidates, second.candidate("")), c.two
					}
					r := chat()
					r.Mask = c.mask
					n := newNest(DefaultRules())
					reply, err := n.Serve(t.Context(), r, p)
					got := ""
					if err != nil {
						got = llm.AsError(err).Code()
						if c.now != "" && (!errors.Is(err, llm.ErrStays) || !strings.Contains(llm.AsError(err).Message, c.now)) {
							t.Errorf("the error is %v", err)
						}
					} else {
						text, _ := drain(reply)
						got = "200 " + text
						if !alone {
							got += " " + reply.Route
						}
						if reply.Digest != "" {
							got += ", " + reply.Digest
						}
					}
					if got != want || first.calls.Load() != c.sent || r.Left != c.left || (first.asked > 0) != (c.local || c.mask != nil && c.mask.Minds()) {
						t.Errorf("%s, sent %d times, left %q, asked to be sure %d times", got, first.calls.Load(), r.Left, first.asked)
					}
					if try := r.Tries[0]; try.Sent != (c.sent > 0) || (try.Where != nil) != try.Sent || first.told != int(c.sent) {
						t.Errorf("the first try is %+v, told %d times", try, first.told)
					}
				})
			})
		}
	}
}

// TestWhatMustStayHarmsNobodyElse: that a server does not say where a call would go opens no breaker for those that may leave.
func TestWhatMustStayHarmsNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &forwarder{fake: &fake{name: "first", script: []fault{answer}}, err: llm.Errorf(llm.Timeout, "ask", nil, "it did not say")}
		x := f.candidate("")
		x.Handler = f
		n := newNest(DefaultRules())
		for range 20 {
			if _, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{x}, LocalOnly: true}); err == nil {
				t.Fatal("it was sent")
			}
		}
		reply, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{x}})
		if err != nil {
			t.Fatal(err)
		}
		drain(reply)

		ctx, leave := context.WithCancel(t.Context())
		time.AfterFunc(time.Millisecond, leave)
		r := chat()
		if _, err := n.Serve(ctx, r, &Plan{Candidates: []Candidate{x}, LocalOnly: true}); err == nil || llm.AsError(err).Kind != llm.Gone || f.calls.Load() != 1 {
			t.Errorf("a caller who left meanwhile: %v, sent %d times", err, f.calls.Load())
		}
	})
}

// TestWhatWasNotSentHasNotLeft.
func TestWhatWasNotSentHasNotLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			name   string
			script []fault
			left   string
		}{{"answered", []fault{answer}, "far"}, {"nobody listens", []fault{refuse}, ""}, {"reset", []fault{reset}, "far"}, {"refused, then reset", []fault{refuse, reset}, "far"}, {"reset, then refused", []fault{reset, refuse}, "far"},
			{"no key", []fault{fails(llm.Internal)}, ""}, {"not to be put into its words", []fault{fails(llm.Unsupported)}, ""}, {"it hangs", []fault{fails(llm.Timeout)}, "far"}} {
			f, r := &fake{name: "first", script: c.script}, chat()
			if reply, err := newNest(plain()).Serve(t.Context(), r, &Plan{Candidates: []Candidate{f.candidate("far")}}); err == nil {
				drain(reply)
			}
			if r.Left != c.left {
				t.Errorf("%s: left %q", c.name, r.Left)
			}
		}
	})
}

// TestAModelThatMovesWaitsWhereItIs: whether a call waits for a place at the server on this device is settled for each call.
func TestAModelThatMovesWaitsWhereItIs(t *testing.T) {
	f := &fake{name: "first", script: []fault{answer}}
	n := newNest(DefaultRules())
	for _, away := range []string{"far", "", "far"} {
		r := chat()
		reply, err := n.Serve(t.Context(), r, &Plan{Candidates: []Candidate{f.candidate(away)}})
		if err != nil {
			t.Fatal(err)
		}
		running := n.Queues()["first"].Running
		if want := map[string]int{"": 1}[away]; running != want {
			t.Errorf("at %q: %d have a place", away, running)
		}
		drain(reply)
	}
}
