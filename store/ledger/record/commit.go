package record

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"hash"
)

// Commitment binds a text without telling it: SHA-256 over salt and text. A bare hash of a short text could be guessed; the salt is
// sealed with the entry, and shown with it.
type Commitment struct {
	Salt [16]byte
	Sum  [sha256.Size]byte
}

// Commit makes the commitment of a text, with a fresh salt.
func Commit(text []byte) Commitment {
	c := NewCommitter()
	_, _ = c.Write(text)
	return c.Commitment()
}

// Opens says whether the text is the one that was committed to.
func (c Commitment) Opens(text []byte) bool {
	h := sha256.New()
	h.Write(c.Salt[:])
	h.Write(text)
	return subtle.ConstantTimeCompare(h.Sum(nil), c.Sum[:]) == 1
}

// Committer takes a text piece by piece, as a stream goes by.
type Committer struct {
	salt [16]byte
	h    hash.Hash
}

// NewCommitter draws a salt.
func NewCommitter() *Committer {
	c := &Committer{h: sha256.New()}
	_, _ = rand.Read(c.salt[:]) // never fails
	c.h.Write(c.salt[:])
	return c
}

// Write never fails.
func (c *Committer) Write(p []byte) (int, error) { return c.h.Write(p) }

// Commitment is of all that was written so far.
func (c *Committer) Commitment() Commitment {
	out := Commitment{Salt: c.salt}
	c.h.Sum(out.Sum[:0])
	return out
}

func hexOf(b []byte) string { return hex.EncodeToString(b) }
