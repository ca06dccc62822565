package anthropic_test

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/anthropic"
	"corral/daemon/provider/providertest"
	"corral/daemon/provider/relay"
	"corral/testkit"
	"corral/testkit/raw"
)

func newProvider(o relay.Options, key func() (string, error)) provider.Provider {
	return anthropic.New(o, key)
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Kind{
		New:      newProvider,
		Base:     "/behind",
		Path:     func(corral string) string { return corral },
		Dialects: []llm.Dialect{llm.Anthropic},
		Key:      "X-Api-Key",
		Value:    func(key string) string { return key },
		Probe:    "/v1/models",
	})
}

// TestRealOllama has no Anthropic to ask; Ollama speaks its API.
func TestRealOllama(t *testing.T) {
	s := testkit.Ollama(t)
	providertest.Real(t, newProvider, s.URL, "tiny", []llm.Dialect{llm.Anthropic})
}

func TestItSpeaksItsOwnDialectOnly(t *testing.T) {
	p := anthropic.New(relay.Options{Base: &url.URL{Scheme: "https", Host: "127.0.0.1:1"}}, nil)
	defer p.Close()
	for d, want := range map[llm.Dialect]bool{llm.Ollama: false, llm.OpenAI: false, llm.Anthropic: true} {
		if got := p.Speaks(&llm.Endpoint{Dialect: d}); got != want {
			t.Errorf("%v: %v", d, got)
		}
	}
}

func TestAVersionIsSentWithTheKey(t *testing.T) {
	srv := raw.ServeUnread(t, func(c net.Conn, r *http.Request) bool {
		v := fmt.Sprint(r.Header["Anthropic-Version"])
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(v), v)
		return true
	})
	base, _ := url.Parse(srv.URL)
	key := func() (string, error) { return "k", nil }
	ep := llm.Endpoint{Name: "count_tokens", Method: "POST", Dialect: llm.Anthropic}
	for _, c := range []struct {
		key    func() (string, error)
		theirs []string
		want   string
	}{
		{key, nil, "[2023-06-01]"},
		{key, []string{"2024-01-01"}, "[2024-01-01]"},
		{nil, nil, "[]"}, // a caller with a key of its own has a version too
	} {
		p := anthropic.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} }}, c.key)
		h := http.Header{}
		if c.theirs != nil {
			h["Anthropic-Version"] = c.theirs
		}
		reply, err := p.Serve(t.Context(), &llm.Request{Endpoint: &ep, Method: "POST", Path: "/v1/messages/count_tokens", Header: h})
		if err != nil {
			t.Fatal(err)
		}
		if b, _ := reply.Body.Next(); string(b) != c.want {
			t.Errorf("%v: %s, want %s", c.theirs, b, c.want)
		}
		reply.Close()
		p.Close()
	}
}
