package ollama

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
)

func TestAModelIsFoundByEachOfItsNames(t *testing.T) {
	l := &list{models: map[string]entry{"tiny:latest": {digest: "a"}, "assistant:latest": {digest: "b", away: "big.example"}, "host:5000/a/m:7b": {digest: "c"}},
		aliases: []alias{{Alias: "helper", Target: "assistant"}, {Alias: "second", Target: "helper:latest"}, {Alias: "tiny", Target: "assistant"},
			{Alias: "claude-", Target: "tiny", Prefix: true}, {Alias: "claude-opus", Target: "assistant", Prefix: true},
			{Alias: "a", Target: "b"}, {Alias: "b", Target: "a"}, {Alias: "far", Target: "glm:cloud"}}}
	for _, c := range []struct {
		name, digest, away string
		known              bool
	}{
		{"tiny", "a", "", true}, // a model has its name before an alias
		{"TINY:Latest", "a", "", true},
		{"library/tiny", "a", "", true},
		{"registry.ollama.ai/library/tiny:latest", "a", "", true},
		{"host:5000/a/m:7b", "c", "", true},
		{"tiny:7b", "", "", false},
		{"assistant", "b", "big.example", true},
		{"library/Assistant", "b", "big.example", true},
		{"helper", "b", "big.example", true},
		{"second", "b", "big.example", true},
		{"claude-haiku", "a", "", true},
		{"Claude-Opus-5", "b", "big.example", true},
		{"a", "", "", false}, // they go in a ring
		{"far", "", ollamaCloud, false},
		{"gpt-oss:120b-Cloud", "", ollamaCloud, false},
		{"no such name!", "", "", false},
		{"", "", "", false},
	} {
		if e, known := l.of(c.name); e.digest != c.digest || e.away != c.away || known != c.known {
			t.Errorf("%s: %+v %v", c.name, e, known)
		}
	}
}

func TestHostsOfRemoteModels(t *testing.T) {
	for address, want := range map[string]string{
		"https://ollama.com:443":  "ollama.com",
		"https://ollama.com":      "ollama.com",
		"http://box.lan:80":       "box.lan",
		"http://box.lan:11434":    "box.lan:11434",
		"http://[fd00::1]:80/":    "fd00::1",
		"http://127.0.0.1:11435":  "",
		"http://localhost:11435":  "",
		"no address":              ollamaCloud,
		"http://bad.example:8x/y": ollamaCloud,
	} {
		if got := hostOf(address); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}

// talker is a server whose word on the model m changes.
type talker struct {
	asked int
	away  string
	err   error
	hang  bool
	slow  time.Duration
	at    func() // before it answers
}

func (x *talker) fetch(ctx context.Context) (*list, error) {
	x.asked++
	if x.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	away, err := x.away, x.err
	if x.at != nil {
		x.at()
	}
	time.Sleep(x.slow)
	if err != nil {
		return nil, err
	}
	return &list{models: map[string]entry{"m:latest": {digest: "d", away: away}}}, nil
}

// took is the time that f takes.
func took(f func()) time.Duration {
	began := time.Now()
	f()
	return time.Since(began)
}

func TestWhatTheCatalogTellsIsAsOldAsItMayBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &talker{slow: 10 * time.Millisecond}
		c := &catalog{fetch: server.fetch}
		defer c.close()
		check := func(what string, ask func(context.Context, string) (entry, error), name, away string, asked int, wait time.Duration) {
			t.Helper()
			var e entry
			var err error
			took := took(func() { e, err = ask(t.Context(), name) })
			synctest.Wait()
			if err != nil || e.away != away || server.asked != asked || took != wait {
				t.Errorf("%s: %+v %v after %v, asked %d times", what, e, err, took, server.asked)
			}
		}
		sure := func(ctx context.Context, name string) (entry, error) { return c.sure(ctx, name, time.Now()) }

		check("at first", c.known, "m", "", 1, server.slow)
		check("again", c.known, "m", "", 1, 0)
		server.away = "far"
		check("to be sure, at once", sure, "m", "", 1, 0)
		time.Sleep(catalogSure + 1)
		check("to be sure", sure, "m", "far", 2, server.slow)
		check("then", c.known, "m", "far", 2, 0)
		server.away = ""
		time.Sleep(catalogSure + 1)
		check("one who needs not be sure", c.known, "m", "far", 3, 0) // and asks beside
		time.Sleep(server.slow + 1)
		check("the next", c.known, "m", "", 3, 0)
		check("a name that is not there", c.known, "n", "", 3, 0)
		time.Sleep(catalogSure + 1)
		check("nor later", c.known, "n", "", 4, server.slow)
		time.Sleep(catalogFresh)
		server.away = "far"
		check("after a long time", c.known, "m", "far", 5, server.slow)

		then := c.ahead()
		server.away = ""
		check("ahead, of what is new", func(ctx context.Context, name string) (entry, error) { return then(ctx, name), nil }, "m", "far", 5, 0)
		time.Sleep(catalogSure + 1)
		then = c.ahead()
		time.Sleep(server.slow) // while the call runs
		check("ahead, of what is old", func(ctx context.Context, name string) (entry, error) { return then(ctx, name), nil }, "m", "", 6, 0)

		c.changed()
		server.away = "far"
		check("after a change", c.known, "m", "far", 7, server.slow)

		time.Sleep(catalogSure + 1)
		server.at = func() { // while it is asked the models are changed, of which its answer does not know
			server.at, server.away = nil, ""
			c.changed()
		}
		check("a change meanwhile", sure, "m", "", 9, 2*server.slow)
	})
}

func TestAServerThatDoesNotSayWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := errors.New("nobody listens")
		server := &talker{err: away, away: "far"}
		c := &catalog{fetch: server.fetch}
		defer c.close()
		if e, err := c.sure(t.Context(), "m:cloud", time.Now()); !errors.Is(err, away) || e.away != ollamaCloud {
			t.Errorf("of what is not known: %+v %v", e, err) // what its name says holds all the same
		}
		if _, err := c.sure(t.Context(), "m", time.Now()); !errors.Is(err, away) || server.asked != 1 {
			t.Errorf("a moment later: %v, asked %d times", err, server.asked)
		}
		time.Sleep(catalogFailed + 1)
		server.err = nil
		if e, err := c.sure(t.Context(), "m", time.Now()); err != nil || e.away != "far" {
			t.Errorf("back: %+v %v", e, err)
		}

		server.hang = true
		time.Sleep(catalogFresh + 1)
		wait := took(func() {
			if e, err := c.sure(t.Context(), "m", time.Now()); !errors.Is(err, context.DeadlineExceeded) || e.away != "far" {
				t.Errorf("too busy: %+v %v", e, err)
			}
		})
		if wait != catalogTimeout {
			t.Errorf("that took %v", wait)
		}
		time.Sleep(catalogFailed + 1)
		for what, wait := range map[string]time.Duration{
			"known": took(func() { c.known(t.Context(), "m") }),
			"ahead": took(func() { c.ahead()(t.Context(), "m") }),
		} {
			if wait != 0 {
				t.Errorf("%s: who needs not be sure waits %v", what, wait)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if wait := took(func() { c.sure(ctx, "m", time.Now()) }); wait != 0 {
			t.Errorf("a caller who has left waits %v", wait)
		}
	})
}

// TestServersThatKnowNoModels: what a server has no word for it does not do; what it fails to say is not known.
func TestServersThatKnowNoModels(t *testing.T) {
	for _, c := range []struct {
		tags, aliases int
		sure          bool
		away          string
	}{{404, 404, true, ""}, {200, 404, true, "far.example"}, {200, 405, true, "far.example"}, {500, 404, false, ""}, {200, 500, false, ""}} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/api/tags":
				w.WriteHeader(c.tags)
				w.Write([]byte(`{"models":[{"name":"m:latest","remote_model":"x","remote_host":"https://far.example:443"}]}`))
			case "/api/experimental/aliases":
				w.WriteHeader(c.aliases)
				w.Write([]byte(`{"aliases":[]}`))
			}
		}))
		host, err := newAt(t, s.URL).Forwards(t.Context(), "/api/chat", "m", true)
		if host != c.away || (err == nil) != c.sure {
			t.Errorf("tags %d, aliases %d: %q %v", c.tags, c.aliases, host, err)
		}
		s.Close()
	}
	if _, err := newAt(t, "http://127.0.0.1:1").Forwards(t.Context(), "/api/chat", "m", true); err == nil || err.Kind != llm.Unreachable || !strings.Contains(err.Message, "ollama serve") {
		t.Errorf("nobody listens: %v", err)
	}
	if host, err := newAt(t, "http://127.0.0.1:1").Forwards(t.Context(), "/api/experimental/web_fetch", "", true); host != ollamaCloud || err != nil {
		t.Errorf("a search of the web: %q %v", host, err)
	}
}

func BenchmarkKnown(b *testing.B) {
	c := &catalog{last: &list{at: time.Now().Add(time.Hour), models: map[string]entry{"m:latest": {}}, short: map[string]entry{"m": {}}}}
	b.ReportAllocs()
	for b.Loop() {
		c.known(b.Context(), "m")
		c.ahead()(b.Context(), "m")
	}
}
