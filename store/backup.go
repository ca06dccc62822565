package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"

	"go.etcd.io/bbolt"
)

// Backup writes one consistent state of the database to w, while reading and writing go on. begin, when not nil, is told the size
// in bytes before the first byte is written.
func (d *DB) Backup(w io.Writer, begin func(size int64) error) error {
	from, _, err := d.snapshot(false)
	if err != nil {
		return err
	}
	defer from.done()
	if begin != nil {
		if err := begin(from.tx.Size()); err != nil {
			return err
		}
	}
	if _, err := from.tx.WriteTo(w); err != nil {
		return fmt.Errorf("back up %s: %w", d.Path(), err)
	}
	return nil
}

// RestoreFile puts what r holds in place as the database of dir, which no process may have open. The file that was there is kept
// beside it, and its new name returned; empty when there was none. check is the one of Options: a backup may have been cut short.
func RestoreFile(dir string, r io.Reader, check func(path string, thorough bool) error) (kept string, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data folder: %w", err)
	}
	path := filepath.Join(dir, FileName)
	fresh := path + ".restore"
	f, err := os.OpenFile(fresh, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(fresh) }()
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", fmt.Errorf("write restored file: %w", err)
	}
	if err := check(fresh, true); err != nil {
		return "", fmt.Errorf("the backup is not usable: %w", err)
	}
	if _, err := os.Stat(path); err == nil {
		// Taking the lock shows that nobody has it, and holds off who comes meanwhile.
		held, err := lock(dir)
		if err != nil {
			return "", err
		}
		if held != nil {
			defer func() { _ = held.Close() }()
		}
		kept = Aside(path, "before-restore")
		if err := os.Rename(path, kept); err != nil {
			return "", err
		}
	}
	if err := os.Rename(fresh, path); err != nil {
		return kept, err
	}
	return kept, syncDir(dir)
}

// lock opens the file of dir to hold its lock. It returns nil when the file is too damaged to be opened: then nobody has it either.
func lock(dir string) (bolt *bbolt.DB, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() != nil {
			bolt, err = nil, nil
		}
	}()
	d := &DB{dir: dir}
	bolt, err = d.openBolt(d.Path())
	if err != nil && !errors.Is(err, ErrInUse) && !errors.Is(err, os.ErrPermission) {
		return nil, nil
	}
	return bolt, err
}

// WriteFile puts data at path, whole or not at all, so that only its owner can read it and a power cut does not take it away again.
func WriteFile(path string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }()
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
