package sentence

import (
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/responses"
	"github.com/tidwall/gjson"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

const text = "The model is away; \"try\" again\nlater <soon>."

func request(d llm.Dialect, name string, stream bool) *llm.Request {
	ep := &llm.Endpoint{Name: name, Dialect: d, Task: llm.Generate, Form: llm.SSE}
	if d == llm.Ollama {
		ep.Form = llm.NDJSON
	}
	return &llm.Request{ID: "req_1", Endpoint: ep, Model: "chat", Stream: stream}
}

func read(t *testing.T, r *llm.Reply) string {
	t.Helper()
	b, err := r.Body.Next()
	if err != nil || !r.Body.Last() {
		t.Fatal("it does not come in one piece", err)
	}
	if _, err := r.Body.Next(); err != io.EOF {
		t.Fatal(err)
	}
	return string(b)
}

var all = []struct {
	dialect llm.Dialect
	name    string
	path    string   // of the sentence in a whole answer
	delta   []string // paths of its pieces in the events of a stream
}{
	{llm.Ollama, "chat", "message.content", []string{"message.content"}},
	{llm.Ollama, "generate", "response", []string{"response"}},
	{llm.OpenAI, "chat_completions", "choices.0.message.content", []string{"choices.0.delta.content"}},
	{llm.OpenAI, "completions", "choices.0.text", []string{"choices.0.text"}},
	{llm.OpenAI, "responses", "output.0.content.0.text", []string{"delta"}},
	{llm.Anthropic, "messages", "content.0.text", []string{"delta.text"}},
}

func TestWhole(t *testing.T) {
	for _, tt := range all {
		reply := Reply(request(tt.dialect, tt.name, false), text)
		body := read(t, reply)
		if got := gjson.Get(body, tt.path).Str; got != text || !gjson.Valid(body) {
			t.Errorf("%s: %q in %s", tt.name, got, body)
		}
		if gjson.Get(body, "model").Str != "chat" || gjson.Get(body, "corral.route").Str != "static" || reply.Route != "static" {
			t.Errorf("%s is not marked: %s", tt.name, body)
		}
		if reply.Length != int64(len(body)) || reply.Stream || reply.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %+v", tt.name, reply)
		}
	}
}

// Corral itself must take the stream for a whole and honest one.
func TestStream(t *testing.T) {
	for _, tt := range all {
		r := request(tt.dialect, tt.name, true)
		reply := Reply(r, text)
		body := read(t, reply)
		events := dialect.NewEvents(strings.NewReader(body), r.Endpoint)
		for {
			if _, err := events.Next(); err != nil {
				break
			}
		}
		if s := events.Seen; !s.Content || !s.Terminal || s.Failed || s.Garbage {
			t.Errorf("%s: %+v\n%s", tt.name, s, body)
		}
		events.Close()
		var got string
		for line := range strings.SplitSeq(body, "\n") {
			data := strings.TrimPrefix(line, "data: ")
			for _, path := range tt.delta {
				got += gjson.Get(data, path).Str
			}
		}
		if got != text || !strings.Contains(body, `"corral":{"route":"static"}`) {
			t.Errorf("%s: %q in\n%s", tt.name, got, body)
		}
		if reply.Length != -1 || !reply.Stream {
			t.Errorf("%s: %+v", tt.name, reply)
		}
	}
}

// The official clients' own types must take it.
func TestOfficialTypes(t *testing.T) {
	var chat api.ChatResponse
	if err := json.Unmarshal([]byte(read(t, Reply(request(llm.Ollama, "chat", false), text))), &chat); err != nil || chat.Message.Content != text || !chat.Done {
		t.Errorf("%+v %v", chat, err)
	}
	var completion openai.ChatCompletion
	if err := json.Unmarshal([]byte(read(t, Reply(request(llm.OpenAI, "chat_completions", false), text))), &completion); err != nil || completion.Choices[0].Message.Content != text {
		t.Errorf("%+v %v", completion, err)
	}
	var response responses.Response
	if err := json.Unmarshal([]byte(read(t, Reply(request(llm.OpenAI, "responses", false), text))), &response); err != nil || response.OutputText() != text {
		t.Errorf("%+v %v", response, err)
	}
	var last responses.Response
	for line := range strings.SplitSeq(read(t, Reply(request(llm.OpenAI, "responses", true), text)), "\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			var event responses.ResponseStreamEventUnion
			if err := json.Unmarshal([]byte(data), &event); err != nil {
				t.Fatal(err)
			}
			last = event.Response
		}
	}
	if last.OutputText() != text {
		t.Errorf("%+v", last)
	}
}

func TestUsageEventWhereAskedFor(t *testing.T) {
	for _, ask := range []bool{false, true} {
		r := request(llm.OpenAI, "chat_completions", true)
		if ask {
			r.Body = []byte(`{"stream_options":{"include_usage":true}}`)
		}
		body := read(t, Reply(r, text))
		if got := strings.Contains(body, `"total_tokens":0`); got != ask {
			t.Errorf("asked %v, got %v:\n%s", ask, got, body)
		}
	}
}

func TestNoSentenceForOtherRoutes(t *testing.T) {
	for _, name := range []string{"embed", "tags", "count_tokens"} {
		if Reply(request(llm.Ollama, name, false), text) != nil {
			t.Errorf("%s has an answer", name)
		}
	}
}
