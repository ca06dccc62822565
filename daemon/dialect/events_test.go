package dialect

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"corral/daemon/llm"
)

var (
	chat       = &llm.Endpoint{Name: "chat", Task: llm.Generate, Form: llm.NDJSON}
	completion = &llm.Endpoint{Name: "chat_completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	response   = &llm.Endpoint{Name: "responses", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	message    = &llm.Endpoint{Name: "messages", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE}
	pull       = &llm.Endpoint{Name: "pull", Task: llm.Manage, Form: llm.NDJSON}
)

// readAll reads src to its end and returns the pieces.
func readAll(t *testing.T, src io.Reader, ep *llm.Endpoint) (pieces []string, seen Seen, err error) {
	t.Helper()
	e := NewEvents(src, ep)
	defer e.Close()
	for {
		b, err := e.Next()
		if err != nil {
			return pieces, e.Seen, err
		}
		if len(b) == 0 {
			t.Fatal("an empty piece")
		}
		pieces = append(pieces, string(b))
	}
}

func TestEventsGoOnUntouchedHoweverTheyArrive(t *testing.T) {
	for name, c := range map[string]struct {
		ep   *llm.Endpoint
		text string
	}{
		"ndjson":       {chat, `{"message":{"content":"a"},"done":false}` + "\n" + `{"message":{"content":""},"done":true,"eval_count":2}` + "\n"},
		"sse":          {completion, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n"},
		"sse crlf":     {completion, "data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\r\n\r\ndata: [DONE]\r\n\r\n"},
		"sse comments": {completion, ": hold on\n\nid: 1\ndata:{\"choices\":[{\"text\":\"a\"}]}\n\n: more\n\ndata: [DONE]\n\n"},
		"sse no end":   {completion, "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: [DONE]"},
		"sse joined":   {completion, "data: {\"choices\":\ndata: [{\"text\":\"a\"}]}\n\ndata: [DONE]\n\n"},
	} {
		for how, src := range map[string]io.Reader{
			"at once":      strings.NewReader(c.text),
			"byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
			"with the end": iotest.DataErrReader(strings.NewReader(c.text)),
		} {
			pieces, seen, err := readAll(t, src, c.ep)
			if err != io.EOF || strings.Join(pieces, "") != c.text {
				t.Errorf("%s, %s: %v, %q", name, how, err, pieces)
			}
			if !seen.Content || !seen.Terminal || seen.Failed || seen.Garbage {
				t.Errorf("%s, %s: %+v", name, how, seen)
			}
		}
	}
}

func TestWhatIsSeenInAStream(t *testing.T) {
	type want struct{ content, terminal, failed, garbage bool }
	for name, c := range map[string]struct {
		ep   *llm.Endpoint
		text string
		want want
	}{
		"ollama: thinking is content":         {chat, `{"message":{"role":"assistant","content":"","thinking":"hm"},"done":false}` + "\n", want{content: true}},
		"ollama: a tool call is content":      {chat, `{"message":{"role":"assistant","content":"","tool_calls":[{"function":{"name":"f"}}]},"done":false}` + "\n", want{content: true}},
		"ollama: an empty line is none":       {chat, `{"message":{"role":"assistant","content":""},"done":false}` + "\n", want{}},
		"ollama: failed":                      {chat, `{"error":"out of memory"}` + "\n", want{failed: true}},
		"ollama: html":                        {chat, "<html>\n", want{garbage: true}},
		"openai: the role alone is none":      {completion, "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n", want{}},
		"openai: a null finish is none":       {completion, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":null}],\"usage\":null}\n\n", want{}},
		"openai: a tool call is content":      {completion, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0}]}}]}\n\n", want{content: true}},
		"openai: an empty answer's end":       {completion, "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", want{content: true}},
		"openai: failed after content":        {completion, "data: {\"choices\":[{\"text\":\"a\"}]}\n\ndata: {\"error\":{\"message\":\"no\"}}\n\n", want{content: true, failed: true}},
		"openai: failed, and the end":         {completion, "data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", want{terminal: true, failed: true}},
		"ollama: failed, and the end":         {chat, `{"done":true,"error":"out of memory"}` + "\n", want{terminal: true, failed: true}},
		"anthropic: failed, and the end":      {message, "data: {\"type\":\"error\",\"error\":{\"message\":\"later\"}}\n\ndata: {\"type\":\"message_delta\",\"delta\":{}}\n\ndata: {\"type\":\"message_stop\"}\n\n", want{terminal: true, failed: true}},
		"responses: created is none":          {response, "event: response.created\ndata: {\"type\":\"response.created\"}\n\n", want{}},
		"responses: text":                     {response, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n", want{content: true}},
		"responses: completed":                {response, "data: {\"type\":\"response.completed\",\"response\":{\"usage\":{\"input_tokens\":3}}}\n\n", want{content: true, terminal: true}},
		"responses: failed":                   {response, "data: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"x\"}}}\n\n", want{terminal: true, failed: true}},
		"responses: failed after content":     {response, "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\ndata: {\"type\":\"response.failed\",\"response\":{}}\n\n", want{content: true, terminal: true, failed: true}},
		"responses: failed, and the end":      {response, "data: {\"error\":{\"message\":\"no\"}}\n\ndata: [DONE]\n\n", want{terminal: true, failed: true}},
		"anthropic: start and ping are none":  {message, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n", want{}},
		"anthropic: text":                     {message, "event: content_block_delta\ndata: {\"type\":\"content_block_delta\"}\n\n", want{content: true}},
		"anthropic: stop":                     {message, "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n", want{content: true, terminal: true}},
		"anthropic: overloaded":               {message, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"later\"}}\n\n", want{failed: true}},
		"pull: any line is content":           {pull, `{"status":"pulling manifest"}` + "\n", want{content: true}},
		"pull: failed, in its own 200 stream": {pull, `{"error":"no such model"}` + "\n", want{content: true, failed: true}},
	} {
		_, seen, err := readAll(t, strings.NewReader(c.text), c.ep)
		if got := (want{seen.Content, seen.Terminal, seen.Failed, seen.Garbage}); err != io.EOF || got != c.want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
}

// ended is the usage of which only the end is known.
func ended(why string) llm.Usage {
	u := llm.NoUsage
	u.Finish = why
	return u
}

// TestTheEndOfAStreamIsReadWithoutMemory: every event of every stream is looked through for it.
func TestTheEndOfAStreamIsReadWithoutMemory(t *testing.T) {
	event := []byte(`{"id":"x","choices":[{"index":0,"delta":{"content":"hello"},"finish_reason":null}]}`)
	last := []byte(`{"id":"x","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
	if n := testing.AllocsPerRun(100, func() {
		s := Seen{Content: true}
		openaiEvent(&s, nil, event)
		openaiEvent(&s, nil, last)
		if s.Usage.Finish != "stop" {
			t.Error(s.Usage.Finish)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestUsageIsReadBesideTheStream(t *testing.T) {
	for name, c := range map[string]struct {
		ep   *llm.Endpoint
		text string
		want llm.Usage
	}{
		"ollama":             {chat, `{"done":true,"prompt_eval_count":7,"eval_count":9,"load_duration":5}` + "\n", llm.Usage{Input: 7, Output: 9, Cached: -1, Written: -1, Reasoning: -1, Load: 5}},
		"openai":             {completion, "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":9,\"prompt_tokens_details\":{\"cached_tokens\":2},\"completion_tokens_details\":{\"reasoning_tokens\":4}}}\n\n", llm.Usage{Input: 7, Output: 9, Cached: 2, Written: -1, Reasoning: 4}},
		"anthropic":          {message, "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"output_tokens\":1}}}\n\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":9}}\n\n", llm.Usage{Input: 7, Output: 9, Cached: -1, Written: -1, Reasoning: -1}},
		"anthropic, cached":  {message, "data: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":7,\"cache_read_input_tokens\":5,\"cache_creation_input_tokens\":3,\"output_tokens\":1}}}\n\n", llm.Usage{Input: 15, Output: 1, Cached: 5, Written: 3, Reasoning: -1}},
		"ollama, ended":      {chat, `{"done":true,"done_reason":"length","eval_count":9}` + "\n", llm.Usage{Input: -1, Output: 9, Cached: -1, Written: -1, Reasoning: -1, Finish: "length"}},
		"openai, ended":      {completion, "data: {\"choices\":[{\"delta\":{\"content\":\"\\\"finish_reason\\\":\\\"no\\\"\"},\"finish_reason\":null}]}\n\ndata: {\"choices\":[{\"delta\":{},\"finish_reason\" : \"tool_calls\"}]}\n\n", ended("tool_calls")},
		"openai, twice":      {completion, "data: {\"choices\":[{\"index\":1,\"finish_reason\":\"stop\"}]}\n\ndata: {\"choices\":[{\"index\":0,\"finish_reason\":\"length\"}]}\n\n", ended("stop,length")},
		"openai, unheard of": {completion, "data: {\"choices\":[{\"finish_reason\":\"" + strings.Repeat("x", 99) + "\"}]}\n\n", ended(strings.Repeat("x", 40))},
		"responses":          {response, "data: {\"type\":\"response.incomplete\",\"response\":{\"status\":\"incomplete\",\"incomplete_details\":{\"reason\":\"max_output_tokens\"}}}\n\n", ended("max_output_tokens")},
		"anthropic, ended":   {message, "data: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}\n\n", ended("tool_use")},
		"odd":                {completion, "data: {\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":1e300}}\n\n", llm.NoUsage},
	} {
		_, seen, _ := readAll(t, strings.NewReader(c.text), c.ep)
		if seen.Usage != c.want {
			t.Errorf("%s: %+v", name, seen.Usage)
		}
	}
}

func TestALongEventComesWhole(t *testing.T) {
	text := "data: {\"choices\":[{\"text\":\"" + strings.Repeat("x", 1<<20) + "\"}]}\n\n"
	pieces, seen, err := readAll(t, iotest.HalfReader(strings.NewReader(text)), completion)
	if err != io.EOF || len(pieces) != 1 || pieces[0] != text || !seen.Content {
		t.Errorf("%d pieces, %v, %+v", len(pieces), err, seen.Content)
	}
}

// TestAWordOfFailureIsHeardWithoutItsEnd: some servers write an error and close, without the line feeds that end an event.
func TestAWordOfFailureIsHeardWithoutItsEnd(t *testing.T) {
	const text = "data: {\"choices\":[{\"text\":\"a\"}]}\n\n"
	for name, c := range map[string]struct {
		ep         *llm.Endpoint
		text, want string
	}{
		"ndjson":                  {chat, `{"response":"a"}` + "\n" + `{"error":"no"}`, `{"response":"a"}` + "\n" + `{"error":"no"}` + "\n"},
		"sse":                     {completion, text + `data: {"error":{"message":"no"}}`, text + `data: {"error":{"message":"no"}}` + "\n\n"},
		"sse, one line feed":      {completion, text + "data: {\"error\":{\"message\":\"no\"}}\n", text + `data: {"error":{"message":"no"}}` + "\n\n"},
		"sse, crlf":               {completion, text + "data: {\"error\":{\"message\":\"no\"}}\r\n", text + `data: {"error":{"message":"no"}}` + "\n\n"},
		"sse, named":              {message, "event: error\ndata: {\"type\":\"error\",\"error\":{}}", "event: error\ndata: {\"type\":\"error\",\"error\":{}}\n\n"},
		"half an event after it":  {completion, "data: {\"error\":{\"message\":\"no\"}}\n\ndata: {\"cho", "data: {\"error\":{\"message\":\"no\"}}\n\n"},
		"half a word of failure":  {completion, text + `data: {"error":{"mess`, text},
		"a failure that is whole": {completion, "data: {\"error\":{}}\n\n", "data: {\"error\":{}}\n\n"},
	} {
		for how, src := range map[string]io.Reader{"at once": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text))} {
			pieces, seen, err := readAll(t, src, c.ep)
			if got := strings.Join(pieces, ""); err != io.EOF || got != c.want || seen.Failed != (name != "half a word of failure") {
				t.Errorf("%s, %s: %q, failed %v, %v; want %q", name, how, got, seen.Failed, err, c.want)
			}
		}
	}
}

func TestABrokenConnectionIsTold(t *testing.T) {
	broken := io.MultiReader(strings.NewReader(`{"response":"a"}`+"\n"+`{"resp`), iotest.ErrReader(io.ErrUnexpectedEOF))
	pieces, _, err := readAll(t, broken, chat)
	if err != io.ErrUnexpectedEOF || strings.Join(pieces, "") != `{"response":"a"}`+"\n" {
		t.Errorf("%v, %q: half an event must not go on", err, pieces)
	}
}

// FuzzEvents: whatever a server sends, it comes out in order, up to half an event at the end, and nothing panics. Only a word of
// failure without its end gets one.
func FuzzEvents(f *testing.F) {
	f.Add([]byte("data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n"), uint8(3))
	f.Add([]byte("event: x\r\ndata: 1\r\ndata: 2\r\n\r\n"), uint8(1))
	f.Add([]byte("{\"done\":true}\n{\"error\":\"x\"}"), uint8(7))
	f.Fuzz(func(t *testing.T, text []byte, step uint8) {
		for _, ep := range []*llm.Endpoint{chat, completion, response, message, pull} {
			e := NewEvents(&stepReader{bytes.NewReader(text), int(step)%64 + 1}, ep)
			var got []byte
			for {
				b, err := e.Next()
				got = append(got, b...)
				if err != nil {
					break
				}
			}
			e.Close()
			rest, ok := bytes.CutPrefix(text, got)
			if !ok && e.Seen.Failed {
				rest, ok = bytes.CutPrefix(text, bytes.TrimRight(got, "\r\n"))
				rest = bytes.Trim(rest, "\r\n")
			}
			if !ok || bytes.Contains(rest, []byte("\n\n")) || ep.Form == llm.NDJSON && bytes.Contains(rest, []byte("\n")) || ep == pull && len(rest) > 0 {
				t.Fatalf("%s: %q came out as %q", ep.Name, text, got)
			}
		}
	})
}

type stepReader struct {
	r *bytes.Reader
	n int
}

func (s *stepReader) Read(p []byte) (int, error) { return s.r.Read(p[:min(s.n, len(p))]) }
