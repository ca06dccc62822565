package ledger

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// Filter chooses entries. Zero fields choose all.
type Filter struct {
	From, To  time.Time // when the call began: From <= t < To
	After     *uint64   // numbers above this one
	Before    uint64    // numbers below this one; 0: all
	RequestID string
	Caller    string
	User      string
	App       string
	Model     string // answered or asked for, exactly
	Provider  string
	Status    int
	Flags     record.Flags // all of them
	Kinds     []record.Kind
	Calls     bool // calls only
	Last      int  // only the newest so many; 0: all
}

// readChunk records are read in one transaction: a long one would keep old pages from being used again.
const readChunk = 512

// Scan calls fn for the entries that fit, in their order. It sees what was on disk when it came to it. fn may take its time.
func (l *Ledger) Scan(ctx context.Context, f Filter, fn func(*record.Entry) error) error {
	m, ok := l.matcher(f)
	if !ok {
		return nil // it asks for a name that no entry has
	}
	from := uint64(0)
	if f.After != nil {
		from = *f.After + 1
	}
	before := uint64(math.MaxInt64)
	if f.Before > 0 {
		before = min(f.Before, before)
	}
	if f.Last > 0 {
		var err error
		if from, err = l.nthLast(ctx, m, from, before, f.Last); err != nil {
			return err
		}
	}
	_, err := l.scan(ctx, m, from, before, fn)
	return err
}

// scan looks at records from one number up to below another, and returns the number after the last that it looked at.
func (l *Ledger) scan(ctx context.Context, m *matcher, from, before uint64, fn func(*record.Entry) error) (uint64, error) {
	found := make([]*record.Entry, 0, readChunk)
	for {
		if err := ctx.Err(); err != nil {
			return from, err
		}
		found = found[:0]
		more := false
		err := l.db.View(func(tx *store.Tx) error {
			c := tx.Bucket(root, bEntries).Cursor()
			looked := 0
			for k, v := c.Seek(be64(from)); k != nil; k, v = c.Next() {
				if looked++; looked > 8*readChunk || len(found) == readChunk {
					more = true
					return nil
				}
				seq, leaf, err := split(k, v)
				if err != nil {
					return err
				}
				if seq >= before {
					return nil
				}
				from = seq + 1
				row, _, err := record.ParseRow(leaf)
				if err != nil {
					return fmt.Errorf("entry %d: %w", seq, err)
				}
				if !m.row(&row) {
					continue
				}
				e, err := l.open1(tx, seq, leaf)
				if err != nil {
					return err
				}
				if m.entry(e) {
					found = append(found, e)
				}
			}
			return nil
		})
		if err != nil {
			return from, fmt.Errorf("read ledger: %w", err)
		}
		for _, e := range found {
			if err := fn(e); err != nil {
				return from, err
			}
		}
		if !more {
			return from, nil
		}
	}
}

// nthLast finds where the newest n entries below a number begin that fit, going backwards over rows.
func (l *Ledger) nthLast(ctx context.Context, m *matcher, least, at uint64, n int) (uint64, error) {
	from := least
	for {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		done := true
		err := l.db.View(func(tx *store.Tx) error {
			c := tx.Bucket(root, bEntries).Cursor()
			before := c.Prev
			if k, _ := c.Seek(be64(at)); k == nil {
				before = c.Last
			}
			k, v := before()
			for looked := 0; k != nil; k, v = c.Prev() {
				seq, leaf, err := split(k, v)
				if err != nil {
					return err
				}
				if seq < least {
					return nil
				}
				if looked++; looked > 8*readChunk {
					done = false
					return nil
				}
				at = seq
				row, _, err := record.ParseRow(leaf)
				if err != nil {
					return fmt.Errorf("entry %d: %w", seq, err)
				}
				if !m.row(&row) {
					continue
				}
				if m.exact() {
					e, err := l.open1(tx, seq, leaf)
					if err != nil {
						return err
					}
					if !m.entry(e) {
						continue
					}
				}
				from = seq
				if n--; n == 0 {
					return nil
				}
			}
			return nil
		})
		if err != nil {
			return 0, fmt.Errorf("read ledger: %w", err)
		}
		if done || n == 0 {
			return from, nil
		}
	}
}

// Follow calls fn for the entries that fit, and then for new ones as they come, until ctx ends or fn fails.
func (l *Ledger) Follow(ctx context.Context, f Filter, fn func(*record.Entry) error) error {
	from := l.Size()
	if f.After != nil {
		from = *f.After + 1
	} else if f.Last > 0 {
		m, ok := l.matcher(f)
		if ok {
			var err error
			if from, err = l.nthLast(ctx, m, 0, math.MaxInt64, f.Last); err != nil {
				return err
			}
		}
	}
	for {
		changed := l.changes() // before reading: what comes while it reads wakes it again
		if m, ok := l.matcher(f); ok {
			var err error
			if from, err = l.scan(ctx, m, from, math.MaxInt64, fn); err != nil {
				return err
			}
		}
		select {
		case <-changed:
		case <-l.stopped:
			return ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Get returns the entry of a request id, the newest if there are several, or of a sequence number written as #N. Errors: ErrNotFound.
func (l *Ledger) Get(ctx context.Context, id string) (*record.Entry, error) {
	if number, ok := strings.CutPrefix(id, "#"); ok {
		var seq uint64
		if _, err := fmt.Sscanf(number, "%d", &seq); err != nil {
			return nil, fmt.Errorf("%w: %q is no number", ErrNotFound, id)
		}
		return l.At(seq)
	}
	var found *record.Entry
	err := l.Scan(ctx, Filter{RequestID: id, Last: 1}, func(e *record.Entry) error { found = e; return nil })
	if err == nil && found == nil {
		err = fmt.Errorf("%w: request %s", ErrNotFound, id)
	}
	return found, err
}

// At returns the entry with the number. Errors: ErrNotFound.
func (l *Ledger) At(seq uint64) (*record.Entry, error) {
	var e *record.Entry
	err := l.db.View(func(tx *store.Tx) error {
		v := tx.Bucket(root, bEntries).Get(be64(seq))
		if v == nil {
			return fmt.Errorf("%w: number %d", ErrNotFound, seq)
		}
		_, leaf, err := split(be64(seq), v)
		if err != nil {
			return err
		}
		e, err = l.open1(tx, seq, leaf)
		return err
	})
	return e, err
}

// split takes a key and value of the entries apart.
func split(k, v []byte) (seq uint64, leaf []byte, err error) {
	if len(k) != 8 || len(v) < placeSize {
		return 0, nil, fmt.Errorf("entry %x cannot be read", k)
	}
	return binary.BigEndian.Uint64(k), v[:len(v)-placeSize], nil
}

// open1 unseals a record. One whose key was destroyed gives its open part, and says so.
func (l *Ledger) open1(tx *store.Tx, seq uint64, leaf []byte) (*record.Entry, error) {
	r, err := record.Parse(leaf)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	key, err := l.entryKey(tx, seq, r)
	if errors.Is(err, vault.ErrGone) {
		e := r.Closed()
		e.Seq, e.Erased = seq, "its key was destroyed"
		e.User, e.App, e.Caller = l.names.name(usage.User, r.Row.User), l.names.name(usage.App, r.Row.App), l.names.name(usage.Caller, r.Row.Caller)
		e.ModelAnswered, e.Provider = l.names.name(usage.Model, r.Row.Model), l.names.name(usage.Provider, r.Row.Provider)
		return e, nil
	}
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	var content []byte
	if r.ContentHash != nil {
		content = tx.Bucket(root, bContent).Get(be64(seq))
	}
	e, err := r.Open(&key, content)
	if err != nil {
		return nil, fmt.Errorf("entry %d: %w", seq, err)
	}
	e.Seq = seq
	return e, nil
}

// entryKey finds the key of one entry: derived from its person's, or wrapped anew when a neighbour was erased.
func (l *Ledger) entryKey(tx *store.Tx, seq uint64, r *record.Record) (key record.Key, err error) {
	if wrapped := tx.Bucket(root, bRekeyed).Get(be64(seq)); wrapped != nil {
		return l.unwrapEntryKey(seq, wrapped)
	}
	person, err := l.vault.Key(r.KeyID)
	if err != nil {
		return key, err
	}
	return r.EntryKey(&person), nil
}

const rekeyedSize = 8 + chacha20poly1305.NonceSizeX + 32 + chacha20poly1305.Overhead

func (l *Ledger) unwrapEntryKey(seq uint64, wrapped []byte) (key record.Key, err error) {
	if len(wrapped) != rekeyedSize {
		return key, record.ErrKey
	}
	person, err := l.vault.Key(record.KeyID(binary.BigEndian.Uint64(wrapped)))
	if err != nil {
		return key, err
	}
	aead, err := chacha20poly1305.NewX(person[:])
	if err != nil {
		return key, err
	}
	const at = 8 + chacha20poly1305.NonceSizeX
	if _, err := aead.Open(key[:0], wrapped[8:at], wrapped[at:], be64(seq)); err != nil {
		return key, record.ErrKey
	}
	return key, nil
}

// matcher is a filter with names resolved, so that most records are passed over unopened.
type matcher struct {
	f     Filter
	tag   uint64
	want  [5]*uint32 // user, app, caller, model, provider
	kinds uint32     // bits
	model bool       // the name must be compared with what was asked for too
}

func (l *Ledger) matcher(f Filter) (*matcher, bool) {
	m := &matcher{f: f}
	if f.RequestID != "" {
		m.tag = l.tag(f.RequestID)
	}
	for _, k := range f.Kinds {
		m.kinds |= 1 << k
	}
	for i, n := range [...]struct {
		dim  usage.Dimension
		text string
	}{{usage.User, f.User}, {usage.App, f.App}, {usage.Caller, f.Caller}, {usage.Model, f.Model}, {usage.Provider, f.Provider}} {
		if n.text == "" {
			continue
		}
		number, ok := l.names.find(n.dim, n.text)
		switch {
		case n.dim == usage.Model:
			m.model = true // the row has the one that answered only
		case !ok:
			return nil, false
		default:
			m.want[i] = &number
		}
	}
	return m, true
}

// exact says whether a row alone cannot decide.
func (m *matcher) exact() bool { return m.f.RequestID != "" || m.model }

func (m *matcher) row(r *record.Row) bool {
	f := &m.f
	switch {
	case f.RequestID != "" && r.RequestTag != m.tag,
		!f.From.IsZero() && r.Time.Before(f.From),
		!f.To.IsZero() && !r.Time.Before(f.To),
		f.Status != 0 && r.Status != f.Status,
		r.Flags&f.Flags != f.Flags,
		f.Calls && r.Kind != record.Call,
		m.kinds != 0 && m.kinds&(1<<r.Kind) == 0:
		return false
	}
	for i, n := range [...]uint32{r.User, r.App, r.Caller, r.Model, r.Provider} {
		if want := m.want[i]; want != nil && *want != n {
			return false
		}
	}
	return true
}

func (m *matcher) entry(e *record.Entry) bool {
	if m.f.RequestID != "" && e.RequestID != m.f.RequestID {
		return e.Erased != "" // its id cannot be read any more; the tag fits
	}
	return !m.model || e.ModelAnswered == m.f.Model || e.ModelAsked == m.f.Model
}

// Usage reports what was used and spent.
func (l *Ledger) Usage(q usage.Query) (*usage.Report, error) {
	var r *usage.Report
	err := l.db.View(func(tx *store.Tx) (err error) {
		r, err = usage.Read(tx, q, l.names.name)
		return err
	})
	return r, err
}

// Minutes visits what the minutes from that of from up to that of to, both included, say of the service, in their order. It reads
// all in one transaction, so take must be quick.
func (l *Ledger) Minutes(from, to time.Time, take func(minute uint32, m *usage.Minute)) error {
	return l.db.View(func(tx *store.Tx) error {
		return usage.Minutes(tx, usage.MinuteOf(from), usage.MinuteOf(to)+1, take)
	})
}
