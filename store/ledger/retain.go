package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"time"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// Retention says how much is kept. Content has its limits and goes first; entries have theirs. Usage sums stay. Zero: no limit.
type Retention struct {
	ContentAge   time.Duration
	ContentBytes uint64 // of sealed content
	EntryAge     time.Duration
	EntryBytes   uint64 // of records
}

// Retained is what Retain did.
type Retained struct {
	ContentBelow uint64      `json:"content_below"` // content of entries below is gone
	EntriesBelow uint64      `json:"entries_below"` // entries below are gone
	Changed      bool        `json:"changed"`       // something went this time
	Keys         int         `json:"keys"`          // that were destroyed with them
	Compacted    store.Sizes `json:"compacted"`     // zero when there was too little to gain
}

// deleteChunk keys are deleted in one transaction, so that calls get their turn in between.
const deleteChunk = 1000

// Compacting pays when that much of the file would go.
const (
	compactShare = 4 // a quarter
	compactBytes = 1 << 20
)

// Retain removes what is beyond the limits, oldest first, puts that on record, and makes the file smaller when it pays. Age is judged
// from the oldest entry on: one that is within its limit protects those after it. The daemon calls it now and then.
func (l *Ledger) Retain(ctx context.Context, r Retention) (Retained, error) {
	l.upkeep.Lock()
	defer l.upkeep.Unlock()
	done, err := l.retain(ctx, r)
	if err != nil {
		return done, fmt.Errorf("retention: %w", err)
	}
	return done, nil
}

func (l *Ledger) retain(ctx context.Context, r Retention) (Retained, error) {
	var done Retained
	now := l.opts.Now()
	var on state
	err := l.db.View(func(tx *store.Tx) (err error) { on, err = readState(tx); return err })
	if err != nil {
		return done, err
	}
	entriesBelow, err := l.limit(ctx, on.pruned, on.size, on.entryBytes, r.EntryBytes, now, r.EntryAge, bEntries)
	if err != nil {
		return done, err
	}
	contentBelow, err := l.limit(ctx, on.contentBelow, on.size, on.contentBytes, r.ContentBytes, now, r.ContentAge, bContent)
	if err != nil {
		return done, err
	}
	contentBelow = max(contentBelow, entriesBelow)
	done.ContentBelow, done.EntriesBelow = on.contentBelow, on.pruned
	if contentBelow > on.contentBelow {
		if err := l.removeContent(ctx, contentBelow); err != nil {
			return done, err
		}
		done.ContentBelow, done.Changed = contentBelow, true
	}
	if entriesBelow > on.pruned {
		if done.Keys, err = l.prune(ctx, entriesBelow, r, now); err != nil {
			return done, err
		}
		done.EntriesBelow, done.Changed = entriesBelow, true
	}
	if err := l.sweep(ctx); err != nil {
		return done, err
	}
	done.Compacted, err = l.compactIfWorth(ctx)
	return done, err
}

func cutoff(now time.Time, age time.Duration) time.Time {
	if age <= 0 {
		return time.Time{}
	}
	return now.Add(-age)
}

// limit finds the number below which entries, or their contents, are beyond the limits. An entry from the future, when the clock was
// wrong, protects none after it.
func (l *Ledger) limit(ctx context.Context, from, size, have, most uint64, now time.Time, age time.Duration, bucket string) (uint64, error) {
	before := cutoff(now, age)
	over := uint64(0)
	if most > 0 && have > most {
		over = have - most
	}
	below, at := from, from
	for more := over > 0 || !before.IsZero(); more; {
		if err := ctx.Err(); err != nil {
			return from, err
		}
		more = false
		err := l.db.View(func(tx *store.Tx) error {
			b := tx.Bucket(root, bucket)
			c := tx.Bucket(root, bEntries).Cursor()
			looked := 0
			for k, v := c.Seek(be64(at)); k != nil; k, v = c.Next() {
				if looked++; looked > 8*readChunk {
					more = true
					return nil
				}
				seq, leaf, err := split(k, v)
				if err != nil {
					return err
				}
				at = seq + 1
				row, _, err := record.ParseRow(leaf)
				if err != nil {
					return err
				}
				// The newest entry stays: it is what says where the tree ends.
				if seq+1 >= size || over == 0 && before.IsZero() {
					return nil
				}
				if over == 0 && row.Time.After(now) {
					continue
				}
				if over == 0 && !row.Time.Before(before) {
					return nil
				}
				over -= min(over, uint64(len(b.Get(k))))
				below = seq + 1
			}
			return nil
		})
		if err != nil {
			return from, err
		}
	}
	return below, nil
}

// removeContent puts the removal on record and then does it; what a kill leaves behind is swept by the next Retain.
func (l *Ledger) removeContent(ctx context.Context, below uint64) error {
	return l.inWriter(ctx, func(w *writer) error {
		if err := w.event(record.Retention, fmt.Sprintf("content of entries below %d was removed", below), below); err != nil {
			return err
		}
		return w.change(func(_ *store.Tx, s *state) error { s.contentBelow = below; return nil })
	})
}

// change commits a change of the state.
func (w *writer) change(fn func(*store.Tx, *state) error) error {
	if err := w.settle(nil); err != nil {
		return err
	}
	next := w.state
	err := w.l.db.Update(func(tx *store.Tx) error {
		if err := fn(tx, &next); err != nil {
			return err
		}
		return next.write(tx)
	})
	if err != nil {
		w.doubt = true
		return err
	}
	w.state = next
	return nil
}

// prune lets entries go, but for the few hashes that keep the rest of the tree provable, and then destroys the keys of the days that
// are over for good.
func (l *Ledger) prune(ctx context.Context, below uint64, r Retention, now time.Time) (keys int, err error) {
	hour, err := l.newestHour(ctx, below)
	if err != nil {
		return 0, err
	}
	err = l.inWriter(ctx, func(w *writer) error {
		hour = max(hour, w.state.prunedHour)
		note, err := json.Marshal(pruning{Below: below, Hour: hour})
		if err != nil {
			return err
		}
		if err := w.event(record.Prune, string(note), below); err != nil {
			return err
		}
		w.headDue = true // the record of it should be signed soon
		return w.change(func(tx *store.Tx, s *state) error {
			_, indexes := subtrees(below)
			hashes, err := readHashes(tx)(indexes)
			if err != nil {
				return err
			}
			b := tx.Bucket(root, bFrontier)
			for i, index := range indexes {
				if err := b.Put(be64(uint64(index)), hashes[i][:]); err != nil {
					return err
				}
			}
			s.pruned, s.contentBelow, s.prunedHour = below, max(s.contentBelow, below), hour
			return nil
		})
	})
	if err != nil || r.EntryAge <= 0 {
		return 0, err
	}
	old := l.vault.Before(min(usage.DayNumber(cutoff(now, r.EntryAge)), l.oldestDay()))
	if len(old) == 0 {
		return 0, nil
	}
	return len(old), l.vault.Destroy(old...)
}

// pruning is the note of a Prune entry, as JSON.
type pruning struct {
	Below uint64 `json:"below"`
	Hour  uint32 `json:"hour"` // usage sums up to this hour (from 1970) hold entries that are gone
}

func parsePruning(note string) (p pruning) {
	_ = json.Unmarshal([]byte(note), &p)
	return p
}

// newestHour is the newest hour of entries below the number.
func (l *Ledger) newestHour(ctx context.Context, below uint64) (hour uint32, err error) {
	from := uint64(0)
	for more := true; more; {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		more = false
		err := l.db.View(func(tx *store.Tx) error {
			c := tx.Bucket(root, bEntries).Cursor()
			looked := 0
			for k, v := c.Seek(be64(from)); k != nil; k, v = c.Next() {
				seq, leaf, err := split(k, v)
				if err != nil || seq >= below {
					return err
				}
				if looked++; looked > 8*readChunk {
					more = true
					return nil
				}
				from = seq + 1
				row, _, err := record.ParseRow(leaf)
				if err != nil {
					return err
				}
				hour = max(hour, usage.HourOf(row.Time))
			}
			return nil
		})
		if err != nil {
			return 0, err
		}
	}
	return hour, nil
}

// oldestDay is the first day whose keys entries that are kept may hang on. Days of keys only go up along the ledger, but for entries
// that were sealed at the same moment around midnight: hence one day less than the first entry's.
func (l *Ledger) oldestDay() (day uint32) {
	_ = l.db.View(func(tx *store.Tx) error {
		on, err := readState(tx)
		if err != nil {
			return err
		}
		c := tx.Bucket(root, bEntries).Cursor()
		for k, v := c.Seek(be64(on.pruned)); k != nil; k, v = c.Next() {
			_, leaf, err := split(k, v)
			if err != nil {
				return err
			}
			r, err := record.Parse(leaf)
			if err != nil {
				return err
			}
			if d, ok := l.vault.Day(r.KeyID); ok { // neither the ledger's own nor destroyed
				day = d - min(d, 1)
				return nil
			}
		}
		return nil
	})
	return day // 0, which spares all keys, when it cannot be told
}

// sweep deletes what the state says is gone, in small transactions.
func (l *Ledger) sweep(ctx context.Context) error {
	for more := true; more; {
		err := l.inWriter(ctx, func(w *writer) error {
			return w.change(func(tx *store.Tx, s *state) error {
				content, err := deleteBelow(tx.Bucket(root, bContent), s.contentBelow)
				if err != nil {
					return err
				}
				entries, err := deleteBelow(tx.Bucket(root, bEntries), s.pruned)
				if err != nil {
					return err
				}
				hashes, err := deleteBelow(tx.Bucket(root, bHashes), uint64(storedCount(s.pruned)/perChunk))
				if err != nil {
					return err
				}
				rekeyed, err := deleteBelow(tx.Bucket(root, bRekeyed), s.pruned)
				if err != nil {
					return err
				}
				heads, err := deleteBelow(tx.Bucket(root, bHeads), s.pruned)
				if err != nil {
					return err
				}
				s.contentBytes -= min(s.contentBytes, content.bytes)
				s.entryBytes -= min(s.entryBytes, entries.bytes)
				more = content.more || entries.more || hashes.more || rekeyed.more || heads.more
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	return nil
}

type deleted struct {
	bytes uint64
	more  bool
}

func deleteBelow(b *store.Bucket, below uint64) (d deleted, err error) {
	c := b.Cursor()
	var keys [][]byte
	for k, v := c.First(); len(k) == 8 && binary.BigEndian.Uint64(k) < below; k, v = c.Next() {
		if len(keys) == deleteChunk {
			d.more = true
			break
		}
		d.bytes += uint64(len(v))
		keys = append(keys, bytes.Clone(k)) // deleting moves what the cursor points to
	}
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return d, err
		}
	}
	return d, nil
}

func (l *Ledger) compactIfWorth(ctx context.Context) (store.Sizes, error) {
	free, size, err := l.db.Free()
	if err != nil {
		return store.Sizes{}, err
	}
	if free < compactBytes || free < size/compactShare {
		return store.Sizes{}, nil
	}
	return l.db.Compact(ctx)
}

// RotateKey exchanges the top key while calls go on, and puts it on record. Killed half way, the next Open ends it. Errors:
// vault.ErrReadOnly for a systemd credential.
func (l *Ledger) RotateKey(ctx context.Context) error {
	l.upkeep.Lock()
	defer l.upkeep.Unlock()
	if err := l.vault.Rotate(); err != nil {
		return err
	}
	return l.inWriter(ctx, func(w *writer) error {
		return w.event(record.RotateKey, fmt.Sprintf("the top key was exchanged; it is in: %s", l.vault.Where()), 0)
	})
}
