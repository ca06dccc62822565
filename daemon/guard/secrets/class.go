package secrets

// set is a set of bytes, as bits of the table class.
type set uint16

const (
	lowerHex set = 1 << iota
	upperHex
	lowerRest
	upperRest
	digitLow  // 0, 1, 8, 9, which base32 lacks
	digitHigh // 2 to 7
	dash
	underscore
	dot
	equals
	slashPlus
	space
	operator  // where a value may follow a name
	wordChar  // what a word is made of in the pass over the text
	valueStop // ends a value that has no quotes
)

const (
	digit    = digitLow | digitHigh
	hex      = digit | lowerHex
	anyHex   = hex | upperHex
	lower    = lowerHex | lowerRest
	upper    = upperHex | upperRest
	letter   = lower | upper
	alnum    = letter | digit
	base32   = upper | digitHigh
	urlSafe  = alnum | dash | underscore
	lowAlnum = lower | digit
	b64      = alnum | slashPlus
)

// class says to which sets a byte belongs. It is never written after it is made.
var class = func() (t [256]set) {
	for c := range t {
		b := byte(c)
		switch {
		case b >= 'a' && b <= 'f':
			t[c] = lowerHex | wordChar
		case b >= 'g' && b <= 'z':
			t[c] = lowerRest | wordChar
		case b >= 'A' && b <= 'F':
			t[c] = upperHex | wordChar
		case b >= 'G' && b <= 'Z':
			t[c] = upperRest | wordChar
		case b >= '2' && b <= '7':
			t[c] = digitHigh | wordChar
		case b >= '0' && b <= '9':
			t[c] = digitLow | wordChar
		case b == '-':
			t[c] = dash | wordChar
		case b == '_':
			t[c] = underscore | wordChar
		case b == '.':
			t[c] = dot
		case b == '=':
			t[c] = equals | operator
		case b == '/', b == '+':
			t[c] = slashPlus
		case b == ' ', b == '\t', b == '\n', b == '\r':
			t[c] = space | valueStop
		case b == ':', b == '>', b == '~', b == ',':
			t[c] = operator
		}
		switch b {
		case '"', '\'', '`', ',', ';', '<', '>', '(', ')', '{', '}', '[', ']', '|', '\\', '&':
			t[c] |= valueStop
		}
		if b < ' ' || b == 0x7f {
			t[c] |= valueStop
		}
	}
	return t
}()
