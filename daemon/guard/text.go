package guard

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// tree is what a JSON text holds, as far as the guard cares: its strings, and the objects and arrays around them. Its size is bounded
// by that of the strings: what holds none is forgotten.
type tree struct {
	b       []byte
	strings []str
	frames  []frame
	open    []int32 // the frames around the place that is read, innermost last
	plain   bool    // it is no JSON; all of it is one text
	typ     []byte  // what the outermost object says that it is, raw
	places  []string
}

// str is one string.
type str struct {
	from, to int     // quotes included
	key      stretch // of the member that it is the value of, or that the array around it is
	frame    int32
	part     part
}

// part is what a string is: a value, the name of a member, or a number among somebody's own data, which has no quotes.
type part uint8

const (
	aValue part = iota
	aName
	aNumber
)

// stretch is a place in the text, without quotes.
type stretch struct{ from, to int }

// frame is an object or an array.
type frame struct {
	key    stretch // of the member that it is the value of; of an array's elements that of the array
	parent int32   // -1: none
	first  int32   // strings that there were before it
	index  int32   // of a choice, block or tool; -1: none is told
	bits   bits
}

type bits uint16

const (
	object   bits = 1 << iota
	free          // somebody's own data: names in it mean what they like
	system        // said by the app itself, or by the model
	signed        // a change makes it worthless
	finished      // the answer, or this choice of it, ends here
	foreign       // see sort
	turns         // in messages or input, which grow with each turn
	over          // it, or what lies around it, is finished
)

// read walks over b, which is valid JSON, and keeps strings of at least so many bytes. What does not parse is left out. all says that
// all of it is somebody's own data.
func (t *tree) read(b []byte, least int, all bool) {
	t.b, t.strings, t.frames, t.open, t.plain, t.typ = b, t.strings[:0], t.frames[:0], t.open[:0], false, nil
	var key stretch
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			t.begin(key, b[i] == '{', all)
			key = t.around()
		case '}', ']':
			t.end()
			key = t.around()
		case '"':
			end := endOf(b, i)
			if end < 0 {
				return
			}
			if j := colon(b, end); j > 0 && t.in(object) {
				key = stretch{i + 1, end - 1}
				if t.in(free) && end-i-2 >= least {
					t.strings = append(t.strings, str{i, end, stretch{}, t.open[len(t.open)-1], aName})
				}
				i = j
				continue
			}
			t.told(key, b[i:end])
			if n := len(t.open); n > 0 && end-i-2 >= least {
				t.strings = append(t.strings, str{i, end, key, t.open[n-1], aValue})
			}
			i = end - 1
		case ',':
			key = t.around()
		case ' ', '\t', '\n', '\r':
		default:
			from := i
			for i+1 < len(b) && bytes.IndexByte(literalEnds, b[i+1]) < 0 {
				i++
			}
			t.told(key, b[from:i+1])
			if n := i + 1 - from; least > 0 && n >= least && t.in(free) && b[from] >= '0' && b[from] <= '9' {
				t.strings = append(t.strings, str{from, i + 1, key, t.open[len(t.open)-1], aNumber})
			}
		}
	}
}

var literalEnds = []byte(",]} \t\r\n")

func (t *tree) begin(key stretch, isObject, all bool) {
	f := frame{key: key, parent: -1, first: int32(len(t.strings)), index: -1}
	if all {
		f.bits |= free
	}
	if n := len(t.open); n > 0 {
		f.parent = t.open[n-1]
		f.bits |= t.frames[f.parent].bits & free
	}
	if isObject {
		f.bits |= object
		switch string(t.at(key)) {
		case "arguments", "variables":
			f.bits |= free
		}
	}
	if f.parent > 0 && t.frames[f.parent].bits&object != 0 && string(t.at(key)) == "input" { // of a tool; at the top it is the call's own
		f.bits |= free
	}
	if f.parent == 0 && string(t.at(key)) == "error" {
		t.frames[0].bits |= finished
	}
	t.frames = append(t.frames, f)
	t.open = append(t.open, int32(len(t.frames)-1))
}

func (t *tree) end() {
	n := len(t.open)
	if n == 0 {
		return
	}
	i := t.open[n-1]
	t.open = t.open[:n-1]
	if int(i) == len(t.frames)-1 && i > 0 && int(t.frames[i].first) == len(t.strings) {
		t.frames = t.frames[:i]
	}
}

// at is the text of a place.
func (t *tree) at(x stretch) []byte { return t.b[x.from:x.to] }

// in reports whether the innermost frame is so.
func (t *tree) in(x bits) bool {
	n := len(t.open)
	return n > 0 && t.frames[t.open[n-1]].bits&x != 0
}

// around is the key of what stands next in the innermost array: that of the array itself.
func (t *tree) around() stretch {
	if n := len(t.open); n > 0 && t.frames[t.open[n-1]].bits&object == 0 {
		return t.frames[t.open[n-1]].key
	}
	return stretch{}
}

// told notes what a member says of the object that it stands in.
func (t *tree) told(key stretch, value []byte) {
	if !t.in(object) || t.in(free) {
		return
	}
	f := &t.frames[t.open[len(t.open)-1]]
	switch string(t.at(key)) {
	case "role":
		switch word(value) {
		case "system", "developer", "assistant", "model":
			f.bits |= system
		}
	case "type":
		switch word(value) {
		case "function_call", "reasoning", "tool_use", "custom_tool_call", "mcp_call":
			f.bits |= system
		}
		if f.parent < 0 {
			t.typ = value
		}
	case "signature", "encrypted_content", "thought_signature":
		if len(value) > 2 && value[0] == '"' {
			f.bits |= signed
		}
	case "error":
		if f.parent < 0 && len(value) > 2 && value[0] == '"' {
			f.bits |= finished
		}
	case "index", "output_index":
		if n := int32(0); len(value) < 6 && value[0] >= '0' && value[0] <= '9' {
			for _, c := range value {
				n = n*10 + int32(c-'0')
			}
			f.index = n
		}
	case "done":
		if string(value) == "true" {
			f.bits |= finished
		}
	case "finish_reason":
		if len(value) > 2 && value[0] == '"' { // some servers have an empty one in each event
			f.bits |= finished
		}
	}
}

// endOf is the place behind the string that begins at b[i]; -1: it has no end.
func endOf(b []byte, i int) int {
	for j := i + 1; j < len(b); {
		k := bytes.IndexByte(b[j:], '"')
		if k < 0 {
			return -1
		}
		j += k + 1
		back := 0
		for b[j-2-back] == '\\' {
			back++
		}
		if back%2 == 0 {
			return j
		}
	}
	return -1
}

// colon is the place of the colon that follows b[i:]; 0: something else does.
func colon(b []byte, i int) int {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t', '\n', '\r':
		case ':':
			return i
		default:
			return 0
		}
	}
	return 0
}

// load reads the body of r. On a route that is not known it may be anything: lines of which some are JSON are taken one by one, other text
// as one; files and what is no text are left out.
func (t *tree) load(r *llm.Request) {
	if r.Endpoint.Method != "" || dialect.Valid(r.Body) {
		if t.read(r.Body, shortest, false); len(t.frames) == 0 { // a string, or a number
			t.frames = append(t.frames, frame{parent: -1, index: -1})
			if end := len(bytes.TrimRight(r.Body, " \t\r\n")); end > 0 && r.Body[end-1] == '"' {
				t.strings = append(t.strings, str{from: bytes.IndexByte(r.Body, '"'), to: end})
			}
		}
		t.sort()
		return
	}
	t.b, t.strings, t.frames, t.plain = r.Body, t.strings[:0], append(t.frames[:0], frame{parent: -1, index: -1}), true
	form := strings.Join(r.Header["Content-Type"], "")
	if !utf8.Valid(r.Body) || strings.Contains(form, "form-urlencoded") || strings.Contains(form, "form-data") && bytes.Contains(r.Body, []byte("filename=")) {
		return // what is written in a file stays there, and nobody would put it back
	}
	t.strings = append(t.strings, str{to: len(r.Body)})
	if first, _, several := bytes.Cut(r.Body, []byte("\n")); !several || !nested(first) {
		return
	}
	t.strings = t.strings[:0]
	for at := 0; at < len(r.Body); {
		end := len(r.Body)
		if i := bytes.IndexByte(r.Body[at:], '\n'); i >= 0 {
			end = at + i
		}
		t.strings = append(t.strings, str{from: at, to: end})
		at = end + 1
	}
}

// texts calls f for each string that may hold something, with what it says: unescaped, where it is JSON. Where nothing is escaped,
// that is b's own memory.
func (t *tree) texts(f func(i int, s *str, value []byte)) {
	for i := range t.strings {
		s := &t.strings[i]
		if t.plain || s.part == aNumber {
			f(i, s, t.b[s.from:s.to])
			continue
		}
		key := t.at(s.key)
		theirs := t.frames[s.frame].bits&free != 0
		if !theirs && silent(key) {
			continue
		}
		value := t.b[s.from+1 : s.to-1]
		if bytes.IndexByte(value, '\\') >= 0 {
			value = []byte(gjson.ParseBytes(t.b[s.from:s.to]).Str)
		}
		if len(value) < shortest || !theirs && blob(key, value) {
			continue
		}
		f(i, s, value)
	}
}

// shortest is the length from which a string may hold something, in bytes: an IP address is the shortest of what is looked for.
const shortest = 7

// silent are members whose strings are the API's own words, or that a change would make worthless.
func silent(key []byte) bool {
	switch string(key) {
	case "model", "role", "type", "id", "call_id", "tool_call_id", "tool_use_id", "item_id", "previous_response_id", "conversation", "signature", "encrypted_content",
		"thought_signature", "object", "status", "media_type", "detail", "keep_alive":
		return true
	}
	return false
}

// blob reports whether value is a picture, a sound or a file as text, in a place where one may stand.
func blob(key, value []byte) bool {
	switch string(key) {
	case "images", "image", "data", "file_data", "b64_json", "url", "image_url":
	default:
		return false
	}
	if bytes.HasPrefix(value, []byte("data:")) {
		head, packed, ok := bytes.Cut(value, []byte(";base64,"))
		return ok && len(head) <= 64 && !bytes.ContainsAny(head, "@ ") && base64(packed)
	}
	return len(value) >= 256 && base64(value)
}

func base64(b []byte) bool {
	b = bytes.TrimRight(b, "=")
	for _, c := range b {
		if !(c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '/' || c == '-' || c == '_' || c == '\r' || c == '\n') {
			return false
		}
	}
	return true
}

// nested reports whether value is JSON as text: the arguments of a tool, or what one has answered.
func nested(value []byte) bool {
	v := bytes.TrimLeft(value, " \t\r\n")
	return len(v) > 1 && (v[0] == '{' || v[0] == '[') && dialect.Valid(value)
}

// sort says of each object and array whether what stands in it is foreign: from the one who asks, or from a tool. It is not from
// the app itself, which tells the model what to do by right, and not from the model. It says too which of them grow with each turn.
func (t *tree) sort() {
	for i := range t.frames {
		f := &t.frames[i]
		switch {
		case f.parent < 0:
			f.bits |= foreign
			continue
		case f.parent == 0:
			if key := t.at(f.key); !own(key) {
				f.bits |= foreign
				if k := string(key); k == "messages" || k == "input" || k == "contents" {
					f.bits |= turns
				}
			}
		default:
			f.bits |= t.frames[f.parent].bits & (foreign | turns | signed)
		}
		if f.bits&system != 0 {
			f.bits &^= foreign
		}
	}
}

// foreign reports whether s is; see sort.
func (t *tree) foreign(s *str) bool {
	return t.frames[s.frame].bits&foreign != 0 && (s.frame > 0 || !own(t.at(s.key)))
}

// own reports whether the app itself says what stands in the member key of a call.
func own(key []byte) bool {
	switch string(key) {
	case "system", "instructions", "template", "tools", "functions", "tool_choice", "format", "response_format", "text", "stop", "metadata", "user", "options":
		return true
	}
	return false
}

// word is a raw string without its quotes.
func word(raw []byte) string {
	if len(raw) < 2 || raw[0] != '"' {
		return ""
	}
	return string(raw[1 : len(raw)-1])
}
