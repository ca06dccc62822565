// Package vector finds the stored vectors nearest to another one, in memory: which remembered question is most like this one.
//
// Vectors are compared by the cosine of their angle. They stand in partitions, and a search sees one partition only; the cache
// makes everything of its key but the question a partition, so most hold a handful, but one may hold them all.
//
// How a search stays under a millisecond in a partition of 50,000 vectors of 384 dimensions, in plain Go:
//
//  1. All vectors are turned by one fixed random rotation, which keeps every angle. The signs of the turned values are a
//     signature, a bit a dimension. Of two vectors at an angle of a, each bit differs with probability a/π (Charikar,
//     "Similarity estimation techniques from rounding algorithms", STOC 2002), so counting the bits that differ tells the angle
//     to within a few degrees.
//  2. A search counts them for the first 256 bits, and for the others where these leave hope. What differs in more bits than the
//     angle asked for allows, and 3.5 standard deviations, is passed over: nearly everything, since unlike questions are at 60
//     to 100 degrees and those asked for at less than 35.
//  3. Those left are compared by their values, fewest differing bits first, until no other one can be nearer than the best. The
//     values are kept as a byte each with one scale a vector, which puts the cosine wrong by less than 0.002 (0.0004 usual).
//
// Surprising: a search may miss. Near enough is found in more than 99 searches of 100; what is missed is mostly right at the
// cosine asked for. The lower that cosine, the slower the search; it is made for 0.8 and more. And when thousands are nearer to
// each other than to the question (one template, filled in), only the 1,536 that differ in the fewest bits are compared by value.
//
// Measured figures stand in docs/cache.md; BenchmarkNearest makes them anew, beside a search of all vectors.
package vector

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// ErrFull tells that the index holds as many vectors as it may.
var ErrFull = errors.New("vector: the index is full")

// ErrVector tells that a vector has not the index's dimension, or no direction: all of it is 0, or some of it no number.
var ErrVector = errors.New("vector: no vector of this index")

// mostRanked is how many vectors a search compares by value, at most.
const mostRanked = 1536

// rankedFirst is how many of them are compared before what they show is used to pass over the others.
const rankedFirst = 32

// Index holds vectors of one dimension under an ID, in partitions. Any number may search while one adds or removes; a search waits
// for a writer in the same partition only, a few microseconds.
type Index[P, ID comparable] struct {
	turn *rotation
	most int

	writing sync.Mutex // held by the one who adds or removes; guards n
	n       int

	mu    sync.RWMutex // guards parts, not what is in them
	parts map[P]*part[ID]

	asking sync.Pool // of *search
}

// Near is a vector that was found.
type Near[ID comparable] struct {
	ID     ID
	Cosine float64 // to within 0.002
}

// New makes an index for vectors of dim dimensions, at least 1, that holds at most so many.
func New[P, ID comparable](dim, most int) *Index[P, ID] {
	x := &Index[P, ID]{turn: newRotation(dim), most: most, parts: map[P]*part[ID]{}}
	x.asking.New = func() any {
		return &search{turned: make([]float32, 2*x.turn.padded), query: make([]int32, x.turn.padded)}
	}
	return x
}

// Add puts a vector of any length other than 0 under an ID, in the place of the one that was there. The vector is copied. The
// error is ErrFull or ErrVector.
func (x *Index[P, ID]) Add(partition P, id ID, vec []float32) error {
	s := x.asking.Get().(*search)
	defer x.asking.Put(s)
	turned, ok := x.turn.of(vec, s.turned)
	if !ok {
		return fmt.Errorf("%w: %d dimensions, not %d, or no direction", ErrVector, len(vec), x.turn.dim)
	}
	sign(turned, s)

	x.writing.Lock()
	defer x.writing.Unlock()
	p := x.part(partition)
	if p == nil {
		p = &part[ID]{places: map[ID]int{}}
	}
	_, known := p.places[id] // only writers change it
	if !known && x.n >= x.most {
		return ErrFull
	}
	p.mu.Lock()
	if known {
		p.remove(id, x.turn)
	}
	p.add(id, turned, s, x.turn)
	p.mu.Unlock()
	if !known {
		x.n++
	}
	if p.len == 1 {
		x.mu.Lock()
		x.parts[partition] = p
		x.mu.Unlock()
	}
	return nil
}

// Remove takes a vector away and gives its memory back, and tells whether it was there.
func (x *Index[P, ID]) Remove(partition P, id ID) bool {
	x.writing.Lock()
	defer x.writing.Unlock()
	p := x.part(partition)
	if p == nil {
		return false
	}
	if _, known := p.places[id]; !known {
		return false
	}
	p.mu.Lock()
	p.remove(id, x.turn)
	p.mu.Unlock()
	x.n--
	if p.len == 0 {
		x.mu.Lock()
		delete(x.parts, partition)
		x.mu.Unlock()
	}
	return true
}

// Nearest gives the k vectors of a partition that are nearest to another one, the nearest first, of those whose cosine with it is
// at least so much. A vector that could not have been added finds nothing.
func (x *Index[P, ID]) Nearest(partition P, vec []float32, atLeast float64, k int) []Near[ID] {
	p := x.part(partition)
	if p == nil || k < 1 {
		return nil
	}
	s := x.asking.Get().(*search)
	defer x.asking.Put(s)
	turned, ok := x.turn.of(vec, s.turned)
	if !ok {
		return nil
	}
	sign(turned, s)
	s.toInts(turned)
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.nearest(s, x.turn, atLeast, k)
}

// Len is the number of vectors in all partitions.
func (x *Index[P, ID]) Len() int {
	x.writing.Lock()
	defer x.writing.Unlock()
	return x.n
}

func (x *Index[P, ID]) part(partition P) *part[ID] {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.parts[partition]
}

// headWords is how many words of a signature are looked at first.
const headWords = 4

// blockLen is the number of vectors in a full block. Only the last block of a partition is not full, so that growing moves little.
const blockLen = 1024

type part[ID comparable] struct {
	mu     sync.RWMutex
	places map[ID]int
	blocks []*block[ID]
	len    int
}

// block holds what a search reads together in one piece of memory.
type block[ID comparable] struct {
	heads  [][headWords]uint64 // the first words of the signatures; words that a short one has not are 0
	tails  []uint64            // the others, of each vector after another
	codes  []int8              // the turned values in units of scale
	scales []float32
	ids    []ID
}

func (p *part[ID]) add(id ID, turned []float32, s *search, r *rotation) {
	if p.len%blockLen == 0 {
		p.blocks = append(p.blocks, &block[ID]{})
	}
	b := p.blocks[len(p.blocks)-1]
	most := float32(0)
	for _, v := range turned {
		most = max(most, v, -v)
	}
	scale := most / 127
	b.heads = grow(b.heads, 1)
	b.heads = append(b.heads, s.head)
	b.tails = grow(b.tails, r.tail)
	b.tails = append(b.tails, s.tail...)
	b.codes = grow(b.codes, len(turned))
	for _, v := range turned {
		b.codes = append(b.codes, int8(math.Round(float64(v/scale))))
	}
	b.scales = append(grow(b.scales, 1), scale)
	b.ids = append(grow(b.ids, 1), id)
	p.places[id] = p.len
	p.len++
}

// grow makes room for one more vector, of n elements, and never for more than a block's.
func grow[T any](s []T, n int) []T {
	if len(s)+n <= cap(s) {
		return s
	}
	return append(make([]T, 0, min(max(2*len(s), n), n*blockLen)), s...)
}

// remove puts the last vector in the place of the removed one.
func (p *part[ID]) remove(id ID, r *rotation) {
	at := p.places[id]
	delete(p.places, id)
	p.len--
	b, i := p.blocks[at/blockLen], at%blockLen
	last, j := p.blocks[len(p.blocks)-1], p.len%blockLen
	if at != p.len {
		b.heads[i], b.scales[i], b.ids[i] = last.heads[j], last.scales[j], last.ids[j]
		copy(b.tails[i*r.tail:(i+1)*r.tail], last.tails[j*r.tail:])
		copy(b.codes[i*r.padded:(i+1)*r.padded], last.codes[j*r.padded:])
		p.places[b.ids[i]] = at
	}
	if j == 0 {
		p.blocks[len(p.blocks)-1] = nil
		p.blocks = p.blocks[:len(p.blocks)-1]
		return
	}
	last.heads, last.tails = shrink(last.heads, j), shrink(last.tails, j*r.tail)
	last.codes, last.scales = shrink(last.codes, j*r.padded), shrink(last.scales, j)
	clear(last.ids[j:])
	last.ids = shrink(last.ids, j)
}

func shrink[T any](s []T, n int) []T {
	if s = s[:n]; n*4 < cap(s) {
		return slices.Clone(s)
	}
	return s
}
