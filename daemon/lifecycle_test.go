package daemon_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"corral/daemon"
	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/store"
	"corral/testkit/raw"
)

// rewrite changes corral.yaml and waits until Corral has judged it.
func (c *running) rewrite(yaml string) {
	c.t.Helper()
	logged := len(c.log.String())
	if err := os.WriteFile(c.file+".new", []byte(yaml), 0o600); err != nil {
		c.t.Fatal(err)
	}
	if err := os.Rename(c.file+".new", c.file); err != nil {
		c.t.Fatal(err)
	}
	if !eventually(func() bool {
		l := c.log.String()[logged:]
		return strings.Contains(l, "config in force") || strings.Contains(l, "is not valid")
	}) {
		c.t.Fatal("the change was not noticed")
	}
}

func (c *running) api() *client.Client {
	c.t.Helper()
	api, err := client.Open(c.dir, "", daemon.AddressFile)
	if err != nil {
		c.t.Fatal(err)
	}
	return api
}

func TestAChangedConfigComesIntoForceWhole(t *testing.T) {
	one := serve(t, func(c net.Conn, _ *http.Request, body string) bool {
		return raw.Reply(c, "application/json", `{"one":`+body+`}`)
	})
	two := serve(t, func(c net.Conn, _ *http.Request, body string) bool {
		return raw.Reply(c, "application/json", `{"two":`+body+`}`)
	})
	corral := boot(t, one.config())
	ask := func() string { _, got := corral.do("POST", "/api/generate", `{"model": "m"}`); return got }
	if got := ask(); got != `{"one":{"model": "m"}}` {
		t.Fatal(got)
	}
	corral.rewrite(two.config("models: [ { name: m, targets: [ { provider: local, model: \"real:1b\" } ] } ]"))
	if got := ask(); got != `{"two":{"model": "real:1b"}}` {
		t.Error(got)
	}
	corral.rewrite(one.config("models: [ { name: m, targets: [ { provider: nowhere, model: x } ] } ]"))
	if got := ask(); got != `{"two":{"model": "real:1b"}}` {
		t.Error("an invalid file changed something:", got)
	}
	s, err := corral.api().Status(context.Background())
	if err != nil || !strings.Contains(s.Config.Rejected, "corral.yaml:3:45") || !strings.Contains(s.Config.Rejected, "nowhere") {
		t.Errorf("%v: %+v", err, s.Config)
	}
	corral.rewrite(one.config("listen: 127.0.0.1:1"))
	if got := ask(); !strings.HasPrefix(got, `{"one":`) {
		t.Error(got)
	}
	// A hang-up reads the file even when nothing changed.
	before := strings.Count(corral.log.String(), "config in force")
	corral.reload <- struct{}{}
	if !eventually(func() bool { return strings.Count(corral.log.String(), "config in force") > before }) {
		t.Error("a hang-up was not obeyed")
	}
}

func TestAuthRequired(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("auth: required"))
	api := corral.api()
	ctx := context.Background()
	k, err := api.CreateKey(ctx, "notes", 0)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(path string, headers ...string) (int, string) {
		res, got := corral.do("POST", path, `{"model":"m"}`, headers...)
		if res.Header.Get("Cache-Status") == "" || res.Header.Get("Age") != "0" {
			t.Errorf("%s: what the cache did is not told: %v", path, res.Header)
		}
		return res.StatusCode, got
	}
	if s, got := ask("/api/generate"); s != 401 || !strings.Contains(got, "corral keys create") {
		t.Errorf("no key: %d %q", s, got)
	}
	if s, got := ask("/v1/chat/completions", "Authorization: Bearer corral_wrong"); s != 401 || !strings.Contains(got, "authentication_error") {
		t.Errorf("a wrong key: %d %q", s, got)
	}
	if s, _ := ask("/api/generate", "Authorization: Bearer "+corral.token()); s != 401 {
		t.Errorf("the operator's token is no app's key: %d", s)
	}
	for _, h := range []string{"Authorization: Bearer " + k.Secret, "X-Api-Key: " + k.Secret} {
		if s, got := ask("/v1/messages", h); s != 200 {
			t.Errorf("%.20s: %d %q", h, s, got)
		}
	}
	for _, r := range u.requests() {
		if r.Header.Get("Authorization") != "" || r.Header.Get("X-Api-Key") != "" {
			t.Error("an app's key for Corral reached the target")
		}
	}
	if _, err := api.RevokeKey(ctx, "notes"); err != nil {
		t.Fatal(err)
	}
	if s, _ := ask("/api/generate", "X-Api-Key: "+k.Secret); s != 401 {
		t.Errorf("a revoked key: %d", s)
	}
	if l := corral.log.String(); strings.Contains(l, k.Secret) {
		t.Error("the log holds a key")
	}
}

func TestTheOperatorAPIAlwaysAsksForItsToken(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config())
	res, doc := corral.do("GET", "/control/v1/openapi.json", "", "Authorization: Bearer "+corral.token())
	var spec struct {
		Paths map[string]map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(doc), &spec); err != nil || len(spec.Paths) < 4 {
		t.Fatal(res.Status, err, len(spec.Paths))
	}
	paths := map[string]map[string]any{"/control/v1/openapi.json": {"get": nil}, "/control/v1/nowhere": {"get": nil}}
	for p, ms := range spec.Paths {
		paths[p] = ms
	}
	for path, methods := range paths {
		for method := range methods {
			for _, h := range []string{"X-Nothing: 1", "Authorization: Bearer wrong", "Authorization: " + corral.token(), "Cookie: token=" + corral.token()} {
				res, got := corral.do(strings.ToUpper(method), strings.ReplaceAll(path, "{id}", "x"), "{}", h)
				if path == "/control/v1/session" && method != "delete" && h != "Authorization: Bearer wrong" { // what a login needs
					if method == "get" && got != `{"authenticated":false,"roles":["anyone"]}`+"\n" || method == "post" && res.StatusCode < 400 || res.Header["Set-Cookie"] != nil {
						t.Errorf("%s %s with %.30s: %s %s", method, path, h, res.Status, got)
					}
					continue
				}
				if res.StatusCode != 401 {
					t.Errorf("%s %s with %.30s: %s", method, path, h, res.Status)
				}
			}
		}
	}
	info, err := os.Stat(corral.dir + "/operator.token")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", err, info.Mode())
	}
	if s, err := corral.api().Status(context.Background()); err != nil || !s.Ready || s.Listen != corral.addr || len(s.Providers) != 1 || s.Providers[0].Kind != "ollama" {
		t.Errorf("%v %+v", err, s)
	}
}

func TestProbesAndMetrics(t *testing.T) {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool { return raw.Reply(c, "application/json", plainAnswer) })
	corral := boot(t, u.config())
	corral.do("POST", "/api/generate", `{"model":"m"}`)
	corral.do("POST", "/api/generate", `{"model":`)
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200} {
		if res, got := corral.do("GET", path, ""); res.StatusCode != want {
			t.Errorf("%s: %s %q", path, res.Status, got)
		}
	}
	_, m := corral.do("GET", "/metrics", "")
	for _, line := range []string{
		`llm_requests_total{model="m",endpoint="generate",status="200",provider="local"} 1`,
		`llm_requests_total{model="",endpoint="generate",status="400",provider=""} 1`,
		`llm_errors_total{model="",endpoint="generate",status="400",provider="",code="invalid_request"} 1`,
		`llm_request_duration_seconds_bucket{model="m",endpoint="generate",provider="local",le="+Inf"} 1`,
		`corral_calls_in_flight 0`,
	} {
		if !strings.Contains(m, line+"\n") {
			t.Errorf("no %s in\n%s", line, m)
		}
	}
	res, _ := corral.do("GET", "/", "", "Accept: text/html,*/*")
	if res.StatusCode != 302 || res.Header.Get("Location") != "/ui/" {
		t.Errorf("a browser: %s", res.Status)
	}
	if res, got := corral.do("GET", "/ui/", ""); res.StatusCode != 200 || !strings.Contains(got, "Corral is running") {
		t.Errorf("the page: %s", res.Status)
	}
	for _, method := range []string{"GET", "HEAD"} {
		if res, got := corral.do(method, "/", ""); res.StatusCode != 200 || method == "GET" && got != "Ollama is running" {
			t.Errorf("%s /: %s %q", method, res.Status, got)
		}
	}
}

func TestNotReadyWhileTheTargetIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	corral := boot(t, (&upstream{url: "http://" + addr}).config())
	if res, got := corral.do("GET", "/readyz", ""); res.StatusCode != 503 || strings.Contains(got, addr) {
		t.Errorf("%s %q", res.Status, got)
	}
	if res, _ := corral.do("GET", "/healthz", ""); res.StatusCode != 200 {
		t.Error(res.Status)
	}
	for path, says := range map[string]string{"/api/chat": `{"error":"Ollama at`, "/v1/chat/completions": `"type":"server_error"`, "/v1/messages": `"type":"api_error"`} {
		if res, got := corral.do("POST", path, `{"model":"m"}`); res.StatusCode != 502 || !strings.Contains(got, says) || !strings.Contains(got, "ollama serve") {
			t.Errorf("%s: %s %q", path, res.Status, got)
		}
	}
}

// streaming starts a call whose stream goes on until more is closed.
func streaming(t *testing.T, yaml string) (corral *running, body *http.Response, more chan struct{}) {
	d := dialectStreams["openai chat"]
	more = make(chan struct{})
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		if r.Method == "GET" {
			return raw.Reply(c, "application/json", `{"version":"1"}`)
		}
		raw.Begin(c, d.contentType)
		raw.Chunk(c, d.content)
		<-more
		raw.Chunk(c, d.end)
		return raw.End(c)
	})
	corral = boot(t, u.config(yaml))
	res, err := http.Post(corral.url+d.path, "application/json", strings.NewReader(d.body))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(res.Body, make([]byte, len(d.content))); err != nil {
		t.Fatal(err)
	}
	return corral, res, more
}

func TestStoppingLetsStreamsEnd(t *testing.T) {
	corral, res, more := streaming(t, "shutdown: 20s")
	defer res.Body.Close()
	corral.stop()
	if !eventually(func() bool { _, err := net.Dial("tcp", corral.addr); return err != nil }) {
		t.Error("new connections are still taken")
	}
	select {
	case <-corral.finished:
		t.Error("did not wait for the stream")
	default:
	}
	close(more)
	if rest, err := io.ReadAll(res.Body); err != nil || string(rest) != "data: [DONE]\n\n" {
		t.Errorf("%v %q", err, rest)
	}
	<-corral.finished
}

func TestStreamsThatOutliveTheDeadlineAreToldWhy(t *testing.T) {
	corral, res, more := streaming(t, "shutdown: 50ms")
	defer res.Body.Close()
	defer close(more)
	corral.stop()
	rest, err := io.ReadAll(res.Body)
	if err != nil || !strings.Contains(string(rest), `"code":"stopping"`) || strings.Contains(string(rest), "[DONE]") {
		t.Errorf("%v %q", err, rest)
	}
	<-corral.finished
}

func TestASecondInstanceIsToldSo(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config())
	var level slog.LevelVar
	start := time.Now()
	err := daemon.Run(context.Background(), daemon.Options{Config: config.Source{Path: corral.file}, DataDir: corral.dir, Log: slog.New(slog.DiscardHandler), Level: &level})
	if !errors.Is(err, store.ErrInUse) || time.Since(start) > 30*time.Second {
		t.Error(err, time.Since(start))
	}
	if _, err := corral.api().Status(context.Background()); err != nil {
		t.Error("the first one is no longer found:", err)
	}
}

func TestTheClientSaysWhenNobodyIsThere(t *testing.T) {
	if _, err := client.Open(t.TempDir(), "", daemon.AddressFile); !errors.Is(err, client.ErrNotRunning) {
		t.Error(err)
	}
	dir := t.TempDir()
	if _, err := admin.Token(dir); err != nil {
		t.Fatal(err)
	}
	api, err := client.Open(dir, "127.0.0.1:1", daemon.AddressFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.Status(context.Background()); !errors.Is(err, client.ErrNotRunning) {
		t.Error(err)
	}
}
