package daemon_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"corral/testkit"
	"corral/testkit/faults"
	"corral/testkit/raw"
)

// TestAColdLoadIsToldFromAHang: an Ollama whose first token does not come in time is given up, unless it says that it is loading
// the model (see Loading in provider/ollama for how it says so).
func TestAColdLoadIsToldFromAHang(t *testing.T) {
	ps := func(expires time.Time) string {
		return fmt.Sprintf(`{"models":[{"name":"big:latest","model":"big:latest","expires_at":%q}]}`, expires.Format(time.RFC3339Nano))
	}
	settled := time.Now().Add(time.Minute)
	cases := []struct {
		name   string
		ps     func() string // what /api/ps says; empty: nothing, ever
		answer bool          // it comes in the end
		want   string
	}{
		{"it is reading the model", func() string { return ps(time.Now().Add(time.Minute)) }, true, "model"},
		{"it makes room for the model", func() string { return `{"models":[]}` }, true, "model"},
		{"it has had the model for long", func() string { return ps(settled) }, true, "fallback:timeout"},
		{"it says nothing at all", func() string { return "" }, true, "fallback:timeout"},
		{"it never ends reading", func() string { return ps(time.Now().Add(time.Minute)) }, false, "fallback:timeout"},
	}
	paths := []string{"/api/chat", "/v1/chat/completions", "/v1/messages"}
	var providers, models strings.Builder
	for i, c := range cases {
		for j, path := range paths {
			loaded := make(chan struct{})
			var once sync.Once
			u := serve(t, func(conn net.Conn, r *http.Request, _ string) bool {
				if r.URL.Path == "/api/ps" {
					if c.answer { // longer than the first token may take, from the first look on
						once.Do(func() { time.AfterFunc(300*time.Millisecond, func() { close(loaded) }) })
					}
					if text := c.ps(); text != "" {
						return raw.Reply(conn, "application/json", text)
					}
					return raw.Closed(conn) == nil
				}
				gone := make(chan struct{})
				go func() { raw.Closed(conn); close(gone) }()
				select {
				case <-loaded:
				case <-gone:
					return false
				}
				for _, d := range dialectStreams {
					if d.path == path {
						raw.Begin(conn, d.contentType)
						raw.Chunk(conn, d.content+d.end)
						raw.End(conn)
					}
				}
				return false
			})
			fmt.Fprintf(&providers, "  - { name: p%d%d, kind: ollama, url: %q }\n", i, j, u.url)
			fmt.Fprintf(&models, "  - { name: m%[1]d%[2]d, targets: [ { provider: p%[1]d%[2]d, model: big }, { provider: survivor, model: tiny } ] }\n", i, j)
		}
	}
	corral := boot(t, fmt.Sprintf("providers:\n  - { name: survivor, kind: ollama, url: %q }\n%smodels:\n%stimeouts: { first_token: 200ms, idle: 1s, load: 1s }\n",
		survivorByHeart(t), providers.String(), models.String()))
	var wg sync.WaitGroup
	for i, c := range cases {
		for j, path := range paths {
			wg.Go(func() {
				began := time.Now()
				res, got, err := corral.try("POST", path, fmt.Sprintf(`{"model":"m%d%d","stream":true,"messages":[],"max_tokens":9}`, i, j))
				took := time.Since(began)
				if err != nil || res.StatusCode != http.StatusOK || res.Header.Get("Corral-Route") != c.want {
					t.Errorf("%s, %s: %v %v after %v, and not %s: %.200q", c.name, path, err, res, took, c.want, got)
				}
				if took < 200*time.Millisecond || took > 4*time.Second {
					t.Errorf("%s, %s: took %v", c.name, path, took)
				}
			})
		}
	}
	wg.Wait()
}

// TestARealColdLoad: the first token may take a twentieth of a second, the load of the model takes longer.
func TestARealColdLoad(t *testing.T) {
	ollama := testkit.Ollama(t)
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: local, kind: ollama, url: %q }
  - { name: survivor, kind: ollama, url: %q }
models: [ { name: chat, targets: [ { provider: local, model: tiny }, { provider: survivor, model: tiny } ] } ]
timeouts: { first_token: 50ms }
`, ollama.URL, survivorByHeart(t)))
	w := texts()[1]
	began := time.Now()
	res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat"))
	t.Logf("the model was loaded and told its story in %v", time.Since(began))
	if res.Header.Get("Corral-Provider") != "local" || w.complete(got) != "" {
		t.Errorf("%s by %s because of %s: %s", res.Status, res.Header.Get("Corral-Provider"), res.Header.Get("Corral-Route"), w.complete(got))
	}
}

// TestACallGoesToATargetThatCan: what a call needs is looked at before it is sent.
func TestACallGoesToATargetThatCan(t *testing.T) {
	show := map[string]string{
		"plain": `{"capabilities":["completion"],"model_info":{"general.architecture":"llama","llama.context_length":100}}`,
		"embed": `{"capabilities":["embedding"]}`,
		"all":   `{"capabilities":["completion","tools","vision"],"model_info":{"general.architecture":"llama","llama.context_length":100000}}`,
		"old":   `{}`,
	}
	var asked atomic.Int64
	u := serveBeside(t, map[string]string{"/api/tags": `{"models":[]}`}, func(c net.Conn, r *http.Request, body string) bool {
		if r.URL.Path == "/api/show" {
			asked.Add(1)
			for name, text := range show {
				if strings.Contains(body, name) {
					return raw.Reply(c, "application/json", text)
				}
			}
		}
		return raw.Reply(c, "application/json", `{"response":"ok","done":true}`)
	})
	yaml := fmt.Sprintf("providers: [ { name: local, kind: ollama, url: %q } ]\nmodels:\n", u.url)
	for _, first := range []string{"plain", "embed", "old"} {
		yaml += fmt.Sprintf("  - { name: from-%[1]s, targets: [ { provider: local, model: %[1]s }, { provider: local, model: all } ] }\n", first)
	}
	corral := boot(t, yaml)
	long := strings.Repeat("a horse ", 1000)
	for _, c := range []struct{ model, path, more, want string }{
		{"from-plain", "/api/chat", `"messages":[]`, "plain"},
		{"from-plain", "/api/chat", `"messages":[],"tools":[{"type":"function"}]`, "all"},
		{"from-plain", "/v1/messages", `"messages":[],"tools":[{"name":"x"}]`, "all"},
		{"from-plain", "/api/chat", `"messages":[{"role":"user","content":"x","images":["aaaa"]}]`, "all"},
		{"from-plain", "/v1/chat/completions", `"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}}]}]`, "all"},
		{"from-plain", "/api/generate", `"prompt":"` + long + `"`, "all"},
		{"from-plain", "/api/generate", `"prompt":"` + long + `","options":{"num_ctx":9000}`, "plain"},
		{"from-embed", "/api/generate", `"prompt":"x"`, "all"},
		{"from-embed", "/api/embed", `"input":"x"`, "embed"},
		{"from-old", "/api/chat", `"messages":[],"tools":[{"type":"function"}]`, "old"},
	} {
		res, got := corral.do("POST", c.path, fmt.Sprintf(`{"model":%q,"stream":false,%s}`, c.model, c.more))
		route := "model"
		if c.want == "all" {
			route = "capable"
		}
		if res.StatusCode != http.StatusOK || res.Header.Get("Corral-Model") != c.want || res.Header.Get("Corral-Route") != route {
			t.Errorf("%s %s %.60s: %s by %s because of %s: %s", c.path, c.model, c.more, res.Status, res.Header.Get("Corral-Model"), res.Header.Get("Corral-Route"), got)
		}
	}
	if n := asked.Load(); n != int64(len(show)) {
		t.Errorf("Ollama was asked %d times what its models can do", n)
	}
}

// TestPings: a caller who waits for a stream hears that it goes on, and fallback goes on behind that.
func TestPings(t *testing.T) {
	behind := survivorByHeart(t)
	answer, left := map[string]chan struct{}{}, make(chan error, 10)
	var pinged []way
	for _, w := range texts() {
		if w.stream && strings.HasPrefix(w.path, "/v1/") { // lines of JSON have no word for it
			pinged, answer[w.path] = append(pinged, w), make(chan struct{})
		}
	}
	slow := serve(t, func(c net.Conn, r *http.Request, body string) bool {
		if strings.Contains(body, `"leave"`) {
			left <- raw.Closed(c)
			return false
		}
		<-answer[r.URL.Path]
		raw.Begin(c, "text/event-stream")
		r.Body = io.NopCloser(strings.NewReader(body))
		byHeart(&recorded{c: c}, r)
		return raw.End(c)
	})
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: slow, kind: ollama, url: %q }
  - { name: hangs, kind: ollama, url: %q }
  - { name: survivor, kind: ollama, url: %q }
models:
  - { name: chat, targets: [ { provider: slow, model: m } ] }
  - { name: leaving, targets: [ { provider: slow, model: leave } ] }
  - { name: behind, targets: [ { provider: hangs, model: m }, { provider: survivor, model: m } ] }
  - { name: lost, targets: [ { provider: hangs, model: m }, { provider: hangs, model: n } ] }
timeouts: { ping: 30ms, first_token: 1s, whole: 5s, load: 0s }
`, slow.url, faults.New(t, behind, faults.HangBeforeHeaders).URL, behind)+never)
	var wg sync.WaitGroup
	for _, w := range pinged {
		wg.Go(func() { pingedThrough(t, corral, &w, answer[w.path], left) })
	}
	wg.Wait()
	if !eventually(func() bool {
		_, m := corral.do("GET", "/metrics", "")
		return strings.Contains(m, "corral_calls_in_flight 0\n") && strings.Contains(m, `corral_queue_running{provider="slow"} 0`)
	}) {
		t.Error("a call still holds its place")
	}
	if state := corral.breakerState("slow", "leave"); state != "0" {
		t.Errorf("the breaker is %s because callers left", state)
	}
}

// pingedThrough waits for an answer, leaves, waits for another target's answer, and for none.
func pingedThrough(t *testing.T, corral *running, w *way, answer chan struct{}, left chan error) {
	word := ": corral is waiting for the model\n\n"
	if w.path == "/v1/messages" {
		word = "event: ping\ndata: {\"type\": \"ping\"}\n\n"
	}
	// wait asks, hears three pings, does what is to be done then, and returns the rest without its pings.
	wait := func(model string, then func(leave func())) string {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		req, err := http.NewRequestWithContext(ctx, "POST", corral.url+w.path, strings.NewReader(fmt.Sprintf(w.body, model)))
		if err != nil {
			t.Error(err)
			return ""
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Error(err)
			return ""
		}
		defer res.Body.Close()
		got := make([]byte, 3*len(word))
		if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != strings.Repeat(word, 3) {
			t.Errorf("%s, %s: %v: %q", w.name, model, err, got)
		}
		if res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream") {
			t.Errorf("%s, %s: %s %v", w.name, model, res.Status, res.Header)
		}
		then(leave)
		rest, err := io.ReadAll(res.Body)
		if err != nil && ctx.Err() == nil {
			t.Errorf("%s, %s: %v", w.name, model, err)
		}
		return strings.ReplaceAll(string(rest), word, "")
	}
	if wrong := w.complete(wait("chat", func(func()) { close(answer) })); wrong != "" {
		t.Errorf("%s, after the pings: %s", w.name, wrong)
	}
	wait("leaving", func(leave func()) { leave() })
	if err := <-left; err != nil {
		t.Errorf("%s: the target's connection stayed open: %v", w.name, err)
	}
	if wrong := w.complete(wait("behind", func(func()) {})); wrong != "" {
		t.Errorf("%s, by another target behind the pings: %s", w.name, wrong)
	}
	got := wait("lost", func(func()) {})
	if !strings.HasPrefix(got, w.failed) || w.honest(got) || !strings.Contains(got, "hangs/m did not answer in time; hangs/n did not answer in time") {
		t.Errorf("%s, when all is lost: %q", w.name, got)
	}
}

// recorded writes an answer's body in chunks to a connection.
type recorded struct {
	c net.Conn
	h http.Header
}

func (w *recorded) Header() http.Header {
	if w.h == nil {
		w.h = http.Header{}
	}
	return w.h
}
func (w *recorded) WriteHeader(int) {}
func (w *recorded) Write(b []byte) (int, error) {
	raw.Chunk(w.c, string(b))
	return len(b), nil
}
