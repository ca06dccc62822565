package pii

import "unicode/utf8"

// gap is what stands between two groups of digits.
type gap uint8

const (
	gapSpace gap = 1 << iota
	gapDash
	gapDot
	gapSlash
	gapOpen  // (
	gapClose // )
)

// group is a run of digits within a number.
type group struct {
	from, to int
	before   gap // between the group before and this one; 0 for the first
}

func (g group) len() int { return g.to - g.from }

const (
	maxGroups = 24
	reach     = 7 // groups that a telephone number has at most
)

// cluster is groups of digits that may belong together: a telephone number, but also the columns of a table.
type cluster struct {
	s      *scan
	groups []group // of buf
	buf    [maxGroups]group
	first  byte // the sign before the first group: +, ( or 0
	bound  bool // what stands before the first group does not belong to the number
	glued  bool // a letter follows the last group, which is then not a number
	open   bool // the text goes on with more groups than were read
}

// numbers reads the groups of digits that begin at a place, adds what they are, and returns where the reading goes on. Each group is tried as the
// begin of a number, with a bounded number of groups after it.
func (s *scan) numbers(at int, first byte) int {
	to := at
	for to < len(s.text) && class[s.text[to]]&digit != 0 {
		to++
	}
	s.work += to - at
	if to-at < 7 && first != '+' { // most numbers of a text stand alone, and are short
		if n, _ := separator(s.text[to:]); n == 0 || to+n >= len(s.text) || class[s.text[to+n]]&digit == 0 {
			return to
		}
	}
	c := s.cluster(at, first)
	last := len(c.groups)
	if c.open {
		last = maxGroups / 2 // the rest is read anew, with what follows it
	}
	for k := 0; k < last; {
		if n := c.find(k); n > 0 {
			k += n
		} else {
			k++
		}
	}
	if c.open {
		return c.groups[last].from
	}
	return c.groups[len(c.groups)-1].to
}

// cluster reads groups into the one cluster that a scan has.
func (s *scan) cluster(at int, first byte) *cluster {
	text := s.text
	c := &s.last
	c.s, c.first, c.glued, c.open = s, first, false, false
	groups := c.buf[:0]
	before := at - 1
	if first != 0 {
		before--
	}
	switch {
	case before < 0:
		c.bound = true
	case text[before] == '-', text[before] == '.', text[before] == '/': // joined to a word, they make one name or path of it
		c.bound = before == 0 || class[text[before-1]]&(alpha|digit) == 0
	default:
		c.bound = class[text[before]]&(alpha|digit) == 0 && text[before] != '#'
	}
	var g gap
	for {
		to := at
		for to < len(text) && class[text[to]]&digit != 0 {
			to++
		}
		groups = append(groups, group{at, to, g})
		at = to
		if to < len(text) && class[text[to]]&alpha != 0 {
			c.glued = true
			break
		}
		var n int
		if n, g = separator(text[to:]); n == 0 || to+n >= len(text) || class[text[to+n]]&digit == 0 {
			break
		}
		if len(groups) == maxGroups {
			c.open = true
			break
		}
		at = to + n
	}
	s.work += at - groups[0].from
	c.groups = groups
	return c
}

// separator reads what stands between two groups: one sign, or two such as ") " and " (". Its first result is 0 if that is nothing a number has.
func separator(text string) (n int, g gap) {
	for n < len(text) {
		c := text[n]
		var one gap
		size := 1
		switch c {
		case ' ', '\t':
			one = gapSpace
		case '-':
			one = gapDash
		case '.':
			one = gapDot
		case '/':
			one = gapSlash
		case '(':
			one = gapOpen
		case ')':
			one = gapClose
		default:
			if c < utf8.RuneSelf {
				return n, g
			}
			var r rune
			switch r, size = utf8.DecodeRuneInString(text[n:]); r {
			case '\u00a0', '\u202f', '\u2009': // spaces of a typesetter
				one = gapSpace
			case '\u2010', '\u2011', '\u2013':
				one = gapDash
			default:
				return n, g
			}
		}
		if g&one != 0 || g != 0 && (g|one)&(gapOpen|gapClose) == 0 {
			return 0, 0 // two spaces, a space and a dash: two things
		}
		g |= one
		n += size
		if n > 5 {
			return 0, 0
		}
	}
	return 0, 0
}

// find tries the kinds of number that may begin at a group, and returns how many groups the one that was found has.
func (c *cluster) find(k int) int {
	n := c.groups[k].len()
	if n == 3 || n == 9 {
		if n := c.ssn(k); n > 0 {
			return n
		}
	}
	if n <= 3 && k+3 < len(c.groups) && c.groups[k+1].before == gapDot {
		if n := c.ipv4(k); n > 0 {
			return n
		}
	}
	if n == 4 || n >= 12 {
		if n := c.card(k); n > 0 {
			return n
		}
	}
	if k > 0 && n != 1 && n != 3 && c.s.text[c.groups[k].from] != '0' && (c.open || len(c.groups)-k > reach) {
		return 0 // no telephone number begins so within a row of numbers
	}
	return c.phone(k)
}

func (c *cluster) add(k, n int, kind string) int {
	c.s.add(c.groups[k].from, c.groups[k+n-1].to, kind)
	return n
}

// whole reports whether n groups from k stand for themselves: nothing is joined to them that would make them part of something longer.
func (c *cluster) whole(k, n int) bool { return c.begins(k) && c.endsAt(k+n) }

func (c *cluster) begins(k int) bool {
	if k == 0 {
		return c.bound
	}
	return c.groups[k].before&(gapDash|gapDot|gapSlash) == 0
}

// endsAt reports whether a number may end before group m.
func (c *cluster) endsAt(m int) bool {
	if m < len(c.groups) {
		return c.groups[m].before&(gapDash|gapDot) == 0
	}
	return !c.glued
}

// same reports whether the gaps within n groups from k are all the one given.
func (c *cluster) same(k, n int, g gap) bool {
	for i := k + 1; i < k+n; i++ {
		if c.groups[i].before != g {
			return false
		}
	}
	return true
}

// shape reports whether the groups from k have these lengths.
func (c *cluster) shape(k int, lens ...int) bool {
	if k+len(lens) > len(c.groups) {
		return false
	}
	for i, n := range lens {
		if c.groups[k+i].len() != n {
			return false
		}
	}
	return true
}

// digits joins the digits of n groups from k.
func (c *cluster) digits(buf []byte, k, n int) []byte {
	for _, g := range c.groups[k : k+n] {
		if len(buf)+g.len() > cap(buf) {
			return nil
		}
		buf = append(buf, c.s.text[g.from:g.to]...)
	}
	return buf
}

func (c *cluster) before(k int) hint {
	from := c.groups[k].from
	if k == 0 && c.first != 0 {
		from--
	}
	return c.s.before(from)
}

// ssn is a social security number of the United States. Since 2011 areas are given out at random, so all but 000, 666 and 900 to 999 are valid
// (Social Security Administration, "SSN Randomization"); neither the group nor the serial number is all zeros. Two numbers stand in so many
// advertisements that they are no one's.
func (c *cluster) ssn(k int) int {
	var n int
	var d []byte
	var buf [9]byte
	sure := false
	switch {
	case c.groups[k].len() == 3 && c.shape(k, 3, 2, 4):
		if sure = c.same(k, 3, gapDash); !sure && !c.same(k, 3, gapSpace) {
			return 0
		}
		n = 3
	case c.groups[k].len() == 9:
		n = 1
	default:
		return 0
	}
	if !c.whole(k, n) || k == 0 && c.first != 0 {
		return 0
	}
	d = c.digits(buf[:0], k, n)
	area, middle, serial := string(d[:3]), string(d[3:5]), string(d[5:])
	if area == "000" || area == "666" || area[0] == '9' || middle == "00" || serial == "0000" || string(d) == "078051120" || string(d) == "219099999" {
		return 0
	}
	switch h := c.before(k); {
	case h&ssnWord != 0, sure && h&(countWord|phoneWord) == 0:
		return c.add(k, n, "us_ssn")
	}
	return 0
}

// card is a payment card. Lengths and first digits are those that the networks have (ISO/IEC 7812); most numbers of that form are cards only if
// their check digit is right too, but one that is called a card is one with a typing error.
func (c *cluster) card(k int) int {
	n, ok := 0, false
	switch c.groups[k].len() {
	case 12, 13, 14, 15, 16, 17, 18, 19:
		n, ok = 1, true
	case 4:
		for _, p := range [...][]int{{4, 4, 4, 4, 3}, {4, 4, 4, 4}, {4, 6, 5}, {4, 6, 4}} {
			if c.shape(k, p...) && (c.same(k, len(p), gapSpace) || c.same(k, len(p), gapDash)) && c.whole(k, len(p)) {
				n, ok = len(p), true
				break
			}
		}
	}
	if !ok || !c.whole(k, n) || k == 0 && c.first == '+' {
		return 0
	}
	var buf [19]byte
	d := c.digits(buf[:0], k, n)
	if d == nil || !network(d) {
		return 0
	}
	h := c.before(k)
	right := luhn(d)
	switch {
	case h&cardWord != 0 && (right || h&falseWord == 0):
	case right && h&(countWord|falseWord) == 0 && (n > 1 || usual(d)):
	default:
		return 0
	}
	return c.add(k, n, "credit_card")
}

// usual reports whether a number of a network has the length that nearly all of its cards have: one of ten numbers passes the check by chance, so
// without a word or a grouping only those are taken.
func usual(d []byte) bool {
	switch {
	case d[0] != '3':
		return len(d) == 16
	case d[1] == '4' || d[1] == '7':
		return len(d) == 15
	case d[1] == '5':
		return len(d) == 16
	}
	return len(d) == 14
}

// luhn reports whether the last digit is the right check digit (ISO/IEC 7812-1, annex B).
func luhn(d []byte) bool {
	sum := 0
	for i := range d {
		v := int(d[len(d)-1-i] - '0')
		if i%2 == 1 {
			if v *= 2; v > 9 {
				v -= 9
			}
		}
		sum += v
	}
	return sum%10 == 0
}

// network reports whether a network of cards has numbers of that length which begin so.
func network(d []byte) bool {
	n := len(d)
	two := int(d[0]-'0')*10 + int(d[1]-'0')
	four := two*100 + int(d[2]-'0')*10 + int(d[3]-'0')
	switch {
	case d[0] == '4': // Visa
		return n == 13 || n == 16 || n == 19
	case two >= 51 && two <= 55, four >= 2221 && four <= 2720: // Mastercard
		return n == 16
	case two == 34 || two == 37: // American Express
		return n == 15
	case four >= 3528 && four <= 3589: // JCB
		return n >= 16 && n <= 19
	case four == 2131 || four == 1800: // JCB, of old
		return n == 15
	case two == 36, two == 38, two == 39, four >= 3000 && four <= 3059, four == 3095: // Diners Club
		return n >= 14 && n <= 19
	case four == 6011, two == 65, four >= 6440 && four <= 6499: // Discover
		return n >= 16 && n <= 19
	case two == 62: // UnionPay
		return n >= 16 && n <= 19
	case four == 5018 || four == 5020 || four == 5038 || four == 5893 || four == 6304 || four >= 6759 && four <= 6763: // Maestro
		return n >= 12 && n <= 19
	case four >= 2200 && four <= 2204: // Mir
		return n >= 16 && n <= 19
	}
	return false
}
