package translate

import (
	"errors"
	"testing"

	"corral/daemon/llm"
)

var embedCorpus = []string{
	`{"model":"e","input":["a","b"],"dimensions":8,"encoding_format":"base64","user":"u"}`,
	`{"model":"e","input":"a","truncate":false,"keep_alive":"1m","options":{"num_ctx":8}}`,
	`{"model":"e","prompt":"a"}`,
}

func TestEmbeddings(t *testing.T) {
	const openaiSaid = `{"object":"list","model":"e-3","data":[{"object":"embedding","index":1,"embedding":[0.5,-1e-9]},{"object":"embedding","index":0,"embedding":[1,0.25]}],"usage":{"prompt_tokens":4,"total_tokens":4}}`
	const ollamaSaid = `{"model":"e:1","embeddings":[[1,0.25],[0.5,-1e-9]],"total_duration":5,"load_duration":1,"prompt_eval_count":4}`
	const geminiSaid = `{"embeddings":[{"values":[1,0.25]},{"values":[0.5,-1e-9]}]}`
	for _, x := range []struct {
		name, endpoint string
		to             API
		asked          string
		path, body     string
		warning        string
		heard, told    string
	}{
		{"Ollama asks OpenAI", "embed", OpenAI, `{"model":"e","input":["a","b"],"dimensions":2,"truncate":false,"keep_alive":"1m","options":{"num_ctx":8}}`,
			"/v1/embeddings", `{"model":"theirs","input":["a","b"],"dimensions":2,"encoding_format":"float"}`, `299 corral "not carried over to OpenAI: truncate, keep_alive, options.num_ctx"`,
			openaiSaid, `{"model":"e-3","embeddings":[[1,0.25],[0.5,-1e-9]],"prompt_eval_count":4}`},
		{"OpenAI asks Ollama", "v1_embeddings", Ollama, `{"model":"e","input":["a","b"],"user":"u"}`,
			"/api/embed", `{"model":"theirs","input":["a","b"]}`, `299 corral "not carried over to Ollama: user"`,
			ollamaSaid, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1,0.25]},{"object":"embedding","index":1,"embedding":[0.5,-1e-9]}],"model":"e:1","usage":{"prompt_tokens":4,"total_tokens":4}}`},
		{"OpenAI asks Gemini, packed", "v1_embeddings", Gemini, `{"model":"e","input":["a","b"],"encoding_format":"base64","dimensions":2}`,
			"/v1beta/models/theirs:batchEmbedContents", `{"requests":[{"model":"models/theirs","content":{"parts":[{"text":"a"}]},"outputDimensionality":2},{"model":"models/theirs","content":{"parts":[{"text":"b"}]},"outputDimensionality":2}]}`, "",
			geminiSaid, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAgD4="},{"object":"embedding","index":1,"embedding":"AAAAP19wibA="}],"model":"theirs","usage":{"prompt_tokens":0,"total_tokens":0}}`},
		{"the older Ollama asks OpenAI", "embeddings", OpenAI, `{"model":"e","prompt":"a"}`,
			"/v1/embeddings", `{"model":"theirs","input":["a"],"encoding_format":"float"}`, "",
			`{"object":"list","model":"e-3","data":[{"object":"embedding","index":0,"embedding":[1,0.25]}],"usage":{"prompt_tokens":2,"total_tokens":2}}`, `{"embedding":[1,0.25]}`},
	} {
		t.Run(x.name, func(t *testing.T) {
			c, err := Request(endpoints[x.endpoint], []byte(x.asked), Target{API: x.to, Model: "theirs"})
			if err != nil {
				t.Fatal(err)
			}
			if c.Path != x.path || string(c.Body) != x.body || c.Warning() != x.warning {
				t.Errorf("POST %s %s\n%s\nwant %s %s\n%s", c.Path, c.Body, c.Warning(), x.path, x.body, x.warning)
			}
			b, u, err := c.Answer(200, []byte(x.heard))
			if err != nil {
				t.Fatal(err)
			}
			if string(b) != x.told {
				t.Errorf("got %s\nwant %s", b, x.told)
			}
			if x.to != Gemini && u.Input <= 0 {
				t.Errorf("usage %+v", u)
			}
		})
	}
}

func TestEmbeddingsRefused(t *testing.T) {
	for _, x := range []struct {
		name, endpoint, asked string
		to                    API
		kind                  llm.Kind
	}{
		{"tokens", "v1_embeddings", `{"model":"e","input":[1,2]}`, Ollama, llm.Unsupported},
		{"lists of tokens", "v1_embeddings", `{"model":"e","input":[[1,2]]}`, Ollama, llm.Unsupported},
		{"nothing", "v1_embeddings", `{"model":"e"}`, Ollama, llm.Invalid},
		{"an empty text", "embed", `{"model":"e","input":["a",""]}`, OpenAI, llm.Invalid},
		{"a target without vectors", "embed", `{"model":"e","input":"a"}`, Anthropic, llm.Unsupported},
	} {
		_, err := Request(endpoints[x.endpoint], []byte(x.asked), Target{API: x.to})
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != x.kind {
			t.Errorf("%s: %v, want kind %d", x.name, err, x.kind)
		}
	}
	for _, heard := range []string{`{`, `{}`, `{"data":[]}`, `{"data":[{"index":7,"embedding":[1]}]}`, `{"data":[{"index":0,"embedding":"AAAA"}]}`, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`} {
		c, err := Request(endpoints["embed"], []byte(`{"model":"e","input":"a"}`), Target{API: OpenAI})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Answer(200, []byte(heard))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != llm.BadAnswer {
			t.Errorf("%s: %v, want a bad answer", heard, err)
		}
	}
}
