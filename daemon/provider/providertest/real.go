package providertest

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/relay"
	"corral/testkit"
)

// Real asks a real server at base, which has the tiny model that tells testkit.Story under this name.
func Real(t *testing.T, newProvider func(o relay.Options, key func() (string, error)) provider.Provider, base, model string, dialects []llm.Dialect) {
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	p := newProvider(relay.Options{Name: name, Base: u, Timeouts: func() relay.Timeouts {
		return relay.Timeouts{FirstToken: time.Minute, Idle: time.Minute, Whole: time.Minute}
	}}, nil)
	defer p.Close()
	if err := p.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, d := range dialects {
		c := calls()[d]
		t.Run(d.String(), func(t *testing.T) {
			for _, stream := range []bool{false, true} {
				body, err := json.Marshal(map[string]any{"model": "as-asked", "stream": stream, "temperature": 0, "max_tokens": 300, "messages": []any{map[string]string{"role": "user", "content": "Hi."}},
					"stream_options": map[string]bool{"include_usage": true}})
				if err != nil {
					t.Fatal(err)
				}
				r := c.request(t, string(body))
				r.Target.Model = model
				reply, got, err := ask(t.Context(), p, r)
				if err != nil || reply.Status != 200 || reply.Stream != stream {
					t.Fatalf("%v %+v %s", err, reply, got)
				}
				if told := strings.TrimSpace(text(d, stream, got)); told != testkit.Story {
					t.Errorf("stream %v: %q\n%s", stream, told, got)
				}
				if u := reply.Body.Usage(); u.Input <= 0 || u.Output <= 0 {
					t.Errorf("stream %v: usage %+v", stream, u)
				}
			}
			bad := `{"model":"m","max_tokens":9}`
			if d == llm.Ollama { // there it would mean: load the model
				bad = `{"model":"m","messages":7}`
			}
			r := c.request(t, bad)
			r.Target.Model = model
			reply, got, err := ask(t.Context(), p, r)
			if err != nil || reply.Status < 400 || !gjson.Valid(got) || !gjson.Get(got, "error").Exists() {
				t.Errorf("a bad call: %v %+v %s", err, reply, got)
			}
		})
	}
}

// text is what was said in an answer.
func text(d llm.Dialect, stream bool, answer string) string {
	path := map[llm.Dialect]string{llm.Ollama: "message.content", llm.OpenAI: "choices.0.message.content", llm.Anthropic: `content.#(type=="text").text`}[d]
	if stream {
		path = map[llm.Dialect]string{llm.Ollama: "message.content", llm.OpenAI: "choices.0.delta.content", llm.Anthropic: "delta.text"}[d]
	}
	var b strings.Builder
	for line := range strings.Lines(answer) {
		b.WriteString(gjson.Get(strings.TrimPrefix(line, "data: "), path).Str)
	}
	return b.String()
}
