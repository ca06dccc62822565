package resilience

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

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
		{"400 to other words", []fault{translated(status(400))}, 1, "400 its own", ok + " fallback:refused"},
		{"422 to other words", []fault{translated(status(422))}, 1, "422 its own", ok + " fallback:refused"},
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

// TestWhatIsSaidOfARefusal: where one target refuses the call as wrong the caller hears what became of all, and where all do, why.
func TestWhatIsSaidOfARefusal(t *testing.T) {
	refuses := translated(status(400))
	for _, tt := range []struct {
		name          string
		first, second fault
		status        int
		want          string // that the caller is told
	}{
		{"both", refuses, translated(status(422)), 422, "its own"},
		{"and the call is wrong in its own words too", refuses, status(400), 400, "its own"},
		{"and the other is away", refuses, fails(llm.Timeout), 502, "No target could answer: a/m refused the call, which was translated for it (status 400); b/m did not answer in time. Please try again later."},
		{"after the other was away", fails(llm.Timeout), refuses, 502, "No target could answer: a/m did not answer in time; b/m refused the call, which was translated for it (status 400). Please try again later."},
		{"and the other cannot", refuses, fails(llm.Unsupported), 502, "No target could answer: a/m refused the call, which was translated for it (status 400); b/m cannot do what was asked. Leave out what they cannot take, or ask a target that speaks this API itself."},
		{"and neither can", fails(llm.Unsupported), status(413), 501, "No target could answer: a/m cannot do what was asked; b/m cannot do what was asked (status 413). Leave out what they cannot take, or ask a target that speaks this API itself."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a, b := &fake{name: "a", script: []fault{tt.first}}, &fake{name: "b", script: []fault{tt.second}}
				n := newNest(DefaultRules())
				reply, err := n.Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("x"), b.candidate("y")}})
				var status int
				var text string
				if err != nil {
					status, text = llm.AsError(err).Status(), llm.AsError(err).Message
				} else {
					status = reply.Status
					text, _ = drain(reply)
				}
				if status != tt.status || text != tt.want {
					t.Errorf("got  %d %s\nwant %d %s", status, text, tt.status, tt.want)
				}
				if a.open.Load()+b.open.Load() != 0 {
					t.Error("a reply was not closed")
				}
			})
		})
	}
}

// TestALastResortDoesNotHideThatTheCallIsWrong.
func TestALastResortDoesNotHideThatTheCallIsWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &fake{name: "a", script: []fault{translated(status(400))}}
		reply, err := newNest(plain()).Serve(context.Background(), chat(), &Plan{Candidates: []Candidate{a.candidate("x")}, LastResort: []LastResort{{Static: "The model is away."}}})
		if err != nil {
			t.Fatal(err)
		}
		if text, _ := drain(reply); reply.Status != 400 || text != "its own" {
			t.Errorf("%d %s", reply.Status, text)
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
					if _, err := n.Serve(context.Background(), r, &Plan{LastResort: resorts}); err == nil || llm.AsError(err).Kind != llm.Unsupported {
						t.Errorf("without any target: %v", err)
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
				if reply, err = n.Serve(context.Background(), chat(), &Plan{LastResort: resorts}); err != nil || reply.Route != tt.route {
					t.Errorf("without any target: %+v, %v", reply, err)
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
