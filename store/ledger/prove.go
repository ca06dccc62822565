package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store"
	"corral/store/ledger/proof"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
)

// Prove makes a bundle that proof.Verify accepts with PublicKey alone. With reveal it opens the entry, and this entry only, to whoever
// has the bundle. It signs a head first when none covers the entry yet. Errors: ErrNotFound.
func (l *Ledger) Prove(ctx context.Context, seq uint64, reveal bool) ([]byte, error) {
	l.upkeep.RLock()
	defer l.upkeep.RUnlock()
	bundle, err := l.prove(seq, reveal)
	if errors.Is(err, errNoHead) {
		err = l.inWriter(ctx, func(w *writer) error { w.headDue = true; return w.commit(nil) })
		if err == nil {
			bundle, err = l.prove(seq, reveal)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("prove entry %d: %w", seq, err)
	}
	return json.MarshalIndent(bundle, "", "  ")
}

var errNoHead = errors.New("no signed tree head covers it yet")

func (l *Ledger) prove(seq uint64, reveal bool) (*proof.Bundle, error) {
	b := &proof.Bundle{Format: proof.Format, Seq: seq}
	err := l.db.View(func(tx *store.Tx) error {
		v := tx.Bucket(root, bEntries).Get(be64(seq))
		if v == nil {
			return ErrNotFound
		}
		_, leaf, err := split(be64(seq), v)
		if err != nil {
			return err
		}
		b.Leaf = bytes.Clone(leaf)
		k, signed := tx.Bucket(root, bHeads).Cursor().Last()
		if k == nil || bytes.Compare(k, be64(seq)) <= 0 {
			return errNoHead
		}
		b.Head = string(signed)
		head, err := treehead.Open(signed, l.verifier)
		if err != nil {
			return err
		}
		if b.Path, err = tlog.ProveRecord(int64(head.Size), int64(seq), readHashes(tx)); err != nil {
			return err
		}
		if !reveal {
			return nil
		}
		r, err := record.Parse(leaf)
		if err != nil {
			return err
		}
		key, err := l.entryKey(tx, seq, r)
		if err != nil {
			return fmt.Errorf("it cannot be shown: %w", err)
		}
		b.Key = key[:]
		if r.ContentHash != nil {
			b.Content = bytes.Clone(tx.Bucket(root, bContent).Get(be64(seq)))
		}
		return nil
	})
	return b, err
}
