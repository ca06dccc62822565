package ledger_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/storetest"
)

func TestAFullDiskRefusesAndRecovers(t *testing.T) {
	dir := storetest.SmallDisk(t, 12<<20)
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 50)
	full := storetest.Fill(t, dir)
	written := 50
	var err error
	for n := 50; n < 100_000; n++ { // the file still has free pages
		e := ledgertest.Call(n)
		e.User = fmt.Sprintf("new%d", n) // each needs a key and a name
		if err = l.AppendStrict(ctx(t), e); err != nil {
			break
		}
		written++
	}
	if !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("after %d entries: %v", written, err)
	}
	if l.Err() == nil {
		t.Error("the ledger calls itself well")
	}
	for _, e := range all(t, l, ledger.Filter{Calls: true, Last: 10}) { // reading goes on
		if e.Erased != "" {
			t.Errorf("entry %d cannot be read", e.Seq)
		}
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(ctx(t)); err != nil {
		t.Fatal(err)
	}
	appendCalls(t, l, 200_000, 200_010)
	sound(t, l)
	if got := total(t, l).Calls; got != uint64(written+11) { // and the one that failed first
		t.Errorf("%d calls are there, want %d", got, written+11)
	}
	closeAll()
	sound(t, ledgertest.Open(t, dir, nil))
}

func TestAFullDiskGoesOnWithAGap(t *testing.T) {
	dir := storetest.SmallDisk(t, 12<<20)
	l, closeAll := ledgertest.OpenWith(t, dir, store.Options{}, func(o *ledger.Options) {
		o.KeepContent, o.OnFailure, o.Queue = true, ledger.Continue, 100
	})
	full := storetest.Fill(t, dir)
	const calls = 3000
	for n := range calls {
		e := ledgertest.Call(n)
		e.Prompt.Content = []byte(strings.Repeat("much text ", 500))
		if err := l.Append(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(ctx(t)); err != nil {
		t.Fatal(err)
	}
	v := sound(t, l)
	missed := uint64(0)
	for _, g := range v.Gaps {
		missed += g.Calls
	}
	if got := total(t, l).Calls; got+missed != calls || missed == 0 {
		t.Errorf("%d written, %d missed of %d", got, missed, calls)
	}
	closeAll()
	sound(t, ledgertest.Open(t, dir, nil))
}

func TestADiskThatIsFullAtTheStartSaysSo(t *testing.T) {
	dir := storetest.SmallDisk(t, 12<<20)
	full := storetest.Fill(t, dir)
	db, err := store.Open(dir, store.Options{})
	if err == nil {
		_, err = ledger.Open(db, ledgertest.Options(dir))
		_ = db.Close()
	}
	if !errors.Is(err, unix.ENOSPC) {
		t.Errorf("got %v", err)
	}
	// What was half begun does not stand in the way.
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	l := ledgertest.Open(t, dir, nil)
	appendCalls(t, l, 0, 10)
	sound(t, l)
}

func TestADiskThatMayOnlyBeReadAtTheStart(t *testing.T) {
	for name, policy := range map[string]ledger.OnFailure{"refuse": ledger.Refuse, "continue": ledger.Continue} {
		t.Run(name, func(t *testing.T) {
			dir := storetest.SmallDisk(t, 12<<20)
			l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), nil)
			appendCalls(t, l, 0, 10)
			closeAll()
			remount := func(flags uintptr) {
				if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|flags, ""); err != nil {
					t.Fatal(err)
				}
			}
			remount(unix.MS_RDONLY)
			l, closeAll = ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.OnFailure, o.Queue = policy, 20 })
			if got := len(all(t, l, ledger.Filter{Calls: true})); got != 10 {
				t.Errorf("%d entries can be read", got)
			}
			for n := 10; n < 2000; n++ {
				if err := l.Append(ledgertest.Call(n)); (err != nil) && policy == ledger.Continue {
					t.Fatal(err)
				}
			}
			err := l.AppendStrict(ctx(t), ledgertest.Call(2000))
			if (policy == ledger.Refuse) != errors.Is(err, ledger.ErrUnavailable) {
				t.Errorf("AppendStrict: %v", err)
			}
			if err := l.Err(); !errors.Is(err, unix.EROFS) {
				t.Errorf("Err: %v", err)
			}
			remount(0)
			if err := l.Flush(ctx(t)); err != nil {
				t.Fatal(err)
			}
			v := sound(t, l)
			calls := total(t, l).Calls
			for _, g := range v.Gaps {
				calls += g.Calls
			}
			if policy == ledger.Continue && calls != 2001 {
				t.Errorf("%d calls written or counted, want 2001", calls)
			}
			closeAll()
			sound(t, ledgertest.Open(t, dir, nil))
		})
	}
}
