package replies

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/bbolt"
)

// FileName is the file's name inside the data folder.
const FileName = "replies.db"

const (
	openWait  = 2 * time.Second  // Open waits so long for the file; a large one that is still being checked comes later
	closeWait = 10 * time.Second // Close waits so long for what waits to be written
	clearWait = time.Minute      // Clear waits so long for the writer, which may be shrinking the file

	eachBatch = 256       // items that Each reads in one transaction
	eachBytes = 256 << 10 // and bytes
)

// ErrClosed is returned by what is called after Close.
var ErrClosed = errors.New("the file of cached answers is closed")

// Key names an answer. It should say all that the answer depends on, who may have it included.
type Key [32]byte

// Item is what is kept of one answer.
type Item struct {
	Key     Key
	Expires time.Time
	Head    []byte // what a list shows; opaque here, sealed in the file; up to a few KiB
	Body    []byte // the answer; opaque, compressed where that pays, and sealed
}

// Options of Open.
type Options struct {
	// Dir is the data folder.
	Dir string
	// Secret is the ledger's, or derived from it. The file's own key is wrapped under it. A file that another secret made is removed:
	// nobody can read it.
	Secret [32]byte
	// MaxBytes bounds the data in the file; what was written first goes first. The file itself may be larger by as much again and 4 MiB
	// before it is shrunk. 0: 256 MiB.
	MaxBytes int64
	// Check looks at the file before it is opened; see store.CheckInChild. Nil: it is opened as it is.
	Check func(path string, thorough bool) error
	// Log hears when the file is set aside, and when writing stops and goes on. Nil: nobody does.
	Log *slog.Logger
	// Now is the time. Nil: time.Now.
	Now func() time.Time

	// beforeCommit is for tests that break the disk.
	beforeCommit func() error
}

// Stats of the file.
type Stats struct {
	Entries   int64 // in the file, those included that expired and are not swept yet
	Bytes     int64 // of data, as MaxBytes counts them
	MaxBytes  int64
	FileBytes int64 // of the file

	// Since Open:
	Written    uint64 // items written
	Dropped    uint64 // items not written: too much waited, too large, or writing is off
	Expired    uint64 // items removed because their time was over
	Evicted    uint64 // items removed to make room
	Unreadable uint64 // items removed because their record was damaged

	Waiting      int   // items and deletions that are not written yet
	WaitingBytes int64 // of items

	Off       string    // why nothing is written at present; "" when all is well
	Damaged   time.Time // when a damaged file was last set aside; zero: never
	DamagedBy string    // what was wrong with it
	DamagedAs string    // where it is now
}

// Store is the open file. It is safe for many goroutines.
type Store struct {
	opts Options
	now  func() time.Time
	log  *slog.Logger
	path string

	queue queue
	max   atomic.Int64

	// mu is held for reading by whoever reads the file, and for writing only to exchange it.
	mu   sync.RWMutex
	file *file // nil while there is none

	commands chan command
	stop     chan struct{}
	stopOnce sync.Once
	ready    chan struct{} // closed when the first attempt to open the file is over
	done     chan struct{} // closed when the writer has ended
	hurry    context.Context
	hasten   context.CancelFunc // tells the writer that Close waits for it

	w writer // the writer goroutine's own

	written, expired, evicted, unreadable atomic.Uint64
	entries, bytes, fileBytes             atomic.Int64

	told sync.Mutex // guards what follows
	off  string
	hurt struct {
		at     time.Time
		by, as string
	}
}

// Open opens the file in the folder, or begins a new one. What is in the file cannot make it fail, nor can a disk that is full or may
// only be read: then nothing is found and nothing is kept until that ends, and Stats says why. It fails when there is no such folder
// and none can be made.
func Open(opts Options) (*Store, error) {
	if err := os.MkdirAll(opts.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make data folder: %w", err)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{
		opts: opts, now: opts.Now, log: opts.Log, path: filepath.Join(opts.Dir, FileName),
		commands: make(chan command), stop: make(chan struct{}), ready: make(chan struct{}), done: make(chan struct{}),
	}
	s.hurry, s.hasten = context.WithCancel(context.Background())
	s.queue.init()
	s.SetMaxBytes(opts.MaxBytes)
	go s.run()
	timer := time.NewTimer(openWait)
	defer timer.Stop()
	select {
	case <-s.ready:
	case <-timer.C:
	}
	return s, nil
}

// Path is the file.
func (s *Store) Path() string { return s.path }

// SetMaxBytes changes the bound; what is over it goes soon. 0 or less: 256 MiB.
func (s *Store) SetMaxBytes(n int64) {
	if n <= 0 {
		n = 256 << 20
	}
	s.max.Store(n)
	s.queue.signal()
}

// Put queues the item for writing, in place of one with the same key; Get finds it from now on. It never blocks. It reports false
// when the item is not kept: too much waits already, it is larger than the bound, writing is off, or the store is closed. Then
// what was there under the key stays. Head and Body must not be changed afterwards.
func (s *Store) Put(it Item) bool {
	return s.queue.put(it, s.max.Load())
}

// Delete makes sure that what has these keys is not found from now on, whatever was put before. The file follows a moment
// later; Sync waits for that.
func (s *Store) Delete(keys ...Key) { s.queue.delete(keys) }

// Get returns copies. An item that expired, or whose record cannot be read, is not there.
func (s *Store) Get(k Key) (head, body []byte, expires time.Time, ok bool) {
	if p, known := s.queue.find(&k); known {
		if p == nil || !s.now().Before(p.Expires) {
			return nil, nil, time.Time{}, false
		}
		return bytes.Clone(p.Head), bytes.Clone(p.Body), p.Expires, true
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	f := s.file
	if f == nil {
		return nil, nil, time.Time{}, false
	}
	// The record is copied out first: the transaction is over sooner, and no fault can happen while it is opened.
	space := spaces.Get().(*[]byte)
	rec, number := (*space)[:0], uint64(0)
	hash := f.keys.hashOf(&k)
	err := f.view(func(tx *bbolt.Tx) error {
		n := tx.Bucket(bucketKeys).Get(hash[:])
		if len(n) != 8 {
			return nil
		}
		number = binary.BigEndian.Uint64(n)
		rec = append(rec, tx.Bucket(bucketData).Get(n)...)
		return nil
	})
	if cap(rec) <= maxSpace {
		*space = rec
		defer spaces.Put(space)
	}
	if err != nil {
		s.met(f, err)
		return nil, nil, time.Time{}, false
	}
	if number == 0 {
		return nil, nil, time.Time{}, false
	}
	head, body, expires, err = f.keys.open(rec, number, &k)
	if err != nil {
		s.queue.forget(k, number)
		return nil, nil, time.Time{}, false
	}
	if !s.now().Before(expires) {
		return nil, nil, time.Time{}, false
	}
	return head, body, expires, true
}

// spaces are used again to read records into. A larger one than maxSpace is left to the collector.
var spaces = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

const maxSpace = 256 << 10

// met notes that reading failed. A damaged file is used no more, and the writer sets it aside.
func (s *Store) met(f *file, err error) {
	var damage *damageError
	if errors.As(err, &damage) && f.sick.CompareAndSwap(false, true) {
		f.why.Store(&damage.reason)
		s.queue.signal()
	}
}

// Each calls f for all items that can be read and have not expired, the newest last; size is what the item takes in the file, in
// bytes. head is f's to keep. What was put before the call is included, unless it cannot be written. An error of f, or ctx,
// ends it.
func (s *Store) Each(ctx context.Context, f func(k Key, head []byte, expires time.Time, size int) error) error {
	if err := s.flush(ctx); err != nil && (ctx.Err() != nil || errors.Is(err, ErrClosed)) {
		return err
	}
	type line struct {
		number uint64
		size   int
		rec    []byte // up to the end of the head
	}
	last := uint64(0)
	for from := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		var batch []line
		keys, err := s.read(func(tx *bbolt.Tx) error {
			data := tx.Bucket(bucketData)
			if last == 0 {
				last = data.Sequence() // what is written from now on is not awaited
			}
			room := eachBytes
			c := data.Cursor()
			for k, rec := c.Seek(be64(from)); len(k) == 8 && len(batch) < eachBatch && room > 0; k, rec = c.Next() {
				number := binary.BigEndian.Uint64(k)
				if number > last {
					break
				}
				from = number + 1
				h, ok := parseHeader(rec)
				if !ok {
					continue
				}
				l := line{number, len(rec) + entryCost, slices.Clone(rec[:headerSize+h.head])}
				batch = append(batch, l)
				room -= len(l.rec)
			}
			return nil
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		now := s.now()
		for _, l := range batch {
			key, head, expires, err := keys.openHead(l.rec, l.number)
			if err != nil || !now.Before(expires) {
				continue
			}
			if _, changed := s.queue.find(&key); changed {
				continue // deleted, or about to be replaced: it was not the newest
			}
			if err := f(key, head, expires, l.size); err != nil {
				return err
			}
		}
	}
}

// read runs fn in a short transaction of the file that is open, and returns that file's keys. Without a file it does nothing.
func (s *Store) read(fn func(*bbolt.Tx) error) (*keys, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	f := s.file
	if f == nil {
		return nil, nil
	}
	err := f.view(fn)
	s.met(f, err)
	return f.keys, err
}

// Stats are cheap to ask for.
func (s *Store) Stats() Stats {
	st := Stats{
		Entries: s.entries.Load(), Bytes: s.bytes.Load(), MaxBytes: s.max.Load(), FileBytes: s.fileBytes.Load(),
		Written: s.written.Load(), Expired: s.expired.Load(), Evicted: s.evicted.Load(), Unreadable: s.unreadable.Load(),
	}
	st.Waiting, st.WaitingBytes, st.Dropped = s.queue.waiting()
	s.told.Lock()
	defer s.told.Unlock()
	st.Off, st.Damaged, st.DamagedBy, st.DamagedAs = s.off, s.hurt.at, s.hurt.by, s.hurt.as
	select {
	case <-s.ready:
	default:
		st.Off = "the file is being checked"
	}
	return st
}

// Sync returns when all that was put and deleted before is on disk, and what is due has been swept. Errors: why it is not on disk.
func (s *Store) Sync(ctx context.Context) error {
	return s.do(ctx, func() error { return errors.Join(s.writeAll(), s.upkeep()) })
}

// flush is Sync without the sweeping.
func (s *Store) flush(ctx context.Context) error { return s.do(ctx, s.writeAll) }

// Clear removes everything, what was put before and waits included, and begins a new file with a new key. The old one's key is
// overwritten first, so that nobody can open what the disk still has of it. After an error nothing is found either, and it is
// tried again from time to time.
func (s *Store) Clear() error {
	ctx, cancel := context.WithTimeout(context.Background(), clearWait)
	defer cancel()
	return s.do(ctx, s.clear)
}

// Close writes what waits, for at most ten seconds, and lets go of the file. A second Close does nothing.
func (s *Store) Close() error {
	s.stopOnce.Do(func() {
		s.queue.close()
		s.hasten()
		close(s.stop)
	})
	timer := time.NewTimer(closeWait)
	defer timer.Stop()
	select {
	case <-s.done:
		return s.w.ended
	case <-timer.C:
		return fmt.Errorf("close %s: the disk has not taken what waits within %s", s.path, closeWait)
	}
}
