package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"corral/daemon/config"
	"corral/testkit"
	"corral/testkit/faults"
	"corral/testkit/raw"
)

// TestFallbackOff: who does not want another target gets the first one's own words, and no sentence of ours.
func TestFallbackOff(t *testing.T) {
	behind := survivorByHeart(t)
	limited, refused := faults.New(t, behind, faults.Limited), faults.New(t, behind, faults.Refuse)
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: survivor, kind: ollama, url: %q }
  - { name: limited, kind: openai, url: %q }
  - { name: refused, kind: ollama, url: %q }
models:
  - { name: slow-down, targets: [ { provider: limited, model: tiny }, { provider: survivor, model: tiny } ], last_resort: [ { static: "Away." } ] }
  - { name: gone, targets: [ { provider: refused, model: tiny }, { provider: survivor, model: tiny } ], last_resort: [ { static: "Away." } ] }
`, behind, limited.URL+"/v1", refused.URL)+quick+never)
	for _, w := range texts() {
		res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "slow-down"), "Corral-Fallback: off")
		if res.StatusCode != http.StatusTooManyRequests || !strings.Contains(got, "slow down") || res.Header.Get("Retry-After") != "120" {
			t.Errorf("%s: %s %q", w.name, res.Status, got)
		}
		res, got = corral.do("POST", w.path, fmt.Sprintf(w.body, "gone"), "corral-fallback: Off")
		if res.StatusCode != http.StatusBadGateway || !strings.Contains(got, "target_unreachable") || strings.Contains(got, "Away.") {
			t.Errorf("%s: %s %q", w.name, res.Status, got)
		}
	}
	if res, _ := corral.do("POST", "/api/chat", `{"model":"gone","messages":[]}`); res.Header.Get("Corral-Provider") != "survivor" {
		t.Errorf("without the header: %v", res.Header)
	}
}

// TestLastResortInEveryDialect: the sentence comes as an answer of the dialect, which its official client reads.
func TestLastResortInEveryDialect(t *testing.T) {
	const sentence = `The model is away; "please" try again.`
	away := faults.New(t, "", faults.Refuse)
	corral := boot(t, fmt.Sprintf(`
providers: [ { name: away, kind: openai, url: %q } ]
models: [ { name: chat, targets: [ { provider: away, model: x } ], last_resort: [ { static: %q } ] } ]
`, away.URL+"/v1", sentence)+quick)
	for _, w := range texts() {
		res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat"))
		if res.StatusCode != http.StatusOK || res.Header.Get("Corral-Route") != "static" || res.Header.Get("Corral-Provider") != "corral" || w.text(got) != sentence || !w.honest(got) {
			t.Errorf("%s: %s %v %q", w.name, res.Status, res.Header, got)
		}
		if !strings.Contains(got, `"corral":{"route":"static"}`) {
			t.Errorf("%s: nothing in the answer says that it is none of a model: %q", w.name, got)
		}
	}
	for _, w := range ways() {
		if !w.embed {
			continue
		}
		if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat")); res.StatusCode < 500 {
			t.Errorf("%s: %s %q, but a sentence is no vector", w.name, res.Status, got)
		}
	}

	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "no node on PATH")
	}
	clients, err := filepath.Abs("../testkit/clients")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(clients, "node_modules/.package-lock.json")); err != nil {
		testkit.Missing(t, "no node_modules: run npm ci in testkit/clients")
	}
	cmd := exec.CommandContext(t.Context(), node, "testdata/last_resort.mjs", "chat")
	cmd.Env = append(os.Environ(), "CLIENTS="+clients, "BASE="+corral.url)
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	for line := range strings.Lines(string(b)) {
		var v struct{ Way, Said string }
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		if read++; v.Said != sentence {
			t.Errorf("%s: the official client read %q", v.Way, v.Said)
		}
	}
	if read != len(texts()) {
		t.Errorf("the official clients asked in %d ways, not %d", read, len(texts()))
	}
}

// TestAllFailedNamesEachTargetAndNoKey: one error for all of them, in the caller's dialect.
func TestAllFailedNamesEachTargetAndNoKey(t *testing.T) {
	const key = "sk-very-secret-0123456789"
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(key+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var shown atomic.Int64
	echo := serve(t, func(c net.Conn, r *http.Request, _ string) bool { // says the key that it was shown, as some clouds do
		if strings.Contains(r.Header.Get("Authorization"), key) {
			shown.Add(1)
		}
		body := fmt.Sprintf(`{"error":{"message":"Incorrect API key provided: %s"}}`, strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		_, err := fmt.Fprintf(c, "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return err == nil
	})
	behind := survivorByHeart(t)
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: keyed, kind: openai, url: %q, key: "file:%s" }
  - { name: gone, kind: ollama, url: %q }
  - { name: hangs, kind: anthropic, url: %q, key: "file:%[2]s" }
  - { name: down, kind: gemini, url: %[5]q, key: "file:%[2]s" }
models: [ { name: chat, targets: [ { provider: keyed, model: a }, { provider: gone, model: b }, { provider: hangs, model: c }, { provider: down, model: d } ] } ]
`, echo.url+"/v1", file, faults.New(t, behind, faults.Refuse).URL, faults.New(t, behind, faults.HangBeforeHeaders).URL, faults.New(t, behind, faults.Unavailable).URL)+quick+never)
	ask := func(w way) {
		began := time.Now()
		res, got, err := corral.try("POST", w.path, fmt.Sprintf(w.body, "chat"))
		if err != nil {
			t.Errorf("%s: %v", w.name, err)
			return
		}
		if took := time.Since(began); took > 20*time.Second { // and not for ever
			t.Errorf("%s: took %v", w.name, took)
		}
		if res.StatusCode != http.StatusBadGateway && res.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("%s: %s", w.name, res.Status)
		}
		for _, want := range []string{"keyed/a does not accept the key", "gone/b cannot be reached", "hangs/c did not answer in time", "down/d failed (status 503)", res.Header.Get("X-Request-Id")} {
			if !strings.Contains(got, want) {
				t.Errorf("%s: no %q in %q", w.name, want, got)
			}
		}
		if strings.Contains(got, key) || strings.Contains(got, "Incorrect") {
			t.Errorf("%s: the key is told: %q", w.name, got)
		}
	}
	var wg sync.WaitGroup
	for _, w := range texts() {
		wg.Go(func() { ask(w) })
	}
	wg.Wait()
	if shown.Load() == 0 {
		t.Error("the key was not shown where it belongs")
	}
	if strings.Contains(corral.log.String(), key) {
		t.Error("the key is in the log")
	}
	if _, got := corral.do("GET", "/metrics", ""); strings.Contains(got, key) {
		t.Error("the key is in the metrics")
	}
}

// TestOfflineIsSeenAtOnce: a cloud whose name nobody knows, or that refuses connections, costs no timeout.
func TestOfflineIsSeenAtOnce(t *testing.T) {
	asked := nobodyKnows(t)
	clouds := "  - { name: unknown, kind: openai, url: \"https://cloud.corral.invalid/v1\" }\n  - { name: unknown-plain, kind: anthropic, url: \"http://cloud.corral.invalid\" }\n"
	names := []string{"unknown", "unknown-plain"}
	if addr := closedPort(t); addr != "" {
		clouds += fmt.Sprintf("  - { name: refuses, kind: openai, url: \"https://%s/v1\" }\n", addr)
		names = append(names, "refuses")
	}
	models := "models:\n"
	for _, name := range names {
		models += fmt.Sprintf("  - { name: to-%[1]s, targets: [ { provider: %[1]s, model: x }, { provider: local, model: tiny } ] }\n  - { name: only-%[1]s, targets: [ { provider: %[1]s, model: x } ] }\n", name)
	}
	corral := boot(t, fmt.Sprintf("providers:\n  - { name: local, kind: ollama, url: %q }\n", survivorByHeart(t))+clouds+models+`
timeouts: { connect: 30s, first_token: 30s, whole: 30s }
retry: { max_attempts: 3, base: 10ms }
cache: { exact: { when: off } }
`)
	for _, name := range names {
		for _, w := range texts() {
			began := time.Now()
			res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "to-"+name))
			if took := time.Since(began); took > 20*time.Second { // its timeouts are 30 s
				t.Errorf("%s, %s: took %v", name, w.name, took)
			}
			if route := res.Header.Get("Corral-Route"); route != "fallback:unreachable" && route != "fallback:open" || w.complete(got) != "" {
				t.Errorf("%s, %s: %s because of %s: %q", name, w.name, res.Status, route, got)
			}
			if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "only-"+name)); res.StatusCode < 502 || !strings.Contains(got, "target_unreachable") && !strings.Contains(got, "busy") {
				t.Errorf("only %s, %s: %s %q", name, w.name, res.Status, got)
			}
		}
	}
	if asked.Load() == 0 {
		t.Error("nobody was asked for the name")
	}
}

// nobodyKnows has a resolver of the test's own answer until the test ends, whatever this machine has: it knows no name. asked is
// how many it was asked for.
func nobodyKnows(t *testing.T) (asked *atomic.Int64) {
	t.Helper()
	if p, err := config.Proxy(&http.Request{URL: &url.URL{Scheme: "https", Host: "cloud.corral.invalid"}}); p != nil || err != nil {
		testkit.Missing(t, "the environment names a proxy (%v, %v), whose resolver would be asked", p, err)
	}
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Int64{}
	var wg sync.WaitGroup
	wg.Go(func() {
		for b := make([]byte, 512); ; {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if n < 12 {
				continue
			}
			asked.Add(1)
			b[2] |= 0x80         // an answer, to the question as it came
			b[3] = b[3]&0xF0 | 3 // NXDOMAIN: RFC 1035, section 4.1.1
			c.WriteTo(b[:n], from)
		}
	})
	machines := net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", c.LocalAddr().String())
	}}
	t.Cleanup(func() {
		net.DefaultResolver = machines
		c.Close()
		wg.Wait()
	})
	return asked
}

// closedPort is an address of this machine that is not loopback's, where nobody listens; empty if it has none.
func closedPort(t *testing.T) string {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return ""
	}
	for _, a := range addrs {
		ip, ok := a.(*net.IPNet)
		if !ok || ip.IP.IsLoopback() || ip.IP.To4() == nil {
			continue
		}
		l, err := net.Listen("tcp", net.JoinHostPort(ip.IP.String(), "0"))
		if err != nil {
			continue
		}
		defer l.Close()
		return l.Addr().String()
	}
	return ""
}

// TestLocalOnlyNeverLeaves: a config that would let such a name leave is not taken, and its calls stay when all is lost.
func TestLocalOnlyNeverLeaves(t *testing.T) {
	behind := survivorByHeart(t)
	cloud := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { return false })
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: one, kind: ollama, url: %q }
  - { name: two, kind: openai, url: %q }
  - { name: three, kind: openai, url: %q }
models:
  - { name: diary, local_only: true, targets: [ { provider: one, model: tiny }, { provider: two, model: tiny } ] }
`, faults.New(t, behind, faults.Reset).URL, behind+"/v1", cloud.url+"/v1")+quick)
	for _, w := range texts() {
		if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "diary")); res.Header.Get("Corral-Provider") != "two" || w.complete(got) != "" {
			t.Errorf("%s: %s %v %q", w.name, res.Status, res.Header, got)
		}
	}
	if n := len(cloud.requests()); n != 0 {
		t.Errorf("%d calls went where nothing was named", n)
	}
	corral.rewrite(`
providers:
  - { name: one, kind: ollama, url: "http://127.0.0.1:1" }
  - { name: away, kind: openai, url: "https://cloud.corral.invalid/v1" }
models:
  - { name: diary, local_only: true, targets: [ { provider: one, model: tiny }, { provider: away, model: tiny } ] }
`)
	s, err := corral.api().Status(t.Context())
	if err != nil || !strings.Contains(s.Config.Rejected, "local_only") {
		t.Errorf("%v: %+v", err, s.Config)
	}
}

// TestRetryAfterIsHonoured: a target that says when to come back is asked then, and not before; in seconds and as a date.
func TestRetryAfterIsHonoured(t *testing.T) {
	limited := func(after func() string) string {
		var calls atomic.Int64
		return serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
			if calls.Add(1) == 1 {
				_, err := fmt.Fprintf(c, "HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\nRetry-After: %s\r\nContent-Length: 2\r\n\r\n{}", after())
				return err == nil
			}
			return raw.Reply(c, "application/json", `{"response":"again","done":true}`)
		}).url
	}
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: seconds, kind: ollama, url: %q }
  - { name: date, kind: ollama, url: %q }
models:
  - { name: seconds, targets: [ { provider: seconds, model: m } ] }
  - { name: date, targets: [ { provider: date, model: m } ] }
retry: { base: 1ms, max: 10s }
`, limited(func() string { return "1" }), limited(func() string { return time.Now().Add(2 * time.Second).UTC().Format(http.TimeFormat) })))
	var wg sync.WaitGroup
	for _, model := range []string{"seconds", "date"} {
		wg.Go(func() {
			began := time.Now()
			res, got, err := corral.try("POST", "/api/generate", fmt.Sprintf(`{"model":%q,"stream":false}`, model))
			if took := time.Since(began); err != nil || !strings.Contains(got, "again") || took < 950*time.Millisecond || took > 20*time.Second {
				t.Errorf("%s: %v %v %q after %v", model, err, res, got, took)
			}
		})
	}
	wg.Wait()
}
