package app_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
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
		{"{\"a\":\"x\"}\n", []string{"--jsonl"}, `line 1 has no "a" or no "b"`},
		{"\n[]\n", []string{"--jsonl"}, "line 2: "},
	} {
		code, out, errs := corral(tt.stdin, append([]string{"cache", "explain"}, tt.args...)...)
		if code != 1 || out != "" || !strings.Contains(errs, tt.want) {
			t.Errorf("%v: %d %q %q, want %q", tt.args, code, out, errs, tt.want)
		}
	}
}
