package store

import (
	"fmt"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Tx is one transaction. It is valid inside View or Update only, and so is every byte slice read from it.
type Tx struct {
	tx  *bbolt.Tx
	rec *recorder // not nil while a compaction wants to know what changes
}

// Bucket finds the bucket at the path; nil when it does not exist.
func (t *Tx) Bucket(path ...string) *Bucket {
	b := t.tx.Bucket([]byte(path[0]))
	for _, name := range path[1:] {
		if b == nil {
			return nil
		}
		b = b.Bucket([]byte(name))
	}
	if b == nil {
		return nil
	}
	return t.wrap(b, path)
}

// Ensure finds the bucket at the path and creates what is missing of it.
func (t *Tx) Ensure(path ...string) (*Bucket, error) {
	b, err := t.tx.CreateBucketIfNotExists([]byte(path[0]))
	for _, name := range path[1:] {
		if err != nil {
			break
		}
		b, err = b.CreateBucketIfNotExists([]byte(name))
	}
	if err != nil {
		return nil, fmt.Errorf("create bucket %q: %w", path, err)
	}
	bucket := t.wrap(b, path)
	if bucket.changed != nil {
		bucket.changed.touched = true
	}
	return bucket, nil
}

// Drop deletes the bucket at the path with all it holds. A bucket that is not there is no error.
func (t *Tx) Drop(path ...string) error {
	last := []byte(path[len(path)-1])
	var err error
	if len(path) == 1 {
		err = t.tx.DeleteBucket(last)
	} else if parent := t.Bucket(path[:len(path)-1]...); parent != nil {
		err = parent.Bucket.DeleteBucket(last)
	}
	if err == berrors.ErrBucketNotFound {
		return nil
	}
	if err == nil && t.rec != nil {
		t.rec.drop(path)
	}
	return err
}

// Size is the size of the database file as this transaction sees it, in bytes.
func (t *Tx) Size() int64 { return t.tx.Size() }

func (t *Tx) wrap(b *bbolt.Bucket, path []string) *Bucket {
	w := &Bucket{Bucket: b}
	if t.rec != nil && t.tx.Writable() {
		w.changed = t.rec.bucket(path)
	}
	return w
}

// Bucket is a bbolt bucket whose changes are noted while a compaction is on its way. Reading goes to bbolt directly. Nested
// buckets are reached through Tx.Bucket and Tx.Ensure only: what is changed past them would be lost by a compaction.
type Bucket struct {
	*bbolt.Bucket
	changed *changes
}

// Put stores the value. The key and the value must stay unchanged until the transaction ends.
func (b *Bucket) Put(key, value []byte) error {
	if b.changed != nil {
		b.changed.note(key)
	}
	return b.Bucket.Put(key, value)
}

// Delete removes the key; one that is not there is no error.
func (b *Bucket) Delete(key []byte) error {
	if b.changed != nil {
		b.changed.note(key)
	}
	return b.Bucket.Delete(key)
}
