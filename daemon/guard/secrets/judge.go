package secrets

import (
	"math"
	"strings"
)

// entropy is Shannon's, in bits a byte: 0 for aaaa, about 3.6 for 32 random hex digits, about 4.7 for 40 random characters of base64.
func entropy(v string) float64 {
	if v == "" {
		return 0
	}
	var count [256]int
	for i := range len(v) {
		count[v[i]]++
	}
	var h float64
	n := float64(len(v))
	for _, c := range count {
		if c > 0 {
			p := float64(c) / n
			h -= p * math.Log2(p)
		}
	}
	return h
}

// fillers are what people write where a secret would stand.
func fillers() []string {
	return []string{"example", "sample", "placeholder", "changeme", "change-me", "change_me", "replace", "redacted", "dummy", "your", "xxxx",
		"****", "....", "insert", "secret-here", "token-here", "key-here", "<", "${", "{{", "%s", "process.env", "os.environ"}
}

// placeholder reports whether a value only shows where one would stand.
func placeholder(v string) bool {
	low := strings.ToLower(v)
	for _, w := range fillers() {
		if strings.Contains(low, w) {
			return true
		}
	}
	var count [256]int
	most, rising, run := 0, 1, 1
	for i := range len(low) {
		c := low[i]
		count[c]++
		most = max(most, count[c])
		if i > 0 && c == low[i-1]+1 {
			run++
			rising = max(rising, run)
		} else {
			run = 1
		}
	}
	return len(v) >= 8 && most*2 > len(v) || rising >= 10 // abcdefghij
}

// random reports whether a value looks made by a machine: what a token is, and what names, paths and prose are not. It knows UUIDs and hex as
// random; whoever calls it has seen a name that says token, secret or key.
func random(v string) bool {
	if len(v) < 10 || len(v) > maxValue || placeholder(v) {
		return false
	}
	var digits, lowers, uppers, turns int
	last := set(0)
	for i := range len(v) {
		c := class[v[i]]
		switch {
		case c&digit != 0:
			digits++
		case c&lower != 0:
			lowers++
			if last&upper != 0 {
				turns++
			}
		case c&upper != 0:
			uppers++
			if last&lower != 0 {
				turns++
			}
		case c&(dash|underscore|dot|equals|slashPlus) != 0, v[i] == '~', v[i] == '@', v[i] == '%':
		default:
			return false
		}
		last = c
	}
	letters := lowers + uppers
	switch {
	case letters == 0: // all digits: an id more often than not, so only long ones
		return digits == len(v) && digits >= 16
	case digits == 0:
		// Words in camelCase turn from small to capital twice a word; a machine turns about every second letter.
		return letters >= 14 && letters == len(v) && turns*5 >= letters*2
	}
	if v[0] == '/' || v[0] == '.' || v[0] == '@' || wordy(v) {
		return false
	}
	return entropy(v) >= wanted(len(v))
}

// wanted is the least entropy of a random value of that length: hex digits of such a length reach it nearly always, and words with a year
// behind them seldom.
func wanted(n int) float64 {
	switch {
	case n < 16:
		return 2.8
	case n < 24:
		return 3
	}
	return 3.1
}

// wordy reports whether a value is built of words and short numbers, as names of machines, files, branches and versions are: prod-openai-2,
// cert.p12, id-Gost28147-89-None-KeyMeshing.
func wordy(v string) bool {
	for v != "" {
		n := strings.IndexAny(v, "-_./=+~@%")
		if n < 0 {
			n = len(v)
		}
		if !wordOrNumber(v[:n]) {
			return false
		}
		v = v[min(len(v), n+1):]
	}
	return true
}

// wordOrNumber reports whether a part is letters that can be said, with a few digits at one end or none, or a short number.
func wordOrNumber(p string) bool {
	if n := len(p) - len(strings.TrimLeft(p, "0123456789")); n > 0 && n < 4 && n < len(p) && !strings.ContainsAny(p[n:], "0123456789") {
		p = p[n:]
	}
	n := 0
	for n < len(p) && class[p[n]]&letter != 0 {
		n++
	}
	rest := p[n:]
	for i := range len(rest) {
		if class[rest[i]]&digit == 0 {
			return false
		}
	}
	if len(rest) > 5 {
		return false
	}
	vowels, turns := 0, 0
	for i := range n {
		switch p[i] | 0x20 {
		case 'a', 'e', 'i', 'o', 'u', 'y':
			vowels++
		}
		if i > 0 && class[p[i]]&upper != 0 && class[p[i-1]]&lower != 0 {
			turns++
		}
	}
	return n < 6 || vowels*6 >= n && turns*4 <= n
}

// passwordLike reports whether a value may be a password that someone chose: not only a word, for "password: required" is no secret.
func passwordLike(v string, quoted bool) bool {
	if len(v) < 6 || len(v) > 128 || placeholder(v) || v[0] == '$' || v[0] == '\\' || v[0] == '+' || v[0] == '/' || v[0] == '~' || strings.HasPrefix(v, "#/") || v[0] == '%' && v[len(v)-1] == '%' {
		return false
	}
	var letters, digits, symbols int
	for i := range len(v) {
		switch c := class[v[i]]; {
		case c&letter != 0:
			letters++
		case c&digit != 0:
			digits++
		case c&space != 0:
			return false // a sentence
		case c&(dash|underscore|dot) != 0:
		case v[i] < ' ' || v[i] >= 0x7f:
			return false // prose in another script far more often than a password
		default:
			symbols++
		}
	}
	if strings.Contains(v, "://") || strings.Contains(v, "()") {
		return false
	}
	switch {
	case letters == 0:
		return digits+symbols == len(v) && symbols > 0 && digits > 0
	case digits > 0 && symbols > 0, digits > 0 && quoted:
		return true
	case digits > 0:
		return len(v) >= 8 && !strings.Contains(v, ".")
	}
	return symbols >= 2 && quoted || random(v)
}

// uuid reports whether a value has the form of a UUID.
func uuid(v string) bool {
	if len(v) != 36 || v[8] != '-' || v[13] != '-' || v[18] != '-' || v[23] != '-' {
		return false
	}
	for i := range len(v) {
		if class[v[i]]&(anyHex|dash) == 0 {
			return false
		}
	}
	return true
}
