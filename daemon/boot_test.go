package daemon_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
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
	before := runtime.NumGoroutine()
	dir := t.TempDir()
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
			Config:  config.Source{Path: c.file, Explicit: true, Flags: map[string]string{"listen": "127.0.0.1:0"}},
			DataDir: c.dir, Version: "test", Level: &level, Reload: c.reload,
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
func eventually(cond func() bool) bool {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for {
		if cond() {
			return true
		}
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
}

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
	return serveBeside(t, map[string]string{"/api/tags": `{"models":[]}`, "/api/show": `{}`}, answer)
}

// serveBeside is serve, with what Corral itself is told when it asks beside the calls: which models there are, and what they
// can do.
func serveBeside(t testing.TB, told map[string]string, answer func(c net.Conn, r *http.Request, body string) bool) *upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &upstream{url: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				br := bufio.NewReader(c)
				for {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, err := io.ReadAll(r.Body)
					if err != nil {
						return
					}
					if text := told[r.URL.Path]; text != "" && strings.HasPrefix(r.UserAgent(), "ollama/") {
						reply(c, "application/json", text)
						continue
					}
					u.mu.Lock()
					u.got = append(u.got, r)
					u.mu.Unlock()
					if !answer(c, r, string(body)) {
						return
					}
				}
			})
		}
	})
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

func reply(c net.Conn, contentType, body string) bool {
	_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", contentType, len(body), body)
	return err == nil
}

// beginStream sends the head of a chunked answer, and chunk a piece of it.
func beginStream(c net.Conn, contentType string) {
	fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", contentType)
}

func chunk(c net.Conn, s string) { fmt.Fprintf(c, "%x\r\n%s\r\n", len(s), s) }

func endStream(c net.Conn) bool {
	_, err := io.WriteString(c, "0\r\n\r\n")
	return err == nil
}

// closed waits until the other side has closed c.
func closed(c net.Conn) error {
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := c.Read(make([]byte, 1))
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return err
	}
	return nil
}
