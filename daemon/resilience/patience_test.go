package resilience

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/queue"
)

func TestColdLoadIsNoHang(t *testing.T) {
	for _, tt := range []struct {
		name    string
		loads   time.Duration // how long the target says that it is loading
		answers time.Duration // when it answers
		want    string
		at      time.Duration
	}{
		{"it answers in time", 0, 5 * time.Second, "", 5 * time.Second},
		{"it hangs", 0, time.Hour, "target_timeout", 10 * time.Second},
		{"it loads", 38 * time.Second, 42 * time.Second, "", 42 * time.Second},
		{"it loads and then thinks", 38 * time.Second, 49 * time.Second, "", 49 * time.Second},
		{"it loads and then hangs", 38 * time.Second, time.Hour, "target_timeout", 50 * time.Second},
		{"it loads for ever", time.Hour, time.Hour, "target_timeout", 70 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := DefaultRules()
				rules.Timeout = Timeout{Content: 10 * time.Second, Load: time.Minute}
				rules.Breaker.Slow = time.Second
				n := newNest(rules)
				a := &fake{name: "a", script: []fault{after(tt.answers, answer)}}
				if tt.loads > 0 {
					a.load.Store(true)
					time.AfterFunc(tt.loads, func() { a.load.Store(false) })
				}
				began := time.Now()
				reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
				if took := time.Since(began); took != tt.at {
					t.Errorf("it took %v, want %v", took, tt.at)
				}
				if tt.want != "" {
					if err == nil || llm.AsError(err).Code() != tt.want {
						t.Errorf("%v, want %s", err, tt.want)
					}
					time.Sleep(2 * time.Hour) // timers of the test
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if _, err := drain(reply); err != nil {
					t.Error(err) // its context must outlive the attempt
				}
				wantFailures := 0
				if tt.loads == 0 {
					wantFailures = 1 // slow without a reason
				}
				if s := n.Breakers()[0]; s.Failures != wantFailures {
					t.Errorf("%d failures, want %d", s.Failures, wantFailures)
				}
			})
		})
	}
}

func TestQueueHoldsAPlaceUntilTheAnswerIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := DefaultRules()
		rules.Queue = queue.Rules{Concurrent: 1, Waiting: 1}
		n := newNest(rules)
		a, b := &fake{name: "a", script: []fault{lasting(10 * time.Second)}}, &fake{name: "b", script: []fault{answer}}
		p := &Plan{Candidates: []Candidate{a.candidate("")}}
		first, err := n.Serve(context.Background(), chat(), p)
		if err != nil {
			t.Fatal(err)
		}
		waiting := make(chan *llm.Reply)
		go func() { reply, _ := n.Serve(context.Background(), chat(), p); waiting <- reply }()
		synctest.Wait()
		_, err = n.Serve(context.Background(), chat(), p)
		if e := llm.AsError(err); e.Kind != llm.Busy || e.RetryAfter <= 0 {
			t.Errorf("a third call: %v", err)
		}
		p2 := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
		reply, err := n.Serve(context.Background(), chat(), p2)
		if err != nil || reply.Route != "fallback:busy" {
			t.Fatalf("%v %v", reply, err)
		}
		reply.Close()
		if a.calls.Load() != 1 {
			t.Errorf("%d calls are in the server", a.calls.Load())
		}
		drain(first)
		second := <-waiting
		second.Close()
		if q := n.Queues()["a"]; q.Running != 0 {
			t.Errorf("%+v", q)
		}
	})
}

func TestPings(t *testing.T) {
	ep := func(d llm.Dialect, name string) *llm.Endpoint {
		return &llm.Endpoint{Name: name, Method: "POST", Dialect: d, Task: llm.Generate, Form: llm.SSE}
	}
	for _, tt := range []struct {
		name   string
		ep     *llm.Endpoint
		script []fault
		want   string
		err    string
		route  string
	}{
		{"quick", ep(llm.OpenAI, "chat_completions"), []fault{lasting(0)}, "ok", "", "model"},
		{"slow", ep(llm.OpenAI, "chat_completions"), []fault{after(25*time.Second, lasting(0))}, strings.Repeat(": corral is waiting for the model\n\n", 2) + "ok", "", "model"},
		{"anthropic", ep(llm.Anthropic, "messages"), []fault{after(15*time.Second, lasting(0))}, "event: ping\ndata: {\"type\": \"ping\"}\n\nok", "", "model"},
		{"fails late", ep(llm.OpenAI, "chat_completions"), []fault{after(15*time.Second, status(400))}, ": corral is waiting for the model\n\n", "target_error", "model"},
		{"fails late without a word", ep(llm.OpenAI, "chat_completions"), []fault{after(15*time.Second, fails(llm.Timeout))}, ": corral is waiting for the model\n\n", "target_timeout", "waiting"},
		{"lines have no ping", &llm.Endpoint{Name: "chat", Form: llm.NDJSON, Task: llm.Generate}, []fault{after(25*time.Second, lasting(0))}, "ok", "", "model"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := plain()
				rules.Ping = 10 * time.Second
				a := &fake{name: "a", script: tt.script}
				r := chat()
				r.Endpoint = tt.ep
				reply, err := newNest(rules).Serve(context.Background(), r, &Plan{Candidates: []Candidate{a.candidate("")}})
				if err != nil {
					t.Fatal(err)
				}
				text, err := drain(reply)
				code := ""
				if err != nil {
					code = llm.AsError(err).Code()
				}
				if text != tt.want || code != tt.err || reply.Route != tt.route {
					t.Errorf("%q, error %q, route %q", text, code, reply.Route)
				}
				if a.open.Load() != 0 {
					t.Error("a reply was not closed")
				}
			})
		})
	}
}

func TestCallerLeavesWhileItIsPinged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := plain()
		rules.Ping = time.Second
		a := &fake{name: "a", script: []fault{hang}}
		r := chat()
		r.Endpoint = &llm.Endpoint{Name: "messages", Dialect: llm.Anthropic, Form: llm.SSE, Task: llm.Generate}
		n := newNest(rules)
		reply, err := n.Serve(context.Background(), r, &Plan{Candidates: []Candidate{a.candidate("")}})
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Next()
		reply.Close()
		if q := n.Queues()["a"]; q.Running != 0 {
			t.Errorf("%+v", q)
		}
		if r.Target.Provider != "a" { // what became of the call is to be written down
			t.Errorf("asked of %+v", r.Target)
		}
	})
}

// TestSqueeze: under pressure one call at a time goes to a server on this device, whatever the rules say meanwhile; those elsewhere
// are not concerned.
func TestSqueeze(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(plain())
		here, away := &fake{name: "here", script: []fault{after(time.Second, answer)}}, &fake{name: "away", script: []fault{after(time.Second, answer)}}
		begin := func(f *fake, host string, calls int) {
			for range calls {
				go func() {
					reply, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{f.candidate(host)}})
					if err != nil {
						t.Error(err)
						return
					}
					drain(reply)
				}()
			}
			synctest.Wait()
		}
		begin(here, "", 3)
		if got := here.calls.Load(); got != 3 {
			t.Errorf("%d calls at once", got)
		}
		time.Sleep(2 * time.Second)
		n.Squeeze(1)
		begin(here, "", 3)
		begin(away, "example.org", 3)
		if q := n.Queues()["here"]; q.Running != 1 || len(q.Waiting) != 2 || away.calls.Load() != 3 {
			t.Errorf("%+v, %d elsewhere", q, away.calls.Load())
		}
		n.Set(plain()) // a config that is read again changes nothing in that
		if q := n.Queues()["here"]; q.Running != 1 || q.Rules.Concurrent != 1 {
			t.Errorf("%+v", q)
		}
		if u := n.Uses("here"); len(u) != 1 || u[0].Model != "m" || u[0].Running != 1 || n.Uses("nobody") != nil {
			t.Errorf("%+v", u)
		}
		n.Squeeze(0)
		synctest.Wait()
		if q := n.Queues()["here"]; q.Running != 3 || q.Rules.Concurrent != plain().Queue.Concurrent {
			t.Errorf("%+v", q)
		}
		time.Sleep(2 * time.Second)
	})
}
