package testkit

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// ask posts body and decodes the answer into T.
func ask[T any](t *testing.T, url, body string) (v T) {
	t.Helper()
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", url, r.Status, b)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%s: %v: %s", url, err, b)
	}
	return v
}

type chat struct {
	Message struct {
		Content, Thinking string
		ToolCalls         []struct {
			Function struct {
				Name      string
				Arguments map[string]any
			}
		} `json:"tool_calls"`
	}
	DoneReason string `json:"done_reason"`
}

func TestOllama(t *testing.T) {
	s := Ollama(t)

	t.Run("tiny tells the story", func(t *testing.T) {
		for _, model := range []string{"tiny", "tiny-v2"} {
			got := ask[chat](t, s.URL+"/api/chat", `{"model":"`+model+`","stream":false,"messages":[{"role":"user","content":"Hi."}]}`)
			if got.Message.Content != Story || got.Message.Thinking != Thought || got.DoneReason != "stop" {
				t.Errorf("%s: %+v", model, got)
			}
		}
	})
	t.Run("tiny calls a tool", func(t *testing.T) {
		got := ask[chat](t, s.URL+"/api/chat", `{"model":"tiny","stream":false,"messages":[{"role":"user","content":"Hi."}],"tools":[{"type":"function",
			"function":{"name":"get_weather","parameters":{"type":"object","properties":{"location":{"type":"string"}}}}}]}`)
		calls := got.Message.ToolCalls
		if len(calls) != 1 || calls[0].Function.Name != "get_weather" || calls[0].Function.Arguments["location"] != "Paris" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("endless goes on", func(t *testing.T) {
		got := ask[chat](t, s.URL+"/api/chat", `{"model":"endless","stream":false,"think":false,"options":{"num_predict":300},"messages":[{"role":"user","content":"Hi."}]}`)
		if !strings.HasPrefix(got.Message.Content, Story) || got.DoneReason != "length" {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a slow model is slow", func(t *testing.T) {
		s.CreateSlowModel("slow")
		got := ask[struct {
			EvalCount    int           `json:"eval_count"`
			EvalDuration time.Duration `json:"eval_duration"`
		}](t, s.URL+"/api/generate", `{"model":"slow","stream":false,"options":{"num_predict":60},"prompt":"Hi."}`)
		if rate := float64(got.EvalCount) / got.EvalDuration.Seconds(); rate > 1000 {
			t.Errorf("%.0f tokens a second", rate)
		} else {
			t.Logf("%.0f tokens a second", rate)
		}
	})
	t.Run("embed has 64 dimensions", func(t *testing.T) {
		got := ask[struct{ Embeddings [][]float64 }](t, s.URL+"/api/embed", `{"model":"embed","input":["horse","sky"]}`)
		if len(got.Embeddings) != 2 || len(got.Embeddings[0]) != 64 {
			t.Errorf("%v", got)
		}
	})
	t.Run("the command reaches it", func(t *testing.T) {
		out := OllamaCLI(t, s.Addr, "list")
		for _, name := range []string{"tiny:latest", "tiny-v2:latest", "endless:latest", "embed:latest"} {
			if out.Err != nil || !strings.Contains(out.Stdout, name) {
				t.Fatalf("no %s in %+v", name, out)
			}
		}
		out = OllamaCLI(t, s.Addr, "show", "absent")
		if out.Err == nil || !strings.Contains(out.Stderr, "not found") {
			t.Errorf("show absent: %+v", out)
		}
	})
	t.Run("its models can be pulled", func(t *testing.T) {
		reg := Registry(t, s.Home+"/models")
		other := EmptyOllama(t)
		out := OllamaCLI(t, other.Addr, "pull", "--insecure", reg+"/library/tiny")
		if out.Err != nil || !strings.Contains(out.Stderr, "success") {
			t.Fatalf("%+v", out)
		}
		if out := OllamaCLI(t, other.Addr, "list"); !strings.Contains(out.Stdout, "library/tiny") {
			t.Errorf("%+v", out)
		}
	})
}

func TestServerStopsFreezesAndStartsAgain(t *testing.T) {
	s := Ollama(t)
	short := &http.Client{Timeout: 200 * time.Millisecond, Transport: &http.Transport{DisableKeepAlives: true}}
	alive := func() bool {
		r, err := short.Get(s.URL + "/api/version")
		if err == nil {
			r.Body.Close()
		}
		return err == nil
	}
	s.Freeze()
	if alive() {
		t.Error("a frozen server answered")
	}
	s.Thaw()
	s.Stop()
	if s.ExitCode() != 0 || alive() {
		t.Errorf("after Stop: exit code %d, alive %v", s.ExitCode(), alive())
	}
	s.Start()
	got := ask[struct{ Models []struct{ Name string } }](t, s.URL+"/api/show", `{"model":"tiny"}`)
	if !alive() {
		t.Errorf("started again, and does not answer: %v", got)
	}
	s.Kill()
	if alive() {
		t.Error("a killed server answered")
	}
}

func TestLlamaServer(t *testing.T) {
	s := LlamaServer(t, ModelFile(t, "tiny-chat.gguf"))
	got := ask[struct {
		Choices []struct{ Message struct{ Content string } }
	}](t, s.URL+"/v1/chat/completions", `{"model":"tiny","temperature":0,"messages":[{"role":"user","content":"Hi."}]}`)
	if len(got.Choices) != 1 || strings.TrimSpace(got.Choices[0].Message.Content) != Story {
		t.Errorf("%+v", got)
	}
	e := LlamaServer(t, ModelFile(t, "tiny-embed.gguf"), "embed")
	vec := ask[struct {
		Data []struct{ Embedding []float64 }
	}](t, e.URL+"/v1/embeddings", `{"model":"embed","input":"horse"}`)
	if len(vec.Data) != 1 || len(vec.Data[0].Embedding) != 64 {
		t.Errorf("%+v", vec)
	}
}

// verdict records how a test was ended.
type verdict struct {
	testing.TB
	ended string
}

func (v *verdict) Helper()               {}
func (v *verdict) Skipf(string, ...any)  { v.ended += "skip" }
func (v *verdict) Fatalf(string, ...any) { v.ended += "fatal" }

func TestMissingIsFatalWhenStrict(t *testing.T) {
	for strict, want := range map[string][]string{"": {"skip"}, "1": {"fatal", "fatalskip"}} { // a real Fatalf does not return
		t.Setenv("CORRAL_TEST_STRICT", strict)
		v := &verdict{TB: t}
		Missing(v, "no such thing")
		if !slices.Contains(want, v.ended) {
			t.Errorf("CORRAL_TEST_STRICT=%q: %s, want %s", strict, v.ended, want[0])
		}
	}
}

func TestModelFile(t *testing.T) {
	st, err := os.Stat(ModelFile(t, "tiny-embed.gguf"))
	if err != nil || st.Size() != 316736 {
		t.Errorf("%v, %v", st, err)
	}
}
