package daemon_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"corral/testkit"
	"corral/testkit/faults"
	"corral/testkit/raw"
)

// way is one way in which an app asks.
type way struct {
	name, path string
	body       string // with %q for the model
	stream     bool
	embed      bool
	said       string   // where the text stands, in an answer or in each event of one
	failed     string   // how the event begins with which a broken stream ends
	done       []string // what stands in an honest end only
}

// ways are all in which an app asks for text or vectors.
func ways() []way {
	const (
		story    = `"messages":[{"role":"user","content":"tell me"}]`
		ollama   = `"options":{"temperature":0}`
		ollamaNo = `{"error":"`
		openaiNo = `data: {"error":{"message":"`
	)
	return []way{
		{name: "ollama chat", path: "/api/chat", body: `{"model":%q,` + story + `,"think":false,` + ollama + `,"stream":false}`, said: "message.content"},
		{name: "ollama chat, streamed", path: "/api/chat", body: `{"model":%q,` + story + `,"think":false,` + ollama + `}`, stream: true, said: "message.content", failed: ollamaNo, done: []string{`"done":true`}},
		{name: "ollama generate", path: "/api/generate", body: `{"model":%q,"prompt":"tell me","think":false,` + ollama + `,"stream":false}`, said: "response"},
		{name: "ollama generate, streamed", path: "/api/generate", body: `{"model":%q,"prompt":"tell me","think":false,` + ollama + `}`, stream: true, said: "response", failed: ollamaNo, done: []string{`"done":true`}},
		{name: "openai chat", path: "/v1/chat/completions", body: `{"model":%q,` + story + `,"temperature":0,"reasoning_effort":"none"}`, said: "choices.0.message.content"},
		{name: "openai chat, streamed", path: "/v1/chat/completions", body: `{"model":%q,` + story + `,"temperature":0,"reasoning_effort":"none","stream":true}`, stream: true, said: "choices.0.delta.content", failed: openaiNo, done: []string{"[DONE]"}},
		{name: "openai completions", path: "/v1/completions", body: `{"model":%q,"prompt":"tell me","temperature":0,"max_tokens":200}`, said: "choices.0.text"},
		{name: "openai completions, streamed", path: "/v1/completions", body: `{"model":%q,"prompt":"tell me","temperature":0,"max_tokens":200,"stream":true}`, stream: true, said: "choices.0.text", failed: openaiNo, done: []string{"[DONE]"}},
		{name: "openai responses", path: "/v1/responses", body: `{"model":%q,"input":"tell me","temperature":0}`, said: `output.#(type=="message").content.0.text`},
		{name: "openai responses, streamed", path: "/v1/responses", body: `{"model":%q,"input":"tell me","temperature":0,"stream":true}`, stream: true, said: "delta", failed: `event: error` + "\n" + `data: {"type":"error"`, done: []string{"response.completed", "[DONE]"}},
		{name: "anthropic messages", path: "/v1/messages", body: `{"model":%q,` + story + `,"max_tokens":400,"temperature":0}`, said: `content.#(type=="text").text`},
		{name: "anthropic messages, streamed", path: "/v1/messages", body: `{"model":%q,` + story + `,"max_tokens":400,"temperature":0,"stream":true}`, stream: true, said: "delta.text", failed: `event: error` + "\n" + `data: {"type":"error"`, done: []string{"message_stop"}},
		{name: "ollama embed", path: "/api/embed", body: `{"model":%q,"input":"a horse"}`, embed: true, said: "embeddings.0.#"},
		{name: "ollama embeddings", path: "/api/embeddings", body: `{"model":%q,"prompt":"a horse"}`, embed: true, said: "embedding.#"},
		{name: "openai embeddings", path: "/v1/embeddings", body: `{"model":%q,"input":"a horse"}`, embed: true, said: "data.0.embedding.#"},
	}
}

// text is what an answer says.
func (w *way) text(body string) string {
	if !w.stream {
		return gjson.Get(body, w.said).String()
	}
	var out strings.Builder
	for line := range strings.Lines(body) {
		line = strings.TrimPrefix(line, "data: ")
		if w.said == "delta" && !strings.Contains(gjson.Get(line, "type").Str, "output_text.delta") {
			continue // of the thoughts
		}
		out.WriteString(gjson.Get(line, w.said).Str)
	}
	return out.String()
}

// honest reports whether an answer has an end that says that it is whole.
func (w *way) honest(body string) bool {
	if !w.stream {
		return gjson.Valid(body)
	}
	for _, mark := range w.done {
		if strings.Contains(body, mark) {
			return true
		}
	}
	return false
}

// complete says what is wrong with an answer that should be the whole story, or a vector; empty: nothing.
func (w *way) complete(body string) string {
	switch got := w.text(body); {
	case w.embed && got != "64":
		return fmt.Sprintf("%s dimensions", got)
	case !w.embed && strings.TrimSpace(got) != testkit.Story:
		return fmt.Sprintf("%q is not the story", got)
	case !w.honest(body):
		return "no honest end"
	}
	return ""
}

// model is the name of the tiny model that does what is asked.
func (w *way) model() string {
	if w.embed {
		return "embed"
	}
	return "tiny"
}

// survivor is the URL of a model server that answers in all dialects: a real Ollama where there is one, else one that has
// learned its answers by heart.
func survivor(t testing.TB) string {
	if os.Getenv("CORRAL_TEST_OLLAMA") != "" || os.Getenv("CORRAL_TEST_STRICT") != "" {
		s := testkit.Ollama(t, "OLLAMA_MAX_LOADED_MODELS=2")
		for _, w := range ways() { // models are loaded, which takes longer than the timeouts of some tests
			warm(t, s.URL, &w)
		}
		return s.URL
	}
	return survivorByHeart(t)
}

// survivorByHeart has learned its answers by heart.
func survivorByHeart(t testing.TB) string {
	s := httptest.NewServer(http.HandlerFunc(byHeart))
	t.Cleanup(s.Close)
	return s.URL
}

func warm(t testing.TB, url string, w *way) {
	t.Helper()
	res, err := http.Post(url+w.path, "application/json", strings.NewReader(fmt.Sprintf(w.body, w.model())))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	// All of it: see testkit's CreateSlowModel for what becomes of an Ollama whose callers leave.
	if b, err := io.ReadAll(res.Body); err != nil || w.complete(string(b)) != "" {
		t.Fatalf("%s: %v, %s: %s", w.name, err, w.complete(string(b)), b)
	}
}

// byHeart tells the story word by word, as Ollama does.
func byHeart(w http.ResponseWriter, r *http.Request) {
	var asked struct{ Stream *bool }
	json.NewDecoder(r.Body).Decode(&asked)
	words := strings.SplitAfter(testkit.Story, " ")
	say := func(format string, args ...any) { fmt.Fprintf(w, format, args...) }
	event := func(name, data string) {
		if name != "" {
			say("event: %s\n", name)
		}
		say("data: %s\n\n", data)
	}
	vector := "[" + strings.Repeat("0.5,", 63) + "0.5]"
	streamed := asked.Stream != nil && *asked.Stream
	switch r.URL.Path {
	case "/api/embed":
		say(`{"embeddings":[%s]}`, vector)
		return
	case "/api/embeddings":
		say(`{"embedding":%s}`, vector)
		return
	case "/v1/embeddings":
		say(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":%s}]}`, vector)
		return
	case "/api/chat", "/api/generate":
		one := `{"model":"tiny","created_at":"2026-01-01T00:00:00Z","response":%q,"done":%v,"done_reason":"stop"}`
		if r.URL.Path == "/api/chat" {
			one = `{"model":"tiny","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant","content":%q},"done":%v,"done_reason":"stop"}`
		}
		if asked.Stream != nil && !streamed {
			say(one, testkit.Story, true)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		for _, word := range words {
			say(one+"\n", word, false)
		}
		say(one+"\n", "", true)
		return
	case "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages":
	default:
		http.NotFound(w, r)
		return
	}
	if streamed {
		w.Header().Set("Content-Type", "text/event-stream")
	} else {
		w.Header().Set("Content-Type", "application/json")
	}
	switch r.URL.Path {
	case "/v1/chat/completions":
		if !streamed {
			say(`{"id":"c1","object":"chat.completion","model":"tiny","choices":[{"index":0,"message":{"role":"assistant","content":%q},"finish_reason":"stop"}]}`, testkit.Story)
			return
		}
		for _, word := range words {
			event("", fmt.Sprintf(`{"id":"c1","object":"chat.completion.chunk","model":"tiny","choices":[{"index":0,"delta":{"role":"assistant","content":%q},"finish_reason":null}]}`, word))
		}
		event("", `{"id":"c1","object":"chat.completion.chunk","model":"tiny","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`)
		event("", "[DONE]")
	case "/v1/completions":
		if !streamed {
			say(`{"id":"c1","object":"text_completion","model":"tiny","choices":[{"index":0,"text":%q,"finish_reason":"stop"}]}`, testkit.Story)
			return
		}
		for _, word := range words {
			event("", fmt.Sprintf(`{"id":"c1","object":"text_completion","model":"tiny","choices":[{"index":0,"text":%q,"finish_reason":null}]}`, word))
		}
		event("", `{"id":"c1","object":"text_completion","model":"tiny","choices":[{"index":0,"text":"","finish_reason":"stop"}]}`)
		event("", "[DONE]")
	case "/v1/responses":
		whole := fmt.Sprintf(`{"id":"r1","object":"response","status":"completed","model":"tiny","output":[{"type":"message","id":"m1","role":"assistant","content":[{"type":"output_text","text":%q}]}],"error":null}`, testkit.Story)
		if !streamed {
			say("%s", whole)
			return
		}
		event("response.created", `{"type":"response.created","response":{"id":"r1","status":"in_progress"}}`)
		event("response.output_item.added", `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"m1"}}`)
		for _, word := range words {
			event("response.output_text.delta", fmt.Sprintf(`{"type":"response.output_text.delta","item_id":"m1","output_index":0,"content_index":0,"delta":%q}`, word))
		}
		event("response.completed", `{"type":"response.completed","response":`+whole+`}`)
	case "/v1/messages":
		if !streamed {
			say(`{"id":"m1","type":"message","role":"assistant","model":"tiny","content":[{"type":"text","text":%q}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`, testkit.Story)
			return
		}
		event("message_start", `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"tiny","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}`)
		event("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`)
		for _, word := range words {
			event("content_block_delta", fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%q}}`, word))
		}
		event("content_block_stop", `{"type":"content_block_stop","index":0}`)
		event("message_delta", `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}`)
		event("message_stop", `{"type":"message_stop"}`)
	}
}

// quick are timeouts and retries that let a test see the end of them.
const quick = `
timeouts: { connect: 1s, first_token: 1200ms, idle: 700ms, whole: 1500ms, load: 0s }
retry: { max_attempts: 2, base: 1ms, max: 10ms, budget: 100% }
`

// never is a breaker that stays closed.
const never = "breaker: { failures: 1000, rate: 0% }\n"

// TestEveryFaultEndsInAnAnswerOrATypedError: the first target of a name fails in every way, in front of every kind of API,
// and is asked in every dialect.
func TestEveryFaultEndsInAnAnswerOrATypedError(t *testing.T) {
	behind := survivor(t)
	var yaml, models strings.Builder
	fmt.Fprintf(&yaml, "%s%s"+testkit.Uncached+"providers:\n  - { name: survivor, kind: ollama, url: %q }\n", quick, never, behind)
	models.WriteString("models:\n")
	kinds := []struct{ name, path string }{{"ollama", ""}, {"openai", "/v1"}, {"anthropic", ""}, {"gemini", ""}}
	id := func(kind string, f faults.Fault) string { return kind + "-" + strings.ReplaceAll(string(f), " ", "-") }
	for _, k := range kinds {
		for _, f := range faults.All {
			fmt.Fprintf(&yaml, "  - { name: %s, kind: %s, url: %q }\n", id(k.name, f), k.name, faults.New(t, behind, f).URL+k.path)
			for _, m := range []string{"tiny", "embed"} {
				fmt.Fprintf(&models, "  - { name: %[1]s-%[2]s, targets: [ { provider: %[1]s, model: %[2]s }, { provider: survivor, model: %[2]s } ] }\n", id(k.name, f), m)
			}
		}
	}
	corral := boot(t, yaml.String()+models.String())

	type job struct {
		kind  string
		fault faults.Fault
		way   way
	}
	var fast, slow []job // slow ones wait most of their time
	for _, k := range kinds {
		for _, f := range faults.All {
			for _, w := range ways() {
				switch {
				case w.embed && (k.name == "anthropic" || w.name == "ollama embeddings" && k.name != "ollama"):
					continue // has no such thing, so it is not asked
				case k.name == "gemini" && (f.Late() || f == faults.ErrorInside):
					continue // nobody here speaks it
				}
				if j := (job{k.name, f, w}); f.Late() || strings.HasPrefix(string(f), "hang") {
					slow = append(slow, j)
				} else {
					fast = append(fast, j)
				}
			}
		}
	}
	var wg sync.WaitGroup
	var longest time.Duration
	var mu sync.Mutex
	run := func(jobs []job, atOnce int) {
		next := make(chan job)
		for range atOnce {
			wg.Go(func() {
				for j := range next {
					began := time.Now()
					if problem := faulty(corral, id(j.kind, j.fault)+"-"+j.way.model(), j.fault, &j.way); problem != "" {
						t.Errorf("%s, %s in front of %s: %s", j.way.name, j.fault, j.kind, problem)
					}
					mu.Lock()
					longest = max(longest, time.Since(began))
					mu.Unlock()
				}
			})
		}
		for _, j := range jobs {
			next <- j
		}
		close(next)
		wg.Wait()
	}
	run(fast, 4)
	t.Logf("%d calls, the longest took %v", len(fast), longest)
	longest = 0
	run(slow, 48)
	t.Logf("%d calls that had to wait, the longest took %v", len(slow), longest)
}

// TestAnAnswerWithoutEndIsNoAnswer: one that is not streamed is held until it is whole, and not for ever.
func TestAnAnswerWithoutEndIsNoAnswer(t *testing.T) {
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		raw.Begin(c, "application/json")
		for more := strings.Repeat("x", 1<<20); ; {
			if _, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(more), more); err != nil {
				return false
			}
		}
	})
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: endless, kind: ollama, url: %q }
  - { name: endless-too, kind: openai, url: %q }
  - { name: survivor, kind: ollama, url: %q }
models:
  - { name: relayed, targets: [ { provider: endless, model: x }, { provider: survivor, model: tiny } ] }
  - { name: translated, targets: [ { provider: endless-too, model: x }, { provider: survivor, model: tiny } ] }
retry: { max_attempts: 1 }
`, u.url, u.url+"/v1", survivorByHeart(t)))
	w := texts()[0]
	for _, model := range []string{"relayed", "translated"} {
		res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, model))
		if res.Header.Get("Corral-Route") != "fallback:bad_answer" || w.complete(got) != "" {
			t.Errorf("%s: %s because of %s: %s", model, res.Status, res.Header.Get("Corral-Route"), w.complete(got))
		}
	}
}

// faulty asks for a model whose first target fails, and says what is wrong with the answer; empty: nothing.
func faulty(corral *running, model string, f faults.Fault, w *way) string {
	began := time.Now()
	res, got, err := corral.try("POST", w.path, fmt.Sprintf(w.body, model))
	if err != nil {
		return err.Error()
	}
	if took := time.Since(began); took > 6*time.Second { // the first target's two seconds, the survivor's two, and some for a busy machine
		return fmt.Sprintf("took %v", took)
	}
	if f.Late() && w.stream {
		code := map[faults.Fault]string{faults.Cut: "target_broke_off"}[f]
		if code == "" {
			code = "target_timeout"
		}
		i := strings.LastIndex(got, w.failed)
		switch {
		case res.StatusCode != http.StatusOK || i < 0 || strings.TrimSpace(w.text(got[:i])) == "":
			return fmt.Sprintf("%s %.2000q", res.Status, got)
		case w.honest(got):
			return fmt.Sprintf("a clean-looking end: %.2000q", got)
		case !strings.Contains(got[i:], code) || !strings.Contains(got[i:], res.Header.Get("X-Request-Id")):
			return fmt.Sprintf("ended by %q", got[i:])
		}
		return ""
	}
	want := map[faults.Fault]string{
		faults.Refuse: "unreachable", faults.WrongCertificate: "unreachable", faults.Reset: "broken", faults.Cut: "broken",
		faults.HangBeforeHeaders: "timeout", faults.HangBeforeToken: "timeout", faults.HangBetweenTokens: "timeout", faults.Endless: "timeout",
		faults.Limited: "rate_limited", faults.Unavailable: "error", faults.ErrorInside: "error", faults.Garbage: "bad_answer", faults.Empty: "empty",
	}[f]
	if f == faults.Empty && w.stream {
		want = "broken" // a stream without its last event, like any other
	}
	switch {
	case res.StatusCode != http.StatusOK || res.Header.Get("Corral-Route") != "fallback:"+want || res.Header.Get("Corral-Provider") != "survivor":
		return fmt.Sprintf("%s, by %s because of %s, and not of %s: %.2000q", res.Status, res.Header.Get("Corral-Provider"), res.Header.Get("Corral-Route"), want, got)
	}
	return w.complete(got)
}
