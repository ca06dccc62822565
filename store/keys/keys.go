// Package keys holds the keys that apps show when the config says `auth: required`.
//
//	keys
//	├── salt     -> 32 random bytes, made once
//	├── byid     id -> JSON of Key and its hash
//	└── used     id -> time of last use, unix nanoseconds, big-endian
//
// Only a salted SHA-256 of a key is kept. A slow hash would add nothing: the secret is 32 random bytes, which nobody can guess,
// and Lookup runs before every call.
//
// What surprises: Lookup reads an immutable index in memory and never the file. Uses are written by Flush, so a kill forgets the
// last few times of use, never a key.
package keys

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode"
	"unicode/utf8"

	"corral/store"
)

var (
	// ErrNotFound is returned when no key has the id or name.
	ErrNotFound = errors.New("no such key")
	// ErrName is returned by Create for a name that is empty, too long, in use, or has characters that are not shown.
	ErrName = errors.New("key name cannot be used")
)

// Prefix begins every secret, so that people and scanners of leaked secrets know what they see.
const Prefix = "corral_"

// secretLen is the length of a secret: 32 bytes take 43 digits of base 62.
const secretLen = len(Prefix) + 43

const (
	bucket   = "keys"
	byID     = "byid"
	used     = "used"
	keySalt  = "salt"
	maxName  = 100
	alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Key is what is known of a key. The secret itself is not.
type Key struct {
	ID       string    `json:"id"`
	Name     string    `json:"name"`
	Hint     string    `json:"hint"` // the secret's last four characters, to tell keys apart
	Created  time.Time `json:"created"`
	LastUsed time.Time `json:"last_used,omitzero"`
	Expires  time.Time `json:"expires,omitzero"` // zero: never
	Disabled time.Time `json:"disabled,omitzero"`
	User     string    `json:"user,omitempty"`   // calls with this key are this person's, whatever a header says
	App      string    `json:"app,omitempty"`    // likewise
	Labels   []string  `json:"labels,omitempty"` // free words, for the operator
}

// Valid says whether the key opens the door at the given time.
func (k Key) Valid(now time.Time) bool {
	return k.Disabled.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// Options of a new key.
type Options struct {
	Expires time.Time
	User    string
	App     string
	Labels  []string
}

// Set is all keys. It is safe for many goroutines.
type Set struct {
	db   *store.DB
	now  func() time.Time
	salt [32]byte

	mu    sync.Mutex // serializes changes
	index atomic.Pointer[index]
}

// index is never changed once it is in force.
type index struct {
	byHash map[[sha256.Size]byte]*entry
	byID   map[string]*entry
}

type entry struct {
	Key
	Hash [sha256.Size]byte
	used *atomic.Int64 // unix nanoseconds; shared by the entry's later versions
}

// stored is an entry on disk.
type stored struct {
	Key
	Hash string `json:"hash"`
}

// Open reads the keys of db. now is the clock; nil means time.Now.
func Open(db *store.DB, now func() time.Time) (*Set, error) {
	if now == nil {
		now = time.Now
	}
	s := &Set{db: db, now: now}
	// A file that may only be read can still say who may call.
	there := false
	err := db.View(func(tx *store.Tx) error {
		if there = tx.Bucket(bucket, used) != nil; !there {
			return nil
		}
		copy(s.salt[:], tx.Bucket(bucket).Get([]byte(keySalt)))
		return s.load(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	if there {
		return s, nil
	}
	err = db.Update(func(tx *store.Tx) error {
		for _, path := range [][]string{{bucket}, {bucket, byID}, {bucket, used}} {
			if _, err := tx.Ensure(path...); err != nil {
				return err
			}
		}
		b := tx.Bucket(bucket)
		if b.Get([]byte(keySalt)) == nil {
			fresh := make([]byte, len(s.salt))
			_, _ = rand.Read(fresh) // never fails
			if err := b.Put([]byte(keySalt), fresh); err != nil {
				return err
			}
		}
		copy(s.salt[:], b.Get([]byte(keySalt)))
		return s.load(tx)
	})
	if err != nil {
		return nil, fmt.Errorf("open keys: %w", err)
	}
	return s, nil
}

func (s *Set) load(tx *store.Tx) error {
	ix := &index{byHash: map[[sha256.Size]byte]*entry{}, byID: map[string]*entry{}}
	uses := tx.Bucket(bucket, used)
	err := tx.Bucket(bucket, byID).ForEach(func(k, v []byte) error {
		var on stored
		if err := json.Unmarshal(v, &on); err != nil {
			return fmt.Errorf("key %s: %w", k, err)
		}
		e := &entry{Key: on.Key, used: new(atomic.Int64)}
		if n, err := hex.Decode(e.Hash[:], []byte(on.Hash)); err != nil || n != len(e.Hash) {
			return fmt.Errorf("key %s: its hash is not readable", k)
		}
		if t := uses.Get(k); len(t) == 8 {
			e.used.Store(int64(binary.BigEndian.Uint64(t)))
		}
		ix.byHash[e.Hash], ix.byID[e.ID] = e, e
		return nil
	})
	if err == nil {
		s.index.Store(ix)
	}
	return err
}

// Create makes a key and returns its secret, which nobody can show again. Errors: ErrName.
func (s *Set) Create(name string, opts Options) (secret string, key Key, err error) {
	name = strings.TrimSpace(name)
	s.mu.Lock()
	defer s.mu.Unlock()
	if name == "" || len(name) > maxName {
		return "", Key{}, fmt.Errorf("%w: %q: give one of 1 to %d bytes", ErrName, name, maxName)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || !utf8.ValidString(name) {
		return "", Key{}, fmt.Errorf("%w: %q: it has characters that nobody sees, such as the end of a line", ErrName, name)
	}
	for _, e := range s.index.Load().byID {
		if e.Name == name && e.Disabled.IsZero() {
			return "", Key{}, fmt.Errorf("%w: %q is in use by key %s: revoke that one first, or choose another name", ErrName, name, e.ID)
		}
	}
	secret = newSecret()
	e := &entry{Hash: s.hash(secret), used: new(atomic.Int64)}
	e.Key = Key{
		ID: newID(), Name: name, Hint: secret[len(secret)-4:], Created: s.now().UTC(),
		Expires: opts.Expires, User: opts.User, App: opts.App, Labels: slices.Clone(opts.Labels),
	}
	if err := s.save(e); err != nil {
		return "", Key{}, fmt.Errorf("create key: %w", err)
	}
	return secret, e.Key, nil
}

// Find is the key that somebody means by its id or name; of several of that name the newest, since all before are revoked. list is as List
// gives it.
func Find(list []Key, idOrName string) (found Key, ok bool) {
	for _, k := range list { // oldest first
		if k.ID == idOrName {
			return k, true
		}
		if k.Name == idOrName {
			found, ok = k, true
		}
	}
	return found, ok
}

// Revoke disables a key for good, by id or by name. It stays in List, so that the ledger's entries keep their name. Errors: ErrNotFound.
func (s *Set) Revoke(idOrName string) (Key, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *entry
	for _, e := range s.index.Load().byID {
		if e.ID == idOrName || (e.Name == idOrName && e.Disabled.IsZero()) {
			found = e
		}
	}
	if found == nil {
		return Key{}, fmt.Errorf("%w: %q", ErrNotFound, idOrName)
	}
	if !found.Disabled.IsZero() {
		return found.Key, nil
	}
	changed := *found
	changed.Disabled = s.now().UTC()
	if err := s.save(&changed); err != nil {
		return Key{}, fmt.Errorf("revoke key: %w", err)
	}
	return changed.Key, nil
}

// save writes the entry and then puts an index with it in force. The caller holds mu.
func (s *Set) save(e *entry) error {
	raw, err := json.Marshal(stored{Key: e.Key, Hash: hex.EncodeToString(e.Hash[:])})
	if err != nil {
		return err
	}
	err = s.db.Update(func(tx *store.Tx) error { return tx.Bucket(bucket, byID).Put([]byte(e.ID), raw) })
	if err != nil {
		return err
	}
	old := s.index.Load()
	ix := &index{
		byHash: make(map[[sha256.Size]byte]*entry, len(old.byHash)+1),
		byID:   make(map[string]*entry, len(old.byID)+1),
	}
	for _, o := range old.byID {
		ix.byHash[o.Hash], ix.byID[o.ID] = o, o
	}
	ix.byHash[e.Hash], ix.byID[e.ID] = e, e
	s.index.Store(ix)
	return nil
}

// Lookup finds the key that the secret belongs to, and says whether it is valid now. It does not allocate, and its time tells
// nothing of any secret: what is compared is a salted hash, which a guesser cannot steer.
func (s *Set) Lookup(secret string) (Key, bool) {
	if len(secret) != secretLen || secret[:len(Prefix)] != Prefix {
		return Key{}, false
	}
	h := s.hash(secret)
	e := s.index.Load().byHash[h]
	if e == nil || subtle.ConstantTimeCompare(e.Hash[:], h[:]) != 1 {
		return Key{}, false
	}
	now := s.now()
	if !e.Valid(now) {
		return Key{}, false
	}
	e.used.Store(now.UnixNano())
	return e.Key, true
}

// Name is the name of the key with this id, a revoked one too; empty: there is none.
func (s *Set) Name(id string) string {
	if e := s.index.Load().byID[id]; e != nil {
		return e.Key.Name
	}
	return ""
}

// List returns all keys, revoked ones too, oldest first.
func (s *Set) List() []Key {
	ix := s.index.Load()
	list := make([]Key, 0, len(ix.byID))
	for _, e := range ix.byID {
		list = append(list, e.current())
	}
	slices.SortFunc(list, func(a, b Key) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return list
}

func (e *entry) current() Key {
	k := e.Key
	if t := e.used.Load(); t != 0 {
		k.LastUsed = time.Unix(0, t).UTC()
	}
	return k
}

// Flush writes the times of last use. The daemon calls it now and then, and before it closes the store.
func (s *Set) Flush() error {
	err := s.db.Update(func(tx *store.Tx) error {
		b := tx.Bucket(bucket, used)
		for id, e := range s.index.Load().byID {
			t := uint64(e.used.Load())
			if old := b.Get([]byte(id)); t == 0 || (len(old) == 8 && binary.BigEndian.Uint64(old) == t) {
				continue
			}
			if err := b.Put([]byte(id), binary.BigEndian.AppendUint64(nil, t)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write last use of keys: %w", err)
	}
	return nil
}

// hash is SHA-256 over salt and secret. The array on the stack keeps Lookup free of allocations.
func (s *Set) hash(secret string) [sha256.Size]byte {
	var buf [32 + secretLen]byte
	n := copy(buf[:], s.salt[:])
	n += copy(buf[n:], secret)
	return sha256.Sum256(buf[:n])
}

func newSecret() string {
	var raw [32]byte
	_, _ = rand.Read(raw[:]) // never fails
	digits := make([]byte, 43)
	n, base, digit := new(big.Int).SetBytes(raw[:]), big.NewInt(int64(len(alphabet))), new(big.Int)
	for i := len(digits) - 1; i >= 0; i-- {
		n.DivMod(n, base, digit)
		digits[i] = alphabet[digit.Int64()]
	}
	return Prefix + string(digits)
}

func newID() string {
	var raw [6]byte
	_, _ = rand.Read(raw[:])
	return "key_" + hex.EncodeToString(raw[:])
}
