package pii

import (
	"strings"
	"unicode/utf8"
)

// email reads a mail address around its @: RFC 5321 lets 64 bytes stand before it and 255 behind. What else has such a sign is told apart by its
// surroundings: a password in an address (https://me:secret@host), a package with its version, a picture for fine screens (icon@2x.png).
func (s *scan) email(at int) {
	text := s.text
	from := at
	for from > 0 && at-from < 64 {
		c := text[from-1]
		if class[c]&local != 0 {
			from--
			continue
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeLastRuneInString(text[:from])
		if r < 0xC0 || r > 0x24F { // letters of Latin script only: others are written without spaces around an address
			break
		}
		from -= n
	}
	if from > 0 && from < at && text[from-1] == '\\' { // \n and its like, in JSON or a program's text: the letter is no part of the address
		switch rest := text[from:at]; {
		case rest[0] == 'u' && len(rest) >= 5:
			from += 5
		case strings.IndexByte("ntrbf", rest[0]) >= 0:
			from++
		}
	}
	for from < at && (text[from] == '.' || text[from] == '-' || text[from] == '+' || text[from] == '%') {
		from++
	}
	to := at + 1
	for to < len(text) && to-at <= 255 {
		c := text[to]
		if class[c]&domain != 0 {
			to++
			continue
		}
		if c < utf8.RuneSelf {
			break
		}
		r, n := utf8.DecodeRuneInString(text[to:])
		if r < 0xC0 || r > 0x24F {
			break
		}
		to += n
	}
	s.work += to - from
	for to > at+1 && (text[to-1] == '.' || text[to-1] == '-') {
		to--
	}
	if from == at || text[at-1] == '.' || to-at > 255 || to < len(text) && (text[to] == '@' || text[to] == '_') || !host(text[at+1:to]) {
		return
	}
	name := text[from:at]
	if name == "git" && to < len(text) && (text[to] == ':' || text[to] == '/') || strings.Contains(name, "..") {
		return
	}
	if from > 0 && (text[from-1] == ':' || text[from-1] == '/') && s.inAddress(from) {
		return
	}
	s.add(from, to, "email")
}

// inAddress reports whether a place is within an address such as scheme://name:password@host.
func (s *scan) inAddress(at int) bool {
	const far = 80
	before := s.text[max(0, at-far):at]
	s.work += len(before)
	n := strings.LastIndex(before, "://")
	return n >= 0 && !strings.ContainsAny(before[n+3:], " \t\n\"'<>/")
}

// host reports whether the right side of an address is a domain with a top level that mail is sent to.
func host(d string) bool {
	n := strings.LastIndexByte(d, '.')
	if n <= 0 || strings.Contains(d, "..") || d[0] == '-' || strings.Contains(d, ".-") || strings.Contains(d, "-.") {
		return false
	}
	top := d[n+1:]
	if len(top) < 2 || len(top) > 24 {
		return false
	}
	for i := range len(top) {
		if class[top[i]]&(lower|upper) == 0 && !strings.HasPrefix(top, "xn--") && top[i] < utf8.RuneSelf {
			return false
		}
	}
	switch strings.ToLower(top) {
	case "png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "jsx", "tsx", "json", "html", "local", "internal", "lan", "localdomain", "service":
		return false
	}
	return true
}
