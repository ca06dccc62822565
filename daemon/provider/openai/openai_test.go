package openai_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/openai"
	"corral/daemon/provider/providertest"
	"corral/daemon/provider/relay"
	"corral/testkit"
	"corral/testkit/raw"
)

func newProvider(o relay.Options, key func() (string, error)) provider.Provider {
	return openai.New(o, key, []llm.Dialect{llm.Anthropic})
}

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Kind{
		New:      newProvider,
		Base:     "/behind/v1",
		Path:     func(corral string) string { return corral[len("/v1"):] },
		Dialects: []llm.Dialect{llm.OpenAI, llm.Anthropic},
		Key:      "Authorization",
		Value:    func(key string) string { return "Bearer " + key },
		Probe:    "/models",
	})
}

func TestRealLlamaServer(t *testing.T) {
	s := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	providertest.Real(t, newProvider, s.URL+"/v1", "tiny", []llm.Dialect{llm.OpenAI, llm.Anthropic})
}

func TestItSpeaksWhatItWasMadeWith(t *testing.T) {
	base := &url.URL{Scheme: "http", Host: "127.0.0.1:1", Path: "/v1"}
	for _, c := range []struct {
		also []llm.Dialect
		want string
	}{{nil, "false true false"}, {[]llm.Dialect{llm.Anthropic}, "false true true"}, {[]llm.Dialect{llm.Ollama, llm.OpenAI}, "true true false"}} {
		p := openai.New(relay.Options{Base: base}, nil, c.also)
		speaks := func(d llm.Dialect) bool { return p.Speaks(&llm.Endpoint{Dialect: d}) }
		if got := fmt.Sprint(speaks(llm.Ollama), speaks(llm.OpenAI), speaks(llm.Anthropic)); got != c.want {
			t.Errorf("%v: %s, want %s", c.also, got, c.want)
		}
		p.Close()
	}
}

func TestOneModelIsAskedForByTheServersOwnName(t *testing.T) {
	srv := raw.ServeUnread(t, func(c net.Conn, r *http.Request) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(r.RequestURI), r.RequestURI)
		return true
	})
	base, _ := url.Parse(srv.URL + "/v1")
	p := openai.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} }}, nil, nil)
	defer p.Close()
	ep := llm.Endpoint{Name: "model", Method: "GET", Dialect: llm.OpenAI, NoBody: true}
	for target, want := range map[string]string{"": "/v1/models/as%2Fasked", "org/own:1b": "/v1/models/org%2Fown:1b", "a b\r\n?": "/v1/models/a%20b%0D%0A%3F"} {
		reply, err := p.Serve(t.Context(), &llm.Request{Endpoint: &ep, Method: "GET", Path: "/v1/models/as%2Fasked", Model: "as/asked", Header: http.Header{}, Target: llm.Target{Model: target}})
		if err != nil {
			t.Fatal(err)
		}
		b, err := reply.Body.Next()
		if string(b) != want || err != nil && err != io.EOF {
			t.Errorf("%q: %q %v, want %q", target, b, err, want)
		}
		reply.Close()
	}
}

// TestAResponseThatFailsBeforeItsContentIsAnError, so that another target can be asked: the server's last event says only that it
// failed.
func TestAResponseThatFailsBeforeItsContentIsAnError(t *testing.T) {
	srv := raw.Serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		raw.Begin(c, "text/event-stream")
		raw.Chunk(c, "event: response.created\ndata: {\"type\":\"response.created\"}\n\nevent: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"message\":\"out of memory\"}}}\n\n")
		return raw.End(c)
	})
	base, _ := url.Parse(srv.URL + "/v1")
	p := openai.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} }}, nil, nil)
	defer p.Close()
	ep := &llm.Endpoint{Name: "responses", Method: "POST", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	_, err := p.Serve(t.Context(), &llm.Request{Endpoint: ep, Method: "POST", Path: "/v1/responses", Stream: true, Body: []byte(`{"stream":true}`), Header: http.Header{}})
	if e := llm.AsError(err); err == nil || e.Kind != llm.TargetRefused || !strings.Contains(e.Message, "out of memory") {
		t.Errorf("%v, want the server's own words as an error", err)
	}
}
