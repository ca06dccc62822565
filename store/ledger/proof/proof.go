// Package proof checks that an entry is in a ledger, with nothing but the proof and the ledger's public key: no store, no network.
//
// A bundle is one JSON object. It carries the entry's sealed bytes, the path of hashes from there to a signed tree head, and, when
// the prover chose to show what the entry says, that entry's own key and its sealed texts. The key opens this one entry only.
package proof

import (
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
)

// Format is the bundle's version.
const Format = "corral-proof/1"

// ErrProof is returned for a bundle that proves nothing.
var ErrProof = errors.New("proof does not hold")

// Bundle is a proof, complete in itself.
type Bundle struct {
	Format  string      `json:"format"`
	Seq     uint64      `json:"seq"`
	Leaf    []byte      `json:"leaf"` // the entry, sealed
	Path    []tlog.Hash `json:"path"`
	Head    string      `json:"head"`              // signed tree head that the path leads to
	Key     []byte      `json:"key,omitempty"`     // opens this entry
	Content []byte      `json:"content,omitempty"` // sealed prompt and answer
}

// Verified is what a bundle proves.
type Verified struct {
	Head  treehead.Head
	Seq   uint64
	Row   record.Row    // the open part: time, status, tokens, cost
	Entry *record.Entry // nil when the bundle does not show it
}

// Verify checks a bundle against the ledger's public key, in the text form of package note ("corral+..."). Errors: ErrProof.
func Verify(bundle []byte, public string) (*Verified, error) {
	var b Bundle
	if err := json.Unmarshal(bundle, &b); err != nil {
		return nil, fmt.Errorf("%w: not a bundle: %w", ErrProof, err)
	}
	if b.Format != Format {
		return nil, fmt.Errorf("%w: format %q, want %q", ErrProof, b.Format, Format)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	head, err := treehead.Open([]byte(b.Head), verifier)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	if b.Seq >= head.Size {
		return nil, fmt.Errorf("%w: entry %d is past the head's %d entries", ErrProof, b.Seq, head.Size)
	}
	if err := tlog.CheckRecord(b.Path, int64(head.Size), head.Hash, int64(b.Seq), tlog.RecordHash(b.Leaf)); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	r, err := record.Parse(b.Leaf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	v := &Verified{Head: head, Seq: b.Seq, Row: r.Row}
	if len(b.Key) == 0 {
		return v, nil
	}
	if len(b.Key) != len(record.Key{}) {
		return nil, fmt.Errorf("%w: key has %d bytes", ErrProof, len(b.Key))
	}
	key := record.Key(b.Key)
	v.Entry, err = r.Open(&key, b.Content)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	v.Entry.Seq = b.Seq
	for what, t := range map[string]record.Text{"prompt": v.Entry.Prompt, "answer": v.Entry.Answer} {
		cut := v.Entry.Flags&record.ContentShort != 0
		if len(t.Content) > 0 && !cut && !t.Commitment.Opens(t.Content) {
			return nil, fmt.Errorf("%w: the %s is not the one that was committed to", ErrProof, what)
		}
	}
	return v, nil
}
