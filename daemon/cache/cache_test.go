package cache

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// model is a target that says how often it was asked.
type model struct {
	asked  atomic.Int64
	digest string
	answer func(ctx context.Context, r *llm.Request) (*llm.Reply, error)
}

func (m *model) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	m.asked.Add(1)
	return m.answer(ctx, r)
}

func (m *model) Digest(context.Context, string) string { return m.digest }

// pieces is a body of these pieces; what is in wait is waited for before each.
type pieces struct {
	left  []string
	end   error
	wait  func() error
	usage llm.Usage
	over  atomic.Bool
}

func (p *pieces) Next() ([]byte, error) {
	if p.wait != nil {
		if err := p.wait(); err != nil {
			return nil, err
		}
	}
	if len(p.left) == 0 {
		return nil, p.end
	}
	b := p.left[0]
	p.left = p.left[1:]
	return []byte(b), nil
}
func (p *pieces) More() bool       { return len(p.left) > 0 && p.wait == nil }
func (p *pieces) Last() bool       { return len(p.left) == 0 && p.end == io.EOF }
func (p *pieces) Usage() llm.Usage { return p.usage }
func (p *pieces) Close()           { p.over.Store(true) }

const wholeAnswer = `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Four."},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}`

func answered(m *model, body string) *llm.Reply {
	return &llm.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(body)), Provider: "local", Model: "m", Digest: m.digest, Route: "default",
		Body: &pieces{left: []string{body}, end: io.EOF, usage: llm.Usage{Input: 7, Output: 3}}}
}

// bench is a cache with its surroundings, for one test.
type bench struct {
	t     *testing.T
	c     *Cache
	m     *model
	rules Rules
	now   time.Time
	embed Embed
	away  func(llm.Target) bool
}

func newBench(t *testing.T, change ...func(*bench)) *bench {
	t.Helper()
	b := &bench{t: t, m: &model{digest: "d1"}, now: time.Now(), rules: Rules{When: Deterministic, TTL: 5 * time.Minute, MaxBytes: 16 << 20, EmbedTTL: time.Hour}}
	b.m.answer = func(_ context.Context, r *llm.Request) (*llm.Reply, error) { return answered(b.m, wholeAnswer), nil }
	for _, f := range change {
		f(b)
	}
	c, err := New(Options{Rules: func() *Rules { return &b.rules }, Set: metrics.NewSet(), Now: func() time.Time { return b.now }, Embed: b.embed, Away: b.away})
	if err != nil {
		t.Fatal(err)
	}
	b.c = c
	t.Cleanup(c.Close)
	return b
}

const question = `{"model":"m","stream":false,"options":{"temperature":0},"messages":[{"role":"user","content":"What is two and two?"}]}`

// call is a call to /api/chat with this body.
func (b *bench) call(body string, change ...func(*llm.Request)) *llm.Request {
	r := &llm.Request{ID: "r", Endpoint: endpoints["chat"], Method: "POST", Path: "/api/chat", Header: http.Header{}, Body: []byte(body), Model: "m", Start: b.now, Length: int64(len(body)),
		Stream: !strings.Contains(body, `"stream":false`), Caller: llm.Caller{Key: "k1"}}
	r.Plan = &llm.Plan{Candidates: []llm.Candidate{{Target: llm.Target{Provider: "local", Why: "default"}, Handler: b.m}}}
	peeked, err := dialect.Peek(r.Body) // as the gateway's decoder
	if err != nil {
		b.t.Fatal(err)
	}
	r.Fields = peeked.Fields
	for _, f := range change {
		f(r)
	}
	return r
}

// serve sends r through the cache to the first candidate of its plan, as the nest does.
func (b *bench) serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	return b.c.Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		x := r.Plan.Candidates[0]
		r.Target = x.Target
		r.Attempts++
		return x.Handler.Serve(ctx, r)
	})).Serve(ctx, r)
}

// text is the whole of an answer, and what Cache-Status says of it.
func (b *bench) text(r *llm.Request) (text, status string) {
	b.t.Helper()
	reply, err := b.serve(b.t.Context(), r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer reply.Close()
	all, err := readAll(reply.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(all), reply.Header.Get("Cache-Status")
}

func with(name, value string) func(*llm.Request) {
	return func(r *llm.Request) { r.Header.Set(name, value) }
}

func TestTheSameQuestionIsAskedOnce(t *testing.T) {
	b := newBench(t)
	first, status := b.text(b.call(question))
	if status != "corral; fwd=uri-miss; stored" {
		t.Errorf("first: %s", status)
	}
	b.now = b.now.Add(90 * time.Second)
	r := b.call(question)
	reply, err := b.serve(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	defer reply.Close()
	again, _ := readAll(reply.Body)
	if string(again) != first || b.m.asked.Load() != 1 {
		t.Errorf("asked %d times; got %s", b.m.asked.Load(), again)
	}
	if got, want := reply.Header.Get("Cache-Status"), "corral; hit; ttl=210"; got != want {
		t.Errorf("Cache-Status %q, want %q", got, want)
	}
	if got := reply.Header.Get("Age"); got != "90" {
		t.Errorf("Age %q", got)
	}
	if !r.Reuse.Free || reply.Provider != "local" || reply.Model != "m" || reply.Digest != "d1" || reply.Route != "cache" || reply.Body.Usage().Output != 3 || r.Attempts != 0 {
		t.Errorf("reply %+v, reuse %+v", reply, r.Reuse)
	}
	b.now = b.now.Add(211 * time.Second)
	if _, status := b.text(b.call(question)); b.m.asked.Load() != 2 || status != "corral; fwd=uri-miss; stored" && status != "corral; fwd=stale; stored" {
		t.Errorf("after its time: %s", status)
	}
}

// What may be answered from the cache, and what the caller may say about it.
func TestWhatIsAnsweredFromTheCache(t *testing.T) {
	sampled := strings.Replace(question, `"temperature":0`, `"temperature":0.7`, 1)
	seeded := strings.Replace(question, `"temperature":0`, `"temperature":0.7,"seed":4`, 1)
	for _, x := range []struct {
		name   string
		body   string
		first  func(*llm.Request)
		again  func(*llm.Request)
		rules  func(*Rules)
		asked  int64
		status string // of the second
		openai bool
	}{
		{name: "plain", body: question, asked: 1, status: "corral; hit; ttl=240"},
		{name: "not deterministic", body: sampled, asked: 2, status: "corral; fwd=bypass"},
		{name: "seed", body: seeded, asked: 1, status: "corral; hit; ttl=240"},
		{name: "always", body: sampled, rules: func(r *Rules) { r.When = Always }, asked: 1, status: "corral; hit; ttl=240"},
		{name: "off", body: question, rules: func(r *Rules) { r.When = Off }, asked: 2, status: "corral; fwd=bypass"},
		{name: "off for this model", body: question, rules: func(r *Rules) { r.Models = []ModelRules{{"m*", Off, time.Hour}} }, asked: 2, status: "corral; fwd=bypass"},
		{name: "longer for this model", body: question, rules: func(r *Rules) { r.Models = []ModelRules{{"x", Off, 1}, {"m", Always, time.Hour}} }, asked: 1, status: "corral; hit; ttl=3540"},
		{name: "no-cache", body: question, again: with("Cache-Control", "no-cache"), asked: 2, status: "corral; fwd=request; stored"},
		{name: "pragma", body: question, again: with("Pragma", "no-cache"), asked: 2, status: "corral; fwd=request; stored"},
		{name: "no-store", body: question, first: with("Cache-Control", "no-store"), asked: 2, status: "corral; fwd=uri-miss; stored"},
		{name: "no-store may be given what is there", body: question, again: with("Cache-Control", "no-store"), asked: 1, status: "corral; hit; ttl=240"},
		{name: "young enough", body: question, again: with("Cache-Control", "max-age=60"), asked: 1, status: "corral; hit; ttl=240"},
		{name: "too old", body: question, again: with("Cache-Control", `x="y", MAX-AGE = 59`), asked: 2, status: "corral; fwd=request; stored"},
		{name: "unreadable age", body: question, again: with("Cache-Control", "max-age=soon"), asked: 2, status: "corral; fwd=request; stored"},
		{name: "fresh enough", body: question, again: with("Cache-Control", "min-fresh=240"), asked: 1, status: "corral; hit; ttl=240"},
		{name: "not fresh enough", body: question, again: with("Cache-Control", "min-fresh=241"), asked: 2, status: "corral; fwd=request; stored"},
		{name: "only if kept", body: question, again: with("Cache-Control", "only-if-cached"), asked: 1, status: "corral; hit; ttl=240"},
		{name: "another key", body: question, again: func(r *llm.Request) { r.Caller.Key = "k2" }, asked: 2, status: "corral; fwd=uri-miss; stored"},
		{name: "another key, shared", body: question, again: func(r *llm.Request) { r.Caller.Key = "k2" }, rules: func(r *Rules) { r.Shared = true }, asked: 1, status: "corral; hit; ttl=240"},
		{name: "another account at the target", body: question, first: func(r *llm.Request) { r.Caller.Key = "" }, again: func(r *llm.Request) { r.Caller.Key = ""; r.Header.Set("Authorization", "Bearer x") }, asked: 2, status: "corral; fwd=uri-miss; stored"},
		{name: "another beta", body: question, again: with("Anthropic-Beta", "x"), asked: 2, status: "corral; fwd=uri-miss; stored"},
		{name: "another user", body: question, again: func(r *llm.Request) { r.Caller.User = "u"; r.Header.Set("Corral-User", "u") }, asked: 1, status: "corral; hit; ttl=240"},
		{name: "a long user tag", body: withMember(`"user":"somebody with a name of some length","metadata":{"user_id":"another one of some length"}`),
			again: func(r *llm.Request) { *r = *rebody(r, withMember(`"user":"somebody else with a name of some length"`)) }, asked: 1, status: "corral; hit; ttl=240", openai: true},
		{name: "other white space and order", body: question, again: func(r *llm.Request) {
			*r = *rebody(r, ` { "messages" : [ { "content" : "What is two and two?" , "role":"user" } ], "options" : { "temperature" : 0.0 } , "stream" : false, "model":"m" } `)
		}, asked: 1, status: "corral; hit; ttl=240"},
		{name: "a query", body: question, again: func(r *llm.Request) { r.Query = "x=1" }, asked: 2, status: "corral; fwd=uri-miss; stored"},
	} {
		t.Run(x.name, func(t *testing.T) {
			b := newBench(t, func(b *bench) {
				if x.rules != nil {
					x.rules(&b.rules)
				}
			})
			none := func(*llm.Request) {}
			if x.first == nil {
				x.first = none
			}
			if x.again == nil {
				x.again = none
			}
			if x.openai {
				b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
					return answered(b.m, `{"id":"c","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Four."},"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":3}}`), nil
				}
				first, again := x.first, x.again
				speak := func(r *llm.Request) { r.Endpoint, r.Stream = endpoints["chat_completions"], false }
				x.first, x.again = func(r *llm.Request) { speak(r); first(r) }, func(r *llm.Request) { speak(r); again(r) }
			}
			b.text(b.call(x.body, x.first))
			b.now = b.now.Add(time.Minute)
			if _, status := b.text(b.call(x.body, x.again)); status != x.status || b.m.asked.Load() != x.asked {
				t.Errorf("asked %d times, want %d; Cache-Status %q, want %q", b.m.asked.Load(), x.asked, status, x.status)
			}
		})
	}
}

// withMember is an OpenAI call with more members, of a text that is long enough to count.
func withMember(more string) string {
	return `{"model":"m","temperature":0,"messages":[{"role":"user","content":"What is two and two, if one may ask?"}],` + more + `}`
}

// rebody is r with another body, as the gateway would have made it.
func rebody(r *llm.Request, body string) *llm.Request {
	peeked, err := dialect.Peek([]byte(body))
	if err != nil {
		panic(err)
	}
	other := *r
	other.Body, other.Fields, other.Length = []byte(body), peeked.Fields, int64(len(body))
	return &other
}

func TestOnlyIfCached(t *testing.T) {
	b := newBench(t)
	for _, body := range []string{question, `{"model":"m","messages":[{"role":"user","content":"x"}]}`} {
		_, err := b.serve(t.Context(), b.call(body, with("Cache-Control", "only-if-cached")))
		if e := llm.AsError(err); err == nil || e.Kind != llm.NotKept || e.Status() != 504 || b.m.asked.Load() != 0 {
			t.Errorf("got %v, asked %d times", err, b.m.asked.Load())
		}
	}
}

func TestAnotherModelBehindTheNameIsAskedAgain(t *testing.T) {
	b := newBench(t)
	b.text(b.call(question))
	b.m.digest = "d2"
	b.text(b.call(question))
	if b.m.asked.Load() != 2 {
		t.Errorf("asked %d times", b.m.asked.Load())
	}
	b.text(b.call(question))
	b.m.digest = "d1"
	if b.text(b.call(question)); b.m.asked.Load() != 2 {
		t.Errorf("asked %d times", b.m.asked.Load())
	}
}

const (
	streamHead = `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":"Four."},"done":false}` + "\n"
	streamTail = `{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","prompt_eval_count":7,"eval_count":3}` + "\n"
	streaming  = `{"model":"m","options":{"temperature":0},"messages":[{"role":"user","content":"What is two and two?"}]}`
)

// stream is a streamed answer.
func (b *bench) stream(end error, lines ...string) *llm.Reply {
	return &llm.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/x-ndjson"}}, Length: -1, Stream: true, Provider: "local", Model: "m", Digest: b.m.digest,
		Body: &pieces{left: lines, end: end, usage: llm.Usage{Input: 7, Output: 3}}}
}

// What is cut, failed or held back is never given again.
func TestOnlyWholeAnswersAreKept(t *testing.T) {
	cut := &llm.Error{Kind: llm.Broken}
	for name, x := range map[string]struct {
		reply func(b *bench) *llm.Reply
		body  string
		asked int64
	}{
		"whole stream":      {func(b *bench) *llm.Reply { return b.stream(io.EOF, streamHead, streamTail) }, streaming, 1},
		"cut":               {func(b *bench) *llm.Reply { return b.stream(cut, streamHead) }, streaming, 2},
		"cut after its end": {func(b *bench) *llm.Reply { return b.stream(cut, streamHead, streamTail) }, streaming, 2},
		"no end":            {func(b *bench) *llm.Reply { return b.stream(io.EOF, streamHead) }, streaming, 2},
		"failure inside":    {func(b *bench) *llm.Reply { return b.stream(io.EOF, streamHead, `{"error":"out of memory"}`+"\n") }, streaming, 2},
		"only loaded": {func(b *bench) *llm.Reply {
			r := b.stream(io.EOF, strings.Replace(streamTail, "stop", "load", 1))
			r.Body.(*pieces).usage.Finish = "load"
			return r
		}, streaming, 2},
		"error status": {func(b *bench) *llm.Reply { r := answered(b.m, `{"error":"no such model"}`); r.Status = 404; return r }, question, 2},
		"error inside": {func(b *bench) *llm.Reply { return answered(b.m, `{"error":"no"}`) }, question, 2},
		"no JSON":      {func(b *bench) *llm.Reply { return answered(b.m, `busy`) }, question, 2},
		"compressed": {func(b *bench) *llm.Reply {
			r := answered(b.m, wholeAnswer)
			r.Header.Set("Content-Encoding", "gzip")
			return r
		}, question, 2},
		"another digest": {func(b *bench) *llm.Reply { r := answered(b.m, wholeAnswer); r.Digest = "d9"; return r }, question, 2},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) { return x.reply(b), nil }
			for range 2 {
				reply, err := b.serve(t.Context(), b.call(x.body))
				if err != nil {
					t.Fatal(err)
				}
				readAll(reply.Body)
				reply.Close()
			}
			if got := b.m.asked.Load(); got != x.asked {
				t.Errorf("asked %d times, want %d", got, x.asked)
			}
		})
	}
	t.Run("left before the end", func(t *testing.T) {
		b := newBench(t)
		b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
			return b.stream(io.EOF, streamHead, streamTail), nil
		}
		reply, _ := b.serve(t.Context(), b.call(streaming))
		reply.Body.Next()
		reply.Close()
		if b.text(b.call(streaming)); b.m.asked.Load() != 2 {
			t.Errorf("asked %d times", b.m.asked.Load())
		}
	})
}

// What a target further down the plan said is given only while those before it are away.
func TestAnswersOfAFallbackTarget(t *testing.T) {
	away := false
	b := newBench(t, func(b *bench) { b.away = func(t llm.Target) bool { return away && t.Provider == "local" } })
	second := &model{digest: "d7"}
	second.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
		r := answered(second, strings.Replace(wholeAnswer, "Four", "4", 1))
		r.Provider, r.Model = "cloud", "big"
		return r, nil
	}
	ask := func() (string, *llm.Request) {
		r := b.call(question, func(r *llm.Request) {
			r.Plan.Candidates = append(r.Plan.Candidates, llm.Candidate{Target: llm.Target{Provider: "cloud", Model: "big", Away: "example.org"}, Handler: second})
		})
		reply, err := b.c.Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
			x := r.Plan.Candidates[0]
			if away {
				x = r.Plan.Candidates[1]
			}
			r.Target = x.Target
			return x.Handler.Serve(ctx, r)
		})).Serve(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		defer reply.Close()
		all, _ := readAll(reply.Body)
		return string(all), r
	}
	away = true
	ask()
	if text, r := ask(); second.asked.Load() != 1 || !strings.Contains(text, "4.") || r.Target.Away != "example.org" {
		t.Errorf("away: asked %d times, got %s", second.asked.Load(), text)
	}
	away = false
	if text, _ := ask(); b.m.asked.Load() != 1 || !strings.Contains(text, "Four") {
		t.Errorf("back: asked %d times, got %s", b.m.asked.Load(), text)
	}
	away = true
	if text, _ := ask(); !strings.Contains(text, "Four") || second.asked.Load() != 1 {
		t.Errorf("away again: got %s", text) // the first target's answer is the one that was wanted
	}
}

func TestMemoryIsBounded(t *testing.T) {
	b := newBench(t, func(b *bench) { b.rules.MaxBytes = 256 << 10 })
	big := strings.Replace(wholeAnswer, "Four.", strings.Repeat("x", 8<<10), 1)
	b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) { return answered(b.m, big), nil }
	for i := range 200 {
		b.text(b.call(strings.Replace(question, "two and two", fmt.Sprint(i), 1)))
	}
	b.c.memory.CleanUp()
	if n := b.c.memory.WeightedSize(); n == 0 || n > 256<<10 {
		t.Errorf("%d bytes are held", n)
	}
	b.c.Resize(64 << 10)
	b.c.memory.CleanUp()
	if n := b.c.memory.WeightedSize(); n == 0 || n > 64<<10 {
		t.Errorf("%d bytes are held after the bound was lowered", n)
	}
	if s := b.c.Stats(); s.MaxBytes != 64<<10 {
		t.Errorf("the bound is told as %d", s.MaxBytes) // the config's was, while memory was short
	}
}

// A stream that is pinged while it waits gets its head before anybody knows who is going to answer: it may yet be a last
// resort, which is not kept.
func TestWhatIsNotKnownYetIsNotCalledStored(t *testing.T) {
	b := newBench(t)
	b.m.answer = func(context.Context, *llm.Request) (*llm.Reply, error) {
		reply := answered(b.m, wholeAnswer)
		reply.Route, reply.Provider = "waiting", "corral"
		return reply, nil
	}
	if _, status := b.text(b.call(question)); status != "corral; fwd=uri-miss" {
		t.Error(status)
	}
}

// Whether a call is read before it goes on, which takes long for a long one, must not depend on what others have asked.
func TestWhatAnotherAskedIsNotReadFirst(t *testing.T) {
	b := newBench(t)
	long := strings.Replace(question, "two and two", strings.Repeat("two and ", 100), 1)
	mallory := func(r *llm.Request) { r.Caller.Key = "k2" }
	b.text(b.call(long))
	for _, tt := range []struct {
		who    string
		change func(*llm.Request)
		unread bool
	}{{"who asked it", func(*llm.Request) {}, false}, {"another", mallory, true}} {
		r := b.call(long, tt.change)
		if a := b.c.ask(t.Context(), r, &b.rules, false); a.unread != tt.unread {
			t.Errorf("the call of %s: unread %v", tt.who, a.unread)
		}
	}
	b.rules.Shared = true
	b.text(b.call(long))
	if a := b.c.ask(t.Context(), b.call(long, mallory), &b.rules, false); a.unread {
		t.Error("with shared answers another's call is not read")
	}
}
