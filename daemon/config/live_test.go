package config

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// result is one call of onResult.
type result struct {
	err     error
	changed []string
}

// watched is a Live over a file in a folder of its own, being watched until the test ends.
type watched struct {
	*Live
	t       *testing.T
	results chan result
}

func watch(t *testing.T, path string, explicit bool) *watched {
	t.Helper()
	live, err := Open(Source{Path: path, Explicit: explicit})
	if err != nil {
		t.Fatal(err)
	}
	live.settle = 5 * time.Millisecond
	w := &watched{Live: live, t: t, results: make(chan result, 100)}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- live.Run(ctx, func(err error, changed []string) { w.results <- result{err, changed} })
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("Run does not end")
		}
	})
	return w
}

// next waits for a result that fits. Others may come before it: a file written in two steps may be seen in between.
func (w *watched) next(what string, fits func(result) bool) result {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for {
		select {
		case r := <-w.results:
			if fits(r) {
				return r
			}
		case <-deadline:
			w.t.Fatalf("nothing came of: %s", what)
		}
	}
}

func (w *watched) takesOver(what, listen string) {
	w.t.Helper()
	w.next(what, func(r result) bool { return r.err == nil && w.Current().Listen == listen })
}

func (w *watched) refuses(what, message, listen string) {
	w.t.Helper()
	w.next(what, func(r result) bool { return r.err != nil && strings.Contains(r.err.Error(), message) })
	if got := w.Current().Listen; got != listen {
		w.t.Errorf("%s: listens on %s", what, got)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

const (
	one   = "listen: 127.0.0.1:1\n"
	two   = "listen: 127.0.0.1:2\n"
	three = "listen: 127.0.0.1:3\n"
)

func TestASavedFileIsTakenOver(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, one)
	w := watch(t, path, true)

	write(t, path, two)
	w.takesOver("a file written in place", "127.0.0.1:2")

	write(t, path+".new", three+"slo: { latency_p95: 1s }\n")
	rename(t, path+".new", path)
	r := w.next("a file put in its place", func(r result) bool { return r.err == nil && w.Current().SLO.LatencyP95 == Duration(time.Second) })
	if !reflect.DeepEqual(r.changed, []string{"listen", "slo"}) {
		t.Errorf("changed %v", r.changed)
	}
	if got := w.Warnings(); len(got) != 0 {
		t.Errorf("warnings %v", got)
	}

	rename(t, path, path+"~")
	write(t, path, one)
	w.takesOver("a file written anew after the old one became its backup", "127.0.0.1:1")
}

func TestAHalfWrittenFileLeavesTheOldConfig(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, one)
	w := watch(t, path, false)

	write(t, path, "")
	w.refuses("an empty file", "is empty", "127.0.0.1:1")
	write(t, path, "listen: 127.0.0.1:2\nproviders: [ { na")
	w.refuses("half a file", "corral.yaml:2:", "127.0.0.1:1")
	write(t, path, two)
	w.takesOver("the whole file", "127.0.0.1:2")
}

func TestAFileThatIsGoneLeavesTheOldConfig(t *testing.T) {
	for _, explicit := range []bool{true, false} {
		path := filepath.Join(t.TempDir(), "corral.yaml")
		write(t, path, one)
		w := watch(t, path, explicit)
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		message := "is gone"
		if explicit {
			message = "is not there"
		}
		w.refuses("no file", message, "127.0.0.1:1")
		write(t, path, two)
		w.takesOver("a new file", "127.0.0.1:2")
	}
}

func TestAFileMayAppearInAFolderThatIsNotThereYet(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "a", "b", "corral.yaml")
	w := watch(t, path, false)
	write(t, path, one)
	w.takesOver("a new folder", "127.0.0.1:1")

	rename(t, filepath.Join(base, "a", "b"), filepath.Join(base, "a", "old"))
	w.refuses("no folder", "is gone", "127.0.0.1:1")
	write(t, filepath.Join(base, "a", "new", "corral.yaml"), two)
	rename(t, filepath.Join(base, "a", "new"), filepath.Join(base, "a", "b"))
	w.takesOver("another folder", "127.0.0.1:2")
	write(t, path, three)
	w.takesOver("a file in it", "127.0.0.1:3")
}

// Kubernetes mounts corral.yaml -> ..data/corral.yaml and ..data -> a folder with a date, and swaps the second link.
func TestALinkMayBeSwapped(t *testing.T) {
	base := t.TempDir()
	path := filepath.Join(base, "corral.yaml")
	link := func(target, name string) {
		t.Helper()
		if err := os.Symlink(target, filepath.Join(base, name)); err != nil {
			t.Skip(err) // Windows without the right to make links
		}
	}
	write(t, filepath.Join(base, "..one", "corral.yaml"), one)
	write(t, filepath.Join(base, "..two", "corral.yaml"), two)
	link("..one", "..data")
	link(filepath.Join("..data", "corral.yaml"), "corral.yaml")
	w := watch(t, path, true)

	link("..two", "..data_tmp")
	rename(t, filepath.Join(base, "..data_tmp"), filepath.Join(base, "..data"))
	w.takesOver("a swapped link", "127.0.0.1:2")
	write(t, filepath.Join(base, "..two", "corral.yaml"), three)
	w.takesOver("the file behind the links", "127.0.0.1:3")
}

func TestOtherFilesInTheFolderAreNoReload(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, one)
	w := watch(t, path, true)
	for range 20 {
		write(t, filepath.Join(filepath.Dir(path), "other"), "x")
	}
	write(t, path, two)
	first := w.next("the only change", func(r result) bool { return r.err == nil })
	if !slices.Equal(first.changed, []string{"listen"}) {
		t.Errorf("reloaded without a change: %+v", first)
	}
}

func TestNobodyCommitsWhenOneSubscriberRefuses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, one)
	live, err := Open(Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	var steps []string
	noRoom := errors.New("no room")
	live.Subscribe(func(old, next Config) error {
		steps = append(steps, "first verifies "+old.Listen+" to "+next.Listen)
		return nil
	}, func(c Config) {
		steps = append(steps, "first commits "+c.Listen)
		if live.Current().Listen != c.Listen {
			t.Error("a commit sees the old config")
		}
	})
	live.Subscribe(func(_, next Config) error {
		steps = append(steps, "second verifies")
		if next.Listen == "127.0.0.1:2" {
			return noRoom
		}
		return nil
	}, nil)
	live.Subscribe(nil, func(Config) { steps = append(steps, "third commits") })

	write(t, path, two)
	if err := live.Reload(t.Context()); !errors.Is(err, noRoom) {
		t.Errorf("refused with %v", err)
	}
	if live.Current().Listen != "127.0.0.1:1" {
		t.Errorf("in force: %s", live.Current().Listen)
	}
	write(t, path, three)
	if err := live.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	want := []string{
		"first verifies 127.0.0.1:1 to 127.0.0.1:2", "second verifies",
		"first verifies 127.0.0.1:1 to 127.0.0.1:3", "second verifies", "first commits 127.0.0.1:3", "third commits",
	}
	if !slices.Equal(steps, want) {
		t.Errorf("got\n%s", strings.Join(steps, "\n"))
	}

	steps = nil
	if err := live.Reload(t.Context()); err != nil || len(steps) != 4 {
		t.Errorf("a reload of the same file is one all the same: %v, %v", err, steps)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := live.Reload(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The listener keeps its address until a restart, so keys must be asked for until then.
func TestKeysAreNotDroppedWhileTheOldAddressIsOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "corral.yaml")
	write(t, path, "listen: 0.0.0.0:11435\nauth: required\n")
	live, err := Open(Source{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, "listen: 127.0.0.1:11435\nauth: none\n")
	if err := live.Reload(t.Context()); err == nil || !strings.Contains(err.Error(), "restart Corral") || live.Current().Auth != AuthRequired {
		t.Errorf("%v, in force: %s", err, live.Current().Auth)
	}
	write(t, path, "listen: 127.0.0.1:11435\nauth: required\n")
	if err := live.Reload(t.Context()); err != nil {
		t.Error(err)
	}
	if got := NeedsRestart(live.Started(), live.Current()); !slices.Equal(got, []string{"listen"}) {
		t.Errorf("needs a restart for %v", got)
	}
	if got := NeedsRestart(live.Current(), live.Current()); got != nil {
		t.Errorf("needs a restart for %v", got)
	}
}

func TestWithoutAFileThereIsNothingToWatch(t *testing.T) {
	live, err := Open(Source{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := live.Run(ctx, nil); err != nil {
		t.Error(err)
	}
	if err := live.Reload(t.Context()); err != nil {
		t.Error(err)
	}
}
