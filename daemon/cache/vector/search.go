package vector

import (
	"math"
	"math/bits"
	"slices"
)

// search is what one search, or one Add, works in. It is used again.
type search struct {
	turned []float32 // the vector, turned; and as much room to turn it in
	query  []int32   // its values as whole numbers, at most 2047 each: the error is a sixteenth of that of a stored one
	scale  float64
	head   [headWords]uint64
	tail   []uint64
	found  []candidate
	counts []uint32 // of those found, by the bits that differ
}

type candidate struct {
	place  uint32
	differ uint32 // bits
}

// sign makes the signature of a turned vector.
func sign(turned []float32, s *search) {
	s.head = [headWords]uint64{}
	s.tail = s.tail[:0]
	for w := 0; w*64 < len(turned); w++ {
		word := uint64(0)
		for i, v := range turned[w*64 : w*64+64] {
			word |= uint64(math.Float32bits(v)>>31) << i
		}
		if w < headWords {
			s.head[w] = word
		} else {
			s.tail = append(s.tail, word)
		}
	}
}

func (s *search) toInts(turned []float32) {
	most := float32(0)
	for _, v := range turned {
		most = max(most, v, -v)
	}
	s.scale = float64(most) / 2047
	for i, v := range turned {
		s.query[i] = int32(math.Round(float64(v) / s.scale))
	}
}

// nearest is Nearest in a part that is locked.
func (p *part[ID]) nearest(s *search, r *rotation, atLeast float64, k int) []Near[ID] {
	head, all := differing(min(r.padded, headWords*64), atLeast), differing(r.padded, atLeast)
	s.found = s.found[:0]
	s.counts = append(s.counts[:0], make([]uint32, r.padded+1)...)
	for i, b := range p.blocks {
		s.scan(b.heads, b.tails, uint32(i*blockLen), head, all)
	}
	// The few that differ least show how near the best is, and so what can be passed over of the others.
	few, many := s.within(rankedFirst+k), s.within(mostRanked)
	var best []Near[ID]
	rank := func(from, to uint32) {
		for _, c := range s.found {
			if c.differ < from || c.differ >= to {
				continue
			}
			b, i := p.blocks[c.place/blockLen], int(c.place%blockLen)
			cosine := float64(dot(s.query, b.codes[i*r.padded:(i+1)*r.padded])) * s.scale * float64(b.scales[i])
			cosine = max(-1, min(1, cosine)) // rounding may lead out of it
			if cosine < atLeast || len(best) == k && cosine <= best[k-1].Cosine {
				continue
			}
			if len(best) == k {
				best = best[:k-1]
			}
			at := len(best)
			for at > 0 && best[at-1].Cosine < cosine {
				at--
			}
			best = slices.Insert(best, at, Near[ID]{b.ids[i], cosine})
			if len(best) == k {
				to = min(to, 1+differing(r.padded, best[k-1].Cosine))
			}
		}
	}
	rank(0, few)
	rank(few, max(few, many))
	return best
}

// within is one more than the number of bits in which so many of those found differ at most, all of them or a few less.
func (s *search) within(most int) uint32 {
	n := uint32(0)
	for differ, c := range s.counts {
		if n += c; n > uint32(most) && n > c {
			return uint32(differ)
		}
	}
	return uint32(len(s.counts))
}

// scan finds the signatures that differ in at most head bits in their first words, and in at most all in whole.
func (s *search) scan(heads [][headWords]uint64, tails []uint64, place, head, all uint32) {
	a, b, c, d := s.head[0], s.head[1], s.head[2], s.head[3]
	n := len(s.tail)
	for i := range heads {
		h := &heads[i]
		differ := uint32(bits.OnesCount64(a^h[0]) + bits.OnesCount64(b^h[1]) + bits.OnesCount64(c^h[2]) + bits.OnesCount64(d^h[3]))
		if differ > head {
			continue
		}
		for w, t := range tails[i*n : i*n+n] {
			differ += uint32(bits.OnesCount64(s.tail[w] ^ t))
		}
		if differ <= all {
			s.found = append(s.found, candidate{place + uint32(i), differ})
			s.counts[differ]++
		}
	}
}

// differing is how many of so many bits differ at most between vectors of a cosine: the mean, 3.5 standard deviations of a
// binomial distribution, and 2 bits since it is none where it is small.
func differing(bits int, cosine float64) uint32 {
	p := math.Acos(max(-1, min(1, cosine))) / math.Pi
	n := float64(bits)
	return uint32(min(n, n*p+3.5*math.Sqrt(n*p*(1-p))+2))
}

// dot takes lengths that 8 divides. Its sums cannot overflow below 2^31 / 2047 / 127 = 8,260 terms each, 33,000 dimensions.
func dot(a []int32, b []int8) int64 {
	var w, x, y, z int32
	for len(a) >= 8 && len(b) >= 8 {
		p, q := (*[8]int32)(a), (*[8]int8)(b)
		w += p[0]*int32(q[0]) + p[4]*int32(q[4])
		x += p[1]*int32(q[1]) + p[5]*int32(q[5])
		y += p[2]*int32(q[2]) + p[6]*int32(q[6])
		z += p[3]*int32(q[3]) + p[7]*int32(q[7])
		a, b = a[8:], b[8:]
	}
	return int64(w) + int64(x) + int64(y) + int64(z)
}
