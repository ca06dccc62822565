package ollama

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ollama/ollama/api"

	"corral/daemon/llm"
	"corral/daemon/outbound"
)

func TestAModelIsFoundByEachOfItsNames(t *testing.T) {
	l := newList([]api.ListModelResponse{{Name: "tiny:latest", Digest: "a"}, {Name: "assistant:latest", Digest: "b", RemoteHost: "https://big.example:443"},
		{Name: "host:5000/a/m:7b", Digest: "c"}, {Name: "gpt-oss:20b-cloud", Digest: "d", RemoteHost: "https://ollama.com:443"}, {Name: "later:latest", Digest: "e"}},
		[]alias{{Alias: "helper", Target: "assistant"}, {Alias: "second", Target: "helper:latest"}, {Alias: "tiny", Target: "assistant"},
			{Alias: "claude-", Target: "tiny", Prefix: true}, {Alias: "claude-opus", Target: "assistant", Prefix: true},
			{Alias: "a", Target: "b"}, {Alias: "b", Target: "a"}, {Alias: "far", Target: "glm:cloud"},
			{Alias: "later", Target: "assistant"}, {Alias: "third", Target: "later"}, {Alias: "fourth", Target: "claude-haiku"}})
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
		{"claude-haiku", "b", "big.example", true}, // from there on a name is an alias first
		{"later", "e", "", true},
		{"third", "b", "big.example", true},
		{"fourth", "", "", true}, // those of beginnings count for the first name only; Ollama has no such model
		{" assistant", "b", "big.example", true},
		{"assistant:latest\t", "b", "big.example", true},
		{"tiny:latest:local", "a", "", true},
		{"gpt-oss:20b-cloud", "d", "ollama.com", true},
		{"gpt-oss:20b: cloud ", "", "ollama.com", true},
		{"Claude-Opus-5", "b", "big.example", true},
		{"a", "", "", false}, // they go in a ring
		{"far", "", ollamaCloud, true},
		{"gpt-oss:120b-Cloud", "", ollamaCloud, true},
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
	m := api.ListModelResponse{Name: "m:latest", Digest: "d"}
	if away != "" {
		m.RemoteHost = "https://" + away
	}
	return newList([]api.ListModelResponse{m}, nil), nil
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
		c := newCatalog(server.fetch)
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
		sure := func(ctx context.Context, name string) (entry, error) { return c.at(ctx, name, time.Now(), patient) }

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

		server.away = ""
		time.Sleep(catalogSure + 1)
		began := time.Now()
		then := func(ctx context.Context, name string) (entry, error) { return c.at(ctx, name, began, easy) }
		c.ahead()
		time.Sleep(server.slow + 1) // while the call runs
		check("after a call that had it asked for", then, "m", "", 6, 0)
		time.Sleep(catalogFresh)
		check("after a long call", then, "m", "", 6, 0)

		c.changed()
		server.away = "far"
		check("after a change", c.known, "m", "far", 7, server.slow)

		time.Sleep(catalogSure + 1)
		server.at = func() { // while it is asked the models are changed, of which its answer does not know
			server.at, server.away = nil, ""
			c.changed()
		}
		check("a change meanwhile", sure, "m", "", 9, 2*server.slow)

		time.Sleep(catalogSure + 1)
		c.close()
		check("one who has waited since before the end", sure, "m", "", 10, server.slow)
		time.Sleep(catalogSure + 1)
		check("one who needs not be sure after it", c.known, "m", "", 10, 0)
	})
}

func TestAServerThatDoesNotSayWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := fmt.Errorf("%w: nobody listens", outbound.ErrDial)
		server := &talker{err: away, away: "far"}
		c := newCatalog(server.fetch)
		defer c.close()
		sure := func(name string) (entry, error) { return c.at(t.Context(), name, time.Now(), patient) }
		if e, err := sure("m:cloud"); !errors.Is(err, away) || e.away != ollamaCloud {
			t.Errorf("of what is not known: %+v %v", e, err) // what its name says holds all the same
		}
		if _, err := sure("m"); !errors.Is(err, away) || server.asked != 1 {
			t.Errorf("a moment later: %v, asked %d times", err, server.asked)
		}
		time.Sleep(catalogFailed + 1)
		server.err = nil
		if e, err := c.known(t.Context(), "m"); err != nil || e.away != "far" {
			t.Errorf("back: %+v %v", e, err)
		}

		server.hang = true
		time.Sleep(catalogFresh + 1)
		if wait := took(func() {
			if e, err := sure("m"); !errors.Is(err, context.DeadlineExceeded) || e.away != "far" {
				t.Errorf("too busy: %+v %v", e, err)
			}
		}); wait != catalogTimeout {
			t.Errorf("that took %v", wait)
		}
		time.Sleep(catalogFailed + 1)
		go sure("m") // is waiting again
		synctest.Wait()
		for what, wait := range map[string]time.Duration{
			"before": took(func() { c.known(t.Context(), "m") }),
			"after":  took(func() { c.ahead(); c.at(t.Context(), "m", time.Now(), easy) }),
		} {
			if wait != 0 {
				t.Errorf("%s the call: who needs not be sure waits %v", what, wait)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if wait := took(func() { c.at(ctx, "m", time.Now(), patient) }); wait != 0 {
			t.Errorf("a caller who has left waits %v", wait)
		}
		if wait := took(c.close); wait != 0 {
			t.Errorf("the end waits %v for an answer that nobody needs", wait)
		}
	})
}

// TestServersThatKnowNoModels: what a server has no word for it does not do; what it fails to say is not known.
func TestServersThatKnowNoModels(t *testing.T) {
	call := &llm.Request{Endpoint: &llm.Endpoint{Method: "POST", Task: llm.Generate}, Path: "/api/chat", Start: time.Now()}
	for _, c := range []struct {
		tags, aliases int
		sure          bool
		away          string
	}{{404, 404, true, ""}, {501, 404, true, ""}, {200, 404, true, "far.example"}, {200, 405, true, "far.example"}, {204, 404, false, ""}, {302, 404, false, ""},
		{401, 404, false, ""}, {429, 404, false, ""}, {500, 404, false, ""}, {200, 401, false, ""}, {200, 500, false, ""}} {
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
		host, err := newAt(t, s.URL).Forwards(t.Context(), call, "m", llm.Now)
		if host != c.away || (err == nil) != c.sure {
			t.Errorf("tags %d, aliases %d: %q %v", c.tags, c.aliases, host, err)
		}
		s.Close()
	}
	if _, err := newAt(t, "http://127.0.0.1:1").Forwards(t.Context(), call, "m", llm.Now); err == nil || err.Kind != llm.Unreachable || !strings.Contains(err.Message, "ollama serve") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestWhatNamesNoModel: what goes to Ollama's makers whatever the model, and what may be for any.
func TestWhatNamesNoModel(t *testing.T) {
	p := newAt(t, "http://127.0.0.1:1")
	for _, c := range []struct{ path, body, away string }{
		{"/api/experimental/web_search", `{"query":"x"}`, ollamaCloud},
		{"/api/experimental/%77eb_fetch", `{"url":"x"}`, ollamaCloud},
		{"/v1/messages", `{"tools":[{"name":"a","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}]}`, ollamaCloud},
		{"/v1/messages", `{"tools":[{"name":"web_search","input_schema":{}}],"messages":[{"content":"web_search"}]}`, ""},
		{"/api/other", `{"x":1}`, ""},
		{"/api/other", "", ""},
		{"/v1/audio/transcriptions", "--b\r\nsounds", ollamaCloud},
	} {
		r := &llm.Request{Endpoint: &llm.Endpoint{Task: llm.Read}, Method: "POST", Path: c.path, Body: []byte(c.body), Start: time.Now()}
		if host, err := p.Forwards(t.Context(), r, "", llm.Now); host != c.away || err != nil {
			t.Errorf("%s %s: %q %v", c.path, c.body, host, err)
		}
	}
}

func BenchmarkKnown(b *testing.B) {
	c := newCatalog(nil)
	c.last = newList([]api.ListModelResponse{{Name: "m:latest"}}, nil)
	c.last.at = time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		c.known(b.Context(), "m")
		c.ahead()
		c.at(b.Context(), "m", time.Now(), easy)
	}
}
