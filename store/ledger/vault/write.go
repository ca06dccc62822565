package vault

import (
	"crypto/rand"
	"fmt"
	"os"

	"corral/store/ledger/record"
)

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
