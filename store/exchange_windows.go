package store

import (
	"errors"
	"os"

	"go.etcd.io/bbolt"
)

// exchange puts the fresh file in the old one's place. Windows does not rename over an open file, so both are closed for a moment.
// It reports whether fresh was used up. The caller holds mu and writing.
func (d *DB) exchange(fresh *bbolt.DB, path string) (bool, error) {
	if err := errors.Join(fresh.Close(), d.bolt.Close()); err != nil {
		return true, err
	}
	moved := os.Rename(path, d.Path())
	bolt, err := d.openBolt(d.Path())
	if err != nil {
		d.bolt = nil
		return true, errors.Join(moved, err)
	}
	d.bolt = bolt
	return true, moved
}

// syncDir has no counterpart here: NTFS journals its names.
func syncDir(string) error { return nil }
