package translate

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/testkit"
)

// TestOfficialClients has the official clients read translated and replayed streams: they must come to the end of each, and to the same
// answer that is told when it is not streamed. And nothing that they send may be unknown here.
func TestOfficialClients(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "no node on PATH")
	}
	clients, err := filepath.Abs("../../testkit/clients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(clients, "node_modules/.package-lock.json")); err != nil {
		testkit.Missing(t, "no node_modules: run npm ci in testkit/clients")
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for ep, path := range own {
			if r.URL.Path == path {
				serveHeard(t, w, r, ep)
			}
		}
	}))
	defer s.Close()
	var models []string
	for _, api := range apis {
		for _, name := range []string{"text", "calls", "thinking", "length"} {
			model := strings.ToLower(api.String()) + "/" + name
			models = append(models, model, "replayed/"+model)
		}
	}
	cmd := exec.CommandContext(t.Context(), node, append([]string{"testdata/clients.mjs"}, models...)...)
	cmd.Env = append(os.Environ(), "CLIENTS="+clients, "BASE="+s.URL)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	if want := len(models)*5 - 2*len(apis); len(lines) != want {
		t.Errorf("%d answers, want %d", len(lines), want)
	}
	for _, line := range lines {
		v := gjson.Parse(line)
		model, ep := v.Get("model").Str, v.Get("endpoint").Str
		if f := v.Get("answer.failed"); f.Exists() {
			t.Errorf("%s from %s: %s", ep, model, f.Str)
			continue
		}
		got := gistOf(t, ep, v.Get("answer").Raw).comparable()
		want := gistOf(t, ep, wholeHeard(t, ep, model)).comparable()
		if len(got.Calls) != len(want.Calls) {
			t.Errorf("%s from %s: calls %q, want %q", ep, model, got.Calls, want.Calls)
			continue
		}
		if ep == "chat_completions" && strings.HasSuffix(want.Thought, got.Thought) {
			got.Thought = want.Thought // OpenAI's client keeps only the last piece of what it does not know
		}
		for i := range want.Calls { // JavaScript's numbers are not exact
			want.Calls[i] = strings.ReplaceAll(want.Calls[i], "12345678901234567890", "12345678901234567000")
			got.Calls[i] = strings.ReplaceAll(got.Calls[i], "12345678901234567890", "12345678901234567000")
		}
		if got.String() != want.String() {
			t.Errorf("%s from %s\n got %s\nwant %s", ep, model, got, want)
		}
	}
}

// heardAPI is the API and the file that the name of a model stands for.
func heardAPI(model string) (API, string) {
	model = strings.TrimPrefix(model, "replayed/")
	for _, api := range apis {
		if name := strings.ToLower(api.String()); strings.HasPrefix(model, name+"/") {
			ext := ".sse"
			if api == Ollama {
				ext = ".ndjson"
			}
			return api, filepath.Join("testdata", "heard", model+ext)
		}
	}
	return 0, ""
}

// serveHeard answers as the target that the model's name tells, translated; or replayed, from the answer that is not streamed.
func serveHeard(t *testing.T, w http.ResponseWriter, r *http.Request, ep string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
		return
	}
	api, file := heardAPI(gjson.GetBytes(body, "model").Str)
	c, err := Request(endpoints[ep], body, Target{API: api})
	if err != nil {
		t.Error(err)
		return
	}
	if model := gjson.GetBytes(body, "model").Str; strings.HasPrefix(model, "replayed/") {
		told, _, err := Replay(Kept{endpoints[ep], false, []byte(wholeHeard(t, ep, model))}, endpoints[ep], body, true)
		if err != nil {
			t.Errorf("%s: %v", model, err)
		}
		w.Header().Set("Content-Type", c.ContentType(true))
		w.Write(told)
		return
	}
	if len(c.Warnings) > 0 && ep != "completions" {
		t.Errorf("%s sends what is unknown: %v", ep, c.Warnings)
	}
	src, err := os.Open(file)
	if err != nil {
		t.Error(err)
		return
	}
	defer src.Close()
	w.Header().Set("Content-Type", c.ContentType(true))
	text, end := all(c.Events(src))
	if end != io.EOF {
		t.Error(end)
	}
	io.WriteString(w, text)
}

// wholeHeard is the same answer when it is not streamed.
func wholeHeard(t *testing.T, ep, model string) string {
	t.Helper()
	api, file := heardAPI(model)
	b, err := os.ReadFile(strings.TrimSuffix(file, filepath.Ext(file)) + ".json")
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := askedPlainly(t, ep, api, false).Answer(200, b)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(got) {
		t.Fatalf("%s", got)
	}
	return string(got)
}
