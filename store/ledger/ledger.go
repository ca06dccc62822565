package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

var (
	// ErrUnavailable is returned by Append and AppendStrict under Refuse while nothing can be written. The error tells the cause.
	ErrUnavailable = errors.New("the ledger cannot be written")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("ledger is closed")
	// ErrNotFound is returned when no entry fits.
	ErrNotFound = errors.New("no such entry")
	// ErrSigningKey is returned by Open when the key that signs tree heads is not the one that this ledger was begun with.
	ErrSigningKey = errors.New("signing key is not available")
)

// OnFailure says what happens to calls while the ledger cannot be written.
type OnFailure int

const (
	// Refuse makes Append fail, so that no call goes by unrecorded.
	Refuse OnFailure = iota
	// Continue lets calls go on. Entries wait in memory, and those that no longer fit are counted; when writing works again, an entry
	// of kind Gap says how many they were, from when to when, and what they used.
	Continue
)

// Defaults of Options.
const (
	DefaultQueue      = 8192
	DefaultGather     = 7 * time.Millisecond
	DefaultHeadEvery  = 1000
	DefaultHeadAfter  = 60 * time.Second
	DefaultMaxContent = 4 << 20
)

// Options of Open. TopKey and SigningKey are required; see Keys.
type Options struct {
	TopKey      vault.Source // wraps the data's keys
	SigningKey  vault.Source // signs tree heads
	Anchors     []treehead.Anchor
	KeepContent bool // keep the texts, sealed; else only their commitments
	OnFailure   OnFailure

	Queue      int           // entries that may wait in memory
	QueueBytes int64         // and their bytes; 0: 64 MiB
	Gather     time.Duration // how long a commit waits for company, unless an AppendStrict is in it
	HeadEvery  uint64        // entries between signed heads
	HeadAfter  time.Duration // and the longest time, when there are new entries
	MaxContent int           // bytes kept of a prompt or an answer; the commitment is of the whole

	Now func() time.Time
	Log *slog.Logger
}

func (o *Options) defaults() {
	if o.Queue <= 0 {
		o.Queue = DefaultQueue
	}
	if o.QueueBytes <= 0 {
		o.QueueBytes = 64 << 20
	}
	if o.Gather <= 0 {
		o.Gather = DefaultGather
	}
	if o.HeadEvery == 0 {
		o.HeadEvery = DefaultHeadEvery
	}
	if o.HeadAfter <= 0 {
		o.HeadAfter = DefaultHeadAfter
	}
	if o.MaxContent <= 0 {
		o.MaxContent = DefaultMaxContent
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Ledger is the open ledger. It is safe for many goroutines.
type Ledger struct {
	db       *store.DB
	opts     Options
	vault    *vault.Vault
	names    *names
	signer   note.Signer
	verifier note.Verifier
	public   string
	origin   string
	tagKey   record.Key
	place    record.Key
	sealers  sync.Pool // of *record.Sealer
	pendings sync.Pool // of *pending
	dones    sync.Pool // of chan error

	day      atomic.Uint32 // newest day that keys are made for
	size     atomic.Uint64 // entries on disk
	failure  atomic.Pointer[failure]
	failures atomic.Uint64
	writing  atomic.Int64 // when the call ended whose entry is the first of those being written, in microseconds from 1970 on; 0: none is
	bytes    atomic.Int64 // in both queues
	gap      gapCount
	anchored anchorState

	// closing is held for reading while an entry is handed over, and for writing to close the door. sealing is held for reading while
	// an entry is sealed and handed to the writer, and for writing to be sure that nothing sealed under an old key is under way.
	closing sync.RWMutex
	closed  bool
	sealing sync.RWMutex
	// upkeep is held for reading by who needs entries and keys to stay, and for writing by who takes some away.
	upkeep sync.RWMutex

	entries chan *pending // Append's, to be sealed, and tasks
	queue   chan *pending // sealed, to be written
	wake    chan struct{} // tries again at once
	giveUp  chan struct{} // closed when Close will not wait for a broken disk
	heads   chan []byte   // newest signed head, to the anchors

	signals sync.Mutex    // guards the two channels
	changed chan struct{} // closed and made anew at each commit
	broken  chan struct{} // closed while writing fails, made anew when it works again

	sealer, writer, anchors sync.WaitGroup
	writerErr               error // what the writer had to leave unwritten; read after writer.Wait

	ending     chan struct{} // closed when Close begins
	closeOnce  sync.Once
	giveUpOnce sync.Once
	closeErr   error
	stopped    chan struct{} // closed when all goroutines have ended
}

type failure struct {
	err   error
	since time.Time
}

// Open opens the ledger of db and begins it when there is none. It starts its goroutines; Close stops them. The database is the
// caller's to close, after the ledger. Errors: vault.ErrTopKey, vault.ErrKeyFile,
// ErrSigningKey.
func Open(db *store.DB, opts Options) (*Ledger, error) {
	opts.defaults()
	v, err := openVault(db, opts.TopKey)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	l := &Ledger{
		db: db, opts: opts, vault: v, tagKey: v.MAC(), place: v.MAC(),
		entries: make(chan *pending, opts.Queue), queue: make(chan *pending, 1024),
		wake: make(chan struct{}, 1), giveUp: make(chan struct{}), heads: make(chan []byte, 1), changed: make(chan struct{}),
		stopped: make(chan struct{}), ending: make(chan struct{}), broken: make(chan struct{}),
	}
	l.sealers.New = func() any { return record.NewSealer() }
	l.pendings.New = func() any { return new(pending) }
	l.dones.New = func() any { return make(chan error, 1) }
	w, err := l.open()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), v.Close())
	}
	l.anchors.Go(l.publish)
	l.writer.Go(w.run)
	l.sealer.Go(l.sealEntries)
	return l, nil
}

// openVault opens the keys of the ledger that db holds, or makes them for a new one.
func openVault(db *store.DB, top vault.Source) (*vault.Vault, error) {
	path := filepath.Join(db.Dir(), vault.FileName)
	begun := false
	err := db.View(func(tx *store.Tx) error {
		b := tx.Bucket(root)
		begun = b != nil && len(b.Get([]byte(kOrigin))) > 0
		return nil
	})
	if err != nil {
		return nil, err
	}
	made, err := vault.Made(path)
	if err != nil {
		return nil, err
	}
	var v *vault.Vault
	if begun && !made {
		err = fmt.Errorf("%w: %s is missing or empty, and the ledger in %s was begun with one", vault.ErrKeyFile, path, db.Path())
	} else {
		v, err = vault.Open(path, top)
	}
	if errors.Is(err, vault.ErrKeyFile) {
		err = fmt.Errorf("%w: put back %s from a backup (it is in the tar file), or move %s elsewhere to begin a new ledger", err, vault.FileName, store.FileName)
	}
	return v, err
}

func (l *Ledger) open() (*writer, error) {
	var s state
	var origin, public string
	var erasing []byte
	if err := l.ensure(); err != nil {
		return nil, err
	}
	err := l.db.View(func(tx *store.Tx) (err error) {
		if s, err = readState(tx); err != nil {
			return err
		}
		b := tx.Bucket(root)
		origin, public = string(b.Get([]byte(kOrigin))), string(b.Get([]byte(kPublic)))
		erasing = bytes.Clone(tx.Bucket(root, bErasing).Get([]byte(kErasing)))
		return nil
	})
	if err != nil {
		return nil, err
	}
	// The keys of an erasure that was killed go before anything can be read; it is put on record further below.
	unfinished := parseErasure(string(erasing))
	if err := l.vault.Destroy(unfinished.Keys...); err != nil {
		return nil, err
	}
	if err := l.loadSigner(public); err != nil {
		return nil, err
	}
	w := &writer{l: l, state: s, adder: usage.NewAdder(), placer: newPlacer(l.place)}
	err = l.db.View(func(tx *store.Tx) (err error) {
		if l.names, err = loadNames(tx, l.vault); err != nil {
			return err
		}
		return w.load(tx)
	})
	if err != nil {
		return nil, err
	}
	l.day.Store(max(s.day, usage.DayNumber(l.opts.Now())))
	l.size.Store(s.size)
	l.origin = origin
	if origin == "" {
		return w, l.begin(w)
	}
	if erasing != nil {
		return w, w.finishErasure(unfinished)
	}
	return w, nil
}

// ensure makes the buckets. A ledger that has them can be opened on a disk that may only be read.
func (l *Ledger) ensure() error {
	there := true
	err := l.db.View(func(tx *store.Tx) error {
		for _, name := range buckets() {
			there = there && tx.Bucket(root, name) != nil
		}
		return nil
	})
	if err != nil || there {
		return err
	}
	return l.db.Update(func(tx *store.Tx) error {
		for _, name := range buckets() {
			if _, err := tx.Ensure(root, name); err != nil {
				return err
			}
		}
		return usage.Ensure(tx)
	})
}

// begin writes the first entry of a new ledger, which says what it was begun after.
func (l *Ledger) begin(w *writer) error {
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails
	l.origin = "corral/" + hex.EncodeToString(id[:])
	what := "a new ledger"
	if d := l.db.Damage(); d != nil {
		what = "begun anew after damage: " + d.Reason
	}
	err := l.db.Update(func(tx *store.Tx) error {
		b := tx.Bucket(root)
		if err := b.Put([]byte(kOrigin), []byte(l.origin)); err != nil {
			return err
		}
		return b.Put([]byte(kPublic), []byte(l.public))
	})
	if err != nil {
		return err
	}
	if last, _ := l.anchoredHeads(); last != nil {
		w.follows = last.Origin
		what += "; follows " + last.Origin
	}
	p, err := l.sealEvent(record.Begin, what, 0)
	if err != nil {
		return err
	}
	w.headDue = true
	return w.commit([]*pending{p})
}

// loadSigner gets the key that signs heads, and makes it for a ledger that has none.
func (l *Ledger) loadSigner(public string) error {
	secret, err := l.opts.SigningKey.Load()
	switch {
	case errors.Is(err, vault.ErrNoSecret) && public == "":
		private, _, err := treehead.NewKey()
		if err != nil {
			return err
		}
		secret = []byte(private)
		if err := l.opts.SigningKey.Save(secret); err != nil {
			return fmt.Errorf("keep a new signing key: %w", err)
		}
	case errors.Is(err, vault.ErrNoSecret):
		return fmt.Errorf("%w: %s holds none, yet this ledger was begun with one: bring it back; or %s", ErrSigningKey, l.opts.SigningKey.Where(), vault.Anew)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrSigningKey, l.opts.SigningKey.Where(), err)
	}
	if l.opts.SigningKey.Kind() == "credential" && len(secret) == 32 {
		private, err := treehead.FromSeed([32]byte(secret))
		if err != nil {
			return err
		}
		secret = []byte(private)
	}
	if l.public, err = treehead.Public(string(secret)); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrSigningKey, l.opts.SigningKey.Where(), err)
	}
	if public != "" && public != l.public {
		return fmt.Errorf("%w: %s holds another key (%s) than the one this ledger was begun with (%s); give back the key that was there", ErrSigningKey, l.opts.SigningKey.Where(), l.public, public)
	}
	if l.signer, err = note.NewSigner(string(secret)); err != nil {
		return err
	}
	l.verifier, err = note.NewVerifier(l.public)
	return err
}

// Close takes no more entries, writes those that wait, signs a last head and gives it to the anchors. When the disk is broken it
// gives up as ctx ends, and says how many entries it could not write.
func (l *Ledger) Close(ctx context.Context) error {
	l.closeOnce.Do(func() { go l.stop() })
	select {
	case <-l.stopped:
	case <-ctx.Done():
		l.giveUpOnce.Do(func() { close(l.giveUp) })
		<-l.stopped
	}
	return errors.Join(l.writerErr, l.closeErr)
}

// stop ends the goroutines in the order in which entries pass them.
func (l *Ledger) stop() {
	defer close(l.stopped)
	close(l.ending)
	l.closing.Lock()
	l.closed = true
	close(l.entries)
	l.closing.Unlock()
	l.sealer.Wait()
	close(l.queue)
	l.writer.Wait()
	close(l.heads)
	l.anchors.Wait()
	l.closeErr = l.vault.Close()
}

// Err is nil while the ledger can be written, and tells why when it cannot: for readiness, and to refuse a call before it costs.
func (l *Ledger) Err() error {
	if f := l.failure.Load(); f != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, f.err)
	}
	return nil
}

// PublicKey is what checks tree heads and proofs, in the text form of package note.
func (l *Ledger) PublicKey() string { return l.public }

// Size is how many entries were ever written.
func (l *Ledger) Size() uint64 { return l.size.Load() }

// Status is what an operator should know.
type Status struct {
	Origin       string         `json:"origin"`
	PublicKey    string         `json:"public_key"`
	TopKey       string         `json:"top_key"`     // where it is kept
	SigningKey   string         `json:"signing_key"` // likewise
	Entries      uint64         `json:"entries"`     // kept
	Next         uint64         `json:"next"`        // number of the next entry
	Pruned       uint64         `json:"pruned"`      // entries below are gone
	ContentBelow uint64         `json:"content_below"`
	EntryBytes   uint64         `json:"entry_bytes"`
	ContentBytes uint64         `json:"content_bytes"`
	FileBytes    int64          `json:"file_bytes"`
	Waiting      int            `json:"waiting"`     // entries in memory
	Lag          float64        `json:"lag_seconds"` // since the end of the oldest call whose entry is being written; 0: none is
	Failures     uint64         `json:"failures"`    // commits that failed since the start
	Failing      string         `json:"failing,omitempty"`
	FailingSince time.Time      `json:"failing_since,omitzero"`
	Missed       uint64         `json:"missed,omitempty"` // calls of the gap that is not yet recorded
	TornKeys     int            `json:"torn_keys,omitempty"`
	Anchors      []AnchorStatus `json:"anchors,omitempty"`
}

// Status reads it.
func (l *Ledger) Status() (Status, error) {
	s := Status{
		Origin: l.origin, PublicKey: l.public, TopKey: l.vault.Where(), SigningKey: l.opts.SigningKey.Where(),
		Waiting: len(l.entries) + len(l.queue), Missed: l.gap.count(), TornKeys: l.vault.Torn(), Anchors: l.anchored.status(),
	}
	if oldest := l.writing.Load(); oldest != 0 {
		s.Lag = max(0, l.opts.Now().Sub(time.UnixMicro(oldest)).Seconds())
	}
	s.Failures = l.failures.Load()
	if f := l.failure.Load(); f != nil {
		s.Failing, s.FailingSince = f.err.Error(), f.since
	}
	err := l.db.View(func(tx *store.Tx) error {
		on, err := readState(tx)
		s.Next, s.Pruned, s.ContentBelow = on.size, on.pruned, on.contentBelow
		s.Entries, s.EntryBytes, s.ContentBytes, s.FileBytes = on.size-on.pruned, on.entryBytes, on.contentBytes, tx.Size()
		return err
	})
	return s, err
}
