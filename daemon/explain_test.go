package daemon_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/daemon/admin"
)

// TestExplainSaysWhatWouldBe: what is explained is what then happens, and explaining asks no model.
func TestExplainSaysWhatWouldBe(t *testing.T) {
	var asked atomic.Int32
	server := func(name string) *httptest.Server {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/chat/completions") {
				asked.Add(1)
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"id":"c","object":"chat.completion","model":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, name)
		}))
		t.Cleanup(s.Close)
		return s
	}
	a, b := server("a"), server("b")
	corral := boot(t, fmt.Sprintf(`providers:
  - { name: a, kind: openai, url: %s/v1 }
  - { name: b, kind: openai, url: %s/v1 }
models:
  - { name: chat, targets: [ { provider: a, model: one }, { provider: b, model: two } ], last_resort: [ { static: Away. } ] }
retry: { max_attempts: 1 }
`, a.URL, b.URL))
	api, ctx := corral.api(), t.Context()
	explained := func(in admin.Explain) string {
		t.Helper()
		x, err := api.Explain(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, c := range x.Candidates {
			got = append(got, c.Provider+"/"+c.Model+":"+c.Taken)
		}
		return strings.Join(append(got, x.LastResort...), " ")
	}
	answered := func() string {
		t.Helper()
		res, _ := corral.do("POST", "/v1/chat/completions", `{"model":"chat","messages":[{"role":"user","content":"hi"}]}`, "Content-Type: application/json")
		return res.Header.Get("Corral-Provider")
	}
	if got := explained(admin.Explain{Model: "chat"}); got != "a/one:first b/two:next Away." {
		t.Error(got)
	}
	if got := explained(admin.Explain{Model: "chat", Alone: true}); got != "a/one:first b/two:out" {
		t.Error(got)
	}
	if got := explained(admin.Explain{Model: "other", Dialect: "openai", Tools: true, Images: true}); got != "a/other:first" {
		t.Error(got)
	}
	if asked.Load() != 0 {
		t.Errorf("%d calls reached a model", asked.Load())
	}
	if got := answered(); got != "a" {
		t.Errorf("answered by %s", got)
	}
	if err := api.Breaker(ctx, admin.Breaker{Provider: "a", Model: "one", Action: "pin-open"}); err != nil {
		t.Fatal(err)
	}
	for action, model := range map[string]string{"close": "one", "open": "one", "pin-open": "mistyped", "pin-closed": ""} {
		err := api.Breaker(ctx, admin.Breaker{Provider: "a", Model: model, Action: action})
		if err == nil || model == "one" && !strings.Contains(err.Error(), "corral breaker unpin a/one") {
			t.Errorf("%s %q: %v", action, model, err)
		}
	}
	if got := explained(admin.Explain{Model: "chat"}); got != "a/one:skipped b/two:first Away." {
		t.Error(got)
	}
	if got := answered(); got != "b" {
		t.Errorf("answered by %s", got)
	}
	if got := explained(admin.Explain{Model: "chat", Alone: true}); got != "a/one:skipped b/two:out" {
		t.Error(got)
	}
}

// TestExplainKnowsOfAPause: while calls are kept out, none would be answered.
func TestExplainKnowsOfAPause(t *testing.T) {
	a := echo(t)
	corral := boot(t, fmt.Sprintf("providers: [ { name: a, kind: ollama, url: %s } ]\nmodels: [ { name: chat, targets: [ { provider: a, model: m } ] } ]\n", a.url))
	api, ctx := corral.api(), t.Context()
	for _, paused := range []bool{true, false} {
		if err := api.Pause(ctx, paused); err != nil {
			t.Fatal(err)
		}
		x, err := api.Explain(ctx, admin.Explain{Model: "chat", Dialect: "ollama"})
		if err != nil || len(x.Candidates) != 1 || x.Name != "chat" {
			t.Fatalf("%v %+v", err, x)
		}
		res, _ := corral.do("POST", "/api/chat", `{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}`, "Content-Type: application/json")
		want, status := "first", 0
		if paused {
			want, status = "out", http.StatusServiceUnavailable
		}
		if x.Status != status || (res.StatusCode == http.StatusServiceUnavailable) != paused || x.Candidates[0].Taken != want || strings.Contains(x.Text, "would be asked first") == paused {
			t.Errorf("paused %v: %+v, and the call's status is %d", paused, x, res.StatusCode)
		}
	}
}

// TestExplainKnowsAKeysName: a budget of one key goes by its name, a call that is explained by its id.
func TestExplainKnowsAKeysName(t *testing.T) {
	corral := boot(t, newCloud(t).config(echo(t).url, "[ { per: month, usd: 1, then: refuse, scope: key, only: phone } ]")+"auth: required\n")
	api, ctx := corral.api(), t.Context()
	for name, want := range map[string]int{"phone": http.StatusTooManyRequests, "desk": 0} {
		k, err := api.CreateKey(ctx, name, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, called := range []string{k.Key.ID, name} {
			x, err := api.Explain(ctx, admin.Explain{Model: "only", Key: called})
			if err != nil || x.Status != want {
				t.Errorf("%s: %v %+v", called, err, x)
			}
		}
		res, _ := corral.do("POST", "/v1/chat/completions", `{"model":"only","max_tokens":1024,"messages":[{"role":"user","content":"hi"}]}`, "Authorization: Bearer "+k.Secret)
		if res.StatusCode != want && want != 0 || res.StatusCode != http.StatusOK && want == 0 {
			t.Errorf("%s: %s", name, res.Status)
		}
	}
	if _, err := api.Explain(ctx, admin.Explain{Model: "only", Key: "nokey"}); err == nil || !strings.Contains(err.Error(), "corral keys list") {
		t.Errorf("a key that is not there: %v", err)
	}
}

// TestAnOutageByHand: the target fails for real calls, another one answers, and it ends when it is told to.
func TestAnOutageByHand(t *testing.T) {
	a, b := echo(t), echo(t)
	corral := boot(t, fmt.Sprintf("providers:\n  - { name: a, kind: ollama, url: %s }\n  - { name: b, kind: ollama, url: %s }\nmodels: [ { name: chat, targets: [ { provider: a, model: m }, { provider: b, model: m } ] } ]\nretry: { max_attempts: 1 }\ntimeouts: { first_token: 1s, whole: 1s, idle: 1s, load: 0s }\n", a.url, b.url))
	api, ctx := corral.api(), t.Context()
	answered := func() string {
		res, _ := corral.do("POST", "/api/chat", `{"model":"chat","stream":false,"messages":[{"role":"user","content":"hi"}]}`, "Content-Type: application/json")
		return res.Header.Get("Corral-Provider") + " " + res.Header.Get("Corral-Route")
	}
	for kind, want := range map[string]string{"refuse": "b fallback:unreachable", "hang": "b fallback:timeout", "error": "b fallback:error"} {
		o, err := api.BeginOutage(ctx, admin.NewOutage{Provider: "a", Kind: kind, Seconds: 60})
		if err != nil || time.Until(o.Until) > time.Minute {
			t.Fatalf("%v %+v", err, o)
		}
		x, err := api.Explain(ctx, admin.Explain{Model: "chat", Dialect: "ollama"})
		if err != nil || len(x.Candidates) != 2 || x.Candidates[0].Taken != "skipped" || !strings.Contains(x.Candidates[0].Why, kind) || x.Candidates[1].Taken != "first" || !strings.HasPrefix(x.Text, "b/m would be asked first") {
			t.Errorf("%s: %v %+v", kind, err, x)
		}
		if x, err := api.Explain(ctx, admin.Explain{Model: "chat", Dialect: "ollama", Alone: true}); err != nil || x.Candidates[1].Taken != "out" || !strings.Contains(x.Text, "would fail") {
			t.Errorf("%s: %v %+v", kind, err, x)
		}
		if got := answered(); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
		if all, err := api.Outages(ctx); err != nil || len(all) != 1 || all[0].Kind != kind {
			t.Errorf("%v %+v", err, all)
		}
		if err := api.EndOutage(ctx, "a", ""); err != nil {
			t.Error(err)
		}
		if err := api.Breaker(ctx, admin.Breaker{Provider: "a", Model: "m", Action: "close"}); err != nil {
			t.Fatal(err)
		}
		if got := answered(); !strings.HasPrefix(got, "a ") {
			t.Errorf("after %s: %q", kind, got)
		}
	}
	if err := api.EndOutage(ctx, "a", ""); err == nil {
		t.Error("one that is over was ended")
	}
	for _, bad := range []admin.NewOutage{{Provider: "x", Kind: "refuse", Seconds: 60}, {Provider: "a", Kind: "refuse", Seconds: 10}, {Provider: "a", Kind: "refuse", Seconds: 3600}, {Provider: "a", Kind: "melt", Seconds: 60}} {
		if _, err := api.BeginOutage(ctx, bad); err == nil {
			t.Errorf("%+v was begun", bad)
		}
	}
}

// TestAProviderIsTried: what is wrong with a model server is said, and no answer, log or file but its own holds a key.
func TestAProviderIsTried(t *testing.T) {
	const key = "hunter2-hunter2"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+key {
			http.Error(w, `{"error":"no"}`, http.StatusUnauthorized)
			return
		}
		io.WriteString(w, `{"data":[{"id":"m1"},{"id":"m2"}]}`)
	}))
	defer s.Close()
	corral := boot(t, fmt.Sprintf("providers: [ { name: a, kind: openai, url: %s/v1, key: keyring:mine } ]\n", s.URL))
	api, ctx, page := corral.api(), t.Context(), corral.browser()
	try := func(in admin.ProviderTest) admin.ProviderTested {
		t.Helper()
		out, err := api.TestProvider(ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := try(admin.ProviderTest{Kind: "openai", URL: s.URL + "/v1"}); got.Auth != "missing" || !got.Reachable || got.Do == "" {
		t.Errorf("%+v", got)
	}
	if got := try(admin.ProviderTest{Kind: "openai", URL: s.URL + "/v1", Text: "wrong"}); got.Auth != "refused" {
		t.Errorf("%+v", got)
	}
	if got := try(admin.ProviderTest{Kind: "openai", URL: s.URL + "/v1", Text: key}); got.Auth != "ok" || strings.Join(got.Models, " ") != "m1 m2" || !got.OnDevice {
		t.Errorf("%+v", got)
	}
	if got := try(admin.ProviderTest{Kind: "openai", URL: "http://127.0.0.1:1/v1"}); got.Reachable || got.Problem == "" || got.Do == "" {
		t.Errorf("%+v", got)
	}
	for _, bad := range []admin.ProviderTest{{Name: "nobody"}, {Kind: "openai", URL: "http://169.254.169.254/v1"}, {Kind: "openai", URL: "ftp://a"}, {Kind: "openai", URL: "http://127.0.0.1:1/v1", Key: key}} {
		if _, err := api.TestProvider(ctx, bad); err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	_, put := page.do("PUT", "/secrets/mine", `{"key":"`+key+`"}`)
	_, list := page.do("GET", "/secrets", "")
	if !strings.Contains(list, `"mine"`) || !strings.Contains(put, "mode 0600") {
		t.Errorf("%s %s", put, list)
	}
	if strings.Contains(put+list+corral.log.String(), key) {
		t.Error("the key is shown")
	}
	if info, err := os.Stat(filepath.Join(corral.dir, "secrets", "mine.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	if err := api.RemoveSecret(ctx, "mine"); err != nil {
		t.Error(err)
	}
	if err := api.RemoveSecret(ctx, "mine"); err == nil {
		t.Error("it was forgotten twice")
	}
}

// TestExplainKnowsWhoDoesNotAnswer: a server that is away would be asked, and it is said that it is away.
func TestExplainKnowsWhoDoesNotAnswer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	away := "http://" + l.Addr().String()
	l.Close()
	corral := boot(t, fmt.Sprintf("providers: [ { name: a, kind: ollama, url: %q } ]\n", away))
	x, err := corral.api().Explain(t.Context(), admin.Explain{Model: "m"})
	if err != nil || !strings.HasPrefix(x.Text, "a/m would be asked first, and does not answer at the moment") || len(x.Candidates) != 1 || !strings.Contains(x.Candidates[0].Why, "it does not answer at the moment") {
		t.Errorf("%v %+v", err, x)
	}
}
