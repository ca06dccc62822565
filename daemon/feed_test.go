package daemon_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"corral/daemon/client"
	"corral/daemon/event"
	"corral/store/ledger/record"
	"corral/testkit"
	"corral/testkit/raw"
)

// heard is what somebody who follows the feed has been told.
type heard struct {
	mu   sync.Mutex
	list []event.Told
}

// follow reads the feed until the test is over.
func (c *running) follow(o client.EventOptions) *heard {
	c.t.Helper()
	h := &heard{}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	api := c.api()
	wg.Go(func() {
		for x, err := range api.Events(ctx, o) {
			if err != nil {
				c.t.Error(err)
				return
			}
			h.mu.Lock()
			h.list = append(h.list, x)
			h.mu.Unlock()
		}
	})
	c.t.Cleanup(func() { stop(); wg.Wait() })
	return h
}

func (h *heard) events() []event.Told {
	h.mu.Lock()
	defer h.mu.Unlock()
	return append([]event.Told(nil), h.list...)
}

// until waits for an event that fits, and returns it.
func until[E event.Event](t *testing.T, h *heard, what string, fits func(E) bool) (found E) {
	t.Helper()
	if !eventually(func() bool {
		for _, x := range h.events() {
			if e, ok := x.Event.(E); ok && fits(e) {
				found = e
				return true
			}
		}
		return false
	}) {
		b, _ := json.Marshal(h.events())
		t.Fatalf("the feed does not tell: %s\n%s", what, b)
	}
	return found
}

// TestTheFeedTellsOfARealOutage: Ollama dies and comes back.
func TestTheFeedTellsOfARealOutage(t *testing.T) {
	ollama := testkit.Ollama(t)
	corral := boot(t, fmt.Sprintf(`
providers:
  - { name: local, kind: ollama, url: %q }
models:
  - { name: chat, targets: [ { provider: local, model: tiny } ], last_resort: [ { static: "It is away." } ] }
retry: { max_attempts: 2, base: 1ms, max: 10ms }
breaker: { failures: 2, open_for: 1s }
`, ollama.URL))
	h := corral.follow(client.EventOptions{After: "0"})
	ask := func() (*http.Response, string) {
		return corral.do("POST", "/api/chat", `{"model":"chat","stream":false,"options":{"num_predict":4},"messages":[{"role":"user","content":"hi"}]}`, "Corral-User: alice")
	}
	res, _ := ask()
	id := res.Header.Get("X-Request-Id")
	ok := until(t, h, "the call", func(e event.Call) bool { return e.RequestID == id })
	if ok.Status != 200 || ok.Provider != "local" || ok.Answered != "tiny" || ok.User != "alice" || ok.TokensOut <= 0 || ok.MS <= 0 || ok.Attempts != 1 {
		t.Errorf("%+v", ok)
	}
	ollama.Kill()
	for range 3 {
		ask()
	}
	corral.do("GET", "/readyz", "")
	until(t, h, "the retry", func(e event.Retry) bool { return e.Provider == "local" && e.Cause == "unreachable" })
	until(t, h, "the fallback", func(e event.Fallback) bool { return e.Provider == "local" && e.ToProvider == "corral" })
	open := until(t, h, "the breaker that opens", func(e event.Breaker) bool { return e.To == "open" })
	if open.Provider != "local" || open.Model != "tiny" || open.From != "closed" || open.Why == "" {
		t.Errorf("%+v", open)
	}
	until(t, h, "the last resort", func(e event.Call) bool { return e.Flags&record.LastResort != 0 })
	until(t, h, "the provider that is away", func(e event.Provider) bool { return !e.Reachable && e.Problem != "" })
	ollama.Start()
	if !eventually(func() bool { res, _ := ask(); return res.Header.Get("Corral-Provider") == "local" }) {
		t.Fatal("Ollama is not asked again")
	}
	until(t, h, "the breaker that lets a probe through", func(e event.Breaker) bool { return e.To == "half-open" })
	until(t, h, "the breaker that closes", func(e event.Breaker) bool { return e.To == "closed" })
	if !eventually(func() bool {
		corral.do("GET", "/readyz", "")
		return strings.Contains(corral.metricsText(), "corral_feed_readers 1")
	}) {
		t.Error("the metrics do not count the reader")
	}
	until(t, h, "the provider that is back", func(e event.Provider) bool { return e.Reachable })
}

func (c *running) metricsText() string {
	_, got := c.do("GET", "/metrics", "")
	return got
}

func TestTheFeedTellsOfConfigAndLongWork(t *testing.T) {
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"done":true}`)
	})
	corral := boot(t, up.config("retry: { max_attempts: 2 }"))
	h := corral.follow(client.EventOptions{After: "0"})
	until(t, h, "the start", func(e event.Service) bool { return e.State == "listening" && e.Address == corral.addr })
	corral.rewrite("retry: { max_attempts: 99 }")
	until(t, h, "the config that is refused", func(e event.Config) bool { return !e.InForce && strings.Contains(e.Why, "max_attempts") })
	corral.rewrite(up.config("retry: { max_attempts: 3 }\naudit: { content: encrypted }"))
	until(t, h, "the config that waits", func(e event.Config) bool { return e.InForce && strings.Join(e.NeedsRestart, " ") == "audit" })

	for range 3 {
		corral.do("POST", "/api/chat", `{"model":"m","messages":[]}`)
	}
	if _, err := corral.api().Verify(t.Context(), func(done, total uint64) {}); err != nil {
		t.Fatal(err)
	}
	done := until(t, h, "the verification", func(e event.Progress) bool { return e.Task == "verify" && e.State == "done" })
	if done.Done < 1 || done.Total != done.Done || done.Unit != "entries" {
		t.Errorf("%+v", done)
	}
	file := filepath.Join(t.TempDir(), "b.tar")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := corral.api().Backup(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	size, err := f.Seek(0, 1)
	if err != nil {
		t.Fatal(err)
	}
	until(t, h, "the backup", func(e event.Progress) bool {
		return e.Task == "backup" && e.State == "done" && e.Done == uint64(size) && e.Unit == "bytes"
	})
	if _, err := corral.api().Restore(t.Context(), strings.NewReader("no tar")); err == nil {
		t.Fatal("restored")
	}
	until(t, h, "the restore", func(e event.Progress) bool { return e.Task == "restore" && e.State == "failed" && e.Why != "" })
}

func TestTheFeedTellsOfABudget(t *testing.T) {
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000}}`)
	})
	corral := boot(t, fmt.Sprintf(`
providers: [ { name: cloud, kind: openai, url: %q } ]
prices: { models: [ { model: dear, input: 1, output: 1 } ] }
budgets: [ { per: day, usd: 0.002, then: warn, scope: user } ]
`, up.url+"/v1"))
	h := corral.follow(client.EventOptions{Types: []string{"budget"}, After: "0"})
	corral.do("POST", "/v1/chat/completions", `{"model":"dear","max_tokens":1000,"messages":[{"role":"user","content":"hi"}]}`, "Corral-User: alice")
	e := until(t, h, "the budget", func(event.Budget) bool { return true })
	if e.State != "used up" || e.Scope != "user" || e.Who != "alice" || e.Spent != 2_000_000 || e.Limit != 2_000_000 || e.Then != "warn" || e.Until.IsZero() {
		t.Errorf("%+v", e)
	}
}

// TestTheFeedGoesOnAfterARestart: the reader is still there when Corral stops and starts again on the same address.
func TestTheFeedGoesOnAfterARestart(t *testing.T) {
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"done":true}`)
	})
	addr := testkit.FreeAddr(t)
	first := bootAt(t, addr, t.TempDir(), up.config())
	broken := make(chan error, 10)
	h := first.follow(client.EventOptions{Types: []string{"call", "service"}, Broken: func(err error) { broken <- err }})
	if !eventually(func() bool { return strings.Contains(first.metricsText(), "corral_feed_readers 1") }) {
		t.Fatal("nobody follows")
	}
	first.do("POST", "/api/chat", `{"model":"before"}`)
	until(t, h, "a call", func(e event.Call) bool { return e.Model == "before" })
	first.stop()
	<-first.finished
	until(t, h, "the end", func(e event.Service) bool { return e.State == "stopping" })
	<-broken
	second := bootAt(t, addr, filepath.Dir(first.dir), up.config())
	second.do("POST", "/api/chat", `{"model":"after"}`)
	until(t, h, "a gap", func(e event.Gap) bool { return e.Why == "restarted" && e.Do != "" })
	until(t, h, "the start", func(e event.Service) bool { return e.State == "listening" })
	until(t, h, "a call after it", func(e event.Call) bool { return e.Model == "after" })
	seen := map[string]bool{}
	for _, x := range h.events() {
		if seen[x.ID.String()] {
			t.Errorf("%s was told twice", x.ID)
		}
		seen[x.ID.String()] = true
	}
}

func TestManyFollowTheFeed(t *testing.T) {
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"done":true}`)
	})
	corral := boot(t, up.config())
	var all []*heard
	for range 100 {
		all = append(all, corral.follow(client.EventOptions{Types: []string{"call"}}))
	}
	if !eventually(func() bool { return strings.Contains(corral.metricsText(), "corral_feed_readers 100") }) {
		t.Fatal("they are not all there")
	}
	for i := range 20 {
		corral.do("POST", "/api/chat", fmt.Sprintf(`{"model":"m%d"}`, i))
	}
	for _, h := range all {
		until(t, h, "the last call", func(e event.Call) bool { return e.Model == "m19" })
		if n := len(h.events()); n != 20 {
			t.Errorf("%d events", n)
		}
	}
}

func TestTheClientSaysWhyThereIsNoFeed(t *testing.T) {
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { return raw.Reply(c, "application/json", `{}`) })
	corral := boot(t, up.config())
	for _, c := range []struct {
		o    client.EventOptions
		says string
	}{{client.EventOptions{Types: []string{"cull"}}, "no such type"}, {client.EventOptions{After: "yesterday"}, "no id of the feed"}} {
		n := 0
		for _, err := range corral.api().Events(t.Context(), c.o) {
			if n++; err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
		}
		if n != 1 {
			t.Errorf("%d times", n)
		}
	}
}
