package similar

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is a word of a question, or a piece of code, a number, a quoted text.
type word struct {
	raw    string // lower case
	shown  string // as it was written
	key    string // what it is compared by
	mark   string // the preposition before it
	clause int
	capped bool // begins with a capital letter
	proper bool // and so is a name, as far as can be told
	begins bool // is the first of a sentence
	quoted bool
	code   bool
	figure bool // a number
	acted  bool // a participle after a form of be: what stands before it is done to
	opt    bool // may be missing
	joined bool // no preposition may stand here: the words before it were drawn there
	after  bool // a form of be stands right before it
	pair   bool // and, or stands before it
}

// scan splits a text into words. What looks like code or an address stays one word, in the case in which it was written.
func scan(text string) []word {
	out := make([]word, 0, 24)
	clause, begins := 0, true
	var quote rune
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if unicode.IsSpace(r) {
			i += n
			continue
		}
		end := i + strings.IndexFunc(text[i:], unicode.IsSpace)
		if end < i {
			end = len(text)
		}
		chunk := text[i:end]
		i = end
		if op := operators[chunk]; op != "" && figures(out, clause, text[i:]) {
			out = append(out, word{raw: op, shown: chunk, key: op, clause: clause, quoted: quote != 0, code: true})
			continue
		}
		// Quotes and brackets around, sentence marks behind.
		for chunk != "" {
			r, n := utf8.DecodeRuneInString(chunk)
			if isQuote(r) {
				if quote == 0 && strings.ContainsFunc(chunk[n:]+text[i:], func(c rune) bool { return closes(r, c) }) && !(len(chunk) == n) {
					quote = r
				}
				chunk = chunk[n:]
				continue
			}
			if r == '(' && strings.Count(chunk, "(") > strings.Count(chunk, ")")-1 && !strings.HasPrefix(chunk, "()") || r == '¿' || r == '¡' || r == '…' || r == ',' || r == ';' {
				clause++
				chunk = chunk[n:]
				continue
			}
			break
		}
		trail, closed := "", false
		for chunk != "" {
			r, n := utf8.DecodeLastRuneInString(chunk)
			if isQuote(r) && !(r == '\'' && quote == 0) {
				closed = closed || closes(quote, r)
				chunk = chunk[:len(chunk)-n]
				continue
			}
			if r == ')' && strings.Count(chunk, ")") > strings.Count(chunk, "(") || strings.ContainsRune(".,;:?!…", r) && !(r == '!' && len(chunk) == 1) && !(r == '?' && quote == '`') {
				trail = string(r) + trail
				chunk = chunk[:len(chunk)-n]
				continue
			}
			break
		}
		if chunk != "" {
			first := len(out)
			out = split(out, chunk, quote == '`')
			for j := first; j < len(out); j++ {
				out[j].clause, out[j].quoted = clause, quote != 0
				out[j].begins = begins && j == first
			}
			if len(out) > first {
				begins = false
			}
		}
		if closed {
			quote = 0
		}
		if trail == "," && figures(out, clause, text[i:]) {
			out = append(out, word{raw: ",", shown: ",", key: ",", clause: clause, quoted: quote != 0, code: true})
		}
		if trail != "" {
			clause++
			if strings.ContainsAny(trail, ".?!…") && !(trail == "." && len(chunk) == 1) || trail == ":" {
				begins = true
			}
		}
	}
	return sums(out)
}

// operators are the marks that mean something between two figures, as they are compared.
var operators = map[string]string{"-": "-", "–": "-", "−": "-", ":": ":"}

// figures tells whether a mark stands between two figures: behind the last word of a clause, before more of the text.
func figures(out []word, clause int, rest string) bool {
	rest = strings.TrimLeft(rest, " \t")
	return len(out) > 0 && out[len(out)-1].figure && out[len(out)-1].clause == clause && rest != "" && rest[0] >= '0' && rest[0] <= '9'
}

// sums writes 12 : 4 as 12:4, and drops the marks that only span or date: 1914-1918; July 4, 1776.
func sums(ws []word) []word {
	out := ws[:0]
	for i := 0; i < len(ws); i++ {
		w := ws[i]
		n := len(out)
		if w.code && n > 0 && out[n-1].figure && i+1 < len(ws) && ws[i+1].figure {
			switch {
			case w.key == ":":
				i++
				to := &out[n-1]
				to.raw, to.shown = to.raw+":"+ws[i].raw, to.shown+":"+ws[i].shown
				to.key = "#" + to.raw
				continue
			case w.key == "-" && !w.quoted && rising(out[n-1].raw, ws[i+1].raw), w.key == "," && n > 1 && months[words.fold(out[n-2].raw)]:
				continue
			}
		}
		out = append(out, w)
	}
	return out
}

// rising tells whether a span may be from a to b.
func rising(a, b string) bool {
	x, err := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	return err == nil && err2 == nil && x <= y
}

func isQuote(r rune) bool { return strings.ContainsRune("\"'`“”„‟‘’«»", r) }

func closes(open, r rune) bool {
	switch open {
	case '“', '„', '”':
		return r == '”' || r == '“' || r == '"'
	case '‘':
		return r == '’' || r == '\''
	case '«':
		return r == '»'
	}
	return open != 0 && r == open
}

// split adds the words of a text without spaces.
func split(out []word, chunk string, code bool) []word {
	if looksLikeCode(chunk) {
		s := strings.TrimSuffix(chunk, "()")
		return append(out, word{raw: s, shown: chunk, key: s, code: true})
	}
	first := len(out)
	minus := len(chunk) > 1 && (chunk[0] == '-' || strings.HasPrefix(chunk, "−")) && strings.ContainsAny(chunk[1:min(len(chunk), 4)], "0123456789")
	for chunk != "" {
		r, n := utf8.DecodeRuneInString(chunk)
		var end int
		switch {
		case unicode.IsDigit(r):
			end = numberEnd(chunk)
			digits := thousands(chunk[:end])
			if minus {
				digits, minus = "-"+digits, false
			}
			digits = strings.TrimSuffix(strings.TrimSuffix(digits, ".00"), ".0")
			rest := chunk[end:]
			switch l := strings.ToLower(rest); {
			case l == "k":
				digits, end = digits+"000", len(chunk)
			case l == "st" || l == "nd" || l == "rd" || l == "th":
				digits, end = digits+strings.ToLower(rest), len(chunk)
			}
			shown := chunk[:end]
			if digits[0] == '-' {
				shown = "-" + shown
			}
			out = append(out, word{raw: digits, shown: shown, key: "#" + digits, figure: true})
		case unicode.IsLetter(r):
			end = wordEnd(chunk)
			s := chunk[:end]
			out = addWord(out, s)
			if code {
				out[len(out)-1].shown = s
			}
		case r == '-' || r == '−' || r == '–' || r == '—' || r == '/' || r == '.' || r == ',' || r == ':' || r == '(' || r == ')' || r == '?' || r == '!' || r == '\'' || r == '’':
			end = n
			if op := operators[chunk[:n]]; op != "" && figures(out[first:], 0, chunk[n:]) {
				out = append(out, word{raw: op, shown: chunk[:n], key: op, code: true})
			} else if len(chunk) == n && (r == '/' || code) {
				out = append(out, word{raw: chunk, shown: chunk, key: chunk, code: true})
			}
		case r == '$' || r == '€' || r == '£' || r == '%' || r == '&' || r == '°':
			end = n
			name := map[rune]string{'$': "dollar", '€': "euro", '£': "pound", '%': "percent", '&': "&", '°': "degree"}[r]
			out = append(out, word{raw: name, shown: chunk[:n], code: code})
			if code {
				out[len(out)-1].key = chunk[:n]
			}
		default:
			end = n
			out = append(out, word{raw: chunk[:n], shown: chunk[:n], key: chunk[:n], code: true})
		}
		chunk = chunk[end:]
	}
	return out
}

// addWord adds a word of letters, with what is contracted in it as words of their own.
func addWord(out []word, s string) []word {
	low := strings.ToLower(s)
	first, _ := utf8.DecodeRuneInString(s)
	w := word{raw: low, shown: s, capped: unicode.IsUpper(first)}
	if s == "US" || s == "USA" {
		w.raw = "usa"
		return append(out, w)
	}
	if strings.Contains(low, "’") {
		low = strings.ReplaceAll(low, "’", "'")
		w.raw = low
	}
	if full, ok := contracted[low]; ok {
		for part := range strings.FieldsSeq(full) {
			w.raw = part
			out = append(out, w)
			w.capped = false
		}
		return out
	}
	at := strings.LastIndexByte(low, '\'')
	if at > 0 {
		switch tail := low[at:]; tail {
		case "'s":
			w.raw = low[:at]
			out = append(out, w)
			switch w.raw {
			case "what", "who", "where", "how", "when", "why", "it", "that", "there", "here", "he", "she", "which":
				return append(out, word{raw: "is", shown: tail})
			}
			return append(out, word{raw: "'s", shown: tail})
		case "'re", "'m":
			w.raw = low[:at]
			return append(out, w, word{raw: "are", shown: tail})
		case "'ve", "'ll", "'d":
			w.raw = low[:at]
			return append(out, w, word{raw: tail, shown: tail})
		case "'t":
			if strings.HasSuffix(low, "n't") {
				w.raw = low[:at-1]
				return append(out, w, word{raw: "not", shown: "n't"})
			}
		case "'":
			w.raw = low[:at] // the students' rights
			return append(out, w, word{raw: "'s", shown: tail})
		}
		if at <= 2 && at > 0 && at+1 < len(low) { // d'une, l'eau, qu'est
			w.raw = low[:at+1]
			return append(append(out, w), word{raw: low[at+1:], shown: s[min(at+1, len(s)):]})
		}
	} else if at == 0 {
		w.raw = strings.Trim(low, "'")
		if w.raw == "" {
			return out
		}
	}
	return append(out, w)
}

// contracted are the contractions that are irregular or written without their apostrophe.
var contracted = map[string]string{
	"can't": "can not", "cant": "can not", "cannot": "can not", "won't": "will not", "wont": "will not", "shan't": "shall not", "ain't": "is not",
	"dont": "do not", "doesnt": "does not", "didnt": "did not", "isnt": "is not", "arent": "are not", "wasnt": "was not", "werent": "were not",
	"shouldnt": "should not", "couldnt": "could not", "wouldnt": "would not", "havent": "have not", "hasnt": "has not", "whats": "what is",
	"hows": "how is", "whos": "who is", "wheres": "where is", "thats": "that is", "theres": "there is", "im": "i are", "i'm": "i are", "ive": "i have",
	"youre": "you are", "lets": "let us", "let's": "let us", "i'd": "i would", "alot": "a lot", "gimme": "give me", "plz": "please", "pls": "please",
	"thx": "thanks", "w/o": "without", "b/c": "because", "tho": "though", "dunno": "do not know", "y'all": "you",
}

func numberEnd(s string) int {
	i := 0
	for i < len(s) {
		c := s[i]
		if c >= '0' && c <= '9' {
			i++
			continue
		}
		if (c == '.' || c == ',' || c == ':' || c == '/') && i+1 < len(s) && s[i+1] >= '0' && s[i+1] <= '9' {
			i++
			continue
		}
		if c >= 0x80 {
			if r, n := utf8.DecodeRuneInString(s[i:]); unicode.IsDigit(r) {
				i += n
				continue
			}
		}
		break
	}
	if i == 0 {
		_, i = utf8.DecodeRuneInString(s)
	}
	return i
}

// thousands takes the commas out of 1,000,000; in 1,5 it stays.
func thousands(s string) string {
	groups := strings.Split(s, ",")
	for _, g := range groups[1:] {
		if len(g) < 3 || len(g) > 3 && g[3] != '.' {
			return s
		}
	}
	return strings.Join(groups, "")
}

func wordEnd(s string) int {
	for i, r := range s {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) {
			continue
		}
		n := utf8.RuneLen(r)
		if i > 0 && (r == '\'' || r == '’' || r == '.') && i+n < len(s) {
			if next, _ := utf8.DecodeRuneInString(s[i+n:]); unicode.IsLetter(next) || r == '.' && unicode.IsDigit(next) {
				continue
			}
		}
		if i > 0 && (r == '\'' || r == '’') && i+n == len(s) {
			return len(s) // students'
		}
		return i
	}
	return len(s)
}

// looksLikeCode tells identifiers, operators, flags, paths and addresses from words.
func looksLikeCode(s string) bool {
	if strings.Contains(s, "://") || strings.HasPrefix(s, "www.") || strings.Contains(s, "()") || strings.Contains(s, "::") || strings.Contains(s, "->") {
		return true
	}
	if strings.ContainsAny(s, "_=<>{}[]|\\*^~#@+;") {
		return true
	}
	if len(s) > 1 && s[0] == '-' && s[1] != '-' && (s[1] < '0' || s[1] > '9') {
		return true
	}
	if strings.HasPrefix(s, "--") && len(s) > 2 && isLetter(s[2]) {
		return true
	}
	if len(s) > 1 && (s[0] == '/' || s[0] == '.' && isLetter(s[1]) || s[0] == '&' || strings.HasSuffix(s, "&")) {
		return true
	}
	if strings.Count(s, "/") > 1 && s[0] >= 'A' {
		return true
	}
	if s[0] == '$' && len(s) > 1 && isLetter(s[1]) {
		return true
	}
	if i := strings.IndexByte(s, '('); i > 0 && strings.HasSuffix(s, ")") {
		return true
	}
	// http.Get, list.append and index.html, but not U.S. and "end.Then".
	if i := strings.IndexByte(s, '.'); i > 1 && i+2 < len(s) && isLetter(s[i-1]) && isLetter(s[i+1]) && s[i-1] >= 'a' {
		return true
	}
	return false
}

func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
