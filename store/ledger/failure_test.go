package ledger_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/ledger/usage"
	"corral/store/storetest"
)

var errDisk = errors.New("input/output error")

// breaker makes commits fail while it is on.
type breaker struct{ on atomic.Bool }

func (b *breaker) fail() error {
	if b.on.Load() {
		return errDisk
	}
	return nil
}

func total(t testing.TB, l *ledger.Ledger) usage.Sum {
	t.Helper()
	r, err := l.Usage(usage.Query{From: time.Unix(0, 0), To: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	return r.Total
}

func TestWhileTheDiskFailsCallsAreRefused(t *testing.T) {
	for name, faults := range map[string]func(*breaker) store.Faults{
		"before anything is written": func(b *breaker) store.Faults { return store.Faults{Before: b.fail} },
		"after all was written":      func(b *breaker) store.Faults { return store.Faults{After: b.fail} },
	} {
		t.Run(name, func(t *testing.T) {
			var b breaker
			dir := t.TempDir()
			l, closeAll := ledgertest.OpenWith(t, dir, store.Options{Faults: faults(&b)}, nil)
			appendCalls(t, l, 0, 5)
			b.on.Store(true)
			if err := l.AppendStrict(ctx(t), ledgertest.Call(5)); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, errDisk) {
				t.Fatalf("AppendStrict: %v", err)
			}
			if err := l.Err(); !errors.Is(err, errDisk) {
				t.Errorf("Err: %v", err)
			}
			if err := l.Append(ledgertest.Call(6)); !errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("Append: %v", err)
			}
			b.on.Store(false)
			if err := l.Flush(ctx(t)); err != nil {
				t.Fatal(err)
			}
			if err := l.AppendStrict(ctx(t), ledgertest.Call(7)); err != nil {
				t.Fatal(err)
			}
			if l.Err() != nil {
				t.Errorf("Err: %v", l.Err())
			}
			check := func(l *ledger.Ledger) {
				t.Helper()
				if v := sound(t, l); len(v.Gaps) != 0 {
					t.Errorf("gaps: %+v", v.Gaps)
				}
				entries := all(t, l, ledger.Filter{Calls: true})
				if s := total(t, l); len(entries) != 7 || s.Calls != 7 {
					t.Errorf("%d entries, %d in the sums: want 7, the one of the failed commit once", len(entries), s.Calls)
				}
			}
			check(l)
			closeAll()
			check(ledgertest.Open(t, dir, nil))
		})
	}
}

func TestWhileTheDiskFailsCallsGoOnWithACountedGap(t *testing.T) {
	var b breaker
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, store.Options{Faults: store.Faults{Before: b.fail}}, func(o *ledger.Options) {
		o.OnFailure, o.Queue = ledger.Continue, 16
	})
	appendCalls(t, l, 0, 5)
	b.on.Store(true)
	const calls = 5000
	for n := 5; n < calls; n++ {
		if err := l.Append(ledgertest.Call(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.AppendStrict(ctx(t), ledgertest.Call(calls)); err != nil {
		t.Errorf("AppendStrict: %v", err)
	}
	b.on.Store(false)
	if err := l.Flush(ctx(t)); err != nil {
		t.Fatal(err)
	}
	v := sound(t, l)
	if len(v.Gaps) == 0 {
		t.Fatal("no gap is on record")
	}
	written := uint64(len(all(t, l, ledger.Filter{Calls: true})))
	var missed uint64
	cost := total(t, l).Cost
	for _, g := range v.Gaps {
		missed += g.Calls
		cost += g.Used.Cost
		if g.Reason == "" || g.From.IsZero() || g.To.Before(g.From) {
			t.Errorf("%+v", g)
		}
	}
	if written+missed != calls+1 {
		t.Errorf("%d written and %d missed of %d", written, missed, calls+1)
	}
	if want := int64(calls+1)*1000 + calls*(calls+1)/2; cost != want {
		t.Errorf("written and missed cost %d, want %d", cost, want)
	}
	closeAll()
}

func TestCloseGivesUpOnABrokenDiskAndCountsTheLoss(t *testing.T) {
	var b breaker
	dir := t.TempDir()
	db, err := store.Open(dir, store.Options{Faults: store.Faults{Before: b.fail}})
	if err != nil {
		t.Fatal(err)
	}
	opts := ledgertest.Options(dir)
	opts.OnFailure = ledger.Continue
	l, err := ledger.Open(db, opts)
	if err != nil {
		t.Fatal(err)
	}
	appendCalls(t, l, 0, 5)
	b.on.Store(true)
	for n := range 20 {
		if err := l.Append(ledgertest.Call(5 + n)); err != nil {
			t.Fatal(err)
		}
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.Close(gone); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("Close: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	l = ledgertest.Open(t, dir, nil)
	if s := total(t, l); s.Calls < 5 {
		t.Errorf("%d calls", s.Calls)
	}
	sound(t, l)
}

func TestBackupAndRestore(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 30)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 30; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := l.AppendStrict(context.Background(), ledgertest.Call(n)); err != nil {
				done <- err
				return
			}
		}
	}()
	var backup bytes.Buffer
	m, err := l.Backup(ctx(t), &backup)
	close(stop)
	if err := errors.Join(err, <-done); err != nil {
		t.Fatal(err)
	}
	if m.Entries < 31 {
		t.Errorf("%+v", m)
	}
	appendCalls(t, l, 900, 910)
	if _, err := l.Erase(ctx(t), ledger.Who{RequestID: "req-000003"}); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Erase(ctx(t), ledger.Who{User: "user1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Restore(ctx(t), dir, bytes.NewReader(backup.Bytes()), storetest.Check(t), ledgertest.Options(dir)); !errors.Is(err, store.ErrInUse) {
		t.Errorf("restoring under a running ledger: %v", err)
	}
	if err := l.RotateKey(ctx(t)); err != nil { // backups from before still have to come back
		t.Fatal(err)
	}
	closeAll()

	for name, spoil := range map[string]func([]byte) []byte{
		"cut":    func(b []byte) []byte { return b[:len(b)/2] },
		"edited": func(b []byte) []byte { b = bytes.Clone(b); b[len(b)/2] ^= 1; return b },
		"empty":  func([]byte) []byte { return nil },
	} {
		if _, err := ledger.Restore(ctx(t), dir, bytes.NewReader(spoil(backup.Bytes())), storetest.Check(t), ledgertest.Options(dir)); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	back, err := ledger.Restore(ctx(t), dir, bytes.NewReader(backup.Bytes()), storetest.Check(t), ledgertest.Options(dir))
	if err != nil {
		t.Fatal(err)
	}
	if back.Entries < 31 || back.GivenUp == 0 {
		t.Errorf("%+v", back)
	}
	l = ledgertest.Open(t, dir, nil)
	v := sound(t, l)
	if len(v.Lost) != 1 {
		t.Errorf("%+v", v.Lost)
	}
	for _, e := range all(t, l, ledger.Filter{Calls: true}) {
		if erased := e.User == ledger.ErasedName || e.Seq == 4; erased != (e.Erased != "") {
			t.Errorf("entry %d: %s", e.Seq, dump(t, e))
		}
	}
	if len(all(t, l, ledger.Filter{User: "user1"})) != 0 {
		t.Error("an erased person is back")
	}
	appendCalls(t, l, 100, 110)
	sound(t, l)

	// On another machine, with the two keys carried over by hand.
	other := t.TempDir()
	for _, name := range []string{"top.key", "signing.key"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var second bytes.Buffer
	if _, err := l.Backup(ctx(t), &second); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.Restore(ctx(t), other, &second, storetest.Check(t), ledgertest.Options(other)); err != nil {
		t.Fatal(err)
	}
	sound(t, ledgertest.Open(t, other, nil))
}

// A backup of a ledger whose top key is not here cannot be used; the folder is then what it was, and opens.
func TestARestoreThatFailsChangesNothing(t *testing.T) {
	another, closeAnother := ledgertest.OpenWith(t, t.TempDir(), storeOptions(), nil)
	appendCalls(t, another, 0, 5)
	var backup bytes.Buffer
	if _, err := another.Backup(ctx(t), &backup); err != nil {
		t.Fatal(err)
	}
	closeAnother()
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), nil)
	appendCalls(t, l, 0, 3)
	closeAll()
	for _, dir := range []string{dir, t.TempDir()} {
		before := files(t, dir)
		done, err := ledger.Restore(ctx(t), dir, bytes.NewReader(backup.Bytes()), storetest.Check(t), ledgertest.Options(dir))
		if err == nil || len(done.Kept) > 0 || done.Entries > 0 {
			t.Errorf("restored: %+v", done)
		}
		for name, b := range files(t, dir) {
			if was, ok := before[name]; !ok && strings.HasPrefix(name, "corral.") || ok && was != b {
				t.Errorf("%s is not what it was", name)
			}
		}
	}
	l = ledgertest.Open(t, dir, nil)
	if n := len(all(t, l, ledger.Filter{Calls: true})); n != 3 {
		t.Errorf("%d calls", n)
	}
	sound(t, l)
}

func TestABackupAfterAnErasureDoesNotGiveTheTextBack(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 9)
	if _, err := l.Erase(ctx(t), ledger.Who{User: "user1"}); err != nil {
		t.Fatal(err)
	}
	var backup bytes.Buffer
	if _, err := l.Backup(ctx(t), &backup); err != nil {
		t.Fatal(err)
	}
	closeAll()
	other := t.TempDir()
	for _, name := range []string{"top.key", "signing.key"} {
		raw, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, name), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := ledger.Restore(ctx(t), other, &backup, storetest.Check(t), ledgertest.Options(other)); err != nil {
		t.Fatal(err)
	}
	l = ledgertest.Open(t, other, nil)
	erased := 0
	for _, e := range all(t, l, ledger.Filter{Calls: true}) {
		if e.Erased != "" {
			erased++
		}
	}
	if erased != 3 {
		t.Errorf("%d entries are erased, want 3", erased)
	}
	sound(t, l)
}
