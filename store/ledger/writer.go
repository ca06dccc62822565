package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/usage"
)

const (
	maxBatch      = 1024
	maxBatchBytes = 8 << 20
	retryFirst    = 100 * time.Millisecond
	retryLongest  = 5 * time.Second
	fill          = 0.95 // of a page, in buckets that only grow at their end
)

// writer is the one goroutine that writes. Its fields are as on disk; a commit works on copies and puts them in force when it is done.
type writer struct {
	l       *Ledger
	state   state
	edge    edge
	tail    hashTail
	adder   *usage.Adder
	placer  *placer
	headDue bool   // sign at the next commit
	follows string // for the first head of a ledger that follows another
	kept    uint64 // for the next head, after a restore: see treehead.Head
	givenUp uint64
	hashes  []tlog.Hash
	values  []byte

	// A commit may fail after all of it has reached the file, as when the last fsync fails. Then it must not be done twice.
	doubt   bool     // the last commit failed: ask the file what became of it
	attempt *pending // its first entry
	landed  bool     // it is there, and has to be made lasting
}

func (w *writer) load(tx *store.Tx) (err error) {
	if w.edge, err = loadEdge(tx, w.state.size); err != nil {
		return err
	}
	w.tail, err = loadTail(tx, w.state.size)
	return err
}

// run writes until the queue is closed.
func (w *writer) run() {
	l := w.l
	head := time.NewTimer(l.opts.HeadAfter)
	defer head.Stop()
	gather := time.NewTimer(time.Hour)
	gather.Stop()
	defer gather.Stop()
	batch := make([]*pending, 0, maxBatch)
	for {
		select {
		case p, ok := <-l.queue:
			if !ok {
				w.finish()
				return
			}
			if p.task != nil {
				p.done <- p.task(w)
				continue
			}
			var task *pending
			batch, task = w.gather(append(batch[:0], p), gather)
			if !w.write(batch) {
				return
			}
			clear(batch)
			if task != nil {
				task.done <- task.task(w)
			}
		case <-head.C:
			if w.state.size > w.state.head {
				w.headDue = true
				_ = w.commit(nil) // a failure shows at the next entry; the head can wait
			}
			head.Reset(l.opts.HeadAfter)
		}
	}
}

// gather adds what else waits. A group waits a little for company, a strict entry does not. A task ends it, since tasks are done in
// their turn.
func (w *writer) gather(batch []*pending, timer *time.Timer) ([]*pending, *pending) {
	hurry := batch[0].done != nil
	bytes := len(batch[0].Leaf) + len(batch[0].Content)
	before := 1
	timer.Reset(w.l.opts.Gather)
	defer timer.Stop()
	for len(batch) < maxBatch && bytes < maxBatchBytes {
		var p *pending
		var ok bool
		if hurry {
			select {
			case p, ok = <-w.l.queue:
			default:
				// Those who were just answered may have their next entry all but ready: let them run before the disk is made to wait.
				if len(batch) == before {
					return batch, nil
				}
				before = len(batch)
				runtime.Gosched()
				continue
			}
		} else {
			select {
			case p, ok = <-w.l.queue:
			case <-timer.C:
				return batch, nil
			}
		}
		if !ok {
			return batch, nil
		}
		if p.task != nil {
			return batch, p
		}
		hurry = hurry || p.done != nil
		bytes += len(p.Leaf) + len(p.Content)
		batch = append(batch, p)
	}
	return batch, nil
}

// write commits the batch and keeps trying until it is on disk. It returns false when Close gave up.
func (w *writer) write(batch []*pending) bool {
	l := w.l
	first := &batch[0].Row
	l.writing.Store(first.Time.Add(first.Duration).UnixMicro())
	defer l.writing.Store(0)
	wait := retryFirst
	for {
		err := w.commit(batch)
		if err == nil {
			break
		}
		w.failed(err)
		verdict := error(nil)
		if l.opts.OnFailure == Refuse {
			verdict = fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		answer(batch, verdict)
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
			wait = min(2*wait, retryLongest)
		case <-l.wake:
		case <-l.giveUp:
			timer.Stop()
			w.abandon(len(batch), err)
			return false
		}
		timer.Stop()
	}
	answer(batch, nil)
	var bytes int64
	for _, p := range batch {
		bytes += p.size
		l.recycle(p)
	}
	l.bytes.Add(-bytes)
	w.recovered()
	return true
}

func answer(batch []*pending, err error) {
	for _, p := range batch {
		if p.done != nil {
			p.done <- err
			p.done = nil
		}
	}
}

func (w *writer) failed(err error) {
	w.l.failures.Add(1)
	if w.l.failure.Load() == nil {
		w.l.opts.Log.Error("ledger cannot be written", "err", err)
		w.l.failure.Store(&failure{err: err, since: w.l.opts.Now()})
		w.l.signals.Lock()
		close(w.l.broken)
		w.l.signals.Unlock()
	}
}

// recovered records the gap, if there was one, and only then calls the ledger well again.
func (w *writer) recovered() {
	if missed, ok := w.l.gap.take(); ok {
		if err := w.event(record.Gap, missed.note(), missed.Calls); err != nil {
			w.l.gap.giveBack(missed)
			w.failed(err)
			return
		}
		w.l.opts.Log.Warn("ledger has a gap", "calls", missed.Calls, "reason", missed.Reason)
	}
	if w.l.failure.Swap(nil) != nil {
		w.l.signals.Lock()
		w.l.broken = make(chan struct{})
		w.l.signals.Unlock()
		w.l.opts.Log.Info("ledger is written again")
	}
}

// abandon counts what is lost when Close does not wait for a broken disk, and lets go of all who wait.
func (w *writer) abandon(lost int, cause error) {
	for p := range w.l.queue {
		if p.task == nil {
			lost++
		}
		if p.done != nil {
			p.done <- ErrUnavailable
		}
	}
	w.l.writerErr = fmt.Errorf("%w: %d entries are lost: %w", ErrUnavailable, lost+int(w.l.gap.count()), cause)
}

// finish signs the last head.
func (w *writer) finish() {
	if w.l.gap.count() > 0 {
		w.recovered()
	}
	if w.state.size > w.state.head {
		w.headDue = true
		if err := w.commit(nil); err != nil {
			w.l.writerErr = fmt.Errorf("sign the last tree head: %w", err)
		}
	}
	if n := w.l.gap.count(); n > 0 {
		w.l.writerErr = errors.Join(w.l.writerErr, fmt.Errorf("%w: a gap of %d calls is not on record", ErrUnavailable, n))
	}
}

// event writes an entry of the ledger's own at once. Only the writer's goroutine may call it.
func (w *writer) event(kind record.Kind, what string, mark uint64) error {
	p, err := w.l.sealEvent(kind, what, mark)
	if err != nil {
		return err
	}
	return w.commit([]*pending{p})
}

// commit writes the entries, their usage sums, their hashes and perhaps a head, in one transaction. It may be called again with the
// same entries after an error.
func (w *writer) commit(batch []*pending) error {
	l := w.l
	named := l.names.waiting()
	if err := l.vault.Flush(); err != nil {
		return err
	}
	if err := w.settle(batch); err != nil {
		return err
	}
	if w.landed {
		batch = nil // writing the state alone makes the file be synced
	}
	next, edge, tail := w.state, w.edge, w.tail
	next.size += uint64(len(batch))
	next.day = max(next.day, l.day.Load())
	var signed []byte
	err := l.db.Update(func(tx *store.Tx) (err error) {
		if err := l.names.write(tx, named); err != nil {
			return err
		}
		w.hashes = w.hashes[:0]
		if err := w.put(tx, batch, &next, &edge); err != nil {
			return err
		}
		hashes := tx.Bucket(root, bHashes)
		hashes.FillPercent = fill
		if tail, err = w.tail.write(hashes, w.hashes); err != nil {
			return err
		}
		if w.headDue || next.size-next.head >= l.opts.HeadEvery {
			if signed, err = w.sign(&edge); err != nil {
				return err
			}
			if err := tx.Bucket(root, bHeads).Put(be64(next.size), signed); err != nil {
				return err
			}
			next.head = next.size
		}
		return next.write(tx)
	})
	if err != nil {
		w.adder.Undo()
		w.doubt = true
		if len(batch) > 0 {
			w.attempt = batch[0]
		}
		return err
	}
	w.adder.Done()
	w.attempt, w.landed = nil, false
	l.names.wrote(named)
	w.state, w.edge, w.tail = next, edge, tail
	if signed != nil {
		w.headDue, w.follows, w.kept, w.givenUp = false, "", 0, 0
		l.offer(signed)
	}
	if l.size.Swap(next.size) != next.size {
		l.announce()
	}
	return nil
}

// settle finds out what became of a commit that failed.
func (w *writer) settle(batch []*pending) error {
	if !w.doubt {
		return nil
	}
	err := w.l.db.View(func(tx *store.Tx) error {
		on, err := readState(tx)
		if err != nil || on == w.state {
			return err
		}
		w.landed = w.landed || (w.attempt != nil && len(batch) > 0 && batch[0] == w.attempt)
		w.state = on
		w.adder.Forget()
		return w.load(tx)
	})
	w.doubt = err != nil
	return err
}

// put writes records, contents and sums, and adds the leaves to the edge.
func (w *writer) put(tx *store.Tx, batch []*pending, next *state, edge *edge) error {
	entries, content := tx.Bucket(root, bEntries), tx.Bucket(root, bContent)
	entries.FillPercent, content.FillPercent = fill, fill
	size := 0
	for _, p := range batch {
		size += 8 + len(p.Leaf) + placeSize
	}
	if cap(w.values) < size {
		w.values = make([]byte, 0, size)
	}
	values := w.values[:0] // bbolt wants keys and values unchanged until the commit, so each has its own part
	for _, p := range batch {
		seq := edge.size
		w.hashes = edge.add(p.hash, w.hashes)
		from := len(values)
		values = binary.BigEndian.AppendUint64(values, seq)
		values = append(values, p.Leaf...)
		values = append(values, w.placer.seal(seq, &p.hash)...)
		key, value := values[from:from+8:from+8], values[from+8:len(values):len(values)]
		next.entryBytes += uint64(len(value))
		next.contentBytes += uint64(len(p.Content))
		if err := entries.Put(key, value); err != nil {
			return err
		}
		if p.Content != nil {
			if err := content.Put(key, p.Content); err != nil {
				return err
			}
		}
		w.adder.Add(&p.Row)
	}
	return w.adder.Write(tx)
}

func (w *writer) sign(e *edge) ([]byte, error) {
	return treehead.Sign(treehead.Head{
		Origin: w.l.origin, Size: e.size, Hash: e.root(), Time: w.l.opts.Now(), Follows: w.follows, Kept: w.kept, GivenUp: w.givenUp,
	}, w.l.signer)
}

// inWriter runs a task in the writer's goroutine, after all entries that were handed over before it.
func (l *Ledger) inWriter(ctx context.Context, task func(*writer) error) error {
	p := &pending{done: make(chan error, 1), task: task}
	if err := l.submit(ctx, p); err != nil {
		return err
	}
	select {
	case err := <-p.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Ledger) submit(ctx context.Context, p *pending) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrClosed
	}
	select {
	case l.entries <- p:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-l.giveUp:
		return ErrClosed
	}
}

// Flush returns when all entries handed over before are on disk. While writing fails, it makes the writer try again at once.
func (l *Ledger) Flush(ctx context.Context) error {
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return l.inWriter(ctx, func(*writer) error { return nil })
}

// announce tells followers that there are new entries.
func (l *Ledger) announce() {
	l.signals.Lock()
	defer l.signals.Unlock()
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Ledger) changes() <-chan struct{} {
	l.signals.Lock()
	defer l.signals.Unlock()
	return l.changed
}

// trouble is closed when writing fails.
func (l *Ledger) trouble() <-chan struct{} {
	l.signals.Lock()
	defer l.signals.Unlock()
	return l.broken
}
