package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// pending is an entry on its way to the writer, or a task for the writer's goroutine. It is the writer's once it is queued.
type pending struct {
	record.Sealed
	hash  tlog.Hash
	size  int64
	entry *record.Entry       // Append's, not sealed yet
	done  chan error          // not nil: who waits for it
	task  func(*writer) error // not nil: no entry
}

// fresh returns a pending entry, with the space of one that was written before where there is one.
func (l *Ledger) fresh() *pending { return l.pendings.Get().(*pending) }

// recycle takes back an entry that is on disk.
func (l *Ledger) recycle(p *pending) {
	if leaf := p.Leaf; cap(leaf) <= 4<<10 { // an odd large one is not worth keeping
		*p = pending{Sealed: record.Sealed{Leaf: leaf[:0]}}
		l.pendings.Put(p)
	}
}

// Append hands an entry over and returns at once; it is on disk within some 10 ms. The ledger owns the entry's byte slices from then
// on. Under Refuse it fails while nothing can be written or too much waits; under Continue it never fails for that. Errors:
// ErrUnavailable, ErrClosed.
func (l *Ledger) Append(e record.Entry) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrClosed
	}
	failed := l.failure.Load()
	if failed != nil && l.opts.OnFailure == Refuse {
		return fmt.Errorf("%w: %w", ErrUnavailable, failed.err)
	}
	size := weigh(&e)
	if l.bytes.Add(size) <= l.opts.QueueBytes {
		p := l.fresh()
		p.entry, p.size = &e, size
		select {
		case l.entries <- p:
			return nil
		default:
		}
	}
	l.bytes.Add(-size)
	if l.opts.OnFailure == Refuse {
		return fmt.Errorf("%w: %d entries wait already: the disk is too slow for this load", ErrUnavailable, len(l.entries))
	}
	reason := "more entries came than could be written"
	if failed != nil {
		reason = failed.err.Error()
	}
	l.gap.add(&e, reason)
	return nil
}

// AppendStrict returns when the entry is on disk. While nothing can be written it fails under Refuse; under Continue it hands the
// entry over as Append does. When ctx ends it returns ctx's error, and the entry may be written or not. Errors: ErrUnavailable,
// ErrClosed.
func (l *Ledger) AppendStrict(ctx context.Context, e record.Entry) error {
	trouble := l.trouble()
	if l.failure.Load() != nil {
		return l.Append(e)
	}
	p, done := l.fresh(), l.dones.Get().(chan error)
	p.done = done
	if err := l.sealAndQueue(ctx, &e, p, trouble); err != nil {
		if errors.Is(err, errTrouble) {
			return l.Append(e)
		}
		return err
	}
	select {
	case err := <-done:
		l.dones.Put(done) // only one that was answered can serve again
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-trouble: // the entry waits; its caller shall not
		select {
		case err := <-done:
			return err
		default:
		}
		if l.opts.OnFailure == Continue {
			return nil
		}
		if err := l.Err(); err != nil {
			return err
		}
		return fmt.Errorf("%w: it failed while the entry waited", ErrUnavailable)
	}
}

var errTrouble = errors.New("the disk fails")

// sealAndQueue seals in the caller's goroutine: it has to wait anyway, and so all cores share the work.
func (l *Ledger) sealAndQueue(ctx context.Context, e *record.Entry, p *pending, trouble <-chan struct{}) error {
	l.closing.RLock()
	defer l.closing.RUnlock()
	if l.closed {
		return ErrClosed
	}
	l.sealing.RLock()
	defer l.sealing.RUnlock()
	if err := l.seal(e, p); err != nil {
		return err
	}
	p.size = weigh(e)
	l.bytes.Add(p.size)
	select {
	case l.queue <- p:
		return nil
	default: // choosing among many costs more than most of the rest here
	}
	var err error
	select {
	case l.queue <- p:
		return nil
	case <-trouble:
		err = errTrouble
	case <-ctx.Done():
		err = ctx.Err()
	case <-l.giveUp:
		err = ErrClosed
	}
	l.bytes.Add(-p.size)
	return err
}

// sealEntries seals what Append handed over. One goroutine keeps the order, and it works while the writer waits for the disk.
func (l *Ledger) sealEntries() {
	for p := range l.entries {
		if p.task != nil {
			l.queue <- p
			continue
		}
		l.sealing.RLock()
		if err := l.seal(p.entry, p); err != nil {
			// Only a broken key file can do this. The entry cannot be kept, and that must be known.
			l.opts.Log.Error("seal ledger entry", "request_id", p.entry.RequestID, "err", err)
			l.bytes.Add(-p.size)
			l.gap.add(p.entry, "could not be sealed: "+err.Error())
		} else {
			p.entry = nil
			l.queue <- p
		}
		l.sealing.RUnlock()
	}
}

// Bounds on what a caller can make the ledger keep.
const (
	maxString   = 4 << 10
	maxNote     = 256 << 10
	maxFindings = 100
)

func weigh(e *record.Entry) int64 {
	return 1024 + int64(len(e.Prompt.Content)) + int64(len(e.Answer.Content)) + int64(len(e.Note))
}

// seal turns an entry into a record.
func (l *Ledger) seal(e *record.Entry, p *pending) error {
	sealer := l.sealers.Get().(*record.Sealer)
	defer l.sealers.Put(sealer)
	l.tidy(e, sealer)
	row := &p.Row
	*row = record.Row{
		Kind: e.Kind, Time: e.Time, Flags: e.Flags, Status: e.Status, Tokens: e.Tokens, Cost: e.Cost, Baseline: e.Baseline,
		Duration: e.Duration, FirstToken: e.FirstToken, Verdict: e.Verdict,
	}
	row.Round()
	if e.RequestID != "" {
		row.RequestTag = l.tag(e.RequestID)
	}
	model := e.ModelAnswered
	if model == "" {
		model = e.ModelAsked
	}
	var err error
	for _, n := range [...]struct {
		into *uint32
		dim  usage.Dimension
		text string
	}{
		{&row.User, usage.User, e.User}, {&row.App, usage.App, e.App}, {&row.Caller, usage.Caller, e.Caller},
		{&row.Model, usage.Model, model}, {&row.Provider, usage.Provider, e.Provider},
	} {
		if *n.into, err = l.names.number(n.dim, n.text); err != nil {
			return err
		}
	}
	id, key, err := l.vault.Person(l.today(), person(e))
	if err != nil {
		return err
	}
	if err := sealer.Seal(&p.Sealed, e, id, &key, l.opts.KeepContent); err != nil {
		return err
	}
	p.hash = tlog.RecordHash(p.Leaf)
	return nil
}

// person is whose key an entry is sealed under.
func person(e *record.Entry) vault.Who {
	switch {
	case e.User != "":
		return subject(usage.User, e.User)
	case e.Caller != "":
		return subject(usage.Caller, e.Caller)
	case e.App != "":
		return subject(usage.App, e.App)
	}
	return vault.Who{Kind: "nobody"}
}

// tidy fills in what the ledger knows and cuts what is too long.
func (l *Ledger) tidy(e *record.Entry, sealer *record.Sealer) {
	if e.Time.IsZero() {
		e.Time = l.opts.Now()
	}
	for _, s := range [...]*string{
		&e.RequestID, &e.TraceID, &e.Caller, &e.User, &e.App, &e.Peer, &e.Dialect, &e.Operation, &e.ModelAsked, &e.ModelAnswered,
		&e.ModelDigest, &e.Provider, &e.Route, &e.Release, &e.ErrorCode, &e.Policy, &e.Left,
	} {
		if len(*s) > maxString {
			*s = strings.ToValidUTF8((*s)[:maxString], "")
		}
	}
	if len(e.Note) > maxNote {
		e.Note = strings.ToValidUTF8(e.Note[:maxNote], "")
	}
	if len(e.Findings) > maxFindings {
		e.Findings = e.Findings[:maxFindings]
	}
	for _, t := range [...]*record.Text{&e.Prompt, &e.Answer} {
		if (t.Commitment == record.Commitment{}) && len(t.Content) > 0 {
			t.Commitment = sealer.Commit(t.Content)
		}
		if len(t.Content) > l.opts.MaxContent {
			t.Content = t.Content[:l.opts.MaxContent]
			e.Flags |= record.ContentShort
		}
	}
	if e.Tokens.Estimated {
		e.Flags |= record.Estimated
	}
	if usage.Odd(e.Tokens) {
		e.Flags |= record.OddCounts
	}
	if e.Kind == record.Call && !e.Cost.Known {
		e.Flags |= record.CostUnknown
	}
}

// today never goes back: keys of a day may be destroyed once all entries of that day are due, so an entry written after a step of
// the clock must not take an old day's key.
func (l *Ledger) today() uint32 {
	now := usage.DayNumber(l.opts.Now())
	for {
		newest := l.day.Load()
		if now <= newest {
			return newest
		}
		if l.day.CompareAndSwap(newest, now) {
			return now
		}
	}
}

// tag is a keyed hash: with the open rows alone nobody can tell which request an entry belongs to.
func (l *Ledger) tag(requestID string) uint64 {
	var space [128]byte
	in := append(append(space[:0], l.tagKey[:]...), requestID...)
	sum := sha256.Sum256(in)
	return binary.BigEndian.Uint64(sum[:])
}

// sealEvent makes an entry of the ledger's own, under its own key: events outlive the persons they speak of.
func (l *Ledger) sealEvent(kind record.Kind, what string, mark uint64) (*pending, error) {
	e := &record.Entry{Kind: kind, Time: l.opts.Now(), Note: what}
	sealer := record.NewSealer()
	l.tidy(e, sealer)
	id, key := l.vault.System()
	p := &pending{}
	p.Row = record.Row{Kind: kind, Time: e.Time, Mark: mark}
	if err := sealer.Seal(&p.Sealed, e, id, &key, false); err != nil {
		return nil, err
	}
	p.hash = tlog.RecordHash(p.Leaf)
	return p, nil
}

// Note puts something on record that is no call, such as a change of policy.
func (l *Ledger) Note(ctx context.Context, what string) error {
	return l.inWriter(ctx, func(w *writer) error { return w.event(record.Operator, what, 0) })
}

// gapCount counts calls that went by unrecorded.
type gapCount struct {
	mu sync.Mutex
	g  Missed
}

// Missed is what a Gap entry's note says, as JSON.
type Missed struct {
	Calls  uint64    `json:"calls"`
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Reason string    `json:"reason"` // of the first
	Used   usage.Sum `json:"used"`
}

func (g *gapCount) add(e *record.Entry, reason string) {
	row := record.Row{
		Kind: e.Kind, Flags: e.Flags, Status: e.Status, Tokens: e.Tokens, Cost: e.Cost, Baseline: e.Baseline,
		Duration: e.Duration, FirstToken: e.FirstToken,
	}
	sum := usage.Of(&row)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.g.Calls == 0 {
		g.g.From, g.g.Reason = e.Time, reason
	}
	g.g.Calls++
	g.g.To = e.Time
	g.g.Used.Add(&sum)
}

func (g *gapCount) count() uint64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.g.Calls
}

// take returns the note of the gap so far and starts a new one. What is taken and then cannot be written is given back.
func (g *gapCount) take() (Missed, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	m := g.g
	g.g = Missed{}
	return m, m.Calls > 0
}

func (g *gapCount) giveBack(m Missed) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.g.Calls == 0 {
		g.g = m
		return
	}
	g.g.Calls += m.Calls
	g.g.From, g.g.Reason = m.From, m.Reason
	g.g.Used.Add(&m.Used)
}

func (m Missed) note() string {
	b, err := json.Marshal(m)
	if err != nil {
		return err.Error() // numbers and times always marshal
	}
	return string(b)
}
