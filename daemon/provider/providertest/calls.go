package providertest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// call is a call of one dialect that makes text, and what a server may answer it with.
type call struct {
	ep          llm.Endpoint
	path        string
	contentType string // of a stream
	preamble    string // of it: what comes before any content
	content     string
	last        string // its terminal event
	failed      string // its event for a failure
	whole       string // an answer that is not streamed
}

func calls() map[llm.Dialect]call {
	return map[llm.Dialect]call{
		llm.Ollama: {
			ep: llm.Endpoint{Name: "chat", Method: "POST", Task: llm.Generate, Form: llm.NDJSON, Streams: true}, path: "/api/chat",
			contentType: "application/x-ndjson", preamble: `{"message":{"role":"assistant","content":""},"done":false}` + "\n",
			content: `{"message":{"role":"assistant","content":"hello"},"done":false, "new_field":1e400}` + "\n",
			last:    `{"message":{"role":"assistant","content":""},"done":true,"prompt_eval_count":3,"eval_count":5}` + "\n",
			failed:  `{"error":"out of memory"}` + "\n",
			whole:   `{"message":{"content":"hello"},"done":true,"prompt_eval_count":3,"eval_count":5,  "new_field":[1e400]}`,
		},
		llm.OpenAI: {
			ep:   llm.Endpoint{Name: "chat_completions", Method: "POST", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
			path: "/v1/chat/completions", contentType: "text/event-stream",
			preamble: ": a comment\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n",
			content:  "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}], \"new_field\":1e400}\r\n\r\n",
			last:     "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":5}}\n\ndata: [DONE]\n\n",
			failed:   "data: {\"error\":{\"message\":\"out of memory\"}}\n\n",
			whole:    `{"choices":[{"message":{"content":"hello"}}],"usage":{"prompt_tokens":3,"completion_tokens":5},  "new_field":[1e400]}`,
		},
		llm.Anthropic: {
			ep:   llm.Endpoint{Name: "messages", Method: "POST", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE},
			path: "/v1/messages", contentType: "text/event-stream",
			preamble: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3}}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n",
			content:  "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}, \"new_field\":1e400}\n\n",
			last:     "event: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":5}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
			failed:   "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"out of memory\"}}\n\n",
			whole:    `{"content":[{"text":"hello"}],"usage":{"input_tokens":3,"output_tokens":5},  "new_field":[1e400]}`,
		},
	}
}

// request is what the gateway would make of body.
func (c *call) request(t testing.TB, body string) *llm.Request {
	t.Helper()
	p, err := dialect.Peek([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	r := &llm.Request{ID: "req_test", Endpoint: &c.ep, Method: http.MethodPost, Path: c.path, Header: http.Header{"Content-Type": {"application/json"}},
		Start: time.Now(), Body: []byte(body), Length: int64(len(body)), Fields: p.Fields, Model: p.Model, Stream: c.ep.Streams}
	if p.HasStream {
		r.Stream = p.Stream
	}
	r.Target = llm.Target{Provider: name, Model: p.Model, Why: "test"}
	return r
}

// streaming and plain are calls as apps send them, with odd spaces and fields that Corral does not know.
func (c *call) streaming(t testing.TB) *llm.Request {
	return c.request(t, "{\"model\" :\t\"m\",\r\n \"stream\": true, \"messages\":[ ], \"new_field\": {\"a\":[1e400, \"\\u00e9\\/\"]}, \"new_field\":null }\n")
}

func (c *call) plain(t testing.TB) *llm.Request {
	r := c.streaming(t)
	return c.request(t, strings.Replace(string(r.Body), "true", "false", 1))
}
