// Package treehead writes, signs and reads the heads of a ledger's Merkle tree, and keeps them in a second place.
//
// A head says: after so many entries, the tree's hash was this. It is a signed note (golang.org/x/mod/sumdb/note) in the form of a
// transparency log's checkpoint (c2sp.org/tlog-checkpoint):
//
//	corral/5f2c09e1a77b3d40          origin: which ledger
//	4096                             entries
//	CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
//	time 2026-01-02T03:04:05Z        further lines, of this package's own
//	restored 4090 5000               only after a restore of 4090 entries: those that were anchored from there to 5000 were given up
//
//	— corral az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
package treehead

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// ErrHead is returned for bytes that are no head, or are not signed by the key that is trusted.
var ErrHead = errors.New("not a signed tree head")

// Head is the state of a ledger's tree at one size.
type Head struct {
	Origin  string
	Size    uint64
	Hash    tlog.Hash
	Time    time.Time
	Kept    uint64 // after a restore: entries that came back
	GivenUp uint64 // not 0: after a restore; entries from Kept to here were anchored before and are gone
	Follows string // origin of another ledger that was here until then: this one was begun, or brought back, in its place
}

// Text is what is signed.
func (h Head) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%d\n%s\ntime %s\n", h.Origin, h.Size, base64.StdEncoding.EncodeToString(h.Hash[:]), h.Time.UTC().Format(time.RFC3339Nano))
	if h.GivenUp != 0 {
		fmt.Fprintf(&b, "restored %d %d\n", h.Kept, h.GivenUp)
	}
	if h.Follows != "" {
		fmt.Fprintf(&b, "follows %s\n", h.Follows)
	}
	return b.String()
}

// Sign returns the head as a signed note.
func Sign(h Head, signer note.Signer) ([]byte, error) {
	return note.Sign(&note.Note{Text: h.Text()}, signer)
}

// Open checks the signature and reads the head. Errors: ErrHead.
func Open(signed []byte, verifier note.Verifier) (Head, error) {
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Head{}, fmt.Errorf("%w: %w", ErrHead, err)
	}
	return parse(n.Text)
}

func parse(text string) (Head, error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if len(lines) < 3 {
		return Head{}, ErrHead
	}
	h := Head{Origin: lines[0]}
	size, err := strconv.ParseUint(lines[1], 10, 63)
	if err != nil {
		return Head{}, fmt.Errorf("%w: size: %w", ErrHead, err)
	}
	h.Size = size
	hash, err := base64.StdEncoding.DecodeString(lines[2])
	if err != nil || len(hash) != len(h.Hash) {
		return Head{}, fmt.Errorf("%w: hash", ErrHead)
	}
	copy(h.Hash[:], hash)
	for _, line := range lines[3:] {
		name, value, _ := strings.Cut(line, " ")
		switch name {
		case "time":
			h.Time, err = time.Parse(time.RFC3339Nano, value)
		case "restored":
			_, err = fmt.Sscanf(value, "%d %d", &h.Kept, &h.GivenUp)
		case "follows":
			h.Follows = value
		}
		if err != nil {
			return Head{}, fmt.Errorf("%w: %s: %w", ErrHead, name, err)
		}
	}
	return h, nil
}

// KeyName is the signer's name in each note.
const KeyName = "corral"

// NewKey makes a key pair, in the text form of package note.
func NewKey() (private, public string, err error) { return note.GenerateKey(rand.Reader, KeyName) }

// FromSeed makes the text form of a key from 32 random bytes, for places that hold bare bytes.
func FromSeed(seed [32]byte) (private string, err error) {
	public, err := note.NewEd25519VerifierKey(KeyName, ed25519.NewKeyFromSeed(seed[:]).Public().(ed25519.PublicKey))
	if err != nil {
		return "", err
	}
	id := strings.SplitN(public, "+", 3)[1]
	const ed25519Key = 1 // as package note numbers its algorithms
	return "PRIVATE+KEY+" + KeyName + "+" + id + "+" + base64.StdEncoding.EncodeToString(append([]byte{ed25519Key}, seed[:]...)), nil
}

// Public derives the verifier's text form from the signer's.
func Public(private string) (string, error) {
	const prefix = "PRIVATE+KEY+"
	rest, ok := strings.CutPrefix(private, prefix)
	parts := strings.SplitN(rest, "+", 3)
	if !ok || len(parts) != 3 {
		return "", errors.New("not a signing key")
	}
	seed, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(seed) != 1+32 {
		return "", errors.New("not an Ed25519 signing key")
	}
	return note.NewEd25519VerifierKey(parts[0], ed25519.NewKeyFromSeed(seed[1:]).Public().(ed25519.PublicKey))
}
