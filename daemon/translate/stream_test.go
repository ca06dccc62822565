package translate

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

var _ llm.Body = (*Stream)(nil)

// pieces gives one piece a Read, and then err.
type pieces struct {
	all []string
	err error
}

func (p *pieces) Read(b []byte) (int, error) {
	if len(p.all) == 0 {
		return 0, p.err
	}
	n := copy(b, p.all[0])
	if p.all[0] = p.all[0][n:]; p.all[0] == "" {
		p.all = p.all[1:]
	}
	return n, nil
}

func chunk(delta string) string {
	return `data: {"id":"c1","model":"m","choices":[{"index":0,"delta":` + delta + `}]}` + "\n\n"
}

const finished = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\ndata: [DONE]\n\n"

func kindOf(err error) string {
	var e *llm.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return fmt.Sprint(err)
}

func TestStreamKeepsContentApartFromItsBeginning(t *testing.T) {
	s := askedPlainly(t, "messages", OpenAI, true).Events(&pieces{[]string{": a comment\n\n", chunk(`{"role":"assistant","content":""}`), chunk(`{"content":"Hi"}`), finished}, io.EOF})
	defer s.Close()
	b, err := s.Next()
	if err != nil || !strings.Contains(string(b), "message_start") || s.Content() {
		t.Fatalf("first %q, %v, content %v", b, err, s.Content())
	}
	if b, err = s.Next(); err != nil || !strings.Contains(string(b), `"text":"Hi"`) || !s.Content() {
		t.Fatalf("then %q, %v, content %v", b, err, s.Content())
	}
	if b, err = s.Next(); err != nil || !strings.Contains(string(b), "message_stop") {
		t.Fatalf("then %q, %v", b, err)
	}
	if b, err = s.Next(); err != io.EOF || len(b) > 0 {
		t.Fatalf("at last %q, %v", b, err)
	}
}

func TestStreamEndsHonestly(t *testing.T) {
	reset := errors.New("connection reset")
	for _, x := range []struct {
		name string
		src  *pieces
		end  string
		told bool // whether the caller's own last event came
	}{
		{"whole", &pieces{[]string{chunk(`{"content":"Hi"}`) + finished}, io.EOF}, "EOF", true},
		{"whole, and then the connection breaks", &pieces{[]string{chunk(`{"content":"Hi"}`) + finished}, reset}, "EOF", true},
		{"whole, and then nonsense", &pieces{[]string{finished, "data: {{{\n\n", "data: {{{\n\n"}, io.EOF}, "EOF", true},
		{"no blank line at the end", &pieces{[]string{chunk(`{"content":"Hi"}`) + strings.TrimSpace(finished)}, io.EOF}, "EOF", true},
		{"carriage returns", &pieces{[]string{strings.ReplaceAll(chunk(`{"content":"Hi"}`)+finished, "\n", "\r\n")}, io.EOF}, "EOF", true},
		{"cut", &pieces{[]string{chunk(`{"content":"Hi"}`)}, io.EOF}, "target_broke_off", false},
		{"nothing", &pieces{nil, io.EOF}, "target_broke_off", false},
		{"reset", &pieces{[]string{chunk(`{"content":"Hi"}`)}, reset}, "connection reset", false},
		{"failed", &pieces{[]string{chunk(`{"content":"Hi"}`), `data: {"error":{"message":"out of memory"}}` + "\n\n"}, io.EOF}, "target_error", false},
		{"nonsense", &pieces{[]string{chunk(`{"content":"Hi"}`), "data: <html>\n\n"}, io.EOF}, "target_bad_answer", false},
		{"two choices", &pieces{[]string{`data: {"choices":[{"index":1,"delta":{"content":"x"}}]}` + "\n\n"}, io.EOF}, "target_bad_answer", false},
	} {
		for _, ep := range chatEndpoints {
			src := &pieces{append([]string(nil), x.src.all...), x.src.err}
			text, err := all(askedPlainly(t, ep, OpenAI, true).Events(src))
			told := strings.Contains(text, "[DONE]") || strings.Contains(text, "message_stop") || strings.Contains(text, "response.completed") || strings.Contains(text, `"done":true`)
			if kindOf(err) != x.end || told != x.told {
				t.Errorf("%s by %s: ended with %q, last event %v; want %q, %v\n%s", x.name, ep, kindOf(err), told, x.end, x.told, text)
			}
		}
	}
}

// endless says the same for ever.
type endless struct {
	text string
	at   int
}

func (e *endless) Read(b []byte) (n int, err error) {
	for n < len(b) {
		m := copy(b[n:], e.text[e.at:])
		n += m
		e.at = (e.at + m) % len(e.text)
	}
	return n, nil
}

func TestStreamIsBounded(t *testing.T) {
	long := strings.Repeat("x", 8<<10)
	for name, src := range map[string]io.Reader{
		"an endless answer":  &endless{text: chunk(`{"content":"` + long + `"}`)},
		"an endless thought": &endless{text: chunk(`{"reasoning":"` + long + `"}`)},
		"an endless line":    io.MultiReader(strings.NewReader("data: {"), &endless{text: "x"}),
		"an endless event":   &endless{text: "data: " + long + "\n"},
		"endless calls":      &endless{text: `data: {"choices":[{"index":0,"delta":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]}}]}` + "\n\n"},
	} {
		s := askedPlainly(t, "chat", OpenAI, true).Events(src)
		s.flow.limit, s.split.limit = 1<<20, 1<<20
		var err error
		for err == nil {
			_, err = s.Next()
		}
		s.Close()
		if kindOf(err) != "target_bad_answer" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAnthropicIsToldOneWayOfChoosingTokens: it refuses two, and others while it thinks.
func TestAnthropicIsToldOneWayOfChoosingTokens(t *testing.T) {
	for _, x := range []struct{ options, sent, warned string }{
		{`"temperature":0.5,"top_p":0.9`, `{"temperature":0.5}`, "top_p"},
		{`"temperature":1.5,"top_p":0.9`, `{"temperature":1}`, "temperature, top_p"},
		{`"top_p":0.9`, `{"top_p":0.9}`, ""},
		{`"temperature":0.5`, `{"temperature":0.5}`, ""},
		{`"top_p":0.9,"reasoning_effort":"low"`, `{}`, "top_p"},
		{`"top_p":0.95,"reasoning_effort":"low"`, `{"top_p":0.95}`, ""},
		{`"temperature":0.5,"top_p":0.99,"reasoning_effort":"low"`, `{"top_p":0.99}`, "temperature"},
		{`"temperature":0.5,"top_p":0.9,"reasoning_effort":"none"`, `{"temperature":0.5}`, "top_p"},
	} {
		c, err := Request(endpoints["chat_completions"], []byte(`{"messages":[{"role":"user","content":"Hi."}],`+x.options+`}`), Target{API: Anthropic})
		if err != nil {
			t.Fatal(x.options, err)
		}
		sent := `{}`
		for _, k := range []string{"temperature", "top_p", "top_k"} {
			if v := gjson.GetBytes(c.Body, k); v.Exists() {
				sent = strings.Replace(sent, "}", `"`+k+`":`+v.Raw+"}", 1)
			}
		}
		if got := strings.Join(c.Warnings, ", "); sent != x.sent || got != x.warned {
			t.Errorf("%s: %s, warned of %q; want %s, %q", x.options, sent, got, x.sent, x.warned)
		}
	}
}

// TestACallOfSystemMessagesAloneIsAnswered, as OpenAI and Ollama answer it.
func TestACallOfSystemMessagesAloneIsAnswered(t *testing.T) {
	const one = `{"messages":[{"role":"system","content":"Tell a joke."}]}`
	const two = `{"messages":[{"role":"system","content":"Be brief."},{"role":"system","content":"Tell a joke."},{"role":"system","content":""},{"role":"user","content":""}]}`
	for _, x := range []struct {
		name, endpoint, body string
		to                   API
		says, asks           string // what then stands among the system's messages and among the user's
		code                 string // else it is refused with
	}{
		{"one", "chat_completions", one, Anthropic, "", "Tell a joke.", ""},
		{"one", "chat", one, Gemini, "", "Tell a joke.", ""},
		{"two", "chat_completions", two, Anthropic, "Be brief.", "Tell a joke.", ""},
		{"two", "chat_completions", two, Gemini, "Be brief.", "Tell a joke.", ""},
		{"instructions", "responses", `{"instructions":"Tell a joke.","input":""}`, Anthropic, "", "Tell a joke.", ""},
		{"nothing", "chat_completions", `{"messages":[{"role":"user","content":""}]}`, Anthropic, "", "", "unsupported"},
		{"nothing", "chat_completions", `{"messages":[{"role":"system","content":""}]}`, Gemini, "", "", "unsupported"},
	} {
		c, err := Request(endpoints[x.endpoint], []byte(x.body), Target{API: x.to})
		if err != nil || x.code != "" {
			if kindOf(err) != x.code {
				t.Errorf("%s to %s: %v, want %q", x.name, x.to, err, x.code)
			}
			continue
		}
		says, asks := gjson.GetBytes(c.Body, "system.#.text"), gjson.GetBytes(c.Body, `messages.#(role=="user").content.#.text`)
		if x.to == Gemini {
			says, asks = gjson.GetBytes(c.Body, "systemInstruction.parts.#.text"), gjson.GetBytes(c.Body, `contents.#(role=="user").parts.#.text`)
		}
		want := map[bool]string{true: `["` + x.says + `"]`}[x.says != ""]
		if says.Raw != want || asks.Raw != `["`+x.asks+`"]` || !strings.Contains(c.Warning(), "messages.role") {
			t.Errorf("%s to %s: %q\n%s", x.name, x.to, c.Warning(), c.Body)
		}
	}
}

// TestCallsOfOneIndexAreToldApartByTheirIDs, as Gemini's server in OpenAI's words has them.
func TestCallsOfOneIndexAreToldApartByTheirIDs(t *testing.T) {
	const end = `data: {"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}` + "\n\ndata: [DONE]\n\n"
	said := func(index, id, name, args string) string {
		if id != "" {
			id = `"id":"` + id + `",`
		}
		if name != "" {
			name = `"name":"` + name + `",`
		}
		return `{"index":` + index + `,` + id + `"type":"function","function":{` + name + `"arguments":` + strconv.Quote(args) + `}}`
	}
	delta := func(calls ...string) string { return chunk(`{"tool_calls":[` + strings.Join(calls, ",") + `]}`) }
	for name, x := range map[string]struct{ stream, want string }{
		"in one event":          {delta(said("0", "a", "f", `{"x":1}`), said("0", "b", "f", `{"x":2}`)), `a f {"x":1} b f {"x":2}`},
		"in events":             {delta(said("0", "a", "f", `{"x":1}`)) + delta(said("0", "b", "g", `{}`)) + delta(said("0", "c", "f", `{}`)), `a f {"x":1} b g {} c f {}`},
		"in pieces":             {delta(said("0", "a", "f", `{"x`)) + delta(said("0", "", "", `":1}`)) + delta(said("0", "b", "f", `{"x`)) + delta(said("0", "", "", `":2}`)), `a f {"x":1} b f {"x":2}`},
		"with a text between":   {delta(said("0", "a", "f", `{}`)) + chunk(`{"content":"and"}`) + delta(said("0", "b", "f", `{}`)), `a f {} b f {}`},
		"its name in each":      {delta(said("0", "a", "f", `{"x`)) + delta(said("0", "a", "f", `":1}`)), `a f {"x":1}`},
		"an index of their own": {delta(said("0", "a", "f", `{}`), said("1", "b", "f", `{`)) + delta(said("1", "", "", `}`)), `a f {} b f {}`},
		"then one of the next":  {delta(said("0", "a", "f", `{}`), said("0", "b", "f", `{}`), said("1", "c", "f", `{}`)), `a f {} b f {} c f {}`},
	} {
		text, err := all(askedPlainly(t, "messages", OpenAI, true).Events(strings.NewReader(x.stream + end)))
		if err != io.EOF {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, p := range heardStream(t, Anthropic, text).parts {
			if p.kind == aCall {
				got = append(got, p.id, p.name, p.text)
			}
		}
		if s := strings.Join(got, " "); s != x.want {
			t.Errorf("%s: %s, want %s", name, s, x.want)
		}
	}
}

func TestTargetsDiffer(t *testing.T) {
	const hard = `{"model":"herd","max_tokens":100,"reasoning_effort":"medium","temperature":0.5,"messages":[{"role":"user","content":"Hi."},{"role":"assistant","content":"Hm.","reasoning":"Why?"},{"role":"user","content":"Go on."}]}`
	const image = `{"model":"herd","messages":[{"role":"user","content":"Hi.","images":["iVBORw0KGgo="]}]}`
	const tools = `{"model":"herd","messages":[{"role":"user","content":"Hi."}],"tools":[{"type":"function","function":{"name":"f"}}]}`
	for _, x := range []struct {
		name, endpoint, body string
		to                   Target
		path, want           string // of the target's body; "!" and a code: refused
	}{
		{"the older name for max_tokens", "chat_completions", hard, Target{API: OpenAI}, "max_tokens", "100"},
		{"the newer name", "chat_completions", hard, Target{API: OpenAI, NewMaxTokens: true}, "max_completion_tokens", "100"},
		{"no reasoning goes back", "chat_completions", hard, Target{API: OpenAI}, "messages.1.reasoning", ""},
		{"reasoning goes back", "chat_completions", hard, Target{API: OpenAI, Reasoning: "reasoning_content"}, "messages.1.reasoning_content", "Why?"},
		{"adaptive thinking", "chat_completions", hard, Target{API: Anthropic}, "thinking.type", "adaptive"},
		{"no temperature while it thinks", "chat_completions", hard, Target{API: Anthropic}, "temperature", ""},
		{"a budget of thinking, within the bound", "chat_completions", hard, Target{API: Anthropic, BudgetThinking: true}, "thinking.budget_tokens", "8192"},
		{"the bound is above it", "chat_completions", hard, Target{API: Anthropic, BudgetThinking: true}, "max_tokens", "8292"},
		{"Anthropic's bound", "chat", `{"messages":[{"role":"user","content":"Hi."}]}`, Target{API: Anthropic, MaxTokens: 5}, "max_tokens", "5"},
		{"an image", "chat", image, Target{API: OpenAI}, "messages.0.content.1.image_url.url", "data:image/png;base64,iVBORw0KGgo="},
		{"no image", "chat", image, Target{API: OpenAI, NoImages: true}, "", "!unsupported"},
		{"a tool without a schema", "chat", tools, Target{API: Anthropic}, "tools.0.input_schema.type", "object"},
		{"no tools", "chat", tools, Target{API: OpenAI, NoTools: true}, "", "!unsupported"},
		{"a budget that calls without thoughts forbid", "messages", `{"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"Hi."},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"x"}]}]}`, Target{API: Anthropic}, "thinking.type", ""},
	} {
		c, err := Request(endpoints[x.endpoint], []byte(x.body), x.to)
		if err != nil {
			if "!"+kindOf(err) != x.want {
				t.Errorf("%s: %v", x.name, err)
			}
			continue
		}
		if got := gjson.GetBytes(c.Body, x.path).String(); got != x.want {
			t.Errorf("%s: %s is %q, want %q\n%s", x.name, x.path, got, x.want, c.Body)
		}
	}
}
