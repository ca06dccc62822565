package daemon_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/testkit"
)

// minilm is a real Ollama with a real embedding model.
func minilm(t *testing.T) *testkit.Server {
	t.Helper()
	dir := os.Getenv("CORRAL_TEST_MODELS")
	if dir == "" {
		testkit.Missing(t, "CORRAL_TEST_MODELS is not set: run testkit/ollama/real-models.sh DIR all-minilm, then export CORRAL_TEST_MODELS=DIR")
	}
	s := testkit.EmptyOllama(t)
	if out := testkit.OllamaCLI(t, s.Addr, "create", "all-minilm", "-f", filepath.Join(dir, "all-minilm", "Modelfile")); out.Err != nil {
		t.Fatalf("ollama create all-minilm: %v\n%s", out.Err, out.Stderr)
	}
	return s
}

// Questions in other words, by a real embedding model: while the target is there where that is wished, and when it is away.
func TestQuestionsAlike(t *testing.T) {
	ollama := minilm(t)
	for _, when := range []string{"always", "last-resort"} {
		t.Run(when, func(t *testing.T) {
			m := newMirror(t)
			dir := t.TempDir()
			yaml := fmt.Sprintf(`providers: [ { name: cloud, kind: openai, url: %q }, { name: local, kind: ollama, url: %q } ]
models: [ { name: chat, targets: [ { provider: cloud, model: m } ], last_resort: [ similar ] } ]
cache: { similar: { model: all-minilm, when: %s } }
retry: { max_attempts: 1 }
`, m.url, ollama.URL, when)
			corral := bootAt(t, "127.0.0.1:0", dir, yaml)
			ask := func(question string) (*http.Response, string) {
				return corral.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":%q}]}`, question))
			}
			known := "How do I reset my router to factory settings?"
			if res, got := ask(known); res.StatusCode != 200 {
				t.Fatalf("%s %s", res.Status, got)
			}
			if !eventually(func() bool {
				_, got := corral.do("GET", "/control/v1/cache", "", "Authorization: Bearer "+corral.token())
				return gjson.Get(got, "vectors").Int() == 1
			}) {
				t.Fatal("the question has got no vector")
			}
			expect := func(question string, similar bool) {
				t.Helper()
				before := m.asked.Load()
				res, got := ask(question)
				if is := res.Header.Get("Corral-Route") == "similar"; is != similar || similar && (res.StatusCode != 200 || !strings.Contains(got, "reset my router to factory settings") || m.asked.Load() != before ||
					!strings.Contains(res.Header.Get("Cache-Status"), "detail=similar") || res.Header.Get("Corral-Similarity") == "" || res.Header.Get("Age") == "") {
					t.Errorf("%q: %s, %v, asked %d times: %s", question, res.Status, res.Header, m.asked.Load()-before, got)
				}
			}
			expect("How can I reset my router to factory settings?", when == "always")
			expect("How do I reset my router 2 to factory settings?", false)
			m.down.Store(true)
			expect("How can I reset my router to its factory settings?", true)
			expect("How do I reset my phone to factory settings?", false)
			expect("How do I not reset my router to factory settings?", false)
			m.down.Store(false)
			corral.do("POST", "/control/v1/breaker", `{"provider":"cloud","model":"m","action":"close"}`, "Authorization: Bearer "+corral.token(), "Content-Type: application/json")
			before := m.asked.Load()
			if ask("How can I reset my router to its factory settings?"); when == "last-resort" && m.asked.Load() != before+1 {
				t.Error("a last resort was kept as if the model had said it")
			}
			m.down.Store(true)
			corral.stop()
			<-corral.finished
			corral = bootAt(t, "127.0.0.1:0", dir, yaml) // what was kept is found again
			if !eventually(func() bool {
				res, _ := ask("How can I reset my router to its factory settings?")
				return res.Header.Get("Corral-Route") == "similar"
			}) {
				t.Error("after a restart nothing is found")
			}
			if res, got := corral.do("GET", "/control/v1/audit/entries?flag=cache-hit", "", "Authorization: Bearer "+corral.token()); gjson.Get(got, `entries.#(route=="similar").flags`).Raw == "" {
				t.Errorf("%s: %s", res.Status, got)
			}
		})
	}
}
