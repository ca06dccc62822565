package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	copyChunk   = 4 << 20 // bytes written to the copy in one transaction
	catchUpKeys = 2000    // changed keys that may be copied while writers wait
	catchUpMax  = 8       // rounds before writers have to wait anyway
)

// Sizes of the database file around a compaction, in bytes.
type Sizes struct {
	Before int64 `json:"before"`
	After  int64 `json:"after"`
}

// Compact rewrites the file without its free pages and puts the new one in place, while reading and writing go on: it copies one
// state of the data, catches up with what changed meanwhile, and makes writers wait only for the last few keys. It needs room on
// the disk for the copy. When it fails or ctx ends, the old file stays in force. Nothing of a deleted value is left in the new file.
func (d *DB) Compact(ctx context.Context) (Sizes, error) {
	d.compacting.Lock()
	defer d.compacting.Unlock()
	sizes, err := d.compact(ctx)
	if err != nil {
		return sizes, fmt.Errorf("compact %s: %w", d.Path(), err)
	}
	return sizes, nil
}

func (d *DB) compact(ctx context.Context) (Sizes, error) {
	var sizes Sizes
	path := d.Path() + ".compact"
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return sizes, err
	}
	fresh, err := d.openBolt(path)
	if err != nil {
		return sizes, err
	}
	placed := false
	defer func() {
		d.writing.Lock()
		d.rec = nil
		d.writing.Unlock()
		if !placed {
			_ = fresh.Close()
			_ = os.Remove(path)
		}
	}()
	fresh.NoSync = true // one Sync before it is put in place is enough

	from, _, err := d.snapshot(true)
	if err != nil {
		return sizes, err
	}
	sizes.Before = from.tx.Size()
	err = copyAll(ctx, fresh, from.tx)
	from.done()
	if err != nil {
		return sizes, err
	}
	for range catchUpMax {
		from, rec, err := d.snapshot(true)
		if err != nil {
			return sizes, err
		}
		small := rec.size() <= catchUpKeys
		err = rec.replay(fresh, from.tx)
		from.done()
		if err != nil {
			return sizes, err
		}
		if err := ctx.Err(); err != nil {
			return sizes, err
		}
		if small {
			break
		}
	}
	if err := fresh.Sync(); err != nil {
		return sizes, err
	}

	d.writing.Lock()
	defer d.writing.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bolt == nil {
		return sizes, ErrClosed
	}
	err = d.bolt.View(func(tx *bbolt.Tx) error { return d.rec.replay(fresh, tx) })
	if err != nil {
		return sizes, err
	}
	d.rec = nil
	fresh.NoSync = false
	if err := fresh.Sync(); err != nil {
		return sizes, err
	}
	if info, err := os.Stat(path); err == nil {
		sizes.After = info.Size()
	}
	placed, err = d.exchange(fresh, path)
	return sizes, err
}

// held is a read transaction together with the lock that keeps its file open.
type held struct {
	db *DB
	tx *bbolt.Tx
}

func (h held) done() {
	_ = h.tx.Rollback()
	h.db.mu.RUnlock()
}

// snapshot begins a read transaction, starts a new recorder at exactly its state, and returns the recorder that ran until then.
func (d *DB) snapshot(record bool) (held, *recorder, error) {
	d.writing.Lock()
	defer d.writing.Unlock()
	d.mu.RLock()
	if d.bolt == nil {
		d.mu.RUnlock()
		return held{}, nil, ErrClosed
	}
	tx, err := d.bolt.Begin(false)
	if err != nil {
		d.mu.RUnlock()
		return held{}, nil, err
	}
	rec := d.rec
	if record {
		d.rec = newRecorder()
	}
	return held{db: d, tx: tx}, rec, nil
}

// copier fills a fresh database in transactions of a bounded size.
type copier struct {
	ctx  context.Context
	db   *bbolt.DB
	tx   *bbolt.Tx
	size int
}

func copyAll(ctx context.Context, to *bbolt.DB, from *bbolt.Tx) error {
	tx, err := to.Begin(true)
	if err != nil {
		return err
	}
	c := &copier{ctx: ctx, db: to, tx: tx}
	defer func() { _ = c.tx.Rollback() }()
	err = from.ForEach(func(name []byte, b *bbolt.Bucket) error {
		return c.bucket([][]byte{name}, b)
	})
	if err != nil {
		return err
	}
	return c.tx.Commit()
}

func (c *copier) bucket(path [][]byte, from *bbolt.Bucket) error {
	to, err := ensure(c.tx, path)
	if err != nil {
		return err
	}
	if err := to.SetSequence(from.Sequence()); err != nil {
		return err
	}
	to.FillPercent = 1
	return from.ForEach(func(k, v []byte) error {
		if v == nil {
			inner := append(append([][]byte(nil), path...), k)
			if err := c.bucket(inner, from.Bucket(k)); err != nil {
				return err
			}
			to, err = ensure(c.tx, path) // the transaction may be another one by now
			if err != nil {
				return err
			}
			to.FillPercent = 1
			return nil
		}
		if err := to.Put(k, v); err != nil {
			return err
		}
		if c.size += len(k) + len(v); c.size < copyChunk {
			return nil
		}
		if err := c.next(); err != nil {
			return err
		}
		to, err = ensure(c.tx, path)
		if err != nil {
			return err
		}
		to.FillPercent = 1
		return nil
	})
}

func (c *copier) next() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	if err := c.tx.Commit(); err != nil {
		return err
	}
	tx, err := c.db.Begin(true)
	if err != nil {
		return err
	}
	c.tx, c.size = tx, 0
	return nil
}

func ensure(tx *bbolt.Tx, path [][]byte) (*bbolt.Bucket, error) {
	b, err := tx.CreateBucketIfNotExists(path[0])
	for _, name := range path[1:] {
		if err != nil {
			return nil, err
		}
		b, err = b.CreateBucketIfNotExists(name)
	}
	return b, err
}

func (r *recorder) size() int {
	n := len(r.dropped)
	for _, c := range r.buckets {
		n += len(c.keys)
	}
	return n
}

// replay brings the copy to the state of from, which must be no older than what was noted.
func (r *recorder) replay(to *bbolt.DB, from *bbolt.Tx) error {
	return to.Update(func(tx *bbolt.Tx) error {
		for _, path := range r.dropped {
			if err := drop(tx, path); err != nil {
				return err
			}
		}
		for _, c := range r.buckets {
			if err := c.replay(tx, from); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *changes) replay(to, from *bbolt.Tx) error {
	path := make([][]byte, len(c.path))
	for i, name := range c.path {
		path[i] = []byte(name)
	}
	source := find(from, path)
	if source == nil {
		return nil // dropped since, and noted as such
	}
	target, err := ensure(to, path)
	if err != nil {
		return err
	}
	if err := target.SetSequence(source.Sequence()); err != nil {
		return err
	}
	for key := range c.keys {
		k := []byte(key)
		v := source.Get(k)
		if v == nil {
			err = target.Delete(k)
		} else {
			err = target.Put(k, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func find(tx *bbolt.Tx, path [][]byte) *bbolt.Bucket {
	b := tx.Bucket(path[0])
	for _, name := range path[1:] {
		if b == nil {
			return nil
		}
		b = b.Bucket(name)
	}
	return b
}

func drop(tx *bbolt.Tx, path []string) error {
	var err error
	if len(path) == 1 {
		err = tx.DeleteBucket([]byte(path[0]))
	} else {
		parent := make([][]byte, len(path)-1)
		for i := range parent {
			parent[i] = []byte(path[i])
		}
		b := find(tx, parent)
		if b == nil {
			return nil
		}
		err = b.DeleteBucket([]byte(path[len(path)-1]))
	}
	if errors.Is(err, berrors.ErrBucketNotFound) {
		return nil
	}
	return err
}
