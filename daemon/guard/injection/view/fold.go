package view

import "unicode"

// What an ASCII byte is to the reader.
const (
	gap    = iota // white space and whatever else stands between words
	letter        // small or capital
	digit
	joint // an apostrophe: nothing between two letters, a gap elsewhere
)

// kindOf tells what an ASCII byte is.
func kindOf(c byte) int {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z':
		return letter
	case c >= '0' && c <= '9':
		return digit
	case c == '\'':
		return joint
	}
	return gap
}

// plain holds the letters without their accents, from U+00C0 to U+017F; a space stands for what is no letter or has two.
const plain = "aaaaaaaceeeeiiiidnooooo ouuuuy saaaaaaaceeeeiiiidnooooo ouuuuy y" +
	"aaaaaaccccccccddddeeeeeeeeeegggggggghhhhiiiiiiiiiiiijjkkklllllll" +
	"lllnnnnnnnnnoooooooorrrrrrssssssssttttttuuuuuuuuuuuuwwyyyzzzzzzs"

// folded gives the small letter of basic Latin that a rune stands for: without its accent, or written wide, bold, in a circle or in
// another dress that readers take for the letter. Zero: it stands for none.
func folded(r rune) rune {
	switch {
	case r < 0xC0:
		switch r {
		case 0xAA:
			return 'a'
		case 0xBA:
			return 'o'
		}
		return 0
	case r <= 0x17F:
		if c := plain[r-0xC0]; c != ' ' {
			return rune(c)
		}
		return 0
	case r < 0x2100:
		return 0
	case r >= 0x24B6 && r <= 0x24E9: // in circles
		return 'a' + (r-0x24B6)%26
	case r >= 0xFF21 && r <= 0xFF3A: // wide
		return 'a' + r - 0xFF21
	case r >= 0xFF41 && r <= 0xFF5A:
		return 'a' + r - 0xFF41
	case r >= 0x1D400 && r <= 0x1D6A3: // bold, italic, script and the other mathematical alphabets
		return 'a' + (r-0x1D400)%26
	case r >= 0x1F130 && r <= 0x1F149, r >= 0x1F150 && r <= 0x1F169, r >= 0x1F170 && r <= 0x1F189: // in squares
		return 'a' + (r-0x1F130)%32
	}
	return 0
}

// latin gives the Latin letter that a small letter of another script is mistaken for; zero: there is none.
func latin(r rune) rune {
	switch r {
	case 'а', 'α', 'ɑ':
		return 'a'
	case 'в', 'β':
		return 'b'
	case 'с', 'ϲ':
		return 'c'
	case 'ԁ':
		return 'd'
	case 'е', 'ё', 'є', 'ε':
		return 'e'
	case 'ɡ':
		return 'g'
	case 'һ', 'н', 'η':
		return 'h'
	case 'і', 'ї', 'ι', 'ı':
		return 'i'
	case 'ј':
		return 'j'
	case 'к', 'κ':
		return 'k'
	case 'ӏ':
		return 'l'
	case 'м', 'μ':
		return 'm'
	case 'п':
		return 'n'
	case 'о', 'ο', 'σ', 'օ':
		return 'o'
	case 'р', 'ρ':
		return 'p'
	case 'ԛ':
		return 'q'
	case 'г':
		return 'r'
	case 'ѕ':
		return 's'
	case 'т', 'τ':
		return 't'
	case 'υ', 'ս':
		return 'u'
	case 'ν', 'ѵ':
		return 'v'
	case 'ԝ', 'ω':
		return 'w'
	case 'х', 'χ':
		return 'x'
	case 'у', 'γ':
		return 'y'
	}
	return 0
}

// unseen tells whether a rune shows nothing: zero widths, joiners, marks of direction and order.
func unseen(r rune) bool {
	switch {
	case r >= 0x200B && r <= 0x200F, r >= 0x202A && r <= 0x202E, r >= 0x2060 && r <= 0x206F:
		return true
	case r == 0xAD, r == 0x34F, r == 0x180E, r == 0xFEFF, r == 0x115F, r == 0x1160, r == 0x3164:
		return true
	}
	return false
}

// alone tells whether a rune is a word of its own, because its script sets no spaces.
func alone(r rune) bool {
	return r >= 0x3041 && r <= 0x30FF || r >= 0x3400 && r <= 0x9FFF || r >= 0x20000 && r <= 0x3FFFF
}

// inWord tells whether a rune beyond ASCII belongs to a word.
func inWord(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}
