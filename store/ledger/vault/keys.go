package vault

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"

	"corral/store/ledger/record"
)

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
