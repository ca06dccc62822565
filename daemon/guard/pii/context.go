package pii

import "strings"

// hint is what a word near a number says of it.
type hint uint16

const (
	phoneWord   hint = 1 << iota
	cardWord         // also: a card with a typing error in it is still a card
	ssnWord          // social security
	ninoWord         // national insurance
	ipWord           // address, host, server
	versionWord      // four parts with dots are no address
	countWord        // order, invoice, part: a number of something
	falseWord        // invalid, reject, test: said of what is no real one
	labelAfter       // office, fax: may stand behind a telephone number
	verbWord         // call: says phone if only such words as "me back on" follow it, for one may call a taxi to 14 Main Street
	smallWord        // those
	nearWord         // a word for a telephone, and only such words behind it
)

// hints knows words by what they say. A number of words cannot be told from others, so they are few.
func hints(word []byte) hint {
	switch string(word) {
	case "phone", "phones", "telephone", "tel", "telefon", "telefono", "telephonenumber", "phonenumber", "phoneno",
		"whatsapp", "sms", "hotline", "handy", "handynummer", "rufnummer", "telefonnummer", "portable", "voicemail", "cellphone", "mobil":
		return phoneWord
	case "call", "calling", "dial", "ring", "reach":
		return verbWord
	case "me", "us", "him", "her", "them", "you", "back", "on", "at", "under", "now", "today", "please", "directly", "number", "the", "my", "our", "his",
		"their", "is", "via", "by", "or", "anytime", "free", "toll":
		return smallWord
	case "mobile", "cell", "fax", "desk", "landline":
		return phoneWord | labelAfter
	case "office", "home", "work":
		return labelAfter
	case "card", "cards", "cc", "creditcard", "cardnumber", "visa", "mastercard", "amex", "debit", "pan", "ccnum", "kreditkarte", "kartennummer", "carte":
		return cardWord
	case "ssn", "ssns", "socialsecurity", "security":
		return ssnWord
	case "nino", "ni", "insurance":
		return ninoWord
	case "ip", "ips", "ipv", "address", "addr", "host", "server", "ping", "dns", "gateway", "subnet", "peer", "connect", "ssh", "remote",
		"traceroute", "whois":
		return ipWord
	case "version", "ver", "v", "release", "firmware", "build", "upgrade", "upgraded", "bump", "rev", "revision", "section", "chapter", "oid", "driver",
		"sdk", "assemblyversion", "fileversion":
		return versionWord
	case "order", "orders", "invoice", "ticket", "part", "sku", "serial", "tracking", "isbn", "issn", "doi", "ref", "reference", "id", "ids", "epoch",
		"timestamp", "case", "article", "rfc", "asin", "model", "issue", "bug", "commit", "port", "pid", "ean", "upc", "barcode", "transaction", "batch",
		"lot", "uuid", "item", "product", "parcel", "shipment":
		return countWord
	case "invalid", "reject", "rejects", "validator", "fake", "dummy", "wrong":
		return falseWord
	}
	return 0
}

const (
	contextBytes = 48
	contextWords = 6
)

// before tells what the words before a place say. It stops at another number and at the end of a line or a sentence, for what stands before those
// speaks of something else.
func (s *scan) before(at int) (h hint) {
	var buf [16]byte
	n, words, small := len(buf), 0, true
	low := max(0, at-contextBytes)
	i := at
	for ; ; i-- {
		var c byte
		if i > low {
			c = s.text[i-1]
		}
		if c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' {
			if n > 0 {
				n--
				buf[n] = c | 0x20
			}
			continue
		}
		if n < len(buf) {
			if i > low || low == 0 { // else cut off
				one := hints(buf[n:])
				if one&verbWord != 0 && small {
					one |= phoneWord
				}
				if one&phoneWord != 0 && small {
					one |= nearWord
				}
				small = small && one&(smallWord|phoneWord|labelAfter) != 0
				if h&(ipWord|versionWord) != 0 { // the nearer of the two decides: a server version, the firmware of a host
					one &^= ipWord | versionWord
				}
				h |= one
			}
			n = len(buf)
			words++
		}
		if i <= low || words == contextWords || c == '\n' || c == ';' || c >= '0' && c <= '9' {
			break
		}
		if (c == '.' || c == '?' || c == '!') && i < at && s.text[i] == ' ' && !abbreviated(s.text[:i-1]) {
			break
		}
	}
	s.work += at - i
	return h
}

// abbreviated reports whether the full stop behind a text ends a short form and no sentence: tel. 030 1234.
func abbreviated(before string) bool {
	for _, w := range [...]string{"tel", "Tel", "TEL", "no", "No", "nr", "Nr", "ph", "Ph", "mob", "Mob"} {
		if strings.HasSuffix(before, w) {
			return true
		}
	}
	return false
}

// after reports whether a label such as "office" or "fax" stands behind a place and ends there: "5 000 000 mobile users" is no number to call.
func (s *scan) after(at int) bool {
	i := at
	for i < len(s.text) && i-at < 3 && (s.text[i] == ' ' || s.text[i] == '-' || s.text[i] == '(') {
		i++
	}
	if i == at {
		return false
	}
	var buf [8]byte
	n := 0
	for i < len(s.text) && n < len(buf) && class[s.text[i]]&(lower|upper) != 0 {
		buf[n] = s.text[i] | 0x20
		n++
		i++
	}
	s.work += i - at
	if n == 0 || i < len(s.text) && (s.text[i] == ' ' || class[s.text[i]]&(alpha|digit) != 0) {
		return false
	}
	return hints(buf[:n])&labelAfter != 0
}
