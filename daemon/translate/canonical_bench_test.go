package translate

import (
	"fmt"
	"strings"
	"testing"
)

func BenchmarkCanon(b *testing.B) {
	kb := `{"model":"tiny","stream":true,"messages":[{"role":"system","content":"You are a careful assistant."},{"role":"user","content":"` + strings.Repeat("How many horses? ", 20) + `"},{"role":"assistant","content":"` + strings.Repeat("Seven horses.\\n", 20) + `"},{"role":"user","content":"And cows?"}],"temperature":%s,"max_tokens":64}`
	for _, x := range []struct{ name, endpoint, body string }{
		{"1KB portable", "chat_completions", fmt.Sprintf(kb, "0")},
		{"1KB not portable", "chat_completions", fmt.Sprintf(kb, "0.5")},
		{"1MB text", "chat_completions", `{"model":"tiny","temperature":0,"messages":[{"role":"user","content":"` + strings.Repeat("How many \\\"horses\\\"?\\n", 1<<20/24) + `"}]}`},
		{"1MB turns", "chat_completions", `{"model":"tiny","temperature":0,"messages":[` + strings.Repeat(`{"role":"user","content":"How many horses are there in the stable?"},`, 1<<20/70) + `{"role":"user","content":"Hi"}]}`},
		{"1MB numbers", "generate", `{"model":"tiny","prompt":"Hi","context":[` + strings.Repeat(`12345,`, 1<<20/6) + `1]}`},
	} {
		b.Run(x.name, func(b *testing.B) {
			body := []byte(x.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Canon(endpoints[x.endpoint], body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
