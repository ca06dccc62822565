package resilience

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
)

func TestCallersWhoLeaveDoNotOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a := &fake{name: "a", script: []fault{lasting(time.Minute)}}
		for range 50 {
			reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
			if err != nil {
				t.Fatal(err)
			}
			reply.Close() // in the middle of it
		}
		if s := n.Breakers()[0]; s.State != breaker.Closed || s.Failures != 0 {
			t.Errorf("%+v", s)
		}
	})
}

func TestMostlyUpWithTheFirstTargetKilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var dead atomic.Bool
		a := &fake{name: "a", script: []fault{func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			if dead.Load() {
				return refuse(ctx, r)
			}
			return after(100*time.Millisecond, func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				if dead.Load() {
					return reset(ctx, r) // killed while it was thinking
				}
				return lasting(0)(ctx, r)
			})(ctx, r)
		}}}
		b := &fake{name: "b", script: []fault{after(300*time.Millisecond, lasting(0))}}
		n := New(Options{Rules: DefaultRules()})
		p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
		const calls = 50 * 60
		var bad atomic.Int64
		done := make(chan struct{}, calls)
		for i := range calls {
			if i == calls/3 {
				dead.Store(true)
			}
			go func() {
				defer func() { done <- struct{}{} }()
				reply, err := n.Serve(context.Background(), chat(), p)
				if err == nil {
					_, err = drain(reply)
				}
				if err != nil {
					bad.Add(1)
				}
			}()
			time.Sleep(time.Second / 50)
		}
		for range calls {
			<-done
		}
		t.Logf("%d of %d calls failed; the dead target was asked %d times", bad.Load(), calls, a.calls.Load()-calls/3)
		if bad.Load()*1000 > calls {
			t.Errorf("%d of %d calls failed", bad.Load(), calls)
		}
	})
}

// In an outage of all there is, 500 calls a second must not become 1500.
func TestBudgetBoundsATotalOutage(t *testing.T) {
	for _, tt := range []struct {
		name  string
		rules func() Rules
	}{{"with the breaker", DefaultRules}, {"by the budget alone", plain}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fake{name: "a", script: []fault{after(5*time.Millisecond, status(503))}}
				n := New(Options{Rules: tt.rules()})
				p := &Plan{Candidates: []Candidate{a.candidate("")}}
				const seconds = 20
				done := make(chan struct{}, 500*seconds)
				for second := range seconds {
					for range 500 {
						go func() {
							defer func() { done <- struct{}{} }()
							if reply, err := n.Serve(context.Background(), chat(), p); err == nil {
								reply.Close()
							}
						}()
						time.Sleep(2 * time.Millisecond)
					}
					if calls := int64(500 * (second + 1)); a.calls.Load()*10 > calls*12 {
						t.Errorf("%d attempts for %d calls", a.calls.Load(), calls)
					}
				}
				for range 500 * seconds {
					<-done
				}
				t.Logf("%d attempts for %d calls", a.calls.Load(), 500*seconds)
			})
		})
	}
}

func TestFiveHundredWaitersOnAHalfOpenBreaker(t *testing.T) {
	for _, probes := range []int{1, 3} {
		synctest.Test(t, func(t *testing.T) {
			rules := DefaultRules()
			rules.Breaker.Probes = probes
			rules.Retry.MaxAttempts = 1
			n := New(Options{Rules: rules})
			script := slices.Repeat([]fault{reset}, 5)
			a := &fake{name: "a", script: append(script, hang)}
			p := &Plan{Candidates: []Candidate{a.candidate("")}}
			for range 5 {
				n.Serve(context.Background(), chat(), p)
			}
			time.Sleep(time.Minute)
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan error, 500)
			for range 500 {
				go func() { _, err := n.Serve(ctx, chat(), p); done <- err }()
			}
			synctest.Wait()
			if got := int(a.calls.Load()) - 5; got != probes {
				t.Errorf("%d probes were sent, want %d", got, probes)
			}
			for range 500 - probes {
				if e := llm.AsError(<-done); e.Kind != llm.Busy || e.RetryAfter <= 0 {
					t.Fatalf("%v", e)
				}
			}
			// The probes leave; their places are free again.
			cancel()
			for range probes {
				<-done
			}
			if s := n.Breakers()[0]; s.Probing != 0 || s.State != breaker.HalfOpen {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestRetryStopsWhenTheBreakerOpens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rules := DefaultRules()
		rules.Breaker.Failures = 2
		n := newNest(rules)
		a := &fake{name: "a", script: []fault{status(503)}}
		reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
		if err != nil || reply.Status != 503 || a.calls.Load() != 2 {
			t.Fatalf("%v %v, asked %d times", reply, err, a.calls.Load())
		}
		reply.Close()
		began := time.Now()
		_, err = n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
		if e := llm.AsError(err); e.Kind != llm.Busy || e.RetryAfter != time.Minute || time.Since(began) != 0 || a.calls.Load() != 2 {
			t.Errorf("%v %v, asked %d times", e, e.RetryAfter, a.calls.Load())
		}
	})
}

// A server that is restarted is asked again a second later, not a minute.
func TestRestartedServerIsFoundSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a := &fake{name: "a", script: append(slices.Repeat([]fault{refuse}, 5), answer)}
		b := &fake{name: "b", script: []fault{refuse}}
		p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("")}}
		n.Serve(context.Background(), chat(), p)
		n.Serve(context.Background(), chat(), p)
		if s := n.Breakers()[0]; s.State != breaker.Open {
			t.Fatalf("%+v", s)
		}
		time.Sleep(time.Second)
		reply, err := n.Serve(context.Background(), chat(), p)
		if err != nil {
			t.Fatal(err)
		}
		drain(reply)
		if s := n.Breakers()[0]; s.State != breaker.Closed {
			t.Errorf("%+v", s)
		}
	})
}

// Where nobody else could answer, and being refused costs nothing, the next call is a try like any other.
func TestTheOnlyServerOnThisDeviceIsAlwaysAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a := &fake{name: "a", script: append(slices.Repeat([]fault{refuse, status(500)}, 10), answer)}
		p := &Plan{Candidates: []Candidate{a.candidate("")}}
		for range 20 {
			if reply, err := n.Serve(context.Background(), chat(), p); err == nil {
				drain(reply)
			}
		}
		if s := n.Breakers()[0]; s.State != breaker.Closed || a.calls.Load() < 21 {
			t.Errorf("%+v, asked %d times", s, a.calls.Load())
		}
	})
}

func TestRefusedKeyClosesATargetUntilReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a, b := &fake{name: "a", script: []fault{status(401)}}, &fake{name: "b", script: []fault{answer}}
		p := &Plan{Candidates: []Candidate{a.candidate("x"), b.candidate("")}}
		serve := func() {
			reply, err := n.Serve(context.Background(), chat(), p)
			if err != nil || reply.Route != "fallback:auth" {
				t.Fatalf("%v %v", reply, err)
			}
			drain(reply)
		}
		serve()
		serve()
		if s := n.Breaker("a", "m").Snapshot(); s.State != breaker.Auth || a.calls.Load() != 1 {
			t.Errorf("%+v, asked %d times", s, a.calls.Load())
		}
		n.Set(DefaultRules())
		serve()
		if a.calls.Load() != 2 {
			t.Errorf("after a reload it was asked %d times, want 2", a.calls.Load())
		}
	})
}

// Where the caller's own key goes through, one caller's bad key must not shut out the others.
func TestCallersOwnKeyIsTheirOwnMatter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a := &fake{name: "a", script: []fault{status(401), status(429, "Retry-After", "3600"), answer}}
		x := a.candidate("far.example")
		x.Keyed = false
		for _, want := range []int{401, 429, 200} {
			reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{x}})
			if err != nil || reply.Status != want {
				t.Fatalf("%v %v, want %d", reply, err, want)
			}
			reply.Close()
		}
	})
}

func TestInventedNamesAreBounded(t *testing.T) {
	n := newNest(DefaultRules())
	a := &fake{name: "a", script: []fault{answer}}
	x := a.candidate("")
	x.Target.Model = ""
	for i := range 3 * maxTargets {
		r := chat()
		r.Model = "m" + string(rune('a'+i%26)) + itoa(i/26)
		reply, err := n.Serve(context.Background(), r, &Plan{Candidates: []Candidate{x}})
		if err != nil {
			t.Fatal(err)
		}
		drain(reply)
	}
	if got := len(n.Breakers()); got > maxTargets {
		t.Errorf("%d targets are remembered", got)
	}
}

// Who hangs in an outage goes on as soon as the operator ends it, or begins another in its place.
func TestAnOutageThatEndsLetsGo(t *testing.T) {
	for name, end := range map[string]func(*Nest){
		"ended":    func(n *Nest) { n.EndOutage("a", "") },
		"replaced": func(n *Nest) { n.BeginOutage(Outage{Provider: "a", Kind: Refuse, Until: time.Now().Add(time.Hour)}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := plain()
				rules.Timeout = Timeout{}
				n := newNest(rules)
				a := &fake{name: "a", script: []fault{answer}}
				n.BeginOutage(Outage{Provider: "a", Kind: Hang, Since: time.Now(), Until: time.Now().Add(time.Hour)})
				began := time.Now()
				var wg sync.WaitGroup
				wg.Go(func() {
					_, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
					if took := time.Since(began); (err == nil) != (name == "ended") || took < time.Minute || took > 2*time.Minute { // a retry's wait is in it
						t.Errorf("%v after %v", err, took)
					}
				})
				time.Sleep(time.Minute)
				end(n)
				wg.Wait()
			})
		})
	}
}

// A target that panics keeps no place in its queue.
func TestAPanicLeavesTheQueue(t *testing.T) {
	n := newNest(plain())
	a := &fake{name: "a", script: []fault{func(context.Context, *llm.Request) (*llm.Reply, error) { panic("a target") }}}
	func() {
		defer func() {
			if got := recover(); got != "a target" {
				t.Errorf("got %v", got)
			}
		}()
		_, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
		t.Errorf("got %v", err)
	}()
	if q := n.Queues()["a"]; q.Running != 0 {
		t.Errorf("%+v", q)
	}
}
