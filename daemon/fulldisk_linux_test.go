package daemon_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"corral/daemon"
	"corral/daemon/client"
	"corral/store/storetest"
	"corral/testkit"
	"corral/testkit/raw"
)

// fullDisk is the whole program with its data on a small disk.
type fullDisk struct {
	t       *testing.T
	program string
	dir     string
	*testkit.Server
	client *http.Client
	asked  atomic.Int64
}

func onSmallDisk(t *testing.T, audit string) *fullDisk {
	u := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		return raw.Reply(c, "application/json", `{"version":"1","model":"m","response":"hello","done":true,"prompt_eval_count":3,"eval_count":5}`)
	})
	d := &fullDisk{t: t, dir: storetest.SmallDisk(t, 12<<20), program: testkit.BuildCorral(t), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	t.Cleanup(d.client.CloseIdleConnections)
	d.Server = testkit.Corral(t, d.program, u.config("audit: "+audit, "telemetry: { log: warn }"), "--data-dir", d.dir)
	return d
}

func (d *fullDisk) get(path string) (int, string) {
	d.t.Helper()
	res, err := d.client.Get(d.URL + path)
	if err != nil {
		d.t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// call makes a call and returns its status and, where it failed, the error's code.
func (d *fullDisk) call() (int, string) {
	d.asked.Add(1)
	res, err := d.client.Post(d.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"m","messages":[]}`))
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	var v struct{ Error struct{ Code string } }
	b, _ := io.ReadAll(res.Body)
	json.Unmarshal(b, &v)
	return res.StatusCode, v.Error.Code
}

// calls makes n of them, sixteen at a time, and all must succeed.
func (d *fullDisk) calls(n int) {
	d.t.Helper()
	var wg sync.WaitGroup
	for worker := range 16 {
		wg.Go(func() {
			for range (n + worker) / 16 {
				if status, code := d.call(); status != 200 {
					d.t.Errorf("a call failed: %d %s", status, code)
					return
				}
			}
		})
	}
	wg.Wait()
	if d.t.Failed() {
		d.t.FailNow()
	}
}

func (d *fullDisk) corral(args ...string) (string, error) {
	c := exec.Command(d.program, append(args, "--data-dir", d.dir)...)
	c.Env = []string{"HOME=" + d.Home}
	out, err := c.CombinedOutput()
	return string(out), err
}

func (d *fullDisk) says(want ...string) {
	d.t.Helper()
	out, err := d.corral("status")
	for _, w := range want {
		if err != nil || !strings.Contains(out, w) {
			d.t.Errorf("status does not say %q: %v\n%s", w, err, out)
		}
	}
}

func TestWithAFullDiskCallsGoOnAndTheGapIsOnRecord(t *testing.T) {
	d := onSmallDisk(t, "{ on_failure: continue }")
	d.calls(32)
	full := storetest.Fill(t, d.dir)
	// More than may wait in memory, and than the file still has room for.
	d.calls(20_000)
	if status, body := d.get("/readyz"); status != 200 || !strings.Contains(body, `{"condition":"ledger","severity":"critical","title":"Ledger"}`) {
		t.Errorf("readyz: %d %s", status, body)
	}
	if _, body := d.get("/metrics"); !strings.Contains(body, "corral_ledger_failing 1\n") {
		t.Error("the metrics do not tell")
	}
	d.says("is ready at", "critical  ledger", "it cannot be written since", "no space left on device", "Calls go on", "-> make room where "+d.dir)
	if out, err := d.corral("doctor"); err == nil || !strings.Contains(out, "problem  ledger ") || !strings.Contains(out, "problem  disk ") {
		t.Errorf("doctor: %v\n%s", err, out)
	}
	if !strings.Contains(d.Log(), "ledger cannot be written") {
		t.Error("the log does not tell")
	}
	if out, err := d.corral("events", "--after", "0", "--type", "ledger", "-n", "1"); err != nil || !strings.Contains(out, "cannot be written: ") {
		t.Errorf("the feed: %v\n%s", err, out)
	}

	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { _, body := d.get("/readyz"); return !strings.Contains(body, "ledger") }) {
		t.Fatal("it is not written again, though there is room")
	}
	if out, err := d.corral("events", "--after", "0", "--type", "ledger", "-n", "2"); err != nil || !strings.Contains(out, "can be written again") {
		t.Errorf("the feed: %v\n%s", err, out)
	}
	out, err := d.corral("audit", "verify")
	if err != nil || !strings.Contains(out, "went by unrecorded") || !strings.Contains(out, "no space left on device") || !strings.Contains(out, "The ledger is whole") {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// What is written and what is counted is all there was.
	api, err := client.Open(d.dir, d.URL, daemon.AddressFile)
	if err != nil {
		t.Fatal(err)
	}
	v, err := api.Verify(context.Background(), func(uint64, uint64) {})
	if err != nil {
		t.Fatal(err)
	}
	missed := int64(0)
	for _, g := range v.Gaps {
		missed += int64(g.Calls)
	}
	var calls int64
	if !eventually(func() bool { // those that waited follow
		report, err := api.Usage(context.Background(), client.Query{"by": {"status"}})
		if err != nil {
			t.Fatal(err)
		}
		calls = int64(report.Total.Calls)
		return calls+missed == d.asked.Load()
	}) || missed == 0 {
		t.Errorf("%d calls are on record and %d in gaps, of %d", calls, missed, d.asked.Load())
	}
	if out, _ := d.corral("status"); strings.Contains(out, "Problem:") {
		t.Errorf("a problem that is over:\n%s", out)
	}
}

func TestWithAFullDiskCallsAreRefusedWhereTheConfigSaysSo(t *testing.T) {
	d := onSmallDisk(t, "{ on_failure: refuse, durability: strict }")
	d.calls(32)
	full := storetest.Fill(t, d.dir)
	var status int
	var code string
	if !eventually(func() bool { status, code = d.call(); return status != 200 }) || status != 503 || code != "ledger_unavailable" {
		t.Fatalf("%d %s", status, code)
	}
	if status, code := d.call(); status != 503 || code != "ledger_unavailable" {
		t.Errorf("%d %s", status, code)
	}
	if status, body := d.get("/readyz"); status != 503 || !strings.Contains(body, `{"condition":"ledger","severity":"critical","title":"Ledger"}`) {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _ := d.get("/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	d.says("is not ready at", "critical  ledger", "it cannot be written since", "Calls are refused until it can")

	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { status, _ := d.get("/readyz"); return status == 200 }) {
		t.Fatal("it does not recover, though there is room")
	}
	d.calls(32)
	if out, err := d.corral("audit", "verify"); err != nil || strings.Contains(out, "unrecorded") {
		t.Errorf("verify: %v\n%s", err, out)
	}
}

// A change of audit.on_failure waits for a restart, all of it: were half of it in force, calls could go by uncounted.
func TestOnFailureWaitsForARestart(t *testing.T) {
	d := onSmallDisk(t, "{ on_failure: refuse, durability: group }")
	file := filepath.Join(d.Home, "corral.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(strings.Replace(string(b), "refuse", "continue", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if !eventually(func() bool { out, _ := d.corral("status"); return strings.Contains(out, "waits for a restart") }) {
		t.Fatal("the change was not noticed")
	}
	full := storetest.Fill(t, d.dir)
	if !eventually(func() bool { status, _ := d.call(); return status == 503 }) {
		t.Error("calls go on")
	}
	d.says("is not ready at", "The change to audit waits for a restart.")
	if err := os.Remove(full); err != nil { // else the end of the program waits for the disk
		t.Fatal(err)
	}
}
