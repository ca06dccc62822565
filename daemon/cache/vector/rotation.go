package vector

import (
	"math"
	"math/rand/v2"
)

// rotation turns vectors, all by the same random one. It is three rounds of changing signs, changing places and Hadamard
// transforms of blocks, which takes n log n steps and no table of n² numbers (Andoni and others, "Practical and optimal LSH for
// angular distance", NeurIPS 2015).
type rotation struct {
	dim    int
	padded int // dim, in whole words of bits; what was added is 0 before turning
	tail   int // words of a signature behind its head
	block  int // a power of 2 that divides padded
	rounds [3][]place
}

type place struct {
	from int32
	sign float32
}

func newRotation(dim int) *rotation {
	r := &rotation{dim: dim, padded: (max(dim, 1) + 63) / 64 * 64}
	r.tail = max(0, r.padded/64-headWords)
	r.block = r.padded & -r.padded
	random := rand.New(rand.NewPCG(0x636f7272616c, 384)) // always the same, so that a run can be repeated
	for i := range r.rounds {
		r.rounds[i] = make([]place, r.padded)
		for to, from := range random.Perm(r.padded) {
			r.rounds[i][to] = place{int32(from), float32(1 - 2*random.IntN(2))}
		}
	}
	return r
}

// of gives vec turned and of length 1, in the space given, of twice the padded length. It is false for what has no direction.
func (r *rotation) of(vec, space []float32) ([]float32, bool) {
	if len(vec) != r.dim {
		return nil, false
	}
	sum := 0.0
	for _, v := range vec {
		sum += float64(v) * float64(v)
	}
	if !(sum > 0) || math.IsInf(sum, 0) {
		return nil, false
	}
	from, to := space[:r.padded], space[r.padded:2*r.padded]
	// The transforms below make each block √block times longer, three times.
	scale := 1 / math.Sqrt(sum) / math.Pow(float64(r.block), 1.5)
	for i := range from {
		from[i] = 0
		if i < len(vec) {
			from[i] = float32(float64(vec[i]) * scale)
		}
	}
	for _, round := range r.rounds {
		for i, p := range round {
			to[i] = from[p.from] * p.sign
		}
		for i := 0; i < len(to); i += r.block {
			hadamard(to[i : i+r.block])
		}
		from, to = to, from
	}
	return from, true
}

func hadamard(v []float32) {
	for half := 1; half < len(v); half *= 2 {
		for i := 0; i < len(v); i += 2 * half {
			a, b := v[i:i+half], v[i+half:i+2*half]
			for j := range a {
				a[j], b[j] = a[j]+b[j], a[j]-b[j]
			}
		}
	}
}
