// Package view reads a text the way a model would understand it, whatever its writer did to hide it from a filter.
//
// A text gives one view or several: as it stands, and once more for each disguise in it that has another reading, such as base64,
// letters turned by ROT13, or invisible tag characters. Each view is a row of folded words (small letters without accents, Latin
// look-alikes put right, digits all alike), with signs: places whose wording means something by itself, such as an order to
// ignore earlier instructions.
//
// The surprise: the views of a benign text in disguise are as many as those of an attack. That something was hidden is told
// (Hidden), and deciding is left to whoever reads the words.
package view

import (
	"unicode"
	"unicode/utf8"
)

// Limits of one reading. What is beyond them is not seen.
const (
	maxViews   = 8       // of one text, disguises inside disguises among them
	maxDepth   = 2       // disguises inside one another
	maxDecoded = 1 << 15 // bytes of all decoded texts together
	longWord   = 36      // runes: what is longer is a key, a hash or a blob, and tells nothing
)

// What stands before a word.
const (
	Space    = iota
	Comma    // punctuation inside a sentence
	Sentence // the end of a sentence, or a single line break
	Block    // an empty line, the edge of a comment, of a quotation or of a field
)

// Word is a word of a view.
type Word struct {
	from, to int32  // in the runes of the view
	hash     uint32 // of the folded word
	class    class
	lead     byte // the last mark before the word, such as ':'; zero: none
	Gap      uint8
	blank    bool // a letter among letters that stand apart
	number   bool // of digits alone
	code     bool // long, with digits among its letters: a key or a hash
	repeated bool // it stood among the last words already
	cjk      bool // a rune of a script without spaces
}

// Origin says how a view came to be.
type Origin uint8

// The origins of a view.
const (
	Plain   Origin = iota // the text as it stands
	Decoded               // base64, escapes, rotated or reversed letters, digits for letters, letters spaced out
	Unseen                // written in characters that show nothing
)

// View is one reading of a text. It is good until the Reader reads the next one.
type View struct {
	Words  []Word
	Signs  []Sign
	Origin Origin
	Hidden int // words that only an evader writes so: cut by characters of no width, or mixed of Latin letters and look-alikes

	runes []rune
	depth int

	singles, leets, shift int // what the scan saw of disguises that need another reading
	tags, blobs, escapes  bool
	turned                bool

	*lexicon
	recent *recent
}

// Reader reads texts, one at a time, and keeps its memory for the next one.
type Reader struct {
	views   []View
	pending []derived
	decoded int
	buf     []byte
	lexicon *lexicon
	recent  recent
}

// recent tells where a word stood last, for the words of some stretch: one place may hold several words, and the last one wins.
type recent [1 << recentBits]struct {
	hash uint32
	at   int
}

const recentBits = 8

// lexicon is what a reader knows of words. Nothing changes it.
type lexicon struct {
	classes map[uint32]class
	marks   map[uint32]int // see shifts
	tokens  [][]byte
}

type derived struct {
	text   []byte
	origin Origin
	depth  int
}

// NewReader makes a Reader.
func NewReader() *Reader {
	return &Reader{lexicon: &lexicon{classes(), shifts(), tokens()}}
}

// Read gives the views of a text. They are good until the next call.
func (r *Reader) Read(text []byte) []View {
	r.views, r.pending, r.decoded, r.buf = r.views[:0], r.pending[:0], 0, r.buf[:0]
	r.read(text, Plain, 0)
	for n := 0; n < len(r.pending) && len(r.views) < maxViews; n++ {
		d := r.pending[n]
		r.read(d.text, d.origin, d.depth)
	}
	return r.views
}

// read adds the view of a text, and puts what it holds in disguise in the queue.
func (r *Reader) read(text []byte, origin Origin, depth int) {
	if len(r.views) < cap(r.views) {
		r.views = r.views[:len(r.views)+1] // with the memory of an earlier text
	} else {
		r.views = append(r.views, View{})
	}
	v := &r.views[len(r.views)-1]
	*v = View{Words: v.Words[:0], Signs: v.Signs[:0], runes: v.runes[:0], Origin: origin, depth: depth, lexicon: r.lexicon, recent: &r.recent}
	r.recent = recent{}
	v.scan(text)
	v.read()
	v.report()
	if depth < maxDepth {
		r.undress(v, text)
	}
}

// scan cuts a text into words.
func (v *View) scan(text []byte) {
	classes, marks := v.classes, v.marks
	var (
		w        Word // the one being read
		start    = int32(0)
		latins   int // its Latin letters
		likes    int // its letters that look like Latin ones
		others   int // its letters of other scripts
		digits   int // its digits
		figures  int // its digits that stand between letters, or before or after one
		cuts     int // its characters of no width
		lastKind = gap
		single   = 0 // words of one letter in a row
		breaks   = 0 // line breaks since the last word
		run      coding
	)
	w.Gap = Block
	end := func() {
		n := int32(len(v.runes)) - start
		if n == 0 {
			return
		}
		word := v.runes[start:]
		if latins > 0 && likes > 0 && others == 0 || latins == 0 && likes == int(n) && v.Hidden > 0 {
			for i, c := range word {
				if l := latin(c); l != 0 {
					word[i] = l
				}
			}
			if latins > 0 {
				v.Hidden++
			}
		}
		if cuts > 0 {
			v.Hidden++
		}
		w.from, w.to = start, start+n
		w.hash = hashOf(word)
		w.number, w.code = digits == int(n), figures > 0 && n >= 8 || n > longWord
		if w.code {
			w.hash = 0 // all are alike
		}
		if at := &v.recent[w.hash>>(32-recentBits)]; at.hash == w.hash && len(v.Words)-at.at < smallWindow {
			w.repeated = true
			at.at = len(v.Words)
		} else {
			at.hash, at.at = w.hash, len(v.Words)
		}
		w.class = classes[w.hash]
		if w.class == 0 && n >= 2 && word[0] >= 0xAC00 && word[0] <= 0xD7A3 { // Korean words carry endings: the first two syllables tell
			w.class = classes[hashOf(word[:2])]
		}
		if figures > 0 && latins > 0 {
			v.leets++
		}
		if n == 1 && digits == 0 {
			if single++; single > v.singles {
				v.singles = single
			}
		} else if n > 1 {
			single = 0
		}
		if n >= 6 && n <= 16 && latins == int(n) && v.shift == 0 {
			v.shift = shifted(word, marks)
			if !v.turned {
				v.turned = reversed(w.hash, marks)
			}
		}
		if n >= 20 && !v.blobs {
			v.blobs = true
		}
		v.Words = append(v.Words, w)
		start = int32(len(v.runes))
		w = Word{}
		latins, likes, others, digits, figures, cuts, breaks = 0, 0, 0, 0, 0, 0, 0
	}
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			i++
			switch k := kindOf(c); k {
			case letter:
				if c < 'a' && i > 1 && text[i-2] >= 'a' && text[i-2] <= 'z' {
					run.humps++
				}
				if lastKind == digit {
					figures++
				}
				latins++
				v.runes = append(v.runes, rune(c|0x20))
				lastKind = letter
			case digit:
				if lastKind == letter {
					figures++
				}
				digits++
				run.digits++
				v.runes = append(v.runes, '0')
				lastKind = digit
			case joint:
				if lastKind == letter && i < len(text) && kindOf(text[i]) == letter {
					continue // don't: dont
				}
				end()
				lastKind = gap
				w.mark(c, Comma)
			default:
				end()
				lastKind = gap
				if !coded(c) && c != '=' {
					v.code(run, i-1)
					run = coding{from: i, word: len(v.Words)}
				}
				switch c {
				case ' ', '\t', '\r':
				case '\n':
					if breaks++; breaks > 1 {
						w.mark(0, Block)
					} else {
						w.mark(0, Sentence)
					}
				case '.', '!', '?', ';':
					if i >= len(text) || text[i] <= ' ' || text[i] == '"' || text[i] == '\'' {
						w.mark(c, Sentence)
					} else {
						w.mark(c, Comma)
					}
				case '"', '`', '{', '}', '[', ']':
					w.mark(c, Block)
					if c == '[' || c == ']' {
						v.template(text, i-1)
					}
				case '<', '>':
					w.mark(c, Block)
					if c == '<' {
						v.template(text, i-1)
					}
				case '\\': // an escape inside a quotation, as in JSON
					if i < len(text) {
						switch text[i] {
						case 'n', 'r', 't':
							i++
							w.mark(0, Sentence)
						case 'u', 'x':
							v.escapes = true
						}
					}
				case '&', '%':
					if i < len(text) && (text[i] == '#' || kindOf(text[i]) == digit) {
						v.escapes = true
					}
					w.mark(c, Comma)
				default:
					w.mark(c, Comma)
				}
			}
			continue
		}
		c0, size := utf8.DecodeRune(text[i:])
		i += size
		if l := folded(c0); l != 0 {
			latins++
			v.runes = append(v.runes, l)
			lastKind = letter
			continue
		}
		switch {
		case unseen(c0):
			if lastKind == letter && latins > 0 && i < len(text) && kindOf(text[i]) == letter && text[i] < utf8.RuneSelf {
				if c0 != 0xAD { // typesetters write soft hyphens
					cuts++
				}
				continue // between two Latin letters it cuts nothing that a reader sees
			}
			if others+likes > 0 {
				continue // Persian and Hindi need joiners inside words
			}
			if c0 == 0x200B {
				end()
				lastKind = gap
			}
		case c0 >= 0x300 && c0 <= 0x36F: // an accent by itself
		case c0 >= 0xE0000 && c0 <= 0xE01EF, c0 >= 0xFE00 && c0 <= 0xFE0F:
			v.tags = true
		case alone(c0):
			end()
			v.runes = append(v.runes, c0)
			w.cjk = true
			others++
			end()
			lastKind = gap
		case inWord(c0):
			c0 = unicode.ToLower(c0)
			if latin(c0) != 0 {
				likes++
			} else {
				others++
			}
			v.runes = append(v.runes, c0)
			lastKind = letter
		default:
			end()
			lastKind = gap
			switch c0 {
			case '。', '！', '？', '…':
				w.mark('.', Sentence)
			case '“', '”', '「', '」', '«', '»', '„':
				w.mark('"', Block)
			case '：':
				w.mark(':', Comma)
			case 0xA0, 0x2009, 0x202F, 0x3000:
			default:
				w.mark('~', Comma)
			}
		}
	}
	end()
	v.code(run, len(text))
	if v.singles >= fewSpaced {
		v.blank()
	}
}

// coding is a stretch without spaces, which may be base64: its first byte, its first word, its digits and its capitals after small letters.
type coding struct{ from, word, digits, humps int }

// code takes the meaning from the words of a stretch that ends before byte to, if it is base64: certificates, images and keys have as
// many digits and changes of case as no text has.
func (v *View) code(run coding, to int) {
	if n := to - run.from; n < fewCoded || run.digits*20 < n || run.humps*12 < n {
		return
	}
	for i := range v.Words[run.word:] {
		w := &v.Words[run.word+i]
		w.repeated = true
		w.code, w.class, w.hash = true, 0, 0
	}
}

// blank takes the meaning from letters that stand apart: another view reads them joined.
func (v *View) blank() {
	for i := 0; i < len(v.Words); {
		from := i
		for i < len(v.Words) && v.Words[i].to-v.Words[i].from == 1 && !v.Words[i].cjk {
			i++
		}
		if i-from >= fewSpaced {
			for k := range v.Words[from:i] {
				v.Words[from+k].blank = true
			}
		}
		if i == from {
			i++
		}
	}
}

// field is the mark before the value of a field, as in JSON.
const field = '='

// mark notes what stands before the word to come.
func (w *Word) mark(c byte, gap uint8) {
	if c != 0 {
		if (c == '"' || c == '\'') && w.lead == ':' {
			c = field // the value of a field begins with a quotation mark, and is no quotation
		}
		w.lead = c
	}
	if gap > w.Gap {
		w.Gap = gap
	}
}

// Text is a word as it is folded.
func (v *View) Text(i int) string { return string(v.runes[v.Words[i].from:v.Words[i].to]) }
