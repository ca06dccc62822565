package replies

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"go.etcd.io/bbolt"
)

const (
	gatherFor   = 100 * time.Millisecond // what is put is gathered for so long
	commitBytes = 1 << 20                // or until so many bytes wait
	commitOps   = 1024                   // operations in one commit

	sweepEvery = 5 * time.Second // what expired goes, the size is looked at, and a file that is off is tried again
	sweepMost  = 2000            // items that expired and go in one commit
	evictMost  = 10_000          // items that make room in one commit
)

// command is work that a caller waits for.
type command struct {
	run  func() error
	done chan error // has room for the answer
}

// do has the writer run something, between two of its own steps.
func (s *Store) do(ctx context.Context, run func() error) error {
	c := command{run, make(chan error, 1)}
	select {
	case s.commands <- c:
	case <-s.stop:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// run is the writer goroutine, from Open to Close.
func (s *Store) run() {
	defer close(s.done)
	s.begin()
	close(s.ready)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	gather := time.NewTimer(0)
	<-gather.C
	gathering := false
	for {
		select {
		case <-s.queue.wake:
			if s.ailing() || s.queue.pressing() {
				_ = s.writeAll()
			} else if !gathering {
				gather.Reset(gatherFor)
				gathering = true
			}
		case <-gather.C:
			gathering = false
			_ = s.writeAll()
		case <-tick.C:
			_ = s.upkeep()
		case c := <-s.commands:
			c.done <- c.run()
		case <-s.stop:
			gather.Stop()
			if err := s.writeAll(); err != nil && s.queue.left() {
				s.w.ended = err
			}
			if f := s.exchange(nil); f != nil {
				f.close()
			}
			return
		}
	}
}

// writeAll commits until all that waits now is written and the bound holds. The error says why it is not.
func (s *Store) writeAll() error {
	until := s.queue.mark()
	for {
		if s.ailing() {
			s.replace()
		}
		if s.w.off != nil && s.now().Before(s.w.retry) {
			return s.w.off
		}
		if s.queue.mustWipe() {
			if err := s.clear(); err != nil {
				return err
			}
		}
		f := s.current()
		if f == nil {
			if s.begin(); s.w.off != nil {
				return s.w.off
			}
			continue
		}
		if f.gone(s.path) {
			s.lost()
			continue
		}
		var ops []*op
		if !s.queue.reached(until) {
			ops = s.queue.take()
		} else if s.bytes.Load() <= s.max.Load() && s.w.off == nil {
			if s.queue.left() {
				s.queue.signal()
			}
			return nil
		}
		if err := s.commit(f, ops); err != nil {
			return err
		}
	}
}

// commit does the operations, and sweeps, in one transaction.
func (s *Store) commit(f *file, ops []*op) error {
	var c change
	err := f.update(func(tx *bbolt.Tx) error {
		if s.opts.beforeCommit != nil {
			if err := s.opts.beforeCommit(); err != nil {
				return err
			}
		}
		c = change{keys: f.keys, data: tx.Bucket(bucketData), index: tx.Bucket(bucketKeys), expiry: tx.Bucket(bucketExpiry), totals: readTotals(tx)}
		c.data.FillPercent = 0.95 // numbers only grow, so a page that is full stays as it is
		now := s.now()
		for _, o := range ops {
			if err := c.do(o, now); err != nil {
				return err
			}
		}
		if err := c.expire(now); err != nil {
			return err
		}
		if err := c.evict(s.max.Load()); err != nil {
			return err
		}
		return tx.Bucket(bucketFile).Put(fieldTotals, c.totals.encode())
	})
	if err != nil {
		s.queue.giveBack(ops)
		var damage *damageError
		if errors.As(err, &damage) {
			s.met(f, err)
			return nil // the writer goes on with a new file
		}
		s.turnOff(err)
		return err
	}
	s.queue.settle(ops)
	s.turnOn()
	s.written.Add(c.written)
	s.expired.Add(c.expired)
	s.evicted.Add(c.evicted)
	s.unreadable.Add(c.unreadable)
	s.note(f, c.totals)
	s.w.more = c.expired >= sweepMost
	return nil
}

// note publishes the size of the file.
func (s *Store) note(f *file, t totals) {
	s.entries.Store(t.entries)
	s.bytes.Store(t.bytes)
	if info, err := f.handle.Stat(); err == nil {
		s.fileBytes.Store(info.Size())
	}
}

// change is one transaction of the writer.
type change struct {
	keys                *keys
	data, index, expiry *bbolt.Bucket
	totals              totals

	written, expired, evicted, unreadable uint64
}

func (c *change) do(o *op, now time.Time) error {
	hash := c.keys.hashOf(&o.item.Key)
	old := c.index.Get(hash[:])
	if o.kind == kindForget {
		if len(old) != 8 || binary.BigEndian.Uint64(old) != o.number {
			return nil
		}
		c.unreadable++
	}
	if old != nil {
		if err := c.remove(append([]byte(nil), old...)); err != nil {
			return err
		}
		if err := c.index.Delete(hash[:]); err != nil { // also when its record was gone, or was another's
			return err
		}
	}
	if o.kind != kindPut {
		return nil
	}
	if !now.Before(o.item.Expires) {
		c.expired++
		return nil
	}
	number, err := c.data.NextSequence()
	if err != nil {
		return err
	}
	rec := c.keys.seal(&o.item, number)
	name := be64(number)
	if err := errors.Join(c.data.Put(name, rec), c.index.Put(hash[:], name),
		c.expiry.Put(expiryKey(o.item.Expires.UnixNano(), number), []byte{0})); err != nil {
		return err
	}
	c.totals.entries++
	c.totals.bytes += int64(len(rec) + entryCost)
	c.written++
	return nil
}

// remove takes the record of this number out of all three buckets. What its header says is used only to find its other two
// places, and those are left alone when they are another record's.
func (c *change) remove(name []byte) error {
	rec := c.data.Get(name)
	if rec == nil {
		return nil
	}
	size := int64(len(rec) + entryCost)
	if h, ok := parseHeader(rec); ok {
		if string(c.index.Get(h.hash[:])) == string(name) {
			if err := c.index.Delete(h.hash[:]); err != nil {
				return err
			}
		}
		if err := c.expiry.Delete(expiryKey(h.expires, binary.BigEndian.Uint64(name))); err != nil {
			return err
		}
	}
	if err := c.data.Delete(name); err != nil {
		return err
	}
	// A damaged count must not stay: it would be wrong for ever.
	c.totals.entries = max(0, c.totals.entries-1)
	c.totals.bytes = max(0, c.totals.bytes-size)
	return nil
}

// expire removes what expired first, as much of it as one commit should.
func (c *change) expire(now time.Time) error {
	var due [][]byte
	cursor := c.expiry.Cursor()
	for k, _ := cursor.First(); k != nil && len(due) < sweepMost; k, _ = cursor.Next() {
		if len(k) == 16 && int64(binary.BigEndian.Uint64(k)) > now.UnixNano() {
			break
		}
		due = append(due, append([]byte(nil), k...))
	}
	for _, k := range due {
		if len(k) == 16 {
			if err := c.remove(k[8:]); err != nil {
				return err
			}
			c.expired++
		}
		if err := c.expiry.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// evict removes what was written first until the bound holds, as much of it as one commit should.
func (c *change) evict(limit int64) error {
	if c.totals.bytes <= limit {
		return nil
	}
	over := c.totals.bytes - limit
	var first [][]byte
	cursor := c.data.Cursor()
	for k, rec := cursor.First(); k != nil && over > 0 && len(first) < evictMost; k, rec = cursor.Next() {
		first = append(first, append([]byte(nil), k...))
		over -= int64(len(rec) + entryCost)
	}
	for _, name := range first {
		if err := c.remove(name); err != nil {
			return err
		}
		c.evicted++
	}
	if len(first) == 0 {
		c.totals = totals{} // nothing is there, so the count was wrong
	}
	return nil
}
