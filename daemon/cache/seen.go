package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"

	"corral/daemon/llm"
)

// seen remembers which texts kept answers are about (textsOf), so that a call that nothing kept can answer, as most
// are, need not be read any further before it goes on. It may say yes without reason, and no only of what was kept long ago.
//
// It is a pair of Bloom filters (Bloom, "Space/time trade-offs in hash coding with allowable errors", CACM 13/7, 1970): when the
// newer one has taken in its share, the older one is given up.
type seen struct {
	ready atomic.Bool // what the file holds has been taken in
	now   atomic.Pointer[filter]
	older atomic.Pointer[filter]
}

// textsOf is llm.Fields.Texts of one who may see the answer. Reading a long call takes milliseconds: if it were read because of what
// another has asked, the time would tell whether anybody did.
func textsOf(r *llm.Request, shared bool) uint64 {
	if r.Fields.Texts == 0 {
		return 0
	}
	var room [256]byte
	who := sha256.Sum256(owner(room[:0], r, shared))
	return mix(r.Fields.Texts ^ binary.BigEndian.Uint64(who[:]))
}

const (
	filterBits  = 1 << 22 // 512 KiB
	filterShare = filterBits / 12
	probes      = 4 // with 12 bits for each, about 7 of 1,000 answers are yes without reason
)

type filter struct {
	n    atomic.Int64
	bits [filterBits / 64]atomic.Uint64
}

func newSeen() *seen {
	s := &seen{}
	s.now.Store(&filter{})
	return s
}

func (s *seen) add(texts uint64) {
	f := s.now.Load()
	if f.n.Add(1) == filterShare {
		s.older.Store(f)
		s.now.Store(&filter{})
		f = s.now.Load()
	}
	f.add(texts)
}

// may reports whether an answer to a call with these texts may be kept.
func (s *seen) may(texts uint64) bool {
	if texts == 0 || !s.ready.Load() || s.now.Load().has(texts) {
		return true
	}
	older := s.older.Load()
	return older != nil && older.has(texts)
}

func (f *filter) add(x uint64) {
	for range probes {
		f.bits[x>>6%uint64(len(f.bits))].Or(1 << (x & 63))
		x = mix(x)
	}
}

func (f *filter) has(x uint64) bool {
	for range probes {
		if f.bits[x>>6%uint64(len(f.bits))].Load()&(1<<(x&63)) == 0 {
			return false
		}
		x = mix(x)
	}
	return true
}

// mix is the finalizer of SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", OOPSLA 2014).
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
