package dialect

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/cespare/xxhash/v2"

	"corral/daemon/llm"
)

// maxDepth is how deep arrays and objects may lie in each other: what encoding/json, and so Ollama, allows.
const maxDepth = 10000

// Peeked is what Peek found in a body.
type Peeked struct {
	Fields    llm.Fields
	Model     string // the last one, as Go's decoder would take it; empty where there is none
	Stream    bool
	HasStream bool // "stream" was there and was true or false

	older   string // what "name" held, the older word for model
	olderAt llm.Span
}

// SyntaxError says where a body stops being JSON.
type SyntaxError struct {
	Offset int // bytes from the start
	What   string
}

func (e *SyntaxError) Error() string { return fmt.Sprintf("%s at byte %d", e.What, e.Offset) }

// Peek checks in one pass that b is one JSON object (RFC 8259) and finds the few top-level members that decide about a
// call. Names are compared without regard to case, since Go's decoder, and so Ollama, does that too: a check that was
// stricter than the target could be walked around. It needs no memory that grows with b, however deep b is nested.
func Peek(b []byte) (Peeked, error) {
	s := scanner{b: b}
	p, err := s.object()
	if err != nil {
		return Peeked{}, err
	}
	p.Fields.Texts = s.texts
	if p.Model == "" && p.older != "" {
		p.Model, p.Fields.Model = p.older, append(p.Fields.Model, p.olderAt)
	}
	return p, nil
}

// Valid reports whether b is one JSON value (RFC 8259), at most 10,000 arrays and objects deep. It needs no memory that grows with b.
func Valid(b []byte) bool {
	s := scanner{b: b}
	if s.space(); s.value() != nil {
		return false
	}
	return s.end() == nil
}

// longText is from how many bytes on, quotes included, a text counts in llm.Fields.Texts: the names of roles and types, which
// differ between dialects, are shorter.
const longText = 18

// label reports whether a member is no part of what is asked: it says whose call it is, or is compared otherwise.
func label(name []byte) bool {
	switch string(name) {
	case "model", "user", "metadata", "safety_identifier", "prompt_cache_key", "prompt_cache_retention", "keep_alive":
		return true
	}
	return false
}

// scanner walks over JSON without recursion: a body of a million brackets must not cost a million stack frames.
type scanner struct {
	b     []byte
	i     int
	depth int
	isObj [maxDepth/64 + 1]uint64 // a bit for each level: object or array
	texts uint64                  // llm.Fields.Texts so far
}

func (s *scanner) fail(what string) error {
	if s.i >= len(s.b) {
		what = "unexpected end of JSON"
	}
	return &SyntaxError{min(s.i, len(s.b)), what}
}

func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\t', '\n', '\r':
			s.i++
		default:
			return
		}
	}
}

func (s *scanner) object() (p Peeked, err error) {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != '{' {
		return p, s.fail("a JSON object was expected")
	}
	// Values below the top level are skipped whole; here only the members of the top level are walked.
	s.i++
	s.depth = 1
	s.space()
	if s.i < len(s.b) && s.b[s.i] == '}' {
		s.i++
		return p, s.end()
	}
	for {
		s.space()
		from := s.i
		if err = s.str(); err != nil {
			return p, err
		}
		name := s.b[from+1 : s.i-1]
		if err = s.colon(); err != nil {
			return p, err
		}
		at, texts := s.i, s.texts
		if err = s.value(); err != nil {
			return p, err
		}
		if label(name) {
			s.texts = texts
		}
		p.member(name, s.b[at:s.i], llm.Span{From: at, To: s.i})
		s.space()
		if s.i >= len(s.b) {
			return p, s.fail("")
		}
		switch s.b[s.i] {
		case ',':
			s.i++
		case '}':
			s.i++
			return p, s.end()
		default:
			return p, s.fail("a comma or } was expected")
		}
	}
}

func (s *scanner) end() error {
	if s.space(); s.i < len(s.b) {
		return s.fail("more text after the end of the object")
	}
	return nil
}

func (s *scanner) colon() error {
	s.space()
	if s.i >= len(s.b) || s.b[s.i] != ':' {
		return s.fail("a colon was expected")
	}
	s.i++
	s.space()
	return nil
}

// member notes what decides: model (name in older calls to Ollama), stream, and how long an answer may be.
func (p *Peeked) member(name, value []byte, at llm.Span) {
	if bytes.IndexByte(name, '\\') >= 0 {
		if len(name) > 64 {
			return
		}
		var plain string
		if json.Unmarshal(append(append([]byte{'"'}, name...), '"'), &plain) != nil {
			return
		}
		name = []byte(plain)
	}
	switch len(name) {
	case 1:
		if name[0]|0x20 == 'n' {
			p.Fields.Choices = max(p.Fields.Choices, amount(value))
		}
		return
	case 7:
		switch {
		case bytes.EqualFold(name, []byte("options")) && value[0] == '{':
			p.Fields.Options = at
		case bytes.EqualFold(name, []byte("best_of")):
			p.Fields.Choices = max(p.Fields.Choices, amount(value))
		}
		return
	case 10, 17, 21:
		if bytes.EqualFold(name, []byte("max_tokens")) || bytes.EqualFold(name, []byte("max_output_tokens")) || bytes.EqualFold(name, []byte("max_completion_tokens")) {
			p.Fields.MaxOutput = max(p.Fields.MaxOutput, amount(value))
		}
		return
	case 11:
		if bytes.EqualFold(name, []byte("temperature")) {
			p.Fields.Temperature = at
		}
		return
	case 4:
		if bytes.EqualFold(name, []byte("seed")) {
			p.Fields.Seed = at
			return
		}
		if !bytes.EqualFold(name, []byte("name")) {
			return
		}
	case 5:
		if !bytes.EqualFold(name, []byte("model")) {
			return
		}
	case 6:
		if bytes.EqualFold(name, []byte("stream")) {
			switch value[0] {
			case 't':
				p.Stream, p.HasStream = true, true
			case 'f':
				p.Stream, p.HasStream = false, true
			}
		}
		return
	default:
		return
	}
	if value[0] != '"' {
		return
	}
	model := string(value[1 : len(value)-1])
	if bytes.IndexByte(value, '\\') >= 0 && json.Unmarshal(value, &model) != nil {
		return
	}
	if len(name) == 4 {
		p.older, p.olderAt = model, at
		return
	}
	p.Model = model
	p.Fields.Model = append(p.Fields.Model, at)
}

// amount is a number of tokens or answers; 0 where value is none.
func amount(value []byte) int64 {
	if c := value[0]; c < '0' || c > '9' || len(value) > 32 {
		return 0
	}
	n, err := strconv.ParseFloat(string(value), 64) // some programs write 1e3 or 256.0
	if err != nil || n > maxCount {
		return maxCount
	}
	return int64(n)
}

const maxCount = 1 << 40

// value walks over one value of any kind and everything in it.
func (s *scanner) value() error {
	base := s.depth
	for {
		if s.i >= len(s.b) {
			return s.fail("")
		}
		switch c := s.b[s.i]; c {
		case '{', '[':
			s.i++
			if s.depth >= maxDepth {
				return s.fail(fmt.Sprintf("nested deeper than %d", maxDepth))
			}
			s.push(c == '{')
			s.space()
			if s.i < len(s.b) && s.b[s.i] == c+2 { // } and ] stand two after { and [
				s.i++
				s.depth--
				break
			}
			if c == '{' {
				if err := s.key(); err != nil {
					return err
				}
			}
			continue
		case '"':
			from := s.i
			if err := s.str(); err != nil {
				return err
			}
			if s.i-from >= longText {
				s.texts += xxhash.Sum64(s.b[from:s.i])
			}
		case 't':
			if err := s.word("true"); err != nil {
				return err
			}
		case 'f':
			if err := s.word("false"); err != nil {
				return err
			}
		case 'n':
			if err := s.word("null"); err != nil {
				return err
			}
		default:
			if err := s.number(); err != nil {
				return err
			}
		}
		// A value has ended: close what ends with it, or go on to the next one.
		for {
			if s.depth == base {
				return nil
			}
			s.space()
			if s.i >= len(s.b) {
				return s.fail("")
			}
			c, obj := s.b[s.i], s.inObject()
			if c == ',' {
				s.i++
				s.space()
				if obj {
					if err := s.key(); err != nil {
						return err
					}
				}
				break
			}
			if obj && c != '}' {
				return s.fail("a comma or } was expected")
			}
			if !obj && c != ']' {
				return s.fail("a comma or ] was expected")
			}
			s.i++
			s.depth--
		}
	}
}

func (s *scanner) key() error {
	if err := s.str(); err != nil {
		return err
	}
	return s.colon()
}

func (s *scanner) push(obj bool) {
	bit := uint64(1) << (s.depth & 63)
	if obj {
		s.isObj[s.depth>>6] |= bit
	} else {
		s.isObj[s.depth>>6] &^= bit
	}
	s.depth++
}

func (s *scanner) inObject() bool {
	d := s.depth - 1
	return s.isObj[d>>6]>>(d&63)&1 == 1
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// str walks over one string, eight bytes at a time: most of a large body is one.
func (s *scanner) str() error {
	if s.i >= len(s.b) || s.b[s.i] != '"' {
		return s.fail("a string was expected")
	}
	b, i := s.b, s.i+1
	for {
		for i+8 <= len(b) {
			w := binary.LittleEndian.Uint64(b[i:])
			q := w ^ ones*'"'
			e := w ^ ones*'\\'
			// a byte's high bit is set where it is a quote, a backslash, or below 0x20
			hit := ((q-ones)&^q | (e-ones)&^e | (w-ones*0x20)&^w) & highs
			if hit != 0 {
				i += bits.TrailingZeros64(hit) >> 3
				break
			}
			i += 8
		}
		if i >= len(b) {
			s.i = i
			return s.fail("")
		}
		switch c := b[i]; {
		case c == '"':
			s.i = i + 1
			return nil
		case c == '\\':
			if i+1 >= len(b) {
				s.i = i + 1
				return s.fail("")
			}
			switch b[i+1] {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
				i += 2
			case 'u':
				if i+6 > len(b) || !hex4(b[i+2:i+6]) {
					s.i = i
					return s.fail("a wrong \\u escape in a string")
				}
				i += 6
			default:
				s.i = i
				return s.fail("a wrong escape in a string")
			}
		case c < 0x20:
			s.i = i
			return s.fail("a control character in a string")
		default:
			i++
		}
	}
}

func hex4(b []byte) bool {
	for _, c := range b {
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f') {
			return false
		}
	}
	return true
}

func (s *scanner) word(w string) error {
	if len(s.b)-s.i < len(w) || string(s.b[s.i:s.i+len(w)]) != w {
		return s.fail("an unknown word")
	}
	s.i += len(w)
	return nil
}

func (s *scanner) digits() bool {
	from := s.i
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		s.i++
	}
	return s.i > from
}

func (s *scanner) number() error {
	if s.b[s.i] == '-' {
		s.i++
	}
	if s.i < len(s.b) && s.b[s.i] == '0' {
		s.i++
	} else if !s.digits() {
		return s.fail("a value was expected")
	}
	if s.i < len(s.b) && s.b[s.i] == '.' {
		s.i++
		if !s.digits() {
			return s.fail("a digit was expected")
		}
	}
	if s.i < len(s.b) && s.b[s.i]|0x20 == 'e' {
		s.i++
		if s.i < len(s.b) && (s.b[s.i] == '+' || s.b[s.i] == '-') {
			s.i++
		}
		if !s.digits() {
			return s.fail("a digit was expected")
		}
	}
	return nil
}
