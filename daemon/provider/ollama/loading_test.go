package ollama

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"corral/daemon/provider"
	"corral/daemon/provider/relay"
	"corral/testkit"
)

func newAt(t *testing.T, at string) *Provider {
	t.Helper()
	base, err := url.Parse(at)
	if err != nil {
		t.Fatal(err)
	}
	p := New(relay.Options{Name: "local", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} }})
	t.Cleanup(p.Close)
	return p
}

func TestLoading(t *testing.T) {
	held := func(name string, expires time.Time) string {
		return fmt.Sprintf(`{"models":[{"name":"other:latest","expires_at":"2030-01-01T00:00:00Z"},{"name":%q,"model":%[1]q,"expires_at":%q}]}`, name, expires.Format(time.RFC3339Nano))
	}
	settled := time.Now().Add(time.Minute)
	for _, c := range []struct {
		name, model string
		ps          func(look int) string
		want        bool
	}{
		{"not there", "m", func(int) string { return `{"models":[]}` }, true},
		{"being read", "m", func(look int) string { return held("m:latest", settled.Add(time.Duration(look))) }, true},
		{"there", "m", func(int) string { return held("m:latest", settled) }, false},
		{"there, by its tag", "M:latest", func(int) string { return held("m:latest", settled) }, false},
		{"there, of another registry", "host:5000/a/m", func(int) string { return held("host:5000/a/m:latest", settled) }, false},
		{"another tag is there", "m:7b", func(int) string { return held("m:latest", settled) }, true},
		{"in the cloud", "m:cloud", func(int) string { return `{"models":[]}` }, false},
		{"in the cloud, too", "m:480b-cloud", func(int) string { return `{"models":[]}` }, false},
	} {
		looks := 0
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/api/ps" {
				http.NotFound(w, r)
				return
			}
			looks++
			io.WriteString(w, c.ps(looks))
		}))
		if got, err := newAt(t, s.URL).Loading(t.Context(), c.model); got != c.want || err != nil {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
		s.Close()
	}
	s := httptest.NewServer(http.NotFoundHandler())
	defer s.Close()
	if got, err := newAt(t, s.URL).Loading(t.Context(), "m"); got || err == nil {
		t.Errorf("a server that cannot say: %v %v", got, err)
	}
}

// TestWhatRealOllamaTells: what it says while it loads, and of what its models can do, is as it is taken here.
func TestWhatRealOllamaTells(t *testing.T) {
	s := testkit.Ollama(t)
	p := newAt(t, s.URL)
	listed := 0
	for _, round := range []string{"for the first time", "again, after it was let go"} {
		done := make(chan error, 1)
		go func() {
			res, err := http.Post(s.URL+"/api/generate", "application/json", strings.NewReader(`{"model":"tiny","prompt":"x","stream":false}`))
			if err == nil {
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			done <- err
		}()
		looks, loading, held := 0, 0, 0
		for end := false; !end; {
			select {
			case err := <-done:
				if err != nil {
					t.Fatal(err)
				}
				end = true
				continue
			default:
			}
			before, err := p.running(t.Context(), "tiny")
			if err != nil {
				t.Fatal(err)
			}
			is, err := p.Loading(t.Context(), "tiny")
			if err != nil {
				t.Fatal(err)
			}
			looks++
			if is {
				loading++
				if before != nil {
					held++
				}
			}
		}
		t.Logf("loaded %s: loading at %d of %d looks, listed already at %d of them", round, loading, looks, held)
		if loading*10 < looks*9 { // the last ones may come when the answer is over
			t.Errorf("loaded %s: loading at %d of %d looks only", round, loading, looks)
		}
		listed += held
		if is, err := p.Loading(t.Context(), "tiny"); is || err != nil {
			t.Errorf("after its answer: %v %v", is, err)
		}
		res, err := http.Post(s.URL+"/api/generate", "application/json", strings.NewReader(`{"model":"tiny","keep_alive":0}`))
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		tick := time.NewTicker(5 * time.Millisecond)
		for deadline := time.Now().Add(time.Minute); ; <-tick.C {
			if m, err := p.running(t.Context(), "tiny"); err == nil && m == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("Ollama does not let the model go")
			}
		}
		tick.Stop()
	}

	if listed == 0 {
		t.Error("no look saw a model that was listed and still being read")
	}

	for _, c := range []struct {
		model string
		needs provider.Needs
		want  bool
	}{
		{"tiny", provider.Needs{Tools: true, Tokens: 2048}, true},
		{"tiny:latest", provider.Needs{Tokens: 2049}, false}, // num_ctx of testkit's models
		{"tiny", provider.Needs{Images: true}, false},
		{"embed", provider.Needs{}, false},
		{"embed", provider.Needs{Embed: true}, true},
		{"nope", provider.Needs{Images: true}, true},
	} {
		if got := p.Able(t.Context(), c.model, c.needs); got != c.want {
			t.Errorf("%s, %+v: %v", c.model, c.needs, got)
		}
	}
}
