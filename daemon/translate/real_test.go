package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/testkit"
)

// own are the paths of the endpoints at a server that knows them itself.
var own = map[string]string{"chat": "/api/chat", "generate": "/api/generate", "chat_completions": "/v1/chat/completions", "completions": "/v1/completions",
	"responses": "/v1/responses", "messages": "/v1/messages"}

// post sends body and returns all of the answer.
func post(t *testing.T, url string, body []byte) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Close = true // llama.cpp closes a connection after a stream, and does not say so before
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, b
}

// through asks a server in one API on behalf of a caller of another.
func through(t *testing.T, s *testkit.Server, endpoint string, to Target, body string) (int, string) {
	t.Helper()
	c, err := Request(endpoints[endpoint], []byte(body), to)
	if err != nil {
		t.Fatalf("%s to %s: %v", endpoint, to.API, err)
	}
	status, b := post(t, s.URL+c.Path, c.Body)
	if c.Stream && status < 300 {
		text, end := all(c.Events(bytes.NewReader(b)))
		if end != io.EOF {
			t.Fatalf("%s to %s: %v in %s", endpoint, to.API, end, b)
		}
		return status, text
	}
	b, _, err = c.Answer(status, b)
	if err != nil {
		t.Fatalf("%s to %s: %v", endpoint, to.API, err)
	}
	return status, string(b)
}

// gist is what of an answer must not depend on the way it took.
type gist struct {
	Text, Thought, Stop string
	Calls               []string // name and arguments
	Input, Output       int64
	Events              []string // types of a stream, each run of the same as one
}

// gistOf reads the answer of an endpoint, whole or as a stream.
func gistOf(t *testing.T, endpoint, body string) gist {
	t.Helper()
	var g gist
	if strings.HasPrefix(body, "{") && !strings.Contains(strings.TrimSpace(body), "\n{") {
		g.take(endpoint, "", gjson.Parse(body))
		return g
	}
	name := ""
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimSpace(line)
		if n, ok := strings.CutPrefix(line, "event: "); ok {
			name = n
			continue
		}
		line = strings.TrimPrefix(line, "data: ")
		if line == "" {
			name = ""
			continue
		}
		kind := cmp.Or(name, gjson.Get(line, "object").Str, "line")
		if line == "[DONE]" {
			kind = line
		}
		if len(g.Events) == 0 || g.Events[len(g.Events)-1] != kind {
			g.Events = append(g.Events, kind)
		}
		g.take(endpoint, kind, gjson.Parse(line))
	}
	return g
}

// take adds a whole answer, or one event of a stream.
func (g *gist) take(endpoint, event string, v gjson.Result) {
	set := func(to *string, paths ...string) {
		for _, p := range paths {
			if s := v.Get(p); s.Type == gjson.String {
				*to = s.Str
			}
		}
	}
	add := func(to *string, paths ...string) {
		for _, p := range paths {
			*to += v.Get(p).Str
		}
	}
	count := func(to *int64, paths ...string) {
		for _, p := range paths {
			if n := v.Get(p).Int(); n > 0 {
				*to = n
			}
		}
	}
	call := func(c gjson.Result, name, args string) {
		if n := c.Get(name).Str; n != "" {
			g.Calls = append(g.Calls, n+" ")
		}
		if a := c.Get(args); len(g.Calls) > 0 {
			if a.Type == gjson.String {
				g.Calls[len(g.Calls)-1] += a.Str
			} else if a.Raw != "{}" || event == "" {
				g.Calls[len(g.Calls)-1] += a.Raw
			}
		}
	}
	switch endpoint {
	case "chat", "generate":
		add(&g.Text, "message.content", "response")
		add(&g.Thought, "message.thinking", "thinking")
		set(&g.Stop, "done_reason")
		for _, c := range v.Get("message.tool_calls").Array() {
			call(c, "function.name", "function.arguments")
		}
		count(&g.Input, "prompt_eval_count")
		count(&g.Output, "eval_count")
	case "chat_completions", "completions":
		m := "choices.0.message"
		if event != "" {
			m = "choices.0.delta"
		}
		add(&g.Text, m+".content", "choices.0.text")
		add(&g.Thought, m+".reasoning", m+".reasoning_content")
		set(&g.Stop, "choices.0.finish_reason")
		for _, c := range v.Get(m + ".tool_calls").Array() {
			call(c, "function.name", "function.arguments")
		}
		count(&g.Input, "usage.prompt_tokens")
		count(&g.Output, "usage.completion_tokens")
	case "messages":
		for _, b := range v.Get("content").Array() {
			g.Text += b.Get("text").Str
			g.Thought += b.Get("thinking").Str
			if b.Get("type").Str == "tool_use" {
				call(b, "name", "input")
			}
		}
		if b := v.Get("content_block"); b.Get("type").Str == "tool_use" {
			g.Calls = append(g.Calls, b.Get("name").Str+" ")
		}
		if p := v.Get("delta.partial_json"); p.Exists() {
			g.Calls[len(g.Calls)-1] += p.Str
		}
		add(&g.Text, "delta.text")
		add(&g.Thought, "delta.thinking")
		set(&g.Stop, "stop_reason", "delta.stop_reason")
		u := firstResult(v.Get("usage"), v.Get("message.usage"))
		if n := u.Get("input_tokens").Int() + u.Get("cache_read_input_tokens").Int() + u.Get("cache_creation_input_tokens").Int(); n > 0 {
			g.Input = n // Ollama guesses it at the start and tells it at the end, llama.cpp tells it at the start only
		}
		count(&g.Output, "usage.output_tokens")
	case "responses":
		r := v
		if event != "" {
			r = v.Get("response")
			if r.Get("status").Str == "in_progress" {
				return
			}
		}
		for _, it := range r.Get("output").Array() {
			for _, p := range it.Get("content").Array() {
				if it.Get("type").Str == "message" {
					g.Text += p.Get("text").Str
				} else {
					g.Thought += p.Get("text").Str
				}
			}
			for _, p := range it.Get("summary").Array() {
				g.Thought += p.Get("text").Str
			}
			if it.Get("type").Str == "function_call" {
				call(it, "name", "arguments")
			}
		}
		if s := r.Get("status").Str; s != "" {
			g.Stop = s
		}
		v = r
		count(&g.Input, "usage.input_tokens")
		count(&g.Output, "usage.output_tokens")
	}
}

func firstResult(a, b gjson.Result) gjson.Result {
	if a.Exists() {
		return a
	}
	return b
}

// comparable makes the arguments of calls alike: servers differ in their white space.
func (g gist) comparable() gist {
	for i, c := range g.Calls {
		name, args, _ := strings.Cut(c, " ")
		g.Calls[i] = name + " " + compact(json.RawMessage(args))
	}
	return g
}

func (g gist) String() string {
	return fmt.Sprintf("text %q\nthought %q\nstop %s calls %q usage %d+%d\nevents %v", g.Text, g.Thought, g.Stop, g.Calls, g.Input, g.Output, g.Events)
}

const weatherParams = `{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}`

// questions are the same few calls in the words of each endpoint. %s is stream.
var questions = map[string]map[string]string{
	"plain": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi."}],"options":{"temperature":0}}`,
		"generate":         `{"model":"tiny","stream":%s,"system":"Be kind.","prompt":"Hi.","options":{"temperature":0}}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi."}]}`,
		"completions":      `{"model":"tiny","stream":%s,"temperature":0,"prompt":"Hi."}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"instructions":"Be kind.","input":"Hi."}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":500,"system":"Be kind.","messages":[{"role":"user","content":"Hi."}]}`,
	},
	"short": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Hi."}],"options":{"temperature":0,"num_predict":12},"think":false}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":12,"reasoning_effort":"none","messages":[{"role":"user","content":"Hi."}]}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"max_output_tokens":12,"input":[{"role":"user","content":"Hi."}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":12,"messages":[{"role":"user","content":[{"type":"text","text":"Hi."}]}]}`,
	},
	"tool": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Weather?"}],"options":{"temperature":0},"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather","parameters":` + weatherParams + `}}]}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"messages":[{"role":"user","content":"Weather?"}],"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather","parameters":` + weatherParams + `}}]}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"input":"Weather?","tools":[{"type":"function","name":"get_weather","description":"Weather","strict":false,"parameters":` + weatherParams + `}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":500,"messages":[{"role":"user","content":"Weather?"}],"tools":[{"name":"get_weather","description":"Weather","input_schema":` + weatherParams + `}]}`,
	},
	"result": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":"","tool_calls":[{"id":"call_1","function":{"name":"get_weather","arguments":{"location":"Paris"}}}]},{"role":"tool","tool_name":"get_weather","tool_call_id":"call_1","content":"sunny"},{"role":"user","content":"Thanks."}],"options":{"temperature":0}}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{\"location\":\"Paris\"}"}}]},{"role":"tool","tool_call_id":"call_1","content":"sunny"},{"role":"user","content":"Thanks."}]}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"input":[{"role":"user","content":"Weather?"},{"type":"function_call","call_id":"call_1","name":"get_weather","arguments":"{\"location\":\"Paris\"}"},{"type":"function_call_output","call_id":"call_1","output":"sunny"},{"role":"user","content":"Thanks."}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":500,"messages":[{"role":"user","content":"Weather?"},{"role":"assistant","content":[{"type":"tool_use","id":"call_1","name":"get_weather","input":{"location":"Paris"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"sunny"},{"type":"text","text":"Thanks."}]}]}`,
	},
	"schema": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Herd?"}],"options":{"temperature":0},"think":false,"format":{"type":"object","properties":{"name":{"type":"string"},"count":{"type":"integer"}},"required":["name","count"]}}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"reasoning_effort":"none","messages":[{"role":"user","content":"Herd?"}],"response_format":{"type":"json_schema","json_schema":{"name":"herd","schema":{"type":"object","properties":{"name":{"type":"string"},"count":{"type":"integer"}},"required":["name","count"]}}}}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"input":"Herd?","text":{"format":{"type":"json_schema","name":"herd","schema":{"type":"object","properties":{"name":{"type":"string"},"count":{"type":"integer"}},"required":["name","count"]}}}}`,
	},
	"thought": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Hi."}],"options":{"temperature":0},"think":true}`,
		"generate":         `{"model":"tiny","stream":%s,"prompt":"Hi.","options":{"temperature":0},"think":true}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"reasoning_effort":"high","messages":[{"role":"user","content":"Hi."}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":2000,"thinking":{"type":"enabled","budget_tokens":1024},"messages":[{"role":"user","content":"Hi."}]}`,
	},
}

// where is a question asked by a caller through an API.
type where struct {
	question, endpoint string
	to                 API
}

// compareReal asks s each question in the caller's own API, and again through each API of to. known says where the server
// itself is known to differ: it makes got and want alike, or reports false where nothing can be compared.
func compareReal(t *testing.T, s *testkit.Server, callers []string, to []API, reasoning string, known func(w where, got, want *gist) bool) {
	for name, words := range questions {
		for _, ep := range callers {
			if words[ep] == "" {
				continue
			}
			for _, stream := range []string{"false", "true"} {
				body := fmt.Sprintf(words[ep], stream)
				status, b := post(t, s.URL+own[ep], []byte(body))
				if status != 200 {
					t.Logf("%s by %s: the server itself answers %d %s", name, ep, status, b)
					continue
				}
				for _, api := range to {
					want := gistOf(t, ep, string(b)).comparable()
					t.Run(fmt.Sprintf("%s/%s-%s/stream=%s", name, ep, api, stream), func(t *testing.T) {
						status, b := through(t, s, ep, Target{API: api, Reasoning: reasoning}, body)
						got := gistOf(t, ep, b).comparable()
						if !known(where{name, ep, api}, &got, &want) {
							t.Skip("the server does not do in one API what it does in the other")
						}
						if status != 200 || got.String() != want.String() {
							t.Errorf("status %d\n got %s\nwant %s", status, got, want)
						}
					})
				}
			}
		}
	}
}

// cutShort: both servers say of a response that it is completed when max_output_tokens cut it off.
func cutShort(w where, want *gist) {
	if w.question == "short" && w.endpoint == "responses" {
		want.Stop = "incomplete"
		if n := len(want.Events); n > 0 {
			want.Events[n-1] = "response.incomplete"
		}
	}
}

func TestRealOllama(t *testing.T) {
	s := testkit.Ollama(t)
	compareReal(t, s, []string{"chat", "generate", "chat_completions", "completions", "responses", "messages"}, []API{Ollama, OpenAI, Anthropic}, "reasoning",
		func(w where, got, want *gist) bool {
			cutShort(w, want)
			if w.endpoint == "responses" { // Ollama leaves out two kinds of events that OpenAI's clients expect
				got.Events = slices.DeleteFunc(got.Events, func(e string) bool { return strings.Contains(e, "summary_part") })
			}
			// Its /v1/messages knows no output_config, and no thinking of type disabled.
			return w.to != Anthropic || w.question != "schema" && (w.question != "short" || w.endpoint == "messages" || w.endpoint == "responses")
		})

	t.Run("a model that is not there", func(t *testing.T) {
		for ep, path := range own {
			if strings.Contains(ep, "completions") || ep == "generate" || ep == "chat" || ep == "messages" || ep == "responses" {
				body := strings.ReplaceAll(fmt.Sprintf(questions["plain"][ep], "true"), `"tiny"`, `"nobody"`)
				status, b := post(t, s.URL+path, []byte(body))
				for _, api := range []API{Ollama, OpenAI, Anthropic} {
					got, text := through(t, s, ep, Target{API: api}, body)
					message := func(s string) string { return cmp.Or(gjson.Get(s, "error.message").Str, gjson.Get(s, "error").Str) }
					if got != status || message(text) != message(string(b)) || message(text) == "" {
						t.Errorf("%s through %s: %d %s, want %d %s", ep, api, got, text, status, b)
					}
				}
			}
		}
	})
	t.Run("vectors", func(t *testing.T) {
		compareVectors(t, s, "embed", "/api/embed", `{"model":"embed","input":["horse","sky"]}`, "embeddings", OpenAI)
		compareVectors(t, s, "v1_embeddings", "/v1/embeddings", `{"model":"embed","input":["horse","sky"],"encoding_format":"base64"}`, "data.#.embedding", Ollama)
		compareVectors(t, s, "v1_embeddings", "/v1/embeddings", `{"model":"embed","input":"horse","dimensions":8}`, "data.#.embedding", Ollama)
	})
}

func compareVectors(t *testing.T, s *testkit.Server, ep, path, body, at string, to API) {
	t.Helper()
	status, b := post(t, s.URL+path, []byte(body))
	got, text := through(t, s, ep, Target{API: to}, body)
	if want := gjson.GetBytes(b, at).Raw; status != 200 || got != 200 || want == "" || gjson.Get(text, at).Raw != want {
		t.Errorf("%s through %s: %d %s\nwant %d %s", ep, to, got, text, status, b)
	}
}

func TestRealLlama(t *testing.T) {
	s := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	compareReal(t, s, []string{"chat_completions", "completions", "responses", "messages"}, []API{OpenAI, Anthropic}, "reasoning_content",
		func(w where, got, want *gist) bool {
			cutShort(w, want)
			if w.endpoint == "completions" { // no template is put around its prompt there; and it counts without being asked to
				got.Input, got.Output, want.Input, want.Output = 0, 0, 0, 0
			}
			// Its /v1/messages and /v1/responses know no schema; and a call that thinks takes no temperature to Anthropic.
			return !(w.question == "schema" && (w.to == Anthropic || w.endpoint == "responses")) && !(w.question == "thought" && w.to == Anthropic)
		})
}
