package relay_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
	"corral/daemon/translate"
)

// TestACallIsTranslatedForTheModelThatItGoesTo: the relay says where the call goes and to which model; and the reply
// says that it was translated, for what such a target refuses another may take.
func TestACallIsTranslatedForTheModelThatItGoesTo(t *testing.T) {
	var got []byte
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"error":{"message":"no"}}`)
	}))
	defer s.Close()
	base, _ := url.Parse(s.URL)
	for _, c := range []struct {
		api         translate.API
		model       string
		path, value string
	}{
		{translate.OpenAI, "qwen3", "reasoning_effort", "none"},
		{translate.Anthropic, "claude-opus-5-5", "output_config.effort", "low"},
		{translate.Gemini, "gemini-2.5-pro", "generationConfig.thinkingConfig.thinkingBudget", "128"},
	} {
		p := relay.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} },
			Speaks: func(*llm.Endpoint) bool { return false }, API: c.api, Translated: func(path string) string { return path }})
		ep := &llm.Endpoint{Name: "chat", Method: "POST", Pattern: "/api/chat", Task: llm.Generate, Form: llm.NDJSON}
		reply, err := p.Serve(t.Context(), &llm.Request{Endpoint: ep, Method: "POST", Path: "/api/chat", Model: "herd", Header: http.Header{}, Target: llm.Target{Provider: "x", Model: c.model},
			Body: []byte(`{"model":"herd","stream":false,"think":false,"messages":[{"role":"user","content":"q"}]}`)})
		if err != nil {
			t.Fatal(c.model, err)
		}
		if v := gjson.GetBytes(got, c.path).String(); v != c.value {
			t.Errorf("%s: %s is %q, want %q\n%s", c.model, c.path, v, c.value, got)
		}
		if reply.Status != http.StatusBadRequest || !reply.Translated {
			t.Errorf("%s: %+v", c.model, reply)
		}
		reply.Close()
		p.Close()
	}
}
