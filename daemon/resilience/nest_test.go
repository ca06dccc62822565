package resilience

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/resilience/breaker"
	"corral/daemon/resilience/queue"
	"corral/daemon/resilience/retry"
)

// fault is what a fake target does with a call.
type fault func(ctx context.Context, r *llm.Request) (*llm.Reply, error)

// fake is a target that does one thing after another; the last one from then on.
type fake struct {
	name   string
	script []fault
	calls  atomic.Int64
	open   atomic.Int64 // replies that have not been closed
	load   atomic.Bool  // says that it is loading
}

func (f *fake) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	n := int(f.calls.Add(1)) - 1
	reply, err := f.script[min(n, len(f.script)-1)](ctx, r)
	if reply != nil {
		reply.Provider, reply.Route, reply.Model = f.name, r.Target.Why, r.Target.Model
		f.open.Add(1)
		reply.Body.(*bodyOf).closed = func() { f.open.Add(-1) }
	}
	return reply, err
}

func (f *fake) Loading(context.Context, string) (bool, error) { return f.load.Load(), nil }

func (f *fake) candidate(away string) Candidate {
	return Candidate{Target: llm.Target{Provider: f.name, Model: "m", Why: "model", Away: away}, Handler: f, Keyed: away != ""}
}

// bodyOf gives its pieces, and then err.
type bodyOf struct {
	ctx    context.Context
	pieces []string
	every  time.Duration
	err    error
	closed func()
}

func (b *bodyOf) Next() ([]byte, error) {
	if b.every > 0 {
		if !retry.Sleep(b.ctx, b.every) {
			return nil, llm.Ended(b.ctx)
		}
	}
	if len(b.pieces) == 0 {
		return nil, b.err
	}
	p := b.pieces[0]
	b.pieces = b.pieces[1:]
	return []byte(p), nil
}
func (b *bodyOf) More() bool       { return false }
func (b *bodyOf) Last() bool       { return false }
func (b *bodyOf) Usage() llm.Usage { return llm.NoUsage }
func (b *bodyOf) Close() {
	if b.closed != nil {
		b.closed()
		b.closed = nil
	}
}

func answer(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: 2, Stream: r.Stream, Body: &bodyOf{ctx: ctx, pieces: []string{"ok"}, err: io.EOF}}, nil
}

// lasting is a stream that goes on for d after its first content.
func lasting(d time.Duration) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, pieces: []string{"ok"}, every: d, err: io.EOF}}, nil
	}
}

func after(d time.Duration, then fault) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		if !retry.Sleep(ctx, d) {
			return nil, llm.Ended(ctx)
		}
		return then(ctx, r)
	}
}

func fails(k llm.Kind) fault {
	return func(context.Context, *llm.Request) (*llm.Reply, error) {
		return nil, llm.Errorf(k, "ask", errors.New("secret-key"), "the provider's own words at 10.0.0.7")
	}
}

func refuse(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return fails(llm.Unreachable)(ctx, r)
}
func reset(ctx context.Context, r *llm.Request) (*llm.Reply, error) { return fails(llm.Broken)(ctx, r) }

func hang(ctx context.Context, _ *llm.Request) (*llm.Reply, error) {
	<-ctx.Done()
	return nil, llm.Ended(ctx)
}

func status(code int, header ...string) fault {
	return func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		h := http.Header{}
		for i := 0; i < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &llm.Reply{Status: code, Header: h, Length: 7, Body: &bodyOf{ctx: ctx, pieces: []string{"its own"}, err: io.EOF}}, nil
	}
}

func nothingAtAll(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: 0, Body: &bodyOf{ctx: ctx, err: io.EOF}}, nil
}

func breaksLater(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, pieces: []string{"half"}, err: llm.Errorf(llm.Broken, "read", nil, "broke off")}}, nil
}

func chat() *llm.Request {
	return &llm.Request{ID: "r1", Endpoint: &llm.Endpoint{Name: "chat", Method: "POST", Form: llm.NDJSON, Task: llm.Generate, Streams: true}, Method: "POST",
		Header: http.Header{}, Model: "m", Stream: true, Body: []byte(`{"model":"m"}`)}
}

func plain() Rules {
	r := DefaultRules()
	r.Breaker.Failures, r.Breaker.Rate = 0, 0
	return r
}

// fixed draws the longest wait there may be, all but.
func fixed() float64 { return 0.999999 }

func newNest(r Rules) *Nest { return New(Options{Rules: r, Random: fixed}) }

// drain reads a reply to its end and closes it.
func drain(reply *llm.Reply) (string, error) {
	defer reply.Close()
	var s strings.Builder
	for {
		b, err := reply.Body.Next()
		s.Write(b)
		if err == io.EOF {
			return s.String(), nil
		}
		if err != nil {
			return s.String(), err
		}
	}
}

// TestJourneyThroughFailures is the table of what is done about each failure of the first target, alone and with a second.
func TestJourneyThroughFailures(t *testing.T) {
	const ok = "200 ok"
	for _, tt := range []struct {
		name   string
		script []fault
		asked  int    // times that the first target is asked
		alone  string // what the caller gets where there is no other
		two    string // and where there is one; the route where it answers
	}{
		{"answers", []fault{answer}, 1, ok, ok + " model"},
		{"refuses once", []fault{refuse, answer}, 2, ok, ok + " model"},
		{"refuses", []fault{refuse}, 3, "target_unreachable", ok + " fallback:unreachable"},
		{"resets once", []fault{reset, answer}, 2, ok, ok + " model"},
		{"resets", []fault{reset}, 3, "target_broke_off", ok + " fallback:broken"},
		{"hangs", []fault{hang}, 1, "target_timeout", ok + " fallback:timeout"},
		{"says too late", []fault{fails(llm.Timeout)}, 1, "target_timeout", ok + " fallback:timeout"},
		{"an error in the stream", []fault{fails(llm.TargetRefused)}, 3, "target_error", ok + " fallback:error"},
		{"garbage", []fault{fails(llm.BadAnswer)}, 3, "target_bad_answer", ok + " fallback:bad_answer"},
		{"nothing", []fault{nothingAtAll}, 3, "target_bad_answer", ok + " fallback:empty"},
		{"500", []fault{status(500)}, 3, "500 its own", ok + " fallback:error"},
		{"503 and then well", []fault{status(503), status(503), answer}, 3, ok, ok + " model"},
		{"501", []fault{status(501)}, 1, "501 its own", ok + " fallback:unsupported"},
		{"500 not to be retried", []fault{status(500, "X-Should-Retry", "false")}, 1, "500 its own", ok + " fallback:error"},
		{"400", []fault{status(400)}, 1, "400 its own", "400 its own model"},
		{"422", []fault{status(422)}, 1, "422 its own", "422 its own model"},
		{"404", []fault{status(404)}, 1, "404 its own", ok + " fallback:not_found"},
		{"408", []fault{status(408)}, 3, "408 its own", ok + " fallback:not_now"},
		{"409", []fault{status(409)}, 3, "409 its own", ok + " fallback:not_now"},
		{"413", []fault{status(413)}, 1, "413 its own", ok + " fallback:unsupported"},
		{"429", []fault{status(429)}, 3, "429 its own", ok + " fallback:rate_limited"},
		{"429 for a second", []fault{status(429, "Retry-After", "1"), answer}, 2, ok, ok + " model"},
		{"429 for an hour", []fault{status(429, "Retry-After", "3600"), answer}, 1, "429 its own", ok + " fallback:rate_limited"},
		{"401", []fault{status(401)}, 1, "401 its own", ok + " fallback:auth"},
		{"403", []fault{status(403)}, 1, "403 its own", ok + " fallback:auth"},
		{"a key that cannot be read", []fault{fails(llm.Internal)}, 1, "internal_error", ok + " fallback:internal"},
		{"the caller's own body fails", []fault{fails(llm.TooLarge)}, 1, "request_too_large", "request_too_large"},
	} {
		for _, alone := range []bool{true, false} {
			for _, stream := range []bool{true, false} {
				t.Run(tt.name, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						first, second := &fake{name: "first", script: tt.script}, &fake{name: "second", script: []fault{answer}}
						p, want := &Plan{Candidates: []Candidate{first.candidate("")}}, tt.alone
						if !alone {
							p.Candidates, want = append(p.Candidates, second.candidate("far.example")), tt.two
						}
						r := chat()
						r.Stream = stream
						reply, err := newNest(plain()).Serve(context.Background(), r, p)
						var got string
						if err != nil {
							got = llm.AsError(err).Code()
						} else {
							text, _ := drain(reply)
							got = itoa(reply.Status) + " " + text
							if !alone {
								got += " " + reply.Route
							}
						}
						if got != want {
							t.Errorf("the caller got %q, want %q", got, want)
						}
						if n := int(first.calls.Load()); n != tt.asked {
							t.Errorf("the first target was asked %d times, want %d", n, tt.asked)
						}
						if n := first.open.Load() + second.open.Load(); n != 0 {
							t.Errorf("%d replies were not closed", n)
						}
					})
				})
			}
		}
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

func TestAllFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &fake{name: "local", script: []fault{refuse}}, &fake{name: "cloud", script: []fault{status(503)}}
		_, err := newNest(plain()).Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}})
		e := llm.AsError(err)
		if want := "No target could answer: local/m cannot be reached; cloud/m failed (status 503). Please try again later."; e.Message != want {
			t.Errorf("got  %s\nwant %s", e.Message, want)
		}
		if e.Status() != 502 || strings.Contains(e.Message, "its own") || strings.Contains(e.Message, "secret") {
			t.Errorf("status %d: %s", e.Status(), e.Message)
		}
		if b.open.Load() != 0 {
			t.Error("the discarded replies were not closed")
		}
	})
}

func TestAllLimitedSaysWhenToComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &fake{name: "a", script: []fault{status(429, "Retry-After", "90")}}, &fake{name: "b", script: []fault{status(429, "Retry-After", "30")}}
		_, err := newNest(plain()).Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("x"), b.candidate("y")}})
		if e := llm.AsError(err); e.Kind != llm.TooMany || e.RetryAfter != 30*time.Second {
			t.Errorf("%s, again in %v; want rate_limited, 30s", e.Code(), e.RetryAfter)
		}
	})
}

func TestWhatMayNotBeDone(t *testing.T) {
	manage := &llm.Endpoint{Name: "pull", Method: "POST", Task: llm.Manage, Form: llm.NDJSON}
	upload := &llm.Endpoint{Name: "blob_upload", Method: "POST", Task: llm.Upload}
	unknown := &llm.Endpoint{Name: "other", Pattern: "/api/"}
	list := &llm.Endpoint{Name: "tags", Method: "GET"}
	for _, tt := range []struct {
		name          string
		change        func(r *llm.Request, p *Plan)
		script        []fault
		first, second int // times asked
	}{
		{"managing is done once", func(r *llm.Request, _ *Plan) { r.Endpoint = manage }, []fault{reset}, 1, 0},
		{"an upload is done once", func(r *llm.Request, _ *Plan) { r.Endpoint = upload }, []fault{status(503)}, 1, 0},
		{"what is not known is done once", func(r *llm.Request, _ *Plan) { r.Endpoint = unknown }, []fault{reset}, 1, 0},
		{"unless it never arrived", func(r *llm.Request, _ *Plan) { r.Endpoint = unknown }, []fault{refuse}, 3, 1},
		{"or is only a question", func(r *llm.Request, _ *Plan) { r.Endpoint, r.Method = unknown, "GET" }, []fault{reset}, 3, 1},
		{"lists are asked for again", func(r *llm.Request, _ *Plan) { r.Endpoint, r.Method = list, "GET" }, []fault{reset}, 3, 1},
		{"fallback off", func(r *llm.Request, _ *Plan) { r.Header.Set("Corral-Fallback", "Off") }, []fault{status(503)}, 3, 0},
		{"local only", func(_ *llm.Request, p *Plan) { p.LocalOnly = true }, []fault{status(503)}, 3, 0},
		{"local only, the first is away", func(_ *llm.Request, p *Plan) {
			p.LocalOnly, p.Candidates[0].Target.Away, p.Candidates[1].Target.Away = true, "far.example", ""
		}, []fault{status(503)}, 0, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := &fake{name: "a", script: tt.script}, &fake{name: "b", script: []fault{answer}}
				p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("far.example")}}
				r := chat()
				tt.change(r, p)
				if reply, err := newNest(plain()).Serve(context.Background(), r, p); err == nil {
					reply.Close()
				}
				if x, y := int(a.calls.Load()), int(b.calls.Load()); x != tt.first || y != tt.second {
					t.Errorf("asked %d and %d times, want %d and %d", x, y, tt.first, tt.second)
				}
			})
		})
	}
}

func TestNoTargetOnThisDevice(t *testing.T) {
	a := &fake{name: "a", script: []fault{answer}}
	_, err := newNest(plain()).Serve(context.Background(), chat(), &Plan{LocalOnly: true, Candidates: []Candidate{a.candidate("far.example")}})
	if e := llm.AsError(err); e.Kind != llm.Unsupported || a.calls.Load() != 0 {
		t.Errorf("%v, asked %d times", e, a.calls.Load())
	}
}

func TestLastResorts(t *testing.T) {
	similar := func(_ context.Context, r *llm.Request) *llm.Reply {
		return &llm.Reply{Status: 200, Length: -1, Provider: "cache", Body: &bodyOf{pieces: []string{"alike"}, err: io.EOF}}
	}
	resorts := []LastResort{{Similar: true}, {Static: "The model is away."}}
	for _, tt := range []struct {
		name    string
		similar func(context.Context, *llm.Request) *llm.Reply
		change  func(r *llm.Request)
		route   string // of the reply; empty: an error
		text    string
	}{
		{"similar", similar, func(*llm.Request) {}, "similar", "alike"},
		{"nothing similar", nil, func(*llm.Request) {}, "static", "The model is away."},
		{"fallback off", similar, func(r *llm.Request) { r.Header.Set("Corral-Fallback", "off") }, "", ""},
		{"vectors have no sentence", nil, func(r *llm.Request) { r.Endpoint = &llm.Endpoint{Name: "embed", Task: llm.Embed} }, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &fake{name: "a", script: []fault{refuse}}
				var told string
				n := New(Options{Rules: plain(), Similar: tt.similar, Hooks: Hooks{Fallback: func(from, to llm.Target, cause string) { told = from.Provider + " " + to.Why + " " + cause }}})
				r := chat()
				tt.change(r)
				reply, err := n.Serve(context.Background(), r, &Plan{Candidates: []Candidate{a.candidate("")}, LastResort: resorts})
				if tt.route == "" {
					if err == nil {
						t.Fatal("an answer came")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				text, _ := drain(reply)
				if reply.Route != tt.route || !strings.Contains(text, tt.text) {
					t.Errorf("%s: %s", reply.Route, text)
				}
				if told != "a "+tt.route+" unreachable" {
					t.Errorf("the hook was told %q", told)
				}
			})
		})
	}
}

// The wait asked for must end before the caller's deadline, or there is no wait.
func TestNoRetryPastTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fake{name: "a", script: []fault{status(503, "Retry-After", "4"), answer}}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		began := time.Now()
		reply, err := newNest(plain()).Serve(ctx, chat(), &Plan{Candidates: []Candidate{a.candidate("")}})
		if err != nil || reply.Status != 503 || time.Since(began) != 0 {
			t.Fatalf("%v %v after %v", reply, err, time.Since(began))
		}
		reply.Close()
	})
}

func TestCallerLeaves(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script fault
	}{{"while it waits for the target", hang}, {"between two attempts", refuse}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				rules := DefaultRules()
				rules.Breaker.Failures = 2
				rules.Retry.Base, rules.Retry.Max = time.Minute, time.Minute
				n := newNest(rules)
				a, b := &fake{name: "a", script: []fault{tt.script}}, &fake{name: "b", script: []fault{answer}}
				p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
				ctx, cancel := context.WithCancel(context.Background())
				defer time.AfterFunc(time.Second, cancel).Stop()
				_, err := n.Serve(ctx, chat(), p)
				if e := llm.AsError(err); e.Kind != llm.Gone || a.calls.Load() != 1 || b.calls.Load() != 0 {
					t.Errorf("%v; asked %d and %d times", e, a.calls.Load(), b.calls.Load())
				}
				if q := n.Queues()["a"]; q.Running != 0 || len(q.Waiting) != 0 {
					t.Errorf("the queue still has %+v", q)
				}
			})
		})
	}
}

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

func TestStreamsThatBreakOpenTheBreaker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newNest(DefaultRules())
		a, b := &fake{name: "a", script: []fault{breaksLater}}, &fake{name: "b", script: []fault{answer}}
		p := &Plan{Candidates: []Candidate{a.candidate(""), b.candidate("x")}}
		for range 5 {
			reply, err := n.Serve(context.Background(), chat(), p)
			if err != nil {
				t.Fatal(err)
			}
			if text, err := drain(reply); text != "half" || err == nil {
				t.Fatalf("%q %v: what broke off after its first content may not be put right unseen", text, err)
			}
		}
		if a.calls.Load() != 5 {
			t.Errorf("asked %d times for 5 calls: committed calls are not retried", a.calls.Load())
		}
		reply, err := n.Serve(context.Background(), chat(), p)
		if err != nil || reply.Route != "fallback:open" {
			t.Fatalf("%+v %v", reply, err)
		}
		reply.Close()
	})
}

// failedBody ends well for the caller, by the target's own word of failure.
type failedBody struct{ bodyOf }

func (*failedBody) Failed() bool { return true }

// lastBody says with its last piece that it is the last.
type lastBody struct{ bodyOf }

func (b *lastBody) Last() bool { return len(b.pieces) == 0 }

func TestHowAStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name     string
		body     llm.Body
		pieces   int // that the caller reads
		failures int // counted, after one before
	}{
		{"to the end", &bodyOf{pieces: []string{"a"}, err: io.EOF}, 2, 0},
		{"to the last piece", &lastBody{bodyOf{pieces: []string{"a"}, err: io.EOF}}, 1, 0},
		{"not to the end", &bodyOf{pieces: []string{"a", "b"}, err: io.EOF}, 1, 1},
		{"by a word of failure", &failedBody{bodyOf{pieces: []string{"a"}, err: io.EOF}}, 2, 2},
		{"broken", &bodyOf{pieces: []string{"a"}, err: llm.Errorf(llm.Broken, "", nil, "")}, 2, 2},
		{"Corral stops", &bodyOf{pieces: []string{"a"}, err: llm.Errorf(llm.Stopping, "", nil, "")}, 2, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNest(DefaultRules())
			n.rules.Load().Retry.MaxAttempts = 1
			target := llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
				return &llm.Reply{Status: 200, Stream: true, Body: tt.body}, nil
			})
			x := Candidate{Target: llm.Target{Provider: "a", Model: "m"}, Handler: llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
				return nil, llm.Errorf(llm.Broken, "", nil, "")
			})}
			n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{x}})
			x.Handler = target
			reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{x}})
			if err != nil {
				t.Fatal(err)
			}
			for range tt.pieces {
				reply.Body.Next()
			}
			reply.Close()
			reply.Close()
			if s := n.Breakers()[0]; s.Failures != tt.failures {
				t.Errorf("%d failures, want %d", s.Failures, tt.failures)
			}
			if q := n.Queues()["a"]; q.Running != 0 {
				t.Errorf("%d in the queue", q.Running)
			}
		})
	}
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

func BenchmarkNest(b *testing.B) {
	reply := &llm.Reply{Status: 200, Stream: true, Length: -1}
	body := &bodyOf{err: io.EOF}
	target := llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { reply.Body = body; return reply, nil })
	p := &Plan{Candidates: []Candidate{{Target: llm.Target{Provider: "local", Why: "default"}, Handler: target}}}
	unbounded := DefaultRules()
	unbounded.Timeout = Timeout{}
	pinging := DefaultRules()
	pinging.Ping = 15 * time.Second
	for _, tt := range []struct {
		name  string
		rules Rules
		ep    *llm.Endpoint
	}{
		{"whole nest", DefaultRules(), chat().Endpoint},
		{"without timeouts", unbounded, chat().Endpoint},
		{"with pings", pinging, &llm.Endpoint{Name: "messages", Form: llm.SSE, Task: llm.Generate}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			n := New(Options{Rules: tt.rules})
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			r := chat()
			r.Endpoint = tt.ep
			b.ReportAllocs()
			for b.Loop() {
				reply, err := n.Serve(ctx, r, p)
				if err != nil {
					b.Fatal(err)
				}
				reply.Body.Next()
				reply.Close()
			}
		})
	}
}

func TestAStreamEndsWhenItsTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// drips is an answer that takes a quarter of an hour.
		drips := func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			return &llm.Reply{Status: 200, Length: -1, Stream: true, Body: &bodyOf{ctx: ctx, every: time.Second, pieces: slices.Repeat([]string{"drop"}, 1000)}}, nil
		}
		f := &fake{name: "one", script: []fault{drips}}
		rules := DefaultRules()
		rules.Timeout.Whole = 10 * time.Second
		rules.Breaker.Failures = 1
		n := New(Options{Rules: rules})
		reply, err := n.Serve(t.Context(), chat(), &Plan{Candidates: []Candidate{f.candidate(""), f.candidate("")}})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		for err == nil {
			_, err = reply.Body.Next()
		}
		reply.Close()
		if e := llm.AsError(err); e.Kind != llm.Timeout || !strings.Contains(e.Message, "timeouts.whole") || time.Since(began) != 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		if s := n.Breaker("one", "m").Snapshot().State; s != breaker.Open {
			t.Errorf("the breaker is %v", s)
		}
		if f.open.Load() != 0 {
			t.Error("the reply was not closed")
		}
	})
}
