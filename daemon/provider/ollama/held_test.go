package ollama

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"corral/testkit"
)

func TestRecent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		var err error
		r := recent[int]{fresh: time.Second, fetch: func(ctx context.Context) (int, error) {
			if _, bounded := ctx.Deadline(); !bounded || ctx.Err() != nil {
				t.Error("asked without a deadline, or after the caller left")
			}
			asked++
			return asked, err
		}}
		left, leave := context.WithCancel(t.Context())
		leave()
		for i, want := range []int{1, 1} {
			if got, err := r.get(left); got != want || err != nil {
				t.Errorf("%d: %d %v", i, got, err)
			}
		}
		time.Sleep(time.Second)
		if got, _ := r.get(t.Context()); got != 2 {
			t.Error(got)
		}
		r.changed()
		err = errors.New("away")
		if _, got := r.get(t.Context()); got == nil || asked != 3 {
			t.Error(got, asked)
		}
		err = nil
		if _, got := r.get(t.Context()); got == nil || asked != 3 {
			t.Error("a failure is not remembered for a moment:", got, asked)
		}
		time.Sleep(heldFresh)
		if got, _ := r.get(t.Context()); got != 4 {
			t.Error("a failure is remembered for long:", got)
		}
	})
}

// TestAServerThatHangsIsAskedOnceForAll: who waits for what is being asked waits no longer than that takes, nor than it wants to.
func TestAServerThatHangsIsAskedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		r := recent[int]{fresh: time.Second, fetch: func(ctx context.Context) (int, error) {
			asked++
			<-ctx.Done()
			return 0, ctx.Err()
		}}
		began := time.Now()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if _, err := r.get(t.Context()); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != heldTimeout {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			})
		}
		synctest.Wait()
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := r.get(ctx); err == nil || time.Since(began) != time.Millisecond {
				t.Errorf("who has no time: %v after %v", err, time.Since(began))
			}
		})
		wg.Wait()
		if asked != 1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestAModelThatMakesNoTextIsTriedAllTheSame: a busy Ollama may not tell in time what a model can, and a model for vectors that is
// well was said to be down then.
func TestAModelThatMakesNoTextIsTriedAllTheSame(t *testing.T) {
	for name, c := range map[string]struct {
		generate, embed int
		well            bool
	}{
		"for text":            {200, 400, true},
		"for vectors":         {400, 200, true},
		"for neither":         {400, 500, false},
		"for text, and broke": {500, 200, false},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/api/generate":
				w.WriteHeader(c.generate)
				io.WriteString(w, `{"done":true}`)
			case "/api/embed":
				w.WriteHeader(c.embed)
				io.WriteString(w, `{"embeddings":[[1]]}`)
			default: // it does not say what the model can do
				w.WriteHeader(503)
			}
		}))
		if err := newAt(t, s.URL).Try(t.Context(), "m:latest"); (err == nil) != c.well {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
	}
}

// TestWhatRealOllamaHolds: what is loaded is seen, tried and let go.
func TestWhatRealOllamaHolds(t *testing.T) {
	s := testkit.Ollama(t)
	p := newAt(t, s.URL)
	post := func(path, body string) {
		t.Helper()
		res, err := http.Post(s.URL+path, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	unloaded := "" // is on its way out, so that its time is over
	names := func() string {
		t.Helper()
		p.held.changed()
		held, err := p.Held(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, m := range held {
			if going := m.Model == unloaded; m.Bytes == 0 || !going && time.Until(m.Expires) < time.Minute {
				t.Errorf("%+v", m)
			}
			out = append(out, m.Model)
		}
		return strings.Join(out, " ")
	}
	if got := names(); got != "" {
		t.Errorf("held at the start: %q", got)
	}
	stored, err := p.Stored(t.Context())
	if err != nil || len(stored) != 4 || stored[p.Full("Tiny")] < 1000 {
		t.Errorf("%v %v", stored, err)
	}
	post("/api/generate", `{"model":"tiny","prompt":"x","stream":false}`)
	post("/api/embed", `{"model":"embed","input":"x"}`)
	if got := names(); got != "tiny:latest embed:latest" && got != "embed:latest tiny:latest" {
		t.Errorf("held: %q", got)
	}
	for _, model := range []string{"tiny:latest", "embed:latest"} {
		if err := p.Try(t.Context(), model); err != nil {
			t.Errorf("try %s: %v", model, err)
		}
	}
	if p.Try(t.Context(), "nope") == nil {
		t.Error("a model that is not there answers")
	}
	unloaded = "embed:latest"
	if err := p.Unload(t.Context(), unloaded); err != nil {
		t.Error(err)
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); names() != "tiny:latest"; <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("held: %q", names())
		}
	}
	s.Freeze()
	defer s.Thaw()
	p.held.changed()
	began := time.Now()
	if _, err := p.Held(t.Context()); err == nil || time.Since(began) > 3*heldTimeout {
		t.Errorf("a server that hangs: %v after %v", err, time.Since(began))
	}
}
