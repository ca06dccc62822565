package ledger_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
)

func verify(t testing.TB, l *ledger.Ledger) *ledger.Verification {
	t.Helper()
	v, err := l.Verify(ctx(t), ledger.VerifyOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func seqKey(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// spoil changes the file the way someone with an editor for bbolt files would.
func spoil(t testing.TB, dir string, change func(root *bbolt.Bucket) error) {
	t.Helper()
	db, err := bbolt.Open(filepath.Join(dir, store.FileName), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if err := db.Update(func(tx *bbolt.Tx) error { return change(tx.Bucket([]byte("ledger"))) }); err != nil {
		t.Fatal(err)
	}
}

func copyDir(t testing.TB, from string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"top.key", "signing.key"} { // CopyFS does not keep modes
		if err := os.Chmod(filepath.Join(to, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

func TestVerifyNamesTheFirstBadEntry(t *testing.T) {
	sound := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, sound, storeOptions(), func(o *ledger.Options) { o.KeepContent, o.HeadEvery = true, 16 })
	appendCalls(t, l, 0, 100)
	v := verify(t, l)
	if !v.OK() || v.Size != 101 || v.Heads == 0 {
		t.Fatalf("a sound ledger: %+v", v)
	}
	closeAll()

	get := func(b *bbolt.Bucket, n uint64) []byte { return append([]byte(nil), b.Get(seqKey(n))...) }
	edit := func(b *bbolt.Bucket, n uint64, at int) error {
		v := get(b, n)
		if at < 0 {
			at += len(v)
		}
		v[at] ^= 1
		return b.Put(seqKey(n), v)
	}
	for name, c := range map[string]struct {
		change func(*bbolt.Bucket) error
		seq    uint64
		kind   string
	}{
		"a sealed byte is edited": {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("entries")), 40, -30) }, 40, "edited"},
		"a row is edited":         {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("entries")), 41, 8) }, 41, "edited"},
		"the first is edited":     {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("entries")), 0, 8) }, 0, "edited"},
		"the last is edited":      {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("entries")), 100, 8) }, 100, "edited"},
		"one is deleted":          {func(r *bbolt.Bucket) error { return r.Bucket([]byte("entries")).Delete(seqKey(50)) }, 50, "missing"},
		"one is deleted and the rest moved up": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("entries"))
			for n := uint64(50); n < 100; n++ {
				if err := b.Put(seqKey(n), get(b, n+1)); err != nil {
					return err
				}
			}
			return b.Delete(seqKey(100))
		}, 50, "edited"},
		"two are swapped": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("entries"))
			x, y := get(b, 20), get(b, 60)
			if err := b.Put(seqKey(20), y); err != nil {
				return err
			}
			return b.Put(seqKey(60), x)
		}, 20, "edited"},
		"one is inserted and the rest moved down": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("entries"))
			for n := uint64(101); n > 30; n-- {
				if err := b.Put(seqKey(n), get(b, n-1)); err != nil {
					return err
				}
			}
			return b.Put(seqKey(30), get(b, 10))
		}, 30, "edited"},
		"one is inserted beside": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("entries"))
			return b.Put(append(seqKey(70), 1), get(b, 10))
		}, 71, "inserted"},
		"one is added at the end": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("entries"))
			return b.Put(seqKey(101), get(b, 10))
		}, 101, "inserted"},
		"a content is edited":   {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("content")), 33, 3) }, 33, "content"},
		"a content is deleted":  {func(r *bbolt.Bucket) error { return r.Bucket([]byte("content")).Delete(seqKey(34)) }, 34, "content"},
		"a tree hash is edited": {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("hashes")), 1, 5) }, 15, "hashes"},
		"a usage sum is edited": {func(r *bbolt.Bucket) error {
			b := r.Bucket([]byte("hours"))
			k, v := b.Cursor().First()
			v = append([]byte(nil), v...)
			v[len(v)-4] ^= 1
			return b.Put(append([]byte(nil), k...), v)
		}, 101, "usage"},
		"the newest head is deleted": {func(r *bbolt.Bucket) error { return r.Bucket([]byte("heads")).Delete(seqKey(101)) }, 101, "head"},
		"a head is edited":           {func(r *bbolt.Bucket) error { return edit(r.Bucket([]byte("heads")), 101, 20) }, 101, "head"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, sound)
			spoil(t, dir, c.change)
			v := verify(t, ledgertest.Open(t, dir, nil))
			if v.OK() {
				t.Fatal("nothing was seen")
			}
			if p := v.Problems[0]; p.Seq != c.seq || p.Kind != c.kind {
				t.Errorf("first problem: %+v, want %s at %d", p, c.kind, c.seq)
			}
		})
	}
}

// rewrite builds the ledger of dir anew with all its keys, as its owner could, but for one call.
func rewrite(t *testing.T, dir string, calls int, different int) {
	t.Helper()
	for _, name := range []string{store.FileName, "corral.keys"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.Anchors = nil })
	for n := range calls {
		e := ledgertest.Call(n)
		if n == different {
			e.Answer.Content = []byte("something else")
		}
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	closeAll()
}

func TestTheAnchorSeesWhatTheLedgerCannot(t *testing.T) {
	dir := t.TempDir()
	every := func(o *ledger.Options) { o.HeadEvery = 10 }
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), every)
	appendCalls(t, l, 0, 50)
	closeAll()
	older := copyDir(t, dir)
	l, closeAll = ledgertest.OpenWith(t, dir, storeOptions(), every)
	appendCalls(t, l, 50, 90)
	closeAll()
	raw, err := os.ReadFile(ledgertest.Anchor(dir).Path)
	if err != nil {
		t.Fatal(err)
	}
	withAnchor := func(dir string) string {
		if err := os.WriteFile(ledgertest.Anchor(dir).Path, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}

	t.Run("an older file put back", func(t *testing.T) {
		dir := copyDir(t, older)
		if v := verify(t, ledgertest.Open(t, copyDir(t, older), nil)); !v.OK() {
			t.Fatalf("alone it is sound: %v", v.Problems)
		}
		v := verify(t, ledgertest.Open(t, withAnchor(dir), nil))
		if v.OK() || v.Problems[0].Kind != "cut" || v.Problems[0].Seq != 51 || v.Problems[0].End != 91 {
			t.Errorf("%+v", v.Problems)
		}
	})
	t.Run("an older file put back and written on", func(t *testing.T) {
		dir := copyDir(t, older)
		l := ledgertest.Open(t, withAnchor(dir), func(o *ledger.Options) { o.HeadEvery = 10 })
		for n := 50; n < 120; n += 5 { // there are heads of it that are shorter than the one it does not fit
			appendCalls(t, l, n, n+5)
		}
		v := verify(t, l)
		if v.OK() || v.Problems[0].Kind != "rewritten" || v.Problems[0].Seq != 51 {
			t.Errorf("%+v", v.Problems)
		}
		if v.Anchored != 51 {
			t.Errorf("anchored up to %d, want 51", v.Anchored)
		}
	})
	t.Run("a whole ledger built anew with all keys", func(t *testing.T) {
		dir := copyDir(t, dir)
		rewrite(t, dir, 90, 20)
		v := verify(t, ledgertest.Open(t, withAnchor(dir), nil))
		if v.OK() || v.Problems[0].Kind != "replaced" {
			t.Errorf("%+v", v.Problems)
		}
	})
	t.Run("the same, under the old name", func(t *testing.T) {
		dir := copyDir(t, dir)
		var origin []byte
		spoil(t, dir, func(r *bbolt.Bucket) error { origin = append(origin, r.Get([]byte("origin"))...); return nil })
		rewrite(t, dir, 90, 20)
		spoil(t, dir, func(r *bbolt.Bucket) error {
			for n := range uint64(100) { // heads of the other name would give it away
				if err := r.Bucket([]byte("heads")).Delete(seqKey(n)); err != nil {
					return err
				}
			}
			return r.Put([]byte("origin"), origin)
		})
		v := verify(t, ledgertest.Open(t, withAnchor(dir), nil))
		if v.OK() || v.Problems[0].Kind != "rewritten" || v.Problems[0].Seq > 20 {
			t.Errorf("%+v", v.Problems)
		}
	})
	t.Run("anchored and unanchored parts are told apart", func(t *testing.T) {
		dir := withAnchor(copyDir(t, dir))
		l := ledgertest.Open(t, dir, func(o *ledger.Options) { o.Anchors = nil })
		appendCalls(t, l, 90, 95)
		v, err := l.Verify(context.Background(), ledger.VerifyOptions{Heads: signedHeads(t, dir)})
		if err != nil {
			t.Fatal(err)
		}
		if !v.OK() || v.Anchored != 91 || v.Size != 96 {
			t.Errorf("%+v", v)
		}
	})
	t.Run("a head that another key signed", func(t *testing.T) {
		dir := withAnchor(copyDir(t, dir))
		other := t.TempDir()
		_, closeOther := ledgertest.OpenWith(t, other, storeOptions(), nil)
		closeOther()
		l := ledgertest.Open(t, dir, nil)
		v, err := l.Verify(context.Background(), ledger.VerifyOptions{Heads: signedHeads(t, other)})
		if err != nil {
			t.Fatal(err)
		}
		if v.OK() || !strings.Contains(v.Problems[0].Text, "not signed by this ledger's key") {
			t.Errorf("%+v", v.Problems)
		}
	})
}

func signedHeads(t testing.TB, dir string) [][]byte {
	t.Helper()
	heads, err := ledgertest.Anchor(dir).Signed()
	if err != nil {
		t.Fatal(err)
	}
	return heads
}

// A Verify that met this moment took the newest entry for one that somebody had added.
func TestVerifyIsNotAlarmedByAnEntryThatIsJustWritten(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 5)
	size := l.Size()
	appendCalls(t, l, 5, 6)
	if l.Size() != size+1 {
		t.Fatalf("%d entries, %d before", l.Size(), size)
	}
	if problems, err := l.VerifyBehind(size); err != nil || len(problems) != 0 {
		t.Error(problems, err)
	}
}

func TestVerifyCoversManySegmentsWhileCallsGoOn(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 10_000)
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 10_000; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := l.AppendStrict(context.Background(), ledgertest.Call(n)); err != nil {
				done <- fmt.Errorf("call %d: %w", n, err)
				return
			}
		}
	}()
	var seen uint64
	v, err := l.Verify(ctx(t), ledger.VerifyOptions{Progress: func(done, total uint64) { seen = max(seen, done) }})
	close(stop)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if !v.OK() || seen != v.Size {
		t.Errorf("saw %d of %d: %v", seen, v.Size, v.Problems)
	}
}
