package replies

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"corral/store"
)

const childEnv = "CORRAL_REPLIES_CHILD" // the data folder of a child that is going to be killed

// The test binary plays two children: the one that checks a file, and the one that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == store.CheckCommand {
		os.Exit(store.CheckMain(os.Args[2:], os.Stdout))
	}
	if dir := os.Getenv(childEnv); dir != "" {
		childMain(dir)
		return
	}
	os.Exit(m.Run())
}

// clock is a time that only the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var secret = [32]byte{1, 2, 3}

func open(t testing.TB, dir string, change func(*Options)) *Store {
	t.Helper()
	opts := Options{Dir: dir, Secret: secret, Now: newClock().Now}
	if change != nil {
		change(&opts)
	}
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	<-s.ready // a machine under load may take longer than Open waits
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func shut(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func sync1(t testing.TB, s *Store) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
}

func keyOf(n int) (k Key) {
	random := rand.New(rand.NewPCG(7, uint64(n)))
	for i := 0; i < len(k); i += 8 {
		binary.LittleEndian.PutUint64(k[i:], random.Uint64())
	}
	return k
}

// textOf is like an answer: words that compress to about half, and tell which item and version they are of.
func textOf(n, version, size int) []byte {
	words := []string{"the", "model", "answers", "token", "{\"role\":", "\"content\"", "because", "night", "seven", "harbour", "of", "and", "green", "measure"}
	random := rand.New(rand.NewPCG(uint64(version), uint64(n)))
	b := fmt.Appendf(nil, "answer %d version %d ", n, version)
	for len(b) < size {
		b = fmt.Appendf(b, "%s%x ", words[random.IntN(len(words))], random.IntN(4096))
	}
	return b[:min(len(b), max(size, 30))]
}

func headOf(n int) []byte { return fmt.Appendf(nil, "head of answer %d", n) }

func itemOf(c *clock, n, size int) Item {
	return Item{Key: keyOf(n), Expires: c.Now().Add(time.Hour), Head: headOf(n), Body: textOf(n, 0, size)}
}

func mustPut(t testing.TB, s *Store, items ...Item) {
	t.Helper()
	for _, it := range items {
		if !s.Put(it) {
			t.Fatalf("not taken: %+v", s.Stats())
		}
	}
}

// found says whether the item is there, and fails when something else is.
func found(t testing.TB, s *Store, it Item) bool {
	t.Helper()
	head, body, expires, ok := s.Get(it.Key)
	if !ok {
		return false
	}
	if !bytes.Equal(head, it.Head) || !bytes.Equal(body, it.Body) || !expires.Equal(it.Expires) {
		t.Fatalf("a wrong answer: head %q, want %q; body of %d bytes, want %d; expires %s, want %s", head, it.Head, len(body), len(it.Body), expires, it.Expires)
	}
	return true
}
