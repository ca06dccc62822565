//go:build !windows

package store

import (
	"os"
	"path/filepath"

	"go.etcd.io/bbolt"
)

// exchange puts the fresh file in the old one's place. The fresh one is open and locked already, so at no moment could another
// process take the folder. It reports whether fresh is in force now. The caller holds mu and writing.
func (d *DB) exchange(fresh *bbolt.DB, path string) (bool, error) {
	if err := os.Rename(path, d.Path()); err != nil {
		return false, err
	}
	old := d.bolt
	d.bolt = fresh
	if err := old.Close(); err != nil {
		return true, err
	}
	return true, syncDir(filepath.Dir(path))
}

// syncDir makes a rename or a new name last over a power cut.
func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	return f.Sync()
}
