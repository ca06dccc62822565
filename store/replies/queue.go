package replies

import (
	"slices"
	"sync"
	"time"
)

// What may wait to be written. Deletions are never dropped; beyond their bound everything is.
const (
	maxWaiting   = 8192      // items
	maxWaitBytes = 32 << 20  // of heads and bodies
	maxDeletions = 256 << 10 // keys
)

// latest is the end of time here: in nanoseconds, 64 bits end in the year 2262.
var latest = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)

type kind byte

const (
	kindPut kind = iota
	kindDelete
	kindForget // remove a record that cannot be read, unless it has been replaced
)

// op is something that the writer should do.
type op struct {
	kind   kind
	item   Item   // for kindPut; else only its key
	number uint64 // for kindForget
}

func (o *op) size() int64 { return int64(len(o.item.Head) + len(o.item.Body)) }

// queue holds what is not written yet, in order, and the newest word on each key.
type queue struct {
	wake chan struct{} // has a token when the writer should look

	mu      sync.Mutex
	ops     []*op
	newest  map[Key]*op // puts and deletions, until they are in the file
	items   int         // in newest, and superseded ones in ops
	bytes   int64       // of items
	deletes int         // deletions in ops
	dropped uint64
	queued  uint64 // operations ever
	taken   uint64 // of them
	off     bool   // nothing can be written: items are not taken
	closed  bool
	wipe    bool // too many deletions waited: the file has to go
}

func (q *queue) init() {
	q.wake = make(chan struct{}, 1)
	q.newest = map[Key]*op{}
}

func (q *queue) signal() {
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

func (q *queue) put(it Item, limit int64) bool {
	if it.Expires.After(latest) {
		it.Expires = latest
	}
	o := &op{kind: kindPut, item: it}
	size := o.size()
	q.mu.Lock()
	if q.closed || q.off || q.items >= maxWaiting || q.bytes+size > maxWaitBytes || size+entryCost > limit {
		q.dropped++
		q.mu.Unlock()
		return false
	}
	first := len(q.ops) == 0
	q.push(o)
	q.newest[it.Key] = o
	q.items++
	before := q.bytes
	q.bytes += size
	enough := before < commitBytes && q.bytes >= commitBytes
	q.mu.Unlock()
	if first || enough {
		q.signal()
	}
	return true
}

// push appends to the queue. The caller holds mu.
func (q *queue) push(o *op) {
	q.ops = append(q.ops, o)
	q.queued++
}

func (q *queue) delete(keys []Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	for _, k := range keys {
		if q.deletes >= maxDeletions {
			q.wipe = true
			break
		}
		o := &op{kind: kindDelete, item: Item{Key: k}}
		q.push(o)
		q.newest[k] = o
		q.deletes++
	}
	q.signal()
}

// forget queues the removal of a record that cannot be read. When much waits it is left for the next reader.
func (q *queue) forget(k Key, number uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.off || len(q.ops) >= maxWaiting {
		return
	}
	q.push(&op{kind: kindForget, item: Item{Key: k}, number: number})
	q.signal()
}

// find tells the newest word on a key, if one waits: an item, or nil for a deletion.
func (q *queue) find(k *Key) (*Item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.wipe || q.closed {
		return nil, true
	}
	o := q.newest[*k]
	if o == nil {
		return nil, false
	}
	if o.kind == kindDelete {
		return nil, true
	}
	return &o.item, true
}

// atOnce bounds how many operations are looked at while callers wait for mu: some ten microseconds.
const atOnce = 128

// take removes the first operations from the queue, as many as should be committed at once. They stay in newest. What a later one
// has overtaken is left out.
func (q *queue) take() (ops []*op) {
	size := int64(0)
	for more := true; more && len(ops) < commitOps && size < commitBytes; {
		ops, size, more = q.takeSome(ops, size)
	}
	return ops
}

func (q *queue) takeSome(ops []*op, size int64) ([]*op, int64, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for ; n < min(len(q.ops), atOnce) && size < commitBytes; n++ {
		o := q.ops[n]
		if o.kind == kindDelete {
			q.deletes--
		}
		if o.kind != kindForget && q.newest[o.item.Key] != o {
			q.release(o)
			continue
		}
		size += o.size()
		ops = append(ops, o)
	}
	q.taken += uint64(n)
	clear(q.ops[:n])
	if q.ops = q.ops[n:]; len(q.ops) == 0 {
		q.ops = nil
	}
	return ops, size, q.ops != nil
}

// settle forgets operations that are in the file now.
func (q *queue) settle(ops []*op) {
	for some := range slices.Chunk(ops, atOnce) {
		q.settleSome(some)
	}
}

func (q *queue) settleSome(ops []*op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, o := range ops {
		q.remove(o)
	}
}

// giveBack says that operations could not be written. Items are dropped, deletions wait for the file's return.
func (q *queue) giveBack(ops []*op) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again := q.withoutItems(ops)
	q.ops = append(again, q.ops...)
	q.queued += uint64(len(again))
}

// setOff says whether items are taken. Those that wait when it begins are dropped.
func (q *queue) setOff(off bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.off = off; off {
		q.deletes = 0
		q.ops = q.withoutItems(q.ops)
		q.taken = q.queued - uint64(len(q.ops))
	}
}

// withoutItems returns the deletions among ops. An item that is dropped becomes one too: callers have seen it, so what the file may
// hold under its key is out of date. The caller holds mu.
func (q *queue) withoutItems(ops []*op) (left []*op) {
	for _, o := range ops {
		wanted := o.kind != kindForget && q.newest[o.item.Key] == o
		if o.kind == kindPut {
			q.dropped++
		}
		q.remove(o)
		if wanted {
			d := &op{kind: kindDelete, item: Item{Key: o.item.Key}}
			q.newest[d.item.Key] = d
			left = append(left, d)
			q.deletes++
		}
	}
	return left
}

// remove takes an operation out of newest, unless a later one is there. The caller holds mu.
func (q *queue) remove(o *op) {
	if o.kind != kindForget && q.newest[o.item.Key] == o {
		delete(q.newest, o.item.Key)
	}
	q.release(o)
}

func (q *queue) release(o *op) {
	if o.kind == kindPut {
		q.items--
		q.bytes -= o.size()
	}
}

// empty forgets everything that waits, for the writer, which begins a new file afterwards.
func (q *queue) empty() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ops, q.newest = nil, map[Key]*op{}
	q.items, q.bytes, q.deletes = 0, 0, 0
	q.taken = q.queued
	q.wipe = true // nothing of the old file is found from now on
}

// wiped says that the old file is gone.
func (q *queue) wiped() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.wipe = false
}

func (q *queue) mustWipe() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.wipe
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
}

// waiting counts what is in newest or in ops, and what was dropped so far.
func (q *queue) waiting() (n int, bytes int64, dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return max(len(q.newest), len(q.ops)), q.bytes, q.dropped
}

// mark is a point in the queue: what was put before it is written when it is reached.
func (q *queue) mark() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.queued
}

func (q *queue) reached(mark uint64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.taken >= mark
}

// left says whether something waits.
func (q *queue) left() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ops) > 0
}

// pressing says that enough waits for a commit at once.
func (q *queue) pressing() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes >= commitBytes
}
