package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// Who is to be erased: one field is set.
type Who struct {
	User      string
	Caller    string // entries of this key that name no user
	App       string // entries of this app that name neither user nor key
	RequestID string // one entry
}

// Erased is what Erase did.
type Erased struct {
	Entries int    `json:"entries"` // that can no longer be read
	Keys    int    `json:"keys"`    // that were destroyed
	Seq     uint64 `json:"seq"`     // of the entry that records it
}

// erasure is the note of an Erase entry, as JSON. It says which keys were destroyed, and of no person.
type erasure struct {
	What    string         `json:"what"` // person or request
	Keys    []record.KeyID `json:"keys"`
	Entries []uint64       `json:"entries,omitempty"` // request: their numbers
	Count   int            `json:"count"`             // entries that can no longer be read
}

func parseErasure(note string) (e erasure) {
	_ = json.Unmarshal([]byte(note), &e) // an unreadable note explains nothing, and verify will say so
	return e
}

func parseMissed(note string) (m Missed) {
	_ = json.Unmarshal([]byte(note), &m)
	return m
}

// maxErasureKeys is how many keys fit into one note.
const maxErasureKeys = 8000

// Erase destroys the keys of a person, or of one request. After it, their texts and names cannot be read from the file, from its free
// pages, nor from a backup made later; the entries' numbers and hashes stay, and verify is content. Killed half way, the next Open ends
// it. Errors: ErrNotFound.
func (l *Ledger) Erase(ctx context.Context, who Who) (Erased, error) {
	l.upkeep.Lock()
	defer l.upkeep.Unlock()
	var done Erased
	var err error
	switch {
	case who.User != "":
		done, err = l.erasePerson(ctx, usage.User, who.User)
	case who.Caller != "":
		done, err = l.erasePerson(ctx, usage.Caller, who.Caller)
	case who.App != "":
		done, err = l.erasePerson(ctx, usage.App, who.App)
	case who.RequestID != "":
		done, err = l.eraseRequest(ctx, who.RequestID)
	default:
		err = errors.New("name a user, a caller, an app or a request")
	}
	if err != nil {
		return done, fmt.Errorf("erase: %w", err)
	}
	return done, nil
}

func (l *Ledger) erasePerson(ctx context.Context, dim usage.Dimension, name string) (Erased, error) {
	var done Erased
	err := l.withoutSealing(ctx, func(w *writer) error {
		keys := l.vault.Of(subject(dim, name))
		if len(keys) == 0 {
			return fmt.Errorf("%w: the ledger knows no %s %q", ErrNotFound, dim, name)
		}
		count, err := l.countUnder(keys)
		if err != nil {
			return err
		}
		done = Erased{Entries: count, Keys: len(keys)}
		for rest := keys; len(rest) > 0; {
			part := rest[:min(len(rest), maxErasureKeys)]
			rest = rest[len(part):]
			if err := w.erase(erasure{What: "person", Keys: part, Count: count}); err != nil {
				return err
			}
		}
		l.names.forget(dim, name)
		done.Seq = w.state.size - 1
		return nil
	})
	return done, err
}

// erase notes what is to be destroyed, puts it on record, and does it. A kill in between is made good by the next Open.
func (w *writer) erase(what erasure) error {
	note, err := json.Marshal(what)
	if err != nil {
		return err
	}
	err = w.l.db.Update(func(tx *store.Tx) error { return tx.Bucket(root, bErasing).Put([]byte(kErasing), note) })
	if err != nil {
		return err
	}
	return w.finishErasure(what)
}

// finishErasure may be done twice: destroying what is gone does nothing, and a second record of it harms nobody.
func (w *writer) finishErasure(what erasure) error {
	if err := w.l.vault.Destroy(what.Keys...); err != nil {
		return err
	}
	note, err := json.Marshal(what)
	if err != nil {
		return err
	}
	if err := w.event(record.Erase, string(note), 0); err != nil {
		return err
	}
	return w.l.db.Update(func(tx *store.Tx) error { return tx.Bucket(root, bErasing).Delete([]byte(kErasing)) })
}

// withoutSealing runs a task in the writer's goroutine at a moment when nothing sealed waits anywhere.
func (l *Ledger) withoutSealing(ctx context.Context, task func(*writer) error) error {
	if err := l.Err(); err != nil {
		return err
	}
	l.sealing.Lock()
	defer l.sealing.Unlock()
	// Straight to the writer: whatever was sealed before is ahead of it, and the sealer itself may be waiting for the lock.
	p := &pending{done: make(chan error, 1), task: task}
	if err := l.toWriter(ctx, p); err != nil {
		return err
	}
	return <-p.done
}

func (l *Ledger) toWriter(ctx context.Context, p *pending) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrClosed
	}
	select {
	case l.queue <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.giveUp:
		return ErrClosed
	}
}

// countUnder counts the entries sealed under the keys, and those wrapped anew under them.
func (l *Ledger) countUnder(keys []record.KeyID) (count int, err error) {
	wanted := make(map[record.KeyID]bool, len(keys))
	for _, id := range keys {
		wanted[id] = true
	}
	err = l.eachKey(func(_ *store.Tx, _ uint64, _ *record.Record, id record.KeyID) error {
		if wanted[id] {
			count++
		}
		return nil
	})
	return count, err
}

// eachKey visits all entries with the person's key that each hangs on now.
func (l *Ledger) eachKey(fn func(tx *store.Tx, seq uint64, r *record.Record, id record.KeyID) error) error {
	from := uint64(0)
	for more := true; more; {
		more = false
		err := l.db.View(func(tx *store.Tx) error {
			rekeyed := tx.Bucket(root, bRekeyed)
			any, _ := rekeyed.Cursor().First()
			c := tx.Bucket(root, bEntries).Cursor()
			looked := 0
			for k, v := c.Seek(be64(from)); k != nil; k, v = c.Next() {
				if looked++; looked > 8*readChunk {
					more = true
					return nil
				}
				seq, leaf, err := split(k, v)
				if err != nil {
					return err
				}
				from = seq + 1
				r, err := record.Parse(leaf)
				if err != nil {
					return fmt.Errorf("entry %d: %w", seq, err)
				}
				id := r.KeyID
				if any != nil {
					if wrapped := rekeyed.Get(k); len(wrapped) >= 8 {
						id = record.KeyID(binary.BigEndian.Uint64(wrapped))
					}
				}
				if err := fn(tx, seq, r, id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eraseRequest erases single entries. Their key is derived from one that the person's other entries of that day hang on as well, so
// that one has to go: the keys of the others are wrapped under a fresh key first.
func (l *Ledger) eraseRequest(ctx context.Context, id string) (Erased, error) {
	var done Erased
	err := l.withoutSealing(ctx, func(w *writer) error {
		targets := map[uint64]bool{}
		old := map[record.KeyID]bool{}
		tag := l.tag(id)
		err := l.eachKey(func(_ *store.Tx, seq uint64, r *record.Record, key record.KeyID) error {
			if r.Row.RequestTag == tag && r.Row.Kind == record.Call {
				targets[seq], old[key] = true, true
			}
			return nil
		})
		if err != nil {
			return err
		}
		if len(targets) == 0 {
			return fmt.Errorf("%w: request %s", ErrNotFound, id)
		}
		for key := range old {
			if _, err := l.vault.Key(key); errors.Is(err, vault.ErrGone) {
				delete(old, key) // erased with its person before
			}
		}
		if len(old) == 0 {
			return fmt.Errorf("%w: request %s is erased already", ErrNotFound, id)
		}
		note := erasure{What: "request", Count: len(targets)}
		for seq := range targets {
			note.Entries = append(note.Entries, seq)
		}
		for key := range old {
			note.Keys = append(note.Keys, key)
		}
		if err := l.rekey(old, targets); err != nil {
			return err
		}
		if err := w.erase(note); err != nil {
			return err
		}
		done = Erased{Entries: len(targets), Keys: len(old), Seq: w.state.size - 1}
		return nil
	})
	return done, err
}

// rekey wraps the entry keys that hang on old keys under fresh ones, but for the targets'.
func (l *Ledger) rekey(old map[record.KeyID]bool, targets map[uint64]bool) error {
	type wrapped struct {
		seq   uint64
		value []byte
	}
	fresh := map[record.KeyID]record.KeyID{}
	var list []wrapped
	var drop []uint64
	err := l.eachKey(func(tx *store.Tx, seq uint64, r *record.Record, id record.KeyID) error {
		switch {
		case !old[id]:
			return nil
		case targets[seq]:
			drop = append(drop, seq)
			return nil
		}
		to, ok := fresh[id]
		if !ok {
			var err error
			if to, _, err = l.vault.Renew(id); err != nil {
				return err
			}
			fresh[id] = to
		}
		key, err := l.entryKey(tx, seq, r)
		if err != nil {
			return err
		}
		value, err := l.wrapEntryKey(seq, to, &key)
		list = append(list, wrapped{seq, value})
		return err
	})
	if err != nil {
		return err
	}
	// A person without other entries gets a fresh key at the next call.
	if err := l.vault.Flush(); err != nil {
		return err
	}
	return l.db.Update(func(tx *store.Tx) error {
		b := tx.Bucket(root, bRekeyed)
		for _, seq := range drop {
			if err := b.Delete(be64(seq)); err != nil {
				return err
			}
		}
		for _, x := range list {
			if err := b.Put(be64(x.seq), x.value); err != nil {
				return err
			}
		}
		return nil
	})
}

func (l *Ledger) wrapEntryKey(seq uint64, under record.KeyID, key *record.Key) ([]byte, error) {
	person, err := l.vault.Key(under)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(person[:])
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.Write(be64(uint64(under)))
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce) // never fails
	b.Write(nonce)
	return aead.Seal(b.Bytes(), nonce, key[:], be64(seq)), nil
}
