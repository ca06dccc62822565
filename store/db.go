package store

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// FileName is the database's name inside the data folder.
const FileName = "corral.db"

// lockWait bounds how long Open waits for another process to let go. A second instance has to be told in under a second.
const lockWait = 300 * time.Millisecond

// Options of Open. The zero value is what a daemon uses.
type Options struct {
	// Check looks at the file before it is opened, and returns a *DamageError when it should be set aside. See CheckInChild. Nil: the
	// file is opened as it is.
	Check func(path string, thorough bool) error
	// Faults are called around each commit; tests break the disk with them.
	Faults Faults
	// Wait bounds how long Open waits for the lock; 0 means 300 ms.
	Wait time.Duration
}

// Faults are hooks around a commit. An error from Before leaves the transaction undone; one from After reports a commit that did
// reach the file as failed, as a bad fsync of the last page does.
type Faults struct {
	Before func() error
	After  func() error
}

// DB is the open database. It is safe for many goroutines.
type DB struct {
	dir    string
	opts   Options
	damage *Damage

	// mu is held for reading by every transaction, and for writing only to exchange or close the file.
	mu   sync.RWMutex
	bolt *bbolt.DB // nil after Close

	// readOnly says that the file could not be opened for writing. Update tries again, since a disk that was mounted read-only after an
	// error is often mounted for writing again by hand. Guarded by writing.
	readOnly bool

	// writing serializes Update, and guards rec. bbolt has such a lock of its own, but it lies below the file that Compact exchanges.
	writing sync.Mutex
	rec     *recorder

	compacting sync.Mutex // one compaction at a time
}

// Open opens the database in dir, and creates both when they are missing. Errors: ErrInUse, ErrNewer, or what the file system says.
func Open(dir string, opts Options) (*DB, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	d := &DB{dir: dir, opts: opts}
	last := readRun(dir)
	if opts.Check != nil {
		if err := d.inspect(last != nil); err != nil {
			return nil, err
		}
	}
	bolt, err := d.openBolt(d.Path())
	if mayNotWrite(err) {
		if d.bolt, err = d.openToRead(); err != nil {
			return nil, err
		}
		d.readOnly = true
	} else if err != nil {
		return nil, err
	} else {
		d.bolt = bolt
	}
	if err := d.migrate(migrations()); err != nil {
		return nil, errors.Join(err, d.bolt.Close())
	}
	// A full disk must not keep the daemon from starting: the run file only helps.
	_ = writeRun(dir)
	return d, nil
}

func (d *DB) openBolt(path string) (*bbolt.DB, error) {
	wait := d.opts.Wait
	if wait == 0 {
		wait = lockWait
	}
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{
		Timeout:      wait,
		FreelistType: bbolt.FreelistMapType, // the array kind slows down as free pages grow in number
	})
	if errors.Is(err, berrors.ErrTimeout) {
		in := &InUseError{Dir: d.dir}
		if r := readRun(d.dir); r != nil {
			in.PID = r.PID
		}
		return nil, in
	}
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return bolt, nil
}

// openToRead opens a file that cannot be opened for writing.
func (d *DB) openToRead() (*bbolt.DB, error) {
	bolt, err := bbolt.Open(d.Path(), 0o600, &bbolt.Options{ReadOnly: true, Timeout: lockWait, FreelistType: bbolt.FreelistMapType})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", d.Path(), err)
	}
	return bolt, nil
}

func mayNotWrite(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// tryToWrite opens the file for writing if that has become possible. The caller holds writing.
func (d *DB) tryToWrite() error {
	probe, err := os.OpenFile(d.Path(), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	_ = probe.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bolt == nil {
		return ErrClosed
	}
	if err := d.bolt.Close(); err != nil { // its lock would stand in the way
		return err
	}
	bolt, err := d.openBolt(d.Path())
	if err == nil {
		d.bolt, d.readOnly = bolt, false
		_ = writeRun(d.dir)
		return nil
	}
	var again error
	if d.bolt, again = d.openToRead(); again != nil {
		return errors.Join(err, again)
	}
	return err
}

// Dir is the data folder.
func (d *DB) Dir() string { return d.dir }

// Path is the database file.
func (d *DB) Path() string { return filepath.Join(d.dir, FileName) }

// View runs fn in a transaction that sees one state of the data. It does not block writers, but a long one keeps their old pages
// from being used again: read much in several short ones.
func (d *DB) View(fn func(*Tx) error) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.bolt == nil {
		return ErrClosed
	}
	return d.bolt.View(func(tx *bbolt.Tx) error { return fn(&Tx{tx: tx}) })
}

// Update runs fn in a transaction that may change data, one at a time. It returns when the change is on disk, or with an error
// when it may not be.
func (d *DB) Update(fn func(*Tx) error) error {
	d.writing.Lock()
	defer d.writing.Unlock()
	if d.readOnly {
		if err := d.tryToWrite(); err != nil {
			return err
		}
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.bolt == nil {
		return ErrClosed
	}
	tx, err := d.bolt.Begin(true)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // no effect after a commit; fn may panic
	if err := fn(&Tx{tx: tx, rec: d.rec}); err != nil {
		return err
	}
	if d.opts.Faults.Before != nil {
		if err := d.opts.Faults.Before(); err != nil {
			return err
		}
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	if d.opts.Faults.After != nil {
		return d.opts.Faults.After()
	}
	return nil
}

// Close waits for transactions to end and lets go of the file. A second Close does nothing.
func (d *DB) Close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.bolt == nil {
		return nil
	}
	err := d.bolt.Close()
	d.bolt = nil
	if err != nil {
		return fmt.Errorf("close %s: %w", d.Path(), err)
	}
	if err := os.Remove(runPath(d.dir)); err != nil && !errors.Is(err, os.ErrNotExist) && !mayNotWrite(err) {
		return fmt.Errorf("remove run file: %w", err)
	}
	return nil
}

// Free estimates how many bytes of the file hold nothing, and returns the file's size.
func (d *DB) Free() (free, size int64, err error) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.bolt == nil {
		return 0, 0, ErrClosed
	}
	err = d.bolt.View(func(tx *bbolt.Tx) error {
		stats := d.bolt.Stats()
		// Info looks at the mapped file, which stays in place only while a transaction is open: a commit that makes the file grow would
		// take it away, and Info would panic.
		free, size = int64(stats.FreePageN+stats.PendingPageN)*int64(d.bolt.Info().PageSize), tx.Size()
		return nil
	})
	return free, size, err
}
