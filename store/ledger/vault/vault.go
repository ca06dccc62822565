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
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
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

// Made says whether there is a whole key file at path, or the beginnings of none.
func Made(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(f, header); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return bytes.HasPrefix(header, []byte(magic)), nil
}

func (v *Vault) open() error {
	raw, err := io.ReadAll(v.f)
	if err != nil {
		return err
	}
	fresh := len(raw) < headerSize || bytes.Equal(raw[:headerSize], make([]byte, headerSize))
	if !fresh {
		if !bytes.HasPrefix(raw, []byte(magic)) {
			return errors.New("not a key file of a version that this corral knows")
		}
		kind := string(bytes.TrimRight(raw[len(magic):headerSize], "\x00"))
		if kind != v.source.Kind() {
			return fmt.Errorf("%w: it was made with the top key in a place of kind %q, and this is %s: give that place back, or restore a backup made with keys", ErrTopKey, kind, v.source.Where())
		}
	}
	if err := v.loadTop(fresh); err != nil {
		return err
	}
	if fresh {
		raw = nil
	} else {
		raw = raw[headerSize:]
	}
	if err := v.parse(raw); err != nil {
		return err
	}
	if err := v.ownKeys(fresh); err != nil {
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
		return fmt.Errorf("%w: %s holds none, yet %s was made with one: bring it back, or restore a backup made with keys", ErrTopKey, v.source.Where(), v.path)
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

func (v *Vault) parse(raw []byte) error {
	v.byID = map[record.KeyID]int{}
	v.dayKeys = map[uint32]record.KeyID{}
	v.persons = map[place]record.KeyID{}
	v.cache = map[record.KeyID]record.Key{}
	v.recent = map[named]opened{}
	var double []int
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
	return v.wipe(double)
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
				return fmt.Errorf("%w: %s holds another key than the one this file was made with", ErrTopKey, v.source.Where())
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

// parentKey finds the key that wraps s. The caller holds mu.
func (v *Vault) parentKey(s *slot) (record.Key, error) {
	if s.kind == kindPerson {
		i, ok := v.byID[record.KeyID(s.parent)]
		if !ok {
			return record.Key{}, ErrGone
		}
		return v.open1(v.slots[i])
	}
	for _, k := range v.top {
		if k.id == s.parent {
			return k.key, nil
		}
	}
	return record.Key{}, ErrTopKey
}

func (v *Vault) open1(s *slot) (record.Key, error) {
	if k, ok := v.cache[s.id]; ok {
		return k, nil
	}
	under, err := v.parentKey(s)
	if err != nil {
		return record.Key{}, err
	}
	key, err := s.unwrap(&under)
	if err != nil {
		return record.Key{}, err
	}
	if len(v.cache) >= cacheSize {
		clear(v.cache)
	}
	v.cache[s.id] = key
	return key, nil
}

// add makes a key, wrapped and in a free slot, in memory. The caller holds mu for writing, or is Open.
func (v *Vault) add(kind byte, day uint32, who owner) (*slot, record.Key, error) {
	s := &slot{kind: kind, day: day, id: record.KeyID(randomID()), owner: who, generation: 1}
	var key record.Key
	_, _ = rand.Read(key[:]) // never fails
	coming := v.top[len(v.top)-1]
	parent, under := coming.id, record.Key(coming.key)
	if kind == kindPerson {
		dayID, ok := v.dayKeys[day]
		if !ok {
			d, _, err := v.add(kindSystem, day, owner{})
			if err != nil {
				return nil, key, err
			}
			dayID = d.id
			v.dayKeys[day] = dayID
		}
		dayKey, err := v.open1(v.slots[v.byID[dayID]])
		if err != nil {
			return nil, key, fmt.Errorf("day key: %w", err)
		}
		parent, under = uint64(dayID), dayKey
	}
	if err := s.wrap(parent, &under, &key); err != nil {
		return nil, key, err
	}
	v.place(s)
	v.cache[s.id] = key
	return s, key, nil
}

// place puts the key in a free slot, in memory.
func (v *Vault) place(s *slot) {
	if len(v.free) == 0 {
		n := len(v.slots)
		v.slots = append(v.slots, make([]*slot, growSlots)...)
		for i := range growSlots {
			v.free = append(v.free, n+growSlots-1-i)
		}
	}
	i := v.free[len(v.free)-1]
	v.free = v.free[:len(v.free)-1]
	v.slots[i] = s
	v.byID[s.id] = i
	v.dirty = append(v.dirty, i)
}

// Person returns the key of a person for a day (days since 1970-01-01 UTC), and makes it when there is none. Its first use needs a
// Flush before anything sealed under it may be written.
func (v *Vault) Person(day uint32, who Who) (record.KeyID, record.Key, error) {
	asked := named{day, who}
	v.mu.RLock()
	known, ok := v.recent[asked]
	v.mu.RUnlock()
	if ok {
		return known.id, known.key, nil
	}
	at := place{day, v.owner(who)}
	v.mu.Lock()
	defer v.mu.Unlock()
	id, ok := v.persons[at]
	var key record.Key
	var err error
	if ok {
		key, err = v.open1(v.slots[v.byID[id]])
	} else {
		var s *slot
		if s, key, err = v.add(kindPerson, day, at.owner); err == nil {
			id = s.id
			v.persons[at] = id
		}
	}
	if err != nil {
		return 0, key, fmt.Errorf("key of a person: %w", err)
	}
	if len(v.recent) >= cacheSize {
		clear(v.recent)
	}
	v.recent[asked] = opened{id, key}
	return id, key, nil
}

// owner is a keyed hash: the key file alone tells no names.
func (v *Vault) owner(who Who) (o owner) {
	h := hmac.New(sha256.New, v.index[:])
	h.Write([]byte(who.Kind + "\x00" + who.Name))
	copy(o[:], h.Sum(nil))
	return o
}

// Renew gives a person a fresh key for the day of the given one. The old key stays readable until it is destroyed.
func (v *Vault) Renew(old record.KeyID) (record.KeyID, record.Key, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i, ok := v.byID[old]
	if !ok {
		return 0, record.Key{}, ErrGone
	}
	s, key, err := v.add(kindPerson, v.slots[i].day, v.slots[i].owner)
	if err != nil {
		return 0, key, err
	}
	clear(v.recent)
	v.persons[place{s.day, s.owner}] = s.id
	return s.id, key, nil
}

// Key returns a person's key or the system's. Errors: ErrGone.
func (v *Vault) Key(id record.KeyID) (record.Key, error) {
	v.mu.RLock()
	key, ok := v.cache[id]
	v.mu.RUnlock()
	if ok {
		return key, nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	i, ok := v.byID[id]
	if !ok {
		return key, ErrGone
	}
	return v.open1(v.slots[i])
}

// System returns the key for what belongs to no person.
func (v *Vault) System() (record.KeyID, record.Key) { return v.sysID, v.system }

// MAC returns the key for the seal on each entry's place.
func (v *Vault) MAC() record.Key { return v.mac }

// Of lists the keys of a person, of all days.
func (v *Vault) Of(person Who) []record.KeyID {
	who := v.owner(person)
	v.mu.RLock()
	defer v.mu.RUnlock()
	var ids []record.KeyID
	for id, i := range v.byID {
		if s := v.slots[i]; s.kind == kindPerson && s.owner == who {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// All lists all keys that are left.
func (v *Vault) All() []record.KeyID {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return slices.Sorted(maps.Keys(v.byID))
}

// Before lists all keys of days before the given one.
func (v *Vault) Before(day uint32) []record.KeyID {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var ids []record.KeyID
	for id, i := range v.byID {
		if s := v.slots[i]; s.day < day {
			ids = append(ids, id)
		}
	}
	return ids
}

// Day returns the day of a person's key; false for other keys and for those that are gone.
func (v *Vault) Day(id record.KeyID) (uint32, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	i, ok := v.byID[id]
	if !ok || v.slots[i].kind != kindPerson {
		return 0, false
	}
	return v.slots[i].day, true
}

// Flush writes new keys to disk. It is cheap when there are none.
func (v *Vault) Flush() error {
	v.mu.RLock()
	n := len(v.dirty)
	v.mu.RUnlock()
	if n == 0 {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.flush()
}

func (v *Vault) flush() error {
	if len(v.dirty) == 0 {
		return nil
	}
	if err := v.toWrite(); err != nil {
		return err
	}
	size := int64(headerSize + len(v.slots)*slotSize)
	if info, err := v.f.Stat(); err != nil {
		return err
	} else if info.Size() < size {
		if _, err := v.f.WriteAt(make([]byte, size-info.Size()), info.Size()); err != nil {
			return fmt.Errorf("grow key file: %w", err)
		}
	}
	for _, i := range v.dirty {
		s := v.slots[i]
		if s == nil {
			continue // destroyed before it was ever written
		}
		if _, err := v.f.WriteAt(s.encode(), at(i)); err != nil {
			return fmt.Errorf("write key: %w", err)
		}
	}
	if err := v.f.Sync(); err != nil {
		return fmt.Errorf("sync key file: %w", err)
	}
	v.dirty = nil
	return nil
}

func at(i int) int64 { return headerSize + int64(i)*slotSize }

// Destroy overwrites keys. After it returns without error nothing sealed under them alone can be read by anyone. An id that is not
// there is no error: an erasure that was killed is done again.
func (v *Vault) Destroy(ids ...record.KeyID) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	var slots []int
	for _, id := range ids {
		if i, ok := v.byID[id]; ok {
			slots = append(slots, i)
		}
	}
	// The disk first: when it fails, the keys are still known here and the next try finds them.
	gone := make([]*slot, len(slots))
	for n, i := range slots {
		gone[n] = v.slots[i]
	}
	if err := v.wipe(slots); err != nil {
		return err
	}
	for _, s := range gone {
		if v.persons[place{s.day, s.owner}] == s.id {
			delete(v.persons, place{s.day, s.owner})
		}
		if v.dayKeys[s.day] == s.id {
			delete(v.dayKeys, s.day)
		}
		delete(v.cache, s.id)
		delete(v.byID, s.id)
	}
	clear(v.recent)
	return nil
}

// toWrite makes the file ready to be written. The caller holds mu for writing, or is Open.
func (v *Vault) toWrite() error {
	if !v.readOnly {
		return nil
	}
	f, err := os.OpenFile(v.path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	_ = v.f.Close()
	v.f, v.readOnly = f, false
	return nil
}

// wipe writes zeros over slots, first random bytes for disks that squeeze zeros away.
func (v *Vault) wipe(slots []int) error {
	if len(slots) == 0 {
		return nil
	}
	if err := v.toWrite(); err != nil {
		return err
	}
	noise := make([]byte, slotSize)
	for _, fill := range []func(){func() { _, _ = rand.Read(noise) }, func() { clear(noise) }} {
		for _, i := range slots {
			fill()
			if _, err := v.f.WriteAt(noise, at(i)); err != nil {
				return fmt.Errorf("destroy key: %w", err)
			}
		}
		if err := v.f.Sync(); err != nil {
			return fmt.Errorf("destroy key: %w", err)
		}
	}
	for _, i := range slots {
		v.slots[i] = nil
		v.free = append(v.free, i)
	}
	return nil
}

// Rotate exchanges the top key. Each key wrapped by the old one is written anew under the new one beside it, and only then is the old
// slot destroyed; the source holds both top keys meanwhile. Killed at any point, the next Open carries on. Errors: ErrReadOnly.
func (v *Vault) Rotate() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.top) == 1 {
		both := ring{v.top[0], newTopKey()}
		if err := v.source.Save(both.encode()); err != nil {
			return fmt.Errorf("rotate top key: %w", err)
		}
		v.top = both
	}
	return v.finishRotation()
}

func (v *Vault) finishRotation() error {
	coming := v.top[len(v.top)-1]
	under := record.Key(coming.key)
	var old []int
	for i, s := range v.slots {
		if s != nil && s.kind == kindSystem && s.parent != coming.id {
			old = append(old, i)
		}
	}
	for _, i := range old {
		s := v.slots[i]
		if v.byID[s.id] != i {
			continue // rewrapped in an attempt that failed later
		}
		key, err := v.open1(s)
		if err != nil {
			return fmt.Errorf("rewrap key: %w", err)
		}
		anew := &slot{kind: s.kind, day: s.day, id: s.id, owner: s.owner, generation: s.generation + 1}
		if err := anew.wrap(coming.id, &under, &key); err != nil {
			return err
		}
		v.place(anew)
	}
	if err := v.flush(); err != nil {
		return err
	}
	if err := v.wipe(old); err != nil {
		return err
	}
	if err := v.source.Save(ring{coming}.encode()); err != nil {
		return fmt.Errorf("let go of the old top key: %w", err)
	}
	v.top = ring{coming}
	return nil
}

// TopKeyID names the top key in force, to tell whether it changed. It tells nothing of the key.
func (v *Vault) TopKeyID() uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.top[len(v.top)-1].id
}

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

// KindOf reads which kind of place the top key of the key file at path is in; empty when there is no such file yet.
func KindOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(f, header); err != nil || !bytes.HasPrefix(header, []byte(magic)) {
		return ""
	}
	return string(bytes.TrimRight(header[len(magic):], "\x00"))
}

// SameKeys says whether the key file at path and the given one belong to one ledger: whether they have the same keys of the ledger's
// own. Their ids are not secret.
func SameKeys(path string, other []byte) bool {
	here, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	mine, theirs := ownIDs(here), ownIDs(other)
	return len(mine) > 0 && maps.Equal(mine, theirs)
}

func ownIDs(raw []byte) map[owner]record.KeyID {
	ids := map[owner]record.KeyID{}
	for i := headerSize; i+slotSize <= len(raw); i += slotSize {
		if s, err := decodeSlot(raw[i : i+slotSize]); err == nil && s != nil && s.kind == kindSystem && s.day == noDay {
			ids[s.owner] = s.id
		}
	}
	return ids
}
