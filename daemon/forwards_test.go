package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/health"
	"corral/daemon/library"
	"corral/store/ledger/record"
	"corral/testkit"
)

// farOllama is a real Ollama that another one passes calls on to, as to big.example. It remembers what it was sent.
type farOllama struct {
	mu  sync.Mutex
	got []string
}

// forwarding starts a real Ollama with the tiny models, and with one named assistant that is not its own: it runs at a second one.
func forwarding(t *testing.T) (near *testkit.Server, far *farOllama) {
	far = &farOllama{}
	to, err := url.Parse(testkit.Ollama(t).URL)
	if err != nil {
		t.Fatal(err)
	}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil || r.Host != "big.example:8080" {
			http.Error(w, "no such place", http.StatusBadGateway)
			return
		}
		far.mu.Lock()
		far.got = append(far.got, string(b))
		far.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(proxy.Close)
	near = testkit.Ollama(t, "OLLAMA_NO_CLOUD=0", "OLLAMA_REMOTES=big.example", "HTTP_PROXY="+proxy.URL)
	elsewhere(t, near, "assistant")
	return near, far
}

// elsewhere gives an Ollama a model that runs at another one.
func elsewhere(t *testing.T, near *testkit.Server, name string) {
	t.Helper()
	if got := ask(t, near.URL, "POST", "/api/create", fmt.Sprintf(`{"model":%q,"from":"tiny","remote_host":"http://big.example:8080","stream":false}`, name)); !strings.Contains(got, "success") {
		t.Fatal(got)
	}
}

// heard is what it got since the last time that it was asked so.
func (f *farOllama) heard() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	got := strings.Join(f.got, "\n")
	f.got = nil
	return got
}

// TestWhatOllamaPassesOnLeaves: a model that an Ollama on this device has under a name of its own, and passes on to another machine, counts
// as there in every way in which an app asks.
func TestWhatOllamaPassesOnLeaves(t *testing.T) {
	near, far := forwarding(t)
	ask(t, near.URL, "POST", "/api/copy", `{"source":"assistant","destination":"mine"}`)
	ask(t, near.URL, "POST", "/api/experimental/aliases", `{"alias":"helper","target":"mine"}`)
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: local, kind: ollama, url: %q }
models:
  - { name: team, targets: [ { provider: local, model: mine } ] }
  - { name: diary, local_only: true, targets: [ { provider: local, model: mine }, { provider: local, model: tiny } ] }
  - { name: secret, local_only: true, targets: [ { provider: local, model: mine } ] }
guard: { pii: redact-for-cloud }
cache: { exact: { when: "off" } }
`, near.URL)+never)
	const private = "Write to ann@example.org, then to ann@example.org and bob@example.net."
	for _, w := range texts() {
		body := func(model string) string { return strings.Replace(fmt.Sprintf(w.body, model), "tell me", private, 1) }
		for _, model := range []string{"assistant", "library/Mine:latest", "team", "helper"} {
			if model == "helper" && strings.HasPrefix(w.path, "/v1/") && w.stream {
				continue // one of them is enough
			}
			res, got := corral.do("POST", w.path, body(model))
			if res.StatusCode != 200 || w.complete(got) != "" {
				t.Errorf("%s of %s: %s, %s", w.name, model, res.Status, w.complete(got))
				continue
			}
			if heard := far.heard(); !masked(heard) || strings.Contains(heard, "ann@example.org") {
				t.Errorf("%s of %s: big.example got %s", w.name, model, heard)
			}
			if e := corral.entry(res.Header.Get("X-Request-Id")); e.Left != "big.example:8080" || e.Flags&record.LeftDevice == 0 || e.Flags&record.Redacted == 0 {
				t.Errorf("%s of %s: the ledger has left %q, %v", w.name, model, e.Left, e.Flags)
			}
		}
		res, got := corral.do("POST", w.path, body("tiny"))
		if e := corral.entry(res.Header.Get("X-Request-Id")); w.complete(got) != "" || e.Left != "" || e.Flags&(record.LeftDevice|record.Redacted) != 0 {
			t.Errorf("%s of tiny: %s, the ledger has left %q, %v", w.name, res.Status, e.Left, e.Flags)
		}
		if res, got = corral.do("POST", w.path, body("diary")); res.Header.Get("Corral-Model") != "tiny" || w.complete(got) != "" {
			t.Errorf("%s of diary: %s %v %s", w.name, res.Status, res.Header, got)
		}
		if res, got = corral.do("POST", w.path, body("secret")); res.StatusCode != 501 || !strings.Contains(got, "big.example:8080") || !strings.Contains(got, "local_only") {
			t.Errorf("%s of secret: %s %s", w.name, res.Status, got)
		}
		if heard := far.heard(); heard != "" {
			t.Errorf("%s: what must stay here got to big.example: %s", w.name, heard)
		}
	}

	auth := "Authorization: Bearer " + corral.token()
	_, got := corral.do("POST", "/control/v1/explain", `{"model":"secret"}`, auth)
	if c := gjson.Get(got, "candidates.0"); c.Get("away").Str != "big.example:8080" || c.Get("taken").Str != "out" || !strings.Contains(c.Get("why").Str, "local_only") {
		t.Errorf("explain says %s", got)
	}
	_, got = corral.do("GET", "/control/v1/try", "", auth)
	if away := gjson.Get(got, `providers.0.models.#(model=="mine:latest").away`).Str; away != "big.example:8080" {
		t.Errorf("to choose from: %s", got)
	}
	l, err := corral.api().Library(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := func(name string) *library.Model {
		i := slices.IndexFunc(l.Models, func(m library.Model) bool { return m.Name == name })
		if i < 0 {
			t.Fatalf("%s is not listed", name)
		}
		return &l.Models[i]
	}
	if m := at("mine:latest"); m.Away != "big.example:8080" || m.Fit.Verdict != "away" {
		t.Errorf("listed: %+v", m)
	}
	if m := at("tiny:latest"); m.Away != "" {
		t.Errorf("listed: %+v", m)
	}
	if !eventually(func() bool {
		h, err := corral.api().Health(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := condition(h.Conditions, "local-only local/mine")
		return c.Severity == health.Warning && strings.Contains(c.Text, "big.example:8080")
	}) {
		t.Error("nothing warns of a name that is local_only and leads away")
	}
}

// TestAModelThatIsReplacedBehindCorralsBack: a name that led to a model on the device, and no longer does, is noticed at the next call that
// must stay there; at others the ledger says what became of the text.
func TestAModelThatIsReplacedBehindCorralsBack(t *testing.T) {
	near, far := forwarding(t)
	ask(t, near.URL, "POST", "/api/copy", `{"source":"tiny","destination":"mine"}`)
	const diary = `
providers:
  - { name: local, kind: ollama, url: %q }
models:
  - { name: diary, local_only: true, targets: [ { provider: local, model: mine } ] }
cache: { exact: { when: "off" } }
`
	corral := boot(t, fmt.Sprintf(diary, near.URL)+never)
	w := texts()[4] // in OpenAI's API, where Ollama does not say who answered
	for _, model := range []string{"mine", "diary"} {
		if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, model)); res.StatusCode != 200 || w.complete(got) != "" {
			t.Fatalf("%s: %s %s", model, res.Status, got)
		}
	}
	ask(t, near.URL, "POST", "/api/copy", `{"source":"assistant","destination":"mine"}`)
	if !eventually(func() bool {
		res, _ := corral.do("POST", w.path, fmt.Sprintf(w.body, "diary"))
		return res.StatusCode == 501
	}) {
		t.Error("a call that must stay here goes on to big.example")
	}
	far.heard()
	res, _ := corral.do("POST", w.path, fmt.Sprintf(w.body, "mine"))
	if e := corral.entry(res.Header.Get("X-Request-Id")); far.heard() == "" || e.Left != "big.example:8080" {
		t.Errorf("%s: the ledger has left %q", res.Status, e.Left)
	}

	// What must not leave at all does not, whatever its name, and whatever the route.
	corral.rewrite(fmt.Sprintf("local_only: true\nproviders:\n  - { name: local, kind: ollama, url: %q }\n", near.URL) + never)
	for _, ask := range []struct{ path, body string }{{w.path, fmt.Sprintf(w.body, "mine")}, {"/api/experimental/web_search", `{"query":"who is ann"}`}, {"/api/other", `{"model":"mine"}`}} {
		if res, got := corral.do("POST", ask.path, ask.body); res.StatusCode != 501 || !strings.Contains(got, "local_only") || far.heard() != "" {
			t.Errorf("%s with local_only for all: %s %s", ask.path, res.Status, got)
		}
	}
	for _, ask := range []struct{ method, path string }{{"POST", "/api/show"}, {"DELETE", "/api/delete"}} { // no text of a call goes there
		if res, got := corral.do(ask.method, ask.path, `{"model":"none:120b-cloud"}`); res.StatusCode != 404 {
			t.Errorf("%s with local_only for all: %s %s", ask.path, res.Status, got)
		}
	}
	if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "tiny")); res.StatusCode != 200 {
		t.Errorf("tiny with local_only for all: %s %s", res.Status, got)
	}
	corral.rewrite(fmt.Sprintf(diary, near.URL) + never)

	// Through Corral it is noticed at once.
	for _, source := range []string{"tiny", "assistant", "tiny"} {
		if res, got := corral.do("POST", "/api/copy", fmt.Sprintf(`{"source":%q,"destination":"mine"}`, source)); res.StatusCode != 200 {
			t.Fatalf("copy %s: %s %s", source, res.Status, got)
		}
		want := map[string]int{"tiny": 200, "assistant": 501}[source]
		if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "diary")); res.StatusCode != want {
			t.Errorf("mine is %s now: %s %s", source, res.Status, got)
		}
		if far.heard() != "" {
			t.Errorf("mine is %s now: what must stay here got to big.example", source)
		}
	}
	for _, x := range []struct{ path, body string }{
		{"/api/create", `{"model":"mine","from":"tiny","remote_host":"http://big.example:8080"}`}, // streamed: it is done when the answer ends
		{"/api/copy", `{"source":"tiny","destination":"mine"}`},
		{"/api/delete", `{"model":"mine"}`},
		{"/api/experimental/aliases", `{"alias":"mine","target":"assistant"}`},
	} {
		method := "POST"
		if x.path == "/api/delete" {
			method = "DELETE"
		}
		if res, got := corral.do(method, x.path, x.body); res.StatusCode != 200 {
			t.Fatalf("%s: %s %s", x.path, res.Status, got)
		}
		res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "diary"))
		if want := map[string]int{"/api/create": 501, "/api/copy": 200, "/api/delete": 404, "/api/experimental/aliases": 501}[x.path]; res.StatusCode != want || far.heard() != "" {
			t.Errorf("after %s: %s %s", x.path, res.Status, got)
		}
	}
}
