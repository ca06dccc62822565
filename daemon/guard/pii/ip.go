package pii

import (
	"net/netip"
	"strings"
)

// ipv4 is an address of four numbers. A version may have four parts as well, so the word before it and what is joined to it decide, and four small
// numbers must be called an address. What is no one's is none: this machine, no address, masks, and what is kept for groups.
func (c *cluster) ipv4(k int) int {
	if c.groups[k].len() > 3 || k+4 > len(c.groups) || !c.same(k, 4, gapDot) || k == 0 && (c.first == '+' || !c.bound) || k > 0 && c.groups[k].before&(gapDot|gapDash) != 0 {
		return 0
	}
	text := c.s.text
	var octet [4]int
	for i := range octet {
		g := c.groups[k+i]
		if g.len() > 3 || g.len() > 1 && text[g.from] == '0' {
			return 0
		}
		for _, d := range []byte(text[g.from:g.to]) {
			octet[i] = octet[i]*10 + int(d-'0')
		}
		if octet[i] > 255 {
			return 0
		}
	}
	if k+4 < len(c.groups) && c.groups[k+4].before&gapDot != 0 || k+4 == len(c.groups) && c.glued {
		return 0
	}
	from, to := c.groups[k].from, c.groups[k+3].to
	if to+1 < len(text) && (text[to] == '-' || text[to] == '.' || text[to] == '+') && class[text[to+1]]&alpha != 0 { // -rc1, .tar.gz
		return 0
	}
	if from > 0 && pinned(text[max(0, from-64):from]) && c.before(k)&ipWord == 0 {
		return 0
	}
	if octet[0] == 0 || octet[0] == 127 || octet[0] >= 224 {
		return 0
	}
	if octet[3] == 0 && to < len(text) && text[to] == '/' { // a network, not a machine
		return 0
	}
	h := c.before(k)
	if h&versionWord != 0 {
		return 0
	}
	if k > 0 && strings.HasSuffix(text[:c.groups[k-1].from], ".") && h&ipWord == 0 { // a row of decimals, such as the path of a drawing
		return 0
	}
	if octet[0] != 10 && max(octet[0], octet[1], octet[2], octet[3]) < 20 && h&ipWord == 0 {
		return 0
	}
	return c.add(k, 4, "ip_address")
}

// pinned reports whether a text ends as the name of a package does before its version: name@, name==. A name before an @ may be someone on a
// machine too, in an address.
func pinned(before string) bool {
	for _, sign := range [...]string{"==", "~=", ">=", "<=", "~>"} {
		if strings.HasSuffix(before, sign) {
			return true
		}
	}
	n := len(before) - 1
	return before[n] == '@' && n > 0 && class[before[n-1]]&(alpha|digit) != 0 && !strings.Contains(before, "://")
}

// ipv6 reads an address that begins at a place (RFC 4291). Times, fingerprints, and names such as std::cab have colons too: without :: there must be
// eight groups, and not all of two digits; with it the begin must be one that networks have.
func (s *scan) ipv6(from int) bool {
	text := s.text
	if from > 0 && (class[text[from-1]]&(alpha|digit) != 0 || text[from-1] == ':' || text[from-1] == '.') {
		return false
	}
	to, colons, digits, long, double := from, 0, 0, 0, false
	run := 0
	for to < len(text) && to-from < 46 {
		c := text[to]
		switch {
		case c == ':':
			colons++
			double = double || to > from && text[to-1] == ':'
			run = 0
		case class[c]&(digit|hexa) != 0:
			if run++; run == 3 {
				long++
			}
			if class[c]&digit != 0 {
				digits++
			}
		default:
			if c != '.' || !double {
				goto read
			}
		}
		to++
	}
read:
	s.work += to - from
	if to < len(text) && class[text[to]]&(alpha|digit) != 0 {
		return false
	}
	for to > from && (text[to-1] == '.' || text[to-1] == ':' && text[max(from, to-2)] != ':') {
		to--
	}
	if digits == 0 || !double && (colons < 7 || long == 0) || to-from > 45 {
		return false
	}
	a, err := netip.ParseAddr(text[from:to])
	if err != nil || a.IsLoopback() || a.IsUnspecified() || a.IsMulticast() {
		return false
	}
	if strings.HasSuffix(text[from:to], "::") { // a network
		return false
	}
	if b := a.As16(); double && b[0]>>5 != 1 && b[0]>>1 != 0x7e && !a.IsLinkLocalUnicast() || double && long == 0 {
		return false
	}
	s.add(from, to, "ip_address")
	return true
}
