package daemon

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/admin"
	"corral/daemon/cache"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/daemon/limit"
	"corral/daemon/llm"
	"corral/daemon/pressure"
	"corral/daemon/provider"
	"corral/daemon/provider/ollama"
	"corral/daemon/provider/relay"
	"corral/daemon/resilience"
)

// TestActDoesAndUndoes: each action begins and ends with the pressure that it is for, and is not done twice.
func TestActDoesAndUndoes(t *testing.T) {
	conf, err := config.Open(config.Source{})
	if err != nil {
		t.Fatal(err)
	}
	kept, err := cache.New(cache.Options{Rules: func() *cache.Rules { return &cache.Rules{} }, Set: metrics.NewSet()})
	if err != nil {
		t.Fatal(err)
	}
	defer kept.Close()
	d := &Daemon{log: slog.New(slog.DiscardHandler), config: conf, cache: kept, nest: resilience.New(resilience.Options{Rules: resilience.DefaultRules()})}
	d.wellness.gate = pressure.New(&pressure.Room{})
	state := func(kind string, actions ...pressure.Action) *pressure.State {
		return &pressure.State{Kind: kind, Actions: actions}
	}
	all := []pressure.Action{pressure.ShrinkCache, pressure.LowerConcurrency}
	for i, step := range []struct {
		s     *pressure.State
		short bool // for the cache
	}{
		{nil, false},
		{state("heat", all...), false}, // a smaller cache would make more heat
		{state("memory", all...), true},
		{state("memory", all...), true},
		{state("memory", pressure.LowerConcurrency), false},
		{state("memory", all...), true},
		{nil, false},
		{state("memory", "off"), false},
	} {
		d.act(step.s)
		if got := d.wellness.short.Load(); got != step.short {
			t.Errorf("step %d: the cache is told %v", i, got)
		}
		if got := d.wellness.gate.State(); (got == nil) != (step.s == nil) || got != nil && got.Kind != step.s.Kind {
			t.Errorf("step %d: %+v", i, got)
		}
	}
}

// TestDue: a model is tried when nobody has called it for long, and not again before somebody has.
func TestDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(365 * 24 * time.Hour)
		ago := func(d time.Duration) time.Time { return time.Now().Add(-d) }
		soon, never := time.Now().Add(5*time.Minute), time.Now().Add(100*365*24*time.Hour)
		bad := io.ErrUnexpectedEOF
		for _, c := range []struct {
			name    string
			expires time.Time
			used    time.Time
			was     try
			tried   bool
			want    bool
		}{
			{"it was never called", soon, time.Time{}, try{}, false, true},
			{"it was called just now", soon, ago(time.Minute), try{}, false, false},
			{"it was called long ago", soon, ago(time.Hour), try{}, false, true},
			{"it was tried since", soon, ago(time.Hour), try{ago(40 * time.Minute), nil}, true, false},
			{"it was called since", soon, ago(20 * time.Minute), try{ago(40 * time.Minute), nil}, true, true},
			{"it is kept for ever", never, ago(time.Hour), try{ago(40 * time.Minute), nil}, true, true},
			{"it is kept for ever, and was tried just now", never, ago(time.Hour), try{ago(time.Minute), nil}, true, false},
			{"it failed", soon, ago(time.Hour), try{ago(time.Minute), bad}, true, true},
			{"it failed just now", soon, ago(time.Hour), try{ago(time.Second), bad}, true, false},
			{"it failed, and was called since", soon, ago(time.Second), try{ago(time.Minute), bad}, true, false},
		} {
			if got := due(time.Now(), 15*time.Minute, c.expires, c.used, c.was, c.tried); got != c.want {
				t.Errorf("%s: %v", c.name, got)
			}
		}
	})
}

// TestTryModels: a loaded model that nobody calls is tried, and what it gives is told.
func TestTryModels(t *testing.T) {
	held, answer := `{"models":[{"name":"m:latest","size":9,"expires_at":"2200-01-01T00:00:00Z"}]}`, `{"response":"x","done":true}`
	var asked []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/ps":
			io.WriteString(w, held)
		case "/api/generate":
			b, _ := io.ReadAll(r.Body)
			asked = append(asked, string(b))
			io.WriteString(w, answer)
		default:
			io.WriteString(w, `{}`)
		}
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "corral.yaml")
	if err := os.WriteFile(file, []byte("providers: [ { name: local, kind: ollama, url: "+s.URL+" } ]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	conf, err := config.Open(config.Source{Path: file, Explicit: true})
	if err != nil {
		t.Fatal(err)
	}
	base, _ := url.Parse(s.URL)
	o := ollama.New(relay.Options{Name: "local", Base: base})
	defer o.Close()
	busy := llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return &llm.Reply{Body: noBody{}}, nil })
	d := &Daemon{config: conf, limit: limit.New(limit.Rules{}), nest: resilience.New(resilience.Options{Rules: resilience.DefaultRules()})}
	d.wellness.tried = map[string]try{}
	d.routing.Store(&routing{providers: map[string]provider.Provider{"local": o}})
	one := func() health.Found {
		t.Helper()
		found := d.tryModels(t.Context())
		if len(found) != 1 || found[0].Code != health.Answers {
			t.Fatalf("%+v", found)
		}
		return found[0]
	}

	call, err := d.limit.Stage(busy).Serve(t.Context(), &llm.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if f := one(); f.Absent == "" || len(asked) != 0 {
		t.Errorf("while a call is under way: %+v, %q", f, asked)
	}
	call.Close()
	if f := one(); f.Severity != health.OK || f.Subject != "local/m:latest" || !strings.HasPrefix(f.Text, "it answered at ") || len(asked) != 1 || !strings.Contains(asked[0], `"num_predict":1`) || strings.Contains(asked[0], "keep_alive") {
		t.Errorf("%+v, %q", f, asked)
	}
	if one(); len(asked) != 1 {
		t.Errorf("tried twice at once: %q", asked)
	}
	clear(d.wellness.tried)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if found := d.tryModels(over); len(found) != 1 || found[0].Absent == "" || len(d.wellness.tried) != 0 {
		t.Errorf("a model that had no time was said to be down: %+v", found)
	}
	answer = `{"error":"out of memory"}`
	if f := one(); f.Severity != health.Critical || !strings.Contains(f.Text, "out of memory") {
		t.Errorf("%+v", f)
	}
	if f := one(); f.Severity != health.Critical || len(asked) != 2 {
		t.Errorf("a failure is forgotten, or tried again at once: %+v %q", f, asked)
	}
	held = `{"models":[]}`
	o.Unload(t.Context(), "m") // what was held is asked for anew
	if f := one(); f.Absent != "no model is loaded" || len(d.wellness.tried) != 0 {
		t.Errorf("%+v", f)
	}
}

type noBody struct{ llm.Body }

func (noBody) Close() {}

// certified is a provider whose certificate ends at some time.
type certified struct {
	provider.Provider
	ends time.Time
}

func (c certified) CertificateEnds() time.Time { return c.ends }

func TestCertificates(t *testing.T) {
	now := time.Now()
	for _, c := range []struct {
		url      string
		ends     time.Time
		severity health.Severity
		text     string
	}{
		{"https://a", now.Add(30 * 24 * time.Hour), health.OK, "valid until"},
		{"https://a", now.Add(13 * 24 * time.Hour), health.Warning, "valid until"},
		{"https://a", now.Add(47 * time.Hour), health.Critical, "valid until"},
		{"https://a", now.Add(-time.Hour), health.Critical, "valid until"},
		{"https://a", time.Time{}, health.OK, "no connection to it yet"},
	} {
		d := &Daemon{}
		d.routing.Store(&routing{providers: map[string]provider.Provider{"a": certified{ends: c.ends}}})
		if f := d.certificate(admin.Provider{Name: "a", URL: c.url}); f.Severity != c.severity || !strings.Contains(f.Text+f.Absent, c.text) {
			t.Errorf("%v: %+v", c.ends, f)
		}
	}
	if f := (&Daemon{}).certificate(admin.Provider{URL: "http://a"}); f != nil {
		t.Errorf("%+v", f)
	}
}
