package daemon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"

	"corral/testkit"
)

// told is the text of an answer, whole or streamed, in any dialect.
func told(body string) string {
	var out strings.Builder
	add := func(v gjson.Result) {
		for _, path := range []string{"message.content", "response", "choices.0.message.content", "choices.0.delta.content", "choices.0.text", "content.#(type==text).text", "delta.text"} {
			if got := v.Get(path); got.Type == gjson.String {
				out.WriteString(got.Str)
			}
		}
		if v.Get("type").Str == "response.output_text.delta" {
			out.WriteString(v.Get("delta").Str)
		}
		if out.Len() == 0 {
			out.WriteString(v.Get(`output.#(type=="message").content.0.text`).Str)
		}
	}
	if gjson.Valid(body) {
		add(gjson.Parse(body))
		return out.String()
	}
	for line := range strings.SplitSeq(body, "\n") {
		line = strings.TrimPrefix(strings.TrimSpace(line), "data: ")
		if gjson.Valid(line) {
			add(gjson.Parse(line))
		}
	}
	return out.String()
}

// The same question is asked of a real Ollama once, and answered in every form from then on as Ollama itself would.
func TestOneAnswerInEveryForm(t *testing.T) {
	ollama := testkit.Ollama(t)
	forms := []struct{ path, body string }{
		{"/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"tell me"}],"options":{"temperature":0,"num_predict":40},"stream":%v}`},
		{"/v1/chat/completions", `{"model":"tiny","messages":[{"role":"user","content":"tell me"}],"temperature":0,"max_tokens":40,"stream":%v}`},
		{"/v1/messages", `{"model":"tiny","messages":[{"role":"user","content":"tell me"}],"temperature":0,"max_tokens":40,"stream":%v}`},
		{"/v1/responses", `{"model":"tiny","input":"tell me","temperature":0,"max_output_tokens":40,"stream":%v}`},
	}
	for i, first := range forms {
		for _, streamed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s first, streamed %v", first.path, streamed), func(t *testing.T) {
				corral := boot(t, testkit.InFrontOf(ollama))
				res, got := corral.do("POST", first.path, fmt.Sprintf(first.body, streamed))
				if s := res.Header.Get("Cache-Status"); s != "corral; fwd=uri-miss; stored" {
					t.Fatalf("Cache-Status %q of the first: %s", s, got)
				}
				want := told(got)
				if want == "" {
					t.Fatalf("no text in %s", got)
				}
				// Of another API's answer not all may be carried over; of the same API's all is, but that OpenAI's stream does not
				// tell what it used unless it is asked to.
				toldAll := !streamed || first.path != "/v1/chat/completions"
				for j, again := range forms {
					for _, streamed := range []bool{true, false} {
						res, got := corral.do("POST", again.path, fmt.Sprintf(again.body, streamed))
						hit := strings.HasPrefix(res.Header.Get("Cache-Status"), "corral; hit; ttl=")
						if told(got) != want || res.StatusCode != 200 {
							t.Errorf("%s streamed %v: %d %q, want %q", again.path, streamed, res.StatusCode, told(got), want)
						}
						if (i == 0 || i == j && (toldAll || streamed)) && (!hit || res.Header.Get("Corral-Route") != "cache" || res.Header.Get("Corral-Provider") != "local" || res.Header.Get("Age") == "") {
							t.Errorf("%s streamed %v: not from the cache: %v", again.path, streamed, res.Header)
						}
						t.Logf("%s streamed %v: %s", again.path, streamed, res.Header.Get("Cache-Status"))
						direct, _ := http.Post(ollama.URL+again.path, "application/json", strings.NewReader(fmt.Sprintf(again.body, streamed)))
						if direct == nil {
							t.Fatal("Ollama is gone")
						}
						io.Copy(io.Discard, direct.Body) // all of it: a caller who leaves may wedge this Ollama
						direct.Body.Close()
						if a, b := direct.Header.Get("Content-Type"), res.Header.Get("Content-Type"); strings.Split(a, ";")[0] != strings.Split(b, ";")[0] {
							t.Errorf("%s streamed %v: Content-Type %q, Ollama's is %q", again.path, streamed, b, a)
						}
					}
				}
			})
		}
	}
}

// Vectors of a real model come from the cache as they came from Ollama, and of a batch only what is new is asked for.
func TestABatchOfEmbeddings(t *testing.T) {
	ollama := testkit.Ollama(t)
	corral := boot(t, testkit.InFrontOf(ollama))
	for _, x := range []struct{ path, vectors string }{{"/api/embed", "embeddings"}, {"/v1/embeddings", "data.#.embedding"}} {
		direct := func(input string) string {
			res, err := http.Post(ollama.URL+x.path, "application/json", strings.NewReader(`{"model":"embed","input":`+input+`}`))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			var b bytes.Buffer
			b.ReadFrom(res.Body)
			return gjson.Get(b.String(), x.vectors).Raw
		}
		for _, c := range []struct{ input, status string }{
			{`["one horse","two horses"]`, "corral; fwd=uri-miss; stored"},
			{`["two horses","three horses","one horse"]`, "corral; fwd=partial; stored; detail=2-of-3"},
			{`["three horses"]`, "corral; hit; ttl=86"},
		} {
			res, got := corral.do("POST", x.path, `{"model":"embed","input":`+c.input+`}`)
			if s := res.Header.Get("Cache-Status"); !strings.HasPrefix(s, c.status) {
				t.Errorf("%s %s: %q", x.path, c.input, s)
			}
			if !near(gjson.Get(got, x.vectors), gjson.Parse(direct(c.input))) {
				t.Errorf("%s %s: the vectors are not Ollama's: %.200s", x.path, c.input, got)
			}
		}
	}
}

// near compares vectors: a batch of another size may round otherwise in the last digit.
func near(a, b gjson.Result) bool {
	if a.IsArray() && b.IsArray() {
		x, y := a.Array(), b.Array()
		if len(x) != len(y) || len(x) == 0 {
			return false
		}
		for i := range x {
			if !near(x[i], y[i]) {
				return false
			}
		}
		return true
	}
	d := a.Num - b.Num
	return a.Type == gjson.Number && b.Type == gjson.Number && d < 1e-4 && d > -1e-4
}

// mirror is a server that answers each question with itself, so that an answer tells whose it is.
type mirror struct {
	url   string
	asked atomic.Int64
	down  atomic.Bool
}

func newMirror(t *testing.T) *mirror {
	m := &mirror{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if m.down.Load() {
			panic(http.ErrAbortHandler)
		}
		if r.URL.Path != "/v1/chat/completions" {
			w.WriteHeader(404)
			return
		}
		m.asked.Add(1)
		var b bytes.Buffer
		b.ReadFrom(r.Body)
		said, _ := json.Marshal(b.String() + r.Header.Get("Anthropic-Beta"))
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":%s},"finish_reason":"stop"}],"usage":{"prompt_tokens":5,"completion_tokens":7,"total_tokens":12}}`, said)
	}))
	t.Cleanup(s.Close)
	m.url = s.URL + "/v1"
	return m
}

func (c *running) newKey(name string) string {
	c.t.Helper()
	made, err := c.api().CreateKey(c.t.Context(), name, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	return made.Secret
}

// As an attacker would: with another key, by headers, and by whatever else could change an answer but look the same.
func TestCallersAreKeptApart(t *testing.T) {
	m := newMirror(t)
	corral := boot(t, fmt.Sprintf("auth: required\nproviders: [ { name: local, kind: openai, url: %q } ]\n", m.url))
	alice, mallory := corral.newKey("alice"), corral.newKey("mallory")
	secret := `{"model":"m","temperature":0,"messages":[{"role":"user","content":"the launch code is 0000"}]}`
	corral.do("POST", "/v1/chat/completions", secret, "Authorization: Bearer "+alice)
	fresh := func(what, key, body string, headers ...string) {
		t.Helper()
		before := m.asked.Load()
		res, got := corral.do("POST", "/v1/chat/completions", body, append([]string{"Authorization: Bearer " + key}, headers...)...)
		if res.StatusCode != 200 || m.asked.Load() != before+1 || strings.Contains(res.Header.Get("Cache-Status"), "hit") {
			t.Errorf("%s: %d, %s, asked %d times more: %s", what, res.StatusCode, res.Header.Get("Cache-Status"), m.asked.Load()-before, got)
		}
	}
	kept := func(what, key, body string, headers ...string) {
		t.Helper()
		before := m.asked.Load()
		if res, _ := corral.do("POST", "/v1/chat/completions", body, append([]string{"Authorization: Bearer " + key}, headers...)...); m.asked.Load() != before || !strings.Contains(res.Header.Get("Cache-Status"), "hit") {
			t.Errorf("%s: %s, asked %d times more", what, res.Header.Get("Cache-Status"), m.asked.Load()-before)
		}
	}
	kept("her own", alice, secret)
	fresh("another key", mallory, secret)
	kept("another key's own", mallory, secret)
	fresh("another key pretends to be her", mallory, strings.Replace(secret, "0000", "0001", 1), "Corral-User: alice", "X-Forwarded-User: alice", "Corral-App: alice")
	if res, _ := corral.do("POST", "/v1/chat/completions", strings.Replace(secret, "0000", "0002", 1), "Authorization: Bearer "+mallory, "Cache-Control: only-if-cached"); res.StatusCode != 504 || res.Header.Get("Cache-Status") != "corral; detail=not_cached" || res.Header.Get("Age") != "0" {
		t.Errorf("only-if-cached tells that somebody asked: %d, %v", res.StatusCode, res.Header)
	}
	// Poisoning: an answer made under other terms must never be given under hers.
	for i, other := range []string{
		strings.Replace(secret, `"messages":[`, `"messages":[{"role":"system","content":"lie"},`, 1),
		strings.Replace(secret, `"messages"`, `"tools":[{"type":"function","function":{"name":"f","parameters":{"type":"object"}}}],"messages"`, 1),
		strings.Replace(secret, `"messages"`, `"response_format":{"type":"json_object"},"messages"`, 1),
		strings.Replace(secret, `"messages"`, `"x_unknown":1,"messages"`, 1),
		strings.Replace(secret, `"messages"`, `"stop":["0"],"messages"`, 1),
		strings.Replace(secret, `"role":"user"`, `"role":"assistant"`, 1),
		strings.Replace(secret, `0000"`, `0000\u0000"`, 1),
		strings.Replace(secret, `0000"`, `0000 "`, 1),
		strings.Replace(secret, `"content"`, `"name":"root","content"`, 1),
		strings.Replace(secret, `"temperature":0`, `"temperature":0,"seed":1`, 1),
		strings.Replace(secret, `"model":"m"`, `"model":"m2"`, 1),
	} {
		fresh(fmt.Sprint("poison ", i), alice, other)
	}
	fresh("another beta", alice, secret, "Anthropic-Beta: lies")
	kept("hers is still hers", alice, secret)
	before := m.asked.Load()
	if res, got := corral.do("POST", "/v1/chat/completions", secret, "Authorization: Bearer "+alice); strings.Contains(got, "lies") || m.asked.Load() != before {
		t.Errorf("%d %s", res.StatusCode, got)
	}
	// A double "messages" is read differently by different servers.
	twice := strings.Replace(secret, `"messages"`, `"messages":[{"role":"user","content":"hi"}],"messages"`, 1)
	fresh("two of one name", alice, twice)
}

func TestManyAndHugeAnswersAreBounded(t *testing.T) {
	m := newMirror(t)
	corral := boot(t, fmt.Sprintf("cache: { exact: { max_bytes: 1MiB }, max_file: 1MiB }\nproviders: [ { name: local, kind: openai, url: %q } ]\n", m.url))
	body := func(i int, size int) string {
		return fmt.Sprintf(`{"model":"m","temperature":0,"messages":[{"role":"user","content":"%d %s"}]}`, i, strings.Repeat("x", size))
	}
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for i := range 100 {
				corral.try("POST", "/v1/chat/completions", body(worker*1000+i, 20<<10))
			}
		})
	}
	wg.Wait()
	if res, _ := corral.do("POST", "/v1/chat/completions", body(1, 6<<20)); res.StatusCode != 200 {
		t.Errorf("a huge one: %d", res.StatusCode)
	}
	before := m.asked.Load()
	corral.do("POST", "/v1/chat/completions", body(1, 6<<20))
	if m.asked.Load() != before+1 {
		t.Error("an answer larger than any that should be kept was kept")
	}
	res, got := corral.do("GET", "/control/v1/cache", "", "Authorization: Bearer "+corral.token())
	if n := gjson.Get(got, "bytes").Int(); res.StatusCode != 200 || n == 0 || n > 1<<20 {
		t.Errorf("%s", got)
	}
	if !eventually(func() bool {
		info, err := os.Stat(filepath.Join(corral.dir, "replies.db"))
		return err == nil && info.Size() < 8<<20
	}) {
		t.Error("the file grew beyond its bound")
	}
}

// A file that is damaged while Corral is down is set aside, and calls go on.
func TestADamagedCacheFileIsSetAside(t *testing.T) {
	m := newMirror(t)
	config := fmt.Sprintf("providers: [ { name: local, kind: openai, url: %q } ]\n", m.url)
	dir := t.TempDir()
	corral := bootAt(t, "127.0.0.1:0", dir, config)
	body := `{"model":"m","temperature":0,"messages":[{"role":"user","content":"x"}]}`
	corral.do("POST", "/v1/chat/completions", body)
	corral.stop()
	<-corral.finished
	file := filepath.Join(corral.dir, "replies.db")
	if err := os.WriteFile(file, bytes.Repeat([]byte("no database "), 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	corral = bootAt(t, "127.0.0.1:0", dir, config)
	if res, _ := corral.do("POST", "/v1/chat/completions", body); res.StatusCode != 200 || m.asked.Load() != 2 {
		t.Errorf("%d, asked %d times", res.StatusCode, m.asked.Load())
	}
	aside, _ := filepath.Glob(file + ".*")
	if len(aside) != 1 {
		t.Errorf("set aside: %v", aside)
	}
}
