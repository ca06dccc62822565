// Package secrets keeps the keys of providers: in the OS keyring where one answers, else in files that only their owner can
// read. A service may be given them as systemd credentials instead, which it can read and not change.
//
// The names of what is kept stand in an index beside the files, since a keyring cannot be asked what it holds. It says of each
// whether a keyring was given the key once: one that is locked for a while would show an old key again later.
package secrets

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/zalando/go-keyring"
)

var (
	// ErrNotFound: nothing is kept under the name.
	ErrNotFound = errors.New("no key is kept under this name")
	// ErrKeyring: the keyring that has the key does not answer.
	ErrKeyring = errors.New("the keyring, which has this key, does not answer; unlock it and try again")
	// ErrName: the name cannot be one.
	ErrName = errors.New("a name has letters, digits, dots, dashes and underscores, 64 at most")
)

// Keyring is the part of a keyring that is needed. Any error but keyring.ErrNotFound means that there is none.
type Keyring interface {
	Get(service, user string) (string, error)
	Set(service, user, password string) error
	Delete(service, user string) error
}

// OS is the keyring of this desktop.
type OS struct{}

// Get reads a password.
func (OS) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// Set keeps one.
func (OS) Set(service, user, password string) error { return keyring.Set(service, user, password) }

// Delete removes one.
func (OS) Delete(service, user string) error { return keyring.Delete(service, user) }

// Places say where keys may be.
type Places struct {
	Service     string  // under which a keyring keeps them
	Keyring     Keyring // nil: none, as for a service
	Dir         string  // for the index, and for the files where there is no keyring
	Credentials string  // systemd's folder; empty: none
}

// Store is the keys. It is safe for concurrent use in one process.
type Store struct {
	p  Places
	mu sync.Mutex // guards the index
}

// New makes a Store.
func New(p Places) *Store { return &Store{p: p} }

// credential is what a key is called among systemd's credentials.
func credential(name string) string { return "corral-key-" + name }

// Entry is a key that is kept, without the key.
type Entry struct {
	Name  string `json:"name"`
	Where string `json:"where"` // keyring, credential, or the file
}

func good(name string) bool {
	return name != "" && len(name) <= 64 && name[0] != '.' && !strings.ContainsFunc(name, func(c rune) bool {
		return !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '.' || c == '-' || c == '_')
	})
}

// Get reads a key. Errors: ErrNotFound, ErrName.
func (s *Store) Get(name string) (string, error) {
	if !good(name) {
		return "", ErrName
	}
	if s.p.Credentials != "" {
		if b, err := os.ReadFile(filepath.Join(s.p.Credentials, credential(name))); err == nil {
			return strings.TrimSpace(string(b)), nil
		}
	}
	// A file is newer than what the keyring has: Set writes it when the keyring did not take the key, and removes it when it did.
	b, err := os.ReadFile(s.file(name))
	if err == nil {
		return strings.TrimSpace(string(b)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read key: %w", err)
	}
	if s.p.Keyring != nil {
		if key, err := s.p.Keyring.Get(s.p.Service, name); err == nil {
			return key, nil
		}
	}
	return "", fmt.Errorf("%w; keep one with \"corral secrets set %s\"", ErrNotFound, name)
}

func (s *Store) file(name string) string { return filepath.Join(s.p.Dir, name+".key") }

// Set keeps a key and says where.
func (s *Store) Set(name, key string) (Entry, error) {
	if !good(name) {
		return Entry{}, ErrName
	}
	if key = strings.TrimSpace(key); key == "" || strings.ContainsAny(key, "\r\n\x00") {
		return Entry{}, errors.New("a key is one line, and not empty")
	}
	if s.p.Credentials != "" {
		if _, err := os.Stat(filepath.Join(s.p.Credentials, credential(name))); err == nil {
			return Entry{}, fmt.Errorf("the key %s comes with the service as the systemd credential %s, which is used first; change it there (LoadCredential=) and restart Corral", name, credential(name))
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.index()
	if err != nil {
		return Entry{}, err
	}
	e, inRing := Entry{Name: name, Where: "keyring"}, true
	if s.p.Keyring == nil || s.p.Keyring.Set(s.p.Service, name, key) != nil {
		e.Where, inRing = "file "+s.file(name)+" (mode 0600)", false
		if err := s.write(s.file(name), []byte(key+"\n")); err != nil {
			return Entry{}, fmt.Errorf("keep key: %w", err)
		}
	}
	if i := find(list, name); i < 0 {
		list = append(list, kept{name, inRing})
	} else {
		list[i].Keyring = list[i].Keyring || inRing // an older key that the keyring has is still there
	}
	if err := s.save(list); err != nil {
		return Entry{}, err
	}
	if inRing {
		if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return Entry{}, fmt.Errorf("remove the key's old file: %w", err)
		}
	}
	return e, nil
}

// Remove forgets a key. Errors: ErrNotFound, ErrName, ErrKeyring; with the last of these it is all as before.
func (s *Store) Remove(name string) error {
	if !good(name) {
		return ErrName
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.index()
	if err != nil {
		return err
	}
	i := find(list, name)
	inRing := i >= 0 && list[i].Keyring
	found := false
	switch {
	case s.p.Keyring != nil:
		err := s.p.Keyring.Delete(s.p.Service, name)
		if found = err == nil; !found && inRing && !errors.Is(err, keyring.ErrNotFound) {
			return fmt.Errorf("%w (%v)", ErrKeyring, err)
		}
	case inRing:
		return fmt.Errorf("%w (a service has none)", ErrKeyring)
	}
	err = os.Remove(s.file(name))
	if err == nil {
		found = true
	} else if !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove key: %w", err)
	}
	if i >= 0 {
		if err := s.save(slices.Delete(list, i, i+1)); err != nil {
			return err
		}
	}
	if !found {
		return ErrNotFound
	}
	return nil
}

// List is what is kept, by name.
func (s *Store) List() ([]Entry, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	list, err := s.index()
	if err != nil {
		return nil, err
	}
	out := []Entry{}
	for _, k := range list {
		e := Entry{Name: k.Name, Where: "nowhere any more"}
		if s.inFile(k.Name) {
			e.Where = "file " + s.file(k.Name) + " (mode 0600)"
		} else if s.p.Keyring != nil {
			if _, err := s.p.Keyring.Get(s.p.Service, k.Name); err == nil {
				e.Where = "keyring"
			} else if k.Keyring && !errors.Is(err, keyring.ErrNotFound) {
				e.Where = "keyring, which does not answer"
			}
		}
		out = append(out, e)
	}
	given, err := filepath.Glob(filepath.Join(s.p.Credentials, credential("*")))
	if s.p.Credentials == "" || err != nil {
		given = nil
	}
	for _, path := range given {
		out = append(out, Entry{Name: strings.TrimPrefix(filepath.Base(path), credential("")), Where: "systemd credential"})
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (s *Store) indexFile() string { return filepath.Join(s.p.Dir, "index.json") }

// kept is one name of the index.
type kept struct {
	Name    string `json:"name"`
	Keyring bool   `json:"keyring,omitempty"` // the keyring was given a key of this name, and may have it still
}

func find(list []kept, name string) int {
	return slices.IndexFunc(list, func(k kept) bool { return k.Name == name })
}

func (s *Store) inFile(name string) bool {
	_, err := os.Stat(s.file(name))
	return err == nil
}

func (s *Store) index() (list []kept, err error) {
	b, err := os.ReadFile(s.indexFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	var names []string // as it was at first
	if err == nil && json.Unmarshal(b, &names) == nil {
		for _, name := range names {
			list = append(list, kept{name, !s.inFile(name)})
		}
		return list, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &list)
	}
	if err != nil {
		return nil, fmt.Errorf("read the index of keys: %w", err)
	}
	return list, nil
}

func (s *Store) save(list []kept) error {
	slices.SortFunc(list, func(a, b kept) int { return strings.Compare(a.Name, b.Name) })
	b, err := json.Marshal(list)
	if err == nil {
		err = s.write(s.indexFile(), b)
	}
	if err != nil {
		return fmt.Errorf("write the index of keys: %w", err)
	}
	return nil
}

// write puts a file in place whole, readable by its owner only.
func (s *Store) write(path string, b []byte) error {
	if err := os.MkdirAll(s.p.Dir, 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(s.p.Dir, ".new-*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
