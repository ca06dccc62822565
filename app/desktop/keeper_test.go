package desktop

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"corral/daemon"
	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/daemon/event"
	"corral/testkit"
)

// TestMain is a daemon too, when a test's keeper starts one: DATA LISTEN.
func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == "serve-for-a-test" {
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
		defer stop()
		err := daemon.Run(ctx, daemon.Options{Config: config.Source{Flags: map[string]string{"listen": os.Args[3]}}, DataDir: os.Args[2], Version: "test", Log: slog.New(slog.DiscardHandler), Level: new(slog.LevelVar)})
		if err != nil {
			fmt.Fprintln(os.Stderr, "corral:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// kept runs a keeper for a data folder, and remembers what it told.
type kept struct {
	*keeper
	mu   sync.Mutex
	told []Report
}

func keep(t *testing.T, dir string, serve ...string) *kept {
	k := &kept{}
	k.keeper = &keeper{dataDir: dir, serve: serve, wish: make(chan struct{}, 1),
		open:  func() (*client.Client, error) { return client.Open(dir, "", daemon.AddressFile) },
		event: func(event.Event) {},
		told:  func(r Report) { k.mu.Lock(); defer k.mu.Unlock(); k.told = append(k.told, r) },
	}
	ctx, stop := context.WithCancel(t.Context())
	var done sync.WaitGroup
	done.Go(func() { k.run(ctx) })
	t.Cleanup(func() { stop(); done.Wait() })
	return k
}

func (k *kept) last() Report {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.told) == 0 {
		return Report{}
	}
	return k.told[len(k.told)-1]
}

// await waits until the keeper's last word is so.
func (k *kept) await(t *testing.T, what string, is func(Report) bool) Report {
	t.Helper()
	if !testkit.Eventually(func() bool { return is(k.last()) }) {
		t.Fatalf("%s: %+v", what, k.last())
	}
	return k.last()
}

// end kills the daemon of a folder, as a machine that is short of memory does.
func end(t *testing.T, dir string) {
	t.Helper()
	api, err := client.Open(dir, "", daemon.AddressFile)
	if err != nil {
		return
	}
	s, err := api.Status(context.Background())
	if err != nil {
		return
	}
	if p, err := os.FindProcess(s.PID); err == nil && s.PID != os.Getpid() {
		p.Kill()
	}
}

func TestADaemonIsStartedFoundLostAndFoundAgain(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	serve := []string{os.Args[0], "serve-for-a-test", dir, "127.0.0.1:0"}
	first := keep(t, dir, serve...)
	t.Cleanup(func() { end(t, dir) })
	was := first.await(t, "none was started", func(r Report) bool { return r.State == Connected })
	if was.Version != "test" || was.Address == "" || was.Started == "" {
		t.Errorf("%+v", was)
	}
	if first.told[0].State != Starting {
		t.Errorf("%+v", first.told[0])
	}

	other := keep(t, dir, "/nowhere/that/would/be/an/error")
	if r := other.await(t, "one that runs was not found", func(r Report) bool { return r.State == Connected }); r.Started != was.Started {
		t.Error("another one was started")
	}

	end(t, dir)
	for _, k := range []*kept{first, other} {
		if r := k.await(t, "the loss was not noticed", func(r Report) bool { return r.State == Away }); r.Why == "" {
			t.Errorf("%+v", r)
		}
	}
	first.start()
	for _, k := range []*kept{first, other} {
		r := k.await(t, "the next one was not found", func(r Report) bool { return r.State == Connected })
		if r.Started == was.Started {
			t.Error("two starts look the same")
		}
	}
	api, err := first.open()
	if err != nil {
		t.Fatal(err)
	}
	if err := api.Pause(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	first.await(t, "a pause is not told", func(r Report) bool { return r.Paused && r.Severity != "ok" })
}

// TestADaemonWithoutAFeedIsNotAway: it is looked at now and then, and told once, for each time that it is found the window makes a link.
func TestADaemonWithoutAFeedIsNotAway(t *testing.T) {
	var mu sync.Mutex
	var asked []time.Time
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			fmt.Fprint(w, `{"listen":"127.0.0.1:1","version":"test","started":"2026-01-01T00:00:00Z"}`)
			return
		}
		mu.Lock()
		asked = append(asked, time.Now())
		refusal := []int{http.StatusUnprocessableEntity, http.StatusServiceUnavailable}[len(asked)%2]
		mu.Unlock()
		w.WriteHeader(refusal)
	}))
	defer s.Close()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, admin.TokenFile), []byte("token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, daemon.AddressFile), []byte(s.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	k := keep(t, dir, filepath.Join(dir, "no-such-program"))
	times := func() []time.Time { mu.Lock(); defer mu.Unlock(); return slices.Clone(asked) }
	if !testkit.Eventually(func() bool { return len(times()) >= 3 }) {
		t.Fatalf("the feed was asked for %d times", len(times()))
	}
	for i, at := range times()[1:] {
		if pause := at.Sub(times()[i]); pause < keeperLook {
			t.Errorf("it was asked for again after %v", pause)
		}
	}
	k.mu.Lock()
	told := slices.Clone(k.told)
	k.mu.Unlock()
	if len(told) != 2 || told[0].State != Starting || told[1].State != Connected {
		t.Errorf("%+v", told)
	}
	s.Close()
	if r := k.await(t, "that it does not answer any more", func(r Report) bool { return r.State == Away }); r.Why == "" {
		t.Errorf("%+v", r)
	}
}

func TestWhyADaemonDoesNotStartIsTold(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	k := keep(t, dir, os.Args[0], "serve-for-a-test", dir, "256.0.0.1:1")
	r := k.await(t, "it started", func(r Report) bool { return r.State == Away })
	if !strings.Contains(r.Why, "did not start") || !strings.Contains(r.Why, "256.0.0.1:1") {
		t.Errorf("%q", r.Why)
	}
	k = keep(t, dir, filepath.Join(dir, "no-such-program"))
	k.await(t, "no program was started", func(r Report) bool { return r.State == Away && strings.Contains(r.Why, "no-such-program") })
}
