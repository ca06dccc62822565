package cache

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/dialect"
	"corral/daemon/llm"
	"corral/store/replies"
)

// BenchmarkCall is what the stage itself costs: a call that it has nothing to do with, one that is not kept yet, and a hit.
func BenchmarkCall(b *testing.B) {
	prompt := strings.Repeat("All work and no play makes a dull benchmark. ", 22)
	body := func(i int, temperature string, stream bool) []byte {
		return fmt.Appendf(nil, `{"model":"m","messages":[{"role":"user","content":"%08d %s"}]%s,"stream":%v,"max_tokens":64}`, i, prompt, temperature, stream)
	}
	var events []string
	for range 64 {
		events = append(events, `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"word "},"finish_reason":null}]}`+"\n\n")
	}
	events = append(events, "data: [DONE]\n\n")
	whole := `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"` + strings.Repeat("word ", 64) + `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`
	rules := &Rules{When: Deterministic, TTL: 5 * time.Minute, MaxBytes: 64 << 20}
	for _, x := range []struct {
		name, temperature string
		stream, fixed     bool
	}{
		{"not its business", "", false, false},
		{"not its business, streamed", "", true, false},
		{"miss", `,"temperature":0`, false, false},
		{"miss, streamed", `,"temperature":0`, true, false},
		{"hit", `,"temperature":0`, false, true},
		{"hit, streamed", `,"temperature":0`, true, true},
	} {
		b.Run(x.name, func(b *testing.B) {
			c, err := New(Options{Rules: func() *Rules { return rules }, Set: metrics.NewSet()})
			if err != nil {
				b.Fatal(err)
			}
			defer c.Close()
			target := llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
				reply := &llm.Reply{Status: 200, Header: http.Header{"Content-Type": {"application/json"}}, Length: int64(len(whole)), Provider: "local", Model: "m"}
				if r.Stream {
					reply.Stream, reply.Length, reply.Body = true, -1, &pieces{left: events, end: io.EOF}
				} else {
					reply.Body = &pieces{left: []string{whole}, end: io.EOF}
				}
				r.Target = r.Plan.Candidates[0].Target
				return reply, nil
			})
			serve := c.Stage(target)
			plan := &llm.Plan{Candidates: []llm.Candidate{{Target: llm.Target{Provider: "local"}, Handler: target}}}
			ctx, cancel := context.WithCancel(b.Context())
			defer cancel()
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if x.fixed {
					i = 1
				}
				r := &llm.Request{Endpoint: endpoints["chat_completions"], Header: http.Header{}, Model: "m", Stream: x.stream, Plan: plan, Body: body(i, x.temperature, x.stream)}
				peeked, _ := dialect.Peek(r.Body)
				r.Fields = peeked.Fields
				reply, err := serve.Serve(ctx, r)
				if err != nil {
					b.Fatal(err)
				}
				for {
					if _, err := reply.Body.Next(); err != nil {
						break
					}
				}
				reply.Close()
			}
		})
	}
}

// BenchmarkMemory is what an answer of 500 bytes takes in memory, beside its own bytes, and what is reckoned for it.
func BenchmarkMemory(b *testing.B) {
	const entries = 100_000
	body := []byte(strings.Repeat("x", 500))
	for b.Loop() {
		rules := &Rules{When: Always, TTL: time.Hour, MaxBytes: 1 << 30}
		c, err := New(Options{Rules: func() *Rules { return rules }, Set: metrics.NewSet()})
		if err != nil {
			b.Fatal(err)
		}
		before := heap()
		for i := range entries {
			c.put(Key{byte(i), byte(i >> 8), byte(i >> 16)}, sample(i, body))
		}
		c.memory.CleanUp()
		b.ReportMetric(float64(heap()-before)/entries-float64(len(body)), "overhead-B/entry")
		b.ReportMetric(float64(c.memory.WeightedSize())/entries-float64(len(body)), "reckoned-B/entry")
		c.Close()
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func sample(i int, body []byte) *entry {
	return &entry{body: bytes.Clone(body), Head: Head{Owner: "k_0123456789", Asked: "llama3.2", Provider: "local", Model: "llama3.2:latest", Digest: "sha256:0123456789abcdef0123456789abcdef", Endpoint: "chat",
		Type: "application/json", Stored: time.Now(), Exact: time.Now().Add(time.Hour), Texts: uint64(i) * 0x9e3779b97f4a7c15, Usage: llm.NoUsage}}
}

// BenchmarkWarmStart is how long it takes until the answers of an earlier run, 100,000 of 500 bytes, are there again: the first
// one, and all of them taken in.
func BenchmarkWarmStart(b *testing.B) {
	const entries = 100_000
	dir := b.TempDir()
	open := func() *replies.Store {
		s, err := replies.Open(replies.Options{Dir: dir, MaxBytes: 1 << 30, Log: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	s := open()
	body := []byte(strings.Repeat("an answer ", 50))
	for i := range entries {
		k := Key{byte(i), byte(i >> 8), byte(i >> 16)}
		item, err := sample(i, body).item(k)
		if err != nil {
			b.Fatal(err)
		}
		for !s.Put(item) {
			if err := s.Sync(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	rules := &Rules{When: Always, TTL: time.Hour, MaxBytes: 64 << 20}
	for b.Loop() {
		began := time.Now()
		s := open()
		c, err := New(Options{Rules: func() *Rules { return rules }, Set: metrics.NewSet(), File: s})
		if err != nil {
			b.Fatal(err)
		}
		if e, _ := c.find(Key{1, 2, 1}); e == nil {
			b.Fatal("not found")
		}
		first := time.Since(began)
		if err := c.Warm(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(first.Microseconds())/1000, "first-ms")
		b.ReportMetric(float64(time.Since(began).Microseconds())/1000, "all-ms")
		c.Close()
		s.Close()
	}
}
