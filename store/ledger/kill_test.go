package ledger_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/storetest"
)

// childMain writes entries as fast as it can, tells each one on stdout once it is on disk, and is killed by its parent.
func childMain(dir, mode string) {
	fail := func(err error) {
		fmt.Println("error", err)
		os.Exit(1)
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		fail(err)
	}
	opts := ledgertest.Options(dir)
	opts.KeepContent, opts.HeadEvery = true, 20
	l, err := ledger.Open(db, opts)
	if err != nil {
		fail(err)
	}
	if mode == "idle" {
		fmt.Println("ready")
		select {}
	}
	ctx := context.Background()
	base := int(l.Size()) * 10
	out := make(chan string, 1000)
	for worker := range 6 {
		go func() {
			for n := base + worker; ; n += 6 {
				e := ledgertest.Call(n)
				if worker == 5 {
					e.User = "victim" // may be erased; nobody counts on it
					if err := l.Append(e); err != nil {
						continue
					}
				}
				if err := l.AppendStrict(ctx, e); err != nil {
					fail(err)
				}
				if worker != 5 {
					out <- e.RequestID
				}
			}
		}()
	}
	go func() {
		for {
			switch mode {
			case "rotate":
				err = l.RotateKey(ctx)
			case "erase":
				if _, err = l.Erase(ctx, ledger.Who{User: "victim"}); err != nil && strings.Contains(err.Error(), "no such") {
					err = nil
				}
			case "retain":
				_, err = l.Retain(ctx, ledger.Retention{ContentBytes: 10_000})
			case "compact":
				_, err = db.Compact(ctx)
			default:
				return
			}
			if err != nil {
				fail(err)
			}
		}
	}()
	w := bufio.NewWriter(os.Stdout)
	for id := range out {
		fmt.Fprintln(w, id)
		if len(out) == 0 {
			if err := w.Flush(); err != nil {
				os.Exit(1)
			}
		}
	}
}

// TestKill9 kills a writing process at random moments, opens its ledger again, and looks whether every entry that was told to be on
// disk is there, whether verify is content, and whether all sums agree.
func TestKill9(t *testing.T) {
	rounds := 200
	if testing.Short() {
		rounds = 10
	}
	modes := []string{"", "rotate", "", "erase", "", "retain", "", "compact"}
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	dir, told := t.TempDir(), map[string]bool{}
	killed := 0
	for round := range rounds {
		if round%25 == 0 { // so that the ledger does not grow for ever
			dir, told = t.TempDir(), map[string]bool{}
		}
		mode := modes[round%len(modes)]
		acked := runAndKill(t, dir, mode, 1+random.IntN(120))
		killed += len(acked)
		for _, id := range acked {
			told[id] = true
		}
		checkAfterKill(t, dir, mode, told)
		if t.Failed() {
			t.Fatalf("round %d, mode %q", round, mode)
		}
	}
	t.Logf("%d kills, %d entries told to be on disk", rounds, killed)
}

// runAndKill kills the child when so many entries were told; some more may be on their way at that moment.
func runAndKill(t *testing.T, dir, mode string, after int) (acked []string) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_MODE="+mode)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "error") {
			t.Errorf("child: %s", lines.Text())
			break
		}
		acked = append(acked, lines.Text())
		if len(acked) == after {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	return acked
}

func checkAfterKill(t *testing.T, dir, mode string, told map[string]bool) {
	t.Helper()
	db, err := store.Open(dir, store.Options{Check: func(path string, _ bool) error {
		if code := store.CheckMain([]string{"thorough", path}, os.Stderr); code != 0 {
			return &store.DamageError{Path: path, Reason: "see above"}
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if db.Damage() != nil {
		t.Fatal(db.Damage())
	}
	l, err := ledger.Open(db, ledgertest.Options(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := l.Close(ctx(t)); err != nil {
			t.Error(err)
		}
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	sound(t, l)
	seen, cost, calls := map[string]bool{}, int64(0), uint64(0)
	err = l.Scan(ctx(t), ledger.Filter{Calls: true}, func(e *record.Entry) error {
		if e.Erased == "" && mode != "" && e.User != "victim" && seen[e.RequestID] {
			t.Errorf("%s is there twice", e.RequestID)
		}
		if e.Erased != "" && e.User != ledger.ErasedName {
			t.Errorf("entry %d cannot be read", e.Seq)
		}
		seen[e.RequestID] = true
		cost += e.Cost.Nano
		calls++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id := range told {
		if !seen[id] {
			t.Errorf("%s was told to be on disk and is not there", id)
		}
	}
	for _, by := range []usage.Dimension{usage.User, usage.Model, usage.Status} {
		r, err := l.Usage(usage.Query{From: time.Unix(0, 0), To: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC), By: by})
		if err != nil {
			t.Fatal(err)
		}
		if r.Total.Cost != cost || r.Total.Calls != calls {
			t.Errorf("by %s: %d calls for %d, entries say %d for %d", by, r.Total.Calls, r.Total.Cost, calls, cost)
		}
	}
}

func TestASecondProcessIsToldWhoHasTheLedger(t *testing.T) {
	dir := t.TempDir()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childEnv+"="+dir, childEnv+"_MODE=idle")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Fatalf("%q, %v", line, err)
	}
	start := time.Now()
	_, err = store.Open(dir, store.Options{Check: storetest.Check(t)})
	if took := time.Since(start); took > time.Second {
		t.Errorf("it took %s", took)
	}
	if err == nil || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Errorf("got %v", err)
	}
}

func TestADamagedLedgerIsBegunAnewAndSaysSo(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), nil)
	appendCalls(t, l, 0, 200)
	closeAll()
	path := filepath.Join(dir, store.FileName)
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, raw[:20_000], 0o600); err != nil {
		t.Fatal(err)
	}
	l, closeAll = ledgertest.OpenWith(t, dir, store.Options{Check: storetest.Check(t)}, nil)
	appendCalls(t, l, 0, 10)
	v := sound(t, l)
	if len(v.Earlier) != 1 || !strings.Contains(v.Earlier[0], "201 entries") {
		t.Errorf("it does not say what it follows: %+v", v)
	}
	if e, err := l.At(0); err != nil || !strings.Contains(e.Note, "damage") {
		t.Errorf("first entry: %+v, %v", e, err)
	}
	closeAll()
	sound(t, ledgertest.Open(t, dir, nil))
}

// What the message about a damaged file recommends: bring back a backup. The ledger that was begun in between is on record then.
func TestABackupComesBackAfterDamage(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), nil)
	appendCalls(t, l, 0, 100)
	var backup bytes.Buffer
	if _, err := l.Backup(ctx(t), &backup); err != nil {
		t.Fatal(err)
	}
	appendCalls(t, l, 100, 200)
	closeAll()
	path := filepath.Join(dir, store.FileName)
	var before []string
	for round := range 2 {
		if err := os.Truncate(path, 20_000); err != nil {
			t.Fatal(err)
		}
		l, closeAll = ledgertest.OpenWith(t, dir, store.Options{Check: storetest.Check(t)}, nil)
		before = append(before, sound(t, l).Origin)
		appendCalls(t, l, 0, 10)
		closeAll()
		back, err := ledger.Restore(ctx(t), dir, bytes.NewReader(backup.Bytes()), storetest.Check(t), ledgertest.Options(dir))
		if err != nil {
			t.Fatal(err)
		}
		if back.Entries != 101 || (round == 0 && back.GivenUp != 100) {
			t.Errorf("%+v", back)
		}
		l, closeAll = ledgertest.OpenWith(t, dir, storeOptions(), nil)
		v := sound(t, l)
		for _, origin := range before {
			if !strings.Contains(strings.Join(v.Earlier, "\n"), origin) {
				t.Errorf("%s is not among %q", origin, v.Earlier)
			}
		}
		if len(v.Lost) != round+1 {
			t.Errorf("given up: %+v", v.Lost)
		}
		closeAll()
	}
}

// An old backup is brought back, and then the newer one after all: it holds entries that the first restore gave up.
func TestANewerBackupComesBackAfterAnOlder(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.HeadEvery = 10 })
	backups := make([]bytes.Buffer, 2)
	for i := range backups {
		appendCalls(t, l, 50*i, 50*(i+1))
		if _, err := l.Backup(ctx(t), &backups[i]); err != nil {
			t.Fatal(err)
		}
	}
	appendCalls(t, l, 100, 130)
	closeAll()
	kept := map[string]bool{}
	for i, want := range []struct{ entries, givenUp uint64 }{{51, 80}, {101, 31}} {
		back, err := ledger.Restore(ctx(t), dir, &backups[i], storetest.Check(t), ledgertest.Options(dir))
		if err != nil || back.Entries != want.entries || back.GivenUp != want.givenUp {
			t.Fatalf("%+v, %v", back, err)
		}
		for _, name := range back.Kept {
			kept[name] = true
		}
		l, closeAll = ledgertest.OpenWith(t, dir, storeOptions(), nil)
		if v := sound(t, l); len(v.Lost) != i+1 || v.Anchored <= want.entries {
			t.Errorf("%+v", v)
		}
		appendCalls(t, l, 200, 230)
		closeAll()
	}
	for name := range kept {
		if _, err := os.Stat(name); err != nil {
			t.Error(err)
		}
	}
	if len(kept) != 2 {
		t.Errorf("what was here before each restore is kept: %v", kept)
	}
	sound(t, ledgertest.Open(t, dir, nil))
}
