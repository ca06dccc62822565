package daemon_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"corral/daemon"
	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/testkit/raw"
)

// browser is a page of Corral's that is logged in.
type browser struct {
	c      *running
	cookie string // name=value
	csrf   string
}

// link makes a one-time link and returns its code.
func (c *running) link() string {
	c.t.Helper()
	l, err := c.api().Link(c.t.Context(), "", false)
	if err != nil {
		c.t.Fatal(err)
	}
	code, ok := strings.CutPrefix(l.URL, c.url+"/ui/login#")
	if !ok || l.Page != c.url+"/ui/" || time.Until(l.Expires) > 2*time.Minute {
		c.t.Fatalf("%+v", l)
	}
	return code
}

// login uses a code as the page does.
func (c *running) login(code string, headers ...string) (*http.Response, string) {
	c.t.Helper()
	return c.do("POST", "/control/v1/session", `{"code":"`+code+`"}`, append([]string{"Content-Type: application/json", "Origin: " + c.url}, headers...)...)
}

func (c *running) browser() *browser {
	c.t.Helper()
	res, got := c.login(c.link())
	var l admin.Login
	if err := json.Unmarshal([]byte(got), &l); err != nil || res.StatusCode != 200 || len(res.Cookies()) != 1 {
		c.t.Fatalf("%s %s %v", res.Status, got, err)
	}
	k := res.Cookies()[0]
	return &browser{c, k.Name + "=" + k.Value, l.CSRF}
}

// do is what the page does: with the cookie, and with what a change needs.
func (b *browser) do(method, path, body string, headers ...string) (*http.Response, string) {
	b.c.t.Helper()
	return b.c.do(method, "/control/v1"+path, body, append([]string{"Cookie: " + b.cookie, "Origin: " + b.c.url, "X-Corral-CSRF: " + b.csrf, "Content-Type: application/json"}, headers...)...)
}

func (b *browser) in() bool {
	b.c.t.Helper()
	res, _ := b.do("GET", "/status", "")
	return res.StatusCode == 200
}

func TestABrowserLogsInAndOut(t *testing.T) {
	corral := boot(t, echo(t).config())
	code := corral.link()
	// Whatever only fetches the link, as a preview does, does not use it up.
	for _, method := range []string{"GET", "HEAD"} {
		if res, got := corral.do(method, "/ui/login", ""); res.StatusCode != 200 || method == "GET" && !strings.Contains(got, "/ui/login.js") {
			t.Errorf("%s %s", res.Status, got)
		}
	}
	res, got := corral.login(code)
	var l admin.Login
	if err := json.Unmarshal([]byte(got), &l); err != nil || !l.Authenticated || l.By != "session" || len(l.CSRF) < 40 || fmt.Sprint(l.Roles) != "[anyone read operate admin]" {
		t.Fatalf("%v %s", err, got)
	}
	if d := time.Until(*l.Expires); d > 12*time.Hour || d < 12*time.Hour-time.Minute {
		t.Error(l.Expires)
	}
	if d := time.Until(*l.IdleExpires); d > 30*time.Minute || d < 29*time.Minute {
		t.Error(l.IdleExpires)
	}
	_, port, _ := net.SplitHostPort(corral.addr)
	set := res.Header.Get("Set-Cookie")
	if name, attributes, _ := strings.Cut(set, "="); name != "corral-"+port || !strings.HasSuffix(attributes, "; Path=/control/v1; HttpOnly; SameSite=Strict") {
		t.Error(set)
	}
	k := res.Cookies()[0]
	b := &browser{corral, k.Name + "=" + k.Value, l.CSRF}
	if strings.Contains(got, k.Value) {
		t.Error("the secret is in the answer, where scripts see it")
	}
	if !b.in() {
		t.Error("not logged in")
	}
	if res, got := b.do("GET", "/session", ""); res.StatusCode != 200 || !strings.Contains(got, l.CSRF) {
		t.Errorf("%s %s", res.Status, got)
	}
	if res, got := b.do("PUT", "/log", `{"level":"debug"}`); res.StatusCode != 200 {
		t.Errorf("a change: %s %s", res.Status, got)
	}
	// What is the token's alone.
	for _, r := range []string{"POST /session/link", "DELETE /sessions", "POST /restore"} {
		method, path, _ := strings.Cut(r, " ")
		if res, got := b.do(method, path, "{}"); res.StatusCode != 403 || !strings.Contains(got, "corral command") {
			t.Errorf("%s: %s %s", r, res.Status, got)
		}
	}
	// A feed that is open ends with its session.
	feed := openFeed(t, b)
	if res, _ := b.do("DELETE", "/session", ""); res.StatusCode != 204 || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logout: %s %v", res.Status, res.Header)
	}
	if _, err := io.Copy(io.Discard, feed); err != nil && !strings.Contains(err.Error(), "EOF") {
		t.Error(err)
	}
	if res, _ := b.do("GET", "/status", ""); res.StatusCode != 401 {
		t.Errorf("after logout: %s", res.Status)
	}
	if res, _ := b.do("DELETE", "/session", ""); res.StatusCode != 401 {
		t.Errorf("a second logout: %s", res.Status)
	}
	one, two := corral.browser(), corral.browser()
	unused := corral.link()
	if n, err := corral.api().EndSessions(t.Context()); err != nil || n != 2 || one.in() || two.in() {
		t.Errorf("%d %v", n, err)
	}
	if res, _ := corral.login(unused); res.StatusCode != 401 {
		t.Errorf("a link from before all were logged out: %s", res.Status)
	}
	noSecrets(t, corral, code, unused, k.Value, l.CSRF, corral.token())
}

// openFeed reads the feed until its first bytes are there.
func openFeed(t *testing.T, b *browser) io.Reader {
	t.Helper()
	c, err := net.Dial("tcp", b.c.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second))
	fmt.Fprintf(c, "GET /control/v1/events HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nSec-Fetch-Site: same-origin\r\nConnection: close\r\n\r\n", b.c.addr, b.cookie)
	if b, err := io.ReadAll(io.LimitReader(c, 12)); err != nil || string(b) != "HTTP/1.1 200" {
		t.Fatalf("%q %v", b, err)
	}
	return c
}

// noSecrets looks for secrets in the log, and in the data folder but for the token's own file.
func noSecrets(t *testing.T, c *running, secrets ...string) {
	t.Helper()
	c.stop()
	<-c.finished
	texts := map[string]string{"log": c.log.String()}
	if !strings.Contains(texts["log"], "a browser logged in") {
		t.Error("the log does not tell of the login")
	}
	err := filepath.WalkDir(c.dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() || e.Name() == admin.TokenFile {
			return err
		}
		b, err := os.ReadFile(path)
		texts[path] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for where, text := range texts {
		for _, s := range secrets {
			if s == "" || strings.Contains(text, s) {
				t.Errorf("%s holds a secret", where)
			}
		}
	}
}

func TestWhatAnAttackerMayTryWithALogin(t *testing.T) {
	corral := boot(t, echo(t).config())
	b := corral.browser()
	other := corral.browser()
	_, port, _ := net.SplitHostPort(corral.addr)
	for _, c := range []struct {
		name, method, path, body string
		headers                  []string
		want                     int
	}{
		{"no CSRF token", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "Origin: " + corral.url}, 403},
		{"another session's CSRF token", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "Origin: " + corral.url, "X-Corral-CSRF: " + other.csrf}, 403},
		{"no Origin", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf}, 403},
		{"a page of the web", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: https://evil.example"}, 403},
		{"a page of another port", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: http://127.0.0.1:1"}, 403},
		{"a page by https", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: https://" + corral.addr}, 403},
		{"the same page under another name", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: http://localhost:" + port, "Host: localhost:" + port}, 401},
		{"a sandboxed frame", "PUT", "/log", `{"level":"info"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: null"}, 403},
		{"a form of another port", "POST", "/config/reload", "", []string{"Cookie: " + b.cookie, "Origin: http://127.0.0.1:1", "Sec-Fetch-Site: same-site"}, 403},
		{"an image of another port", "GET", "/session", "", []string{"Cookie: " + b.cookie, "Sec-Fetch-Site: same-site"}, 403},
		{"a script of another port reads", "GET", "/session", "", []string{"Cookie: " + b.cookie, "Origin: http://127.0.0.1:1"}, 403},
		{"an extension reads", "GET", "/status", "", []string{"Cookie: " + b.cookie, "Origin: chrome-extension://x"}, 403},
		{"DNS rebinding", "GET", "/status", "", []string{"Cookie: " + b.cookie, "Host: evil.example:" + port}, 403},
		{"another name of this machine", "GET", "/status", "", []string{"Cookie: " + b.cookie, "Host: localhost:" + port}, 401},
		{"another port's name", "GET", "/status", "", []string{"Cookie: " + b.cookie, "Host: 127.0.0.1:1"}, 401},
		{"a made-up cookie", "GET", "/status", "", []string{"Cookie: corral-" + port + "=" + strings.Repeat("A", 43)}, 401},
		{"an empty cookie", "GET", "/status", "", []string{"Cookie: corral-" + port + "="}, 401},
		{"the CSRF token as a cookie", "GET", "/status", "", []string{"Cookie: corral-" + port + "=" + b.csrf}, 401},
		{"the cookie as a token", "GET", "/status", "", []string{"Authorization: Bearer " + strings.SplitN(b.cookie, "=", 2)[1]}, 401},
		{"the cookie of another Corral", "GET", "/status", "", []string{"Cookie: corral-1=" + strings.SplitN(b.cookie, "=", 2)[1]}, 401},
		{"a wrong token beside the cookie", "GET", "/status", "", []string{"Cookie: " + b.cookie, "Authorization: Bearer x"}, 401},
		{"a GET that says it is a PUT", "GET", "/log", "", []string{"Cookie: " + b.cookie, "X-HTTP-Method-Override: PUT"}, 200},
		{"what another port set beside the cookie", "GET", "/status", "", []string{"Cookie: corral-" + port + "=x; " + b.cookie}, 200},
		{"the page itself", "PUT", "/log", `{"level":"warn"}`, []string{"Cookie: " + b.cookie, "X-Corral-CSRF: " + b.csrf, "Origin: " + corral.url, "Sec-Fetch-Site: same-origin"}, 200},
	} {
		res, got := corral.do(c.method, "/control/v1"+c.path, c.body, c.headers...)
		if res.StatusCode != c.want || res.Header["Set-Cookie"] != nil || strings.Contains(got, b.csrf) && c.want != 200 {
			t.Errorf("%s: %s %s", c.name, res.Status, got)
		}
		if res.Header.Get("Access-Control-Allow-Credentials") != "" {
			t.Errorf("%s: another origin may read answers to cookies", c.name)
		}
	}
	if l, err := corral.api().Log(t.Context()); err != nil || l.Level != "warn" {
		t.Errorf("%v %+v", err, l)
	}
	if !b.in() || !other.in() {
		t.Error("an attack ended a session")
	}
}

func TestWhatAnAttackerMayTryWithALink(t *testing.T) {
	corral := boot(t, echo(t).config())
	_, port, _ := net.SplitHostPort(corral.addr)
	login := func(want int, code, origin string, headers ...string) {
		t.Helper()
		res, got := corral.do("POST", "/control/v1/session", `{"code":"`+code+`"}`, append([]string{"Content-Type: application/json", "Origin: " + origin}, headers...)...)
		if res.StatusCode != want || (res.Header["Set-Cookie"] != nil) != (want == 200) {
			t.Errorf("%s %s", res.Status, got)
		}
	}
	code := corral.link()
	login(403, code, "")
	login(403, code, "null")
	login(403, code, "https://evil.example")
	login(403, code, "http://127.0.0.1:1")
	login(403, code, corral.url, "Sec-Fetch-Site: same-site")
	login(403, code, corral.url, "Host: evil.example:"+port)
	login(401, code, "http://localhost:"+port, "Host: localhost:"+port) // made for 127.0.0.1
	login(401, code[1:], corral.url)
	login(200, code, corral.url)

	// One who saw the link in the list of processes and was quicker loses the session to the one it was made for.
	stolen := corral.link()
	res, got := corral.login(stolen)
	k := res.Cookies()[0]
	thief := &browser{c: corral, cookie: k.Name + "=" + k.Value}
	if res.StatusCode != 200 || !thief.in() {
		t.Fatalf("%s %s", res.Status, got)
	}
	login(401, stolen, corral.url, "Cookie: "+thief.cookie) // the same browser, as where the link is clicked twice
	if !thief.in() {
		t.Error("a second click ended the session")
	}
	login(401, stolen, corral.url)
	if thief.in() {
		t.Error("the link was used twice, and the session it began lives on")
	}
	if l := corral.log.String(); !strings.Contains(l, `"level":"WARN","msg":"a browser's session at the operator API is over"`) {
		t.Error("the log does not warn of it")
	}

	// Another login in the same browser ends the session before it.
	b := corral.browser()
	if res, got := corral.login(corral.link(), "Cookie: "+b.cookie); res.StatusCode != 200 || b.in() {
		t.Errorf("%s %s", res.Status, got)
	}

	// Guessing.
	right := corral.link()
	waits := 0
	for i := range 40 {
		if res, _ := corral.login(fmt.Sprintf("%043d", i)); res.StatusCode == 429 {
			if waits++; res.Header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		} else if res.StatusCode != 401 {
			t.Error(res.Status)
		}
	}
	if waits < 25 {
		t.Errorf("only %d of 40 wrong codes were told to wait", waits)
	}
	if n := strings.Count(corral.log.String(), "a login to the operator API was refused"); n > 16 {
		t.Errorf("%d lines in the log", n)
	}
	login(200, right, corral.url) // the operator is not kept out meanwhile
}

func TestALinkIsMadeForPagesThatMayHaveOne(t *testing.T) {
	corral := boot(t, echo(t).config("hosts: [ corral.example ]", "origins: [ https://corral.example ]"))
	for at, want := range map[string]string{
		"http://localhost:9000": "http://localhost:9000", "http://LOCALHOST:80/": "http://localhost", "http://[::1]:9000": "http://[::1]:9000",
		"https://Corral.example:443": "https://corral.example", "http://corral.example": "", "http://192.168.1.5:11435": "", "corral.example": "",
		"ftp://localhost": "", "http://a@localhost": "", "http://localhost/x": "", "http://localhost/?x": "", "javascript:alert(1)": "",
	} {
		l, err := corral.api().Link(t.Context(), at, false)
		if want == "" && err == nil || want != "" && (err != nil || l.Page != want+"/ui/") {
			t.Errorf("%s: %v %v", at, l.Page, err)
		}
	}
	// Behind a TLS proxy the cookie is of the kind that nobody else can set.
	l, err := corral.api().Link(t.Context(), "https://corral.example", false)
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(l.URL, "#")
	res, got := corral.do("POST", "/control/v1/session", `{"code":"`+code+`"}`, "Host: corral.example", "Origin: https://corral.example", "Content-Type: application/json")
	if set := res.Header.Get("Set-Cookie"); res.StatusCode != 200 || !strings.HasPrefix(set, "__Host-corral=") || !strings.HasSuffix(set, "; Path=/; HttpOnly; Secure; SameSite=Strict") {
		t.Errorf("%s %s %s", res.Status, set, got)
	}
	k := res.Cookies()[0]
	if res, _ := corral.do("GET", "/control/v1/status", "", "Host: corral.example", "Cookie: "+k.Name+"="+k.Value); res.StatusCode != 200 {
		t.Error(res.Status)
	}
}

func TestTheOperatorsSocket(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("on Windows a file's mode does not say who may use a socket; the command line uses the port")
	}
	dir, err := os.MkdirTemp("", "sock") // the test's own folder has a name that is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "data", admin.SocketFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	// One that was killed left its socket behind.
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()

	corral := bootAt(t, "127.0.0.1:0", dir, echo(t).config())
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", err, info)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "data", ".s*")); left != nil {
		t.Error(left)
	}
	ask := func(request string) string {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(time.Minute))
		io.WriteString(c, request+"\r\nHost: corral\r\nConnection: close\r\n\r\n")
		b, err := io.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := ask("GET /control/v1/status HTTP/1.1"); !strings.HasPrefix(got, "HTTP/1.1 401 ") {
		t.Error(got)
	}
	if got := ask("GET /control/v1/status HTTP/1.1\r\nAuthorization: Bearer " + corral.token()); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
		t.Error(got)
	}
	if got := ask("GET /api/tags HTTP/1.1\r\nAuthorization: Bearer " + corral.token()); !strings.HasPrefix(got, "HTTP/1.1 404 ") {
		t.Error("apps use the port:", got)
	}
	// The command line goes there, and not to whoever has the port by now.
	if err := os.WriteFile(filepath.Join(corral.dir, daemon.AddressFile), []byte("127.0.0.1:1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	api, err := client.Open(corral.dir, "", daemon.AddressFile)
	if err != nil {
		t.Fatal(err)
	}
	if s, err := api.Status(t.Context()); err != nil || s.Listen != corral.addr {
		t.Error(err)
	}
	corral.stop()
	<-corral.finished
	if _, err := os.Lstat(path); !os.IsNotExist(err) {
		t.Error("the socket was left behind")
	}
	if _, err := api.Status(t.Context()); err == nil || !strings.Contains(err.Error(), "corral serve") {
		t.Error(err)
	}
}

func TestAFileInTheSocketsPlaceIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "data", admin.SocketFile)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	mine := []byte("mine")
	if err := os.WriteFile(path, mine, 0o600); err != nil {
		t.Fatal(err)
	}
	corral := bootAt(t, "127.0.0.1:0", dir, echo(t).config())
	if !strings.Contains(corral.log.String(), "the command line will use the port and not a socket") {
		t.Error("the log does not say so")
	}
	if s, err := corral.api().Status(t.Context()); err != nil || s.Listen != corral.addr {
		t.Error(err)
	}
	corral.stop()
	<-corral.finished
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, mine) {
		t.Errorf("%q %v", b, err)
	}
}

// TestNoGETChangesAnything asks for every GET there is, as the command line and as the page, and looks at all that the
// operator can change.
func TestNoGETChangesAnything(t *testing.T) {
	const details = `"details":{"format":"gguf","family":"llama","parameter_size":"1B","quantization_level":"F16"}`
	u := serveBeside(t, map[string]string{ // an Ollama with one model
		"/api/tags": `{"models":[{"name":"m:latest","model":"m:latest","size":1000,"digest":"` + strings.Repeat("a", 64) + `",` + details + `}]}`,
		"/api/ps":   `{"models":[]}`,
		"/api/show": `{` + details + `,"capabilities":["completion"],"model_info":{"general.architecture":"llama","llama.context_length":2048}}`,
	}, func(c net.Conn, _ *http.Request, _ string) bool { return raw.Reply(c, "application/json", plainAnswer) })
	corral := boot(t, u.config("cache: { exact: { when: always } }", "budgets: [ { per: day, usd: 5, then: warn } ]"))
	api := corral.api()
	if _, err := api.CreateKey(t.Context(), "notes", 0); err != nil {
		t.Fatal(err)
	}
	res, _ := corral.do("POST", "/api/generate", `{"model":"m","prompt":"hi","stream":false}`)
	id := res.Header.Get("X-Request-Id")
	b := corral.browser()
	state := func() string {
		t.Helper()
		var all strings.Builder
		for _, path := range []string{"/audit/entries", "/keys", "/log", "/cache/items", "/targets", "/budgets", "/usage?from=2020-01-01T00:00:00Z&to=2100-01-01T00:00:00Z", "/prices"} {
			res, got := corral.do("GET", "/control/v1"+path, "", "Authorization: Bearer "+corral.token())
			if res.StatusCode != 200 {
				t.Fatalf("%s: %s %s", path, res.Status, got)
			}
			fmt.Fprintf(&all, "%s %s\n", path, got)
		}
		files, err := os.ReadDir(corral.dir)
		if err != nil {
			t.Fatal(err)
		}
		config, err := os.ReadFile(corral.file)
		return fmt.Sprint(all.String(), files, string(config), err)
	}
	var before string
	if !eventually(func() bool { // the call is written down, and its answer kept
		before = state()
		return strings.Contains(before, id) && strings.Contains(before, `"all":1`) && before == state()
	}) {
		t.Fatal(before)
	}
	var items struct{ Items []struct{ ID string } }
	_, got := corral.do("GET", "/control/v1/cache/items", "", "Authorization: Bearer "+corral.token())
	if err := json.Unmarshal([]byte(got), &items); err != nil || len(items.Items) != 1 {
		t.Fatal(err, got)
	}
	asked := 0
	for _, r := range admin.Routes() {
		if r.Method != "GET" {
			continue
		}
		path := strings.NewReplacer("{id}", id, "{model}", "m:latest").Replace(r.Path)
		if strings.Contains(path, "/cache/items/") {
			path = strings.ReplaceAll(r.Path, "{id}", items.Items[0].ID)
		}
		for _, by := range []string{"Authorization: Bearer " + corral.token(), "Cookie: " + b.cookie} {
			for _, method := range []string{"GET", "HEAD"} {
				asked++
				if status := corral.peek(method, path, by); status != 200 {
					t.Errorf("%s %s: %d", method, path, status)
				}
			}
		}
	}
	if asked < 60 {
		t.Errorf("asked for %d", asked)
	}
	var after string
	if !eventually(func() bool { after = state(); return after == before }) { // files of a moment, as a backup has, may go first
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if !b.in() {
		t.Error("a GET logged out")
	}
}

// peek asks, reads a little of the answer, as much as there is at once of one that does not end, and leaves.
func (c *running) peek(method, path, header string) (status int) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path+"?last=1", nil) // so that what follows has something to begin with
	if err != nil {
		c.t.Fatal(err)
	}
	name, value, _ := strings.Cut(header, ": ")
	req.Header.Set(name, value)
	res, err := (&http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	defer res.Body.Close()
	if path != "/control/v1/events" && path != "/control/v1/audit/follow" {
		if _, err := io.Copy(io.Discard, res.Body); err != nil {
			c.t.Errorf("%s %s: %v", method, path, err)
		}
	}
	return res.StatusCode
}
