package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/zalando/go-keyring"
)

var (
	// ErrNoSecret is returned by a source that holds nothing yet.
	ErrNoSecret = errors.New("no secret there")
	// ErrReadOnly is returned by a source that Corral cannot write to, such as a systemd credential.
	ErrReadOnly = errors.New("this place cannot be written by corral")
)

// Source is a place where a secret is kept: the top key, or the key that signs tree heads.
type Source interface {
	// Kind is keyring, credential or file. It is written to the key file, so that a ledger begun with one kind is never carried on with
	// another by accident.
	Kind() string
	// Where says it for a person, for `corral doctor`.
	Where() string
	// Load returns the secret, ErrNoSecret when there is none, or why it cannot be had.
	Load() ([]byte, error)
	// Save replaces the secret and leaves nothing of the old one, as far as the place allows.
	Save(secret []byte) error
}

// Keyring is the part of the operating system's keyring that is used here.
type Keyring interface {
	Get(service, user string) (string, error)
	Set(service, user, password string) error
}

// OSKeyring is the keyring of this desktop: Secret Service, macOS Keychain or Windows Credential Manager.
type OSKeyring struct{}

// Get asks the system.
func (OSKeyring) Get(service, user string) (string, error) { return keyring.Get(service, user) }

// Set tells the system.
func (OSKeyring) Set(service, user, password string) error {
	return keyring.Set(service, user, password)
}

const keyringService = "corral"

// keyringWait bounds one call: a keyring without a session may ask a bus that never answers, or a person who is not there.
const keyringWait = 5 * time.Second

type keyringSource struct {
	ring Keyring
	name string
}

// FromKeyring keeps the secret in the keyring under service "corral" and the given name.
func FromKeyring(ring Keyring, name string) Source { return keyringSource{ring, name} }

func (s keyringSource) Kind() string { return "keyring" }
func (s keyringSource) Where() string {
	return fmt.Sprintf("OS keyring (service %s, account %s)", keyringService, s.name)
}

func (s keyringSource) Load() ([]byte, error) {
	var text string
	err := within(keyringWait, func() (err error) {
		text, err = s.ring.Get(keyringService, s.name)
		return err
	})
	if errors.Is(err, keyring.ErrNotFound) {
		return nil, ErrNoSecret
	}
	if err != nil {
		return nil, fmt.Errorf("read OS keyring: %w", err)
	}
	return hex.DecodeString(text)
}

func (s keyringSource) Save(secret []byte) error {
	err := within(keyringWait, func() error { return s.ring.Set(keyringService, s.name, hex.EncodeToString(secret)) })
	if err != nil {
		return fmt.Errorf("write OS keyring: %w", err)
	}
	return nil
}

// within gives up waiting, since the libraries below take no context. The goroutine ends when the keyring answers.
func within(limit time.Duration, call func() error) error {
	done := make(chan error, 1)
	go func() { done <- call() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return fmt.Errorf("no answer within %s", limit)
	}
}

type credentialSource struct{ path string }

// FromCredential reads a systemd credential: a file that only the service sees, which systemd decrypts at start.
func FromCredential(dir, name string) Source { return credentialSource{filepath.Join(dir, name)} }

func (s credentialSource) Kind() string  { return "credential" }
func (s credentialSource) Where() string { return "systemd credential " + filepath.Base(s.path) }

func (s credentialSource) Load() ([]byte, error) {
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSecret
	}
	if err != nil {
		return nil, fmt.Errorf("read credential: %w", err)
	}
	return decodeText(raw)
}

func (s credentialSource) Save([]byte) error {
	return fmt.Errorf("%s: %w: make a new credential with systemd-creds and restart the service", s.Where(), ErrReadOnly)
}

type fileSource struct{ path string }

// FromFile keeps the secret in a file that only its owner may read.
func FromFile(path string) Source { return fileSource{path} }

func (s fileSource) Kind() string  { return "file" }
func (s fileSource) Where() string { return "file " + s.path + " (mode 0600)" }

func (s fileSource) Load() ([]byte, error) {
	info, err := os.Stat(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoSecret
	}
	if err != nil {
		return nil, err
	}
	if err := onlyOwner(info); err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	raw, err := os.ReadFile(s.path)
	if err != nil {
		return nil, err
	}
	return decodeText(raw)
}

// Save writes a new file, puts it in place, and only then overwrites the old one's bytes: a rename alone would leave them on the
// disk, and overwriting first could lose both to a power cut.
func (s fileSource) Save(secret []byte) error {
	old, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if old != nil {
		defer func() { _ = old.Close() }()
	}
	fresh := s.path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteString(hex.EncodeToString(secret) + "\n")
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := replaceFile(fresh, s.path, old); err != nil {
		return err
	}
	if old == nil {
		return nil
	}
	return overwrite(old)
}

func overwrite(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return nil // Windows: the file is gone already
	}
	if _, err := f.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return err
	}
	return f.Sync()
}

func decodeText(raw []byte) ([]byte, error) {
	secret, err := hex.DecodeString(strings.TrimSpace(string(raw)))
	if err != nil {
		return nil, errors.New("the secret is not written in hex")
	}
	return secret, nil
}

// A ring of top keys: the one in force first, and while they are exchanged the coming one. As a secret it is a list of id and key.
type ring []topKey

type topKey struct {
	id  uint64
	key [32]byte
}

const topKeySize = 8 + 32

func newTopKey() topKey {
	var k topKey
	k.id = randomID()
	_, _ = rand.Read(k.key[:]) // never fails
	return k
}

func (r ring) encode() []byte {
	var b bytes.Buffer
	for _, k := range r {
		b.Write(be64(k.id))
		b.Write(k.key[:])
	}
	return b.Bytes()
}

func decodeRing(b []byte) (ring, error) {
	if len(b) == 0 || len(b)%topKeySize != 0 {
		return nil, fmt.Errorf("the top key has %d bytes: not a key that corral made", len(b))
	}
	var r ring
	for ; len(b) > 0; b = b[topKeySize:] {
		var k topKey
		k.id = fromBE64(b)
		copy(k.key[:], b[8:])
		r = append(r, k)
	}
	return r, nil
}
