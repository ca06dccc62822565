package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"corral/testkit"
)

// families are the endpoints that can answer for each other.
var families = [][]string{{"chat", "chat_completions", "responses", "messages"}, {"generate"}, {"completions"}}

// asking is a plain call of an endpoint, as JSON.
func asking(endpoint string, stream bool) []byte {
	b := fmt.Sprintf(`{"model":"herd","stream":%t,"temperature":0,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"Hi."}]}`, stream)
	switch endpoint {
	case "responses":
		b = fmt.Sprintf(`{"model":"herd","stream":%t,"temperature":0,"input":"Hi."}`, stream)
	case "generate", "completions":
		b = fmt.Sprintf(`{"model":"herd","stream":%t,"stream_options":{"include_usage":true},"prompt":"Hi."}`, stream)
	}
	return []byte(b)
}

// TestReplayKeepsTheAnswer tells answers in every form of their family, and reads them there.
func TestReplayKeepsTheAnswer(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, family := range families {
		for _, from := range family {
			for _, to := range family {
				for n := range 240 {
					fromStream, toStream := n&1 == 0, n&2 == 0
					a := anyAnswer(r)
					if len(family) == 1 {
						a.parts = slices.DeleteFunc(a.parts, func(p part) bool { return p.kind == aCall || p.kind == aThought && from == "completions" })
						if a.stop == stopCall {
							a.stop = stopEnd
						}
					}
					want := toldOf(a)
					c := askedPlainly(t, from, Ollama, true) // its encoder plays the target
					k := Kept{Endpoint: endpoints[from], Stream: fromStream}
					if fromStream {
						k.Body = []byte(streamed(t, c, a, r))
					} else {
						b, err := c.from.whole(c, a)
						if err != nil {
							t.Fatal(err)
						}
						k.Body = b
					}
					got, used, err := Replay(k, endpoints[to], asking(to, toStream), toStream)
					if err != nil {
						t.Fatalf("%s (stream %t) to %s (stream %t): %v of\n%s", from, fromStream, to, toStream, err, k.Body)
					}
					back, err := hear(Kept{endpoints[to], toStream, got}, &Call{asked: &chat{}, now: c.now, newID: c.newID})
					if err != nil {
						t.Fatalf("%s to %s: %v in\n%s", from, to, err, got)
					}
					if back.settleStop(); toldOf(back) != want {
						t.Fatalf("%s (stream %t) to %s (stream %t):\n got %s\nwant %s\n%s", from, fromStream, to, toStream, toldOf(back), want, got)
					}
					if used.Input != a.usage.input || used.Output != a.usage.output {
						t.Fatalf("%s to %s: usage %+v, want %+v", from, to, used, a.usage)
					}
				}
			}
		}
	}
}

// TestReplayOfGoldenAnswers tells the answers of testdata/heard in every form. Whatever is told must read back as what was
// kept, and what breaks off or fails must never be told.
func TestReplayOfGoldenAnswers(t *testing.T) {
	told := 0
	for _, x := range both {
		folder := strings.ToLower(x.api.String())
		files, err := filepath.Glob(filepath.Join("testdata", "heard", folder, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal("no answers", err)
		}
		for _, file := range files {
			body, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name := filepath.Base(file)
			k := Kept{endpoints[x.endpoint], !strings.HasSuffix(name, ".json"), body}
			_, heardErr := hear(k, &Call{asked: &chat{}, now: time.Now, newID: randomID})
			for _, to := range families[0] {
				for _, stream := range []bool{false, true} {
					got, _, err := Replay(k, endpoints[to], asking(to, stream), stream)
					if err != nil {
						continue
					}
					told++
					if heardErr != nil {
						t.Errorf("%s/%s is told in %s, and cannot be read: %v", folder, name, to, heardErr)
						continue
					}
					back, err := hear(Kept{endpoints[to], stream, got}, &Call{asked: &chat{}, now: time.Now, newID: randomID})
					if err != nil {
						t.Errorf("%s/%s in %s: %v", folder, name, to, err)
						continue
					}
					was, _ := hear(k, &Call{asked: &chat{}, now: time.Now, newID: func() string { return "" }})
					for i := range was.parts { // Ollama's calls had no ids once
						if (was.parts[i].id == "" || x.api == Ollama) && i < len(back.parts) {
							was.parts[i].id = back.parts[i].id
						}
					}
					for _, a := range []*answer{was, back} {
						if err := askedPlainly(t, to, Ollama, true).settle(a); err != nil {
							t.Fatal(err)
						}
					}
					if g, w := toldOf(back), toldOf(was); g != w {
						t.Errorf("%s/%s in %s (stream %t):\n got %s\nwant %s", folder, name, to, stream, g, w)
					}
				}
			}
			for _, bad := range []string{"broken", "cut", "error", "garbage", "inside", "mixed", "refusal", "filter", "server"} {
				if strings.HasPrefix(name, bad) {
					for _, to := range families[0] {
						if to == x.endpoint {
							continue
						}
						if got, _, err := Replay(k, endpoints[to], asking(to, false), false); err == nil {
							t.Errorf("%s/%s is told in %s: %s", folder, name, to, got)
						}
					}
				}
			}
		}
	}
	if told < 150 {
		t.Errorf("only %d told", told)
	}
}

// TestReplayLosesNothing has answers that hold what another form has no place for.
func TestReplayLosesNothing(t *testing.T) {
	chunk := func(s string) string { return "data: " + s + "\n\n" }
	for name, x := range map[string]struct {
		from   string
		stream bool
		body   string
		to     string
		asked  string // beside what asking says
	}{
		"two choices":         {"chat_completions", false, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"},{"index":1,"message":{"role":"assistant","content":"b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "chat_completions", ""},
		"an unknown member":   {"chat_completions", false, `{"id":"x","model":"m","citations":["u"],"choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "chat_completions", ""},
		"annotations":         {"chat_completions", false, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a","annotations":[{"type":"url_citation"}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "chat_completions", ""},
		"a refusal":           {"chat_completions", false, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","refusal":"no"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "messages", ""},
		"an unknown stop":     {"chat_completions", false, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"a"},"finish_reason":"abort"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "chat_completions", ""},
		"no usage":            {"chat_completions", true, chunk(`{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}`) + chunk("[DONE]"), "chat_completions", ""},
		"no end":              {"chat_completions", true, chunk(`{"id":"x","model":"m","choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`), "chat_completions", ""},
		"logprobs, elsewhere": {"chat", false, `{"model":"m","message":{"role":"assistant","content":"a"},"done":true,"done_reason":"stop","prompt_eval_count":1,"eval_count":1,"logprobs":[{"token":"a","logprob":-1}]}`, "chat_completions", ""},
		"a signed thought":    {"messages", false, `{"id":"msg_x","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"text","text":"a"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, "chat", ""},
		"a citation":          {"messages", false, `{"id":"msg_x","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a","citations":[{"type":"char_location"}]}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`, "messages", ""},
		"text after a call":   {"messages", false, `{"id":"msg_x","type":"message","role":"assistant","model":"m","content":[{"type":"tool_use","id":"t","name":"n","input":{}},{"type":"text","text":"a"}],"stop_reason":"tool_use","usage":{"input_tokens":1,"output_tokens":1}}`, "chat", ""},
		"paused":              {"messages", false, `{"id":"msg_x","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"a"}],"stop_reason":"pause_turn","usage":{"input_tokens":1,"output_tokens":1}}`, "messages", ""},
		"not done":            {"chat", false, `{"model":"m","message":{"role":"assistant","content":"a"},"done":false}`, "chat", ""},
		"only loaded":         {"chat", false, `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"load"}`, "chat", ""},
		"a failure":           {"chat", true, `{"model":"m","message":{"role":"assistant","content":"a"},"done":false}` + "\n" + `{"error":"out of memory"}` + "\n", "chat", ""},
		"a failed response":   {"responses", false, `{"id":"resp_x","model":"m","status":"failed","error":{"code":"server_error"},"output":[]}`, "responses", ""},
		"a search":            {"responses", false, `{"id":"resp_x","model":"m","status":"completed","output":[{"id":"ws_1","type":"web_search_call","status":"completed"}],"usage":{"input_tokens":1,"output_tokens":1}}`, "responses", ""},
		"cut off or not":      {"responses", false, `{"id":"resp_x","model":"m","status":"completed","output":[{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[{"type":"output_text","text":"a"}]}],"usage":{"input_tokens":1,"output_tokens":5}}`, "chat_completions", `"max_tokens":5,`},
		"two thoughts":        {"chat_completions", false, `{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"t","reasoning":"u","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, "chat_completions", ""},
		"another family":      {"generate", false, `{"model":"m","response":"a","done":true,"done_reason":"stop"}`, "embed", ""},
	} {
		body := strings.Replace(string(asking(x.to, !x.stream)), "{", "{"+x.asked, 1)
		k := Kept{endpoints[x.from], x.stream, []byte(x.body)}
		if got, _, err := Replay(k, endpoints[x.to], []byte(body), !x.stream); err == nil {
			t.Errorf("%s is told:\n%s", name, got)
		}
	}
}

// TestReplayIsWhatOllamaSays asks a real server the same in every form, and compares what is told again with what it says.
func TestReplayIsWhatOllamaSays(t *testing.T) {
	replayReal(t, testkit.Ollama(t), []string{"plain", "short", "tool", "thought", "result", "turns", "offered", "settings"}, 150, 100)
}

// same are questions that are the same in every dialect that has them here.
var same = map[string]map[string]string{
	"turns": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi."},{"role":"assistant","content":"Ho."},{"role":"user","content":"And?"}],"options":{"temperature":0,"num_predict":400,"top_p":0.9}}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":400,"top_p":0.9,"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":"Hi."},{"role":"assistant","content":"Ho."},{"role":"user","content":[{"type":"text","text":"And?"}]}]}`,
		"responses":        `{"model":"tiny","stream":%s,"temperature":0,"max_output_tokens":400,"top_p":0.9,"instructions":"Be kind.","input":[{"role":"user","content":"Hi."},{"role":"assistant","content":[{"type":"output_text","text":"Ho."}]},{"role":"user","content":"And?"}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":400,"top_p":0.9,"system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":"Hi."},{"role":"assistant","content":"Ho."},{"role":"user","content":"And?"}]}`,
	},
	"offered": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Weather?"}],"options":{"temperature":0,"num_predict":500},"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather","parameters":` + weatherParams + `}}]}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":500,"messages":[{"role":"user","content":"Weather?"}],"tools":[{"type":"function","function":{"name":"get_weather","description":"Weather","parameters":` + weatherParams + `}}]}`,
		"messages":         `{"model":"tiny","stream":%s,"temperature":0,"max_tokens":500,"messages":[{"role":"user","content":"Weather?"}],"tools":[{"name":"get_weather","description":"Weather","input_schema":` + weatherParams + `}]}`,
	},
	"settings": {
		"chat":             `{"model":"tiny","stream":%s,"messages":[{"role":"user","content":"Herd?"}],"options":{"temperature":0,"seed":7,"stop":["lifted"],"presence_penalty":0.5},"format":"json","think":false}`,
		"chat_completions": `{"model":"tiny","stream":%s,"temperature":0,"seed":7,"stop":"lifted","presence_penalty":0.5,"response_format":{"type":"json_object"},"reasoning_effort":"none","messages":[{"role":"user","content":"Herd?"}]}`,
	},
}

// words is a question in the words of an endpoint, empty where it has none.
func words(question, endpoint string) string {
	return cmp.Or(questions[question][endpoint], same[question][endpoint])
}

// replayReal asks s the questions. At least so many answers must be told again, and so many of them in another dialect.
func replayReal(t *testing.T, s *testkit.Server, all []string, least, leastCrossed int) {
	told, crossed := 0, 0
	for _, question := range all {
		for _, family := range families {
			kept, said, asked := map[string]Kept{}, map[string]gist{}, map[string]Canonical{}
			for _, ep := range family {
				ask := words(question, ep)
				if ask == "" {
					continue
				}
				for _, stream := range []bool{false, true} {
					body := fmt.Sprintf(ask, fmt.Sprint(stream))
					if strings.Contains(ep, "completions") {
						body = strings.Replace(body, "{", `{"stream_options":{"include_usage":true},`, 1)
					}
					status, b := post(t, s.URL+own[ep], []byte(body))
					if status != 200 {
						t.Logf("%s by %s: the server answers %d %s", question, ep, status, b)
						continue
					}
					key := fmt.Sprintf("%s stream=%t", ep, stream)
					if asked[key], _ = Canon(endpoints[ep], []byte(body)); asked[key].Unfit != "" {
						t.Errorf("%s: %s", body, asked[key].Unfit)
					}
					kept[key] = Kept{endpoints[ep], stream, b}
					said[key] = gistOf(t, ep, string(b)).comparable()
				}
			}
			for from, k := range kept {
				for to, want := range said {
					ep, stream := kept[to].Endpoint, kept[to].Stream
					if alike := string(asked[from].Form) == string(asked[to].Form); from == to || !alike {
						if !alike && (ep == k.Endpoint || same[question] != nil) {
							t.Errorf("%s: %s and %s are not the same\n%s\n%s", question, from, to, asked[from].Form, asked[to].Form)
						}
						continue
					}
					if ep != k.Endpoint {
						crossed++
					}
					body := fmt.Sprintf(words(question, ep.Name), fmt.Sprint(stream))
					body = strings.Replace(body, "{", `{"stream_options":{"include_usage":true},`, 1)
					got, _, err := Replay(k, ep, []byte(body), stream)
					if err != nil {
						if question == "short" && k.Endpoint.Name == "responses" && ep.Name != "responses" {
							continue // it does not say that it was cut off
						}
						t.Errorf("%s: %s to %s: %v\n%s", question, from, to, err, k.Body)
						continue
					}
					told++
					g := gistOf(t, ep.Name, string(got)).comparable()
					w := want
					w.Events = slices.Clone(w.Events)
					if question == "short" && ep.Name == "responses" && k.Endpoint.Name != "responses" {
						cutShort(where{question, "responses", Ollama}, &w)
					}
					if ep.Name == "responses" { // Ollama leaves out two kinds of events that OpenAI's clients expect
						g.Events = slices.DeleteFunc(g.Events, func(e string) bool { return strings.Contains(e, "summary_part") })
					}
					if g.String() != w.String() {
						t.Errorf("%s: %s to %s\n got %s\nwant %s", question, from, to, g, w)
					}
				}
			}
		}
	}
	t.Logf("%d told, %d in another dialect", told, crossed)
	if told < least || crossed < leastCrossed {
		t.Errorf("that is too few")
	}
}

// TestReplayTellsAsTheCallAsks: what only decides how an answer is told is taken from the call that gets it.
func TestReplayTellsAsTheCallAsks(t *testing.T) {
	k := Kept{endpoints["chat"], true, []byte(`{"model":"m","created_at":"2026-01-02T03:04:05Z","message":{"role":"assistant","content":"Hi"},"done":false}
{"model":"m","created_at":"2026-01-02T03:04:06Z","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop","total_duration":77,"prompt_eval_count":3,"eval_count":2}
`)}
	tell := func(ep, body string, stream bool) string {
		t.Helper()
		b, _, err := Replay(k, endpoints[ep], []byte(body), stream)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := tell("chat", `{}`, false); gjson.Get(got, "total_duration").Int() != 77 || gjson.Get(got, "model").Str != "m" {
		t.Error(got)
	}
	if got := tell("chat_completions", `{"stream":true}`, true); strings.Contains(got, `"usage"`) || !strings.HasSuffix(got, "data: [DONE]\n\n") {
		t.Error(got)
	}
	if got := tell("chat_completions", `{"stream_options":{"include_usage":true}}`, true); !strings.Contains(got, `"prompt_tokens":3`) {
		t.Error(got)
	}
	if got := tell("responses", `{"input":"Hi","metadata":{"a":"b"},"temperature":0}`, false); gjson.Get(got, "metadata.a").Str != "b" || gjson.Get(got, "output.0.content.0.text").Str != "Hi" {
		t.Error(got)
	}
	k = Kept{endpoints["chat_completions"], false, []byte(`{"id":"x","model":"m","choices":[{"index":0,"message":{"role":"assistant","reasoning_content":"t","content":"a"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)}
	if got := tell("chat_completions", `{}`, true); !strings.Contains(got, `"reasoning_content":"t"`) { // as llama.cpp's own clients expect
		t.Error(got)
	}
}

// TestReplayIsWhatLlamaSays is TestReplayIsWhatOllamaSays for another server that speaks several dialects.
func TestReplayIsWhatLlamaSays(t *testing.T) {
	s := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	replayReal(t, s, []string{"plain", "tool", "result", "turns", "offered", "settings"}, 50, 20)
}

// FuzzReplay: no kept answer makes a decoder or an encoder panic, and what is told is JSON or a stream with an end.
func FuzzReplay(f *testing.F) {
	for _, x := range both {
		for _, b := range corpus(f, "heard", strings.ToLower(x.api.String())) {
			f.Add(b)
		}
	}
	r := rand.New(rand.NewPCG(9, 10))
	for _, ep := range chatEndpoints {
		c := askedPlainly(f, ep, Ollama, true)
		a := anyAnswer(r)
		a.parts = []part{{kind: aText, text: "Hi"}}
		if b, err := c.from.whole(c, a); err == nil {
			f.Add(b)
		}
		if b, err := c.streamed(a); err == nil {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, family := range families {
			for _, from := range family {
				for _, to := range family {
					for n := range 4 {
						k := Kept{endpoints[from], n&1 == 0, body}
						got, _, err := Replay(k, endpoints[to], asking(to, n&2 == 0), n&2 == 0)
						if err != nil {
							continue
						}
						if n&2 != 0 && !json.Valid(got) {
							t.Fatalf("%s to %s: %q", from, to, got)
						}
						if from == "responses" && to == from && n&2 != 0 {
							continue // it is as the stream's last event had it, whatever that holds
						}
						again, _, err := Replay(Kept{endpoints[to], n&2 == 0, got}, endpoints[to], asking(to, n&2 != 0), n&2 != 0)
						if err != nil || len(again) == 0 {
							t.Fatalf("%s to %s gave what cannot be told again, %v:\n%s", from, to, err, got)
						}
					}
				}
			}
		}
	})
}

func BenchmarkReplay(b *testing.B) {
	a := &answer{id: "x", model: "m", stop: stopEnd, usage: noUsage, parts: []part{{kind: aText, text: strings.Repeat("Seven horses. ", 400)}}}
	a.usage.input, a.usage.output = 10, 1600
	for _, ep := range families[0] {
		c := askedPlainly(b, ep, Ollama, true)
		var o out
		f := flow{call: c, open: none, limit: maxAnswer, answer: answer{id: "x", model: "m", usage: a.usage}}
		f.enc = c.from.stream(c, &o)
		for piece := range strings.SplitAfterSeq(a.parts[0].text, " ") {
			if err := f.say(aText, piece, nil); err != nil {
				b.Fatal(err)
			}
		}
		if err := f.finish(); err != nil {
			b.Fatal(err)
		}
		whole, err := c.from.whole(c, a)
		if err != nil {
			b.Fatal(err)
		}
		for name, k := range map[string]Kept{"whole": {endpoints[ep], false, whole}, "stream": {endpoints[ep], true, o.Bytes()}} {
			b.Run(fmt.Sprintf("%s %s of %d KB", ep, name, len(k.Body)>>10), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, _, err := Replay(k, endpoints[ep], asking(ep, !k.Stream), !k.Stream); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
