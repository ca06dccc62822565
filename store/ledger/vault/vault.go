// Package vault keeps the ledger's keys in a small file of its own, so that a key can really be destroyed.
//
//	top key (Source: OS keyring, systemd credential or 0600 file)
//	└── wraps day keys and the ledger's own keys      corral.keys: slots of kind "system"
//	    └── a day key wraps that day's person keys    corral.keys: slots of kind "person"
//	        └── a person key gives each entry its key (package record)
//
// The file is a header and an array of slots of 128 bytes. A slot is written once, and destroyed by writing zeros over it: unlike a
// page of a copy-on-write database, no older generation of it stays behind. design.md in the folder above says why that holds.
//
// What surprises: a new key is in memory only until Flush. The ledger calls Flush before it commits entries sealed under it.
package vault

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"corral/store/ledger/record"
)

// FileName is the key file's name inside the data folder.
const FileName = "corral.keys"

const (
	headerSize = slotSize
	magic      = "corral keys 1\n"
	growSlots  = 256 // slots added at a time, so that room on the disk is there before it is needed
	cacheSize  = 4096
	noDay      = 0xFFFFFFFF // the ledger's own keys
)

// NameDay is the day under which Person keeps a person's name itself. It is no day, so retention does not reach it.
const NameDay = 0xFFFFFFFE

// The ledger's own keys.
const (
	System = "system" // seals events and names of models
	index  = "index"  // hashes persons' names
	mac    = "mac"    // the seal on each entry's place
)

var (
	// ErrTopKey is returned when the top key is not where it was, or is another one.
	ErrTopKey = errors.New("top key is not available")
	// ErrKeyFile is returned for a key file that has lost the keys which it was made with. Making new ones would hide that all that was
	// sealed under the old ones is lost.
	ErrKeyFile = errors.New("the key file has lost keys")
	// ErrGone is returned for a key that was destroyed.
	ErrGone = errors.New("key was destroyed")
)

// Anew is what remains to somebody whose key is gone, for the end of an error. A restore needs a Corral that runs.
const Anew = "move the data folder away, start anew with the keys of a backup, and restore that"

// Vault is the open key file. It is safe for many goroutines.
type Vault struct {
	source Source
	path   string

	mu       sync.RWMutex
	f        *os.File
	readOnly bool // f was opened for reading only; writing tries again
	top      ring
	slots    []*slot // nil: free or torn
	free     []int   // slots to be used next
	torn     []int   // slots that could not be read, and are left as they are
	byID     map[record.KeyID]int
	dayKeys  map[uint32]record.KeyID
	persons  map[place]record.KeyID
	cache    map[record.KeyID]record.Key
	recent   map[named]opened // what Person was asked for, since every call asks
	dirty    []int            // written in memory, not yet on disk
	system   record.Key
	index    record.Key
	mac      record.Key
	sysID    record.KeyID
}

// Who is whose key is asked for. Kind keeps a user apart from an app of the same name.
type Who struct {
	Kind, Name string
}

type named struct {
	day uint32
	who Who
}

type opened struct {
	id  record.KeyID
	key record.Key
}

type place struct {
	day   uint32
	owner owner
}

// Open opens the key file at path and makes it, with a fresh top key, when it is missing. It never makes a top key for a file that
// has one already: that would hide the loss of the old one.
func Open(path string, source Source) (*Vault, error) {
	v := &Vault{source: source, path: path}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		// On a disk that may only be read, what is there can be read.
		var rerr error
		if f, rerr = os.Open(path); rerr != nil {
			return nil, fmt.Errorf("open key file: %w", err)
		}
		v.readOnly = true
	}
	v.f = f
	if err := v.open(); err != nil {
		return nil, errors.Join(fmt.Errorf("open key file %s: %w", path, err), f.Close())
	}
	return v, nil
}

func (v *Vault) open() error {
	raw, err := io.ReadAll(v.f)
	if err != nil {
		return err
	}
	fresh, err := v.header(raw)
	if err != nil {
		return err
	}
	if err := v.loadTop(fresh); err != nil {
		return err
	}
	if fresh {
		raw = nil
	} else {
		raw = raw[headerSize:]
	}
	double := v.parse(raw)
	if err := v.ownKeys(fresh); err != nil {
		return err
	}
	if err := v.wipe(double); err != nil {
		return err
	}
	if err := v.flush(); err != nil {
		return err
	}
	if fresh {
		// The header comes last: until it is there, the file counts as never made.
		header := make([]byte, headerSize)
		copy(header, magic+v.source.Kind())
		if _, err := v.f.WriteAt(header, 0); err != nil {
			return err
		}
		if err := v.f.Sync(); err != nil {
			return err
		}
	}
	if len(v.top) > 1 {
		return v.finishRotation() // it was killed half way
	}
	return nil
}

// header says whether raw is the beginning of a file that was never made, and looks whether a made one is for this source.
func (v *Vault) header(raw []byte) (fresh bool, err error) {
	if len(raw) < headerSize || bytes.Equal(raw[:headerSize], make([]byte, headerSize)) {
		return true, nil
	}
	if !bytes.HasPrefix(raw, []byte(magic)) {
		return false, errors.New("not a key file of a version that this corral knows")
	}
	kind := string(bytes.TrimRight(raw[len(magic):headerSize], "\x00"))
	if kind != v.source.Kind() {
		return false, fmt.Errorf("%w: it was made with the top key in a place of kind %q, and this is %s: give that place back; or %s", ErrTopKey, kind, v.source.Where(), Anew)
	}
	return false, nil
}

func (v *Vault) loadTop(fresh bool) error {
	secret, err := v.source.Load()
	switch {
	case errors.Is(err, ErrNoSecret) && fresh:
		v.top = ring{newTopKey()}
		if err := v.source.Save(v.top.encode()); err != nil {
			return fmt.Errorf("keep a new top key: %w", err)
		}
		return nil
	case errors.Is(err, ErrNoSecret):
		return fmt.Errorf("%w: %s holds none, yet %s was made with one: bring it back; or %s", ErrTopKey, v.source.Where(), v.path, Anew)
	case err != nil:
		return fmt.Errorf("%w: %s: %w", ErrTopKey, v.source.Where(), err)
	}
	if v.source.Kind() == "credential" && len(secret) == 32 {
		// `head -c32 /dev/urandom | xxd -p -c64 | systemd-creds encrypt` gives a bare key; its hash serves as id.
		sum := sha256.Sum256(append([]byte("corral credential id"), secret...))
		v.top = ring{{id: fromBE64(sum[:]), key: [32]byte(secret)}}
		return nil
	}
	v.top, err = decodeRing(secret)
	if err != nil {
		return fmt.Errorf("%s: %w", v.source.Where(), err)
	}
	return nil
}

// parse takes in the slots, and returns those that are there twice.
func (v *Vault) parse(raw []byte) (double []int) {
	v.byID = map[record.KeyID]int{}
	v.dayKeys = map[uint32]record.KeyID{}
	v.persons = map[place]record.KeyID{}
	v.cache = map[record.KeyID]record.Key{}
	v.recent = map[named]opened{}
	for i := 0; (i+1)*slotSize <= len(raw); i++ {
		s, err := decodeSlot(raw[i*slotSize : (i+1)*slotSize])
		v.slots = append(v.slots, s)
		switch {
		case err != nil:
			v.torn = append(v.torn, i)
			continue
		case s == nil:
			v.free = append(v.free, i)
			continue
		}
		if other, ok := v.byID[s.id]; ok { // a rewrap was killed between the new slot and the old one's end
			if v.slots[other].generation > s.generation {
				double = append(double, i)
				continue
			}
			double = append(double, other)
		}
		v.byID[s.id] = i
	}
	for id, i := range v.byID {
		s := v.slots[i]
		switch {
		case s.kind == kindPerson:
			// Two keys of one person and day are there when an erasure was killed; any of them may serve new entries.
			v.persons[place{s.day, s.owner}] = id
		case s.day != noDay:
			v.dayKeys[s.day] = id
		}
	}
	return double
}

// ownKeys finds the ledger's own keys, or makes them for a fresh file. The header is written after them, so a file that has one has them.
func (v *Vault) ownKeys(fresh bool) error {
	for _, own := range []struct {
		name string
		key  *record.Key
		id   *record.KeyID
	}{{System, &v.system, &v.sysID}, {index, &v.index, nil}, {mac, &v.mac, nil}} {
		var found *slot
		for _, i := range v.byID {
			if s := v.slots[i]; s.kind == kindSystem && s.day == noDay && s.owner == ownerOf(own.name) {
				found = s
			}
		}
		if found == nil && !fresh {
			return fmt.Errorf("%w: the ledger's own are not there; it was cut or written over", ErrKeyFile)
		}
		if found == nil {
			s, key, err := v.add(kindSystem, noDay, ownerOf(own.name))
			if err != nil {
				return err
			}
			*own.key = key
			found = s
		} else {
			key, err := v.open1(found)
			if err != nil {
				return fmt.Errorf("%w: %s holds another key than the one this file was made with; give back the key that was there", ErrTopKey, v.source.Where())
			}
			*own.key = key
		}
		if own.id != nil {
			*own.id = found.id
		}
	}
	return nil
}

func ownerOf(name string) (o owner) { copy(o[:], name); return o }

// Where says where the top key is, for a person.
func (v *Vault) Where() string { return v.source.Where() }

// Torn counts slots that cannot be read. They stay as they are: what they held is lost, and verify says which entries miss it.
func (v *Vault) Torn() int { return len(v.torn) }

// Snapshot returns the key file as it is now, for a backup. Keys stay wrapped: without the top key it opens nothing.
func (v *Vault) Snapshot() ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.flush(); err != nil {
		return nil, err
	}
	info, err := v.f.Stat()
	if err != nil {
		return nil, err
	}
	b := make([]byte, info.Size())
	if _, err := v.f.ReadAt(b, 0); err != nil {
		return nil, err
	}
	return b, nil
}

// Close forgets the keys and lets go of the file.
func (v *Vault) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.cache)
	clear(v.recent)
	return v.f.Close()
}
