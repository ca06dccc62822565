package store

import (
	"encoding/binary"
	"fmt"
)

// A migration brings a file from the version before it to its own. It runs in one transaction with the new version number, so a
// kill in the middle leaves the old version in force.
type migration struct {
	to   uint32
	name string
	up   func(*Tx) error
}

// migrations is the whole history in order. Steps are only ever appended: a released step never changes, since files in the
// field have already taken it. testdata/vN.db is a file as version N left it.
func migrations() []migration {
	return []migration{
		{to: 1, name: "first version", up: func(*Tx) error { return nil }}, // packages make their own buckets
	}
}

const (
	bucketStore = "store"
	keyVersion  = "version"
)

func known() uint32 {
	list := migrations()
	return list[len(list)-1].to
}

func version(tx *Tx) uint32 {
	b := tx.Bucket(bucketStore)
	if b == nil {
		return 0
	}
	if v := b.Get([]byte(keyVersion)); len(v) == 4 {
		return binary.BigEndian.Uint32(v)
	}
	return 0
}

// migrate applies the steps that the file has not seen. It refuses a file from a newer program before it changes anything.
func (d *DB) migrate(steps []migration) error {
	var found uint32
	if err := d.View(func(tx *Tx) error { found = version(tx); return nil }); err != nil {
		return err
	}
	if newest := steps[len(steps)-1].to; found > newest {
		return &NewerError{Path: d.Path(), Found: found, Known: newest}
	}
	for _, step := range steps {
		if step.to <= found {
			continue
		}
		err := d.Update(func(tx *Tx) error {
			if err := step.up(tx); err != nil {
				return err
			}
			b, err := tx.Ensure(bucketStore)
			if err != nil {
				return err
			}
			return b.Put([]byte(keyVersion), binary.BigEndian.AppendUint32(nil, step.to))
		})
		if err != nil {
			return fmt.Errorf("migrate to version %d (%s): %w", step.to, step.name, err)
		}
	}
	return nil
}
