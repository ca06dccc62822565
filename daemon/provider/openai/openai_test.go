package openai_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
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

// TestWhatRealLlamaTells of its one model, by whatever name it is asked for.
func TestWhatRealLlamaTells(t *testing.T) {
	s := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	base, err := url.Parse(s.URL + "/v1")
	if err != nil {
		t.Fatal(err)
	}
	p := openai.New(relay.Options{Base: base}, nil, nil)
	defer p.Close()
	for _, c := range []struct {
		needs provider.Needs
		want  bool
	}{{provider.Needs{}, true}, {provider.Needs{Tools: true, Tokens: 100}, true}, {provider.Needs{Images: true}, false}, {provider.Needs{Tokens: 100_000}, false}} {
		if got := p.Able(t.Context(), "tiny", c.needs); got != c.want {
			t.Errorf("%+v: %v", c.needs, got)
		}
	}
}

func TestWhatServersTellOfTheirModels(t *testing.T) {
	pictures, tools, long := provider.Needs{Images: true}, provider.Needs{Tools: true}, provider.Needs{Tokens: 8193}
	for _, c := range []struct {
		name, list string
		can        []bool // pictures, tools, long
	}{
		{"OpenAI's own fields only", `{"id":"m","object":"model","owned_by":"x"}`, []bool{true, true, true}},
		{"another model", `{"id":"n","max_model_len":1,"architecture":{"input_modalities":["text"]}}`, []bool{true, true, true}},
		{"vLLM", `{"id":"m","max_model_len":8192}`, []bool{true, true, false}},
		{"one that sees", `{"id":"m","architecture":{"input_modalities":["text","image"]},"meta":{"n_ctx":16384}}`, []bool{true, true, true}},
		{"a router", `{"id":"m","context_length":8192,"architecture":{"input_modalities":["text"]},"supported_parameters":["temperature"]}`, []bool{false, false, false}},
		{"a router's with tools", `{"id":"m","context_length":8193,"supported_parameters":["temperature","tools"]}`, []bool{true, true, true}},
		{"other types than those", `{"id":"m","context_length":"8192","architecture":"text","supported_parameters":{"tools":1},"meta":7}`, []bool{true, true, false}},
	} {
		var asked atomic.Int64
		srv := raw.Serve(t, func(nc net.Conn, r *http.Request, _ string) bool {
			asked.Add(1)
			return raw.Reply(nc, "application/json", `{"object":"list","data":[`+c.list+`]}`)
		})
		base, err := url.Parse(srv.URL + "/v1")
		if err != nil {
			t.Fatal(err)
		}
		p := openai.New(relay.Options{Base: base}, nil, nil)
		for i, n := range []provider.Needs{pictures, tools, long} {
			if got := p.Able(t.Context(), "m", n); got != c.can[i] {
				t.Errorf("%s, %+v: %v", c.name, n, got)
			}
		}
		p.Close()
		if n := asked.Load(); n != 1 {
			t.Errorf("%s: asked %d times", c.name, n)
		}
	}
	elsewhere := openai.New(relay.Options{Base: &url.URL{Scheme: "https", Host: "cloud.corral.invalid", Path: "/v1"}}, nil, nil)
	defer elsewhere.Close()
	if !elsewhere.Able(t.Context(), "m", pictures) {
		t.Error("a server elsewhere is taken at its word before it was asked")
	}
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
