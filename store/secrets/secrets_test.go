package secrets

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zalando/go-keyring"
)

// ring is a keyring in memory; away, none answers.
type ring struct {
	away bool
	keys map[string]string
}

var errAway = errors.New("no secret service")

func (r *ring) Get(service, user string) (string, error) {
	if r.away {
		return "", errAway
	}
	key, ok := r.keys[service+"/"+user]
	if !ok {
		return "", keyring.ErrNotFound
	}
	return key, nil
}

func (r *ring) Set(service, user, key string) error {
	if r.away {
		return errAway
	}
	r.keys[service+"/"+user] = key
	return nil
}

func (r *ring) Delete(service, user string) error {
	if _, err := r.Get(service, user); err != nil {
		return err
	}
	delete(r.keys, service+"/"+user)
	return nil
}

func TestKeysAreKeptInTheKeyringOrElseInAFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "secrets")
	r := &ring{away: true, keys: map[string]string{}}
	s := New(Places{Service: "corral", Keyring: r, Dir: dir})
	if _, err := s.Get("openai"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	e, err := s.Set("openai", " key-one \n")
	if err != nil || e.Where == "keyring" {
		t.Fatal(e, err)
	}
	info, err := os.Stat(filepath.Join(dir, "openai.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info.Mode(), err)
	}
	if key, err := s.Get("openai"); err != nil || key != "key-one" {
		t.Error(key, err)
	}
	r.away = false
	if e, err = s.Set("openai", "key-two"); err != nil || e.Where != "keyring" {
		t.Error(e, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "openai.key")); !os.IsNotExist(err) {
		t.Error("the old key's file is still there")
	}
	if key, err := s.Get("openai"); err != nil || key != "key-two" {
		t.Error(key, err)
	}
	if _, err := s.Set("groq", "key-three"); err != nil {
		t.Error(err)
	}
	list, err := s.List()
	if err != nil || len(list) != 2 || list[0].Name != "groq" || list[1] != (Entry{"openai", "keyring"}) {
		t.Error(list, err)
	}
	if err := s.Remove("openai"); err != nil {
		t.Error(err)
	}
	if err := s.Remove("openai"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if _, err := s.Get("openai"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestAKeyringThatIsLockedForAWhile: what was changed meanwhile stays so when it is unlocked, and what it has is not forgotten by halves.
func TestAKeyringThatIsLockedForAWhile(t *testing.T) {
	r := &ring{keys: map[string]string{}}
	s := New(Places{Service: "corral", Keyring: r, Dir: t.TempDir()})
	set := func(name, key string) {
		t.Helper()
		if _, err := s.Set(name, key); err != nil {
			t.Fatal(err)
		}
	}
	has := func(name, want string) {
		t.Helper()
		if key, err := s.Get(name); key != want || (err != nil) != (want == "") {
			t.Errorf("%s: %q %v, want %q", name, key, err, want)
		}
	}
	set("openai", "old")
	r.away = true
	set("openai", "new")
	set("groq", "other")
	has("openai", "new")
	if err := s.Remove("openai"); !errors.Is(err, ErrKeyring) {
		t.Errorf("the old key is in the keyring, and the answer was: %v", err)
	}
	if err := s.Remove("groq"); err != nil {
		t.Errorf("no keyring ever had it: %v", err)
	}
	if err := s.Remove("groq"); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	r.away = false
	has("openai", "new")
	has("groq", "")
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Name != "openai" {
		t.Error(list, err)
	}
	set("openai", "newest")
	has("openai", "newest")
	r.away = true
	if err := s.Remove("openai"); !errors.Is(err, ErrKeyring) {
		t.Error(err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 || list[0].Where != "keyring, which does not answer" {
		t.Error(list, err)
	}
	// A service may not ask a keyring, and so cannot forget for it.
	if err := New(Places{Dir: s.p.Dir}).Remove("openai"); !errors.Is(err, ErrKeyring) {
		t.Error(err)
	}
	r.away = false
	if err := s.Remove("openai"); err != nil || len(r.keys) != 0 {
		t.Error(err, r.keys)
	}
	has("openai", "")
}

// TestAnIndexOfNamesOnly: as it was written at first.
func TestAnIndexOfNamesOnly(t *testing.T) {
	r := &ring{away: true, keys: map[string]string{"corral/openai": "one"}}
	s := New(Places{Service: "corral", Keyring: r, Dir: t.TempDir()})
	for name, text := range map[string]string{"index.json": `["groq","openai"]`, "groq.key": "two\n"} {
		if err := os.WriteFile(filepath.Join(s.p.Dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Remove("openai"); !errors.Is(err, ErrKeyring) {
		t.Error(err)
	}
	if err := s.Remove("groq"); err != nil {
		t.Error(err)
	}
	r.away = false
	if list, err := s.List(); err != nil || len(list) != 1 || list[0] != (Entry{"openai", "keyring"}) {
		t.Error(list, err)
	}
}

func TestASystemdCredentialComesFirst(t *testing.T) {
	creds := t.TempDir()
	if err := os.WriteFile(filepath.Join(creds, "corral-key-openai"), []byte("given\n"), 0o400); err != nil {
		t.Fatal(err)
	}
	s := New(Places{Dir: t.TempDir(), Credentials: creds})
	if _, err := s.Set("openai", "other"); err == nil || !strings.Contains(err.Error(), "systemd credential corral-key-openai") {
		t.Error("a key was kept that nobody would use:", err)
	}
	if key, err := s.Get("openai"); err != nil || key != "given" {
		t.Error(key, err)
	}
	if list, err := s.List(); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
}

func TestNamesAndKeysThatCannotBe(t *testing.T) {
	s := New(Places{Dir: t.TempDir()})
	for _, name := range []string{"", "../x", "a/b", ".hidden", "a b", string(make([]byte, 65))} {
		if _, err := s.Set(name, "k"); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := s.Get(name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, key := range []string{"", " \n", "two\nlines"} {
		if _, err := s.Set("x", key); err == nil {
			t.Errorf("%q was kept", key)
		}
	}
}
