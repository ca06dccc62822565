package replies

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"corral/store/storetest"
)

// sample writes a file with items, and returns both. The file has free pages and old versions too.
func sample(t *testing.T, entries int) ([]byte, []Item) {
	t.Helper()
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	var items []Item
	for n := range entries {
		mustPut(t, s, itemOf(c, n, 50))
		it := itemOf(c, n, 100+n*37%5000)
		items = append(items, it)
		if n%50 == 0 {
			sync1(t, s)
		}
		mustPut(t, s, it)
	}
	shut(t, s)
	raw, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return raw, items
}

// after opens what became of the file, and fails when it gives a wrong answer, or does not work any more. It counts what is found.
func after(t *testing.T, raw []byte, items []Item) (count int, st Stats) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), raw, 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	for _, it := range items {
		if found(t, s, it) {
			count++
		}
	}
	if err := s.Each(context.Background(), func(Key, []byte, time.Time, int) error { return nil }); err != nil {
		var damage *damageError
		if !errors.As(err, &damage) {
			t.Fatal(err)
		}
	}
	works(t, s)
	st = s.Stats()
	shut(t, s)
	return count, st
}

func works(t *testing.T, s *Store) {
	t.Helper()
	it := itemOf(newClock(), 1_000_000, 900)
	sync1(t, s) // a damage that was met is dealt with
	mustPut(t, s, it)
	sync1(t, s)
	if s.Stats().Dropped > 0 && !s.Stats().Damaged.IsZero() && !found(t, s, it) {
		mustPut(t, s, it) // the damage was met in this commit only
		sync1(t, s)
	}
	if st := s.Stats(); st.Off != "" || st.Entries == 0 || !found(t, s, it) {
		t.Fatalf("it does not work: %+v", st)
	}
}

func TestAFileThatWasCutShort(t *testing.T) {
	raw, items := sample(t, 300)
	random := rand.New(rand.NewPCG(11, 12))
	places := []int{1, 100, 4096, 8192, len(raw) - 1, len(raw) / 2}
	for len(places) < 25 && !testing.Short() {
		places = append(places, random.IntN(len(raw)))
	}
	aside := 0
	for _, at := range places {
		if _, st := after(t, raw[:at], items); !st.Damaged.IsZero() {
			aside++
		}
	}
	if n, st := after(t, raw, items); n != len(items) || !st.Damaged.IsZero() {
		t.Errorf("the whole file: %d found, %+v", n, st)
	}
	if aside == 0 {
		t.Error("no cut was noticed")
	}
	t.Logf("%d cuts, %d files set aside", len(places), aside)
}

func TestBitsThatFlipped(t *testing.T) {
	raw, items := sample(t, 300)
	rounds := 60
	if testing.Short() {
		rounds = 10
	}
	random := rand.New(rand.NewPCG(13, 14))
	aside, kept := 0, 0
	for range rounds {
		bad := bytes.Clone(raw)
		for range 1 + random.IntN(12) {
			bad[random.IntN(len(bad))] ^= 1 << random.IntN(8)
		}
		if random.IntN(4) == 0 { // a page that was never written, or written to the wrong place
			to, from := random.IntN(len(bad)/4096)*4096, random.IntN(len(bad)/4096)*4096
			copy(bad[to:to+4096], raw[from:])
		}
		n, st := after(t, bad, items)
		if !st.Damaged.IsZero() {
			aside++
		}
		kept += n
	}
	t.Logf("%d rounds, %d files set aside, %d of %d answers found", rounds, aside, kept, rounds*len(items))
	if kept == 0 || aside == rounds {
		t.Error("nothing outlives a flipped bit")
	}
}

func TestFilesThatAreNone(t *testing.T) {
	raw, _ := sample(t, 10)
	for name, content := range map[string][]byte{
		"empty": {}, "text": []byte(strings.Repeat("not a database ", 5000)), "zeros": make([]byte, 40_000), "no meta page": raw[8192:],
	} {
		t.Run(name, func(t *testing.T) {
			if _, st := after(t, content, nil); st.Damaged.IsZero() != (name == "empty") {
				t.Errorf("%+v", st)
			}
		})
	}
	t.Run("a folder", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.MkdirAll(filepath.Join(dir, FileName, "inner"), 0o700); err != nil {
			t.Fatal(err)
		}
		works(t, open(t, dir, func(o *Options) { o.Check = storetest.Check(t) }))
	})
}

func TestOneDamagedFileIsKept(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	var last string
	for range 3 {
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		s := open(t, dir, func(o *Options) { o.Check, o.Now = storetest.Check(t), c.Now })
		st := s.Stats()
		if !st.Damaged.Equal(c.Now()) || st.DamagedBy == "" {
			t.Errorf("%+v", st)
		}
		last = st.DamagedAs
		shut(t, s)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, FileName+".*")); len(names) != 1 || names[0] != last {
		t.Errorf("kept: %v, want %s", names, last)
	}
}

func TestOneRecordThatCannotBeReadIsRemoved(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	for n := range 20 {
		mustPut(t, s, itemOf(c, n, 600))
	}
	shut(t, s)
	bolt, err := bbolt.Open(s.Path(), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = bolt.Update(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketData)
		for number, change := range map[uint64]func(rec []byte) []byte{
			1: func(rec []byte) []byte { rec[len(rec)-1] ^= 1; return rec },     // the body
			2: func(rec []byte) []byte { rec[headerSize] ^= 1; return rec },     // the head
			3: func(rec []byte) []byte { rec[hashSize+6] ^= 1; return rec },     // when it expires
			4: func(rec []byte) []byte { rec[headerSize-2] ^= 1; return rec },   // the head's length
			5: func(rec []byte) []byte { return rec[:10] },                      // cut short
			6: func([]byte) []byte { return bytes.Clone(b.Get(be64(7))) },       // another's record
			8: func([]byte) []byte { return append(b.Get(be64(9)), "more"...) }, // and a longer one
		} {
			if err := b.Put(be64(number), change(bytes.Clone(b.Get(be64(number))))); err != nil {
				return err
			}
		}
		count := totals{entries: 1 << 40, bytes: 1 << 50}.encode()
		count[3] ^= 1
		return errors.Join(tx.Bucket(bucketFile).Put(fieldTotals, count), b.Delete(be64(10))) // its place in keys is left
	})
	if err := errors.Join(err, bolt.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	if st := s.Stats(); st.Entries != 19 || st.Bytes > 20_000 {
		t.Errorf("a damaged count is believed: %+v", st)
	}
	bad := map[int]bool{0: true, 1: true, 2: true, 3: true, 4: true, 5: true, 7: true, 9: true}
	for n := range 20 {
		if found(t, s, itemOf(c, n, 600)) == bad[n] {
			t.Errorf("item %d found: %t", n, bad[n])
		}
	}
	sync1(t, s)
	if st := s.Stats(); st.Entries != 12 || st.Unreadable != 8 || !st.Damaged.IsZero() {
		t.Errorf("%+v", st)
	}
	works(t, s)
}

// Somebody cuts the file, or overwrites it, while it is open: reading it is a fault of the processor then.
func TestTheFileIsCutShortWhileItIsOpen(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows does not let a mapped file be cut")
		return
	}
	for _, size := range []int64{0, 4096, 8192, 50_000} {
		dir, c := t.TempDir(), newClock()
		s := open(t, dir, nil)
		var items []Item
		for n := range 200 {
			items = append(items, itemOf(c, n, 2000))
		}
		mustPut(t, s, items...)
		sync1(t, s)
		if err := os.Truncate(s.Path(), size); err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for range 4 {
			readers.Go(func() {
				for _, it := range items {
					if head, body, _, ok := s.Get(it.Key); ok && (!bytes.Equal(head, it.Head) || !bytes.Equal(body, it.Body)) {
						t.Error("a wrong answer")
					}
				}
			})
		}
		readers.Wait()
		works(t, s)
		if st := s.Stats(); st.Damaged.IsZero() || !strings.Contains(st.DamagedBy, "cut short") {
			t.Errorf("cut to %d: %+v", size, st)
		}
		shut(t, s)
	}
}

// The look at the file's size comes too late when the cut comes a moment later. Then the fault itself is caught.
func TestAFaultIsCaught(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows does not let a mapped file be cut")
		return
	}
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	for n := range 500 {
		mustPut(t, s, itemOf(c, n, 2000))
	}
	sync1(t, s)
	_, err := s.read(func(tx *bbolt.Tx) error {
		if err := os.Truncate(s.Path(), 4*4096); err != nil {
			t.Fatal(err)
		}
		return tx.Bucket(bucketData).ForEach(func(_, v []byte) error { _ = bytes.Clone(v); return nil })
	})
	var damage *damageError
	if !errors.As(err, &damage) || !strings.Contains(damage.reason, "cannot be read") {
		t.Fatalf("got %v", err)
	}
	works(t, s)
	if st := s.Stats(); st.DamagedBy != damage.reason {
		t.Errorf("%+v", st)
	}
}

func TestAPanicWhileWritingCostsTheFileOnly(t *testing.T) {
	c, bad := newClock(), false
	s := open(t, t.TempDir(), func(o *Options) {
		o.Now = c.Now
		o.beforeCommit = func() error {
			if bad {
				bad = false
				panic("page 7: invalid page type")
			}
			return nil
		}
	})
	old, waiting := itemOf(c, 1, 600), itemOf(c, 2, 600)
	mustPut(t, s, old)
	sync1(t, s)
	for round := range hurtMost + 2 {
		err := s.do(context.Background(), func() error {
			bad = true
			mustPut(t, s, waiting)
			return s.writeAll()
		})
		if round < hurtMost {
			if err != nil || found(t, s, old) || found(t, s, waiting) {
				t.Fatalf("round %d: %v", round, err)
			}
			works(t, s)
			continue
		}
		// That is too often.
		if st := s.Stats(); err == nil || !strings.Contains(st.Off, "failing") || s.Put(old) {
			t.Fatalf("round %d: %v, %+v", round, err, st)
		}
		c.pass(retryMost)
		_ = s.do(context.Background(), s.upkeep)
		it := itemOf(c, 5, 100)
		mustPut(t, s, it)
		sync1(t, s)
		if !found(t, s, it) || s.Stats().Off != "" {
			t.Fatalf("%+v", s.Stats())
		}
		return
	}
}

func TestADeletedFileIsBegunAnew(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Log("Windows does not let an open file be deleted")
		return
	}
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	it := itemOf(c, 1, 600)
	mustPut(t, s, it)
	sync1(t, s)
	if err := os.Remove(s.Path()); err != nil {
		t.Fatal(err)
	}
	works(t, s)
	if found(t, s, it) || s.Stats().Entries != 1 {
		t.Errorf("%+v", s.Stats())
	}
	shut(t, s)
	if s = open(t, dir, nil); !found(t, s, itemOf(c, 1_000_000, 900)) {
		t.Error("the new file is not where it should be")
	}
}

func TestADiskThatRefusesIsTriedAgain(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	var refuse error
	s := open(t, dir, func(o *Options) {
		o.Now = c.Now
		o.beforeCommit = func() error { return refuse }
	})
	kept, deleted, replaced := itemOf(c, 1, 600), itemOf(c, 2, 600), itemOf(c, 3, 600)
	mustPut(t, s, kept, deleted, replaced)
	sync1(t, s)
	ctx := context.Background()
	err := s.do(ctx, func() error {
		refuse = syscall.ENOSPC
		newer := replaced
		newer.Body = textOf(3, 1, 700)
		mustPut(t, s, newer)
		s.Delete(deleted.Key)
		return s.writeAll()
	})
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("got %v", err)
	}
	if st := s.Stats(); !strings.Contains(st.Off, "no space") || st.Dropped != 1 || s.Put(itemOf(c, 9, 10)) {
		t.Errorf("%+v", st)
	}
	s.Delete(keyOf(77))
	look := func(when string) {
		t.Helper()
		if !found(t, s, kept) || found(t, s, deleted) {
			t.Errorf("%s: what is in the file is found wrongly", when)
		}
		if _, _, _, ok := s.Get(replaced.Key); ok {
			t.Errorf("%s: an answer is back that a lost one had replaced", when)
		}
	}
	look("while the disk refuses")
	if err := s.do(ctx, func() error { refuse = nil; return s.upkeep() }); err == nil {
		t.Error("it was tried again at once")
	}
	c.pass(retryFirst)
	sync1(t, s)
	look("afterwards")
	if st := s.Stats(); st.Off != "" || st.Entries != 1 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	works(t, s)
	shut(t, s)
	s = open(t, dir, nil)
	look("after a restart")
}

func TestASecondStoreOnTheFolderStaysOff(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	first := open(t, dir, nil)
	second := open(t, dir, func(o *Options) { o.Now = c.Now })
	if st := second.Stats(); !strings.Contains(st.Off, "another process") || second.Put(itemOf(c, 1, 10)) {
		t.Errorf("%+v", st)
	}
	works(t, first)
	shut(t, first)
	c.pass(retryFirst)
	works(t, second)
}

func TestTheFileShrinksWhileItIsRead(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, func(o *Options) { o.Now = c.Now })
	var stay []Item
	for n := range 4000 {
		it := itemOf(c, n, 6000)
		if n%8 > 0 {
			it.Expires = c.Now().Add(time.Minute)
		} else {
			stay = append(stay, it)
		}
		for !s.Put(it) {
			sync1(t, s)
		}
	}
	sync1(t, s)
	before := s.Stats()
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				it := stay[n%len(stay)]
				if _, body, _, ok := s.Get(it.Key); !ok || !bytes.Equal(body, it.Body) {
					t.Error("not found while the file shrinks")
					return
				}
			}
		})
	}
	c.pass(time.Minute)
	sync1(t, s)
	close(stop)
	readers.Wait()
	info, err := os.Stat(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if info.Size() != st.FileBytes || st.FileBytes > before.FileBytes/4 || st.Entries != int64(len(stay)) || st.Bytes*8 > before.Bytes*8/7 {
		t.Errorf("file %d: %+v, before %+v", info.Size(), st, before)
	}
	t.Logf("from %d to %d bytes, %d of them data", before.FileBytes, st.FileBytes, st.Bytes)
	works(t, s)
	shut(t, s)
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
	s = open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	for _, it := range stay {
		if !found(t, s, it) {
			t.Fatal("not found after a restart")
		}
	}
}

// A shrinking that was killed at its worst moment: the old file is moved away, and the new one not yet in its place.
func TestAShrinkingThatWasKilledIsFinished(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	it := itemOf(c, 1, 600)
	mustPut(t, s, it)
	shut(t, s)
	if err := os.Rename(s.Path(), s.Path()+suffixOld); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.Path()+suffixFresh, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, nil)
	if !found(t, s, it) {
		t.Error("not found")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func TestAfterClearTheOldBytesCannotBeOpened(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	var items []Item
	for n := range 300 {
		items = append(items, itemOf(c, n, 1500))
		mustPut(t, s, items[n])
		if n%10 == 0 {
			sync1(t, s) // each commit writes the page with the key to a new place
		}
	}
	sync1(t, s)
	raw, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	oldKey := s.current().wrapped
	if n := bytes.Count(raw, oldKey); n < 2 {
		t.Fatalf("the key stands at %d places: this test shows nothing", n)
	}
	disk, err := os.Open(s.Path()) // what the disk still has of the file
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = disk.Close() }()
	mustPut(t, s, itemOf(c, 500, 100)) // waits
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	for _, it := range append(items, itemOf(c, 500, 100)) {
		if found(t, s, it) {
			t.Fatal("found after Clear")
		}
	}
	if st := s.Stats(); st.Entries != 0 || st.Bytes != 0 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
	works(t, s)

	left, err := io.ReadAll(disk)
	if err != nil || len(left) != len(raw) {
		t.Fatal(len(left), err)
	}
	if bytes.Contains(left, oldKey) {
		t.Error("the old key is left on the disk")
	}
	path := filepath.Join(t.TempDir(), FileName)
	if err := os.WriteFile(path, left, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openFile(path, secret); !errors.Is(err, errOther) {
		t.Errorf("the old file opens: %v", err)
	}
	// The new key opens none of the records that an old copy has.
	if err := os.WriteFile(path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path, secret)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close()
	opened := 0
	err = f.view(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucketData).ForEach(func(k, rec []byte) error {
			number := be(k)
			if _, _, _, err := s.current().keys.openHead(bytes.Clone(rec), number); err == nil {
				t.Error("the new key opens an old record")
			}
			if _, _, _, err := f.keys.openHead(bytes.Clone(rec), number); err == nil {
				opened++
			}
			return nil
		})
	})
	if err != nil || opened != 300 {
		t.Errorf("%v: the old key opens %d", err, opened)
	}
}

func TestClearTakesWhatWasSetAside(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	if err := s.Clear(); err != nil {
		t.Fatal(err)
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

// All at once, for the race detector.
func TestManyCallersAtOnce(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), func(o *Options) { o.MaxBytes = 1 << 20 })
	ctx := context.Background()
	var all sync.WaitGroup
	for worker := range 4 {
		all.Go(func() {
			for n := range 800 {
				it := itemOf(c, n%300, 200+n%300*7)
				switch (n + worker) % 10 {
				case 0:
					s.Delete(it.Key)
				case 1, 2, 3:
					s.Put(it)
				default:
					if _, body, _, ok := s.Get(it.Key); ok {
						want := textOf(n%300, 0, 200+n%300*7)
						if len(body) > 50 && !bytes.Equal(body[:20], want[:20]) {
							t.Errorf("a wrong answer: %.40q", body)
						}
					}
				}
			}
		})
	}
	all.Go(func() {
		for n := range 10 {
			if err := s.do(ctx, func() error { return s.compact(s.current()) }); err != nil {
				t.Error(err)
			}
			if n == 5 {
				if err := s.Clear(); err != nil {
					t.Error(err)
				}
			}
			if err := s.Each(ctx, func(Key, []byte, time.Time, int) error { return nil }); err != nil {
				t.Error(err)
			}
			s.SetMaxBytes(int64(1+n%2) << 19)
			_ = s.Stats()
		}
	})
	all.Wait()
	sync1(t, s)
	if st := s.Stats(); st.Off != "" || !st.Damaged.IsZero() || st.Waiting != 0 || st.Bytes > st.MaxBytes {
		t.Errorf("%+v", st)
	}
}

func be(b []byte) (n uint64) {
	for _, x := range b {
		n = n<<8 | uint64(x)
	}
	return n
}
