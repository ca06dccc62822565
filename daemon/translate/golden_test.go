package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"corral/daemon/llm"
)

var update = flag.Bool("update", false, "write testdata/golden anew")

// endpoints are those of the gateway's table that can be translated.
var endpoints = map[string]*llm.Endpoint{
	"chat":             {Name: "chat", Pattern: "/api/chat", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	"generate":         {Name: "generate", Pattern: "/api/generate", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	"embed":            {Name: "embed", Pattern: "/api/embed", Task: llm.Embed},
	"embeddings":       {Name: "embeddings", Pattern: "/api/embeddings", Task: llm.Embed},
	"chat_completions": {Name: "chat_completions", Pattern: "/v1/chat/completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"completions":      {Name: "completions", Pattern: "/v1/completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"responses":        {Name: "responses", Pattern: "/v1/responses", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"v1_embeddings":    {Name: "v1_embeddings", Pattern: "/v1/embeddings", Dialect: llm.OpenAI, Task: llm.Embed},
	"messages":         {Name: "messages", Pattern: "/v1/messages", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE},
}

var (
	chatEndpoints = []string{"chat", "generate", "chat_completions", "completions", "responses", "messages"}
	apis          = []API{OpenAI, Anthropic, Ollama, Gemini}
)

// steady makes c tell the same time and the same ids on every run.
func steady(c *Call) *Call {
	c.now = func() time.Time { return time.Unix(1760000001, 0) }
	c.newID = func() string { return "new1" }
	return c
}

// askedPlainly is a call of an endpoint that asks for no more than an answer.
func askedPlainly(t testing.TB, endpoint string, to API, stream bool) *Call {
	t.Helper()
	body := map[string]any{"model": "herd", "stream": stream, "max_tokens": 64}
	switch endpoint {
	case "completions", "generate":
		body["prompt"] = "Hi."
	case "responses":
		body["input"] = "Hi."
	default:
		body["messages"] = []any{map[string]any{"role": "user", "content": "Hi."}}
	}
	if (endpoint == "chat_completions" || endpoint == "completions") && stream {
		body["stream_options"] = map[string]any{"include_usage": true}
	}
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Request(endpoints[endpoint], b, Target{API: to, Model: "herd"})
	if err != nil {
		t.Fatal(err)
	}
	return steady(c)
}

func said(err error) string {
	var e *llm.Error
	if !errors.As(err, &e) {
		return "no *llm.Error: " + err.Error()
	}
	return e.Code() + ": " + e.Message
}

// all reads a stream to its end: what it gave, and how it ended.
func all(s *Stream) (string, error) {
	defer s.Close()
	var b strings.Builder
	for {
		p, err := s.Next()
		b.Write(p)
		if err != nil {
			return b.String(), err
		}
	}
}

// TestGolden translates every request and every answer under testdata for every pair of APIs.
func TestGolden(t *testing.T) {
	for _, ep := range chatEndpoints {
		for _, api := range apis {
			t.Run(ep+"-"+strings.ToLower(api.String()), func(t *testing.T) {
				var got bytes.Buffer
				goldenRequests(t, &got, ep, api)
				goldenAnswers(t, &got, ep, api)
				file := filepath.Join("testdata", "golden", ep+"-"+strings.ToLower(api.String())+".txt")
				if *update {
					if err := os.WriteFile(file, got.Bytes(), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if line, g, w := firstDifference(got.String(), string(want)); line > 0 {
					t.Errorf("%s:%d\n got %s\nwant %s", file, line, g, w)
				}
			})
		}
	}
}

func firstDifference(got, want string) (line int, g, w string) {
	gs, ws := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(gs), len(ws)) {
		g, w = "", ""
		if i < len(gs) {
			g = gs[i]
		}
		if i < len(ws) {
			w = ws[i]
		}
		if g != w {
			return i + 1, g, w
		}
	}
	return 0, "", ""
}

func goldenRequests(t *testing.T, got *bytes.Buffer, ep string, api API) {
	files, err := filepath.Glob(filepath.Join("testdata", "asked", ep, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatal("no requests", err)
	}
	for _, f := range files {
		fmt.Fprintf(got, "== asked %s\n", strings.TrimSuffix(filepath.Base(f), ".json"))
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c, err := Request(endpoints[ep], body, Target{API: api, Model: "theirs"})
		if err != nil {
			fmt.Fprintf(got, "refused: %s\n\n", said(err))
			continue
		}
		fmt.Fprintf(got, "POST %s", c.Path)
		if c.Query != "" {
			fmt.Fprintf(got, "?%s", c.Query)
		}
		got.WriteByte('\n')
		if w := c.Warning(); w != "" {
			fmt.Fprintf(got, "Warning: %s\n", w)
		}
		var out bytes.Buffer
		if err := json.Indent(&out, c.Body, "", " "); err != nil {
			t.Fatalf("%s: %v in %s", f, err, c.Body)
		}
		fmt.Fprintf(got, "%s\n\n", &out)
	}
}

func goldenAnswers(t *testing.T, got *bytes.Buffer, ep string, api API) {
	files, err := filepath.Glob(filepath.Join("testdata", "heard", strings.ToLower(api.String()), "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("no answers", err)
	}
	for _, f := range files {
		name := filepath.Base(f)
		fmt.Fprintf(got, "== heard %s\n", name)
		body, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(name, ".json") {
			goldenStream(t, got, ep, api, body)
			continue
		}
		c := askedPlainly(t, ep, api, false)
		c.asked.logprobs = strings.HasPrefix(name, "logprobs")
		status := 200
		if n, ok := strings.CutPrefix(strings.TrimSuffix(name, ".json"), "error-"); ok {
			status, _ = strconv.Atoi(n)
		}
		b, u, err := c.Answer(status, body)
		if err != nil {
			fmt.Fprintf(got, "refused: %s\n\n", said(err))
			continue
		}
		var out bytes.Buffer
		if err := json.Indent(&out, b, "", " "); err != nil {
			t.Fatalf("%s: %v in %s", f, err, b)
		}
		fmt.Fprintf(got, "%s\n# used %d (%d cached) + %d (%d reasoning)\n\n", &out, u.Input, u.Cached, u.Output, u.Reasoning)
	}
}

// goldenStream translates a stream in one piece and again byte by byte, which must not make a difference.
func goldenStream(t *testing.T, got *bytes.Buffer, ep string, api API, body []byte) {
	ask := func(src io.Reader) (string, llm.Usage, error) {
		c := askedPlainly(t, ep, api, true)
		c.asked.logprobs = bytes.Contains(body, []byte(`"top_logprobs"`))
		s := c.Events(src)
		text, err := all(s)
		return text, s.Usage(), err
	}
	text, u, end := ask(bytes.NewReader(body))
	text2, _, end2 := ask(iotest.OneByteReader(bytes.NewReader(body)))
	if text != text2 || (end == io.EOF) != (end2 == io.EOF) {
		t.Errorf("byte by byte it became another:\n%s%v\nrather than\n%s%v", text2, end2, text, end)
	}
	got.WriteString(text)
	if end == io.EOF {
		fmt.Fprintf(got, "# ended, used %d (%d cached) + %d (%d reasoning)\n\n", u.Input, u.Cached, u.Output, u.Reasoning)
	} else {
		fmt.Fprintf(got, "# failed: %s\n\n", said(end))
	}
}

// corpus are the files of a folder of testdata.
func corpus(t testing.TB, kind, name string) (all [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", kind, name, "*"))
	if err != nil || len(files) == 0 {
		t.Fatal("nothing in ", kind, name, err)
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b)
	}
	return all
}
