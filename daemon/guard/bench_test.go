package guard

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"corral/daemon/llm"
)

// BenchmarkStage is what the guard costs a call: off, and with all it can look for; of a question of 1 KiB that was not seen before,
// and of a chat of 20 turns of which only the last one is new.
func BenchmarkStage(b *testing.B) {
	next := llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, nil })
	words := strings.Repeat("The quick brown fox jumps over the lazy dog, and then it sleeps. ", 16)[:1000]
	turns := strings.Repeat(`{"role":"user","content":"`+words[:200]+`"},{"role":"assistant","content":"`+words[200:500]+`"},`, 20)
	for _, c := range []struct {
		name, body string
		rules      Rules
	}{
		{"off", `{"model":"m","messages":[{"role":"user","content":"%d ` + words + `"}]}`, Rules{}},
		{"1 KiB, secrets", `{"model":"m","messages":[{"role":"user","content":"%d ` + words + `"}]}`, Rules{Secrets: Rule{On: true}}},
		{"1 KiB, pii", `{"model":"m","messages":[{"role":"user","content":"%d ` + words + `"}]}`, Rules{PII: Rule{On: true}}},
		{"1 KiB, injection", `{"model":"m","messages":[{"role":"user","content":"%d ` + words + `"}]}`, Rules{Injection: Rule{On: true}}},
		{"1 KiB, all", `{"model":"m","messages":[{"role":"user","content":"%d ` + words + `"}]}`, everything},
		{"20 turns, all", `{"model":"m","messages":[` + turns + `{"role":"user","content":"%d ` + words[:200] + `"}]}`, everything},
	} {
		b.Run(c.name, func(b *testing.B) {
			g, err := New(nobodys)
			if err != nil {
				b.Fatal(err)
			}
			g.Set(c.rules)
			stage := g.Stage(next)
			r, _ := valid(fmt.Sprintf(c.body, 0))
			before, after, _ := strings.Cut(c.body, "%d")
			buf := make([]byte, 0, len(c.body)+20)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				buf = fmt.Appendf(append(buf[:0], before...), "%d", i)
				r.Body = append(buf, after...)
				r.Found, r.Mask = nil, nil
				stage.Serve(b.Context(), r)
			}
		})
	}
}

// BenchmarkRestore is what putting back costs a stream of 64 tokens: one that has nothing to put back, and one with a placeholder in
// three tokens.
func BenchmarkRestore(b *testing.B) {
	event := func(s string) string {
		return `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"` + s + `"},"finish_reason":null}]}` + "\n\n"
	}
	for name, parts := range map[string][]string{"nothing": {" word"}, "one": {" [EM", "AIL", "_1]", " word"}} {
		b.Run(name, func(b *testing.B) {
			pieces := make([]string, 64)
			for i := range pieces {
				pieces[i] = event(parts[min(i, len(parts)-1)])
			}
			b.ReportAllocs()
			for b.Loop() {
				reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: pieces}}, openai, []secret{{"[EMAIL_1]", "ann@example.org"}})
				if err != nil {
					b.Fatal(err)
				}
				for err == nil {
					_, err = reply.Body.Next()
				}
				if err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}
