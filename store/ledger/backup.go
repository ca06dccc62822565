package ledger

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/vault"
)

// A backup is a tar file: the database, then the key file, then a manifest with their hashes. The keys in it are wrapped; the top key
// and the signing key are not in it.
const (
	manifestName = "manifest.json"
	backupFormat = "corral-backup/1"
)

// Manifest says what a backup holds.
type Manifest struct {
	Format  string            `json:"format"`
	Made    time.Time         `json:"made"`
	Origin  string            `json:"origin"`
	Entries uint64            `json:"entries"` // at least
	SHA256  map[string]string `json:"sha256"`
}

// Backup writes a consistent state of the whole data folder's database and keys to w, while calls go on.
func (l *Ledger) Backup(ctx context.Context, w io.Writer) (Manifest, error) {
	m := Manifest{Format: backupFormat, Made: l.opts.Now().UTC(), Origin: l.origin, Entries: l.Size(), SHA256: map[string]string{}}
	l.upkeep.RLock() // the keys must not lose what the database's state still needs
	defer l.upkeep.RUnlock()
	out := tar.NewWriter(w)
	sum := sha256.New()
	err := l.db.Backup(writerFunc(func(p []byte) (int, error) {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		sum.Write(p)
		return out.Write(p)
	}), func(size int64) error { return out.WriteHeader(header(store.FileName, size, m.Made)) })
	if err != nil {
		return m, fmt.Errorf("back up: %w", err)
	}
	m.SHA256[store.FileName] = hexSum(sum)
	// The keys come after the database's state: all that it was sealed under are in them.
	keys, err := l.vault.Snapshot()
	if err != nil {
		return m, fmt.Errorf("back up keys: %w", err)
	}
	sum.Reset()
	sum.Write(keys)
	m.SHA256[vault.FileName] = hexSum(sum)
	manifest, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return m, err
	}
	for _, f := range []struct {
		name string
		data []byte
	}{{vault.FileName, keys}, {manifestName, manifest}} {
		if err := out.WriteHeader(header(f.name, int64(len(f.data)), m.Made)); err != nil {
			return m, fmt.Errorf("back up: %w", err)
		}
		if _, err := out.Write(f.data); err != nil {
			return m, fmt.Errorf("back up: %w", err)
		}
	}
	return m, out.Close()
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func header(name string, size int64, made time.Time) *tar.Header {
	return &tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: made, Format: tar.FormatPAX}
}

func hexSum(h hash.Hash) string { return hex.EncodeToString(h.Sum(nil)) }

// Restored is what Restore did.
type Restored struct {
	Manifest Manifest `json:"manifest"`
	Entries  uint64   `json:"entries"`  // that came back
	GivenUp  uint64   `json:"given_up"` // anchored entries that the backup does not have
	Kept     []string `json:"kept"`     // files that were there before, under their new names
}

// Restore puts a backup in place of what the data folder holds; no process may have it open. It says so in the restored ledger and to
// the anchors. Keys that were destroyed since the backup was made stay destroyed when the folder still has its key file: what was
// erased does not come back. check is that of store.Options; opts are those of Open. A restore that fails changes nothing: a folder with a
// backup that cannot be used, since it needs another top key, say, could not be opened at the next start either.
func Restore(ctx context.Context, dir string, r io.Reader, check func(string, bool) error, opts Options) (Restored, error) {
	b, err := Unpack(dir, r)
	if err != nil {
		return Restored{}, err
	}
	defer b.Close()
	return b.Restore(ctx, check, opts)
}

// Unpacked is a backup that has been read whole and lies in the data folder, where Restore can put it to use.
type Unpacked struct {
	dir      string
	db       *os.File
	keys     []byte
	manifest Manifest
}

// Unpack reads a backup for the data folder dir, which a process may have open meanwhile. Close must be called.
func Unpack(dir string, r io.Reader) (_ *Unpacked, err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("restore: %w", err)
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := os.CreateTemp(dir, "restore-*.db")
	if err != nil {
		return nil, err
	}
	b := &Unpacked{dir: dir, db: db}
	if b.keys, b.manifest, err = unpack(r, db); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

// Close removes what Unpack wrote.
func (b *Unpacked) Close() {
	_ = b.db.Close()
	_ = os.Remove(b.db.Name())
}

// Restore is the package's Restore for b. It may be called once.
func (b *Unpacked) Restore(ctx context.Context, check func(string, bool) error, opts Options) (Restored, error) {
	done, err := b.restore(ctx, check, opts)
	if err != nil {
		return done, fmt.Errorf("restore: %w", err)
	}
	return done, nil
}

func (b *Unpacked) restore(ctx context.Context, check func(string, bool) error, opts Options) (done Restored, err error) {
	dir, db, keys := b.dir, b.db, b.keys
	done.Manifest = b.manifest
	if _, err := db.Seek(0, io.SeekStart); err != nil {
		return done, err
	}
	rekeyed := salvage(dir)
	var undo []func() error
	defer func() { // after the ledger is closed
		if err != nil {
			for _, f := range slices.Backward(undo) {
				err = errors.Join(err, f())
			}
			done = Restored{}
		}
	}()
	kept, err := store.RestoreFile(dir, db, check)
	if err != nil {
		return done, err
	}
	undo = append(undo, putBack(filepath.Join(dir, store.FileName), kept))
	if kept != "" {
		done.Kept = append(done.Kept, kept)
	}
	path := filepath.Join(dir, vault.FileName)
	if !vault.SameKeys(path, keys) {
		kept := ""
		if _, err := os.Stat(path); err == nil {
			kept = store.Aside(path, "before-restore")
			if err := os.Rename(path, kept); err != nil {
				return done, err
			}
			done.Kept = append(done.Kept, kept)
		}
		undo = append(undo, putBack(path, kept))
		if err := store.WriteFile(path, keys); err != nil {
			return done, err
		}
	}
	s, err := store.Open(dir, store.Options{})
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	l, err := Open(s, opts)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, l.Close(ctx)) }()
	return done, l.afterRestore(ctx, &done, rekeyed)
}

// putBack gives path the file again that was there before and is called kept now, or none where there was none.
func putBack(path, kept string) func() error {
	return func() error {
		if kept != "" {
			return os.Rename(kept, path)
		}
		if err := os.Remove(path); !errors.Is(err, os.ErrNotExist) {
			return err
		}
		return nil
	}
}

func unpack(r io.Reader, db io.Writer) (keys []byte, m Manifest, err error) {
	sums := map[string]string{}
	in := tar.NewReader(r)
	for {
		h, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, m, fmt.Errorf("the backup cannot be read: %w", err)
		}
		sum := sha256.New()
		var into bytes.Buffer
		switch h.Name {
		case store.FileName:
			_, err = io.Copy(io.MultiWriter(db, sum), in)
		case vault.FileName, manifestName:
			_, err = io.Copy(io.MultiWriter(&into, sum), io.LimitReader(in, 1<<30))
		}
		if err != nil {
			return nil, m, fmt.Errorf("the backup cannot be read: %w", err)
		}
		sums[h.Name] = hexSum(sum)
		switch h.Name {
		case vault.FileName:
			keys = into.Bytes()
		case manifestName:
			if err := json.Unmarshal(into.Bytes(), &m); err != nil {
				return nil, m, fmt.Errorf("the backup's manifest cannot be read: %w", err)
			}
		}
	}
	if m.Format != backupFormat {
		return nil, m, fmt.Errorf("not a complete backup of the form %s", backupFormat)
	}
	for name, want := range m.SHA256 {
		if sums[name] != want {
			return nil, m, fmt.Errorf("the backup is damaged: %s is not what was backed up", name)
		}
	}
	return keys, m, nil
}

type salvaged struct {
	leaf tlog.Hash
	key  []byte
}

// salvage reads what an erasure since the backup left of an entry's neighbours: their keys, wrapped anew. Without them the neighbours
// would be lost together with the erased one. A folder whose database cannot be opened has nothing to give.
func salvage(dir string) map[uint64]salvaged {
	found := map[uint64]salvaged{}
	if _, err := os.Stat(filepath.Join(dir, store.FileName)); err != nil {
		return found
	}
	db, err := store.Open(dir, store.Options{})
	if err != nil {
		return found // RestoreFile says why, if it matters
	}
	defer func() { _ = db.Close() }()
	_ = db.View(func(tx *store.Tx) error {
		b, entries := tx.Bucket(root, bRekeyed), tx.Bucket(root, bEntries)
		if b == nil || entries == nil {
			return nil
		}
		return b.ForEach(func(k, v []byte) error {
			if seq, leaf, err := split(k, entries.Get(k)); err == nil {
				found[seq] = salvaged{tlog.RecordHash(leaf), bytes.Clone(v)}
			}
			return nil
		})
	})
	return found
}

// afterRestore puts the restore on record, in the ledger and at the anchors.
func (l *Ledger) afterRestore(ctx context.Context, done *Restored, rekeyed map[uint64]salvaged) error {
	last, own := l.anchoredHeads()
	return l.inWriter(ctx, func(w *writer) (err error) {
		done.Entries = w.state.size
		if w.kept, err = l.shared(own, w.state.size); err != nil {
			return err
		}
		w.givenUp = w.kept
		if n := len(own); n > 0 {
			w.givenUp = max(w.givenUp, own[n-1].Size)
		}
		done.GivenUp = w.givenUp - w.kept
		if last != nil && last.Origin != l.origin { // another ledger was begun here meanwhile, as after damage
			w.follows = last.Origin
		}
		if err := l.bringBack(rekeyed); err != nil {
			return err
		}
		gone, count, err := l.goneKeys()
		if err != nil {
			return err
		}
		what := fmt.Sprintf("the backup of %s was put in place; it has %d entries, %d anchored ones are given up",
			done.Manifest.Made.Format(time.RFC3339), w.state.size, done.GivenUp)
		w.headDue = true
		if err := w.event(record.Restore, what, w.state.size); err != nil {
			return err
		}
		if len(gone) == 0 {
			return nil
		}
		// They were destroyed on record, in entries that the backup does not have.
		note, err := json.Marshal(erasure{What: "person", Keys: gone, Count: count})
		if err != nil {
			return err
		}
		return w.event(record.Erase, string(note), 0)
	})
}

// shared is how many entries the restored ledger, of the given size, has in common with what was here before: a backup may be of entries
// that an earlier restore gave up, and then what was written since that restore is given up in its turn.
func (l *Ledger) shared(before []treehead.Head, size uint64) (kept uint64, err error) {
	var restores []int
	for i, h := range before {
		if h.GivenUp != 0 {
			restores = append(restores, i)
		}
	}
	kept = size
	err = l.db.View(func(tx *store.Tx) error {
		read := readHashes(tx)
		for i, h := range before {
			if h.Size > size || slices.ContainsFunc(restores, func(at int) bool { return i < at && h.Size > before[at].Kept }) {
				continue // not in the backup, or given up before
			}
			if hash, err := tlog.TreeHash(int64(h.Size), read); err == nil && hash != h.Hash { // an error: it was pruned
				kept = min(kept, h.Size-1)
			}
		}
		return nil
	})
	return kept, err
}

func (l *Ledger) bringBack(rekeyed map[uint64]salvaged) error {
	if len(rekeyed) == 0 {
		return nil
	}
	return l.db.Update(func(tx *store.Tx) error {
		b, entries := tx.Bucket(root, bRekeyed), tx.Bucket(root, bEntries)
		for seq, s := range rekeyed {
			_, leaf, err := split(be64(seq), entries.Get(be64(seq)))
			if err != nil || tlog.RecordHash(leaf) != s.leaf {
				continue // not in the backup
			}
			if err := b.Put(be64(seq), s.key); err != nil {
				return err
			}
		}
		return nil
	})
}

// goneKeys lists the keys that entries hang on and that are not there.
func (l *Ledger) goneKeys() (gone []record.KeyID, count int, err error) {
	seen := map[record.KeyID]bool{}
	err = l.eachKey(func(_ *store.Tx, _ uint64, _ *record.Record, id record.KeyID) error {
		if _, err := l.vault.Key(id); errors.Is(err, vault.ErrGone) {
			count++
			if !seen[id] && len(gone) < maxErasureKeys {
				seen[id] = true
				gone = append(gone, id)
			}
		}
		return nil
	})
	return gone, count, err
}
