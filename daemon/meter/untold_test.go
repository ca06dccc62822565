package meter_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/store/ledger/record"
)

// perToken costs a billionth of a dollar for each token, and nothing is known where one of the counts is not.
type perToken struct{}

func (perToken) Cost(_ llm.Target, model string, u llm.Usage, _ time.Duration) (cost, baseline record.Money) {
	if u.Input < 0 || u.Output < 0 || model != "m" {
		return record.Money{}, record.Money{}
	}
	return record.Nano(u.Input + u.Output), record.Nano(0)
}

// A broken stream, one that its caller left, and an answer without any usage were in no sum and on no budget once: whoever
// closed the connection just before the end of each answer spent without a limit.
func TestWhatIsPaidForIsCountedWhereTheTargetDidNotTell(t *testing.T) {
	openai := &llm.Endpoint{Name: "chat_completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	messages := &llm.Endpoint{Name: "messages", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE}
	embed := &llm.Endpoint{Name: "embed", Dialect: llm.Ollama, Task: llm.Embed}
	const ask = `{"model":"m","messages":[{"role":"user","content":"one two three"}]}` // 3 tokens, and 1 for the line's end
	line := `{"message":{"role":"assistant","content":" four"},"done":false}` + "\n"
	event := `data: {"choices":[{"delta":{"content":" four"}}]}` + "\n\n"
	block := "event: content_block_delta\n" + `data: {"type":"content_block_delta","delta":{"type":"text_delta","text":" four"}}` + "\n\n"
	whole := `{"choices":[{"message":{"role":"assistant","content":" four four"}}]}`
	broken := &llm.Error{Kind: llm.Broken, Message: "It broke off."}
	told := func(in, out int64) llm.Usage {
		u := llm.NoUsage
		u.Input, u.Output = in, out
		return u
	}
	left, leave := context.WithCancel(context.Background())
	leave()
	for _, c := range []struct {
		name      string
		ep        *llm.Endpoint
		body      string
		stream    bool
		pieces    []string
		end       error // of the answer; nil: its caller leaves after the last piece but one
		usage     llm.Usage
		err       error // in place of an answer
		attempts  int
		in, out   int64
		estimated bool
	}{
		{"a stream that tells", openai, ask, true, []string{event}, io.EOF, told(7, 9), nil, 1, 7, 9, false},
		{"a stream that does not", openai, ask, true, []string{event, event}, io.EOF, llm.NoUsage, nil, 1, 4, 2, true},
		{"an answer that does not", openai, ask, false, []string{whole}, io.EOF, llm.NoUsage, nil, 1, 4, 2, true},
		{"an answer that tells", openai, ask, false, []string{whole}, io.EOF, told(7, 9), nil, 1, 7, 9, false},
		{"half of it told", openai, ask, false, []string{whole}, io.EOF, told(-1, 9), nil, 1, 4, 9, true},
		{"broke off, lines", chat, ask, true, []string{line, line}, broken, llm.NoUsage, nil, 1, 4, 2, true},
		{"broke off, events", openai, ask, true, []string{event, event, event}, broken, llm.NoUsage, nil, 1, 4, 3, true},
		{"broke off after its beginning was told", messages, ask, true, []string{block, block, block}, broken, told(7, 1), nil, 1, 7, 3, true},
		{"broke off after more was told than came", messages, ask, true, []string{block}, broken, told(7, 9), nil, 1, 7, 9, false},
		{"left in the middle, lines", chat, ask, true, []string{line, line, line}, nil, llm.NoUsage, nil, 1, 4, 2, true},
		{"left in the middle, events", openai, ask, true, []string{event, event}, nil, llm.NoUsage, nil, 1, 4, 1, true},
		{"left before any answer", openai, ask, true, nil, nil, llm.NoUsage, context.Canceled, 1, 4, 0, true},
		{"left before anybody was asked", openai, ask, true, nil, nil, llm.NoUsage, context.Canceled, 0, -1, -1, false},
		{"no answer in time", openai, ask, true, nil, nil, llm.NoUsage, &llm.Error{Kind: llm.Timeout}, 1, 4, 0, true},
		{"nobody there", openai, ask, true, nil, nil, llm.NoUsage, &llm.Error{Kind: llm.Unreachable}, 1, -1, -1, false},
		{"vectors", embed, `{"model":"m","input":"one two three"}`, false, []string{`{"embeddings":[[1]]}`}, io.EOF, llm.NoUsage, nil, 1, 4, -1, true},
	} {
		for _, strict := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, strict %v", c.name, strict), func(t *testing.T) {
				o := &observed{t: t, set: metrics.NewSet()}
				o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: perToken{}, Rules: func() meter.Rules { return meter.Rules{Strict: strict} }})
				r := request("m")
				r.Endpoint, r.Body, r.Attempts, r.Target.Model = c.ep, []byte(c.body), c.attempts, "m"
				reply := &llm.Reply{Status: 200, Body: &body{pieces: c.pieces, err: c.end, usage: c.usage}, Provider: "local", Model: "m", Stream: c.stream}
				ctx, read := t.Context(), -1
				if c.end == nil {
					ctx, read = left, len(c.pieces)-1
				}
				if c.err != nil {
					reply = nil
				}
				if err := o.serve(ctx, r, reply, c.err, read); c.err != nil && !errors.Is(err, c.err) {
					t.Fatal(err)
				}
				o.m.Close()
				e := o.led.entries[0]
				if e.Tokens.Input != c.in || e.Tokens.Output != c.out || e.Tokens.Estimated != c.estimated || (e.Flags&record.Estimated != 0) != c.estimated {
					t.Errorf("%+v", e.Tokens)
				}
				want := record.Nano(max(c.in, 0) + max(c.out, 0))
				if c.ep == embed {
					want = record.Money{} // these prices know no call without an answer
				}
				if e.Cost != want {
					t.Errorf("%+v, want %+v", e.Cost, want)
				}
			})
		}
	}
}

// Who was only told to wait has had no answer: what such a call costs is what it would without that word.
func TestWhoWasOnlyToldToWait(t *testing.T) {
	left, leave := context.WithCancel(t.Context())
	leave()
	for _, c := range []struct {
		name     string
		end      error // nil: the caller leaves
		attempts int
		want     record.Money
		flags    record.Flags
	}{
		{"left while the target was at it", nil, 1, record.Nano(4), record.CallerLeft | record.Estimated},
		{"no answer in time", &llm.Error{Kind: llm.Timeout}, 1, record.Nano(4), record.Broken | record.Estimated},
		{"nobody there", &llm.Error{Kind: llm.Unreachable}, 2, record.Nano(0), record.Broken | record.Retried},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &observed{t: t, set: metrics.NewSet()}
			o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: perToken{}, Rules: func() meter.Rules { return meter.Rules{} }})
			r := request("chat")
			r.Body, r.Attempts, r.Target = []byte(`{"messages":[{"role":"user","content":"one two three"}]}`), c.attempts, llm.Target{Provider: "local", Model: "next"}
			r.AskedOf = llm.Target{Provider: "cloud", Model: "m"} // the other's turn did not come any more
			ctx, n := t.Context(), -1
			if c.end == nil {
				ctx, n = left, 1
			}
			o.serve(ctx, r, &llm.Reply{Status: 200, Stream: true, Provider: "corral", Model: "chat", Route: llm.Waiting,
				Body: &body{pieces: []string{": wait\n\n", ": wait\n\n"}, err: c.end, usage: llm.NoUsage}}, nil, n)
			o.m.Close()
			e := o.led.entries[0]
			if e.Cost != c.want || e.Provider != "cloud" || e.ModelAnswered != "" || e.Flags != c.flags|record.Streamed {
				t.Errorf("%+v by %q, %q, flags %v", e.Cost, e.Provider, e.ModelAnswered, e.Flags)
			}
		})
	}
}

// A sentence costs nothing, however long its caller had waited for something better.
func TestASentenceCostsNothing(t *testing.T) {
	o := &observed{t: t, set: metrics.NewSet()}
	o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: perToken{}, Rules: func() meter.Rules { return meter.Rules{} }})
	r := request("m")
	r.LastResort, r.Attempts, r.Target = true, 2, llm.Target{Provider: "corral", Model: "m"}
	o.serve(t.Context(), r, &llm.Reply{Status: 200, Provider: "corral", Model: "m", Route: "static", Body: &body{pieces: []string{"{}"}, err: io.EOF, usage: llm.Usage{Input: 3, Output: 4}}}, nil, -1)
	if e := o.led.entries[0]; e.Cost != record.Nano(0) || e.Flags&record.LastResort == 0 {
		t.Errorf("%+v %v", e.Cost, e.Flags)
	}
}

// Who waited for another's call that failed has asked nobody, had nothing from a cache, and was refused by nobody here.
func TestAFailureThatSeveralWaitedFor(t *testing.T) {
	o := &observed{t: t, set: metrics.NewSet()}
	o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: perToken{}, Rules: func() meter.Rules { return meter.Rules{} }})
	r := request("m")
	r.Reuse.Free = true
	o.serve(t.Context(), r, nil, &llm.Error{Kind: llm.Unreachable}, 0)
	if e := o.led.entries[0]; e.Flags != 0 || e.Cost != record.Nano(0) {
		t.Errorf("flags %v, %+v", e.Flags, e.Cost)
	}
}

// A call to a route that Corral does not know costs nobody knows what where somebody is paid, not nothing.
func TestWhatARouteThatIsNotKnownCosts(t *testing.T) {
	for _, c := range []struct {
		name, method, left string
		status             int
		known              bool
	}{
		{"pictures elsewhere", "POST", "api.example.org", 200, false},
		{"refused", "POST", "api.example.org", 404, true},
		{"looked up", "GET", "api.example.org", 200, true},
		{"on this device", "POST", "", 200, true},
	} {
		o := observe(t, meter.Rules{})
		r := request("m")
		r.Endpoint, r.Method, r.Left, r.Attempts = &llm.Endpoint{Name: "v1_other", Dialect: llm.OpenAI}, c.method, c.left, 1
		o.serve(t.Context(), r, &llm.Reply{Status: c.status, Body: &body{pieces: []string{"{}"}, err: io.EOF, usage: llm.NoUsage}, Provider: "cloud"}, nil, -1)
		o.m.Close()
		if e := o.led.entries[0]; e.Cost.Known != c.known || e.Cost.Nano != 0 {
			t.Errorf("%s: %+v", c.name, e.Cost)
		}
	}
}
