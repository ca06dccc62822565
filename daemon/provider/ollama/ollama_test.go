package ollama_test

import (
	"net/url"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/ollama"
	"corral/daemon/provider/providertest"
	"corral/daemon/provider/relay"
	"corral/testkit"
)

func newProvider(o relay.Options, _ func() (string, error)) provider.Provider { return ollama.New(o) }

func TestProvider(t *testing.T) {
	providertest.Run(t, providertest.Kind{
		New:      newProvider,
		Base:     "/behind",
		Path:     func(corral string) string { return corral },
		Dialects: []llm.Dialect{llm.Ollama, llm.OpenAI, llm.Anthropic},
		Probe:    "/api/version",
		Beside:   map[string]string{"/api/tags": `{"models":[]}`, "/api/experimental/aliases": `{"aliases":null}`},
	})
}

func TestRealOllama(t *testing.T) {
	s := testkit.Ollama(t)
	providertest.Real(t, newProvider, s.URL, "tiny", []llm.Dialect{llm.Ollama, llm.OpenAI, llm.Anthropic})
}

func TestItSpeaksEverything(t *testing.T) {
	p := ollama.New(relay.Options{Base: &url.URL{Scheme: "http", Host: "127.0.0.1:1"}})
	defer p.Close()
	for _, d := range []llm.Dialect{llm.Ollama, llm.OpenAI, llm.Anthropic} {
		if !p.Speaks(&llm.Endpoint{Dialect: d}) {
			t.Errorf("not %v", d)
		}
	}
}
