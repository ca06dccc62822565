package replies

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"corral/store/storetest"
)

// childMain puts, replaces, deletes and evicts as fast as it can, shrinks now and then, tells how far it is on disk, and is killed by
// its parent.
func childMain(dir string) {
	fail := func(err error) {
		fmt.Println("error", err)
		os.Exit(1)
	}
	c := newClock()
	s, err := Open(Options{Dir: dir, Secret: secret, Now: c.Now, MaxBytes: 4 << 20})
	if err != nil {
		fail(err)
	}
	for n := 0; ; n++ {
		s.Put(itemOf(c, n%4000, 100+n%3000))
		if n%7 == 0 {
			s.Delete(keyOf((n + 2000) % 4000))
		}
		if n%3000 == 2999 {
			if err := s.do(context.Background(), func() error { return s.compact(s.current()) }); err != nil {
				fail(err)
			}
		}
		if n%50 == 49 {
			if err := s.Sync(context.Background()); err != nil {
				fail(err)
			}
			fmt.Println(n)
		}
	}
}

func TestKill9(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 3
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(3, 4))
	warm := 0
	for range rounds {
		cmd := exec.Command(exe)
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines, last := bufio.NewScanner(out), -1
		for after := 1 + random.IntN(120); after > 0 && lines.Scan(); after-- {
			if last, err = strconv.Atoi(lines.Text()); err != nil {
				t.Error(lines.Text())
			}
		}
		timer := time.AfterFunc(time.Duration(random.IntN(20))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		timer.Stop()
		if last < 0 {
			t.Fatal("the child said nothing")
		}

		s := open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
		st := s.Stats()
		if st.Off != "" || !st.Damaged.IsZero() || st.Entries == 0 || st.Bytes > 4<<20 {
			t.Fatalf("%+v", st)
		}
		entries, bytes := int64(0), int64(0)
		err = s.Each(context.Background(), func(k Key, head []byte, expires time.Time, size int) error {
			var n int
			if _, err := fmt.Sscanf(string(head), "head of answer %d", &n); err != nil || k != keyOf(n) {
				t.Errorf("%q", head)
			}
			_, body, _, ok := s.Get(k)
			var of, version int
			if _, err := fmt.Sscanf(string(body), "answer %d version %d", &of, &version); err != nil || !ok || of != n {
				t.Errorf("%d: %t, %.30q", n, ok, body)
			}
			entries++
			bytes += int64(size)
			return nil
		})
		if err != nil || entries != st.Entries || bytes != st.Bytes {
			t.Fatalf("%v: %d items of %d bytes are there: %+v", err, entries, bytes, st)
		}
		// What was told to be on disk last is there, unless it was deleted or replaced meanwhile: the deletions are far away.
		if _, _, _, ok := s.Get(keyOf(last % 4000)); !ok {
			t.Errorf("%d was told to be on disk and is not there", last)
		}
		warm += int(entries)
		shut(t, s)
	}
	t.Logf("%d kills, %d answers found afterwards", rounds, warm)
}
