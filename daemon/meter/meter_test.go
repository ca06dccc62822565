package meter_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/store/ledger/record"
)

// book is a ledger in memory.
type book struct {
	mu      sync.Mutex
	entries []record.Entry
	err     error
}

func (b *book) Append(e record.Entry) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err != nil {
		return b.err
	}
	b.entries = append(b.entries, e)
	return nil
}
func (b *book) AppendStrict(_ context.Context, e record.Entry) error { return b.Append(e) }
func (b *book) Err() error                                           { b.mu.Lock(); defer b.mu.Unlock(); return b.err }

type free struct{}

func (free) Cost(llm.Target, string, llm.Usage, time.Duration) (cost, baseline record.Money) {
	return record.Nano(0), record.Nano(0)
}

// body gives its pieces, and then err.
type body struct {
	pieces []string
	err    error
	usage  llm.Usage
	closed int
}

func (b *body) Next() ([]byte, error) {
	if len(b.pieces) == 0 {
		return nil, b.err
	}
	p := b.pieces[0]
	b.pieces = b.pieces[1:]
	return []byte(p), nil
}
func (b *body) More() bool       { return false }
func (b *body) Last() bool       { return len(b.pieces) == 0 && b.err == io.EOF }
func (b *body) Usage() llm.Usage { return b.usage }
func (b *body) Close()           { b.closed++ }

type observed struct {
	t   *testing.T
	m   *meter.Meter
	set *metrics.Set
	log bytes.Buffer
	led book
}

func observe(t *testing.T, rules meter.Rules) *observed {
	o := &observed{t: t, set: metrics.NewSet()}
	o.m = meter.New(meter.Options{Log: slog.New(slog.NewJSONHandler(&o.log, nil)), Set: o.set, Ledger: &o.led, Prices: free{}, Rules: func() meter.Rules { return rules }})
	return o
}

func (o *observed) metrics() string {
	var b bytes.Buffer
	o.set.WritePrometheus(&b)
	return b.String()
}

// wants looks for lines of metrics.
func (o *observed) wants(lines ...string) {
	o.t.Helper()
	all := o.metrics()
	for _, l := range lines {
		if !strings.Contains(all, l+"\n") {
			o.t.Errorf("no %s in\n%s", l, all)
		}
	}
}

// lines are the lines of the log.
func (o *observed) lines() (out []map[string]any) {
	o.t.Helper()
	for line := range strings.Lines(o.log.String()) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			o.t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

var chat = &llm.Endpoint{Name: "chat", Dialect: llm.Ollama, Task: llm.Generate, Form: llm.NDJSON}

func request(model string) *llm.Request {
	return &llm.Request{ID: "req_1", Endpoint: chat, Method: "POST", Model: model, Start: time.Now(), Target: llm.Target{Provider: "local"}}
}

// serve has next answer r, and reads the answer n times or to its end.
func (o *observed) serve(ctx context.Context, r *llm.Request, reply *llm.Reply, err error, n int) error {
	got, err := o.m.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return reply, err })).Serve(ctx, r)
	if err != nil {
		return err
	}
	defer got.Close()
	for ; n != 0; n-- {
		if _, err = got.Body.Next(); err != nil {
			break
		}
	}
	got.Close() // which is allowed
	return err
}

func TestWhatBecomesOfACall(t *testing.T) {
	left, leave := context.WithCancel(context.Background())
	leave()
	stopping, stop := context.WithCancelCause(context.Background())
	stop(llm.ErrStopping)
	broken := &llm.Error{Kind: llm.Broken, Message: "It broke off.", Err: errors.New("EOF")}
	used := llm.Usage{Input: 3, Output: 5, Cached: -1, Reasoning: -1}
	reply := func(status int, err error, pieces ...string) *llm.Reply {
		return &llm.Reply{Status: status, Body: &body{pieces: pieces, err: err, usage: used}, Provider: "local", Model: "m", Stream: true}
	}
	for _, c := range []struct {
		name   string
		ctx    context.Context
		reply  *llm.Reply
		err    error
		read   int // pieces; -1: to the end
		status int
		code   string
		level  string
		bytes  float64
		flags  record.Flags
	}{
		{"answered", nil, reply(200, io.EOF, "one", "two"), nil, -1, 200, "", "INFO", 6, record.Streamed},
		{"refused by the target", nil, reply(404, io.EOF, "no"), nil, -1, 404, "", "INFO", 2, record.Streamed},
		{"broke off", nil, reply(200, broken, "one"), nil, -1, 502, "target_broke_off", "WARN", 3, record.Streamed | record.Broken},
		{"the caller left", left, reply(200, io.EOF, "one", "two", "three"), nil, 1, 499, "caller_left", "INFO", 3, record.Streamed | record.CallerLeft},
		{"the caller stopped reading", nil, reply(200, io.EOF, "one", "two", "three"), nil, 1, 499, "caller_left", "INFO", 3, record.Streamed | record.CallerLeft},
		{"left before an answer", left, nil, context.Canceled, -1, 499, "caller_left", "INFO", 0, record.CallerLeft},
		{"Corral stopped", stopping, reply(200, io.EOF, "one", "two"), nil, 1, 503, "stopping", "WARN", 3, record.Streamed | record.Broken},
		{"refused", nil, nil, &llm.Error{Kind: llm.TooMany, Message: "Over the limit."}, -1, 429, "rate_limited", "INFO", 0, record.Refused},
		{"no target", nil, nil, &llm.Error{Kind: llm.Unreachable, Message: "Away."}, -1, 502, "target_unreachable", "WARN", 0, record.Refused},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observe(t, meter.Rules{})
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			o.serve(ctx, request("m"), c.reply, c.err, c.read)
			o.m.Close()
			lines := o.lines()
			if len(lines) != 1 {
				t.Fatalf("%d lines: %s", len(lines), o.log.String())
			}
			l := lines[0]
			if l["status"] != float64(c.status) || l["level"] != c.level || l["bytes"] != c.bytes || l["code"] != any(c.code) && !(c.code == "" && l["code"] == nil) {
				t.Errorf("%v", l)
			}
			if len(o.led.entries) != 1 {
				t.Fatalf("%d entries", len(o.led.entries))
			}
			if e := o.led.entries[0]; e.Status != c.status || e.ErrorCode != c.code || e.Flags != c.flags {
				t.Errorf("entry: %d %q %v, want %v", e.Status, e.ErrorCode, e.Flags.Names(), c.flags.Names())
			}
			model := "m"
			if c.status >= 300 {
				model = "other" // nobody has answered for it
			}
			o.wants(fmt.Sprintf(`llm_requests_total{model=%q,endpoint="chat",status="%d",provider="local"} 1`, model, c.status), "corral_calls_in_flight 0")
			if c.code != "" {
				o.wants(fmt.Sprintf(`llm_errors_total{model="other",endpoint="chat",status="%d",provider="local",code=%q} 1`, c.status, c.code))
			} else if c.status >= 400 {
				o.wants(fmt.Sprintf(`llm_errors_total{model="other",endpoint="chat",status="%d",provider="local",code="relayed"} 1`, c.status))
			} else if strings.Contains(o.metrics(), "llm_errors_total") {
				t.Error("an error was counted")
			}
			if c.reply != nil {
				o.wants(fmt.Sprintf(`llm_tokens_used_total{model=%q,endpoint="chat",provider="local",direction="output"} 5`, model))
			}
		})
	}
}

// TestWhereTheTextWent: the plan may have been wrong about servers on this device, which have the last word.
func TestWhereTheTextWent(t *testing.T) {
	at := func(provider, away string, sent bool) llm.Try {
		x := llm.Try{Target: llm.Target{Provider: provider, Model: "m", Away: away}, Asked: true, Sent: sent}
		if host, ok := map[string]string{"here": "", "moved": "far", "back": "", "silent": "?"}[provider]; ok {
			x.Where = func() (string, bool) { return host, host != "?" }
		}
		return x
	}
	for _, c := range []struct {
		name   string
		tries  []llm.Try
		left   string // as the plan has it
		want   string
		shared bool // they are those of another call
	}{
		{"here", []llm.Try{at("here", "", true)}, "", "", false},
		{"not here after all", []llm.Try{at("moved", "", true)}, "", "far", false},
		{"not there after all", []llm.Try{at("back", "far", true)}, "far", "", false},
		{"nobody says", []llm.Try{at("silent", "far", true)}, "far", "far", false},
		{"a cloud", []llm.Try{at("cloud", "api.example", true)}, "api.example", "api.example", false},
		{"was not sent", []llm.Try{at("moved", "", false), at("here", "", true)}, "", "", false},
		{"the first of two", []llm.Try{at("moved", "", true), at("here", "", true)}, "", "far", false},
		{"a cloud, then here", []llm.Try{at("cloud", "api.example", true), at("moved", "", true)}, "api.example", "far", false},
		{"from the cache", nil, "", "", false},
		{"of another call that was waited for", []llm.Try{at("moved", "", true)}, "", "far", true},
		{"of another call that went to a cloud", []llm.Try{at("cloud", "api.example", true)}, "api.example", "api.example", true},
	} {
		o := &observed{t: t, set: metrics.NewSet()}
		priced := &places{}
		o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: priced, Rules: func() meter.Rules { return meter.Rules{} }})
		r := request("m")
		r.Left = c.left
		shared := slices.Clone(c.tries)
		if c.shared {
			r.Shared = shared
		} else if r.Tries, r.Attempts = shared, len(shared); len(shared) > 0 {
			r.Target = shared[len(shared)-1].Target
			r.AskedOf = r.Target
		}
		if err := o.serve(t.Context(), r, &llm.Reply{Status: 200, Body: &body{err: io.EOF}}, nil, -1); err != io.EOF {
			t.Fatal(err)
		}
		e := o.led.entries[0]
		if e.Left != c.want || (e.Flags&record.LeftDevice != 0) != (c.want != "") {
			t.Errorf("%s: left %q, %v", c.name, e.Left, e.Flags)
		}
		if n := len(r.Tries); n > 0 && priced.at != r.Tries[n-1].Target.Away {
			t.Errorf("%s: priced as at %q", c.name, priced.at)
		}
		for i, try := range shared {
			if try.Target != c.tries[i].Target {
				t.Errorf("%s: tries that others may read are %+v", c.name, shared)
			}
		}
		for _, try := range r.Tries {
			if try.Where != nil {
				t.Errorf("%s: what the call's journey keeps holds on to a list of models", c.name)
			}
		}
	}
}

// places remembers where what it priced was.
type places struct {
	free
	at string
}

func (p *places) Cost(t llm.Target, model string, u llm.Usage, took time.Duration) (cost, baseline record.Money) {
	p.at = t.Away
	return p.free.Cost(t, model, u, took)
}

// TestALineOfTheLogAndItsEntryCanBeJoined: by request, by trace, and by the salted hash of the prompt.
func TestALineOfTheLogAndItsEntryCanBeJoined(t *testing.T) {
	o := observe(t, meter.Rules{})
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	r := request("m")
	r.TraceID = trace
	r.Body = []byte(`{"model":"m","messages":[{"content":"a prompt"}]}`)
	o.serve(t.Context(), r, &llm.Reply{Status: 200, Body: &body{pieces: []string{"an answer"}, err: io.EOF}, Provider: "local", Model: "m"}, nil, -1)
	o.serve(t.Context(), request("m"), nil, &llm.Error{Kind: llm.TooMany, Message: "Over the limit."}, -1) // without a body
	l, e := o.lines(), o.led.entries
	if l[0]["trace_id"] != trace || e[0].TraceID != trace || l[0]["cost_usd"] != float64(0) {
		t.Errorf("%v", l[0])
	}
	if sum, _ := l[0]["prompt_sha256"].(string); sum != hex.EncodeToString(e[0].Prompt.Commitment.Sum[:]) || !e[0].Prompt.Commitment.Opens(r.Body) {
		t.Errorf("%v, the entry has %x", l[0]["prompt_sha256"], e[0].Prompt.Commitment.Sum)
	}
	if l[1]["prompt_sha256"] != nil || l[1]["trace_id"] != nil {
		t.Errorf("%v", l[1])
	}
}

func TestAStageThatPanicsIsWrittenDownToo(t *testing.T) {
	o := observe(t, meter.Rules{})
	func() {
		defer func() {
			if v := recover(); v != "a fault" {
				t.Errorf("recovered %v", v)
			}
		}()
		o.m.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { panic("a fault") })).Serve(t.Context(), request("m"))
	}()
	if e := o.led.entries; len(e) != 1 || e[0].Status != 500 || e[0].ErrorCode != "internal_error" {
		t.Errorf("%+v", e)
	}
	o.wants("corral_calls_in_flight 0", `llm_errors_total{model="other",endpoint="chat",status="500",provider="local",code="internal_error"} 1`)
}

func TestTheBodyIsClosedOnce(t *testing.T) {
	o := observe(t, meter.Rules{})
	b := &body{pieces: []string{"x"}, err: io.EOF}
	o.serve(t.Context(), request("m"), &llm.Reply{Status: 200, Body: b}, nil, -1)
	if b.closed != 1 {
		t.Errorf("closed %d times", b.closed)
	}
}

func TestLabelsAreBoundedWhateverCallersSend(t *testing.T) {
	o := observe(t, meter.Rules{})
	for i := range 10_000 {
		status := 404
		if i%2 == 0 {
			status = 200 // and even when a target answers to every name
		}
		name := fmt.Sprintf("made-up-%d", i)
		if i%3 == 0 {
			name += fmt.Sprintf("\n\"}{%s\xff\\", strings.Repeat("x", i%300))
		}
		o.serve(t.Context(), request(name), &llm.Reply{Status: status, Body: &body{err: io.EOF, usage: llm.NoUsage}, Provider: "local"}, nil, -1)
	}
	o.serve(t.Context(), request("tardy"), &llm.Reply{Status: 200, Body: &body{err: io.EOF, usage: llm.NoUsage}, Provider: "local"}, nil, -1)
	all := o.metrics()
	if n := strings.Count(all, "llm_requests_total{"); n > 110 {
		t.Errorf("%d series of calls", n)
	}
	if !strings.Contains(all, `llm_requests_total{model="other",endpoint="chat",status="200",provider="local"}`) || strings.Contains(all, "tardy") {
		t.Error("a name past the bound is not under other")
	}
	for line := range strings.Lines(all) {
		if !strings.HasPrefix(line, "llm_") && !strings.HasPrefix(line, "corral_") || strings.Contains(line, "\\") {
			t.Fatalf("a name broke out of its label: %q", line)
		}
	}
}

func TestNeitherTextsNorKeysAreToldInTheLog(t *testing.T) {
	for _, keep := range []bool{false, true} {
		o := observe(t, meter.Rules{Keep: keep})
		r := request("m")
		r.Body = []byte(`{"model":"m","messages":[{"content":"my secret prompt"}]}`)
		r.Header = http.Header{"Authorization": {"Bearer sk-secret-key"}, "X-Api-Key": {"sk-secret-key"}, "Cookie": {"secret-cookie"}}
		r.Caller = llm.Caller{Key: "key_1", KeyName: "notes", App: "app", User: "alice", Remote: "127.0.0.1"}
		o.serve(t.Context(), r, &llm.Reply{Status: 200, Body: &body{pieces: []string{"my secret answer"}, err: io.EOF}, Provider: "local", Model: "real"}, nil, -1)
		o.m.Close()
		if l := o.log.String(); strings.Contains(l, "secret") {
			t.Error(l)
		}
		l := o.lines()[0]
		for k, want := range map[string]any{"request_id": "req_1", "dialect": "ollama", "endpoint": "chat", "model": "m", "target_model": "real", "provider": "local", "key": "notes", "app": "app", "user": "alice"} {
			if l[k] != want {
				t.Errorf("%s: %v, want %v", k, l[k], want)
			}
		}
		e := o.led.entries[0]
		if kept := string(e.Prompt.Content) + string(e.Answer.Content); strings.Contains(kept, "secret prompt") != keep || strings.Contains(kept, "secret answer") != keep {
			t.Errorf("keep %v: the ledger got %q", keep, kept)
		}
		if strings.Contains(fmt.Sprintf("%+v", e), "sk-secret-key") {
			t.Errorf("a key is in the entry: %+v", e)
		}
	}
}

func TestWhenTheLedgerCannotBeWritten(t *testing.T) {
	full := errors.New("no space left")
	for _, c := range []struct {
		name     string
		rules    meter.Rules
		answered bool
	}{
		{"continue", meter.Rules{}, true},
		{"refuse", meter.Rules{Refuse: true}, false},
		{"strict", meter.Rules{Strict: true}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observe(t, c.rules)
			o.led.err = full
			err := o.serve(t.Context(), request("m"), &llm.Reply{Status: 200, Body: &body{pieces: []string{"x"}, err: io.EOF}}, nil, -1)
			if c.answered != (err == io.EOF) {
				t.Errorf("%v", err)
			}
			if !c.answered && llm.AsError(err).Kind != llm.Unrecorded {
				t.Errorf("%v", err)
			}
			o.wants("corral_calls_in_flight 0")
		})
	}
}

func TestStrictWritesBeforeTheLastPiece(t *testing.T) {
	o := observe(t, meter.Rules{Strict: true})
	got, err := o.m.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
		return &llm.Reply{Status: 200, Body: &body{pieces: []string{"one", "two"}, err: io.EOF}}, nil
	})).Serve(t.Context(), request("m"))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{0, 1, 1} {
		_, err := got.Body.Next()
		if n := len(o.led.entries); n != want || (err == io.EOF) != (i == 2) {
			t.Errorf("after piece %d: %d entries, %v", i, n, err)
		}
	}
	got.Close()
	if n := len(o.led.entries); n != 1 {
		t.Errorf("%d entries", n)
	}
}

func TestManyCallsAtOnce(t *testing.T) {
	o := observe(t, meter.Rules{})
	o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: metrics.NewSet(), Ledger: &o.led, Prices: free{}, Rules: func() meter.Rules { return meter.Rules{} }})
	large := bytes.Repeat([]byte("x"), 100<<10) // written down after its end
	var released sync.WaitGroup
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 25 {
				r := request("m")
				r.Body = large
				released.Add(1)
				r.Release = released.Done
				o.serve(context.Background(), r, &llm.Reply{Status: 200, Body: &body{pieces: []string{"x"}, err: io.EOF}}, nil, -1)
				if r.Release != nil {
					r.Release()
				}
			}
		})
	}
	wg.Wait()
	o.m.Close()
	released.Wait()
	if n := len(o.led.entries); n != 200 {
		t.Errorf("%d entries", n)
	}
}
