package pii

// set is a set of bytes, as bits of the table class.
type set uint8

const (
	lower set = 1 << iota
	upper
	digit
	under  // counts as a letter: what it joins is a name
	local  // may stand before the @ of a mail address; a letter beyond ASCII may too
	domain // may stand behind it
	sign   // may begin something
	hexa   // a to f, of either size

	alpha = lower | upper | under
)

// class says to which sets a byte belongs. It is never written after it is made.
var class = func() (t [256]set) {
	for c := range t {
		b := byte(c)
		switch {
		case b >= 'a' && b <= 'z':
			t[c] = lower | local | domain
		case b >= 'A' && b <= 'Z':
			t[c] = upper | local | domain
		case b >= '0' && b <= '9':
			t[c] = digit | local | domain
		case b == '_':
			t[c] = under | local
		case b == '-', b == '.':
			t[c] = local | domain
		case b == '%':
			t[c] = local
		case b == '+':
			t[c] = local | sign
		case b == '@', b == '(':
			t[c] = sign
		}
		if b|0x20 >= 'a' && b|0x20 <= 'f' {
			t[c] |= hexa
		}
	}
	return t
}()
