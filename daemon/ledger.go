package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"sync"
	"time"

	"corral/daemon/anchor"
	"corral/daemon/config"
	"corral/daemon/outbound"
	"corral/store"
	"corral/store/keys"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/usage"
)

// ledgerPatience bounds the last writing of a ledger whose disk is broken.
const ledgerPatience = 10 * time.Second

// AnchorFile is where the ledger's signed heads go unless audit.anchors names another file, in the data folder.
const AnchorFile = "anchor.log"

// books are the database and what is open in it. A restore exchanges all of them while calls go on: entries wait in memory
// until the new ledger is there.
type books struct {
	mu      sync.RWMutex // guards what follows; held for writing only to exchange it
	db      *store.DB
	keys    *keys.Set
	ledger  *ledger.Ledger // nil while it is being exchanged
	lost    error          // why there is none any more; nil: there is, or will be
	waiting []record.Entry
}

// maxWaiting bounds the entries that wait while the ledger is being exchanged.
const maxWaiting = 8192

var errExchanging = errors.New("a backup is being restored; try again in a moment")

// openBooks opens the database and what is in it. When that fails, the books stay as they were.
func (d *Daemon) openBooks(c config.Config) error {
	db, err := store.Open(d.o.DataDir, store.Options{Check: d.o.Check})
	if err != nil {
		return err
	}
	if damage := db.Damage(); damage != nil {
		d.log.Error(damage.String())
	}
	ks, err := keys.Open(db, nil)
	if err != nil {
		return errors.Join(fmt.Errorf("open keys: %w", err), db.Close())
	}
	o, err := d.ledgerOptions(c)
	var l *ledger.Ledger
	if err == nil {
		l, err = ledger.Open(db, o)
	}
	if err != nil {
		return errors.Join(err, db.Close())
	}
	d.books.db, d.books.keys, d.books.ledger = db, ks, l
	return nil
}

func (d *Daemon) ledgerOptions(c config.Config) (ledger.Options, error) {
	top, signing, err := ledger.Keys(ledger.Places{Credentials: config.Credentials(), Keyring: d.o.Keyring, Dir: d.o.DataDir})
	if err != nil {
		return ledger.Options{}, fmt.Errorf("open ledger: %w", err)
	}
	o := ledger.Options{TopKey: top, SigningKey: signing, KeepContent: c.Audit.Content == "encrypted", OnFailure: ledger.Continue, Log: d.log}
	readable := false
	for _, place := range c.Audit.Anchors {
		a, err := anchor.Open(place, outbound.Options{Proxy: config.Proxy})
		if err != nil {
			return ledger.Options{}, err
		}
		_, ok := a.(treehead.Reader)
		readable = readable || ok
		o.Anchors = append(o.Anchors, a)
	}
	if !readable { // verify and a new beginning look at what can be read back
		o.Anchors = append(o.Anchors, treehead.File{Path: filepath.Join(d.o.DataDir, AnchorFile)})
	}
	if c.Audit.OnFailure == "refuse" {
		o.OnFailure = ledger.Refuse
	}
	return o, nil
}

// close writes what waits and lets go of the file.
func (b *books) close() error {
	if b.ledger == nil { // a restore lost it, and has said so
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), ledgerPatience)
	defer cancel()
	err := b.ledger.Close(ctx)
	if err != nil {
		err = fmt.Errorf("close ledger: %w", err)
	}
	return errors.Join(err, b.keys.Flush(), b.db.Close())
}

// Append implements meter.Ledger.
func (b *books) Append(e record.Entry) error {
	b.mu.RLock()
	if b.ledger != nil {
		defer b.mu.RUnlock()
		return b.ledger.Append(e)
	}
	b.mu.RUnlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.ledger != nil:
		return b.ledger.Append(e)
	case b.lost != nil:
		return b.lost
	case len(b.waiting) >= maxWaiting:
		return ledger.ErrUnavailable
	}
	b.waiting = append(b.waiting, e)
	return nil
}

// AppendStrict implements meter.Ledger.
func (b *books) AppendStrict(ctx context.Context, e record.Entry) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ledger == nil {
		return cmp.Or(b.lost, ledger.ErrUnavailable)
	}
	return b.ledger.AppendStrict(ctx, e)
}

// Err implements meter.Ledger.
func (b *books) Err() error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ledger == nil {
		return b.lost
	}
	return b.ledger.Err()
}

// open is the ledger in use.
func (b *books) open() (*ledger.Ledger, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if b.ledger == nil {
		return nil, cmp.Or(b.lost, fmt.Errorf("%w: %w", ledger.ErrUnavailable, errExchanging))
	}
	return b.ledger, nil
}

// Lookup implements auth.Keys.
func (b *books) Lookup(secret string) (keys.Key, bool) { return b.keySet().Lookup(secret) }

// Create implements admin.Keys.
func (b *books) Create(name string, o keys.Options) (string, keys.Key, error) {
	return b.keySet().Create(name, o)
}

// Revoke implements admin.Keys.
func (b *books) Revoke(idOrName string) (keys.Key, error) { return b.keySet().Revoke(idOrName) }

// List implements admin.Keys.
func (b *books) List() []keys.Key { return b.keySet().List() }

func (b *books) keySet() *keys.Set {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.keys
}

// usage is the ledger's report, with all in it that was appended before. A ledger that cannot be written is asked for what
// it has.
func (b *books) usage(ctx context.Context, q usage.Query) (*usage.Report, error) {
	l, err := b.open()
	if err != nil {
		return nil, err
	}
	if l.Err() == nil {
		if err := l.Flush(ctx); err != nil && l.Err() == nil {
			return nil, err
		}
	}
	return l.Usage(q)
}

// damage is what happened to the database before it was opened; nil: nothing.
func (b *books) damage() *store.Damage {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.db.Damage()
}

// restore puts a backup in place of what the data folder holds, while calls go on.
func (d *Daemon) restore(ctx context.Context, backup io.Reader) (done ledger.Restored, err error) {
	d.restoring.Lock()
	defer d.restoring.Unlock()
	defer d.budgets.Reread(context.WithoutCancel(ctx)) // the ledger may know of other calls now
	return d.exchange(ctx, backup)
}

func (d *Daemon) exchange(ctx context.Context, backup io.Reader) (done ledger.Restored, err error) {
	o, err := d.ledgerOptions(d.config.Started())
	if err != nil {
		return done, err
	}
	unpacked, err := ledger.Unpack(d.o.DataDir, backup) // first, for it comes as fast as its sender likes
	if err != nil {
		return done, err
	}
	defer unpacked.Close()
	b := &d.books
	b.mu.Lock()
	old := b.ledger
	b.ledger = nil
	b.mu.Unlock()
	if old == nil { // a restore before this one lost it
		return done, b.lost
	}
	closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), ledgerPatience)
	err = errors.Join(old.Close(closing), b.keySet().Flush(), b.db.Close())
	cancel()
	if err == nil {
		check := d.o.Check
		if check == nil {
			check = func(string, bool) error { return nil }
		}
		done, err = unpacked.Restore(ctx, check, o)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if again := d.openBooks(d.config.Started()); again != nil {
		d.log.Error("the ledger cannot be opened again; restart Corral", "cause", again)
		b.lost = fmt.Errorf("%w: it cannot be opened again after a restore; restart Corral: %w", ledger.ErrUnavailable, again)
		return done, errors.Join(err, again)
	}
	for _, e := range b.waiting {
		if aerr := b.ledger.Append(e); aerr != nil {
			d.log.Error("an entry that waited for the restored ledger was lost", "request_id", e.RequestID, "cause", aerr)
		}
	}
	b.waiting = nil
	return done, err
}

// upkeep is how often keys' last uses are noted, and how often what is too old is looked for.
const (
	noteUses   = time.Minute
	lookForOld = time.Hour
)

// keepBooks does what the books need now and then.
func (d *Daemon) keepBooks(ctx context.Context) {
	uses, old := time.NewTicker(noteUses), time.NewTicker(lookForOld)
	defer uses.Stop()
	defer old.Stop()
	d.retain(ctx) // a machine that is seldom on for an hour has its limits kept too
	for {
		select {
		case <-ctx.Done():
			return
		case <-uses.C:
			if err := d.books.keySet().Flush(); err != nil {
				d.log.Warn("cannot note when keys were used", "cause", err)
			}
		case <-old.C:
			d.retain(ctx)
		}
	}
}

// retain removes what the ledger has kept for long enough, or what is too much. It is done at start, each hour, and when the operator
// asks; not at once when the config changes, so that a slip of the pen there can be put right.
func (d *Daemon) retain(ctx context.Context) (done ledger.Retained, err error) {
	l, err := d.books.open()
	if err != nil {
		return done, err
	}
	a := d.config.Current().Audit
	done, err = l.Retain(ctx, ledger.Retention{ContentAge: time.Duration(a.Retention), ContentBytes: uint64(a.MaxContent), EntryAge: time.Duration(a.KeepEntries), EntryBytes: uint64(a.MaxEntries)})
	if err != nil && ctx.Err() == nil && !errors.Is(err, ledger.ErrClosed) { // closed: a backup is being restored
		d.log.Error("cannot remove from the ledger what is beyond its limits", "cause", err)
	} else if done.Changed {
		d.log.Info("removed from the ledger what was beyond its limits", "content_below", done.ContentBelow, "entries_below", done.EntriesBelow)
	}
	return done, err
}

// secret is a key for purpose that comes from the ledger's own.
func (b *books) secret(purpose string) [32]byte {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.ledger.Secret(purpose)
}
