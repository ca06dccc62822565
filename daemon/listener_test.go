package daemon_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"runtime/metrics"
	"strings"
	"testing"
	"time"

	"corral/testkit/raw"
)

const plainAnswer = `{"model":"m","response":"hello","done":true}`

// echo answers every call well.
func echo(t testing.TB) *upstream {
	return serve(t, func(c net.Conn, r *http.Request, body string) bool {
		return raw.Reply(c, "application/json", plainAnswer)
	})
}

func TestOnlyThisMachinesNamesAreAnswered(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("hosts: [ corral.lan ]"))
	port := corral.addr[strings.LastIndex(corral.addr, ":"):]
	for host, want := range map[string]int{
		"localhost": 200, "localhost" + port: 200, "LOCALHOST:1": 200, "127.0.0.1" + port: 200, "127.9.9.9": 200, "[::1]" + port: 200, "app.localhost": 200,
		"corral.lan": 200, "Corral.LAN:11435": 200, "host.docker.internal" + port: 200,
		"evil.example": 403, "evil.example" + port: 403, "127.0.0.1.evil.example": 403, "localhost.evil.example": 403, "evil-localhost": 403,
		"192.168.1.1": 403, "0.0.0.0": 403, "sub.corral.lan": 403, "[::ffff:10.0.0.1]": 403,
	} {
		for _, path := range []string{"/", "/api/tags", "/v1/models", "/metrics", "/control/v1/status"} {
			res, got := corral.do("GET", path, "", "Host: "+host)
			if refused := res.StatusCode == 403; refused != (want == 403) {
				t.Errorf("%s at host %s: %s %q", path, host, res.Status, got)
			}
		}
	}
}

func TestPagesElsewhereOnTheWebAreRefused(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("origins: [ \"https://app.example.org\" ]"))
	const body = `{"model":"m"}`
	for name, c := range map[string]struct {
		headers []string
		want    int
	}{
		"curl -d":                        {[]string{"Content-Type: application/x-www-form-urlencoded", "User-Agent: curl/8"}, 200},
		"a page on localhost":            {[]string{"Origin: http://localhost:3000", "Sec-Fetch-Site: same-site"}, 200},
		"a page on 127.0.0.1":            {[]string{"Origin: https://127.0.0.1", "Sec-Fetch-Site: cross-site"}, 200},
		"a configured page":              {[]string{"Origin: https://app.example.org", "Sec-Fetch-Site: cross-site"}, 200},
		"a desktop app":                  {[]string{"Origin: app://obsidian.md"}, 200},
		"another page":                   {[]string{"Origin: https://evil.example", "Sec-Fetch-Site: cross-site"}, 403},
		"another page, plain text":       {[]string{"Origin: https://evil.example", "Content-Type: text/plain"}, 403},
		"another page, a form":           {[]string{"Origin: https://evil.example", "Content-Type: application/x-www-form-urlencoded"}, 403},
		"a sandboxed page":               {[]string{"Origin: null"}, 403},
		"no origin, but a browser":       {[]string{"Sec-Fetch-Site: cross-site"}, 403},
		"the configured page over http":  {[]string{"Origin: http://app.example.org"}, 403},
		"a name that only begins so":     {[]string{"Origin: http://localhost.evil.example"}, 403},
		"a user in front of the name":    {[]string{"Origin: http://localhost@evil.example"}, 403},
		"a browser's own address, typed": {[]string{"Sec-Fetch-Site: none"}, 200},
	} {
		res, got := corral.do("POST", "/api/generate", body, c.headers...)
		if res.StatusCode != c.want {
			t.Errorf("%s: %s %q", name, res.Status, got)
		}
		origin := ""
		for _, h := range c.headers {
			if v, ok := strings.CutPrefix(h, "Origin: "); ok && c.want == 200 {
				origin = v
			}
		}
		if res.Header.Get("Access-Control-Allow-Origin") != origin {
			t.Errorf("%s: may be read by %q", name, res.Header.Get("Access-Control-Allow-Origin"))
		}
	}
	res, _ := corral.do("OPTIONS", "/api/chat", "", "Origin: http://localhost:3000", "Access-Control-Request-Method: POST", "Access-Control-Request-Headers: authorization,content-type")
	if res.StatusCode != 204 || res.Header.Get("Access-Control-Allow-Headers") != "authorization,content-type" || !strings.Contains(res.Header.Get("Access-Control-Allow-Methods"), "POST") {
		t.Errorf("preflight: %s %v", res.Status, res.Header)
	}
	if res, _ := corral.do("OPTIONS", "/api/chat", "", "Origin: https://evil.example", "Access-Control-Request-Method: POST"); res.StatusCode != 403 {
		t.Errorf("preflight from elsewhere: %s", res.Status)
	}
	if n := len(u.requests()); n != 6 {
		t.Errorf("%d calls reached the target, want the 6 that were allowed", n)
	}
}

func TestWhatIsNotTheTargetsBusinessStaysHere(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config())
	corral.do("POST", "/v1/messages?beta=true", `{"model":"m"}`, "X-Forwarded-For: 1.2.3.4", "X-Forwarded-Host: x", "Forwarded: for=1.2.3.4", "X-Real-Ip: 1.2.3.4", "Cookie: a=b",
		"Connection: X-Hop", "X-Hop: 1", "Proxy-Authorization: x", "Te: trailers", "Origin: http://localhost:1", "Corral-User: eve", "Accept-Encoding: br",
		"X-Api-Key: k", "Anthropic-Version: 2023-06-01", "Anthropic-Beta: tools", "Authorization: Bearer t", "X-Custom: kept", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
	r := u.requests()[0]
	for _, k := range []string{"X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-Ip", "Cookie", "X-Hop", "Proxy-Authorization", "Te", "Origin", "Corral-User", "Accept-Encoding"} {
		if v := r.Header.Get(k); v != "" {
			t.Errorf("%s: %q was passed on", k, v)
		}
	}
	for k, want := range map[string]string{"X-Api-Key": "k", "Anthropic-Version": "2023-06-01", "Anthropic-Beta": "tools", "Authorization": "Bearer t", "X-Custom": "kept", "Traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"} {
		if v := r.Header.Get(k); v != want {
			t.Errorf("%s: %q", k, v)
		}
	}
	if "http://"+r.Host != u.url || r.URL.RawQuery != "beta=true" {
		t.Errorf("host %q, query %q", r.Host, r.URL.RawQuery)
	}
}

func TestUpstreamRedirectsToAnotherHostAreRefused(t *testing.T) {
	to := ""
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		fmt.Fprintf(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s\r\nContent-Length: 0\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\n\r\n", to)
		return true
	})
	corral := boot(t, u.config())
	to = "http://evil.example/api/chat"
	if res, got := corral.do("POST", "/api/chat", `{"model":"m"}`); res.StatusCode != 502 || !strings.Contains(got, "another host") || res.Header.Get("Location") != "" {
		t.Errorf("%s %q", res.Status, got)
	}
	to = "/api/tags"
	res, _ := corral.do("GET", "/api/tags/", "")
	if res.StatusCode != 307 || res.Header.Get("Location") != "/api/tags" || res.Header.Get("Set-Cookie") != "" || res.Header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("%s %v", res.Status, res.Header)
	}
}

func TestBadInputIsAnswered(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("limits: { body: 1MiB }"))
	deep := `{"model":"m","x":` + strings.Repeat("[", 100000)
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		says               string
	}{
		"broken JSON, ollama":      {"POST", "/api/chat", `{"model":`, nil, 400, `{"error":"The request body is not valid JSON`},
		"broken JSON, openai":      {"POST", "/v1/chat/completions", `{"model":`, nil, 400, `{"error":{"message":"The request body is not valid JSON`},
		"broken JSON, anthropic":   {"POST", "/v1/messages", `{"model":`, nil, 400, `{"type":"error","error":{"type":"invalid_request_error"`},
		"an array":                 {"POST", "/api/chat", `[]`, nil, 400, "invalid_request"},
		"depth 100,000":            {"POST", "/api/chat", deep, nil, 400, "nested deeper than 10000"},
		"a large body":             {"POST", "/api/chat", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, "limits.body"},
		"a large body, anthropic":  {"POST", "/v1/messages", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, nil, 413, `"type":"request_too_large"`},
		"unknown place":            {"GET", "/nowhere", "", nil, 404, ""},
		"unknown encoding":         {"POST", "/api/chat", "x", []string{"Content-Encoding: br"}, 400, "gzip, zstd or none"},
		"no gzip":                  {"POST", "/api/chat", "x", []string{"Content-Encoding: gzip"}, 400, "gzip, zstd or none"},
		"no zstd":                  {"POST", "/api/chat", `{"model":"m"}`, []string{"Content-Encoding: zstd"}, 400, "is not the zstd"},
		"wrong method, own route":  {"POST", "/healthz", "", nil, 405, ""},
		"dots that lead elsewhere": {"GET", "/api/../control/v1/status", "", nil, 307, ""},
	} {
		res, got := corral.do(c.method, c.path, c.body, c.headers...)
		if res.StatusCode != c.status || !strings.Contains(got, c.says) {
			t.Errorf("%s: %s %.200q", name, res.Status, got)
		}
		if c.status >= 400 && strings.HasPrefix(c.path, "/api") && !strings.Contains(got, res.Header.Get("X-Request-Id")) {
			t.Errorf("%s: no request id in %q", name, got)
		}
	}
	if n := len(u.requests()); n != 0 {
		t.Errorf("%d of these calls reached the target", n)
	}
	// What the target itself should judge reaches it.
	for _, c := range [][2]string{{"GET", "/api/chat"}, {"PUT", "/v1/models"}, {"POST", "/api/unheard-of"}, {"GET", "/v1/files"}, {"DELETE", "/api/user/keys/abc"}} {
		if res, got := corral.do(c[0], c[1], ""); res.StatusCode != 200 {
			t.Errorf("%s %s: %s %q", c[0], c[1], res.Status, got)
		}
	}
}

func TestLargeHeadersAreRefused(t *testing.T) {
	u := echo(t)
	c, err := net.Dial("tcp", boot(t, u.config()).addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "GET /api/tags HTTP/1.1\r\nHost: localhost\r\nX-Large: %s", strings.Repeat("x", 64<<10+4096))
	answer := make([]byte, 12)
	if _, err := io.ReadFull(c, answer); err != nil || string(answer) != "HTTP/1.1 431" {
		t.Errorf("%v %q", err, answer)
	}
}

// heap is what this process's heap takes in bytes: unlike the resident memory, it does not count the race detector's own.
func heap() int64 {
	m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(m)
	return int64(m[0].Value.Uint64() + m[1].Value.Uint64())
}

func TestAnEndlessChunkedBodyCostsNoMemory(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config())
	c, err := net.Dial("tcp", corral.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	runtime.GC()
	before, most := heap(), int64(0)
	fmt.Fprintf(c, "POST /api/chat HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
	piece := append(append([]byte("100000\r\n"), bytes.Repeat([]byte(" "), 1<<20)...), "\r\n"...)
	sent := 0
	for ; sent < 1024; sent++ {
		c.SetWriteDeadline(time.Now().Add(5 * time.Second))
		if _, err := c.Write(piece); err != nil {
			break // the answer has come
		}
		most = max(most, heap())
	}
	answer := make([]byte, 12)
	c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if n, _ := io.ReadFull(c, answer); n == 12 && string(answer) != "HTTP/1.1 413" {
		t.Errorf("%q", answer)
	}
	if grown := most - before; grown > 64<<20 {
		t.Errorf("memory grew by %d MiB", grown>>20)
	}
	if sent > 100 {
		t.Errorf("%d MiB were taken in", sent)
	}
	if !strings.Contains(corral.log.String(), "request_too_large") {
		t.Error("the log has nothing of it")
	}
}

func TestHalfSentHeadersFromManyConnectionsDoNotKeepOthersOut(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config())
	var conns []net.Conn
	for range 2000 {
		c, err := net.Dial("tcp", corral.addr)
		if err != nil {
			t.Fatal("after", len(conns), "connections:", err)
		}
		conns = append(conns, c)
		fmt.Fprintf(c, "POST /api/chat HTTP/1.1\r\nHost: loc")
	}
	if res, got := corral.do("POST", "/api/generate", `{"model":"m"}`); res.StatusCode != 200 || got != plainAnswer {
		t.Errorf("%s %q", res.Status, got)
	}
	for _, c := range conns {
		c.Close()
	}
}

func TestConnectionsOverTheLimitAreClosedAtOnce(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("limits: { connections: 2 }"))
	var held []net.Conn
	for range 2 {
		c, err := net.Dial("tcp", corral.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		held = append(held, c)
	}
	third, err := net.Dial("tcp", corral.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	if err := raw.Closed(third); err != nil {
		t.Error(err)
	}
	held[0].Close()
	if !eventually(func() bool { _, _, err := corral.try("GET", "/healthz", ""); return err == nil }) {
		t.Error("a place that came free was not given again")
	}
}

func TestLimitsHold(t *testing.T) {
	enter, leave := make(chan struct{}, 8), make(chan struct{})
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		enter <- struct{}{}
		<-leave
		return raw.Reply(c, "application/json", plainAnswer)
	})
	corral := boot(t, u.config("limits: { concurrent: 1 }"))
	done := make(chan int)
	go func() { res, _ := corral.do("POST", "/api/generate", `{"model":"m"}`); done <- res.StatusCode }()
	<-enter
	res, got := corral.do("POST", "/v1/messages", `{"model":"m"}`)
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "1" || !strings.Contains(got, "overloaded_error") {
		t.Errorf("%s %q %q", res.Status, res.Header.Get("Retry-After"), got)
	}
	close(leave)
	if s := <-done; s != 200 {
		t.Error(s)
	}
	corral.rewrite(u.config("limits: { requests_per_minute: 2 }"))
	for i, want := range []int{200, 200, 429} {
		if res, got := corral.do("POST", "/api/generate", `{"model":"m"}`); res.StatusCode != want {
			t.Errorf("call %d: %s %q", i, res.Status, got)
		} else if want == 429 && res.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
}
