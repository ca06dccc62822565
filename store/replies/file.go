package replies

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

const (
	format = "corral replies 1"

	// lockWait bounds how long opening waits for another process to let go of the file.
	lockWait = 300 * time.Millisecond
	// growBy is how many bytes the file grows by at a time. bbolt's own 16 MiB are too many for a small cache.
	growBy = 1 << 20
)

var (
	bucketFile   = []byte("file")
	bucketData   = []byte("data")
	bucketKeys   = []byte("keys")
	bucketExpiry = []byte("expiry")

	fieldFormat = []byte("format")
	fieldID     = []byte("id")
	fieldKey    = []byte("key")
	fieldTotals = []byte("totals")
)

// errSick is returned while a damaged file waits to be set aside.
var errSick = errors.New("the file of cached answers is damaged")

// damageError is what was caught: a panic, a fault, or a file that is not what it should be.
type damageError struct{ reason string }

func (e *damageError) Error() string { return "the file of cached answers is damaged: " + e.reason }

// guard runs fn where panics, and faults of reading the mapped file, become a *damageError.
func guard(fn func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch r := recover().(type) {
		case nil:
		case interface{ Addr() uintptr }: // what the runtime makes of a fault; its own text speaks of a nil pointer
			err = &damageError{"a page that should be there cannot be read"}
		default:
			err = &damageError{fmt.Sprint(r)}
		}
	}()
	return fn()
}

// file is one open file.
type file struct {
	bolt    *bbolt.DB
	handle  *os.File // bbolt's own
	info    os.FileInfo
	keys    *keys
	wrapped []byte // the wrapped file key
	found   totals // when it was opened

	size atomic.Int64           // at least so many bytes must be there
	sick atomic.Bool            // damage was met; nobody reads from it any more
	why  atomic.Pointer[string] // which damage
	// stuck says that a panic may have left one of bbolt's locks held, so that closing it would never end.
	stuck atomic.Bool
}

// openFile opens the file at path, or makes it. Errors: errOther, *damageError, or what the system says.
func openFile(path string, secret [32]byte) (*file, error) {
	f := &file{}
	err := guard(func() (err error) {
		f.bolt, err = bbolt.Open(path, 0o600, &bbolt.Options{
			Timeout:      lockWait,
			FreelistType: bbolt.FreelistMapType,
			OpenFile: func(name string, flag int, mode os.FileMode) (*os.File, error) {
				h, err := os.OpenFile(name, flag, mode)
				f.handle = h
				return h, err
			},
		})
		return err
	})
	if err != nil {
		if f.handle != nil {
			_ = f.handle.Close() // bbolt did, unless it panicked
		}
		return nil, classify(err)
	}
	f.bolt.AllocSize = growBy
	if err := f.begin(secret); err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// classify tells what the system says from what is wrong with the file.
func classify(err error) error {
	var damage *damageError
	var errno syscall.Errno
	switch {
	case errors.As(err, &damage):
		return err
	case errors.Is(err, berrors.ErrTimeout):
		return errors.New("another process uses the file of cached answers")
	case errors.As(err, &errno) && errno != syscall.EISDIR:
		return err
	default:
		return &damageError{err.Error()}
	}
}

// begin reads what the file says of itself, or writes it to a new one.
func (f *file) begin(secret [32]byte) (err error) {
	if f.info, err = f.handle.Stat(); err != nil {
		return err
	}
	fresh := false
	err = f.view(func(tx *bbolt.Tx) error {
		b := tx.Bucket(bucketFile)
		if fresh = b == nil; fresh {
			return nil
		}
		if !bytes.Equal(b.Get(fieldFormat), []byte(format)) {
			return errOther
		}
		for _, name := range [][]byte{bucketData, bucketKeys, bucketExpiry} {
			if tx.Bucket(name) == nil {
				return &damageError{fmt.Sprintf("bucket %s is missing", name)}
			}
		}
		f.wrapped = bytes.Clone(b.Get(fieldKey))
		if f.keys, err = unwrapKeys(secret, b.Get(fieldID), f.wrapped); err != nil {
			return err
		}
		f.found = readTotals(tx)
		return nil
	})
	if err != nil || !fresh {
		return err
	}
	if f.keys, f.wrapped, err = newKeys(secret); err != nil {
		return err
	}
	return f.update(func(tx *bbolt.Tx) error { return f.label(tx) })
}

// label writes what a file says of itself, and makes its buckets.
func (f *file) label(tx *bbolt.Tx) error {
	for _, name := range [][]byte{bucketFile, bucketData, bucketKeys, bucketExpiry} {
		if _, err := tx.CreateBucketIfNotExists(name); err != nil {
			return err
		}
	}
	b := tx.Bucket(bucketFile)
	return errors.Join(b.Put(fieldFormat, []byte(format)), b.Put(fieldID, f.keys.id[:]), b.Put(fieldKey, f.wrapped),
		b.Put(fieldTotals, totals{}.encode()))
}

// whole says whether the file still has the bytes it had. Somebody may cut it short while it is open, and a fault inside
// bbolt's Begin would leave its locks held: the readers behind it would wait for ever. So this is asked first.
func (f *file) whole() error {
	info, err := f.handle.Stat()
	if err != nil {
		return err
	}
	if info.Size() < f.size.Load() {
		return &damageError{fmt.Sprintf("it was cut short: %d bytes of %d are there", info.Size(), f.size.Load())}
	}
	return nil
}

// view runs fn in a read transaction. fn should be short.
func (f *file) view(fn func(*bbolt.Tx) error) error { return f.in(false, fn) }

// update runs fn in a transaction that is committed when fn returns nil.
func (f *file) update(fn func(*bbolt.Tx) error) error { return f.in(true, fn) }

func (f *file) in(write bool, fn func(*bbolt.Tx) error) error {
	if f.sick.Load() {
		return errSick
	}
	if err := f.whole(); err != nil {
		return err
	}
	return guard(func() error {
		free := false // none of bbolt's locks is held
		defer func() {
			if !free {
				f.stuck.Store(true)
			}
		}()
		tx, err := f.bolt.Begin(write)
		if err != nil {
			free = true
			return err
		}
		defer func() {
			_ = tx.Rollback() // no effect after a commit; fn may panic
			free = true
		}()
		if err := fn(tx); err != nil {
			return err
		}
		size := tx.Size()
		if write {
			if err := tx.Commit(); err != nil {
				return err
			}
		}
		f.size.Store(size)
		return nil
	})
}

// close lets go of the file. Nobody may be using it. After a panic that may have left a lock held, only the handle is given back, and
// with it the lock on the file; the mapping stays until the process ends.
func (f *file) close() {
	if f.stuck.Load() || guard(f.bolt.Close) != nil {
		_ = f.handle.Close()
	}
}

// free is how many bytes of the file hold nothing, and how many it has.
func (f *file) free() (free, size int64, err error) {
	err = f.view(func(tx *bbolt.Tx) error {
		stats := f.bolt.Stats()
		free, size = int64(stats.FreePageN+stats.PendingPageN)*int64(f.bolt.Info().PageSize), tx.Size()
		return nil
	})
	return free, size, err
}

// scrub overwrites every place of a closed file at which its wrapped key stands, so that nobody can open what the disk still has of
// it after the file was removed. bbolt writes a page to a new place each time, so there are many. Where the key is not known, all
// of the file is overwritten.
func scrub(path string, wrapped []byte) error {
	h, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = h.Close() }()
	buf := make([]byte, 1<<20)
	keep := 0 // bytes at the start of buf that were read before: the key may lie across two reads
	for at := int64(0); ; {
		n, end := h.ReadAt(buf[keep:], at)
		have, from := buf[:keep+n], at-int64(keep)
		for _, place := range places(have, wrapped) {
			if _, err := h.WriteAt(make([]byte, place.size), from+int64(place.at)); err != nil {
				return err
			}
		}
		if errors.Is(end, io.EOF) {
			return h.Sync()
		}
		if end != nil {
			return end
		}
		at += int64(n)
		keep = 0
		if len(wrapped) > 0 {
			keep = copy(buf, have[max(0, len(have)-len(wrapped)+1):])
		}
	}
}

type place struct{ at, size int }

// places are where the key stands in b; without a key, all of b.
func places(b, key []byte) (found []place) {
	if len(key) == 0 {
		return []place{{0, len(b)}}
	}
	for i := 0; ; i += len(key) {
		j := bytes.Index(b[i:], key)
		if j < 0 {
			return found
		}
		i += j
		found = append(found, place{i, len(key)})
	}
}

// totals count what is in the data bucket.
type totals struct {
	entries, bytes int64
}

// encode adds a checksum: with a wrong count the bound would not hold, or all would be thrown out.
func (t totals) encode() []byte {
	b := binary.BigEndian.AppendUint64(be64(uint64(t.entries)), uint64(t.bytes))
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
}

func readTotals(tx *bbolt.Tx) totals {
	b := tx.Bucket(bucketFile).Get(fieldTotals)
	if len(b) == 20 && crc32.ChecksumIEEE(b[:16]) == binary.BigEndian.Uint32(b[16:]) {
		return totals{entries: int64(binary.BigEndian.Uint64(b)), bytes: int64(binary.BigEndian.Uint64(b[8:]))}
	}
	return count(tx)
}

// count reads all of the data bucket.
func count(tx *bbolt.Tx) (t totals) {
	c := tx.Bucket(bucketData).Cursor()
	for k, rec := c.First(); k != nil; k, rec = c.Next() {
		t.entries++
		t.bytes += int64(len(rec) + entryCost)
	}
	return t
}
