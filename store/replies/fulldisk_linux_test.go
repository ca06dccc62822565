package replies

import (
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"corral/store/storetest"
)

func TestAFullDisk(t *testing.T) {
	dir, c := storetest.SmallDisk(t, 12<<20), newClock()
	s := open(t, dir, func(o *Options) { o.Now = c.Now })
	early := itemOf(c, 0, 1000)
	mustPut(t, s, early)
	sync1(t, s)
	full := storetest.Fill(t, dir)
	taken := true
	for n := 1; taken && n < 100_000; n++ {
		taken = s.Put(itemOf(c, n, 5000))
	}
	if taken {
		t.Fatal("the disk is not full")
	}
	for s.Stats().Off == "" { // the queue was full first
		_ = s.flush(t.Context())
		s.Put(itemOf(c, 100_001, 50_000))
	}
	if st := s.Stats(); !strings.Contains(st.Off, "no space") {
		t.Errorf("%+v", st)
	}
	if !found(t, s, early) {
		t.Error("what is in the file is not found")
	}
	if err := os.Remove(full); err != nil {
		t.Fatal(err)
	}
	c.pass(retryFirst)
	works(t, s)
	shut(t, s)
	s = open(t, dir, func(o *Options) { o.Check = storetest.Check(t) })
	if st := s.Stats(); !found(t, s, early) || !st.Damaged.IsZero() {
		t.Errorf("%+v", st)
	}
}

func TestADiskThatIsFullOrReadOnlyAtTheStart(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir string) (undo func() error){
		"full": func(t *testing.T, dir string) func() error {
			full := storetest.Fill(t, dir)
			return func() error { return os.Remove(full) }
		},
		"read-only": func(t *testing.T, dir string) func() error {
			if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
				t.Fatal(err)
			}
			return func() error { return unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, c := storetest.SmallDisk(t, 12<<20), newClock()
			undo := change(t, dir)
			s := open(t, dir, func(o *Options) { o.Now, o.Check = c.Now, storetest.Check(t) })
			it := itemOf(c, 1, 100)
			if st := s.Stats(); st.Off == "" || s.Put(it) || found(t, s, it) {
				t.Errorf("%+v", st)
			}
			if err := s.Clear(); err == nil {
				t.Error("Clear says that all is well")
			}
			if err := undo(); err != nil {
				t.Fatal(err)
			}
			c.pass(retryFirst * 4)
			works(t, s)
			if st := s.Stats(); !st.Damaged.IsZero() {
				t.Errorf("%+v", st)
			}
		})
	}
}
