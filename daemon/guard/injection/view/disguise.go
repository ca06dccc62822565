package view

import (
	"encoding/base64"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

const (
	fewSpaced = 8  // words of one letter in a row that make a spaced text
	fewLeet   = 3  // words with figures among their letters that make a text in leet
	leetShare = 7  // one word in so many, at least
	fewCoded  = 24 // characters of base64 or of hex that are worth decoding
	fewUnseen = 4  // bytes in tag characters that are worth reading
)

// undress puts what a text holds in disguise in the queue.
func (r *Reader) undress(v *View, text []byte) {
	if v.tags {
		r.tags(v, text)
	}
	if v.singles >= fewSpaced {
		r.derive(v, Decoded, func(to []byte) []byte { return despaced(to, text) })
	}
	if v.leets >= fewLeet && v.leets*leetShare >= len(v.Words) {
		r.derive(v, Decoded, func(to []byte) []byte { return unleet(to, text) })
	}
	if shift := v.turnedBy(); shift != 0 {
		r.derive(v, Decoded, func(to []byte) []byte { return turn(to, text, shift) })
	}
	if v.turned {
		r.derive(v, Decoded, func(to []byte) []byte { return backwards(to, text) })
	}
	if v.blobs {
		r.blobs(v, text)
	}
	if v.escapes {
		r.derive(v, Decoded, func(to []byte) []byte { return unescape(to, text) })
	}
}

// derive queues what make appends; nothing is queued when that is nothing, or more than may be decoded.
func (r *Reader) derive(v *View, origin Origin, make func(to []byte) []byte) {
	if len(r.pending) >= maxViews || r.decoded >= maxDecoded {
		return
	}
	from := len(r.buf)
	r.buf = make(r.buf)
	text := r.buf[from:]
	if left := maxDecoded - r.decoded; len(text) > left {
		text = text[:left]
	}
	r.decoded += len(text)
	if len(text) > 0 {
		r.pending = append(r.pending, derived{text, origin, v.depth + 1})
	}
}

// tags reads the text that stands in tag characters (U+E0000 and the ASCII code) or in variation selectors (one for each byte).
// A flag such as England's ends in tags too, after a black flag, and an emoji may have a selector: neither is a text.
func (r *Reader) tags(v *View, text []byte) {
	r.derive(v, Unseen, func(to []byte) []byte {
		from := len(to)
		flag := false
		for i := 0; i < len(text); {
			if text[i] < utf8.RuneSelf {
				flag = false
				i++
				continue
			}
			c, size := utf8.DecodeRune(text[i:])
			i += size
			switch {
			case c == 0x1F3F4:
				flag = true
			case c >= 0xE0020 && c < 0xE007F:
				if !flag {
					to = append(to, byte(c-0xE0000))
				}
			case c >= 0xFE00 && c <= 0xFE0F:
				if c == 0xFE0E || c == 0xFE0F { // the ones that say text or picture; as bytes they are control characters
					continue
				}
				to = append(to, byte(c-0xFE00))
			case c >= 0xE0100 && c <= 0xE01EF:
				to = append(to, byte(c-0xE0100+16))
			default:
				flag = false
			}
		}
		if len(to)-from < fewUnseen {
			return to[:from]
		}
		return to
	})
}

// despaced joins letters that stand apart: one space or mark between them is dropped, more are the gap between two words.
func despaced(to, text []byte) []byte {
	lone := func(i int) int { // the size of the rune at i when it stands alone; else 0
		if i >= len(text) {
			return 0
		}
		c, size := utf8.DecodeRune(text[i:])
		if c < utf8.RuneSelf && kindOf(byte(c)) == gap || i+size < len(text) && text[i+size] < utf8.RuneSelf && kindOf(text[i+size]) != gap {
			return 0
		}
		return size
	}
	for i := 0; i < len(text); {
		size := lone(i)
		if size == 0 { // not inside letters that stand apart: as it is, to the end of the word
			for i < len(text) && text[i] > ' ' {
				to = append(to, text[i])
				i++
			}
			for i < len(text) && text[i] <= ' ' {
				to = append(to, text[i])
				i++
			}
			continue
		}
		to = append(to, text[i:i+size]...)
		i += size
		from := i
		for i < len(text) && text[i] < utf8.RuneSelf && kindOf(text[i]) == gap {
			i++
		}
		if i-from != 1 || lone(i) == 0 {
			to = append(to, ' ')
			for _, c := range text[from:i] { // the marks say where a sentence ends
				if c != ' ' {
					to = append(to, c)
				}
			}
			to = append(to, ' ')
		}
	}
	return to
}

// unleet writes letters for the figures and marks that stand for them.
func unleet(to, text []byte) []byte {
	for i, c := range text {
		switch c {
		case '0':
			c = 'o'
		case '1', '|':
			c = 'i'
		case '3':
			c = 'e'
		case '4', '@':
			c = 'a'
		case '5', '$':
			c = 's'
		case '7', '+':
			c = 't'
		case '8':
			c = 'b'
		case '9':
			c = 'g'
		case '!':
			if i+1 < len(text) && kindOf(text[i+1]) == letter {
				c = 'i'
			}
		}
		to = append(to, c)
	}
	return to
}

// turn moves each letter back in the alphabet.
func turn(to, text []byte, by int) []byte {
	for _, c := range text {
		if kindOf(c) == letter {
			c = c&0x20 | 'A' + byte((int(c&^0x20-'A')+26-by)%26)
		}
		to = append(to, c)
	}
	return to
}

// turnedBy tells by how many letters the alphabet of a text is turned; 0: it is not, or nothing says so.
func (v *View) turnedBy() int {
	if v.shift != 0 {
		return v.shift
	}
	turned := 0
	for i := range v.Words {
		switch c := v.Words[i].class; {
		case c&rotName != 0:
			turned += 2
		case c&rotated != 0:
			turned++
		}
	}
	if turned >= 2 {
		return 13
	}
	return 0
}

func backwards(to, text []byte) []byte {
	for i := len(text); i > 0; {
		_, size := utf8.DecodeLastRune(text[:i])
		to = append(to, text[i-size:i]...)
		i -= size
	}
	return to
}

// keywords are words that an attack can hardly do without; a text that has one of them rotated or reversed is read so.
const keywords = "ignore instructions instruction previous disregard forget everything system prompt password prompts"

// shifts gives the first letter of each keyword, by how its letters follow each other, which no rotation of the alphabet changes;
// and turned, by the hash of the keyword written backwards.
func shifts() map[uint32]int {
	m := map[uint32]int{}
	for word := range fields(keywords) {
		runes := []rune(word)
		m[steps(runes)] = int(runes[0])
		for i, j := 0, len(runes)-1; i < j; i, j = i+1, j-1 {
			runes[i], runes[j] = runes[j], runes[i]
		}
		m[hashOf(runes)] = turned
	}
	return m
}

const turned = -1

// steps is the hash of the distances from letter to letter.
func steps(word []rune) uint32 {
	h := uint32(len(word))
	for i := 1; i < len(word); i++ {
		h = h*31 + uint32((word[i]-word[i-1]+26)%26)
	}
	return h*2654435761 ^ 0x5bd1e995
}

// shifted tells by how many letters a word is a keyword turned; 0: it is none, or it is not turned.
func shifted(word []rune, marks map[uint32]int) int {
	first := marks[steps(word)]
	if first <= 0 {
		return 0
	}
	return (int(word[0]) - first + 26) % 26
}

func reversed(hash uint32, marks map[uint32]int) bool { return marks[hash] == turned }

// blobs decodes what is base64 or hex and gives a text.
func (r *Reader) blobs(v *View, text []byte) {
	for i := 0; i < len(text); {
		from := i
		for i < len(text) && coded(text[i]) {
			i++
		}
		if i-from >= fewCoded {
			run := text[from:i]
			r.derive(v, Decoded, func(to []byte) []byte { return decoded(to, run) })
		}
		if i == from {
			i++
		}
	}
}

// coded tells whether a byte may stand in base64, of either alphabet.
func coded(c byte) bool {
	return kindOf(c) == letter || kindOf(c) == digit || c == '+' || c == '/' || c == '-' || c == '_'
}

// decoded appends the text that a run of base64 or hex stands for; nothing, if it stands for none.
func decoded(to, run []byte) []byte {
	if len(run) > maxDecoded {
		run = run[:maxDecoded]
	}
	from := len(to)
	if len(run)%2 == 0 {
		if out, err := hex.AppendDecode(to, run); err == nil && readable(out[from:]) {
			return out
		}
		to = to[:from]
	}
	alphabet := base64.RawStdEncoding
	for _, c := range run {
		if c == '-' || c == '_' {
			alphabet = base64.RawURLEncoding
			break
		}
	}
	run = run[:len(run)-len(run)%4+[4]int{0, 0, 2, 3}[len(run)%4]]
	// The first bytes tell: an image in base64 need not be decoded to know that it is none.
	var head [18]byte
	if n, err := alphabet.Decode(head[:], run[:24]); err != nil || !readable(head[:n]) {
		return to
	}
	out, err := alphabet.AppendDecode(to, run)
	if err != nil || !readable(out[from:]) {
		return to[:from]
	}
	return out
}

// readable tells whether bytes are text: letters and spaces mostly. A rune cut at the end is no fault.
func readable(b []byte) bool {
	letters, n := 0, 0
	for i := 0; i < len(b); n++ {
		c, size := utf8.DecodeRune(b[i:])
		if c == utf8.RuneError && size <= 1 {
			if len(b)-i < utf8.UTFMax && i > 0 {
				break
			}
			return false
		}
		i += size
		switch {
		case c == ' ' || unicode.IsLetter(c):
			letters++
		case c < ' ' && c != '\n' && c != '\t' && c != '\r', c == 0x7F:
			return false
		}
	}
	return letters*10 >= n*6
}

// unescape writes the characters that a text names by number: \u0069, \x69, &#105;, &#x69;, %69. Nothing, if there are few.
func unescape(to, text []byte) []byte {
	from, found := len(to), 0
	for i := 0; i < len(text); {
		c, size := escape(text[i:])
		if size == 0 {
			to = append(to, text[i])
			i++
			continue
		}
		if c > ' ' {
			found++
		}
		to = utf8.AppendRune(to, c)
		i += size
	}
	if found < fewUnseen {
		return to[:from]
	}
	return to
}

// escape reads the escape that a text begins with; size 0: it begins with none.
func escape(text []byte) (c rune, size int) {
	number := func(at, least, most int, base rune) (rune, int) {
		var n rune
		i := at
		for ; i < len(text) && i < at+most; i++ {
			d := rune(99)
			switch b := text[i]; {
			case kindOf(b) == digit:
				d = rune(b - '0')
			case kindOf(b) == letter:
				d = rune(b|0x20-'a') + 10
			}
			if d >= base {
				break
			}
			n = n*base + d
		}
		if i-at < least {
			return 0, 0
		}
		return n, i
	}
	if len(text) < 3 {
		return 0, 0
	}
	switch {
	case text[0] == '\\' && text[1] == 'u':
		return number(2, 4, 4, 16)
	case text[0] == '\\' && text[1] == 'x':
		return number(2, 2, 2, 16)
	case text[0] == '%':
		return number(1, 2, 2, 16)
	case text[0] == '&' && text[1] == '#':
		if text[2]|0x20 == 'x' {
			c, size = number(3, 2, 5, 16)
		} else {
			c, size = number(2, 2, 6, 10)
		}
		if size > 0 && size < len(text) && text[size] == ';' {
			size++
		}
		return c, size
	}
	return 0, 0
}
