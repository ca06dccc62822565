package trace_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/trace"
)

var chat = &llm.Endpoint{Name: "chat_completions", Method: "POST", Pattern: "/v1/chat/completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}

// journey does to a call's trace what the nest and the meter do in a call that goes well.
func journey(_ context.Context, r *llm.Request) (*llm.Reply, error) {
	reply := &llm.Reply{Status: 200, Stream: true, Provider: "local", Model: "m"}
	if r.Trace == nil {
		return reply, nil
	}
	u := llm.Usage{Input: 3, Output: 5, Cached: -1, Written: -1, Reasoning: -1, Finish: "stop"}
	a := r.Trace.Attempt(r, llm.Again{})
	a.Answered(reply)
	a.End(u, nil)
	r.Mark("ledger commit").End(nil)
	r.Trace.End(&llm.Outcome{Status: 200, Provider: "local", Model: "m", Route: "model", Stream: true, First: time.Millisecond, Usage: u, Priced: true})
	return reply, nil
}

// BenchmarkCall is what a call's whole trace costs the call, three spans of it.
func BenchmarkCall(b *testing.B) {
	sink := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { io.Copy(io.Discard, r.Body) }))
	defer sink.Close()
	for _, c := range []struct {
		name   string
		rules  trace.Rules
		header string
	}{
		{"off", trace.Rules{}, ""},
		{"not sampled", trace.Rules{URL: sink.URL}, ""},
		{"traced", trace.Rules{URL: sink.URL, Sample: 1}, ""},
		{"traced, nobody takes it", trace.Rules{URL: "http://127.0.0.1:1", Sample: 1}, ""},
		{"traced, with a parent", trace.Rules{URL: sink.URL, Sample: 1}, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
	} {
		b.Run(c.name, func(b *testing.B) {
			servers := map[string]*trace.Server{"local": trace.NewServer("local", "ollama", "http://127.0.0.1:11434")}
			t := trace.New(trace.Options{Log: slog.New(slog.DiscardHandler), Set: metrics.NewSet(), Version: "test", Servers: func() map[string]*trace.Server { return servers }})
			defer t.Close()
			t.Set(c.rules)
			h := t.Stage(llm.HandlerFunc(journey))
			head := http.Header{}
			if c.header != "" {
				head.Set("Traceparent", c.header)
			}
			b.ReportAllocs()
			for b.Loop() {
				r := &llm.Request{ID: "req_1", Endpoint: chat, Method: "POST", Path: "/v1/chat/completions", Header: head, Start: time.Now(), Model: "chat", Stream: true,
					Target: llm.Target{Provider: "local", Model: "m"}, Attempts: 1, Caller: llm.Caller{App: "curl"}}
				if _, err := h.Serve(b.Context(), r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
