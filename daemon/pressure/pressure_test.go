package pressure

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
)

// server is a model server that loads models.
type server struct {
	name string

	mu       sync.Mutex
	held     []string
	sizes    map[string]uint64
	unloaded []string
	stuck    bool // what it is told to let go stays
	away     bool
}

func (s *server) Serve(context.Context, *llm.Request) (*llm.Reply, error) { return &llm.Reply{}, nil }
func (s *server) Full(model string) string                                { return strings.TrimSuffix(model, ":latest") }
func (s *server) Try(context.Context, string) error                       { return nil }

func (s *server) Held(context.Context) (out []provider.Held, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.away {
		return nil, errors.New("away")
	}
	for _, m := range s.held {
		out = append(out, provider.Held{Model: m})
	}
	return out, nil
}

func (s *server) Stored(context.Context) (map[string]uint64, error) {
	if s.away {
		return nil, errors.New("away")
	}
	return s.sizes, nil
}

func (s *server) Unload(_ context.Context, model string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unloaded = append(s.unloaded, model)
	if !s.stuck {
		s.held = slices.DeleteFunc(s.held, func(m string) bool { return m == model })
	}
	return nil
}

// cloud is a server elsewhere, or one that loads nothing.
var cloud = llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return &llm.Reply{}, nil })

func TestPlansUnderPressure(t *testing.T) {
	// Targets are written provider/model; those of "cloud" are elsewhere, "llama" is on this device and loads nothing.
	cases := []struct {
		name    string
		actions string
		plan    string
		held    string
		running string // models that calls run for
		more    string // static, local-only, off
		task    llm.Task
		want    string // targets, with their route where it is not "model"; or the error's code
		let     string // models that were let go
	}{
		{name: "nothing is to be done", actions: "off", plan: "local/big cloud/x", want: "local/big cloud/x"},
		{name: "a list of models", actions: "refuse-load prefer-cloud", plan: "local/big cloud/x", held: "small", task: llm.Read, want: "local/big cloud/x"},

		{name: "the model is loaded", actions: "refuse-load", plan: "local/big cloud/x", held: "big small", want: "local/big cloud/x"},
		{name: "the first model", actions: "refuse-load", plan: "local/big cloud/x", want: "local/big cloud/x"},
		{name: "a second model", actions: "refuse-load", plan: "local/big", held: "small", want: "busy"},
		{name: "a second model, and another target", actions: "refuse-load", plan: "local/big cloud/x", held: "small", want: "cloud/x=pressure:memory"},
		{name: "a second model, and another server", actions: "refuse-load", plan: "local/big llama/x", held: "small", want: "llama/x=pressure:memory"},
		{name: "the first and not the second", actions: "refuse-load", plan: "local/big local/small", held: "big", want: "local/big"},
		{name: "not the first but the second", actions: "refuse-load", plan: "local/big local/small", held: "small", want: "local/small=pressure:memory"},
		{name: "a second model, and a last resort", actions: "refuse-load", plan: "local/big", held: "small", more: "static", want: "refused"},
		{name: "the caller takes no other", actions: "refuse-load", plan: "local/big cloud/x", held: "small", more: "off", want: "busy"},
		{name: "the caller takes no other, and it is loaded", actions: "refuse-load prefer-cloud", plan: "local/big cloud/x", held: "big", more: "off", want: "local/big cloud/x"},
		{name: "another that is idle makes room", actions: "refuse-load unload-idle", plan: "local/big cloud/x", held: "small", want: "local/big cloud/x", let: "small"},
		{name: "two make room", actions: "refuse-load unload-idle", plan: "local/big", held: "small mini", want: "local/big", let: "mini small"},
		{name: "another that works does not", actions: "refuse-load unload-idle", plan: "local/big cloud/x", held: "small", running: "small:latest", want: "cloud/x=pressure:memory"},
		{name: "one of two works", actions: "refuse-load unload-idle", plan: "local/big", held: "small mini", running: "mini", want: "busy"},
		{name: "vectors too", actions: "refuse-load", plan: "local/mini", held: "big", task: llm.Embed, want: "busy"},

		{name: "the smaller first", actions: "prefer-smaller", plan: "local/big local/small local/mini", want: "local/mini=pressure:memory local/small local/big"},
		{name: "the smaller first, where it is loaded", actions: "prefer-smaller", plan: "local/big local/small local/mini", held: "big small", want: "local/small=pressure:memory local/big local/mini"},
		{name: "not where only the usual one is loaded", actions: "prefer-smaller", plan: "local/big local/small", held: "big", want: "local/big local/small"},
		{name: "the usual one is the smallest", actions: "prefer-smaller", plan: "local/mini local/big", want: "local/mini local/big"},
		{name: "of an unknown size", actions: "prefer-smaller", plan: "local/big llama/x", want: "local/big llama/x"},
		{name: "the cloud first", actions: "prefer-cloud", plan: "local/big local/small cloud/x", held: "big", want: "cloud/x=pressure:memory local/big local/small"},
		{name: "there is no cloud", actions: "prefer-cloud", plan: "local/big local/small", held: "big", want: "local/big local/small"},
		{name: "the cloud is first already", actions: "prefer-cloud prefer-smaller", plan: "cloud/x local/big", want: "cloud/x local/big"},
		{name: "smaller, then the cloud", actions: "prefer-smaller prefer-cloud", plan: "local/big local/small cloud/x", want: "local/small=pressure:memory cloud/x local/big"},
		{name: "the cloud, then smaller", actions: "prefer-cloud prefer-smaller", plan: "local/big local/small cloud/x", want: "cloud/x=pressure:memory local/small local/big"},
		{name: "it may not leave", actions: "prefer-cloud refuse-load", plan: "local/big cloud/x", held: "big", more: "local-only", want: "local/big"},
		{name: "it may not leave, and the first would", actions: "prefer-cloud refuse-load", plan: "cloud/x local/big", held: "big", more: "local-only", want: "local/big"},
		{name: "it may not leave, and all would", actions: "prefer-cloud refuse-load", plan: "cloud/x", more: "local-only", want: "cloud/x"},
		{name: "it may not leave, and is not loaded", actions: "prefer-cloud refuse-load", plan: "local/big cloud/x", held: "small", more: "local-only", want: "busy"},
		{name: "all of it", actions: "refuse-load unload-idle prefer-smaller prefer-cloud", plan: "local/big local/small cloud/x", held: "mini", running: "mini", want: "cloud/x=pressure:memory"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				local := &server{name: "local", held: strings.Fields(c.held), sizes: map[string]uint64{"big": 100, "small": 20, "mini": 5}}
				room := &Room{Uses: func(provider string) (out []Use) {
					for _, m := range strings.Fields(c.running) {
						out = append(out, Use{Model: m, Running: 1, Last: time.Now()})
					}
					return out
				}}
				g := New(room)
				var actions []Action
				for _, a := range strings.Fields(c.actions) {
					actions = append(actions, Action(a))
				}
				g.Set(&State{Kind: "memory", Text: "memory is short on this machine", Actions: actions})

				task := c.task
				if task == llm.Read && c.name != "a list of models" {
					task = llm.Generate
				}
				r := &llm.Request{Endpoint: &llm.Endpoint{Task: task}, Header: http.Header{}, Model: "chat", Plan: &llm.Plan{LocalOnly: c.more == "local-only"}}
				if c.more == "off" {
					r.Header.Set("Corral-Fallback", " Off ")
				}
				if c.more == "static" {
					r.Plan.LastResort = []llm.LastResort{{Static: "Away."}}
				}
				for _, target := range strings.Fields(c.plan) {
					p, m, _ := strings.Cut(target, "/")
					x := llm.Candidate{Target: llm.Target{Provider: p, Model: m, Why: "model"}, Handler: cloud}
					switch p {
					case "local":
						x.Handler = local
					case "cloud":
						x.Target.Away = "example.org"
					}
					r.Plan.Candidates = append(r.Plan.Candidates, x)
				}
				before, shared := fmt.Sprint(r.Plan.Candidates), r.Plan
				var got []string
				_, err := g.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
					for _, x := range r.Plan.Candidates {
						name := x.Target.Provider + "/" + x.Target.Model
						if x.Target.Why != "model" && len(got) == 0 {
							name += "=" + x.Target.Why
						}
						if _, err := x.Handler.Serve(t.Context(), r); err != nil {
							name = "refused"
							if e := llm.AsError(err); e.Kind != llm.Busy || e.RetryAfter != RetryAfter {
								t.Errorf("refused with %+v", e)
							}
						}
						got = append(got, name)
					}
					if r.Plan != shared && r.Target != r.Plan.Candidates[0].Target {
						t.Errorf("the target is %+v", r.Target)
					}
					return &llm.Reply{}, nil
				})).Serve(t.Context(), r)
				if err != nil {
					e := llm.AsError(err)
					got = []string{e.Code()}
					if e.RetryAfter != RetryAfter || !strings.Contains(e.Message, "memory is short") {
						t.Errorf("%+v", e)
					}
				}
				if strings.Join(got, " ") != c.want {
					t.Errorf("%q, want %q", strings.Join(got, " "), c.want)
				}
				if slices.Sort(local.unloaded); strings.Join(local.unloaded, " ") != c.let {
					t.Errorf("let go: %q, want %q", local.unloaded, c.let)
				}
				if fmt.Sprint(shared.Candidates) != before {
					t.Error("the plan that other calls share was changed")
				}
			})
		})
	}
}

func TestAllIsWell(t *testing.T) {
	g := New(&Room{})
	plan := &llm.Plan{Candidates: []llm.Candidate{{Handler: cloud}}}
	r := &llm.Request{Endpoint: &llm.Endpoint{Task: llm.Generate}, Plan: plan}
	h := g.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		if r.Plan != plan {
			t.Error("another plan")
		}
		return nil, nil
	}))
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { h.Serve(ctx, r) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if g.State().May(RefuseLoad) {
		t.Error("something is done")
	}
}

func (x *Room) try(t *testing.T, s *server, model string) bool {
	t.Helper()
	return x.For(t.Context(), &choice{Candidate: llm.Candidate{Target: llm.Target{Provider: s.name}, Handler: s}, model: model, holder: s}, true)
}

// TestTwoCallsDoNotLoadTwoModels: what was just allowed to be loaded counts before the server shows it.
func TestTwoCallsDoNotLoadTwoModels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := &Room{Uses: func(string) []Use { return nil }}
		s, other := &server{name: "a"}, &server{name: "b"}
		for _, step := range []struct {
			s     *server
			model string
			want  bool
		}{{s, "m", true}, {s, "m", true}, {s, "n", false}, {other, "n", true}} {
			if got := x.try(t, step.s, step.model); got != step.want {
				t.Errorf("%s at %s: %v", step.model, step.s.name, got)
			}
		}
		s.held = []string{"m"} // now it shows it, and nobody uses it
		if !x.try(t, s, "n") || !slices.Equal(s.unloaded, []string{"m"}) {
			t.Errorf("a model that was loaded and is idle stays: %q", s.unloaded)
		}
		if x.try(t, s, "o") {
			t.Error("two")
		}
		time.Sleep(loadSeen + 1) // it never came
		if !x.try(t, s, "o") {
			t.Error("what never came is waited for")
		}
		s.held, s.stuck = []string{"p"}, true
		began := time.Now()
		if x.try(t, s, "o") || time.Since(began) > roomPatience+time.Second {
			t.Errorf("a model that does not go: after %v", time.Since(began))
		}
		began = time.Now()
		if x.try(t, s, "o") || time.Since(began) > 0 {
			t.Errorf("the next call waits for it too: %v", time.Since(began))
		}
		time.Sleep(roomPatience)
		s.stuck = false
		if !x.try(t, s, "o") {
			t.Error("it is never tried again")
		}
		s.away = true
		if !x.try(t, s, "o") {
			t.Error("a server that is away will say so itself")
		}
	})
}

func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(time.Hour)
		s := &server{name: "a", held: []string{"works", "fresh", "old", "unknown", "loading"}}
		x := &Room{Uses: func(string) []Use {
			return []Use{{"works:latest", 1, time.Now()}, {"fresh", 0, time.Now().Add(-10 * time.Second)}, {"old", 0, time.Now().Add(-time.Minute)}}
		}, loading: map[target]time.Time{{"a", "loading"}: time.Now()}}
		let, err := x.Idle(t.Context(), "a", s, time.Minute)
		if err != nil || !slices.Equal(let, []string{"old", "unknown"}) {
			t.Errorf("%q %v", let, err)
		}
		s.held, s.stuck = []string{"slow"}, true // it takes its time to go
		for i, want := range []string{"[slow]", "[]", "[]", "[slow]"} {
			if let, err := x.Idle(t.Context(), "a", s, time.Minute); err != nil || fmt.Sprint(let) != want {
				t.Errorf("look %d: %q %v", i, let, err)
			}
			time.Sleep(2 * time.Second)
		}
		s.away = true
		if let, err := x.Idle(t.Context(), "a", s, time.Minute); err != nil || let != nil {
			t.Errorf("a server that is away: %q %v", let, err)
		}
		if names := slices.Sorted(maps.Keys(x.uses("a", s))); !slices.Equal(names, []string{"fresh", "old", "works"}) {
			t.Errorf("%q", names)
		}
	})
}

func BenchmarkStage(b *testing.B) {
	for _, name := range []string{"all is well", "under pressure"} {
		b.Run(name, func(b *testing.B) {
			g := New(&Room{Uses: func(string) []Use { return nil }})
			if name != "all is well" {
				g.Set(&State{Kind: "memory", Actions: []Action{RefuseLoad, PreferSmaller}})
			}
			local := &server{held: []string{"big"}, sizes: map[string]uint64{"big": 100, "small": 20}}
			plan := &llm.Plan{Candidates: []llm.Candidate{{Target: llm.Target{Model: "big"}, Handler: local}, {Target: llm.Target{Model: "small"}, Handler: local}}}
			h := g.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, nil }))
			r := &llm.Request{Endpoint: &llm.Endpoint{Task: llm.Generate}}
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				r.Plan = plan
				h.Serve(ctx, r)
			}
		})
	}
}
