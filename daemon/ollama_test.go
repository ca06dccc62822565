package daemon_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"corral/testkit"
)

// volatile is what differs between two answers to one question.
var volatile = regexp.MustCompile(`"(created_at|modified_at|expires_at|completed_at|[a-z_]*duration|created|id|request_id|item_id|call_id|size_vram)":("[^"]*"|[0-9.eE+-]+)`)

func settled(s string) string { return volatile.ReplaceAllString(s, `"$1":…`) }

// ask sends one request to base and returns status, what describes the body, and the body without what is volatile.
func ask(t *testing.T, base, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if body == "" {
		req.Body = nil
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	text := settled(string(b))
	switch path {
	case "/api/tags", "/api/tags/", "/api/show", "/api/ps", "/v1/models": // Ollama lists these in any order
		words := strings.FieldsFunc(text, func(c rune) bool { return strings.ContainsRune(`{}[],"\n`, c) })
		sort.Strings(words)
		text = strings.Join(words, " ")
	}
	return fmt.Sprintf("%d %s\n%s", res.StatusCode, res.Header.Get("Content-Type"), text)
}

const (
	hello  = `[{"role":"user","content":"hello"}]`
	tools  = `[{"type":"function","function":{"name":"get_weather","description":"weather","parameters":{"type":"object","properties":{"location":{"type":"string"}},"required":["location"]}}}]`
	schema = `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"]}`
	pixel  = `iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==`
)

// TestEveryRouteAnswersAsOllamaDoes asks a real Ollama directly and through Corral.
func TestEveryRouteAnswersAsOllamaDoes(t *testing.T) {
	ollama := testkit.Ollama(t)
	corral := boot(t, testkit.Uncached+testkit.InFrontOf(ollama))
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/", ""}, {"HEAD", "/", ""},
		{"GET", "/api/version", ""}, {"HEAD", "/api/version", ""}, {"GET", "/api/status", ""},
		{"GET", "/api/tags", ""}, {"HEAD", "/api/tags", ""}, {"GET", "/api/tags/", ""},
		{"POST", "/api/show", `{"model":"tiny"}`}, {"POST", "/api/show", `{"name":"tiny","verbose":true}`}, {"POST", "/api/show", `{"model":"nope"}`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"hi"}`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"hi","stream":false,"options":{"num_predict":5},"keep_alive":"5m"}`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"hi","stream":false,"logprobs":true,"top_logprobs":2,"options":{"num_predict":3}}`},
		{"POST", "/api/generate", `{"model":"tiny","prompt":"hi","stream":false,"raw":true,"suffix":""}`},
		{"POST", "/api/generate", `{"model":"tiny"}`},
		{"POST", "/api/generate", `{"prompt":"hi"}`}, {"POST", "/api/generate", ``}, {"POST", "/api/generate", `{"model":"nope","prompt":"x"}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"stream":false}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"stream":false,"think":false}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"tools":` + tools + `}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"stream":false,"format":"json"}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"stream":false,"format":` + schema + `}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":[{"role":"user","content":"x","images":["` + pixel + `"]}],"stream":false}`},
		{"POST", "/api/chat", `{"model":"tiny","messages":` + hello + `,"options":{"temperature":"hot"}}`},
		{"POST", "/api/chat", `{"model":"embed","messages":` + hello + `}`},
		{"POST", "/api/embed", `{"model":"embed","input":"a horse"}`}, {"POST", "/api/embed", `{"model":"embed","input":["a","b"],"truncate":true}`},
		{"POST", "/api/embed", `{"model":"tiny-v2","input":7}`}, {"POST", "/api/embeddings", `{"model":"embed","prompt":"a horse"}`},
		{"GET", "/api/ps", ""},
		{"POST", "/api/pull", `{"model":"http://127.0.0.1:9/library/nope","insecure":true}`},
		{"POST", "/api/push", `{"model":"http://127.0.0.1:9/library/nope","insecure":true}`},
		{"DELETE", "/api/delete", `{"model":"nope"}`}, {"POST", "/api/copy", `{"source":"nope","destination":"x"}`}, {"POST", "/api/create", `{"model":"x"}`},
		{"HEAD", "/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", ""},
		{"POST", "/api/blobs/sha256:0000000000000000000000000000000000000000000000000000000000000000", "not that"},
		{"GET", "/api/chat", ""}, {"DELETE", "/api/tags", ""}, {"OPTIONS", "/api/tags", ""}, {"GET", "/api/nowhere", ""}, {"POST", "/v1/nowhere", "{}"}, {"GET", "/api/experimental/aliases", ""},

		{"GET", "/v1/models", ""}, {"GET", "/v1/models/tiny", ""}, {"GET", "/v1/models/nope", ""}, {"GET", "/v1/models/library%2Ftiny:latest", ""},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0}`},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0,"stream":true}`},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0,"stream":true,"stream_options":{"include_usage":true},"max_tokens":4,"reasoning_effort":"none"}`},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0,"tools":` + tools + `,"stream":true}`},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":` + schema + `}}}`},
		{"POST", "/v1/chat/completions", `{"model":"tiny","messages":` + hello + `,"temperature":0,"logprobs":true,"max_tokens":2}`},
		{"POST", "/v1/chat/completions", `{"model":"nope","messages":` + hello + `}`}, {"POST", "/v1/chat/completions", `{"model":"tiny","messages":[]}`},
		{"POST", "/v1/completions", `{"model":"tiny","prompt":"hi","temperature":0,"max_tokens":9}`},
		{"POST", "/v1/completions", `{"model":"tiny","prompt":"hi","temperature":0,"stream":true}`},
		{"POST", "/v1/embeddings", `{"model":"embed","input":["a horse","a cat"]}`}, {"POST", "/v1/embeddings", `{"model":"embed","input":"a horse","encoding_format":"base64"}`},
		{"POST", "/v1/responses", `{"model":"tiny","input":"hi","temperature":0}`}, {"POST", "/v1/responses", `{"model":"tiny","input":"hi","temperature":0,"stream":true}`},
		{"POST", "/v1/messages", `{"model":"tiny","max_tokens":99,"temperature":0,"messages":` + hello + `}`},
		{"POST", "/v1/messages", `{"model":"tiny","max_tokens":99,"temperature":0,"stream":true,"messages":` + hello + `}`},
		{"POST", "/v1/messages", `{"model":"nope","max_tokens":9,"messages":` + hello + `}`},
		{"POST", "/v1/messages/count_tokens", `{"model":"tiny","messages":` + hello + `}`},
	} {
		name := c.method + " " + c.path + " " + c.body
		direct := ask(t, ollama.URL, c.method, c.path, c.body)
		through := ask(t, corral.url, c.method, c.path, c.body)
		if direct != through {
			t.Errorf("%.120s\ndirect:  %.600s\nthrough: %.600s", name, direct, through)
		}
	}
}

// TestTheOllamaCommandWorksThroughCorral runs the real command with OLLAMA_HOST pointing at Corral.
func TestTheOllamaCommandWorksThroughCorral(t *testing.T) {
	ollama := testkit.Ollama(t)
	corral := boot(t, testkit.InFrontOf(ollama))
	cli := func(args ...string) string {
		t.Helper()
		out := testkit.OllamaCLI(t, corral.addr, args...)
		if out.Err != nil {
			t.Errorf("ollama %v: %v\n%s%s", args, out.Err, out.Stdout, out.Stderr)
		}
		return out.Stdout + out.Stderr
	}
	has := func(got string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(got, w) {
				t.Errorf("no %q in %q", w, got)
			}
		}
	}
	has(cli("list"), "tiny:latest", "endless:latest")
	has(cli("show", "tiny"), "llama", "4096")
	has(cli("run", "tiny", "--think=false", "tell me"), strings.TrimSpace(testkit.Story[:40]))
	has(cli("ps"), "tiny:latest")
	cli("stop", "tiny")
	cli("cp", "tiny", "copied")
	has(cli("list"), "copied:latest")
	has(cli("rm", "copied"), "deleted 'copied'")
	file := filepath.Join(t.TempDir(), "Modelfile")
	if err := os.WriteFile(file, []byte("FROM "+testkit.ModelFile(t, "tiny-chat-v2.gguf")+"\nPARAMETER num_thread 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	has(cli("create", "made", "-f", file), "success")
	has(cli("list"), "made:latest")

	// A real pull: from a registry that serves this very server's models, into a second one behind a Corral of its own.
	registry := testkit.Registry(t, filepath.Join(ollama.Home, "models"))
	second := testkit.EmptyOllama(t)
	behind := boot(t, testkit.InFrontOf(second))
	name := registry + "/library/tiny"
	out := testkit.OllamaCLI(t, behind.addr, "pull", "--insecure", name)
	if out.Err != nil {
		t.Errorf("pull: %v %s", out.Err, out.Stderr)
	}
	has(out.Stdout+out.Stderr, "pulling manifest", "verifying sha256 digest", "success", "100%")
	if out := testkit.OllamaCLI(t, behind.addr, "pull", "--insecure", registry+"/library/nope"); out.Err == nil {
		t.Error("a pull of what is not there went well")
	}
}

// TestAliasesAndASecondRuntime: names of the config, served by Ollama and by llama.cpp.
func TestAliasesAndASecondRuntime(t *testing.T) {
	ollama := testkit.Ollama(t)
	llama := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	corral := boot(t, testkit.Uncached+fmt.Sprintf(`
providers:
  - { name: local, kind: ollama, url: %q }
  - { name: llama, kind: openai, url: %q, dialects: [ anthropic ] }
models:
  - { name: chat, targets: [ { provider: local, model: tiny } ] }
  - { name: second, targets: [ { provider: llama, model: tiny-chat } ] }
`, ollama.URL, llama.URL+"/v1"))
	story := strings.Fields(testkit.Story)[0]
	for _, c := range []struct{ path, body, provider string }{
		{"/api/chat", `{"model":"chat","messages":` + hello + `,"stream":false,"think":false}`, "local"},
		{"/api/chat", `{"model":"chat:latest","messages":` + hello + `,"stream":false,"think":false}`, "local"},
		{"/v1/chat/completions", `{"model":"chat","messages":` + hello + `,"temperature":0}`, "local"},
		{"/v1/messages", `{"model":"chat","max_tokens":99,"messages":` + hello + `,"temperature":0}`, "local"},
		{"/v1/chat/completions", `{"model":"second","messages":` + hello + `,"temperature":0}`, "llama"},
		{"/v1/chat/completions", `{"model":"second","messages":` + hello + `,"temperature":0,"stream":true}`, "llama"},
		{"/v1/completions", `{"model":"second","prompt":"hi","temperature":0,"max_tokens":20,"stream":true}`, "llama"},
		{"/v1/responses", `{"model":"second","input":"hi","temperature":0,"stream":true}`, "llama"},
		{"/v1/messages", `{"model":"second","max_tokens":99,"messages":` + hello + `,"temperature":0,"stream":true}`, "llama"},
		{"/api/chat", `{"model":"second","messages":` + hello + `,"options":{"temperature":0}}`, "llama"}, // translated
		{"/api/chat", `{"model":"second","messages":` + hello + `,"options":{"temperature":0},"stream":false}`, "llama"},
		{"/api/generate", `{"model":"second","prompt":"hi","options":{"temperature":0},"stream":false}`, "llama"},
		{"/v1/messages/count_tokens", `{"model":"second","messages":` + hello + `}`, "llama"},
	} {
		res, got := corral.do("POST", c.path, c.body)
		if res.StatusCode != 200 || res.Header.Get("Corral-Provider") != c.provider || res.Header.Get("Corral-Route") != "model" {
			t.Errorf("%s %s: %s %v %.300q", c.path, c.body, res.Status, res.Header, got)
		}
		if !strings.Contains(c.path, "count") && !strings.Contains(c.path, "completions\",\"prompt") && !strings.Contains(got, story) {
			t.Errorf("%s %s: no story in %.600q", c.path, c.body, got)
		}
	}
	names := func(body, key string) []string {
		var out []string
		for _, m := range regexp.MustCompile(`"`+key+`":"([^"]+)"`).FindAllStringSubmatch(body, -1) {
			out = append(out, m[1])
		}
		sort.Strings(out)
		return out
	}
	_, list := corral.do("GET", "/v1/models", "")
	if got := fmt.Sprint(names(list, "id")); !strings.Contains(got, "chat") || !strings.Contains(got, "second") || !strings.Contains(got, "tiny:latest") {
		t.Errorf("/v1/models: %s", list)
	}
	_, tags := corral.do("GET", "/api/tags", "")
	if got := fmt.Sprint(names(tags, "name")); !strings.Contains(got, "chat:latest") || !strings.Contains(got, "tiny:latest") {
		t.Errorf("/api/tags: %s", tags)
	}
	if res, got := corral.do("GET", "/v1/models/second", ""); res.StatusCode != 200 || !strings.Contains(got, `"second"`) {
		t.Errorf("/v1/models/second: %s %s", res.Status, got)
	}
	if res, got := corral.do("POST", "/api/show", `{"model":"chat"}`); res.StatusCode != 200 || !strings.Contains(got, "llama") {
		t.Errorf("/api/show: %s %.200s", res.Status, got)
	}
}
