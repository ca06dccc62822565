package record

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"golang.org/x/crypto/chacha20poly1305"
)

// ErrKey is returned when the key does not open the record: it is the wrong one, or the bytes were changed.
var ErrKey = errors.New("the key does not open this record")

// Key is a symmetric key of 32 bytes.
type Key [chacha20poly1305.KeySize]byte

// KeyID names a person's key in the key file.
type KeyID uint64

const (
	saltSize   = 16
	commitSize = sha256.Size
)

// Every entry has a key of its own, derived from the person's key and the entry's salt. So one entry can be shown in a proof, or
// erased, without touching the person's other entries. The input has one fixed length and fills one block of SHA-256, so nothing can
// be appended to it, and a key that was shown tells nothing of the person's key or of another entry's.
func entryKey(person *Key, salt []byte) Key {
	var in [32 + 7 + saltSize]byte
	copy(in[:], person[:])
	copy(in[32:], "entry 1")
	copy(in[39:], salt)
	return sha256.Sum256(in[:])
}

// keyCommitment binds the record to one key. The cipher alone does not: whoever writes a ledger could craft a text that opens to two
// different ones under two keys, and prove whichever suits.
func keyCommitment(k *Key) [commitSize]byte {
	var b [20 + 32]byte
	copy(b[:], "corral key commit v1")
	copy(b[20:], k[:])
	return sha256.Sum256(b[:])
}

// The cipher's nonce is the salt and a label. The key is used for these two messages only.
const (
	labelDetails = "details\x00"
	labelContent = "content\x00"
)

func nonce(salt []byte, label string) [chacha20poly1305.NonceSizeX]byte {
	var n [chacha20poly1305.NonceSizeX]byte
	copy(n[:], salt)
	copy(n[saltSize:], label)
	return n
}

// Sealed is a record ready to be written.
type Sealed struct {
	Row     Row
	Leaf    []byte // the record: leaf of the tree
	Content []byte // sealed prompt and answer; nil when none is kept
}

// Sealer seals entries. It keeps what can be used again, and belongs to one goroutine at a time.
type Sealer struct {
	hash   hash.Hash
	sum    [sha256.Size]byte
	random [1024]byte // drawn at once: asking the system for each salt costs as much as sealing
	unused int        // bytes of random that are left
}

// NewSealer makes one.
func NewSealer() *Sealer { return &Sealer{hash: sha256.New()} }

func (s *Sealer) salt(into []byte) {
	if s.unused < len(into) {
		_, _ = rand.Read(s.random[:]) // never fails
		s.unused = len(s.random)
	}
	from := len(s.random) - s.unused
	s.unused -= copy(into, s.random[from:])
	clear(s.random[from : from+len(into)])
}

// Commit makes the commitment of a text, with a fresh salt.
func (s *Sealer) Commit(text []byte) (c Commitment) {
	salt := s.sum[:saltSize]
	s.salt(salt)
	copy(c.Salt[:], salt)
	s.hash.Reset()
	s.hash.Write(salt)
	s.hash.Write(text)
	c.Sum = [sha256.Size]byte(s.hash.Sum(s.sum[:0]))
	return c
}

// Seal writes the entry as a record under the person's key into out, whose row comes filled in and whose leaf's space is used again.
// Content is sealed when keep is set.
func (s *Sealer) Seal(out *Sealed, e *Entry, id KeyID, person *Key, keep bool) error {
	var salt [saltSize]byte
	s.salt(salt[:])
	key := entryKey(person, salt[:])
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return err
	}
	out.Content = nil
	if keep && len(e.Prompt.Content)+len(e.Answer.Content) > 0 {
		out.Row.Flags |= HasContent
		plain := make([]byte, 0, len(e.Prompt.Content)+len(e.Answer.Content)+10+chacha20poly1305.Overhead)
		plain = binary.AppendUvarint(plain, uint64(len(e.Prompt.Content)))
		plain = append(append(plain, e.Prompt.Content...), e.Answer.Content...)
		n := nonce(salt[:], labelContent)
		out.Content = aead.Seal(plain[:0], n[:], plain, nil)
	} else {
		out.Row.Flags &^= HasContent
	}

	leaf := out.Leaf[:0]
	if cap(leaf) == 0 {
		leaf = make([]byte, 0, 768)
	}
	leaf = appendRow(leaf, &out.Row)
	leaf = binary.BigEndian.AppendUint64(leaf, uint64(id))
	leaf = append(leaf, salt[:]...)
	commitment := keyCommitment(&key)
	leaf = append(leaf, commitment[:]...)
	if out.Content != nil {
		sum := sha256.Sum256(out.Content)
		leaf = append(leaf, sum[:]...)
	}
	head := len(leaf)
	leaf = appendDetails(leaf, e)
	n := nonce(salt[:], labelDetails)
	if need := len(leaf) + chacha20poly1305.Overhead; cap(leaf) < need {
		leaf = append(make([]byte, 0, need), leaf...)
	}
	out.Leaf = leaf[:head+len(aead.Seal(leaf[head:head], n[:], leaf[head:], leaf[:head]))]
	return nil
}

// Record is a parsed leaf, still sealed. Its slices are part of the leaf.
type Record struct {
	Row         Row
	KeyID       KeyID
	Salt        []byte
	Commitment  []byte
	ContentHash []byte // nil without content
	open        []byte // what the cipher authenticates beside the details
	details     []byte
}

// Parse reads a leaf.
func Parse(leaf []byte) (*Record, error) {
	row, rest, err := ParseRow(leaf)
	if err != nil {
		return nil, err
	}
	r := &Record{Row: row}
	d := decoder{b: rest}
	if id := d.bytes(8); len(id) == 8 {
		r.KeyID = KeyID(binary.BigEndian.Uint64(id))
	}
	r.Salt, r.Commitment = d.bytes(saltSize), d.bytes(commitSize)
	if row.Flags&HasContent != 0 {
		r.ContentHash = d.bytes(sha256.Size)
	}
	if d.bad {
		return nil, ErrFormat
	}
	r.details = d.b
	r.open = leaf[:len(leaf)-len(d.b)]
	return r, nil
}

// EntryKey derives the key of this entry from the person's.
func (r *Record) EntryKey(person *Key) Key { return entryKey(person, r.Salt) }

// Open unseals the details, and the content when sealed content is given, and checks that all of it belongs together.
func (r *Record) Open(key *Key, content []byte) (*Entry, error) {
	if c := keyCommitment(key); subtle.ConstantTimeCompare(c[:], r.Commitment) != 1 {
		return nil, ErrKey
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	n := nonce(r.Salt, labelDetails)
	plain, err := aead.Open(nil, n[:], r.details, r.open)
	if err != nil {
		return nil, ErrKey
	}
	e := r.Closed()
	if err := parseDetails(plain, e); err != nil {
		return nil, err
	}
	if content == nil {
		return e, nil
	}
	if sum := sha256.Sum256(content); subtle.ConstantTimeCompare(sum[:], r.ContentHash) != 1 {
		return nil, fmt.Errorf("content: %w", ErrKey)
	}
	n = nonce(r.Salt, labelContent)
	plain, err = aead.Open(nil, n[:], content, nil)
	if err != nil {
		return nil, fmt.Errorf("content: %w", ErrKey)
	}
	d := decoder{b: plain}
	e.Prompt.Content = d.bytes(d.uvarint())
	e.Answer.Content = d.b
	if d.bad {
		return nil, ErrFormat
	}
	return e, nil
}

// Closed is the entry as far as the row tells it.
func (r *Record) Closed() *Entry {
	row := &r.Row
	return &Entry{
		Kind: row.Kind, Time: row.Time, Flags: row.Flags, Status: row.Status, Tokens: row.Tokens, Cost: row.Cost,
		Baseline: row.Baseline, Duration: row.Duration, FirstToken: row.FirstToken,
	}
}
