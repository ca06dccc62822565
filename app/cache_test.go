package app_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/app"
	"corral/testkit"
)

func corral(stdin string, args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	code = app.Main(args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

func TestCacheExplain(t *testing.T) {
	t.Setenv("CORRAL_CONFIG", "")
	t.Setenv("HOME", t.TempDir())
	ollama := testkit.Ollama(t)
	explain := func(stdin string, args ...string) (int, string, string) {
		return corral(stdin, append([]string{"cache", "explain", "--ollama", ollama.Addr}, args...)...)
	}

	code, out, errs := explain("", "--model", "embed", "--json", "How do I reset my router?", "how can I reset my router")
	if code != 0 || !gjson.Get(out, "hit").Bool() || gjson.Get(out, "similarity").Num < 0.8 || gjson.Get(out, "veto").String() != "" {
		t.Errorf("%d %s %s", code, out, errs)
	}
	code, out, errs = explain("", "--model", "embed", "Boil 3 eggs", "Boil 4 eggs")
	if code != 0 || !strings.Contains(out, "must not share") || !strings.Contains(out, "numbers: 3, not 4") {
		t.Errorf("%d %s %s", code, out, errs)
	}

	// More pairs than are embedded at once, an empty line, and a last line without its end.
	const line = `{"a": "How do I reset my router?", "b": "How do I reset his router?"}`
	code, out, errs = explain(strings.Repeat(line+"\n\n", 100)+line, "--model", "embed", "--jsonl")
	if lines := strings.Split(strings.TrimSpace(out), "\n"); code != 0 || len(lines) != 101 ||
		!strings.HasPrefix(lines[100], `{"hit":false,"similarity":`) || !strings.HasSuffix(lines[100], `"veto":"person: only one has his"}`) {
		t.Errorf("%d %d lines: last %q, %s", code, len(lines), lines[len(lines)-1], errs)
	}

	code, _, errs = explain("", "a", "b")
	if code != 1 || !strings.Contains(errs, "`ollama pull all-minilm`") {
		t.Errorf("no model: %d %s", code, errs)
	}
}

// What goes wrong before a model is asked is told in words that help.
func TestCacheExplainSaysWhatIsWrong(t *testing.T) {
	t.Setenv("CORRAL_CONFIG", "")
	t.Setenv("HOME", t.TempDir())
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, `{"error":"this model does not support embeddings"}`, http.StatusBadRequest)
	}))
	defer chat.Close()
	for _, tt := range []struct {
		stdin string
		args  []string
		want  string
	}{
		{"", []string{"one"}, "two questions are needed"},
		{"", []string{"--jsonl", "one", "two"}, "standard input"},
		{"", []string{"--ollama", gone.URL, "one", "two"}, "`ollama serve`"},
		{"", []string{"--ollama", chat.URL, "one", "two"}, "does not support embeddings"},
		{"", []string{"--ollama", "http://", "one", "two"}, "is no address"},
		{"", []string{"--threshold", "2", "one", "two"}, "out of range"},
	} {
		code, out, errs := corral(tt.stdin, append([]string{"cache", "explain"}, tt.args...)...)
		if code != 1 || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: %d %q %q, want %q", tt.args, code, out, errs, tt.want)
		}
	}
}

// embedder is an Ollama to which all texts are alike.
func embedder(t *testing.T) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Input []string }
		json.NewDecoder(r.Body).Decode(&in)
		json.NewEncoder(w).Encode(map[string]any{"embeddings": slices.Repeat([][]float32{{1, 0}}, len(in.Input))})
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestCacheExplainGoesOnAfterABadLine: it keeps its place, and takes nothing from the others. Once it was all that was said.
func TestCacheExplainGoesOnAfterABadLine(t *testing.T) {
	t.Setenv("CORRAL_CONFIG", "")
	t.Setenv("HOME", t.TempDir())
	const pair = `{"a": "x", "b": "x"}`
	code, out, errs := corral(pair+"\n\n[]\n{\"a\":\"x\"}\n"+pair, "cache", "explain", "--ollama", embedder(t), "--jsonl")
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 1 || len(lines) != 4 || errs != "corral: 2 lines of standard input could not be read; each has an error in its place\n" ||
		lines[0] != `{"hit":true,"similarity":1,"veto":""}` || lines[3] != lines[0] ||
		!strings.HasPrefix(gjson.Get(lines[1], "error").String(), "line 3: ") || !strings.HasPrefix(gjson.Get(lines[2], "error").String(), `line 4: it has no "a" or no "b"`) {
		t.Errorf("%d %q %q", code, lines, errs)
	}
}

// TestCacheExplainAnswersEachLineAsItComes: who writes a pair and waits for its verdict before the next one gets it.
func TestCacheExplainAnswersEachLineAsItComes(t *testing.T) {
	t.Setenv("CORRAL_CONFIG", "")
	t.Setenv("HOME", t.TempDir())
	server := embedder(t)
	in, give := io.Pipe()
	take, out := io.Pipe()
	ended := make(chan int)
	go func() {
		code := app.Main([]string{"cache", "explain", "--ollama", server, "--jsonl"}, in, out, io.Discard)
		out.Close()
		ended <- code
	}()
	r := bufio.NewReader(take)
	for range 2 {
		io.WriteString(give, "{\"a\": \"x\", \"b\": \"x\"}\n")
		if line, err := r.ReadString('\n'); err != nil || !gjson.Get(line, "hit").Bool() {
			t.Errorf("%q %v", line, err)
		}
	}
	give.Close()
	if code := <-ended; code != 0 {
		t.Error(code)
	}
}
