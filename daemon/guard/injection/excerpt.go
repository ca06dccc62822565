package injection

import (
	"cmp"
	"slices"
)

// What is judged of a long text.
const (
	maxText = 64 << 10 // bytes; of a longer text parts are judged:
	edge    = 24 << 10 // its beginning and its end, as many bytes each,
	pieces  = 12       // and so many pieces in between, those with the most cues,
	piece   = 1 << 10  // of so many bytes,
	margin  = 128      // with so many before and after, as a cue may stand at an edge
)

// cues is a set of four bytes that attacks can hardly do without.
type cues [1 << 12 / 64]uint64

func newCues() *cues {
	set := &cues{}
	for _, cue := range []string{
		"igno", "disr", "forg", "over", "inst", "prom", "syst", "jail", "unfi", "unre", "verg", "olvi", "oubl", "dime", "nege", "role",
		"secr", "pass", "rule", "reve", "deve", "<|im", "<|st", "[ins", "<<sy", "rot1", "иг", "за", "忽略", "无视", "無視", "指示", "무시", "تج",
	} {
		h := set.hash(uint32(cue[0]|0x20)<<24 | uint32(cue[1]|0x20)<<16 | uint32(cue[2]|0x20)<<8 | uint32(cue[3]|0x20))
		set[h/64] |= 1 << (h % 64)
	}
	return set
}

func (*cues) hash(four uint32) uint32 { return four * 0x9E3779B1 >> (32 - 12) }

// count tells how many cues stand in a text.
func (set *cues) count(text string) int {
	n, four := 0, uint32(0)
	for i := range len(text) {
		four = four<<8 | uint32(text[i]|0x20)
		if h := set.hash(four); set[h/64]>>(h%64)&1 != 0 {
			n++
		}
		if text[i] >= 0x80 && i >= 2 {
			switch a, b := text[i-1], text[i]; {
			case text[i-2] == 0xE2 && a == 0x80 && b >= 0x8B && b <= 0x8F, a == 0xF3 && b == 0xA0: // of no width, or tags
				n++
			}
		}
	}
	return n
}

// excerpt appends what is judged of a text: all of it up to 64 KiB; of a longer one the beginning, the end, and the twelve pieces in
// between that hold the most cues. What is not judged: an attack in the middle without any cue (in base64, say), and one among
// more than twelve pieces that hold more cues.
func excerpt(to []byte, text string, set *cues) []byte {
	if len(text) <= maxText {
		return append(to, text...)
	}
	type place struct{ at, cues int }
	var places []place
	last := len(text) - edge
	for at := edge; at < last; at += piece {
		if n := set.count(text[at:min(at+piece, last)]); n > 0 {
			places = append(places, place{at, n})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(b.cues, a.cues), cmp.Compare(a.at, b.at)) })
	places = places[:min(len(places), pieces)]
	slices.SortFunc(places, func(a, b place) int { return cmp.Compare(a.at, b.at) })

	to = append(to, text[:edge]...)
	seen := edge
	for _, p := range places {
		from := p.at - margin
		if from > seen {
			to = append(to, "\n\n"...) // what does not stand together is not read together
		} else {
			from = seen
		}
		seen = min(p.at+piece+margin, last)
		to = append(to, text[from:max(from, seen)]...)
	}
	return append(append(to, "\n\n"...), text[last:]...)
}
