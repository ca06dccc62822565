package translate

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"corral/daemon/llm"
)

// maxDepth bounds how deep values may stand in each other.
const maxDepth = 512

// value is a JSON value where it stands in a body.
type jsonValue struct {
	kind             byte // of its first byte: { [ " t f n, and 0 for a number
	escaped, keyEscs bool // the text, the key holds a backslash
	long             bool // a list of longList numbers or more: it has a count, and nothing within
	from, to         int32
	keyFrom, keyTo   int32 // of the member's name, without quotes
	next             int32 // the next value in the same object or list; 0: none
	first            int32 // the first value within; 0: none
	count            int32 // of values within
}

// tree is a body as values, each known by its index; 1 is the body itself. It reads much faster than encoding/json and
// loses nothing: neither the order of members nor the digits of a number.
type tree struct {
	body   []byte
	values []jsonValue
	long   bool // it holds long lists of numbers, which are no values of their own here
}

// longList is how many numbers a list must hold to be read as one value: tokens, mostly.
const longList = 64

// maxKept bounds the values of a tree that is used again.
const maxKept = 4096

var trees = sync.Pool{New: func() any { return &tree{values: make([]jsonValue, 0, 128)} }}

// parseTree reads a body. The error is an *llm.Error of kind Invalid. Give the tree back with free.
func parseTree(body []byte) (*tree, error) {
	t := trees.Get().(*tree)
	t.body, t.values, t.long = body, append(t.values[:0], jsonValue{}), false
	if len(body) > 1<<30 {
		t.free()
		return nil, llm.Errorf(llm.TooLarge, "read JSON", nil, "The body is over 1 GiB.")
	}
	if n := len(body) / 48; n > cap(t.values) && n > maxKept { // turns of a sentence each; more of them make it grow
		t.values = append(make([]jsonValue, 0, n), jsonValue{})
	}
	at, ok := t.parse(t.space(0), 0)
	if ok {
		at = t.space(at)
	}
	if !ok || at != len(body) {
		t.free()
		return nil, llm.Errorf(llm.Invalid, "read JSON", nil, "The body is no JSON, near byte %d.", at)
	}
	return t, nil
}

func (t *tree) free() {
	t.body = nil
	if cap(t.values) <= maxKept {
		trees.Put(t)
	}
}

func (t *tree) space(i int) int {
	for i < len(t.body) && (t.body[i] == ' ' || t.body[i] == '\n' || t.body[i] == '\t' || t.body[i] == '\r') {
		i++
	}
	return i
}

// parse reads the value at i and appends it. It returns where it ended, or where it went wrong.
func (t *tree) parse(i, depth int) (int, bool) {
	if i >= len(t.body) || depth > maxDepth {
		return i, false
	}
	me := len(t.values)
	t.values = append(t.values, jsonValue{kind: t.body[i], from: int32(i)})
	var ok bool
	switch t.body[i] {
	case '{', '[':
		i, ok = t.within(i, me, depth)
	case '"':
		var escaped bool
		i, escaped, ok = t.text(i)
		t.values[me].escaped = escaped
	case 't':
		i, ok = t.word(i, "true")
	case 'f':
		i, ok = t.word(i, "false")
	case 'n':
		i, ok = t.word(i, "null")
	default:
		t.values[me].kind = 0
		i, ok = t.number(i)
	}
	t.values[me].to = int32(i)
	return i, ok
}

func (t *tree) word(i int, w string) (int, bool) {
	if !bytes.HasPrefix(t.body[i:], []byte(w)) {
		return i, false
	}
	return i + len(w), true
}

// within reads the members of an object, or the values of a list, that begins at i.
func (t *tree) within(i, me, depth int) (int, bool) {
	object, last := t.body[i] == '{', 0
	end := t.body[i] + 2 // '}' after '{', ']' after '['
	if i = t.space(i + 1); i < len(t.body) && t.body[i] == end {
		return i + 1, true
	}
	if !object {
		if end, n := t.numbers(i); n >= longList {
			t.values[me].long, t.values[me].count, t.long = true, int32(n), true
			return end, true
		}
	}
	for {
		var keyFrom, keyTo int
		var escaped, ok bool
		if object {
			if i >= len(t.body) || t.body[i] != '"' {
				return i, false
			}
			keyFrom = i + 1
			if i, escaped, ok = t.text(i); !ok {
				return i, false
			}
			keyTo = i - 1
			if i = t.space(i); i >= len(t.body) || t.body[i] != ':' {
				return i, false
			}
			i = t.space(i + 1)
		}
		child := len(t.values)
		if i, ok = t.parse(i, depth+1); !ok {
			return i, false
		}
		v := &t.values[child]
		v.keyFrom, v.keyTo, v.keyEscs = int32(keyFrom), int32(keyTo), escaped
		if last == 0 {
			t.values[me].first = int32(child)
		} else {
			t.values[last].next = int32(child)
		}
		last = child
		t.values[me].count++
		if i = t.space(i); i >= len(t.body) {
			return i, false
		}
		switch t.body[i] {
		case ',':
			i = t.space(i + 1)
		case end:
			return i + 1, true
		default:
			return i, false
		}
	}
}

// numbers reads a list of numbers, the first of which is at i. It returns where it ended, and how many they are: 0 where
// there is something else in it.
func (t *tree) numbers(i int) (end, n int) {
	for {
		if i >= len(t.body) || t.body[i] != '-' && t.body[i]-'0' > 9 {
			return i, 0
		}
		var ok bool
		if i, ok = t.number(i); !ok {
			return i, 0
		}
		n++
		if i = t.space(i); i >= len(t.body) {
			return i, 0
		}
		switch t.body[i] {
		case ',':
			i = t.space(i + 1)
		case ']':
			return i + 1, n
		default:
			return i, 0
		}
	}
}

// text reads a string whose opening quote is at i.
func (t *tree) text(i int) (end int, escaped, ok bool) {
	b := t.body
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, escaped, true
		case c < 0x20:
			return i, escaped, false
		case c == '\\':
			escaped = true
			if i++; i >= len(b) {
				return i, escaped, false
			}
			switch b[i] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				if _, ok := hex4(b, i+1); !ok {
					return i, escaped, false
				}
				i += 4
			default:
				return i, escaped, false
			}
		}
	}
	return i, escaped, false
}

func hex4(b []byte, i int) (r rune, ok bool) {
	if i+4 > len(b) {
		return 0, false
	}
	for _, c := range b[i : i+4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// number reads a number (RFC 8259, section 6).
func (t *tree) number(i int) (int, bool) {
	b := t.body
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' <= 9 {
			i++
		}
		return i > from
	}
	if i < len(b) && b[i] == '-' {
		i++
	}
	if i < len(b) && b[i] == '0' {
		i++
	} else if !digits() {
		return i, false
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return i, false
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, false
		}
	}
	return i, true
}

// raw is value i as it stands in the body.
func (t *tree) raw(i int32) []byte { return t.body[t.values[i].from:t.values[i].to] }

// key is the name of the member i.
func (t *tree) key(i int32) []byte {
	v := &t.values[i]
	if k := t.body[v.keyFrom:v.keyTo]; !v.keyEscs {
		return k
	} else {
		return unescape(nil, k, false)
	}
}

// str is the text of value i, and false where it is none.
func (t *tree) str(i int32) (string, bool) {
	v := &t.values[i]
	if v.kind != '"' {
		return "", false
	}
	b := t.body[v.from+1 : v.to-1]
	if v.escaped {
		b = unescape(make([]byte, 0, len(b)), b, false)
	}
	return string(b), true
}

// is reports whether value i is the text s.
func (t *tree) is(i int32, s string) bool {
	v := &t.values[i]
	if v.kind != '"' || v.escaped {
		got, ok := t.str(i)
		return ok && got == s
	}
	return string(t.body[v.from+1:v.to-1]) == s
}

// get is the member of object i with this name, 0 where there is none.
func (t *tree) get(i int32, name string) int32 {
	if t.values[i].kind != '{' {
		return 0
	}
	for m := t.values[i].first; m != 0; m = t.values[m].next {
		if string(t.key(m)) == name {
			return m
		}
	}
	return 0
}

// given reports whether value i, 0 for none, holds something, as given does.
func (t *tree) given(i int32) bool {
	switch v := &t.values[i]; v.kind {
	case '{', '[':
		return v.count > 0
	case '"':
		return v.to-v.from > 2
	default:
		return i != 0 && v.kind != 'n'
	}
}

// zero reports whether value i is the number 0.
func (t *tree) zero(i int32) bool {
	v := &t.values[i]
	if i == 0 || v.kind != 0 {
		return false
	}
	for _, c := range t.raw(i) {
		if c >= '1' && c <= '9' {
			return false
		}
		if c == 'e' || c == 'E' {
			break
		}
	}
	return true
}

// twins reports whether an object names a member twice: what that means, servers do not agree on. Names that differ in
// case are the same to some of them, such as Ollama (encoding/json).
func (t *tree) twins() bool {
	for i := range t.values {
		o := &t.values[i]
		if o.kind != '{' || o.count < 2 {
			continue
		}
		if o.count > 24 {
			if t.manyTwins(o) {
				return true
			}
			continue
		}
		for m := o.first; m != 0; m = t.values[m].next {
			a := t.key(m)
			for n := t.values[m].next; n != 0; n = t.values[n].next {
				if b := t.key(n); (len(a) == len(b) || !ascii(a) || !ascii(b)) && bytes.EqualFold(a, b) {
					return true
				}
			}
		}
	}
	return false
}

func (t *tree) manyTwins(o *jsonValue) bool {
	seen := make(map[string]bool, o.count)
	for m := o.first; m != 0; m = t.values[m].next {
		k := folding.Replace(strings.ToLower(string(t.key(m))))
		if seen[k] {
			return true
		}
		seen[k] = true
	}
	return false
}

// folding is what strings.ToLower leaves of what encoding/json takes for an ASCII letter.
var folding = strings.NewReplacer("ſ", "s")

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// ordered are the members below which the order of members is kept: a model is shown a schema, and has to write JSON, in
// the order in which the members stand there (https://platform.openai.com/docs/guides/structured-outputs).
func ordered(key []byte) bool {
	switch string(key) {
	case "parameters", "input_schema", "schema", "properties", "arguments":
		return true
	}
	return false
}

// form writes values so that those of one meaning are written alike: without white space, members by their names,
// numbers and texts in one spelling.
type form struct {
	t    *tree
	out  []byte
	hole int32 // the value whose text's place in out is noted
	from int   // of that text in out, without its quotes; -1: not written
	to   int
}

// write appends value i. keep: in the order in which members stand.
func (f *form) write(i int32, keep bool) {
	v := &f.t.values[i]
	switch v.kind {
	case '{':
		f.out = append(f.out, '{')
		var few [24]int32
		n := 0
		for _, m := range f.members(i, few[:0], keep) {
			if n++; n > 1 {
				f.out = append(f.out, ',')
			}
			f.member(m, keep)
		}
		f.out = append(f.out, '}')
	case '[':
		f.out = append(f.out, '[')
		if v.long {
			f.numbers(i)
		}
		for m := v.first; m != 0; m = f.t.values[m].next {
			if m != v.first {
				f.out = append(f.out, ',')
			}
			f.write(m, keep)
		}
		f.out = append(f.out, ']')
	case '"':
		f.text(i)
	case 0:
		f.out = appendNumber(f.out, f.t.raw(i))
	default:
		f.out = append(f.out, f.t.raw(i)...)
	}
}

// numbers appends the numbers of a long list.
func (f *form) numbers(i int32) {
	b := f.t.raw(i)
	for at := 1; ; {
		for b[at] <= ' ' {
			at++
		}
		from := at
		for b[at] > ' ' && b[at] != ',' && b[at] != ']' {
			at++
		}
		f.out = appendNumber(f.out, b[from:at])
		for b[at] <= ' ' {
			at++
		}
		if b[at] == ']' {
			return
		}
		f.out = append(f.out, ',')
		at++
	}
}

// member appends the member m with its name.
func (f *form) member(m int32, keep bool) {
	v := &f.t.values[m]
	key := f.t.body[v.keyFrom:v.keyTo]
	f.out = append(f.out, '"')
	if v.keyEscs {
		f.out = unescape(f.out, key, true)
	} else {
		f.out = append(f.out, key...)
	}
	f.out = append(f.out, '"', ':')
	f.write(m, keep || ordered(f.t.key(m)))
}

// members appends the members of object i to list, by their names or, with keep, as they stand.
func (f *form) members(i int32, list []int32, keep bool) []int32 {
	for m := f.t.values[i].first; m != 0; m = f.t.values[m].next {
		list = append(list, m)
	}
	if !keep && len(list) > 1 {
		slices.SortFunc(list, func(a, b int32) int { return bytes.Compare(f.t.key(a), f.t.key(b)) })
	}
	return list
}

// text appends the text of value i.
func (f *form) text(i int32) {
	v := &f.t.values[i]
	b := f.t.body[v.from+1 : v.to-1]
	f.out = append(f.out, '"')
	from := len(f.out)
	if v.escaped {
		f.out = unescape(f.out, b, true)
	} else {
		f.out = append(f.out, b...)
	}
	if i == f.hole {
		f.from, f.to = from, len(f.out)
	}
	f.out = append(f.out, '"')
}

// unescape appends the text that b, a JSON string without its quotes, stands for. again: as JSON again, with no other
// escapes than JSON asks for. Half a surrogate, which is no letter, stays the escape that it is, then; else it becomes
// U+FFFD, as with encoding/json.
func unescape(out, b []byte, again bool) []byte {
	for i := 0; i < len(b); i++ {
		n := bytes.IndexByte(b[i:], '\\')
		if n < 0 {
			return append(out, b[i:]...)
		}
		out = append(out, b[i:i+n]...)
		i += n + 1
		var r rune
		switch b[i] {
		case 'b':
			r = '\b'
		case 'f':
			r = '\f'
		case 'n':
			r = '\n'
		case 'r':
			r = '\r'
		case 't':
			r = '\t'
		case 'u':
			r, _ = hex4(b, i+1)
			i += 4
			if r&0xFC00 == 0xD800 && i+6 < len(b) && b[i+1] == '\\' && b[i+2] == 'u' {
				if low, ok := hex4(b, i+3); ok && low&0xFC00 == 0xDC00 {
					r = (r-0xD800)<<10 + (low - 0xDC00) + 0x10000
					i += 6
				}
			}
		default:
			r = rune(b[i])
		}
		switch {
		case again && (r == '"' || r == '\\'):
			out = append(out, '\\', byte(r))
		case again && (r < 0x20 || r&^0x7FF == 0xD800):
			const digits = "0123456789abcdef"
			out = append(out, '\\', 'u', digits[r>>12], digits[r>>8&15], digits[r>>4&15], digits[r&15])
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return out
}

// appendNumber appends a number in one spelling: its digits without zeros at either end, and what power of ten they are
// to be multiplied with. A number is never rounded: those that differ stay different.
func appendNumber(out, b []byte) []byte {
	if last := b[len(b)-1]; last != '0' && b[0] != '0' || len(b) == 1 { // a whole number that is no round one, as most are
		plain := true
		for _, c := range b {
			if c-'0' > 9 {
				plain = false
				break
			}
		}
		if plain {
			return append(out, b...)
		}
	}
	if b[0] == '-' {
		out, b = append(out, '-'), b[1:]
	}
	mantissa, power, huge := b, int64(0), false
	if e := bytes.IndexAny(b, "eE"); e >= 0 {
		n, err := strconv.ParseInt(strings.TrimPrefix(string(b[e+1:]), "+"), 10, 32)
		mantissa, power, huge = b[:e], n, err != nil
	}
	whole, fraction, _ := bytes.Cut(mantissa, []byte("."))
	power -= int64(len(fraction))
	digits := make([]byte, 0, 32)
	digits = append(append(digits, whole...), fraction...)
	digits = bytes.TrimLeft(digits, "0")
	if len(digits) == 0 {
		return append(out, '0')
	}
	if huge { // no server can mean it: as it stands
		return append(out, b...)
	}
	short := bytes.TrimRight(digits, "0")
	power += int64(len(digits) - len(short))
	out = append(out, short...)
	if power != 0 {
		out = strconv.AppendInt(append(out, 'e'), power, 10)
	}
	return out
}
