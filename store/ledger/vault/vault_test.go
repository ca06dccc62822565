package vault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/zalando/go-keyring"

	"corral/store/ledger/record"
)

// memory is a source that can be broken. saves counts down to a failure; 0 means never.
type memory struct {
	secret []byte
	saves  int
}

var errBroken = errors.New("broken")

func (m *memory) Kind() string  { return "file" }
func (m *memory) Where() string { return "memory" }
func (m *memory) Load() ([]byte, error) {
	if m.secret == nil {
		return nil, ErrNoSecret
	}
	return m.secret, nil
}

func (m *memory) Save(b []byte) error {
	if m.saves > 0 {
		if m.saves--; m.saves == 0 {
			return errBroken
		}
	}
	m.secret = bytes.Clone(b)
	return nil
}

func open(t testing.TB, path string, source Source) *Vault {
	t.Helper()
	v, err := Open(path, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.Close() })
	return v
}

func person(t testing.TB, v *Vault, day uint32, name string) (record.KeyID, record.Key) {
	t.Helper()
	id, key, err := v.Person(day, Who{"user", name})
	if err != nil {
		t.Fatal(err)
	}
	return id, key
}

func TestAPersonHasOneKeyADayAndItLasts(t *testing.T) {
	path, source := filepath.Join(t.TempDir(), FileName), &memory{}
	v := open(t, path, source)
	id, key := person(t, v, 20000, "ada")
	if again, _ := person(t, v, 20000, "ada"); again != id {
		t.Error("two keys on one day")
	}
	if other, _ := person(t, v, 20001, "ada"); other == id {
		t.Error("one key for two days")
	}
	if other, _ := person(t, v, 20000, "bob"); other == id {
		t.Error("one key for two persons")
	}
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	v = open(t, path, source)
	if got, err := v.Key(id); err != nil || got != key {
		t.Errorf("after opening again: %v", err)
	}
	if again, _ := person(t, v, 20000, "ada"); again != id {
		t.Error("another key after opening again")
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("ada")) || bytes.Contains(raw, key[:]) {
		t.Error("the file tells a name or a bare key")
	}
}

func TestADestroyedKeyLeavesNoTrace(t *testing.T) {
	path, source := filepath.Join(t.TempDir(), FileName), &memory{}
	v := open(t, path, source)
	var ids []record.KeyID
	for day := range uint32(5) {
		id, _ := person(t, v, 20000+day, "ada")
		ids = append(ids, id)
	}
	bob, bobKey := person(t, v, 20000, "bob")
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	before, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if got := v.Of(Who{"user", "ada"}); len(got) != 5 {
		t.Fatalf("ada has %d keys", len(got))
	}
	if err := v.Destroy(ids...); err != nil {
		t.Fatal(err)
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for i := headerSize; i < len(before); i += slotSize {
		s, err := decodeSlot(before[i : i+slotSize])
		if err != nil || s == nil || s.kind != kindPerson {
			continue
		}
		if bytes.Contains(after, s.wrapped[:]) || bytes.Contains(after, s.owner[:]) {
			left++
		}
	}
	if left != 1 {
		t.Errorf("%d of 6 keys are in the file, want bob's only", left)
	}
	for _, id := range ids {
		if _, err := v.Key(id); !errors.Is(err, ErrGone) {
			t.Errorf("Key: %v", err)
		}
	}
	if got, err := v.Key(bob); err != nil || got != bobKey {
		t.Errorf("bob's key: %v", err)
	}
	if err := v.Destroy(ids...); err != nil {
		t.Errorf("a second time: %v", err)
	}
	if id, _ := person(t, v, 20000, "ada"); id == ids[0] {
		t.Error("a new call got the destroyed key")
	}
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	if v = open(t, path, source); len(v.Of(Who{"user", "ada"})) != 1 {
		t.Error("the new key was not kept")
	}
}

// The rotation is killed at each of its writes in turn: the source's and the file's.
func TestRotationSurvivesAKillAtAnyPoint(t *testing.T) {
	for _, saves := range []int{1, 2, 0} {
		for cut := range 12 {
			t.Run(fmt.Sprintf("save %d, write %d", saves, cut), func(t *testing.T) {
				path, source := filepath.Join(t.TempDir(), FileName), &memory{}
				v := open(t, path, source)
				keys := map[record.KeyID]record.Key{}
				for day := range uint32(3) {
					id, key := person(t, v, 20000+day, "ada")
					keys[id] = key
				}
				if err := v.Flush(); err != nil {
					t.Fatal(err)
				}
				was := v.TopKeyID()
				before, err := v.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				source.saves = saves
				err = v.Rotate()
				if saves != 0 && !errors.Is(err, errBroken) {
					t.Fatalf("Rotate: %v", err)
				}
				_ = v.Close()
				if saves == 2 {
					// The file holds both generations: put back some of the slots that were wiped after the rewrap.
					after, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					for i, n := headerSize, 0; i < len(before) && n < cut; i += slotSize {
						if after[i] == 0 && before[i] != 0 {
							copy(after[i:i+slotSize], before[i:])
							n++
						}
					}
					if err := os.WriteFile(path, after, 0o600); err != nil {
						t.Fatal(err)
					}
				}
				source.saves = 0
				v = open(t, path, source)
				if saves != 1 && v.TopKeyID() == was {
					t.Error("the old top key is still in force")
				}
				for id, want := range keys {
					if got, err := v.Key(id); err != nil || got != want {
						t.Errorf("key lost: %v", err)
					}
				}
				if len(source.secret) != topKeySize {
					t.Error("the source still holds two top keys")
				}
				// The old top key opens nothing any more.
				raw, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				for i := headerSize; saves != 1 && i < len(raw); i += slotSize {
					if s, _ := decodeSlot(raw[i : i+slotSize]); s != nil && s.parent == was {
						t.Error("a slot is still wrapped by the old top key")
					}
				}
			})
		}
	}
}

func TestALostTopKeyIsSaidAndNeverReplaced(t *testing.T) {
	path, source := filepath.Join(t.TempDir(), FileName), &memory{}
	open(t, path, source)
	for name, other := range map[string]Source{
		"an empty source": &memory{},
		"another key":     &memory{secret: ring{newTopKey()}.encode()},
		"another kind":    FromKeyring(fakeKeyring{}, "ledger"),
	} {
		if _, err := Open(path, other); !errors.Is(err, ErrTopKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	open(t, path, source)
}

// Whoever looks with the wrong key must leave the file as it was, also where a rotation was killed and slots are there twice.
func TestCheckSaysWhatOpenWouldAndWritesNothing(t *testing.T) {
	path, source := filepath.Join(t.TempDir(), FileName), &memory{}
	if err := Check(path, source); err != nil {
		t.Errorf("no file yet: %v", err)
	}
	v := open(t, path, source)
	before, err := v.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	double := append(before[:len(before):len(before)], before[headerSize:]...)
	if err := os.WriteFile(path, double, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source Source
		want   error
	}{
		"its own":         {source, nil},
		"an empty source": {&memory{}, ErrTopKey},
		"another key":     {&memory{secret: ring{newTopKey()}.encode()}, ErrTopKey},
		"another kind":    {FromKeyring(fakeKeyring{}, "ledger"), ErrTopKey},
	} {
		if err := Check(path, c.source); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if c.want != nil {
			if _, err := Open(path, c.source); !errors.Is(err, c.want) {
				t.Errorf("Open with %s: %v", name, err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, double) {
			t.Errorf("%s: the file was changed, %v", name, err)
		}
	}
}

func TestATornSlotLosesOnlyItself(t *testing.T) {
	path, source := filepath.Join(t.TempDir(), FileName), &memory{}
	v := open(t, path, source)
	a, _ := person(t, v, 20000, "ada")
	b, _ := person(t, v, 20000, "bob")
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt([]byte("torn"), at(v.byID[a])+70)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	v = open(t, path, source)
	if v.Torn() != 1 {
		t.Errorf("%d torn slots", v.Torn())
	}
	if _, err := v.Key(a); !errors.Is(err, ErrGone) {
		t.Errorf("torn key: %v", err)
	}
	if _, err := v.Key(b); err != nil {
		t.Errorf("its neighbour: %v", err)
	}
}

type fakeKeyring map[string]string

func (f fakeKeyring) Get(service, user string) (string, error) {
	if s, ok := f[service+"/"+user]; ok {
		return s, nil
	}
	return "", keyring.ErrNotFound
}

func (f fakeKeyring) Set(service, user, password string) error {
	f[service+"/"+user] = password
	return nil
}

func TestSources(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "top.key")
	for _, s := range []Source{FromKeyring(fakeKeyring{}, "ledger"), FromFile(file)} {
		if _, err := s.Load(); !errors.Is(err, ErrNoSecret) {
			t.Errorf("%s: empty: %v", s.Where(), err)
		}
		for _, secret := range []string{"first secret", "second"} {
			if err := s.Save([]byte(secret)); err != nil {
				t.Fatal(err)
			}
			if got, err := s.Load(); err != nil || string(got) != secret {
				t.Errorf("%s: %q, %v", s.Where(), got, err)
			}
		}
	}
	if runtime.GOOS != "windows" {
		if err := os.Chmod(file, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := FromFile(file).Load(); err == nil {
			t.Error("a file that others may read was taken")
		}
	}
}

func TestACredentialIsABareKeyAndCannotBeRotated(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "corral-ledger"), bytes.Repeat([]byte("0a"), 32), 0o400); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, FileName)
	v := open(t, path, FromCredential(dir, "corral-ledger"))
	id, _ := person(t, v, 20000, "ada")
	if err := v.Rotate(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("Rotate: %v", err)
	}
	if err := v.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, path, FromCredential(dir, "corral-ledger")).Key(id); err != nil {
		t.Error(err)
	}
}
