package dialect

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"corral/daemon/llm"
)

// words are what models and servers may put into an event's text.
var words = []string{"", " the", "é世", `\n`, `a\"usage\":`, `\\`, `\"error\"`, `{}`, "data: x", `},\"done\":true`, `\u0022`, strings.Repeat("long ", 50)}

// An event that fits the shape of one before is not looked at; what is known of the stream is the same as if it were.
func TestShapesHideNothing(t *testing.T) {
	content := func(format string) func(r *rand.Rand) string {
		return func(r *rand.Rand) string { return fmt.Sprintf(format, words[r.IntN(len(words))]) }
	}
	fixed := func(text string) func(r *rand.Rand) string { return func(*rand.Rand) string { return text } }
	for name, c := range map[string]struct {
		ep     *llm.Endpoint
		events []func(r *rand.Rand) string
	}{
		"chat": {chat, []func(*rand.Rand) string{
			func(r *rand.Rand) string {
				return fmt.Sprintf(`{"model":"m","created_at":"2026-11-27T02:33:54.%09dZ","message":{"role":"assistant","content":"%s"},"done":%v}`, r.IntN(1e9), words[r.IntN(len(words))], r.IntN(40) == 0)
			},
			content(`{"message":{"content":"","thinking":"%s"},"done":false}`),
			fixed(`{"message":{"content":""},"done":true,"done_reason":"stop","eval_count":7,"prompt_eval_count":3}`),
			fixed(`{"error":"out of memory"}`),
		}},
		"completion": {completion, []func(*rand.Rand) string{
			content(`{"id":"1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":null}]}`),
			content(`{"id":"1","choices":[{"index":0,"delta":{"content":"%s"},"finish_reason":"stop"}]}`),
			content(`{"id":"1","choices":[{"index":0,"delta":{"content":"%s"}}],"usage":{"prompt_tokens":3,"completion_tokens":9}}`),
			content(`{"id":"1","choices":[{"index":0,"delta":{"content":"%s"}}],"error":{"message":"broken"}}`),
			fixed(`[DONE]`), fixed(`no JSON`),
		}},
		"message": {message, []func(*rand.Rand) string{
			content(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"%s"}}`),
			content(`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"%s"}}`),
			content(`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4},"text":"%s"}`),
			content(`{"type":"error","error":{"type":"overloaded_error","message":"busy","text":"%s"}}`),
			fixed(`{"type":"message_stop"}`),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			fitted := 0
			for seed := range uint64(300) {
				r := rand.New(rand.NewPCG(seed, 1))
				var stream strings.Builder
				want := Seen{Usage: llm.NoUsage}
				inspect := inspectorOf(c.ep)
				for range 60 {
					at := 0 // mostly tokens, as streams have them
					if r.IntN(20) == 0 {
						at = r.IntN(len(c.events))
					}
					text := c.events[at](r)
					inspect(&want, nil, []byte(text))
					if c.ep.Form == llm.NDJSON {
						stream.WriteString(text + "\n")
					} else {
						stream.WriteString("data: " + text + "\n\n")
					}
				}
				e := NewEvents(strings.NewReader(stream.String()), c.ep)
				for {
					if _, err := e.Next(); err != nil {
						break
					}
				}
				if len(e.shape.parts) > 0 {
					fitted++
				}
				if e.Close(); e.Seen != want {
					t.Fatalf("seed %d: %+v\nlooked at one by one: %+v\n%s", seed, e.Seen, want, stream.String())
				}
			}
			if fitted < 200 {
				t.Errorf("only %d of 300 streams had a shape", fitted)
			}
		})
	}
}

// BenchmarkTokens is what 64 tokens of each API cost to look at.
func BenchmarkTokens(b *testing.B) {
	for _, c := range []struct {
		name, line string
		ep         *llm.Endpoint
	}{
		{"ollama", `{"model":"llama3.2","created_at":"2026-11-27T02:33:54.%09dZ","message":{"role":"assistant","content":" tok"},"done":false}` + "\n", chat},
		{"openai", `data: {"id":"chatcmpl-%09d","object":"chat.completion.chunk","created":1764210834,"model":"m","choices":[{"index":0,"delta":{"content":" tok"},"finish_reason":null}]}` + "\n\n", completion},
		{"anthropic", "event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":" tok"}}` + "\n\n", message},
	} {
		b.Run(c.name, func(b *testing.B) {
			var text strings.Builder
			for i := range 64 {
				n := 0
				if c.ep == chat {
					n = i * 1e6
				}
				fmt.Fprintf(&text, c.line, n)
			}
			stream := text.String()
			for b.Loop() {
				e := NewEvents(strings.NewReader(stream), c.ep)
				for {
					if _, err := e.Next(); err != nil {
						break
					}
				}
				e.Close()
			}
		})
	}
}
