package record

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

func seal(t testing.TB, e *Entry, key *Key, keep bool) *Sealed {
	t.Helper()
	out := &Sealed{Row: Row{
		Kind: e.Kind, Time: e.Time, Flags: e.Flags, Status: e.Status, Tokens: e.Tokens, Cost: e.Cost, Baseline: e.Baseline,
		Duration: e.Duration, FirstToken: e.FirstToken, User: 7, Mark: 1 << 40, RequestTag: math.MaxUint64,
	}}
	if err := NewSealer().Seal(out, e, 42, key, keep); err != nil {
		t.Fatal(err)
	}
	return out
}

func full() *Entry {
	return &Entry{
		Kind: Call, Time: time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC), Flags: Streamed | Fallback, RequestID: "r", TraceID: "t", Caller: "c",
		User: "u", App: "a", Peer: "127.0.0.1", Dialect: "openai", Operation: "chat", ModelAsked: "x", ModelAnswered: "y", ModelDigest: "sha256:1",
		Provider: "p", Route: "why", Release: "canary", Status: 200, ErrorCode: "none", Duration: 1234567891, FirstToken: 5, Queued: 3,
		Tokens: Tokens{Input: math.MaxInt64, Output: math.MinInt64, CachedInput: Absent, Reasoning: 1}, Cost: Nano(math.MaxInt64), Baseline: Money{},
		Attempts: 3, Findings: []Finding{{"email", "redact", 2}, {strings.Repeat("k", 300), "", 0}}, Policy: "strict", Left: "api.openai.com", Note: strings.Repeat("n", 5000),
		Prompt: Text{Content: []byte("question"), Commitment: Commit([]byte("question"))}, Answer: Text{Content: []byte{}, Commitment: Commit(nil)},
	}
}

func TestASealedEntryOpensToWhatItWas(t *testing.T) {
	key := Key{1, 2, 3}
	for _, keep := range []bool{true, false} {
		e := full()
		s := seal(t, e, &key, keep)
		r, err := Parse(s.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		if r.KeyID != 42 || r.Row.User != 7 || r.Row.Mark != 1<<40 || (r.ContentHash != nil) != keep {
			t.Errorf("%+v", r)
		}
		k := r.EntryKey(&key)
		got, err := r.Open(&k, s.Content)
		if err != nil {
			t.Fatal(err)
		}
		if keep {
			e.Flags |= HasContent
		} else {
			e.Prompt.Content, e.Answer.Content = nil, nil
		}
		if len(got.Answer.Content) == 0 {
			got.Answer.Content, e.Answer.Content = nil, nil
		}
		if !reflect.DeepEqual(got, e) {
			t.Errorf("keep %v:\n got %+v\nwant %+v", keep, got, e)
		}
	}
}

func TestNoOtherKeyAndNoOtherBytesOpen(t *testing.T) {
	key, other := Key{1}, Key{2}
	s := seal(t, full(), &key, true)
	r, err := Parse(s.Leaf)
	if err != nil {
		t.Fatal(err)
	}
	right, wrong := r.EntryKey(&key), r.EntryKey(&other)
	if _, err := r.Open(&wrong, nil); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
	for i := range s.Leaf {
		spoiled := bytes.Clone(s.Leaf)
		spoiled[i] ^= 0x40
		r, err := Parse(spoiled)
		if err != nil {
			continue
		}
		if _, err := r.Open(&right, s.Content); err == nil {
			t.Fatalf("byte %d of %d changed, and it opens", i, len(s.Leaf))
		}
	}
	for i := range s.Content {
		spoiled := bytes.Clone(s.Content)
		spoiled[i] ^= 1
		if _, err := r.Open(&right, spoiled); !errors.Is(err, ErrKey) {
			t.Fatalf("content byte %d changed: %v", i, err)
		}
	}
}

func TestSaltsDoNotRepeat(t *testing.T) {
	s, seen := NewSealer(), map[[16]byte]bool{}
	for range 1000 { // more than one drawing
		c := s.Commit([]byte("same"))
		if seen[c.Salt] || c.Salt == [16]byte{} || !c.Opens([]byte("same")) {
			t.Fatal("a salt is used twice, or does not open")
		}
		seen[c.Salt] = true
	}
}

func FuzzParse(f *testing.F) {
	key := Key{9}
	f.Add(seal(f, full(), &key, true).Leaf)
	f.Add(seal(f, &Entry{}, &key, false).Leaf)
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Parse(b)
		if err != nil {
			return
		}
		k := r.EntryKey(&key)
		_, _ = r.Open(&k, nil)
		var e Entry
		_ = parseDetails(b, &e)
	})
}

func BenchmarkSeal(b *testing.B) {
	key, s, e := Key{1}, NewSealer(), full()
	e.Note, e.Findings = "", nil
	out := &Sealed{}
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Seal(out, e, 42, &key, false); err != nil {
			b.Fatal(err)
		}
	}
}
