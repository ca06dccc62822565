package library

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
)

// shelf is a server whose models and pulls a test decides.
type shelf struct {
	provider.Provider
	models []provider.Model
	err    error
	pull   func(ctx context.Context, model string, tell func(provider.Progress) error) error
}

func (*shelf) Serve(context.Context, *llm.Request) (*llm.Reply, error) { return nil, nil }

func (s *shelf) Stock(context.Context) ([]provider.Model, error)   { return s.models, s.err }
func (s *shelf) Held(context.Context) ([]provider.Held, error)     { return nil, s.err }
func (s *shelf) Stored(context.Context) (map[string]uint64, error) { return nil, s.err }
func (s *shelf) Full(model string) string                          { return strings.ToLower(model) }
func (s *shelf) Unload(context.Context, string) error              { return nil } // never lets go
func (s *shelf) Try(context.Context, string) error                 { return nil }
func (s *shelf) Remove(context.Context, string) error              { return s.err }
func (s *shelf) Load(ctx context.Context, _ string, _ time.Duration) error {
	<-ctx.Done()
	return ctx.Err()
}
func (s *shelf) Pull(ctx context.Context, model string, _ bool, tell func(provider.Progress) error) error {
	return s.pull(ctx, model, tell)
}

func open(t *testing.T, s *shelf, free uint64) *Library {
	l := New(Options{
		Servers: func() []Server {
			return []Server{{Name: "local", Kind: "ollama", URL: "http://127.0.0.1:1", Provider: s}}
		},
		Machine: func() Machine { return Machine{Memory: &Room{8 << 30, 4 << 30}} },
		Uses:    func(string, func(string) string) map[string][]string { return nil },
		Free: func(_ context.Context, folder string) (uint64, error) {
			if folder == "/models" {
				return free, nil
			}
			return 0, fs.ErrNotExist
		},
		Folders: []string{"/nowhere", "/models"},
		Told:    func(Pull) {}, Changed: func(string, string, string) {},
	})
	t.Cleanup(l.Close)
	return l
}

func states(l *Library) (list []string) {
	for _, p := range l.Pulls() {
		list = append(list, p.Model+" "+p.State)
	}
	return list
}

// hang is a pull that goes on until it is told to end.
func hang(ctx context.Context, _ string, _ func(provider.Progress) error) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestPullsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, &shelf{pull: hang}, 1<<40)
		for _, name := range []string{"a", "b", "c"} {
			if _, joined, err := l.Start("", name, false); joined || err != nil {
				t.Fatal(joined, err)
			}
			synctest.Wait()
		}
		if p, joined, err := l.Start("local", "C", false); !joined || err != nil || p.ID != "3" {
			t.Errorf("%+v %v %v", p, joined, err)
		}
		if got := strings.Join(states(l), ", "); got != "c waiting, b running, a running" {
			t.Error(got)
		}
		for _, id := range []string{"1", "3"} { // one that runs, and one that waits
			if _, err := l.Cancel(id); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if got := strings.Join(states(l), ", "); got != "c cancelled, b running, a cancelled" {
			t.Error(got)
		}
		for n := range Most + 5 {
			_, _, err := l.Start("", "more"+strings.Repeat("x", n), false)
			if want := n >= Most-1; want != (err != nil) {
				t.Errorf("%d: %v", n, err)
			}
		}
		l.Close()
		for _, p := range l.Pulls() {
			if !p.Over() || p.State == Failed && !strings.Contains(p.Why, "Corral was stopped") {
				t.Errorf("%+v", p)
			}
		}
		if _, _, err := l.Start("", "late", false); err == nil {
			t.Error("begun after the end")
		}
	})
}

func TestWhatIsOverIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, &shelf{pull: func(context.Context, string, func(provider.Progress) error) error { return nil }}, 1<<40)
		for range Keep + 5 {
			if _, joined, err := l.Start("", "m", false); joined || err != nil {
				t.Fatal(joined, err)
			}
			synctest.Wait()
		}
		if n := len(l.Pulls()); n > Keep+1 {
			t.Errorf("%d are kept", n)
		}
	})
}

func TestPullSaysHowFarItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{pull: func(ctx context.Context, _ string, tell func(provider.Progress) error) error {
			for i := range uint64(100) {
				if err := tell(provider.Progress{Step: "downloading", Done: i << 20, Total: 100 << 20}); err != nil {
					return err
				}
				time.Sleep(100 * time.Millisecond)
			}
			return nil
		}}
		l := open(t, s, 1<<30)
		l.Start("", "m", false)
		time.Sleep(5050 * time.Millisecond)
		p := l.Pulls()[0]
		if p.State != Running || p.Done != 50<<20 || p.Total != 100<<20 || p.Speed < 9<<20 || p.Speed > 11<<20 || p.Left < 4.5 || p.Left > 5.5 {
			t.Errorf("%+v", p)
		}
		time.Sleep(5 * time.Second)
		if p := l.Pulls()[0]; p.State != Done || p.Done != p.Total || p.Ended == nil || p.Speed != 0 {
			t.Errorf("%+v", p)
		}
	})
}

func TestPullThatFails(t *testing.T) {
	say := func(text string) func(context.Context, string, func(provider.Progress) error) error {
		return func(context.Context, string, func(provider.Progress) error) error {
			return &provider.AskError{Text: text}
		}
	}
	for _, c := range []struct {
		name string
		pull func(context.Context, string, func(provider.Progress) error) error
		want string
	}{
		{"not there", say("pull model manifest: file does not exist"), "The registry has no such model"},
		{"no way to it", say(`pull model manifest: Get "https://registry.ollama.ai/v2/": dial tcp: lookup registry.ollama.ai: no such host`), "The registry cannot be reached"},
		{"full", say("write /models/blobs/x: no space left on device"), "The disk is full"},
		{"too new", say("412: The model you are attempting to pull requires a newer version of Ollama."), "Update Ollama"},
		{"the server is away", func(context.Context, string, func(provider.Progress) error) error {
			return errors.New("connection refused")
		}, "start it with `ollama serve`"},
		{"too large", func(_ context.Context, _ string, tell func(provider.Progress) error) error {
			return tell(provider.Progress{Step: "downloading", Done: 1 << 30, Total: 3 << 30})
		}, "2.0 GiB more are needed on the disk, and 1.0 GiB are free in /models"},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := open(t, &shelf{pull: c.pull}, 1<<30)
			l.Start("", "m", false)
			synctest.Wait()
			if p := l.Pulls()[0]; p.State != Failed || !strings.Contains(p.Why, c.want) {
				t.Errorf("%s: %+v", c.name, p)
			}
		})
	}
}

func TestLoadGoesOnWithoutItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, &shelf{models: []provider.Model{{Name: "m", Bytes: 1}}}, 0)
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		if _, err := l.Load(ctx, "", "m", 0); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		l.Close() // ends the loading
	})
}

func TestUnloadDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, &shelf{models: []provider.Model{{Name: "m", Bytes: 1, Loaded: true}}}, 0)
		began := time.Now()
		if m, err := l.Unload(t.Context(), "", "m"); err != nil || m.Loaded == nil || time.Since(began) != unloadTimeout {
			t.Errorf("%+v %v %v", m, err, time.Since(began))
		}
	})
}

func TestFit(t *testing.T) {
	const g = 1 << 30
	memory := func(free, keep uint64) Machine { return Machine{Memory: &Room{16 * g, free}, Keep: keep} }
	with := func(m Machine, vram uint64) Machine { m.VRAM = &Room{8 * g, vram}; return m }
	model := provider.Model{Bytes: 2 * g, Trained: 131072, Cache: 128 << 10} // 2 GiB, and 0.5 for 4096 tokens
	set := model
	set.Context = 32768 // 4 GiB
	short := model
	short.Trained = 512
	for _, c := range []struct {
		name    string
		model   provider.Model
		machine Machine
		others  uint64
		verdict string
		text    string
	}{
		{"room enough", model, memory(8*g, g), 0, "fits", "about 2.6 GiB with 4096 tokens of context; 8.0 GiB of memory are free"},
		{"too little would be left", model, memory(3*g, g), 0, "tight", "less than the 1.0 GiB that should stay so"},
		{"others go first", model, memory(2*g, g), 2 * g, "tight", "other models have to be let go first"},
		{"no room", model, memory(g, g), g, "no", "take a smaller model"},
		{"a large context", set, memory(6*g, 0), 0, "no", "6.1 GiB with 32768 tokens"},
		{"a small one", short, memory(8*g, 0), 0, "fits", "512 tokens"},
		{"on the card", model, with(memory(g, g), 6*g), 0, "fits", "6.0 GiB are free on the graphics card"},
		{"partly on the card", model, with(memory(8*g, g), g), 0, "tight", "part of it stays in memory"},
		{"nothing known of the machine", model, Machine{}, 0, "unknown", "does not show"},
		{"nothing known of the model", provider.Model{}, memory(g, 0), 0, "unknown", "does not tell"},
		{"in memory", provider.Model{Bytes: g, Loaded: true, LoadedBytes: 2 * g, LoadedVRAM: g}, memory(0, 0), 0, "loaded", "1.0 GiB of it on the graphics card"},
	} {
		if got := fit(c.model, c.machine, c.others); got.Verdict != c.verdict || !strings.Contains(got.Text, c.text) {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}
