package keys_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"corral/store"
	"corral/store/keys"
	"corral/store/storetest"
)

func open(t testing.TB, db *store.DB, now func() time.Time) *keys.Set {
	t.Helper()
	s, err := keys.Open(db, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASecretOpensTheDoorUntilItIsRevokedOrExpires(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := open(t, storetest.Open(t), func() time.Time { return now })
	secret, key, err := s.Create("laptop", keys.Options{Expires: now.Add(time.Hour), User: "ada"})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(secret, "corral_") || len(secret) != 50 {
		t.Errorf("secret looks odd: %d characters", len(secret))
	}
	got, ok := s.Lookup(secret)
	if !ok || got.ID != key.ID || got.User != "ada" {
		t.Fatalf("Lookup = %+v, %v", got, ok)
	}
	for _, wrong := range []string{"", "corral_", secret[:49], secret + "x", "x" + secret[1:], secret[:49] + "~", strings.ToLower(secret)} {
		if _, ok := s.Lookup(wrong); ok {
			t.Errorf("%q opens the door", wrong)
		}
	}
	now = now.Add(2 * time.Hour)
	if _, ok := s.Lookup(secret); ok {
		t.Error("an expired key opens the door")
	}

	second, _, err := s.Create("phone", keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Revoke("phone"); err != nil {
		t.Fatal(err)
	}
	if _, ok := s.Lookup(second); ok {
		t.Error("a revoked key opens the door")
	}
	if _, err := s.Revoke("nobody"); !errors.Is(err, keys.ErrNotFound) {
		t.Errorf("revoking what is not there: %v", err)
	}
	if n := len(s.List()); n != 2 {
		t.Errorf("List has %d keys, want both: the ledger needs their names", n)
	}
}

func TestNamesAreUniqueAmongLiveKeys(t *testing.T) {
	s := open(t, storetest.Open(t), nil)
	for _, bad := range []string{"", "  ", strings.Repeat("n", 101), "a\nb", "a\x1b[31m", "a\u202eb", "a\xff"} {
		if _, _, err := s.Create(bad, keys.Options{}); !errors.Is(err, keys.ErrName) {
			t.Errorf("Create(%q): %v", bad, err)
		}
	}
	if _, _, err := s.Create("ci", keys.Options{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create("ci", keys.Options{}); !errors.Is(err, keys.ErrName) {
		t.Errorf("a name twice: %v", err)
	}
	if _, err := s.Revoke("ci"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create("ci", keys.Options{}); err != nil {
		t.Errorf("a revoked key's name: %v", err)
	}
}

func TestKeysOutliveTheProcessAndTheSecretIsNotInTheFile(t *testing.T) {
	dir := t.TempDir()
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, db, nil)
	secret, _, err := s.Create("laptop", keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Lookup(secret)
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(raw), secret[:20]) || strings.Contains(string(raw), secret[len("corral_"):40]) {
		t.Error("the file holds the secret")
	}
	s = open(t, storetest.OpenIn(t, dir, store.Options{}), nil)
	if _, ok := s.Lookup(secret); !ok {
		t.Error("the key is forgotten")
	}
	if s.List()[0].LastUsed.IsZero() {
		t.Error("its last use is forgotten")
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	s := open(t, storetest.Open(t), nil)
	secret, _, err := s.Create("laptop", keys.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if n := testing.AllocsPerRun(100, func() { s.Lookup(secret) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	s := open(b, storetest.Open(b), nil)
	secret, _, err := s.Create("laptop", keys.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Lookup(secret)
	}
}
