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
		{Name: "host:5000/a/m:7b", Digest: "c"}, {Name: "gpt-oss:20b-cloud", Digest: "d", RemoteHost: "https://ollama.com:443"}, {Name: "later:latest", Digest: "e"},
		{Name: "near:cloud", Digest: "f", RemoteHost: "http://127.0.0.1:11435"}},
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
		{"near:cloud", "f", "ollama.com", true}, // whatever it was made with, an Ollama of today goes by the tag
		{"Claude-Opus-5", "b", "big.example", true},
		{"a", "", "", false}, // they go in a ring
		{"far", "", Cloud, true},
		{"gpt-oss:120b-Cloud", "", Cloud, true},
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
		"no address":              Cloud,
		"http://bad.example:8x/y": Cloud,
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
	select {
	case <-time.After(x.slow):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
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
		sure := func(ctx context.Context, name string) (entry, error) {
			return c.of(ctx, name, time.Now().Add(-catalogSure), short)
		}
		known := func(ctx context.Context, name string) (entry, error) { return c.known(ctx, name, catalogSure) }

		check("at first", known, "m", "", 1, server.slow)
		check("again", known, "m", "", 1, 0)
		server.away = "far"
		check("to be sure, at once", sure, "m", "", 1, 0)
		time.Sleep(catalogSure + 1)
		check("to be sure", sure, "m", "far", 2, server.slow)
		check("then", known, "m", "far", 2, 0)
		server.away = ""
		time.Sleep(catalogSure + 1)
		check("one who needs not be sure", known, "m", "far", 3, 0) // and asks beside
		time.Sleep(server.slow + 1)
		check("the next", known, "m", "", 3, 0)
		check("a name that is not there", known, "n", "", 3, 0)
		time.Sleep(catalogSure + 1)
		check("nor later", known, "n", "", 4, 0)
		time.Sleep(catalogFresh)
		server.away = "far"
		check("after a long time", known, "m", "", 5, 0)
		time.Sleep(catalogFresh + 1)
		check("a name that is not there after a long time", known, "n", "", 6, server.slow)
		time.Sleep(catalogSure + 1)
		check("one who asks seldom", func(ctx context.Context, name string) (entry, error) { return c.known(ctx, name, catalogFresh) }, "m", "far", 6, 0)

		c.changed()
		check("after a change", known, "m", "far", 7, server.slow)

		time.Sleep(catalogSure + 1)
		server.at = func() { // while it is asked the models are changed, of which its answer does not know
			server.at, server.away = nil, ""
			c.changed()
		}
		check("a change meanwhile", sure, "m", "", 9, 2*server.slow)

		time.Sleep(catalogSure + 1)
		time.AfterFunc(server.slow/2, c.close)
		check("the end while one waits", sure, "m", "", 11, server.slow/2+server.slow)
		time.Sleep(catalogSure + 1)
		check("one who has waited since before the end", sure, "m", "", 12, server.slow)
		time.Sleep(catalogSure + 1)
		check("one who needs not be sure after it", known, "m", "", 12, 0)
	})
}

// TestWhereACallWentIsToldAsItWasThen, whatever became of the model meanwhile.
func TestWhereACallWentIsToldAsItWasThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		server := &talker{slow: 10 * time.Millisecond, away: "far"}
		c := newCatalog(server.fetch)
		defer c.close()
		check := func(what string, as func() (entry, bool), away string, known bool, wait time.Duration) {
			t.Helper()
			took := took(func() {
				if e, ok := as(); e.away != away || ok != known {
					t.Errorf("%s: %+v %v", what, e, ok)
				}
			})
			if took != wait {
				t.Errorf("%s: after %v", what, took)
			}
		}
		check("before anything is known", c.as("m"), "far", true, server.slow)
		recent := c.as("m")
		time.Sleep(catalogSure)
		old := c.as("m")
		time.Sleep(server.slow) // while the call runs
		synctest.Wait()
		server.away = ""
		c.changed()
		check("what was known", recent, "far", true, 0)
		check("what was asked for beside it", old, "far", true, 0)
		check("a later call", c.as("m"), "", true, server.slow)

		server.err = errors.New("it fails")
		time.Sleep(catalogSure)
		check("a server that fails", c.as("m"), "", false, server.slow)
		check("one that failed a moment ago", c.as("m"), "", false, 0)
		c.changed()
		server.err, server.hang = nil, true
		check("one that hangs", c.as("m"), "", false, catalogTimeout)
		check("one that hung a moment ago", c.as("m"), "", false, 0)
		c.close()
		check("after the end", c.as("m"), "", false, 0)
	})
}

func TestAServerThatDoesNotSayWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away := fmt.Errorf("%w: nobody listens", outbound.ErrDial)
		server := &talker{err: away, away: "far"}
		c := newCatalog(server.fetch)
		defer c.close()
		sure := func(name string) (entry, error) { return c.of(t.Context(), name, time.Now(), short) }
		if e, err := sure("m:cloud"); !errors.Is(err, away) || e.away != Cloud {
			t.Errorf("of what is not known: %+v %v", e, err) // what its name says holds all the same
		}
		if _, err := sure("m"); !errors.Is(err, away) || server.asked != 1 {
			t.Errorf("a moment later: %v, asked %d times", err, server.asked)
		}
		time.Sleep(catalogFailed + 1)
		server.err = nil
		if e, err := c.known(t.Context(), "m", catalogSure); err != nil || e.away != "far" {
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
			"before": took(func() { c.known(t.Context(), "m", catalogSure) }),
			"after":  took(func() { c.as("m")() }),
		} {
			if wait != 0 {
				t.Errorf("%s the call: who needs not be sure waits %v", what, wait)
			}
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		if wait := took(func() { c.of(ctx, "m", time.Now(), short) }); wait != 0 {
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
		host, err := newAt(t, s.URL).Forwards(t.Context(), call, "m", true)
		if host != c.away || (err == nil) != c.sure {
			t.Errorf("tags %d, aliases %d: %q %v", c.tags, c.aliases, host, err)
		}
		s.Close()
	}
	if _, err := newAt(t, "http://127.0.0.1:1").Forwards(t.Context(), call, "m", true); err == nil || err.Kind != llm.Unreachable || !strings.Contains(err.Message, "ollama serve") {
		t.Errorf("nobody listens: %v", err)
	}
}

// TestWhatNamesNoModel: what goes to Ollama's makers whatever the model, and what may be for any.
func TestWhatNamesNoModel(t *testing.T) {
	p := newAt(t, "http://127.0.0.1:1")
	for _, c := range []struct{ path, body, name, away string }{
		{"/api/experimental/web_search", `{"query":"x"}`, "", Cloud},
		{"/api/experimental/%77eb_fetch", `{"url":"x"}`, "", Cloud},
		{"/v1/messages", `{"tools":[{"name":"a","input_schema":{}},{"type":"web_search_20250305","name":"web_search"}]}`, "", Cloud},
		{"/v1/messages", `{"Tools":[{"TYPE":"web\u005fsearch_20250305"}]}`, "", Cloud},
		{"/v1/messages", `{"tools":[{"type":"web_search_1"}],"tools":[{"type":"custom"}]}`, "", ""}, // the last one counts
		{"/v1/messages", `{"tools":[{"name":"web_search","input_schema":{}}],"messages":[{"content":"web_search \u00e9"}]}`, "", ""},
		{"/api/other", `{"x":1}`, "", ""},
		{"/v1/audio/transcriptions", "--b\r\nsounds", llm.AnyModel, Cloud},
	} {
		r := &llm.Request{Endpoint: &llm.Endpoint{Task: llm.Read}, Method: "POST", Path: c.path, Body: []byte(c.body), Start: time.Now()}
		if host, err := p.Forwards(t.Context(), r, c.name, true); host != c.away || err != nil {
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
		c.known(b.Context(), "m", catalogSure)
		c.as("m")()
	}
}
