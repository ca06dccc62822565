package clients

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/ollama/ollama/api"
	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"

	"corral/testkit"
)

// TestGo has the official Go clients talk to Corral.
func TestGo(t *testing.T) {
	ollama := testkit.Ollama(t)
	ollama.CreateSlowModel("slow")
	corral := testkit.Corral(t, testkit.BuildCorral(t), testkit.Uncached+testkit.InFrontOf(ollama))
	t.Run("ollama/api", func(t *testing.T) { ollamaAPI(t, ollama.URL, corral.URL) })
	t.Run("openai-go", func(t *testing.T) { openaiGo(t, ollama.URL, corral.URL) })
}

// same asks both servers, checks that they answered alike, and returns what Corral said.
func same[T any](t *testing.T, direct, relayed string, ask func(base string) (T, error)) T {
	t.Helper()
	want, err := ask(direct)
	if err != nil {
		t.Fatalf("direct: %v", err)
	}
	got, err := ask(relayed)
	if err != nil {
		t.Fatalf("through Corral: %v", err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("through Corral: %+v\ndirect: %+v", got, want)
	}
	return got
}

func ollamaAPI(t *testing.T, direct, relayed string) {
	client := func(base string) *api.Client {
		u, err := url.Parse(base)
		if err != nil {
			t.Fatal(err)
		}
		return api.NewClient(u, http.DefaultClient)
	}
	hi := []api.Message{{Role: "user", Content: "What happened at dawn?"}}
	no := &api.ThinkValue{Value: false}

	t.Run("heartbeat and version", func(t *testing.T) {
		if err := client(relayed).Heartbeat(t.Context()); err != nil {
			t.Error(err)
		}
		same(t, direct, relayed, func(base string) (string, error) { return client(base).Version(t.Context()) })
	})
	t.Run("list", func(t *testing.T) {
		names := same(t, direct, relayed, func(base string) (map[string]string, error) {
			r, err := client(base).List(t.Context())
			if err != nil {
				return nil, err
			}
			digests := map[string]string{}
			for _, m := range r.Models {
				digests[m.Name] = m.Digest
			}
			return digests, nil
		})
		if len(names) != 5 {
			t.Errorf("models: %v", names)
		}
	})
	t.Run("chat, streamed chunk by chunk", func(t *testing.T) {
		chunks := same(t, direct, relayed, func(base string) (all []string, err error) {
			err = client(base).Chat(t.Context(), &api.ChatRequest{Model: "tiny", Messages: hi, Think: no}, func(r api.ChatResponse) error {
				all = append(all, r.Message.Content)
				return nil
			})
			return all, err
		})
		if got := strings.Join(chunks, ""); got != testkit.Story || len(chunks) < 40 {
			t.Errorf("%d chunks: %q", len(chunks), got)
		}
	})
	t.Run("tools", func(t *testing.T) {
		var tool api.Tool
		if err := json.Unmarshal([]byte(`{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}`), &tool); err != nil {
			t.Fatal(err)
		}
		call := same(t, direct, relayed, func(base string) (call string, err error) {
			err = client(base).Chat(t.Context(), &api.ChatRequest{Model: "tiny", Messages: hi, Tools: api.Tools{tool}}, func(r api.ChatResponse) error {
				for _, c := range r.Message.ToolCalls {
					call += c.Function.Name + c.Function.Arguments.String()
				}
				return nil
			})
			return call, err
		})
		if call != `get_weather{"location":"Paris"}` {
			t.Error(call)
		}
	})
	t.Run("embed", func(t *testing.T) {
		same(t, direct, relayed, func(base string) ([][]float32, error) {
			r, err := client(base).Embed(t.Context(), &api.EmbedRequest{Model: "embed", Input: []string{"horse", "the sky"}})
			if err != nil {
				return nil, err
			}
			return r.Embeddings, nil
		})
	})
	t.Run("unknown model", func(t *testing.T) {
		e := same(t, direct, relayed, func(base string) (e api.StatusError, err error) {
			err = client(base).Chat(t.Context(), &api.ChatRequest{Model: "absent", Messages: hi}, func(api.ChatResponse) error { return nil })
			if !errors.As(err, &e) {
				return e, errors.Join(errors.New("not a StatusError"), err)
			}
			return e, nil
		})
		if e.StatusCode != http.StatusNotFound || !strings.Contains(e.ErrorMessage, "absent") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a caller who leaves frees the model", func(t *testing.T) {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		n := 0
		client(relayed).Chat(ctx, &api.ChatRequest{Model: "slow", Messages: hi, Think: no}, func(api.ChatResponse) error {
			if n++; n == 5 {
				leave()
			}
			return nil
		}) // its error says nothing: this client takes a stream that broke for one that ended
		if n < 5 {
			t.Errorf("%d chunks", n)
		}
		// One call at a time runs on a model here: this one is answered only when the first has ended.
		four := map[string]any{"num_predict": 4}
		if err := client(relayed).Chat(t.Context(), &api.ChatRequest{Model: "slow", Messages: hi, Think: no, Options: four}, func(api.ChatResponse) error { return nil }); err != nil {
			t.Error(err)
		}
	})
}

func openaiGo(t *testing.T, direct, relayed string) {
	client := func(base string, more ...option.RequestOption) openai.Client {
		return openai.NewClient(append([]option.RequestOption{option.WithBaseURL(base + "/v1"), option.WithAPIKey("ollama"), option.WithMaxRetries(0)}, more...)...)
	}
	chat := func(model string) openai.ChatCompletionNewParams {
		return openai.ChatCompletionNewParams{Model: model, Temperature: openai.Float(0), ReasoningEffort: "none",
			Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage("What happened at dawn?")}}
	}

	t.Run("chat", func(t *testing.T) {
		got := same(t, direct, relayed, func(base string) (string, error) {
			c := client(base)
			r, err := c.Chat.Completions.New(t.Context(), chat("tiny"))
			if err != nil {
				return "", err
			}
			return r.Choices[0].Message.Content, nil
		})
		if got != testkit.Story {
			t.Errorf("%q", got)
		}
	})
	t.Run("the answer says who gave it", func(t *testing.T) {
		var r *http.Response
		c := client(relayed, option.WithResponseInto(&r))
		if _, err := c.Chat.Completions.New(t.Context(), chat("tiny")); err != nil {
			t.Fatal(err)
		}
		if p, m, id := r.Header.Get("Corral-Provider"), r.Header.Get("Corral-Model"), r.Header.Get("X-Request-Id"); p != "local" || m != "tiny" || id == "" {
			t.Errorf("Corral-Provider %q, Corral-Model %q, X-Request-Id %q", p, m, id)
		}
	})
	t.Run("chat, streamed chunk by chunk", func(t *testing.T) {
		chunks := same(t, direct, relayed, func(base string) (all []string, err error) {
			c := client(base)
			s := c.Chat.Completions.NewStreaming(t.Context(), chat("tiny"))
			defer s.Close()
			for s.Next() {
				for _, choice := range s.Current().Choices {
					all = append(all, choice.Delta.Content)
				}
			}
			return all, s.Err()
		})
		if got := strings.Join(chunks, ""); got != testkit.Story || len(chunks) < 40 {
			t.Errorf("%d chunks: %q", len(chunks), got)
		}
	})
	t.Run("embeddings", func(t *testing.T) {
		vec := same(t, direct, relayed, func(base string) ([]float64, error) {
			c := client(base)
			r, err := c.Embeddings.New(t.Context(), openai.EmbeddingNewParams{Model: "embed", Input: openai.EmbeddingNewParamsInputUnion{OfString: openai.String("horse")}})
			if err != nil {
				return nil, err
			}
			return r.Data[0].Embedding, nil
		})
		if len(vec) != 64 {
			t.Errorf("%d dimensions", len(vec))
		}
	})
	t.Run("models", func(t *testing.T) {
		c := client(relayed)
		m, err := c.Models.Get(t.Context(), "tiny")
		if err != nil || m.ID != "tiny" {
			t.Errorf("%+v, %v", m, err)
		}
	})
	t.Run("unknown model", func(t *testing.T) {
		e := same(t, direct, relayed, func(base string) ([2]any, error) {
			c := client(base)
			_, err := c.Chat.Completions.New(t.Context(), chat("absent"))
			var e *openai.Error
			if !errors.As(err, &e) {
				return [2]any{}, errors.Join(errors.New("not an openai.Error"), err)
			}
			return [2]any{e.StatusCode, e.Message}, nil
		})
		if e[0] != http.StatusNotFound {
			t.Errorf("%v", e)
		}
	})
}
