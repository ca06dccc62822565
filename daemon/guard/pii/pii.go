// Package pii finds personal data that has a form: mail addresses, telephone numbers, payment cards, bank accounts, social security and national
// insurance numbers, addresses of machines, and wallets. Names and postal addresses have none, and it does not look for them.
//
// A number is judged by its check digits where it has any, and by the words around it where it has none or where they fail: an order may have
// sixteen digits, and a version four parts. To add a kind, add it to Kinds, and find where it begins: at a letter (word), a digit (number) or a sign.
//
// Telephone numbers are judged by own rules (phone.go) and not by a library: libphonenumber for Go (github.com/nyaruka/phonenumbers) takes about
// 20 µs and 70 allocations a number, twice what a kilobyte of text may take here, adds four megabytes to the program, and does not find numbers in a
// text, which is the larger part of the work. (Measured with v1.8.1: 21 µs a number, and 4.2 MB more of a stripped program.)
package pii

import "corral/daemon/guard/span"

// Kinds are all that Find can name.
func Kinds() []string {
	return []string{"email", "phone", "credit_card", "iban", "us_ssn", "uk_nino", "ip_address", "crypto_wallet"}
}

// Find returns the personal data of a text, in order and without overlap. It reads each byte a bounded number of times, whatever the text is.
func Find(text string) []span.Span {
	s := scan{text: text}
	s.run()
	return s.spans
}

// scan is one reading of one text.
type scan struct {
	text  string
	spans []span.Span
	end   int // of the last span
	last  cluster
	work  int // bytes read beyond the one pass over the text, for the test that this stays linear
}

func (s *scan) run() {
	text := s.text
	for i := 0; i < len(text); {
		switch c := class[text[i]]; {
		case c&(alpha|digit) != 0:
			start := i
			for i++; i < len(text) && class[text[i]]&(alpha|digit) != 0; i++ {
			}
			i = s.word(start, i)
		case c&sign != 0:
			i = s.sign(i)
		default:
			i++
		}
		i = max(i, s.end)
	}
}

// word looks at a run of letters, digits and _, and returns where the reading goes on.
func (s *scan) word(from, to int) int {
	text := s.text
	n := to - from
	if n <= 4 && to < len(text) && text[to] == ':' && s.ipv6(from) {
		return s.end
	}
	if n >= 26 && s.wallet(from, to) {
		return to
	}
	if class[text[from]]&digit != 0 {
		return max(to, s.numbers(from, 0))
	}
	if n >= 15 && n <= 34 && class[text[from]]&class[text[from+1]]&lower != 0 && class[text[from+2]]&class[text[from+3]]&digit != 0 && s.iban(from) {
		return s.end
	}
	if class[text[from]]&upper != 0 && n >= 2 && class[text[from+1]]&upper != 0 {
		if n >= 4 && class[text[from+2]]&class[text[from+3]]&digit != 0 && s.iban(from) {
			return s.end
		}
		if (n == 2 || n == 9 || n == 4 || n == 8) && s.nino(from) {
			return s.end
		}
	}
	return to
}

// sign looks at a character that is neither letter nor digit, and returns where the reading goes on.
func (s *scan) sign(at int) int {
	text := s.text
	switch text[at] {
	case '@':
		s.email(at)
	case '+':
		if at+1 < len(text) && class[text[at+1]]&digit != 0 && (at == 0 || class[text[at-1]]&(alpha|digit) == 0 && text[at-1] != '+') {
			return s.numbers(at+1, '+')
		}
	case '(':
		n := at + 1 // an area, and not all of it: (020) 7946 0958
		for n < len(text) && n < at+7 && class[text[n]]&digit != 0 {
			n++
		}
		if n > at+1 && n < len(text) && text[n] == ')' && (at == 0 || class[text[at-1]]&(alpha|digit) == 0) {
			return s.numbers(at+1, '(')
		}
	}
	return at + 1
}

func (s *scan) add(from, to int, kind string) {
	for n := len(s.spans); n > 0 && s.spans[n-1].To > from; n = len(s.spans) {
		s.spans = s.spans[:n-1] // a number that turned out to be the begin of a mail address
	}
	s.spans = append(s.spans, span.Span{From: from, To: to, Kind: kind})
	s.end = to
}
