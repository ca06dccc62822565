package relay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// TestTheTraceOfACallStaysOnThisDevice, unless the config says otherwise, whether the call is relayed or translated.
func TestTheTraceOfACallStaysOnThisDevice(t *testing.T) {
	var got http.Header
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r.Header
		io.WriteString(w, `{"choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}`)
	}))
	defer s.Close()
	base, _ := url.Parse(s.URL)
	const own, ours = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01"
	for name, c := range map[string]struct {
		away  string
		all   bool
		part  string // Corral's
		told  bool
		trace string
	}{
		"here":                        {"", false, "", true, own},
		"here, traced":                {"", false, ours, true, ours},
		"away":                        {"api.example", false, "", false, ""},
		"away, traced":                {"api.example", false, ours, false, ""},
		"away, all are told":          {"api.example", true, "", true, own},
		"away, all are told, traced":  {"api.example", true, ours, true, ours},
		"here, all are told, traced ": {"", true, ours, true, ours},
	} {
		for _, speaks := range []bool{true, false} {
			p := relay.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} }, TraceAway: c.all,
				Path: func(r *llm.Request) string { return r.Path }, Speaks: func(*llm.Endpoint) bool { return speaks },
				API: translate.OpenAI, Translated: func(path string) string { return path }})
			ep := &llm.Endpoint{Name: "chat", Method: "POST", Pattern: "/api/chat", Task: llm.Generate, Form: llm.NDJSON}
			r := &llm.Request{Endpoint: ep, Method: "POST", Path: "/api/chat", Model: "m", Body: []byte(`{"model":"m","stream":false,"messages":[{"role":"user","content":"q"}]}`),
				Header: http.Header{"Traceparent": {own}, "Tracestate": {"a=b"}, "Baggage": {"user=eve"}},
				Target: llm.Target{Provider: "x", Model: "m", Away: c.away}, Traceparent: c.part}
			reply, err := p.Serve(t.Context(), r)
			if err != nil {
				t.Fatal(name, err)
			}
			reply.Close()
			p.Close()
			state := map[bool]string{true: "a=b"}[c.told]
			if got.Get("Traceparent") != c.trace || got.Get("Tracestate") != state || (got.Get("Baggage") == "user=eve") != c.told {
				t.Errorf("%s, relayed %v: %v", name, speaks, got)
			}
		}
	}
}
