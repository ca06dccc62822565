package replies

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"corral/store"
)

const (
	retryFirst = 15 * time.Second // writing is tried again after so long, then after twice as long, ...
	retryMost  = 10 * time.Minute

	// A file that is damaged again and again is on a bad disk: after so many in so long, the next is begun only after retryMost.
	hurtMost = 3
	hurtIn   = 10 * time.Minute

	shrinkOver = 4 << 20 // bytes that are free, and more than half of the file, before it is shrunk
	copyBytes  = 4 << 20 // bytes that are copied in one transaction while it is shrunk
)

// writer is what only the writer goroutine touches. Close reads ended after the goroutine is over.
type writer struct {
	off    error     // why nothing can be written
	retry  time.Time // when it is tried again
	wait   time.Duration
	hurts  []time.Time // when files were set aside lately
	more   bool        // more has expired than one commit removed
	shrink time.Time   // not before
	ended  error
}

func (s *Store) current() *file {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.file
}

// exchange puts f in force, nil for none, and returns what was, which nobody uses any more.
func (s *Store) exchange(f *file) *file {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.file
	s.file = f
	return old
}

// ailing says that damage was met.
func (s *Store) ailing() bool {
	f := s.current()
	return f != nil && f.sick.Load()
}

// turnOff stops writing for a while. It is logged once.
func (s *Store) turnOff(err error) {
	if s.w.off == nil {
		s.log.Warn("cached answers are not kept on disk for now", "file", s.path, "reason", err)
		s.w.wait = retryFirst
	} else {
		s.w.wait = min(2*s.w.wait, retryMost)
	}
	s.w.off, s.w.retry = err, s.now().Add(s.w.wait)
	s.queue.setOff(true)
	s.told.Lock()
	s.off = err.Error()
	s.told.Unlock()
}

func (s *Store) turnOn() {
	if s.w.off == nil {
		return
	}
	s.log.Info("cached answers are kept on disk again", "file", s.path)
	s.w.off = nil
	s.queue.setOff(false)
	s.told.Lock()
	s.off = ""
	s.told.Unlock()
}

// upkeep writes what waits, removes what expired, and shrinks the file when that is due.
func (s *Store) upkeep() error {
	for {
		if err := s.writeAll(); err != nil {
			return err
		}
		f := s.current()
		if f == nil {
			return nil
		}
		due, err := s.due(f)
		if err != nil || (!due && !s.w.more) {
			s.met(f, err)
			break
		}
		s.w.more = false
		if err := s.commit(f, nil); err != nil {
			return err
		}
		if s.hurry.Err() != nil {
			return nil
		}
	}
	f := s.current()
	if f == nil || f.sick.Load() || s.now().Before(s.w.shrink) {
		return nil
	}
	free, size, err := f.free()
	if err != nil || free <= shrinkOver || free <= size/2 {
		s.met(f, err)
		return nil
	}
	if err := s.compact(f); err != nil {
		s.w.shrink = s.now().Add(retryMost)
		if s.hurry.Err() == nil {
			s.log.Warn("the file of cached answers was not shrunk", "file", s.path, "reason", err)
		}
	}
	return nil
}

// due says whether something has expired.
func (s *Store) due(f *file) (due bool, err error) {
	now := uint64(s.now().UnixNano())
	err = f.view(func(tx *bbolt.Tx) error {
		k, _ := tx.Bucket(bucketExpiry).Cursor().First()
		due = k != nil && (len(k) != 16 || binary.BigEndian.Uint64(k) <= now)
		return nil
	})
	return due, err
}

// begin opens the file, or makes a new one where there is none that can be used. Without success, writing is off.
func (s *Store) begin() {
	f, err := s.open()
	if err != nil {
		s.turnOff(err)
		return
	}
	s.note(f, f.found)
	s.exchange(f)
	s.turnOn()
}

func (s *Store) open() (*file, error) {
	s.tidy()
	if info, err := os.Lstat(s.path); err == nil && info.Size() > 0 && s.opts.Check != nil {
		var damage *store.DamageError
		// After a power cut nobody knows which page is whole, and a bad disk says nothing: all pages are looked at, every time.
		if err := s.opts.Check(s.path, true); errors.As(err, &damage) {
			if err := s.setAside(damage.Reason); err != nil {
				return nil, err
			}
		}
	}
	for range 3 {
		f, err := openFile(s.path, s.opts.Secret)
		var damage *damageError
		switch {
		case err == nil:
			return f, nil
		case errors.Is(err, errOther):
			s.log.Info("cached answers that another secret sealed are removed", "file", s.path)
			if err := os.Remove(s.path); err != nil {
				return nil, err
			}
		case errors.As(err, &damage):
			if err := s.setAside(damage.reason); err != nil {
				return nil, err
			}
		default:
			return nil, err
		}
	}
	return nil, errors.New("a new file was damaged at once")
}

// tidy removes what a shrinking left that was killed, and finishes it where the old file had been moved away already.
func (s *Store) tidy() {
	_ = os.Remove(s.path + suffixFresh)
	if _, err := os.Lstat(s.path); errors.Is(err, fs.ErrNotExist) {
		_ = os.Rename(s.path+suffixOld, s.path)
	} else {
		_ = os.Remove(s.path + suffixOld)
	}
}

// setAside moves the damaged file out of the way, and removes the one that was set aside before: nobody would look at two. Nothing
// may have it open.
func (s *Store) setAside(reason string) error {
	for _, old := range s.aside() {
		_ = os.RemoveAll(old)
	}
	as := store.Aside(s.path, "damaged")
	if err := os.Rename(s.path, as); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("set the damaged file of cached answers aside: %w", err)
		}
		as = ""
	}
	s.log.Warn("the file of cached answers was damaged; it is set aside and a new one begun", "file", s.path, "reason", reason, "aside", as)
	s.told.Lock()
	s.hurt.at, s.hurt.by, s.hurt.as = s.now(), reason, as
	s.told.Unlock()
	return nil
}

func (s *Store) aside() []string {
	found, _ := filepath.Glob(s.path + ".damaged-*")
	return found
}

// replace sets the file in force aside and begins a new one.
func (s *Store) replace() {
	f := s.exchange(nil)
	f.close()
	s.note0()
	reason := "damage was met while it was read"
	if why := f.why.Load(); why != nil {
		reason = *why
	}
	now := s.now()
	s.w.hurts = append(s.w.hurts, now)
	for now.Sub(s.w.hurts[0]) > hurtIn {
		s.w.hurts = s.w.hurts[1:]
	}
	if err := s.setAside(reason); err != nil {
		s.turnOff(err)
		return
	}
	if len(s.w.hurts) > hurtMost {
		s.turnOff(fmt.Errorf("%d files of cached answers were damaged within %s: is the disk failing?", len(s.w.hurts), hurtIn))
		s.w.retry = now.Add(retryMost)
		return
	}
	s.begin()
}

// note0 publishes that there is no file.
func (s *Store) note0() {
	s.entries.Store(0)
	s.bytes.Store(0)
	s.fileBytes.Store(0)
}

// gone says that the file at path is no longer the one that is open: somebody deleted it.
func (f *file) gone(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !os.SameFile(info, f.info) || errors.Is(err, fs.ErrNotExist)
}

// lost begins a new file after somebody deleted the one that was open.
func (s *Store) lost() {
	s.log.Info("the file of cached answers was deleted; a new one is begun", "file", s.path)
	s.exchange(nil).close()
	s.note0()
	s.begin()
}

// clear removes the file, and what was set aside, and begins a new one.
func (s *Store) clear() error {
	s.queue.empty()
	var wrapped []byte
	if f := s.exchange(nil); f != nil {
		wrapped = f.wrapped
		f.close()
	}
	s.note0()
	var here, left []error
	for _, path := range append(s.aside(), s.path+suffixFresh, s.path+suffixOld, s.path) {
		key := wrapped
		if path != s.path {
			key = nil // it may be another one
		}
		err := scrub(path, key)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		left = append(left, err)
		here = append(here, os.RemoveAll(path))
	}
	if err := errors.Join(here...); err != nil {
		s.turnOff(fmt.Errorf("clear cached answers: %w", err))
		return s.w.off
	}
	s.queue.wiped()
	if s.begin(); s.w.off != nil {
		return s.w.off
	}
	if err := errors.Join(left...); err != nil {
		return fmt.Errorf("the cached answers are removed, but their key was not overwritten: %w", err)
	}
	return nil
}

const (
	suffixFresh = ".compact"
	suffixOld   = ".old"
)

// compact rewrites the file without its free pages. Reading goes on, but for the moment of the exchange; what is put meanwhile
// waits. On Windows an open file cannot be renamed, so for that moment both are closed.
func (s *Store) compact(f *file) error {
	fresh, old := s.path+suffixFresh, s.path+suffixOld
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var t totals
	err := guard(func() (err error) {
		t, err = f.copyTo(s.hurry, fresh)
		return err
	})
	if err != nil {
		_ = os.Remove(fresh)
		s.met(f, err)
		return err
	}
	if err := s.swap(f, t); err != nil {
		return err
	}
	if err := scrub(old, f.wrapped); err != nil {
		s.log.Warn("the key in the file of cached answers before it was shrunk was not overwritten", "file", old, "reason", err)
	}
	return os.Remove(old)
}

// swap moves f's file away and puts the fresh one in force.
func (s *Store) swap(f *file, t totals) error {
	fresh, old := s.path+suffixFresh, s.path+suffixOld
	s.mu.Lock()
	defer s.mu.Unlock()
	f.close()
	s.file = nil
	err := os.Rename(s.path, old)
	if err == nil {
		err = os.Rename(fresh, s.path)
	}
	if err != nil {
		_ = os.Remove(fresh)
		_ = os.Rename(old, s.path)
	}
	next, again := openFile(s.path, s.opts.Secret)
	if again != nil {
		s.turnOff(again) // the next attempt finds out what is the matter
		return errors.Join(err, again)
	}
	s.file = next
	if err == nil {
		s.note(next, t)
	}
	return err
}

// copyTo writes all that is in the file to a new one, which is complete on disk when it returns.
func (f *file) copyTo(ctx context.Context, path string) (t totals, err error) {
	bolt, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: lockWait, FreelistType: bbolt.FreelistMapType, NoSync: true})
	if err != nil {
		return t, err
	}
	defer func() {
		if closed := bolt.Close(); err == nil {
			err = closed
		}
	}()
	bolt.AllocSize = growBy
	to := &file{bolt: bolt, keys: f.keys, wrapped: f.wrapped}
	if err := bolt.Update(to.label); err != nil {
		return t, err
	}
	err = f.view(func(from *bbolt.Tx) error {
		for _, b := range []struct {
			name []byte
			fill float64 // random keys leave room, growing ones do not
		}{{bucketData, 1}, {bucketKeys, 0.7}, {bucketExpiry, 0.9}} {
			source := from.Bucket(b.name)
			cursor := source.Cursor()
			k, v := cursor.First()
			for first := true; first || k != nil; first = false {
				if err := ctx.Err(); err != nil {
					return err
				}
				err := bolt.Update(func(tx *bbolt.Tx) error {
					target := tx.Bucket(b.name)
					target.FillPercent = b.fill
					for room := copyBytes; k != nil && room > 0; k, v = cursor.Next() {
						if err := target.Put(k, v); err != nil {
							return err
						}
						room -= len(k) + len(v)
						if source.Sequence() > 0 {
							t.entries++
							t.bytes += int64(len(v) + entryCost)
						}
					}
					return target.SetSequence(source.Sequence())
				})
				if err != nil {
					return err
				}
			}
		}
		return bolt.Update(func(tx *bbolt.Tx) error { return tx.Bucket(bucketFile).Put(fieldTotals, t.encode()) })
	})
	if err != nil {
		return t, err
	}
	return t, bolt.Sync()
}
