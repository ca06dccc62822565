package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"
)

// The test binary plays the child that checks a file.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == CheckCommand {
		os.Exit(CheckMain(os.Args[2:], os.Stdout))
	}
	if len(os.Args) > 2 && os.Args[1] == "__die" { // as a check that is ended by a signal
		n, _ := strconv.Atoi(os.Args[2])
		me, _ := os.FindProcess(os.Getpid())
		_ = me.Signal(syscall.Signal(n))
		select {}
	}
	os.Exit(m.Run())
}

func childCheck(t *testing.T) func(string, bool) error {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return CheckInChild(exe, CheckCommand)
}

func mustOpen(t *testing.T, dir string, opts Options) *DB {
	t.Helper()
	db, err := Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func put(t *testing.T, db *DB, k, v string) {
	t.Helper()
	err := db.Update(func(tx *Tx) error {
		b, err := tx.Ensure("test", "inner")
		if err != nil {
			return err
		}
		return b.Put([]byte(k), []byte(v))
	})
	if err != nil {
		t.Fatal(err)
	}
}

func get(t *testing.T, db *DB, k string) (v string) {
	t.Helper()
	err := db.View(func(tx *Tx) error {
		if b := tx.Bucket("test", "inner"); b != nil {
			v = string(b.Get([]byte(k)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOnlyTheOwnerMayReadTheFile(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "data")
	db := mustOpen(t, dir, Options{})
	for path, want := range map[string]os.FileMode{dir: 0o700, db.Path(): 0o600} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
	}
}

func TestASecondOpenIsToldWhoHasTheFolder(t *testing.T) {
	dir := t.TempDir()
	mustOpen(t, dir, Options{})
	_, err := Open(dir, Options{})
	var in *InUseError
	if !errors.Is(err, ErrInUse) || !errors.As(err, &in) || in.PID != os.Getpid() {
		t.Fatalf("got %v", err)
	}
}

func TestANewerFileIsRefused(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, dir, Options{})
	err := db.Update(func(tx *Tx) error {
		return tx.Bucket(bucketStore).Put([]byte(keyVersion), binary.BigEndian.AppendUint32(nil, known()+1))
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, Options{})
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "newer corral") {
		t.Fatalf("got %v", err)
	}
}

func TestMigrationsRunOnceAndInOrderAndAFailedOneLeavesTheOldVersion(t *testing.T) {
	db := mustOpen(t, t.TempDir(), Options{})
	var ran []string
	step := func(to uint32, err error) migration {
		return migration{to: to, name: fmt.Sprint("step ", to), up: func(*Tx) error { ran = append(ran, fmt.Sprint(to)); return err }}
	}
	broken := errors.New("broken")
	first := migrations()
	if err := db.migrate(append(first, step(2, nil), step(3, broken))); !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if err := db.migrate(append(first, step(2, nil), step(3, nil))); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(ran, " "); got != "2 3 3" {
		t.Errorf("ran %s", got)
	}
}

// Every version that was released has a file here, as that version left it.
func TestFixturesOfAllVersionsOpen(t *testing.T) {
	for _, m := range migrations() {
		raw, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("v%d.db", m.to)))
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, FileName), raw, 0o600); err != nil {
			t.Fatal(err)
		}
		db := mustOpen(t, dir, Options{})
		if got := get(t, db, "made by"); got != fmt.Sprintf("version %d", m.to) {
			t.Errorf("version %d: lost its content: %q", m.to, got)
		}
	}
}

func TestCallsAfterCloseSaySo(t *testing.T) {
	db := mustOpen(t, t.TempDir(), Options{})
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := db.Update(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Update: %v", err)
	}
	if err := db.View(func(*Tx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("View: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
}

func TestAnUpdateThatFailsLeavesNothing(t *testing.T) {
	broken := errors.New("no space")
	var fail error
	db := mustOpen(t, t.TempDir(), Options{Faults: Faults{Before: func() error { return fail }}})
	put(t, db, "a", "1")
	fail = broken
	err := db.Update(func(tx *Tx) error { return tx.Bucket("test", "inner").Put([]byte("a"), []byte("2")) })
	if !errors.Is(err, broken) {
		t.Fatalf("got %v", err)
	}
	if got := get(t, db, "a"); got != "1" {
		t.Errorf("a = %q", got)
	}
	fail = nil
	put(t, db, "a", "3")
	if got := get(t, db, "a"); got != "3" {
		t.Errorf("a = %q", got)
	}
}

func TestCompactShrinksTheFileWhileWritersGoOn(t *testing.T) {
	db := mustOpen(t, t.TempDir(), Options{})
	big := strings.Repeat("x", 1000)
	err := db.Update(func(tx *Tx) error {
		b, err := tx.Ensure("test", "inner")
		for i := 0; err == nil && i < 20_000; i++ {
			err = b.Put(fmt.Appendf(nil, "%06d", i), []byte(big))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *Tx) error {
		b := tx.Bucket("test", "inner")
		for i := range 19_000 {
			if err := b.Delete(fmt.Appendf(nil, "%06d", i)); err != nil {
				return err
			}
		}
		_, err := tx.Ensure("test", "dropped")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}

	stop, done := make(chan struct{}), make(chan int)
	go func() {
		for n := 0; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			err := db.Update(func(tx *Tx) error {
				if n == 3 {
					if err := tx.Drop("test", "dropped"); err != nil {
						return err
					}
				}
				b, err := tx.Ensure("test", "late")
				if err != nil {
					return err
				}
				if n%3 == 2 {
					if err := b.Delete(fmt.Appendf(nil, "%d", n-1)); err != nil {
						return err
					}
				}
				return b.Put(fmt.Appendf(nil, "%d", n), fmt.Appendf(nil, "v%d", n))
			})
			if err != nil {
				t.Error(err)
			}
		}
	}()
	sizes, err := db.Compact(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if sizes.After > sizes.Before/4 {
		t.Errorf("%d bytes became %d", sizes.Before, sizes.After)
	}
	put(t, db, "after", "compact")
	close(stop)
	n := <-done
	err = db.View(func(tx *Tx) error {
		if tx.Bucket("test", "inner").Get([]byte("019999")) == nil || tx.Bucket("test", "inner").Get([]byte("000001")) != nil {
			t.Error("old content differs")
		}
		if n > 3 && tx.Bucket("test", "dropped") != nil {
			t.Error("a dropped bucket is back")
		}
		late := tx.Bucket("test", "late")
		for i := range n {
			gone := i%3 == 1 && i+1 < n
			if got := string(late.Get(fmt.Appendf(nil, "%d", i))); gone != (got == "") {
				t.Errorf("write %d of %d during compaction: %q", i, n, got)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if err := checkFile(db.Path(), true); err != nil {
		t.Error(err)
	}
}

func TestACancelledCompactionChangesNothing(t *testing.T) {
	db := mustOpen(t, t.TempDir(), Options{})
	put(t, db, "a", "1")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := db.Compact(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	put(t, db, "b", "2")
	if _, err := os.Stat(db.Path() + ".compact"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy was left behind: %v", err)
	}
}

func TestABackupIsOneStateAndCanBeRestored(t *testing.T) {
	dir := t.TempDir()
	db := mustOpen(t, dir, Options{})
	put(t, db, "a", "1")
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				put(t, db, fmt.Sprint(i), "x")
			}
		}
	})
	var copied bytes.Buffer
	var told int64
	if err := db.Backup(&copied, func(n int64) error { told = n; return nil }); err != nil {
		t.Fatal(err)
	}
	close(stop)
	wg.Wait()
	if told != int64(copied.Len()) {
		t.Errorf("said %d bytes, wrote %d", told, copied.Len())
	}
	if _, err := RestoreFile(dir, bytes.NewReader(copied.Bytes()), childCheck(t)); !errors.Is(err, ErrInUse) {
		t.Errorf("restoring under an open database: %v", err)
	}
	put(t, db, "a", "2")
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	kept, err := RestoreFile(dir, bytes.NewReader(copied.Bytes()), childCheck(t))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Error(err)
	}
	if got := get(t, mustOpen(t, dir, Options{}), "a"); got != "1" {
		t.Errorf("a = %q", got)
	}
	if _, err := RestoreFile(t.TempDir(), bytes.NewReader(copied.Bytes()[:copied.Len()/2]), childCheck(t)); err == nil {
		t.Error("half a backup was restored")
	}
}

func TestADamagedFileIsSetAsideAndANewOneBegun(t *testing.T) {
	sound := filepath.Join(t.TempDir(), "sound")
	db := mustOpen(t, sound, Options{})
	for i := range 50 {
		put(t, db, fmt.Sprint(i), strings.Repeat("v", 3000))
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(db.Path())
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	high := highWater(t, db.Path())
	zero := func(from, to int) func([]byte) []byte {
		return func(b []byte) []byte { clear(b[from:min(to, len(b))]); return b }
	}
	for name, spoil := range map[string]func([]byte) []byte{
		"cut in the middle":  func(b []byte) []byte { return b[:high/2] },
		"cut to three pages": func(b []byte) []byte { return b[:3*page] },
		"cut to a few bytes": func(b []byte) []byte { return b[:100] },
		"both metas gone":    zero(0, 2*page),
		"all pages are zero": zero(2*page, high),
		"pages full of nonsense": func(b []byte) []byte {
			for i := 2 * page; i < high; i++ {
				b[i] = byte(i * 7)
			}
			return b
		},
		"another kind of file": func([]byte) []byte { return []byte(strings.Repeat("SQLite format 3\x00", 5000)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, FileName), spoil(bytes.Clone(raw)), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := writeRun(dir); err != nil { // as a crash leaves it
				t.Fatal(err)
			}
			db := mustOpen(t, dir, Options{Check: childCheck(t)})
			damage := db.Damage()
			if damage == nil {
				t.Fatal("the damage was not seen")
			}
			if _, err := os.Stat(damage.Aside); err != nil {
				t.Error(err)
			}
			put(t, db, "new", "life")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			again := mustOpen(t, dir, Options{Check: childCheck(t)})
			if again.Damage() != nil || get(t, again, "new") != "life" {
				t.Error("the new file was set aside as well")
			}
		})
	}
}

// A check that is ended from outside, as by Ctrl-C while Corral starts, says nothing of the file, and the file stays; one that dies of what
// it reads does.
func TestACheckThatIsEndedSaysNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there are no such signals")
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for signal, damaged := range map[syscall.Signal]bool{syscall.SIGINT: false, syscall.SIGTERM: false, syscall.SIGKILL: false, syscall.SIGHUP: false, syscall.SIGABRT: true} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			db := mustOpen(t, dir, Options{})
			put(t, db, "old", "life")
			if err := db.Close(); err != nil {
				t.Fatal(err)
			}
			if err := writeRun(dir); err != nil {
				t.Fatal(err)
			}
			db = mustOpen(t, dir, Options{Check: CheckInChild(exe, "__die", strconv.Itoa(int(signal)))})
			if (db.Damage() != nil) != damaged || !damaged && get(t, db, "old") != "life" {
				t.Errorf("damage: %v", db.Damage())
			}
		})
	}
}

func highWater(t *testing.T, path string) (size int) {
	t.Helper()
	b, err := bbolt.Open(path, 0o600, &bbolt.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	_ = b.View(func(tx *bbolt.Tx) error { size = int(tx.Size()); return nil })
	return size
}

func TestASoundFileAndAnOpenOneAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	check := childCheck(t)
	db := mustOpen(t, dir, Options{Check: check})
	put(t, db, "a", "1")
	if _, err := Open(dir, Options{Check: check}); !errors.Is(err, ErrInUse) {
		t.Errorf("a file in use: %v", err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	for _, thorough := range []bool{false, true} {
		if err := check(db.Path(), thorough); err != nil {
			t.Errorf("a sound file, thorough %v: %v", thorough, err)
		}
	}
	if out, err := exec.Command(os.Args[0], CheckCommand).CombinedOutput(); err == nil {
		t.Errorf("no arguments: %s", out)
	}
}

// Retention asks how much is free while calls go on. It looked at the mapped file outside of any transaction.
func TestFreeWhileTheFileGrows(t *testing.T) {
	db := mustOpen(t, t.TempDir(), Options{})
	grown := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(grown)
		for i := range 64 {
			put(t, db, fmt.Sprint(i), strings.Repeat("x", 64<<10))
		}
	})
	for more := true; more; {
		select {
		case <-grown:
			more = false
		default:
		}
		if _, size, err := db.Free(); err != nil || size == 0 {
			t.Error(size, err)
		}
	}
	wg.Wait()
}
