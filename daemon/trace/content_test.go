package trace_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/trace"
)

// texts are what a collector gets of the texts of one call.
func texts(t *testing.T, content bool, body, answer string) map[string]string {
	t.Helper()
	got := make(chan map[string]string, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		out := map[string]string{}
		for _, span := range traces(t, r).ResourceSpans[0].ScopeSpans[0].Spans {
			for _, a := range span.Attributes {
				if k, ok := strings.CutPrefix(a.Key, "gen_ai."); ok && (strings.HasSuffix(k, "_messages") || strings.HasSuffix(k, ".messages") || k == "system_instructions") {
					out[k] += a.Value.GetStringValue()
				}
			}
		}
		got <- out
	}))
	defer s.Close()
	w := newTracer(t)
	w.Set(trace.Rules{URL: s.URL, Sample: 1, Content: content})
	r := request(http.Header{})
	r.Body = []byte(body)
	w.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) { return &llm.Reply{}, nil })).Serve(t.Context(), r)
	if r.Trace.Texts() != content {
		t.Errorf("texts are wanted: %v", !content)
	}
	r.Trace.End(&llm.Outcome{Status: 200, Usage: llm.Usage{Finish: "stop"}, Answer: []byte(answer)})
	w.Close()
	return <-got
}

func TestTextsAreSentOnlyByChoice(t *testing.T) {
	if got := texts(t, false, `{"messages":[{"role":"user","content":"x"}]}`, `{"message":{"content":"y"}}`); len(got) != 0 {
		t.Error(got)
	}
}

func TestTextsInEveryDialect(t *testing.T) {
	for name, c := range map[string]struct{ body, answer, system, in, out string }{
		"ollama chat": {
			`{"messages":[{"role":"system","content":"be short"},{"role":"user","content":"why?","images":["AAAA"]}]}`,
			`{"message":{"role":"assistant","thinking":"hm","content":"so"},"done":true}`,
			"",
			`[{"role":"system","parts":[{"type":"text","content":"be short"}]},{"role":"user","parts":[{"type":"text","content":"why?"}]}]`,
			`[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"so"}],"finish_reason":"stop"}]`,
		},
		"ollama chat, streamed": {
			`{"messages":[]}`,
			"{\"message\":{\"content\":\"s\"}}\n{\"message\":{\"content\":\"o\"}}\n{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{\"a\":1}}}]},\"done\":true}\n",
			"", "",
			`[{"role":"assistant","parts":[{"type":"text","content":"so"},{"type":"tool_call","name":"f","arguments":{"a":1}}],"finish_reason":"stop"}]`,
		},
		"ollama generate": {
			`{"system":"be short","prompt":"why?"}`, `{"response":"so"}`,
			`[{"type":"text","content":"be short"}]`,
			`[{"role":"user","parts":[{"type":"text","content":"why?"}]}]`,
			`[{"role":"assistant","parts":[{"type":"text","content":"so"}],"finish_reason":"stop"}]`,
		},
		"openai chat": {
			`{"messages":[{"role":"user","content":[{"type":"text","text":"what is it?"},{"type":"image_url","image_url":{"url":"data:secret"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}]},{"role":"tool","tool_call_id":"1","content":"42"}]}`,
			`{"choices":[{"message":{"role":"assistant","content":"a horse"}}]}`,
			"",
			`[{"role":"user","parts":[{"type":"text","content":"what is it?"},{"type":"image_url"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"f","arguments":{"a":1}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"42"}]}]`,
			`[{"role":"assistant","parts":[{"type":"text","content":"a horse"}],"finish_reason":"stop"}]`,
		},
		"openai chat, streamed": {
			`{"messages":[]}`,
			"data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"reasoning_content\":\"hm\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"a \"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"horse\"}}]}\n\ndata: [DONE]\n\n",
			"", "",
			`[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"a horse"}],"finish_reason":"stop"}]`,
		},
		"openai responses": {
			`{"instructions":"be short","input":[{"role":"user","content":[{"type":"input_text","text":"why?"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"42"}]}`,
			`{"output":[{"type":"message","content":[{"type":"output_text","text":"so"}]},{"type":"function_call","call_id":"2","name":"g","arguments":"{}"}]}`,
			`[{"type":"text","content":"be short"}]`,
			`[{"role":"user","parts":[{"type":"text","content":"why?"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"f","arguments":{}}]},{"role":"tool","parts":[{"type":"tool_call_response","id":"1","response":"42"}]}]`,
			`[{"role":"assistant","parts":[{"type":"text","content":"so"},{"type":"tool_call","id":"2","name":"g","arguments":{}}],"finish_reason":"stop"}]`,
		},
		"openai responses, streamed": {
			`{"input":"why?"}`,
			"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"so\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n",
			"",
			`[{"role":"user","parts":[{"type":"text","content":"why?"}]}]`,
			`[{"role":"assistant","parts":[{"type":"text","content":"so"}],"finish_reason":"stop"}]`,
		},
		"anthropic": {
			`{"system":[{"type":"text","text":"be short"}],"messages":[{"role":"user","content":"why?"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"a":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"42"}]}]}`,
			`{"content":[{"type":"thinking","thinking":"hm"},{"type":"text","text":"so"}]}`,
			`[{"type":"text","content":"be short"}]`,
			`[{"role":"user","parts":[{"type":"text","content":"why?"}]},{"role":"assistant","parts":[{"type":"tool_call","id":"1","name":"f","arguments":{"a":1}}]},{"role":"user","parts":[{"type":"tool_call_response","id":"1","response":"42"}]}]`,
			`[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"so"}],"finish_reason":"stop"}]`,
		},
		"anthropic, streamed": {
			`{"messages":[]}`,
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"hm\"}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"so\"}}\n\n",
			"", "",
			`[{"role":"assistant","parts":[{"type":"reasoning","content":"hm"},{"type":"text","content":"so"}],"finish_reason":"stop"}]`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := texts(t, true, c.body, c.answer)
			for _, x := range []struct{ key, want string }{{"system_instructions", c.system}, {"input.messages", c.in}, {"output.messages", c.out}} {
				if got[x.key] != x.want {
					t.Errorf("%s\ngot  %s\nwant %s", x.key, got[x.key], x.want)
				}
			}
		})
	}
}

// TestLongTextsAreCut: each to 8 KiB, and a prompt to its newest messages.
func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("ä", 8<<10) // 16 KiB
	body := `{"messages":[` + strings.Repeat(`{"role":"user","content":"`+long+`"},`, 20) + `{"role":"user","content":"the last"}]}`
	got := texts(t, true, body, `{"message":{"content":"`+long+`"}}`)
	if in := got["input.messages"]; len(in) > 66<<10 || !strings.Contains(in, "the last") || strings.Count(in, "ä…") != 7 {
		t.Errorf("%d bytes, %d texts", len(in), strings.Count(in, "ä…"))
	}
	if out := got["output.messages"]; len(out) > 9<<10 || !strings.Contains(out, "ä…") {
		t.Errorf("%d bytes", len(out))
	}
}
