package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/testkit"
	"corral/testkit/raw"
)

// running is a whole Corral in this process.
type running struct {
	t        testing.TB
	url      string
	addr     string
	dir      string // data folder
	file     string // corral.yaml
	log      *logged
	reload   chan struct{}
	stop     context.CancelFunc
	finished chan struct{}
	err      error
}

// boot starts Corral on a free port with the text of a corral.yaml, and ends it with the test. Goroutines are counted.
func boot(t testing.TB, yaml string) *running {
	t.Helper()
	return bootAt(t, "127.0.0.1:0", t.TempDir(), yaml)
}

// bootAt is boot with an address of its own, and in a folder that another Corral may have left.
func bootAt(t testing.TB, addr, dir, yaml string) *running {
	t.Helper()
	return bootOn(t, nil, addr, dir, yaml)
}

// bootOn is bootAt on another machine than this one.
func bootOn(t testing.TB, m health.Reader, addr, dir, yaml string) *running {
	t.Helper()
	before := runtime.NumGoroutine()
	c := &running{t: t, dir: filepath.Join(dir, "data"), file: filepath.Join(dir, "corral.yaml"), log: &logged{}, reload: make(chan struct{}), finished: make(chan struct{})}
	if err := os.WriteFile(c.file, []byte(yaml), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	c.stop = stop
	listening := make(chan string, 1)
	var level slog.LevelVar
	go func() {
		defer close(c.finished)
		c.err = daemon.Run(ctx, daemon.Options{
			Config:  config.Source{Path: c.file, Explicit: true, Flags: map[string]string{"listen": addr}},
			DataDir: c.dir, Version: "test", Machine: m, Level: &level, Reload: c.reload,
			Log:       slog.New(slog.NewJSONHandler(c.log, &slog.HandlerOptions{Level: &level})),
			Listening: func(addr string) { listening <- addr },
		})
	}()
	select {
	case c.addr = <-listening:
	case <-c.finished:
		t.Fatal("corral did not start:", c.err)
	}
	c.url = "http://" + c.addr
	t.Cleanup(func() {
		c.stop()
		<-c.finished
		if c.err != nil {
			t.Error("corral ended with:", c.err)
		}
		http.DefaultClient.CloseIdleConnections()
		if !eventually(func() bool { return runtime.NumGoroutine() <= before+2 }) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
		if t.Failed() {
			t.Log(c.log.String())
		}
	})
	return c
}

// eventually waits for what another goroutine or process is about to do.
func eventually(done func() bool) bool { return testkit.Eventually(done) }

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// do sends one request and reads the whole answer.
func (c *running) do(method, path, body string, headers ...string) (*http.Response, string) {
	c.t.Helper()
	res, got, err := c.try(method, path, body, headers...)
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return res, got
}

func (c *running) try(method, path, body string, headers ...string) (*http.Response, string, error) {
	req, err := http.NewRequest(method, c.url+path, strings.NewReader(body))
	if err != nil {
		return nil, "", err
	}
	for _, h := range headers {
		k, v, _ := strings.Cut(h, ": ")
		if k == "Host" {
			req.Host = v
		} else {
			req.Header.Add(k, v)
		}
	}
	client := &http.Client{Timeout: 30 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, string(b), err
}

// token is the operator's.
func (c *running) token() string {
	c.t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "operator.token"))
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// upstream is a model server whose every byte the test decides.
type upstream struct {
	url string
	mu  sync.Mutex
	got []*http.Request // with their bodies read
}

// serve runs answer for each request that comes in. The connection is closed when answer returns false.
func serve(t testing.TB, answer func(c net.Conn, r *http.Request, body string) bool) *upstream {
	t.Helper()
	return serveBeside(t, map[string]string{"/api/tags": `{"models":[]}`, "/api/show": `{}`, "/v1/models": `{"data":[]}`}, answer)
}

// serveBeside is serve, with what Corral itself is told when it asks beside the calls: which models there are, and what they
// can do.
func serveBeside(t testing.TB, told map[string]string, answer func(c net.Conn, r *http.Request, body string) bool) *upstream {
	t.Helper()
	u := &upstream{}
	u.url = raw.Serve(t, func(c net.Conn, r *http.Request, body string) bool {
		if r.Header.Get("X-Request-Id") == "" { // no call
			if text := told[r.URL.Path]; text != "" {
				return raw.Reply(c, "application/json", text)
			}
			if r.URL.Path == "/api/experimental/aliases" {
				return raw.Reply(c, "application/json", `{"aliases":[]}`)
			}
		}
		u.mu.Lock()
		u.got = append(u.got, r)
		u.mu.Unlock()
		return answer(c, r, body)
	}).URL
	return u
}

func (u *upstream) requests() []*http.Request {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.got
}

// config is the config of a Corral in front of u, which is an Ollama.
func (u *upstream) config(more ...string) string {
	return fmt.Sprintf("providers:\n  - { name: local, kind: ollama, url: %q }\n%s", u.url, strings.Join(more, "\n"))
}
