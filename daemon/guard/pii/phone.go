package pii

// phone is a telephone number. Three things make one: a + or 00 and the code of a country, with as many digits as that country has; the grouping
// that a region writes its numbers in; or a word such as "call" before it or "fax" behind it.
func (c *cluster) phone(k int) int {
	if k == 0 && c.first == '+' {
		if n := c.international(k, 0); n > 0 {
			return c.addPhone(k, n)
		}
		return 0
	}
	text := c.s.text
	g := c.groups[k]
	if !c.begins(k) || c.total(k) < 6 {
		return 0
	}
	if g.len() > 3 && text[g.from] == '0' && text[g.from+1] == '0' || g.len() >= 2 && g.len() <= 3 && text[g.from:g.from+2] == "00" {
		n := c.international(k, 2)
		if n > 1 && !(n == 2 && c.groups[k+1].before&gapDot != 0) && !c.table(k, n) && !c.dump(k, n) && c.before(k)&countWord == 0 || n == 1 && c.before(k)&phoneWord != 0 {
			return c.addPhone(k, n)
		}
	}
	n := c.american(k)
	if n == 0 {
		n = c.trunk(k)
	}
	if n > 0 && c.before(k)&(countWord|falseWord) == 0 {
		return c.addPhone(k, n)
	}
	return c.called(k)
}

// total is how many digits the groups from k have, as far as a number could reach.
func (c *cluster) total(k int) int {
	sum := 0
	for i := k; i < len(c.groups) && sum < 16; i++ {
		sum += c.groups[i].len()
	}
	return sum
}

// addPhone adds a number of n groups, with the bracket before it and the extension behind it.
func (c *cluster) addPhone(k, n int) int {
	from := c.groups[k].from
	if k == 0 && c.first != 0 || k > 0 && c.groups[k].before&gapOpen != 0 {
		from--
	}
	to := c.groups[k+n-1].to
	if k+n == len(c.groups) {
		to = c.extension(to)
	}
	c.s.add(from, to, "phone")
	return n
}

// extension reads x123, the way to a desk within a house.
func (c *cluster) extension(at int) int {
	text := c.s.text
	if at >= len(text) || text[at] != 'x' {
		return at
	}
	to := at + 1
	for to < len(text) && to-at <= 6 && class[text[to]]&digit != 0 {
		to++
	}
	if to == at+1 || to < len(text) && class[text[to]]&(alpha|digit) != 0 {
		return at
	}
	return to
}

// endsNumber reports whether a telephone number may end before group m.
func (c *cluster) endsNumber(m int) bool {
	if m < len(c.groups) {
		return c.groups[m].before&(gapDash|gapDot|gapSlash) == 0
	}
	return !c.glued || c.extension(c.groups[m-1].to) > c.groups[m-1].to
}

// international returns how many groups a number with the code of a country has. skip is how many digits stand before the code.
func (c *cluster) international(k, skip int) int {
	var buf [20]byte
	d := buf[:0]
	best := 0
	for i := k; i < len(c.groups) && i < k+9; i++ {
		g := c.groups[i]
		v := c.s.text[g.from:g.to]
		if i > k {
			if g.before&gapSpace == 0 && g.before&gapDot != 0 && c.groups[k+1].before&gapDot == 0 {
				break // the decimals of another number
			}
			if g.len() == 1 && g.before&gapOpen == 0 && (i > k+1 || g.before&gapDot != 0 && (i+1 == len(c.groups) || c.groups[i+1].before&gapDot == 0)) {
				break // +35236450.6 is a decimal, +33.1.23 is France
			}
			if v == "0" && g.before&gapOpen != 0 { // the 0 of calls within the country: +49 (0)30 ...
				continue
			}
		}
		if len(d)+len(v) > 15+skip {
			break
		}
		d = append(d, v...)
		if len(d) >= 8+skip && validNumber(d[skip:]) && c.endsNumber(i+1) {
			best = i + 1 - k
		}
	}
	return best
}

// validNumber reports whether digits are the code of a country and as many as its numbers have (ITU-T E.164 and the national plans that ITU
// publishes). Where a plan allows many lengths, so does this.
func validNumber(d []byte) bool {
	code := int(d[0] - '0')
	n := len(d)
	var seen [10]bool
	kinds := 0
	for _, c := range d {
		if !seen[c-'0'] {
			seen[c-'0'] = true
			kinds++
		}
	}
	if kinds < 3 { // a drawing of digits
		return false
	}
	between := func(used, low, high int) bool { return n-used >= low && n-used <= high && d[used] != '0' }
	switch code {
	case 0:
		return false
	case 1:
		return n == 11 && d[1] >= '2'
	case 7:
		return n == 11
	}
	code = code*10 + int(d[1]-'0')
	switch code {
	case 27, 31, 33, 34, 40, 41, 48, 61:
		return between(2, 9, 9)
	case 32:
		return between(2, 8, 9)
	case 44:
		return between(2, 9, 10)
	case 30, 52, 63, 90, 91, 92, 93, 98:
		return between(2, 9, 10)
	case 39: // the 0 of Italian numbers is part of them
		return n-2 >= 8 && n-2 <= 11
	case 49: // as is, by mistake, that of many German ones
		return n-2 >= 7 && n-2 <= 12
	case 20, 36, 43, 45, 46, 47, 51, 53, 54, 55, 56, 57, 58, 60, 62, 64, 65, 66, 81, 82, 84, 86, 94, 95:
		return between(2, 7, 11)
	}
	switch code*10 + int(d[2]-'0') {
	case 210, 214, 215, 217, 219, 259, 384, 388, 422, 424, 425, 426, 427, 428, 429, 671, 684, 693, 694, 695, 696, 697, 698, 699, 801, 802, 803, 804,
		805, 806, 807, 809, 851, 854, 857, 858, 859, 871, 872, 873, 874, 875, 876, 877, 879, 969, 978, 990, 997, 999:
		return false
	}
	switch code {
	case 21, 22, 23, 24, 25, 26, 29, 35, 37, 38, 42, 50, 59, 67, 68, 69, 80, 85, 87, 88, 96, 97, 99:
		most := 9
		switch code*10 + int(d[2]-'0') {
		case 225, 229, 234, 254, 856, 880:
			most = 10
		case 352, 358:
			most = 11
		}
		return n-3 >= 6 && n-3 <= most
	}
	return false
}

// american returns how many groups a number of North America has: 3, 3 and 4 digits, the first of area and exchange from 2 to 9, with dashes, dots or
// the area in brackets; a 1 may stand before it. Blanks alone would make any table one.
func (c *cluster) american(k int) int {
	text := c.s.text
	at := k
	if c.groups[k].len() == 1 && text[c.groups[k].from] == '1' {
		at++
	}
	if !c.shape(at, 3, 3, 4) || !c.endsNumber(at+3) {
		return 0
	}
	a, b, e := c.groups[at], c.groups[at+1], c.groups[at+2]
	bracket := at == 0 && c.first == '(' || a.before&gapOpen != 0
	switch {
	case bracket && b.before&gapClose != 0 && e.before&(gapDash|gapDot|gapSpace) != 0:
	case !bracket && b.before == e.before && (b.before == gapDash || b.before == gapDot):
	case !bracket && b.before == gapSpace && e.before == gapDash:
	default:
		return 0
	}
	if text[a.from] < '2' || text[b.from] < '2' || text[a.from+1:a.to] == "11" || text[b.from+1:b.to] == "11" {
		return 0
	}
	return at + 3 - k
}

// trunk returns how many groups a number within a country has that begins with the 0 of long distance calls: 9 to 12 digits in two to five groups.
// Dates and tables have zeros too.
func (c *cluster) trunk(k int) int {
	text := c.s.text
	g := c.groups[k]
	if g.len() < 2 || text[g.from] != '0' || text[g.from+1] == '0' {
		return 0
	}
	sum, best := 0, 0
	for i := k; i < len(c.groups); i++ {
		n := c.groups[i].len()
		if i > k {
			switch b := c.groups[i].before; {
			case b == gapSlash && i > k+1, b&gapOpen != 0, b&gapDot != 0 && c.groups[k+1].before&gapDot == 0:
				return best
			}
		}
		if sum += n; n < 2 || sum > 12 {
			break
		}
		if sum >= 9 && i > k && i < k+5 && c.endsNumber(i+1) {
			if c.groups[k+1].before&gapDot != 0 && !(c.pairs(k, i+1-k) && sum == 10) {
				continue // with dots only as in France
			}
			if i == k+1 && g.len() == 2 && c.groups[i].before == gapSpace {
				continue // 01 1180226: columns more often
			}
			best = i + 1 - k
		}
	}
	if best > 0 && (c.date(k) || c.shape(k, 3, 2, 4) || best == 2 && c.shape(k, 5, 4) && c.groups[k+1].before == gapDash || // of a post code in the USA: Boston, MA 02110-1301
		c.table(k, best) || c.dump(k, best)) {
		return 0
	}
	return best
}

// pairs reports whether n groups from k have two digits each.
func (c *cluster) pairs(k, n int) bool {
	for _, g := range c.groups[k : k+n] {
		if g.len() != 2 {
			return false
		}
	}
	return true
}

// date reports whether the groups from k begin with a day, a month and a year.
func (c *cluster) date(k int) bool {
	return (c.shape(k, 2, 2, 4) || c.shape(k, 4, 2, 2)) && c.groups[k+1].before == c.groups[k+2].before && c.groups[k+1].before != gapSpace
}

// table reports whether the groups from k are the columns of a table, or count up: more of the same length follow, by the same gap.
func (c *cluster) table(k, n int) bool {
	next := k + n
	if next < len(c.groups) && c.groups[next].len() == c.groups[next-1].len() && c.groups[next].before == c.groups[next-1].before {
		return true
	}
	if k > 0 && c.groups[k].before == c.groups[k+1].before && c.groups[k-1].len() == c.groups[k].len() {
		return true
	}
	up, zeros := 0, 0
	for i := k; i < next; i++ {
		if i > k && c.groups[i].len() == c.groups[i-1].len() && c.value(i) == c.value(i-1)+1 {
			up++
		}
		if c.groups[i].len() > 2 && c.s.text[c.groups[i].from] == '0' {
			zeros++
		}
	}
	return n > 2 && (up == n-1 || zeros == n) // 013 014 015, or code points: 0069 0307 0300
}

// dump reports whether pairs of digits stand among pairs of hex digits: bytes, and not a number of France.
func (c *cluster) dump(k, n int) bool {
	if !c.pairs(k, n) {
		return false
	}
	text := c.s.text
	zeros := 0
	for i := k; i < k+n; i++ {
		if c.value(i) == 0 {
			zeros++
		}
	}
	byteAt := func(i int) bool {
		return i >= 0 && i+2 <= len(text) && class[text[i]]&(digit|hexa) != 0 && class[text[i+1]]&(digit|hexa) != 0 &&
			(i == 0 || class[text[i-1]]&(alpha|digit) == 0) && (i+2 == len(text) || class[text[i+2]]&(alpha|digit) == 0)
	}
	from, to := c.groups[k].from, c.groups[k+n-1].to
	return zeros > 1 || k == 0 && from > 2 && text[from-1] == ' ' && byteAt(from-3) || to < len(text) && text[to] == ' ' && byteAt(to+1)
}

func (c *cluster) value(i int) (v int) {
	for _, d := range []byte(c.s.text[c.groups[i].from:c.groups[i].to]) {
		v = v*10 + int(d-'0')
	}
	return v
}

// called returns how many groups a number has that a word calls one.
func (c *cluster) called(k int) int {
	if k > 0 && (c.open || len(c.groups)-k > reach) { // no word stands right before it, and none after what it could reach
		return 0
	}
	sum, best := 0, 0
	for i := k; i < len(c.groups) && i < k+reach; i++ {
		if i > k && c.groups[i].before&gapDot != 0 && c.groups[k+1].before&gapDot == 0 {
			break
		}
		if sum += c.groups[i].len(); sum > 15 {
			break
		}
		if sum >= 6 && (i > k || sum >= 7) && c.endsNumber(i+1) {
			best = i + 1 - k
		}
	}
	if best == 0 || c.date(k) || best >= 4 && c.same(k, 4, gapDot) && c.groups[k].len() <= 3 { // an address of a machine
		return 0
	}
	h := c.before(k)
	if h&phoneWord == 0 || best == 1 && h&nearWord == 0 || h&(countWord|cardWord|ssnWord|falseWord) != 0 {
		for n := best; ; n-- { // what stands behind it tells where it ends
			if n == 0 {
				return 0
			}
			if to := c.groups[k+n-1].to; k+n == len(c.groups) && c.s.after(c.extension(to)) && h&countWord == 0 {
				best = n
				break
			}
		}
	}
	return c.addPhone(k, best)
}
