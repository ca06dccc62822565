package translate

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"corral/daemon/llm"
)

// both are the APIs that callers and targets speak, so that what one end writes the other can read.
var both = []struct {
	api      API
	endpoint string
}{{OpenAI, "chat_completions"}, {Anthropic, "messages"}, {Ollama, "chat"}}

// anyAnswer is an answer that all of them can express.
func anyAnswer(r *rand.Rand) *answer {
	a := &answer{id: "h1", model: "herd", created: time.Unix(1760000001, 0).UTC(), usage: noUsage}
	if r.IntN(3) == 0 {
		a.parts = append(a.parts, part{kind: aThought, text: anyText(r)})
	}
	if r.IntN(4) > 0 {
		a.parts = append(a.parts, part{kind: aText, text: anyText(r)})
	}
	for i := range r.IntN(3) {
		args, _ := json.Marshal(map[string]any{"text": anyText(r), "n": r.IntN(1000), "list": []string{anyText(r)}})
		a.parts = append(a.parts, part{kind: aCall, id: fmt.Sprintf("call_%d", i), name: "tool", text: string(args)})
	}
	a.stop = []stop{stopEnd, stopLength}[r.IntN(2)]
	a.settleStop()
	a.usage.input, a.usage.output = r.Int64N(1e6), r.Int64N(1e6)
	return a
}

func anyText(r *rand.Rand) string {
	pieces := []string{"Seven", " horses", "\n\n", "\"", "\\", "data: ", "é", "🐎", "<b>&", "\u2028", "{}", "[DONE]", "\t", " "}
	var b strings.Builder
	b.WriteByte('x')
	for range r.IntN(8) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// told is what of an answer has to arrive.
func toldOf(a *answer) string {
	var b strings.Builder
	for _, p := range a.parts {
		fmt.Fprintf(&b, "%d %q %q %q\n", p.kind, p.id, p.name, p.text)
	}
	fmt.Fprintf(&b, "%s stop %d, %d + %d\n", a.model, a.stop, a.usage.input, a.usage.output)
	return b.String()
}

// streamed writes a as a target would stream it, in small pieces.
func streamed(t *testing.T, c *Call, a *answer, r *rand.Rand) string {
	t.Helper()
	var o out
	f := flow{call: c, open: none, limit: maxAnswer, answer: answer{id: a.id, model: a.model, created: a.created, usage: a.usage, stop: a.stop}}
	f.enc = c.from.stream(c, &o)
	for i, p := range a.parts {
		if err := f.begin(part{kind: p.kind, id: p.id, name: p.name}); err != nil {
			t.Fatal(err)
		}
		f.key = i
		for text := p.text; text != ""; {
			n := min(1+r.IntN(5), len(text))
			for n < len(text) && text[n]&0xC0 == 0x80 {
				n++
			}
			if err := f.piece(text[:n], nil); err != nil {
				t.Fatal(err)
			}
			text = text[n:]
		}
	}
	if err := f.finish(); err != nil {
		t.Fatal(err)
	}
	return o.String()
}

// heardStream reads a stream of an API into an answer.
func heardStream(t *testing.T, api API, text string) *answer {
	t.Helper()
	s := newSplitter(strings.NewReader(text), hearers[api].form)
	f := flow{enc: silent{}, open: none, limit: maxAnswer, started: true, answer: answer{usage: noUsage}}
	d := hearers[api].stream()
	for {
		data, err := s.next(true)
		if err != nil {
			t.Fatalf("%v reading %s", err, text)
		}
		last, err := d.event(data, &f)
		if err != nil {
			t.Fatalf("%v reading %s", err, text)
		}
		if last {
			if err := f.finish(); err != nil {
				t.Fatal(err)
			}
			return &f.answer
		}
	}
}

// TestAnswersArriveAsTheyWere takes answers through every pair, whole and streamed, and reads them at the other end.
func TestAnswersArriveAsTheyWere(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, target := range both {
		for _, caller := range both {
			for range 60 {
				a := anyAnswer(r)
				want := toldOf(a)
				asTarget := askedPlainly(t, target.endpoint, Ollama, true) // its encoder plays the target
				b, err := asTarget.from.whole(asTarget, a)
				if err != nil {
					t.Fatal(err)
				}
				c := askedPlainly(t, caller.endpoint, target.api, false)
				got, u, err := c.Answer(200, b)
				if err != nil {
					t.Fatalf("%s to %s: %v for %s", target.api, caller.endpoint, err, b)
				}
				back := &answer{usage: noUsage}
				if err := hearers[caller.api].whole(got, back); err != nil {
					t.Fatal(err)
				}
				if back.settleStop(); toldOf(back) != want {
					t.Fatalf("%s to %s, whole:\n got %s\nwant %s", target.api, caller.endpoint, toldOf(back), want)
				}
				if u.Input != a.usage.input || u.Output != a.usage.output {
					t.Errorf("usage %+v, want %+v", u, a.usage)
				}

				c = askedPlainly(t, caller.endpoint, target.api, true)
				text, end := all(c.Events(strings.NewReader(streamed(t, asTarget, a, r))))
				if end != io.EOF {
					t.Fatalf("%s to %s: %v", target.api, caller.endpoint, end)
				}
				if got := toldOf(heardStream(t, caller.api, text)); got != want {
					t.Fatalf("%s to %s, streamed:\n got %s\nwant %s\n%s", target.api, caller.endpoint, got, want, text)
				}
			}
		}
	}
}

// anyChat is a request that API to can express and tell again.
func anyChat(r *rand.Rand, api API) *chat {
	c := &chat{model: "herd", stream: r.IntN(2) == 0, maxTokens: "77"}
	if r.IntN(2) == 0 {
		c.messages = append(c.messages, message{system, []part{{kind: aText, text: anyText(r)}}})
	}
	for i := range 1 + r.IntN(3) {
		ask := message{user, []part{{kind: aText, text: anyText(r)}}}
		if r.IntN(3) == 0 {
			ask.parts = append(ask.parts, part{kind: anImage, image: image{mediaType: "image/png", data: "iVBORw0KGgo="}})
		}
		id := fmt.Sprintf("call_%d", i)
		c.messages = append(c.messages, ask,
			message{assistant, []part{{kind: aText, text: anyText(r)}, {kind: aCall, id: id, name: "tool", text: fmt.Sprintf(`{"n":%d}`, r.IntN(99))}}},
			message{user, []part{{kind: aResult, id: id, name: "tool", parts: []part{{kind: aText, text: anyText(r)}}}, {kind: aText, text: anyText(r)}}})
	}
	c.tools = []tool{{name: "tool", description: anyText(r), schema: json.RawMessage(`{"type":"object","properties":{"n":{"type":"integer"}}}`)}}
	if r.IntN(2) == 0 {
		c.stop = []string{anyText(r), "END"}
	}
	if r.IntN(2) == 0 {
		yes := true
		c.format = format{kind: formatSchema, name: "answer", schema: json.RawMessage(`{"type":"object"}`), strict: &yes}
	}
	c.options = []option{{key: "temperature", value: json.RawMessage("0.25")}, {key: "top_p", value: json.RawMessage("0.5")}}
	if api == Anthropic { // it refuses both in one call
		c.options = c.options[r.IntN(2):][:1]
	}
	if api != Ollama {
		c.choice = choice{mode: chooseNamed, name: "tool"}
		c.options = append(c.options, option{key: "user", value: json.RawMessage(`"u"`)})
	}
	if api == OpenAI {
		c.think = think{mode: thinkOn, effort: "high"}
	}
	return c
}

// plain is c without what only tells where something stood, and with turns as any API may part them.
func plain(c *chat, api API) *chat {
	p := &chat{model: c.model, stream: c.stream, maxTokens: c.maxTokens, stop: c.stop, tools: c.tools, format: c.format, think: c.think, choice: c.choice}
	p.format.field, p.think.field, p.choice.field = "", "", ""
	if api != OpenAI {
		p.format.name = ""
	}
	if api == Ollama {
		p.format.strict = nil
	}
	for _, o := range c.options {
		p.options = append(p.options, option{key: o.key, value: o.value})
	}
	for _, m := range c.messages {
		for _, q := range m.parts {
			q.field, q.signer = "", 0
			if q.kind == aResult && api != Ollama {
				q.name = "" // told by its id
			}
			p.add(m.role, q)
		}
	}
	return p
}

func TestRequestsArriveAsTheyWere(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, x := range both {
		for range 300 {
			c := anyChat(r, x.api)
			want := plain(c, x.api)
			b, err := hearers[x.api].encode(c, Target{API: x.api})
			if err != nil {
				t.Fatal(err)
			}
			if len(c.options) > 0 || len(c.warnings) > 0 {
				t.Fatalf("%s left behind %v %v", x.api, c.options, c.warnings)
			}
			back, err := speakers[x.endpoint].decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(back.warnings) > 0 {
				t.Fatalf("%s does not know its own %v", x.api, back.warnings)
			}
			got := plain(back, x.api)
			sortOptions(got)
			sortOptions(want)
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("%s:\n got %+v\nwant %+v\n%s", x.api, got, want, b)
			}
		}
	}
}

func sortOptions(c *chat) {
	for i := range c.options {
		for j := range i {
			if c.options[i].key < c.options[j].key {
				c.options[i], c.options[j] = c.options[j], c.options[i]
			}
		}
	}
}

// FuzzRequest: no body makes a decoder or an encoder panic, and what comes out is JSON.
func FuzzRequest(f *testing.F) {
	for _, ep := range chatEndpoints {
		for _, b := range corpus(f, "asked", ep) {
			f.Add(b)
		}
	}
	for _, b := range embedCorpus {
		f.Add([]byte(b))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return // the gateway has seen to it
		}
		for _, ep := range endpoints {
			for _, api := range apis {
				if !Can(ep, api) {
					continue
				}
				c, err := Request(ep, body, Target{API: api})
				if err != nil {
					if _, ok := err.(*llm.Error); !ok {
						t.Fatalf("%s: %v is no *llm.Error", ep.Name, err)
					}
					continue
				}
				if !json.Valid(c.Body) {
					t.Fatalf("%s to %s: %s", ep.Name, api, c.Body)
				}
				if strings.ContainsAny(c.Warning(), "\r\n\x00") {
					t.Fatalf("%q", c.Warning())
				}
			}
		}
	})
}

// FuzzAnswer: no answer makes a decoder or an encoder panic.
func FuzzAnswer(f *testing.F) {
	for _, api := range apis {
		for _, b := range corpus(f, "heard", strings.ToLower(api.String())) {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, ep := range chatEndpoints {
			for _, api := range apis {
				c := askedPlainly(t, ep, api, false)
				if b, _, err := c.Answer(200, body); err == nil && !json.Valid(b) {
					t.Fatalf("%s from %s: %s", ep, api, b)
				}
				if b, _, err := c.Answer(500, body); err != nil || !json.Valid(b) {
					t.Fatalf("%s from %s: %v, %s", ep, api, err, b)
				}
				c = askedPlainly(t, ep, api, true)
				if _, err := all(c.Events(strings.NewReader(string(body)))); err != io.EOF {
					if _, ok := err.(*llm.Error); !ok {
						t.Fatalf("%s from %s: %v is no *llm.Error", ep, api, err)
					}
				}
			}
		}
	})
}
