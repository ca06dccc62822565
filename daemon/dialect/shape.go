package dialect

import "bytes"

// shape is what the events of a stream have in common that bring one more token and tell nothing else: the bytes around the values that
// differ. An event that fits needs no look, which takes ten times as long.
type shape struct {
	parts [][]byte // around the values; nil: none is known
	buf   []byte   // that they lie in
	tries int
}

const (
	maxShape = 2 << 10 // bytes of an event whose shape is worth remembering
	maxTries = 16      // of finding one: not every stream has it
)

// changing are the members whose values differ from token to token, as they stand before them: texts of OpenAI, Anthropic and Ollama, and
// Ollama's time.
var changing = [][]byte{[]byte(`"content":"`), []byte(`"text":"`), []byte(`"response":"`), []byte(`"thinking":"`), []byte(`"created_at":"`)}

// learn takes the shape of an event that told nothing, if it has one.
func (s *shape) learn(data []byte) {
	if s.tries++; s.tries > maxTries || len(data) > maxShape {
		return
	}
	var ends [8]int // where a part ends, and where the next begins, by turns
	n, at := 0, 0
	for n+2 <= len(ends) {
		first := -1 // end of the marker that comes first
		for _, m := range changing {
			if i := bytes.Index(data[at:], m); i >= 0 && (first < 0 || i+len(m) < first) {
				first = i + len(m)
			}
		}
		if first < 0 {
			break
		}
		size := plain(data[at+first:])
		if size < 0 {
			return
		}
		ends[n], ends[n+1] = at+first, at+first+size
		n, at = n+2, at+first+size
	}
	if n == 0 {
		return
	}
	s.buf, s.parts = append(s.buf[:0], data...), s.parts[:0]
	at = 0
	for i := 0; i < n; i += 2 {
		s.parts = append(s.parts, s.buf[at:ends[i]])
		at = ends[i+1]
	}
	s.parts = append(s.parts, s.buf[at:])
}

// plain is the length of the text that data begins with, up to its quote; -1: it has no end, or a character that is escaped.
func plain(data []byte) int {
	end := bytes.IndexByte(data, '"')
	if end < 0 || bytes.IndexByte(data[:end], '\\') >= 0 {
		return -1
	}
	return end
}

// fits reports whether data is of the shape: then it tells as little.
func (s *shape) fits(data []byte) bool {
	if len(s.parts) == 0 {
		return false
	}
	last := len(s.parts) - 1
	for _, part := range s.parts[:last] {
		if !bytes.HasPrefix(data, part) {
			return false
		}
		data = data[len(part):]
		end := plain(data)
		if end < 0 {
			return false
		}
		data = data[end:]
	}
	return bytes.Equal(data, s.parts[last])
}
