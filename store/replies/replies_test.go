package replies

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"corral/store/storetest"
)

func TestWhatWasPutIsFoundAtOnceAndAfterARestart(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	var items []Item
	for n := range 500 {
		items = append(items, itemOf(c, n, n*20))
	}
	items = append(items, Item{Key: keyOf(1000), Expires: c.Now().Add(time.Hour)}) // neither head nor body
	mustPut(t, s, items...)
	for round, when := range []string{"at once", "when written", "after a restart"} {
		switch round {
		case 1:
			sync1(t, s)
		case 2:
			shut(t, s)
			s = open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
		}
		for n, it := range items {
			if !found(t, s, it) {
				t.Fatalf("%s: %d is not found", when, n)
			}
		}
		if _, _, _, ok := s.Get(keyOf(2000)); ok {
			t.Errorf("%s: what was never put is found", when)
		}
	}
	if st := s.Stats(); st.Entries != 501 || st.Off != "" || st.Bytes == 0 || st.FileBytes < st.Bytes/2 || st.Waiting != 0 {
		t.Errorf("%+v", st)
	}
}

func TestWhatGetReturnsBelongsToTheCaller(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), nil)
	it := itemOf(c, 1, 2000)
	mustPut(t, s, it)
	for range 2 { // from memory, then from the file
		head, body, _, _ := s.Get(it.Key)
		clear(head)
		clear(body)
		if !found(t, s, it) {
			t.Fatal("not found")
		}
		sync1(t, s)
	}
}

func TestTheNewestOfOneKeyCounts(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	var last Item
	for version := range 50 {
		last = Item{Key: keyOf(1), Expires: c.Now().Add(time.Hour), Body: textOf(1, version, 900)}
		mustPut(t, s, last)
		if version%7 == 0 {
			sync1(t, s)
		}
		if !found(t, s, last) {
			t.Fatalf("version %d is not found", version)
		}
	}
	shut(t, s)
	s = open(t, dir, nil)
	if !found(t, s, last) || s.Stats().Entries != 1 {
		t.Errorf("%+v", s.Stats())
	}
}

func TestWhatWasDeletedIsNotFoundFromThenOn(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	written, waiting, again := itemOf(c, 1, 700), itemOf(c, 2, 700), itemOf(c, 3, 700)
	mustPut(t, s, written, again)
	sync1(t, s)
	mustPut(t, s, waiting)
	s.Delete(written.Key, waiting.Key, again.Key, keyOf(99))
	again.Body = textOf(3, 1, 800)
	mustPut(t, s, again)
	for _, when := range []string{"at once", "when written", "after a restart"} {
		if found(t, s, written) || found(t, s, waiting) {
			t.Errorf("%s: a deleted one is found", when)
		}
		if !found(t, s, again) {
			t.Errorf("%s: what was put after the deletion is not found", when)
		}
		if when == "at once" {
			sync1(t, s)
		} else {
			shut(t, s)
			s = open(t, dir, nil)
		}
	}
	if got := s.Stats().Entries; got != 1 {
		t.Errorf("%d entries", got)
	}
}

func TestMoreDeletionsThanMayWaitClearEverything(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), func(o *Options) { o.beforeCommit = func() error { return nil } })
	it := itemOf(c, 1, 700)
	mustPut(t, s, it)
	sync1(t, s)
	s.Delete(make([]Key, maxDeletions+1)...)
	if found(t, s, it) {
		t.Error("found before the file is gone")
	}
	sync1(t, s)
	if found(t, s, it) || s.Stats().Entries != 0 {
		t.Error("found after the file was begun anew")
	}
	mustPut(t, s, it)
	if !found(t, s, it) {
		t.Error("not found afterwards")
	}
}

func TestItemsExpire(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, func(o *Options) { o.Now = c.Now })
	var items []Item
	for n := range 5000 { // more than one sweep removes in a commit
		it := itemOf(c, n, 100)
		if n%5 > 0 {
			it.Expires = c.Now().Add(time.Duration(n%5) * time.Minute)
		}
		items = append(items, it)
	}
	mustPut(t, s, items...)
	late := Item{Key: keyOf(9999), Expires: c.Now()}
	mustPut(t, s, late)
	if found(t, s, late) {
		t.Error("it had expired when it was put")
	}
	sync1(t, s)
	for minutes := 1; minutes <= 4; minutes++ {
		c.pass(time.Minute)
		left := 0
		for n, it := range items {
			alive := n%5 == 0 || n%5 > minutes
			if alive {
				left++
			}
			if found(t, s, it) != alive {
				t.Fatalf("after %d minutes, %d is found: %t", minutes, n, !alive)
			}
		}
		sync1(t, s)
		if got := s.Stats(); got.Entries != int64(left) || got.Expired != uint64(5001-left) {
			t.Errorf("after %d minutes, %d should be left: %+v", minutes, left, got)
		}
	}
	never := Item{Key: keyOf(1), Expires: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)}
	mustPut(t, s, never)
	sync1(t, s)
	if _, _, expires, ok := s.Get(never.Key); !ok || !expires.Equal(latest) {
		t.Errorf("%t, %s", ok, expires)
	}
}

func TestTheBoundHoldsAndTheOldestGoFirst(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), func(o *Options) { o.MaxBytes = 400_000 })
	random := rand.New(rand.NewPCG(1, 2))
	var items []Item
	for n := range 3000 {
		it := itemOf(c, n, random.IntN(4000))
		mustPut(t, s, it)
		items = append(items, it)
		if n%100 == 0 {
			sync1(t, s)
			if st := s.Stats(); st.Bytes > 400_000 {
				t.Fatalf("after %d: %+v", n, st)
			}
		}
	}
	sync1(t, s)
	inTheFile := func() (n int) {
		gone := false
		for i := len(items) - 1; i >= 0; i-- {
			is := found(t, s, items[i])
			if is && gone {
				t.Fatalf("%d is there, and a later one is not", i)
			}
			if gone = !is; is {
				n++
			}
		}
		return n
	}
	before := inTheFile()
	st := s.Stats()
	if st.Entries != int64(before) || st.Evicted != uint64(3000-before) || before < 50 {
		t.Errorf("%d are there: %+v", before, st)
	}
	s.SetMaxBytes(100_000)
	sync1(t, s)
	if st := s.Stats(); st.Bytes > 100_000 || inTheFile() >= before {
		t.Errorf("%+v", st)
	}
	if s.Put(Item{Key: keyOf(1), Expires: c.Now().Add(time.Hour), Body: make([]byte, 100_000)}) {
		t.Error("an item larger than the bound was taken")
	}
}

func TestTheQueueIsBoundedAndPutNeverBlocks(t *testing.T) {
	c := newClock()
	disk, entered := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := open(t, t.TempDir(), func(o *Options) {
		o.beforeCommit = func() error { once.Do(func() { close(entered) }); <-disk; return nil }
	})
	mustPut(t, s, itemOf(c, 0, 10))
	<-entered // the writer hangs in a commit from now on
	taken := 1
	for n := 1; n < 3*maxWaiting; n++ {
		if s.Put(itemOf(c, n, 10)) {
			taken++
		}
	}
	big := Item{Key: keyOf(1 << 20), Expires: c.Now().Add(time.Hour), Body: make([]byte, maxWaitBytes)}
	if taken != maxWaiting || s.Put(big) {
		t.Errorf("%d taken", taken)
	}
	if st := s.Stats(); st.Waiting != maxWaiting || st.Dropped != uint64(2*maxWaiting+1) {
		t.Errorf("%+v", st)
	}
	for n := range maxWaiting {
		if !found(t, s, itemOf(c, n, 10)) {
			t.Fatalf("%d waits, and is not found", n)
		}
	}
	close(disk)
	sync1(t, s)
	if st := s.Stats(); st.Waiting != 0 || st.WaitingBytes != 0 || st.Entries != maxWaiting {
		t.Errorf("%+v", st)
	}
}

func TestEachShowsAllNewestLast(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), func(o *Options) { o.Now = c.Now })
	const n = 1500
	for i := range n {
		it := itemOf(c, i, 300)
		if i%10 == 3 {
			it.Expires = c.Now().Add(time.Minute)
		}
		mustPut(t, s, it)
	}
	mustPut(t, s, itemOf(c, 0, 400)) // is the newest now
	s.Delete(keyOf(1))
	c.pass(time.Minute)
	var got []int
	total := int64(0)
	number := map[Key]int{}
	for i := range n {
		number[keyOf(i)] = i
	}
	err := s.Each(context.Background(), func(k Key, head []byte, expires time.Time, size int) error {
		i := number[k]
		if !bytes.Equal(head, headOf(i)) || !expires.After(c.Now()) {
			t.Errorf("%d: %q, %s", i, head, expires)
		}
		got = append(got, i)
		total += int64(size)
		return nil
	})
	var want []int
	for i := 2; i < n; i++ {
		if i%10 != 3 {
			want = append(want, i)
		}
	}
	want = append(want, 0)
	if err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v: %d items, want %d", err, len(got), len(want))
	}
	sync1(t, s)
	if st := s.Stats(); st.Bytes != total {
		t.Errorf("sizes sum to %d: %+v", total, st)
	}
	stop := errors.New("stop")
	if err := s.Each(context.Background(), func(Key, []byte, time.Time, int) error { return stop }); err != stop {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Each(ctx, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestAnotherSecretFindsNothing(t *testing.T) {
	dir, c := t.TempDir(), newClock()
	s := open(t, dir, nil)
	it := itemOf(c, 1, 700)
	mustPut(t, s, it)
	shut(t, s)
	s = open(t, dir, func(o *Options) { o.Secret[0]++ })
	if found(t, s, it) || s.Stats().Entries != 0 || s.Stats().Off != "" {
		t.Errorf("%+v", s.Stats())
	}
	mustPut(t, s, it)
	sync1(t, s)
	if !found(t, s, it) {
		t.Error("the new file does not work")
	}
	if names, _ := filepath.Glob(filepath.Join(dir, "*")); len(names) != 1 {
		t.Errorf("left: %v", names)
	}
}

func TestNoTextStandsInTheFile(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), nil)
	for n := range 100 {
		mustPut(t, s, itemOf(c, n, 200+10*n))
	}
	sync1(t, s)
	raw, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(raw, []byte(format)) {
		t.Fatal("this is not the file")
	}
	k := keyOf(5)
	for _, text := range []string{"answer", "head of", "harbour", string(k[:]), string(k[:8]), string(secret[:])} {
		if bytes.Contains(raw, []byte(text)) {
			t.Errorf("%q stands in the file", text)
		}
	}
}

func TestAfterCloseNothingHappens(t *testing.T) {
	c := newClock()
	s := open(t, t.TempDir(), nil)
	it := itemOf(c, 1, 100)
	mustPut(t, s, it)
	shut(t, s)
	shut(t, s)
	s.Delete(it.Key)
	if s.Put(it) || found(t, s, it) {
		t.Error("it goes on")
	}
	for what, err := range map[string]error{
		"Sync": s.Sync(context.Background()), "Clear": s.Clear(), "Each": s.Each(context.Background(), nil),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
