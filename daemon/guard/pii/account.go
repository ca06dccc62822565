package pii

import "strings"

// iban reads an international bank account number: two letters, two check digits, and what the country has (ISO 13616, lengths from the registry
// that SWIFT keeps); blanks may stand between groups of four. The check by modulus 97 leaves one of a hundred wrong numbers.
func (s *scan) iban(from int) bool {
	text := s.text
	n := ibanLength(text[from]&^0x20, text[from+1]&^0x20)
	if n == 0 {
		return false
	}
	at, count, sum := from, 0, 0
	var head [4]byte
	for ; at < len(text) && count < n; at++ {
		c := text[at]
		if count >= 4 && class[text[at-1]]&(lower|upper|digit) != 0 {
			if n := between(text[at:]); n > 0 {
				at += n - 1
				continue
			}
		}
		if class[c]&(lower|upper|digit) == 0 {
			break
		}
		if count < len(head) {
			head[count] = c
		} else {
			sum = modulo97(sum, c)
		}
		count++
	}
	s.work += at - from
	if count < n || class[text[at-1]]&(lower|upper|digit) == 0 || at < len(text) && class[text[at]]&(alpha|digit) != 0 {
		return false
	}
	for _, c := range head {
		sum = modulo97(sum, c)
	}
	if sum != 1 {
		return false
	}
	s.add(from, at, "iban")
	return true
}

// between is the length of what may stand between two groups of an account: a blank, one at which no line breaks, as pages have it, or a dash.
func between(s string) int {
	switch {
	case s[0] == ' ', s[0] == '-':
		return 1
	case strings.HasPrefix(s, "\u00a0"):
		return len("\u00a0")
	case strings.HasPrefix(s, "\u202f"):
		return len("\u202f")
	}
	return 0
}

// modulo97 puts a character behind a number, letters as two digits from A = 10, and returns the remainder.
func modulo97(sum int, c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return (sum*10 + int(c-'0')) % 97
	case c >= 'a' && c <= 'z':
		c -= 'a' - 'A'
	}
	return (sum*100 + int(c-'A') + 10) % 97
}

// ibanLength is how many characters the accounts of a country have, 0 if it has none.
func ibanLength(a, b byte) int {
	switch string([]byte{a, b}) {
	case "NO":
		return 15
	case "BE":
		return 16
	case "DK", "FI", "FO", "GL", "NL", "SD", "FK":
		return 18
	case "MK", "SI":
		return 19
	case "AT", "BA", "EE", "KZ", "LT", "LU", "XK", "MN":
		return 20
	case "CH", "HR", "LI", "LV":
		return 21
	case "BG", "BH", "CR", "DE", "GB", "GE", "IE", "ME", "RS", "VA":
		return 22
	case "AE", "GI", "IL", "IQ", "TL", "OM", "SO":
		return 23
	case "AD", "CZ", "ES", "MD", "PK", "RO", "SA", "SE", "SK", "TN", "VG":
		return 24
	case "LY", "PT", "ST":
		return 25
	case "IS", "TR":
		return 26
	case "BI", "DJ", "FR", "GR", "IT", "MC", "MR", "SM":
		return 27
	case "AL", "AZ", "BY", "CY", "DO", "GT", "HU", "LB", "NI", "PL", "SV":
		return 28
	case "BR", "EG", "PS", "QA", "UA":
		return 29
	case "JO", "KW", "MU", "YE":
		return 30
	case "MT", "SC":
		return 31
	case "LC":
		return 32
	case "RU":
		return 33
	}
	return 0
}

// nino reads a national insurance number of the United Kingdom: two letters, six digits, and A to D (HMRC, "National Insurance Manual", NIM39110).
// Some letters are not used, and some pairs neither. A blank may stand between the pairs.
func (s *scan) nino(from int) bool {
	text := s.text
	a, b := text[from], text[from+1]
	if from > 0 && (text[from-1] == '-' || text[from-1] == '#') || !ninoPrefix(a, b) {
		return false
	}
	at := from + 2
	for i := range 4 { // three pairs and the letter
		if at < len(text) && (text[at] == ' ' || text[at] == '-') {
			at++
		}
		if i == 3 {
			break
		}
		if at+1 >= len(text) || class[text[at]]&class[text[at+1]]&digit == 0 {
			return false
		}
		at += 2
	}
	if at >= len(text) || text[at] < 'A' || text[at] > 'D' || at+1 < len(text) && (class[text[at+1]]&(alpha|digit) != 0 || text[at+1] == '-') {
		return false
	}
	s.add(from, at+1, "uk_nino")
	return true
}

func ninoPrefix(a, b byte) bool {
	for _, no := range [...]byte{'D', 'F', 'I', 'Q', 'U', 'V'} {
		if a == no || b == no {
			return false
		}
	}
	if b == 'O' {
		return false
	}
	switch string([]byte{a, b}) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return false
	}
	return true
}
