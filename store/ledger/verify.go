package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// VerifyOptions of Verify.
type VerifyOptions struct {
	// Heads are signed heads from places that the ledger cannot read itself, such as another host's log. Those of its own anchors that can
	// be read are always checked.
	Heads [][]byte
	// Progress is called now and then, from several goroutines but never at once.
	Progress func(done, total uint64)
}

// Verification is what Verify found.
type Verification struct {
	Origin string `json:"origin"`
	From   uint64 `json:"from"` // first entry kept
	Size   uint64 `json:"size"` // number after the last entry
	// Problems, the first bad entry first. None: the ledger is what it was.
	Problems []Problem `json:"problems"`
	// Anchored entries are [From, Anchored): a head that a second place keeps covers them. Whoever holds all keys of this machine
	// could have rewritten those after, unseen.
	Anchored uint64 `json:"anchored"`
	Signed   uint64 `json:"signed"` // [From, Signed) are covered by a signed head
	Heads    int    `json:"heads"`  // checked, of both places
	Older    int    `json:"older"`  // anchored heads of entries that were pruned since: nothing is left to check them against

	Gaps     []Missed `json:"gaps,omitempty"`     // calls that went by unrecorded, as recorded afterwards
	Erased   uint64   `json:"erased,omitempty"`   // entries whose key was destroyed on record
	Removed  uint64   `json:"removed,omitempty"`  // entries whose content was removed on record
	Lost     []Lost   `json:"lost,omitempty"`     // anchored entries that a restore gave up, on record
	Earlier  []string `json:"earlier,omitempty"`  // ledgers that this one follows, on record
	Restores int      `json:"restores,omitempty"` //
}

// Lost are entries [From, To) that were anchored once and are not in this ledger, and why that is known.
type Lost struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	Why  string `json:"why"`
}

// Problem is something that should not be. It concerns entries [Seq, End).
type Problem struct {
	Seq  uint64 `json:"seq"`
	End  uint64 `json:"end"`
	Kind string `json:"kind"` // edited, missing, inserted, cut, rewritten, content, unreadable, hashes, head, usage, replaced
	Text string `json:"text"`
}

func (p Problem) String() string {
	if p.End > p.Seq+1 {
		return fmt.Sprintf("entries %d to %d: %s", p.Seq, p.End-1, p.Text)
	}
	return fmt.Sprintf("entry %d: %s", p.Seq, p.Text)
}

// OK says whether nothing was found.
func (v *Verification) OK() bool { return len(v.Problems) == 0 }

// Err is nil, or names the first bad entry.
func (v *Verification) Err() error {
	if v.OK() {
		return nil
	}
	return errors.New(v.Problems[0].String())
}

// maxProblems bounds the list; a file that was shifted by one entry is wrong in all that follow.
const maxProblems = 100

// segment is how many entries one worker takes at a time. It is a power of two, so a segment is one subtree.
const segment = 1 << 12

// Verify recomputes all hashes from the records and checks everything that can be checked: each record against the seal on its place
// and the tree, the tree against every signed head, contents against their hashes, usage sums against the rows, and what is missing
// against what was removed on record. It looks at one size of the ledger while calls go on.
func (l *Ledger) Verify(ctx context.Context, opts VerifyOptions) (*Verification, error) {
	check := &verifier{l: l, opts: opts, hours: map[uint32]*usage.Sum{}, erased: map[record.KeyID]bool{}}
	check.out.Origin, check.out.Problems = l.origin, []Problem{} // none is [] in JSON
	// A prune while it reads would look like a loss; it waits.
	l.upkeep.RLock()
	defer l.upkeep.RUnlock()
	var heads [][]byte
	err := l.db.View(func(tx *store.Tx) error { // one transaction: sums and entries are of one moment
		on, err := readState(tx)
		if err != nil {
			return err
		}
		check.out.From, check.out.Size, check.head = on.pruned, on.size, on.head
		if err := usage.Hours(tx, 0, func(hour uint32, s usage.Sum) { check.hours[hour] = &s }); err != nil {
			check.problem(Problem{Seq: on.size, Kind: "usage", Text: err.Error()})
		}
		return tx.Bucket(root, bHeads).ForEach(func(_, v []byte) error {
			heads = append(heads, bytes.Clone(v))
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	if err := check.records(ctx); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	check.usage()
	check.missing()
	if err := check.heads(heads); err != nil {
		return nil, fmt.Errorf("verify: %w", err)
	}
	slices.SortStableFunc(check.out.Problems, func(a, b Problem) int {
		switch {
		case a.Seq < b.Seq:
			return -1
		case a.Seq > b.Seq:
			return 1
		}
		return 0
	})
	return &check.out, nil
}

type verifier struct {
	l    *Ledger
	opts VerifyOptions
	head uint64 // size at the ledger's newest head, by its own account

	mu           sync.Mutex // guards what follows, while workers run
	out          Verification
	sums         map[uint32]*usage.Sum // from the rows
	hours        map[uint32]*usage.Sum // as kept
	gone         []unreadable          // content
	unreadable   []unreadable
	erased       map[record.KeyID]bool // keys that were destroyed on record
	erasedSeqs   map[uint64]bool
	contentBelow uint64 // the highest that a Retention event names
	prunedBelow  uint64 // likewise of a Prune event
	prunedHour   uint32

	done atomic.Uint64
}

type unreadable struct {
	seq uint64
	key record.KeyID
}

func (v *verifier) problem(p Problem) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if p.End == 0 {
		p.End = p.Seq + 1
	}
	if len(v.out.Problems) < maxProblems {
		v.out.Problems = append(v.out.Problems, p)
		return
	}
	// Segments come in any order: a later find may be an earlier entry.
	last := 0
	for i := range v.out.Problems {
		if v.out.Problems[i].Seq > v.out.Problems[last].Seq {
			last = i
		}
	}
	if p.Seq < v.out.Problems[last].Seq {
		v.out.Problems[last] = p
	}
}

// records checks all entries, with a worker for each core.
func (v *verifier) records(ctx context.Context) error {
	v.sums = map[uint32]*usage.Sum{}
	v.erasedSeqs = map[uint64]bool{}
	var next atomic.Uint64
	next.Store(v.out.From / segment)
	workers := runtime.GOMAXPROCS(0)
	errs := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		wg.Go(func() {
			w := &checker{v: v, placer: newPlacer(v.l.place), sums: map[uint32]*usage.Sum{}, keys: map[record.KeyID]bool{}}
			for {
				n := next.Add(1) - 1
				if n*segment >= v.out.Size {
					break
				}
				if errs[i] = ctx.Err(); errs[i] != nil {
					break
				}
				if errs[i] = w.segment(n); errs[i] != nil {
					next.Store(v.out.Size) // the others stop too
					break
				}
			}
			v.mu.Lock()
			defer v.mu.Unlock()
			for hour, s := range w.sums {
				if v.sums[hour] == nil {
					v.sums[hour] = new(usage.Sum)
				}
				v.sums[hour].Add(s)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// checker is one worker.
type checker struct {
	v      *verifier
	placer *placer
	sums   map[uint32]*usage.Sum
	keys   map[record.KeyID]bool // whether a person's key is there
}

// segment checks entries [n*segment, (n+1)*segment).
func (w *checker) segment(n uint64) error {
	v := w.v
	first, end := max(n*segment, v.out.From), min((n+1)*segment, v.out.Size)
	err := v.l.db.View(func(tx *store.Tx) error {
		tree := treeCheck{read: cachedHashes(tx), w: w}
		content := tx.Bucket(root, bContent)
		c := tx.Bucket(root, bEntries).Cursor()
		k, value := c.Seek(be64(first))
		for seq := first; seq < end; seq++ {
			for k != nil && bytes.Compare(k, be64(seq)) < 0 || (len(k) > 8 && bytes.HasPrefix(k, be64(seq))) {
				v.problem(Problem{Seq: seq, Kind: "inserted", Text: fmt.Sprintf("key %x does not belong here", k)})
				k, value = c.Next()
			}
			if k == nil || !bytes.Equal(k, be64(seq)) {
				v.problem(Problem{Seq: seq, Kind: "missing", Text: "it is not there"})
				tree.skip(seq)
				continue
			}
			w.record(tx, content, &tree, seq, value)
			k, value = c.Next()
		}
		if end == v.out.Size && k != nil && len(k) == 8 && bytes.Equal(k, be64(end)) {
			// By this transaction: the ledger itself hears of a commit a moment after it.
			if on, err := readState(tx); err != nil || on.size == end {
				v.problem(Problem{Seq: end, Kind: "inserted", Text: "it is past the end that the ledger knows"})
			}
		}
		return tree.err
	})
	done := v.done.Add(end - first)
	if err == nil && v.opts.Progress != nil {
		v.mu.Lock()
		v.opts.Progress(done, v.out.Size-v.out.From)
		v.mu.Unlock()
	}
	return err
}

func (w *checker) record(tx *store.Tx, contents *store.Bucket, tree *treeCheck, seq uint64, value []byte) {
	v := w.v
	if len(value) < placeSize {
		v.problem(Problem{Seq: seq, Kind: "edited", Text: "it is too short"})
		tree.skip(seq)
		return
	}
	leaf, seal := value[:len(value)-placeSize], value[len(value)-placeSize:]
	hash := tlog.RecordHash(leaf)
	if !bytes.Equal(seal, w.placer.seal(seq, &hash)) {
		v.problem(Problem{Seq: seq, Kind: "edited", Text: "it is not what was written at this place: it was edited, moved, or one before it was added or taken out"})
		tree.skip(seq)
		return
	}
	tree.leaf(seq, hash)
	r, err := record.Parse(leaf)
	if err != nil {
		v.problem(Problem{Seq: seq, Kind: "edited", Text: err.Error()})
		return
	}
	if r.Row.Kind == record.Call {
		hour := usage.HourOf(r.Row.Time)
		if w.sums[hour] == nil {
			w.sums[hour] = new(usage.Sum)
		}
		s := usage.Of(&r.Row)
		w.sums[hour].Add(&s)
	} else {
		w.event(tx, seq, leaf, &r.Row)
	}
	if r.ContentHash != nil {
		if content := contents.Get(be64(seq)); content == nil {
			v.mu.Lock()
			v.gone = append(v.gone, unreadable{seq, r.KeyID})
			v.mu.Unlock()
		} else if sum := sha256.Sum256(content); !bytes.Equal(sum[:], r.ContentHash) {
			v.problem(Problem{Seq: seq, Kind: "content", Text: "its content is not what was written"})
		}
	}
	if id, ok := w.readable(tx, seq, r.KeyID); !ok {
		v.mu.Lock()
		v.unreadable = append(v.unreadable, unreadable{seq, id})
		v.mu.Unlock()
	}
}

// readable says whether the entry's key can still be had, and on which person's key it hangs.
func (w *checker) readable(tx *store.Tx, seq uint64, id record.KeyID) (record.KeyID, bool) {
	if w.has(id) {
		return id, true
	}
	wrapped := tx.Bucket(root, bRekeyed).Get(be64(seq))
	if len(wrapped) < 8 {
		return id, false
	}
	id = record.KeyID(binary.BigEndian.Uint64(wrapped))
	if !w.has(id) {
		return id, false
	}
	_, err := w.v.l.unwrapEntryKey(seq, wrapped)
	return id, err == nil
}

func (w *checker) has(id record.KeyID) bool {
	known, ok := w.keys[id]
	if !ok {
		_, err := w.v.l.vault.Key(id)
		known = !errors.Is(err, vault.ErrGone)
		w.keys[id] = known
	}
	return known
}

// event takes note of what the ledger did on record.
func (w *checker) event(tx *store.Tx, seq uint64, leaf []byte, row *record.Row) {
	v := w.v
	e, err := v.l.open1(tx, seq, leaf)
	if err != nil {
		v.problem(Problem{Seq: seq, Kind: "unreadable", Text: err.Error()})
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch row.Kind {
	case record.Gap:
		v.out.Gaps = append(v.out.Gaps, parseMissed(e.Note))
	case record.Erase:
		// The key of a request's erasure explains the named entries only: its neighbours were wrapped anew.
		note := parseErasure(e.Note)
		for _, seq := range note.Entries {
			v.erasedSeqs[seq] = true
		}
		for _, id := range note.Keys {
			v.erased[id] = v.erased[id] || note.What == "person"
		}
	case record.Retention:
		v.contentBelow = max(v.contentBelow, row.Mark)
	case record.Prune:
		v.prunedBelow = max(v.prunedBelow, row.Mark)
		v.prunedHour = max(v.prunedHour, parsePruning(e.Note).Hour)
	case record.Restore:
		v.out.Restores++
	}
}

// treeCheck compares stored hashes with those computed from leaves. Inside a segment it keeps its own subtrees; further left it reads
// stored ones, which the segment they belong to has checked.
type treeCheck struct {
	w      *checker
	read   func(index int64) (tlog.Hash, error)
	levels [64]tlog.Hash // computed; from: the first entry of each, to know whether it is this segment's
	known  [64]bool
	err    error
}

// skip goes on after an entry that is wrong, with the hash that is stored for it.
func (t *treeCheck) skip(seq uint64) {
	h, err := t.read(tlog.StoredHashIndex(0, int64(seq)))
	if err != nil {
		t.w.v.problem(Problem{Seq: seq, Kind: "hashes", Text: err.Error()})
		t.known = [64]bool{}
		return
	}
	t.leaf(seq, h)
}

func (t *treeCheck) leaf(seq uint64, h tlog.Hash) {
	for level := 0; ; level++ {
		index := tlog.StoredHashIndex(level, int64(seq>>level))
		stored, err := t.read(index)
		if err != nil || stored != h {
			t.w.v.problem(Problem{Seq: seq, Kind: "hashes", Text: fmt.Sprintf("the tree's hash at level %d is not that of its entries", level)})
			h = stored
		}
		if seq>>level&1 == 0 {
			t.levels[level], t.known[level] = h, true
			return
		}
		left := t.levels[level]
		if !t.known[level] {
			if left, err = t.read(tlog.StoredHashIndex(level, int64(seq>>level)-1)); err != nil {
				t.w.v.problem(Problem{Seq: seq, Kind: "hashes", Text: err.Error()})
				return
			}
		}
		t.known[level] = false
		h = tlog.NodeHash(left, h)
	}
}

// cachedHashes reads stored hashes and keeps the last chunk at hand, since they are asked for in order.
func cachedHashes(tx *store.Tx) func(int64) (tlog.Hash, error) {
	chunks := tx.Bucket(root, bHashes)
	slow := readHashes(tx)
	at, chunk := int64(-1), []byte(nil)
	return func(index int64) (h tlog.Hash, err error) {
		if n := index / perChunk; n != at {
			at, chunk = n, chunks.Get(be64(uint64(n)))
		}
		if from := int(index%perChunk) * tlog.HashSize; len(chunk) >= from+tlog.HashSize {
			copy(h[:], chunk[from:])
			return h, nil
		}
		one, err := slow([]int64{index})
		if err != nil {
			return h, err
		}
		return one[0], nil
	}
}

// usage compares the sums with the rows. Hours that may have lost entries to a prune are left out.
func (v *verifier) usage() {
	if len(v.out.Problems) > 0 {
		return // what is wrong there makes the sums wrong, and would only hide it
	}
	wrong, first := 0, uint32(0)
	check := func(hour uint32) {
		if v.out.From > 0 && hour <= v.prunedHour {
			return
		}
		kept, counted := v.hours[hour], v.sums[hour]
		if kept != nil && counted != nil && *kept == *counted {
			return
		}
		if wrong++; wrong == 1 || hour < first {
			first = hour
		}
	}
	for hour := range v.hours {
		check(hour)
	}
	for hour := range v.sums {
		if v.hours[hour] == nil {
			check(hour)
		}
	}
	if wrong > 0 {
		at := time.Unix(int64(first)*3600, 0).UTC().Format("2006-01-02 15:04Z")
		v.problem(Problem{Seq: v.out.Size, Kind: "usage", Text: fmt.Sprintf("the usage sums of %d hours are not those of their entries; the first is %s", wrong, at)})
	}
}

// missing judges what is not there by what is on record.
func (v *verifier) missing() {
	if v.out.From > v.prunedBelow {
		v.problem(Problem{Seq: v.prunedBelow, End: v.out.From, Kind: "missing", Text: "they are gone, and no entry says that they were pruned"})
	}
	for _, c := range v.gone {
		switch {
		case c.seq < v.contentBelow:
			v.out.Removed++
		case v.erased[c.key], v.erasedSeqs[c.seq]:
		default:
			v.problem(Problem{Seq: c.seq, Kind: "content", Text: "its content is gone, and no entry says that it was removed"})
		}
	}
	for _, u := range v.unreadable {
		if v.erased[u.key] || v.erasedSeqs[u.seq] {
			v.out.Erased++
			continue
		}
		v.problem(Problem{Seq: u.seq, Kind: "unreadable", Text: "its key is gone, and no entry says that it was destroyed"})
	}
}

// heads checks the tree against all signed heads: the ledger's own, the anchors', and those that were given.
func (v *verifier) heads(own [][]byte) error {
	var anchored [][]byte
	for _, a := range v.l.opts.Anchors {
		if r, ok := a.(treehead.Reader); ok {
			signed, err := r.Signed()
			if err != nil {
				v.problem(Problem{Seq: v.out.Size, Kind: "head", Text: fmt.Sprintf("anchor %s cannot be read: %v", a.Name(), err)})
				continue
			}
			anchored = append(anchored, signed...)
		}
	}
	anchored = append(anchored, v.opts.Heads...)
	return v.l.db.View(func(tx *store.Tx) error {
		h := headCheck{v: v, read: readHashes(tx), bad: v.out.Size + 1}
		h.given(anchored)
		for _, signed := range own {
			h.check(signed, false)
		}
		for _, signed := range anchored {
			h.check(signed, true)
		}
		h.conclude()
		return nil
	})
}

type headCheck struct {
	v       *verifier
	read    tlog.HashReaderFunc
	good    []goodHead
	bad     uint64    // smallest size that does not fit; past the end: none
	since   time.Time // when the first of those that do not fit was signed
	badText string
	cut     uint64         // largest anchored size beyond the end
	gave    map[int]uint64 // by place in the list: a restore kept so many entries
	place   int
	others  map[string]uint64 // sizes of other ledgers
	follows map[string][]string
	newest  bool // the newest head, by the ledger's own account, is there
}

type goodHead struct {
	size     uint64
	time     time.Time
	anchored bool
}

// given finds restores: heads before one, with entries that it gave up, do not have to fit any more.
func (h *headCheck) given(anchored [][]byte) {
	h.gave, h.others, h.follows = map[int]uint64{}, map[string]uint64{}, map[string][]string{}
	for i, signed := range anchored {
		head, err := treehead.Open(signed, h.v.l.verifier)
		if err != nil || head.Origin != h.v.out.Origin || head.GivenUp == 0 {
			continue
		}
		h.gave[i] = head.Kept
		if head.GivenUp > head.Kept {
			h.v.out.Lost = append(h.v.out.Lost, Lost{From: head.Kept, To: head.GivenUp, Why: "given up by a restore on " + stamp(head)})
		}
	}
}

func stamp(h treehead.Head) string { return h.Time.UTC().Format("2006-01-02 15:04:05Z") }

func (h *headCheck) check(signed []byte, anchored bool) {
	v := h.v
	place := h.place
	if anchored {
		h.place++
	}
	head, err := treehead.Open(signed, v.l.verifier)
	if err != nil {
		where := "the ledger"
		if anchored {
			where = "an anchor"
		}
		v.problem(Problem{Seq: v.out.Size, Kind: "head", Text: fmt.Sprintf("a tree head of %s is not signed by this ledger's key: %v", where, err)})
		return
	}
	if head.Follows != "" {
		h.follows[head.Origin] = append(h.follows[head.Origin], head.Follows)
	}
	if head.Origin != v.out.Origin {
		h.others[head.Origin] = max(h.others[head.Origin], head.Size)
		return
	}
	v.out.Heads++
	h.newest = h.newest || (!anchored && head.Size == v.head)
	for at, kept := range h.gave {
		if anchored && place < at && head.Size > kept {
			return // given up on record
		}
	}
	switch {
	case head.Size < v.out.From:
		v.out.Older++
		return
	case head.Size > v.out.Size:
		if v.l.size.Load() < head.Size { // else it was written since
			h.cut = max(h.cut, head.Size)
		}
		return
	}
	hash, err := tlog.TreeHash(int64(head.Size), h.read)
	if err == nil && hash == head.Hash {
		h.good = append(h.good, goodHead{head.Size, head.Time, anchored})
		return
	}
	if h.since.IsZero() || head.Time.Before(h.since) {
		h.since = head.Time
	}
	if head.Size < h.bad {
		h.bad, h.badText = head.Size, "they are not those that were signed on "+stamp(head)
	}
}

func (h *headCheck) conclude() {
	v := h.v
	for _, g := range h.good {
		if g.size >= h.bad || (!h.since.IsZero() && g.time.After(h.since)) {
			continue // only who rewrote could sign it; it proves nothing
		}
		v.out.Signed = max(v.out.Signed, g.size)
		if g.anchored {
			v.out.Anchored = max(v.out.Anchored, g.size)
		}
	}
	if h.bad <= v.out.Size {
		v.problem(Problem{Seq: min(max(v.out.Signed, v.out.From), h.bad-1), End: h.bad, Kind: "rewritten", Text: h.badText})
	}
	if h.cut > v.out.Size {
		v.problem(Problem{Seq: v.out.Size, End: h.cut, Kind: "cut", Text: "they were signed, and are not there: the end was cut off, or an older file put back"})
	}
	if v.head > 0 && v.head >= v.out.From && !h.newest {
		v.problem(Problem{Seq: v.head, Kind: "head", Text: "the ledger's newest signed head is gone"})
	}
	for next := h.follows[v.out.Origin]; len(next) > 0; {
		origin := next[0]
		next = next[1:]
		if size, ok := h.others[origin]; ok {
			v.out.Earlier = append(v.out.Earlier, fmt.Sprintf("%s with %d entries", origin, size))
			delete(h.others, origin)
			next = append(next, h.follows[origin]...)
		}
	}
	for origin, size := range h.others {
		v.problem(Problem{Seq: v.out.From, Kind: "replaced", Text: fmt.Sprintf("an anchor knows another ledger, %s with %d entries, and nothing says that this one follows it", origin, size)})
	}
}
