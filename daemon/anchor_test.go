package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/health"
	"corral/store/ledger"
	"corral/testkit"
	"corral/testkit/raw"
)

// hook is a web service that keeps what it is sent.
type hook struct {
	*httptest.Server
	mu    sync.Mutex
	heads [][]byte
}

func newHook(t *testing.T) *hook {
	h := &hook{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.heads = append(h.heads, b)
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) kept() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.heads
}

func (c *running) ledgerStatus() ledger.Status {
	c.t.Helper()
	s, err := c.api().LedgerStatus(context.Background())
	if err != nil {
		c.t.Fatal(err)
	}
	return s
}

// The signed heads that a hook holds show what the machine itself could hide.
func TestHeadsAtAHookShowACutTail(t *testing.T) {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"version":"1","model":"m","response":"hello","done":true}`)
	})
	h := newHook(t)
	program := testkit.BuildCorral(t)
	corral := testkit.Corral(t, program, u.config(fmt.Sprintf("audit: { anchors: [ %q ] }", h.URL+"/heads")))
	data := filepath.Join(corral.Home, "data")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	calls := func(n int) {
		t.Helper()
		for range n {
			res, err := client.Post(corral.URL+"/api/generate", "application/json", strings.NewReader(`{"model":"m"}`))
			if err != nil {
				t.Fatal(err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	}
	run := func(input string, args ...string) (string, error) {
		c := exec.Command(program, append(args, "--data-dir", data)...)
		c.Env, c.Stdin = []string{"HOME=" + corral.Home}, strings.NewReader(input)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	copyTo := func(to, from string) {
		t.Helper()
		for _, name := range []string{"corral.db", "corral.keys", "top.key", "signing.key", "anchor.log"} {
			b, err := os.ReadFile(filepath.Join(from, name))
			if err == nil {
				err = os.WriteFile(filepath.Join(to, name), b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	calls(1)
	if out, err := run("", "audit", "status"); err != nil || !strings.Contains(out, h.URL+"/heads") || !strings.Contains(out, filepath.Join(data, "anchor.log")) {
		t.Errorf("%v\n%s", err, out)
	}
	corral.Stop() // signs a last head
	old := t.TempDir()
	copyTo(old, data)
	corral.Start()
	calls(10)
	corral.Stop()
	corral.Start()
	kept := string(bytes.Join(h.kept(), nil))
	if out, err := run(kept, "audit", "verify", "--heads", "-"); err != nil || !strings.Contains(out, "The ledger is whole: entries #0 to #11.") || !strings.Contains(out, "Anchored in a second place: up to #11.") {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run("nothing of that kind", "audit", "verify", "--heads", "-"); err == nil || !strings.Contains(out, "there are no signed heads in it") {
		t.Errorf("%v\n%s", err, out)
	}

	// The whole folder is put back as it was, the file with its heads too: by itself the machine sees nothing.
	corral.Stop()
	copyTo(data, old)
	corral.Start()
	if out, err := run("", "audit", "verify"); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	if out, err := run(kept, "audit", "verify", "--heads", "-"); err == nil || !strings.Contains(out, "2 to 11") {
		t.Errorf("%v\n%s", err, out)
	}
}

// A second place that hangs or refuses holds no call up, and shows.
func TestAnAnchorThatFailsHoldsNothingUp(t *testing.T) {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"model":"m","response":"hello","done":true}`)
	})
	asked, open := make(chan struct{}, 100), make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked <- struct{}{}
		select {
		case <-open:
		case <-r.Context().Done():
		}
	}))
	defer hanging.Close()
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(507) }))
	defer refusing.Close()
	corral := boot(t, u.config(fmt.Sprintf("audit: { durability: strict, anchors: [ %q, %q ] }", hanging.URL, refusing.URL)))
	<-asked // it hangs from here
	start := time.Now()
	for range 20 {
		if res, body := corral.do("POST", "/api/generate", `{"model":"m"}`); res.StatusCode != 200 {
			t.Fatal(body)
		}
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("20 calls took %s", took)
	}
	close(open)
	if !eventually(func() bool { s := corral.ledgerStatus(); return s.Anchors[1].Error != "" && s.Anchors[0].Size > 0 }) {
		t.Fatalf("%+v", corral.ledgerStatus().Anchors)
	}
	s, err := corral.api().Status(context.Background())
	told := slices.ContainsFunc(s.Conditions, func(c health.Condition) bool {
		return c.Code == health.Anchor && c.Subject == refusing.URL && c.Severity == health.Warning && strings.Contains(c.Text, "the hook answered 507")
	})
	if err != nil || !s.Ready || !told {
		t.Errorf("%v %+v", err, s.Conditions)
	}
	if _, body := corral.do("GET", "/metrics", ""); !strings.Contains(body, "corral_ledger_anchors_failing 1\n") || strings.Contains(body, refusing.URL) {
		t.Error("the metrics do not tell, or tell too much")
	}
}
