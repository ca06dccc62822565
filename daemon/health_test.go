package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/event"
	"corral/daemon/health"
	"corral/daemon/health/host"
	"corral/testkit"
	"corral/testkit/raw"
)

// someMachine is this one, but for the memory and the temperature that the test says.
type someMachine struct {
	*host.Host
	free    atomic.Uint64 // bytes of 100 GiB
	celsius atomic.Int64  // 0: no sensor
}

func newMachine(t *testing.T) *someMachine {
	m := &someMachine{Host: host.New(t.TempDir())}
	m.free.Store(50 << 30)
	return m
}

func (m *someMachine) Memory(context.Context) (*host.Memory, error) {
	return &host.Memory{Total: 100 << 30, Available: m.free.Load()}, nil
}

func (m *someMachine) Temperature(context.Context) (*host.Temperature, error) {
	if c := m.celsius.Load(); c > 0 {
		return &host.Temperature{Celsius: float64(c), Sensor: "cpu"}, nil
	}
	return nil, host.Absent("this machine shows no temperature sensor")
}

// under waits until the Corral says that it is under that pressure; empty: none.
func (c *running) under(kind string) admin.Health {
	c.t.Helper()
	var h admin.Health
	if !eventually(func() bool {
		var err error
		if h, err = c.api().Health(context.Background()); err != nil {
			c.t.Fatal(err)
		}
		return h.Pressure == kind
	}) {
		c.t.Fatalf("pressure %q, and not %q: %+v", h.Pressure, kind, h.Conditions)
	}
	return h
}

func condition(list []health.Condition, name string) health.Condition {
	for _, c := range list {
		if c.Name() == name {
			return c
		}
	}
	return health.Condition{}
}

// TestShortOfMemory: what is done about it, with a real Ollama.
func TestShortOfMemory(t *testing.T) {
	ollama := testkit.Ollama(t)
	ollama.CreateSlowModel("slow")
	yaml := fmt.Sprintf(`
providers:
  - { name: local, kind: ollama, url: %q }
  - { name: other, kind: openai, url: %q }
models:
  - { name: chat, targets: [ { provider: local, model: tiny-v2 }, { provider: other, model: x } ] }
  - { name: only, targets: [ { provider: local, model: tiny-v2 } ] }
  - { name: last, targets: [ { provider: local, model: tiny-v2 } ], last_resort: [ { static: "No room." } ] }
`, ollama.URL, serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"from elsewhere"},"finish_reason":"stop"}]}`)
	}).url+"/v1")
	m := newMachine(t)
	m.free.Store(3 << 30)
	ask := func(c *running, model string, headers ...string) (*http.Response, string) {
		return c.do("POST", "/api/generate", fmt.Sprintf(`{"model":%q,"prompt":"x","stream":false}`, model), headers...)
	}

	// Whoever loads a model past Corral does so; Corral lets go of it, since no call of its own uses it.
	if res, err := http.Post(ollama.URL+"/api/generate", "application/json", strings.NewReader(`{"model":"tiny"}`)); err != nil {
		t.Fatal(err)
	} else {
		res.Body.Close()
	}
	corral := bootOn(t, m, "127.0.0.1:0", t.TempDir(), yaml)
	h := corral.under("memory")
	if !slices.Equal(h.Actions, []string{"refuse-load", "shrink-cache", "lower-concurrency", "unload-idle", "prefer-smaller"}) {
		t.Errorf("actions: %q", h.Actions)
	}
	if c := condition(h.Conditions, "memory"); c.Severity != health.Warning || c.Text != "3.0 GiB of 100.0 GiB could be had" || c.Do == "" {
		t.Errorf("%+v", c)
	}
	if !eventually(func() bool {
		return strings.Contains(corral.log.String(), `"msg":"a model that nobody used was let go`)
	}) {
		t.Error("a model that nobody used stays in memory")
	}

	// The first model may be loaded, and another in its place once it is idle.
	if res, body := ask(corral, "tiny"); res.StatusCode != 200 {
		t.Errorf("the first: %s %s", res.Status, body)
	}
	// A caller has its answer a moment before its model counts as idle.
	var res *http.Response
	var body string
	if !eventually(func() bool {
		res, body = ask(corral, "only")
		return res.StatusCode == 200 && res.Header.Get("Corral-Model") == "tiny-v2"
	}) {
		t.Errorf("another in place of an idle one: %s %s", res.Status, body)
	}
	if got := get(t, ollama.URL+"/api/ps"); strings.Contains(got, `"tiny:latest"`) || !strings.Contains(got, `"tiny-v2:latest"`) {
		t.Errorf("in memory: %s", got)
	}

	// While one works, no second one is loaded.
	if !eventually(func() bool { res, body = ask(corral, "embed"); return res.StatusCode != 503 }) {
		t.Errorf("an idle model made no room: %s", body)
	}
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "POST", corral.url+"/api/generate", strings.NewReader(`{"model":"slow","prompt":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stream.Body).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	res, body = ask(corral, "only")
	if res.StatusCode != 503 || res.Header.Get("Retry-After") != "20" || !strings.Contains(body, "no second model is loaded while memory is short on this machine") {
		t.Errorf("a second one: %s %v %s", res.Status, res.Header, body)
	}
	res, body = ask(corral, "chat")
	if res.StatusCode != 200 || res.Header.Get("Corral-Route") != "pressure:memory" || res.Header.Get("Corral-Provider") != "other" || !strings.Contains(body, "from elsewhere") {
		t.Errorf("a second one, and another target: %s %v %s", res.Status, res.Header, body)
	}
	if res, body = ask(corral, "chat", "Corral-Fallback: off"); res.StatusCode != 503 {
		t.Errorf("a second one, and nobody else is wanted: %s %s", res.Status, body)
	}
	if res, body = ask(corral, "last"); res.StatusCode != 200 || res.Header.Get("Corral-Route") != "static" {
		t.Errorf("a second one, and a last resort: %s %v %s", res.Status, res.Header, body)
	}
	_, queues, err := corral.api().Targets(t.Context())
	if err != nil || len(queues) == 0 || queues[0].Provider != "local" || queues[0].Concurrent != 1 {
		t.Errorf("queues: %+v %v", queues, err)
	}
	if _, body := corral.do("GET", "/metrics", ""); !strings.Contains(body, "corral_pressure{kind=\"memory\"} 1\n") || !strings.Contains(body, "corral_condition{code=\"memory\",severity=\"warning\"} 1\n") ||
		!strings.Contains(body, "corral_host_memory_available_bytes 3221225472\n") || strings.Contains(body, "corral_host_temperature_celsius") {
		t.Error("the metrics do not tell, or tell what is not there")
	}
	until(t, corral.follow(client.EventOptions{After: "0"}), "that memory is short", func(e event.Condition) bool {
		return e.Code == "memory" && e.Severity == "warning" && e.Was == "ok"
	})

	// What counts as short is a matter of the config.
	corral.rewrite(yaml + "health: { min_free_memory: 0 }\n")
	corral.under("")
	if res, body = ask(corral, "only"); res.StatusCode != 200 {
		t.Errorf("a second model after that: %s %s", res.Status, body)
	}
	if _, queues, err = corral.api().Targets(t.Context()); err != nil || queues[0].Concurrent != 256 {
		t.Errorf("queues after that: %+v %v", queues, err)
	}
	leave()
	stream.Body.Close()
}

func get(t *testing.T, url string) string {
	t.Helper()
	res, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTooHot: a smaller model, or the cloud where that is asked for, in the order of the config.
func TestTooHot(t *testing.T) {
	tags := `{"models":[{"name":"big:latest","size":9000},{"name":"small:latest","size":100}]}`
	u := serveBeside(t, map[string]string{"/api/tags": tags, "/api/show": `{}`, "/api/ps": `{"models":[]}`, "/api/version": `{"version":"0.17.4"}`}, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"response":"ok","done":true}`)
	})
	yaml := u.config("models: [ { name: chat, targets: [ { provider: local, model: big }, { provider: local, model: small } ] } ]", "")
	m := newMachine(t)
	m.celsius.Store(97)
	corral := bootOn(t, m, "127.0.0.1:0", t.TempDir(), yaml+"health: { pressure: [ prefer-smaller ] }\n")
	route := func(want, model string) {
		t.Helper()
		res, body := corral.do("POST", "/api/generate", `{"model":"chat","prompt":"x","stream":false}`)
		if res.StatusCode != 200 || res.Header.Get("Corral-Route") != want || res.Header.Get("Corral-Model") != model {
			t.Errorf("%s %v %s, want %s by %s", res.Status, res.Header, body, want, model)
		}
	}
	h := corral.under("heat")
	if c := condition(h.Conditions, "temperature"); c.Severity != health.Warning || c.Text != "97 °C at cpu" {
		t.Errorf("%+v", c)
	}
	route("pressure:heat", "small")
	corral.rewrite(yaml + "health: { pressure: [ off ] }\n")
	if !eventually(func() bool {
		h, err := corral.api().Health(t.Context())
		return err == nil && slices.Equal(h.Actions, []string{"off"})
	}) {
		t.Error("a change of health.pressure is not taken over")
	}
	route("model", "big")
}

// TestConditionsOfModels: what the config names and the server has, holds or lacks.
func TestConditionsOfModels(t *testing.T) {
	u := serveBeside(t, map[string]string{"/api/tags": `{"models":[{"name":"there:latest","size":9},{"name":"loaded:latest","size":9}]}`, "/api/show": `{}`,
		"/api/ps": `{"models":[{"name":"loaded:latest","size":9,"expires_at":"2100-01-01T00:00:00Z"}]}`, "/api/version": `{"version":"0.17.4"}`},
		func(c net.Conn, r *http.Request, _ string) bool { return raw.Reply(c, "application/json", `{}`) })
	corral := bootOn(t, newMachine(t), "127.0.0.1:0", t.TempDir(), u.config(`
  - { name: gone, kind: ollama, url: "http://127.0.0.1:1" }
models:
  - name: chat
    targets: [ { provider: local, model: there }, { provider: local, model: loaded }, { provider: local, model: missing }, { provider: gone, model: there }, { provider: local, model: "x:cloud" } ]
cache: { similar: { model: alike, provider: local } }
`))
	h, err := corral.api().Health(t.Context())
	eventually(func() bool { // each source has been looked at once; what they say is judged below
		h, err = corral.api().Health(t.Context())
		return err != nil || strings.Contains(fmt.Sprint(condition(h.Conditions, "temperature")), "no temperature sensor")
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"provider local":              "ok  ",
		"provider gone":               "warning  ollama serve",
		"model-present local/there":   "ok  ",
		"model-present local/missing": "warning  corral models pull missing --provider local",
		"model-present local/alike":   "warning  corral models pull alike --provider local",
		"model-present gone/there":    "ok the server cannot be asked ",
		"model-present local/x:cloud": "ok  ",
		"model-loaded local/loaded":   "ok  ",
		"model-loaded local/there":    "notice  corral models load there --provider local",
		"model-loaded local/missing":  "ok model-present local/missing must be well first ",
		"temperature":                 "ok this machine shows no temperature sensor ",
		"memory":                      "ok  ",
		"ledger":                      "ok  ",
		"config":                      "ok  ",
	} {
		c := condition(h.Conditions, name)
		if got := fmt.Sprintf("%s %s %s", c.Severity, c.Absent, c.Do); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if h.Severity != health.Warning || !h.Ready || h.Machine.Temperature != nil || h.Machine.Absent["temperature"] == "" || h.Machine.Memory == nil {
		t.Errorf("%+v", h)
	}
	for _, r := range u.requests() {
		t.Errorf("the server was asked %s %s", r.Method, r.URL)
	}
}

// TestTheCacheShrinks: what is kept in memory is given up while memory is short, and the bound is as before after that.
func TestTheCacheShrinks(t *testing.T) {
	long := strings.Repeat("a horse ", 1000) // 8 kB
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"model":"m","response":"`+long+`","done":true,"done_reason":"stop"}`)
	})
	yaml := func(free string) string {
		return u.config("cache: { exact: { when: always, max_bytes: 128KiB }, max_file: 0 }", "health: { min_free_memory: "+free+" }")
	}
	m := newMachine(t)
	m.free.Store(1 << 30)
	corral := bootOn(t, m, "127.0.0.1:0", t.TempDir(), yaml("0"))
	hits := func() (n int) {
		for i := range 8 {
			res, body := corral.do("POST", "/api/generate", fmt.Sprintf(`{"model":"m","prompt":"%d","stream":false}`, i))
			if res.StatusCode != 200 {
				t.Fatal(body)
			}
			if strings.Contains(res.Header.Get("Cache-Status"), "hit") {
				n++
			}
		}
		return n
	}
	hits()
	if n := hits(); n != 8 {
		t.Fatalf("%d hits at the start", n)
	}
	corral.rewrite(yaml("5%"))
	corral.under("memory")
	hits()
	if n := hits(); n > 2 {
		t.Errorf("%d hits while memory is short", n)
	}
	corral.rewrite(yaml("0"))
	corral.under("")
	hits()
	if n := hits(); n != 8 {
		t.Errorf("%d hits after that", n)
	}
}

// Nobody calls the target: the breaker's time ends all the same, for metrics and health too.
func TestABreakerWhoseTimeIsOverNeedsNobody(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("breaker: { open_for: 1s }"))
	corral.do("POST", "/api/generate", `{"model":"m"}`)
	of := func() (c health.Condition) {
		t.Helper()
		h, err := corral.api().Health(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if i := slices.IndexFunc(h.Conditions, func(c health.Condition) bool { return c.Code == health.Breaker }); i >= 0 {
			c = h.Conditions[i]
		}
		return c
	}
	targets, _, err := corral.api().Targets(context.Background())
	if err != nil || len(targets) != 1 {
		t.Fatal(targets, err)
	}
	if err := corral.api().Breaker(context.Background(), admin.Breaker{Provider: targets[0].Provider, Model: targets[0].Model, Action: "open"}); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { return corral.breakerState(targets[0].Provider, targets[0].Model) == "2" }) {
		t.Errorf("the metric stays at %s", corral.breakerState(targets[0].Provider, targets[0].Model))
	}
	if c := of(); c.Severity != health.Notice || !strings.HasPrefix(c.Text, "half-open: opened by hand; ") {
		t.Errorf("%+v", c)
	}
}
