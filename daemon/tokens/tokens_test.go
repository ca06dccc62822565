package tokens

import (
	"strings"
	"testing"
)

func TestWhatIsCounted(t *testing.T) {
	body := `{"model":"gpt","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}],"temperature":0}`
	if got := Prompt([]byte(body)); got != "Be brief.\nWhat is it?\n" {
		t.Errorf("%q", got)
	}
	events := "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\",\"content\":\"\"}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"reasoning\":\"Hm. \"}}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"content\":\"A horse\"}}]}\n\ndata: {\"choices\":[{\"text\":\" indeed\"}]}\n\n" +
		"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"!\"}\n\n"
	if got := Answer([]byte(events)); got != "Hm. A horse indeedf{}!" {
		t.Errorf("%q", got)
	}
	var c Counter
	if n, err := c.Text(Prompt([]byte(body))); err != nil || n < 6 || n > 9 {
		t.Errorf("%d tokens, %v", n, err)
	}
	if n, err := c.Text(Answer([]byte(events))); err != nil || n < 6 || n > 10 {
		t.Errorf("%d tokens, %v", n, err)
	}
	if got := Prompt([]byte(`{"model":"m","prompt":"","keep_alive":0}`)); got != "" { // as `ollama stop` asks
		t.Errorf("%q", got)
	}
	if got := Prompt([]byte(`{"messages":[{"role":"user","content":"Look.","images":["AAAA"]}]}`)); got != "Look.\n" {
		t.Errorf("%q", got)
	}
}

func TestAnswersOfEveryAPI(t *testing.T) {
	for _, c := range []struct{ name, answer, want string }{
		{"chat completion", `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":"Hello","reasoning":"Hm. ","tool_calls":[{"id":"x","type":"function","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}]}`, "HelloHm. f{}"},
		{"written over lines", "{\n  \"choices\": [\n    {\"message\": {\"role\": \"assistant\", \"content\": \"Hello\"}}\n  ]\n}\n", "Hello"},
		{"completion", `{"choices":[{"text":"one"},{"text":" two"}]}`, "one two"},
		{"response", `{"id":"r","status":"completed","output":[{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"Hello"}]},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"}]}`, "Hellof{}"},
		{"streamed response", "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"output\":[]}}\n\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hel\"}\n\n" +
			"data: {\"type\":\"response.output_text.delta\",\"delta\":\"lo\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[{\"content\":[{\"text\":\"Hello\"}]}]}}\n\n", "Hello"},
		{"message", `{"id":"m","type":"message","role":"assistant","model":"claude","content":[{"type":"thinking","thinking":"Hm. ","signature":"AAAA"},{"type":"text","text":"Hello"},{"type":"tool_use","id":"t","name":"f","input":{"a":"b"}}],"stop_reason":"end_turn"}`, "Hm. Hellofb"},
		{"streamed message, cut", "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"role\":\"assistant\",\"model\":\"claude\",\"content\":[]}}\n\n" +
			"data: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"Hm. \"}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n" +
			"data: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\",\"input\":{}}}\n\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}}\n\ndata: {\"type\":\"cont", "Hm. Hellof{}"},
		{"lines of chat", `{"model":"m","message":{"role":"assistant","content":"","thinking":"Hm. "},"done":false}` + "\n" + `{"model":"m","message":{"role":"assistant","content":"Hello"},"done":false}` + "\n", "Hm. Hello"},
		{"lines of generate", `{"model":"m","response":"Hel","done":false}` + "\n" + `{"model":"m","response":"lo","done":true,"done_reason":"stop"}` + "\n", "Hello"},
		{"generate, whole", `{"model":"m","created_at":"2026-11-26T00:00:00Z","response":"Hello","done":true,"done_reason":"stop","context":[1,2]}`, "Hello"},
		{"nothing", "", ""},
	} {
		if got := Answer([]byte(c.answer)); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestALongTextIsReckonedFromItsBeginning(t *testing.T) {
	var c Counter
	words := strings.Repeat("the quick brown fox jumps over the lazy dog ", 1000)
	short, err := c.Text(words)
	if err != nil {
		t.Fatal(err)
	}
	long, err := c.Text(strings.Repeat(words, 20))
	if ratio := float64(long) / float64(short); err != nil || ratio < 19.5 || ratio > 20.5 {
		t.Errorf("%d and %d tokens, %v", short, long, err)
	}
}
