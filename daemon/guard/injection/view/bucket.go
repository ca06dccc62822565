package view

import "math"

// Bits is the size of the table that words and their pieces are hashed into: 1<<Bits buckets.
const Bits = 17

// hashOf is FNV-1a over runes.
func hashOf(word []rune) uint32 {
	h := uint32(2166136261)
	for _, c := range word {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// bucket spreads a hash, whose low bits are poor, over the table. Salt tells the kinds of pieces apart.
func bucket(h, salt uint32) uint32 {
	h ^= salt * 0x9E3779B1
	h ^= h >> 15
	h *= 0x85EBCA6B
	h ^= h >> 13
	return h & (1<<Bits - 1)
}

// Norm is what the sum of the weights of so many buckets is multiplied by, so that long windows weigh no more than short ones, and those with
// next to no words weigh less.
func Norm(buckets int) float64 { return 1 / math.Sqrt(float64(buckets+20)) }

const (
	saltWord = iota + 1
	saltPair
	saltSkip
	saltPiece
	saltLead
	saltBlob
)

// Buckets appends the buckets of what a word adds to the text before it: the word, its pairs with the two words before, its pieces of
// three to five letters, and the mark before it. A word may add none.
func (v *View) Buckets(i int, to []uint32) []uint32 {
	w := &v.Words[i]
	if w.blank || w.repeated { // a list that says a word a hundred times says it once
		return to
	}
	n := int(w.to - w.from)
	if w.code {
		return append(to, bucket(0, saltBlob))
	}
	to = append(to, bucket(w.hash, saltWord))
	if w.lead != 0 {
		to = append(to, bucket(uint32(w.lead), saltLead))
	}
	if i > 0 {
		prev := v.Words[i-1].hash
		to = append(to, bucket(prev*31+w.hash, saltPair))
		if i > 1 {
			before := v.Words[i-2].hash
			if w.cjk {
				to = append(to, bucket((before*31+prev)*31+w.hash, saltPair))
			} else {
				to = append(to, bucket(before*31+w.hash, saltSkip))
			}
		}
	}
	if w.cjk || w.number {
		return to
	}
	word := v.runes[w.from:w.to]
	// A space before and after tells beginnings and ends of words from their middles.
	at := func(j int) uint32 {
		if j == 0 || j > n {
			return ' '
		}
		return uint32(word[j-1])
	}
	for j := 0; j < n; j++ {
		h := uint32(2166136261)
		for k := 0; k < 5 && j+k < n+2; k++ {
			h = (h ^ at(j+k)) * 16777619
			if k >= 2 {
				to = append(to, bucket(h, saltPiece))
			}
		}
	}
	return to
}
