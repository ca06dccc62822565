package translate

import (
	"bytes"
	"io"

	"corral/daemon/llm"
)

// maxEvent bounds one event of a target's stream, in bytes: a whole response may come in a single one.
const maxEvent = 32 << 20

// splitter parts a stream into events: lines of NDJSON, or server-sent events (WHATWG HTML, section 9.2). It hands out
// their data, unlike dialect.Events, which hands on the bytes as they came.
type splitter struct {
	src      io.Reader
	sse      bool
	buf      []byte
	from, to int // of what has been read and not looked at
	scanned  int // up to here there is no line feed
	data     []byte
	has      bool // data holds lines of an event that has not ended
	limit    int  // of one event
	err      error
}

func newSplitter(src io.Reader, form llm.Form) *splitter {
	return &splitter{src: src, sse: form == llm.SSE, buf: make([]byte, 16<<10), limit: maxEvent}
}

// next returns the data of the next event, valid until the next call. wait false: only if it has been read already, and
// nil without an error otherwise. At the end it returns the error of the source.
func (s *splitter) next(wait bool) ([]byte, error) {
	if !s.has {
		s.data = s.data[:0]
	}
	for {
		line, err := s.line(wait)
		if line == nil {
			if err == io.EOF && s.has { // some servers forget the blank line after the last event
				s.has = false
				return s.data, nil
			}
			return nil, err
		}
		line = bytes.TrimSuffix(line[:len(line)-1], []byte("\r"))
		if !s.sse {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				return line, nil
			}
			continue
		}
		if len(line) == 0 {
			if s.has {
				s.has = false
				return s.data, nil
			}
			continue
		}
		if d, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if s.has {
				s.data = append(s.data, '\n')
			}
			s.has = true
			s.data = append(s.data, bytes.TrimPrefix(d, []byte(" "))...)
			if len(s.data) > s.limit {
				return nil, s.tooLong()
			}
		}
	}
}

func (s *splitter) tooLong() error {
	return llm.Errorf(llm.BadAnswer, "read stream", nil, "The model server sent one event of over %d MiB.", s.limit>>20)
}

// line returns the next line with its line feed, which the last one gets if it has none.
func (s *splitter) line(wait bool) ([]byte, error) {
	for {
		if n := bytes.IndexByte(s.buf[s.scanned:s.to], '\n'); n >= 0 {
			line := s.buf[s.from : s.scanned+n+1]
			s.from = s.scanned + n + 1
			s.scanned = s.from
			return line, nil
		}
		s.scanned = s.to
		if s.err != nil {
			if s.err == io.EOF && s.from < s.to {
				line := append(s.buf[s.from:s.to:s.to], '\n')
				s.from = s.to
				return line, nil
			}
			return nil, s.err
		}
		if !wait {
			return nil, nil
		}
		if s.from > 0 {
			copy(s.buf, s.buf[s.from:s.to])
			s.to -= s.from
			s.from, s.scanned = 0, s.to
		}
		if s.to == len(s.buf) {
			if len(s.buf) >= s.limit {
				return nil, s.tooLong()
			}
			s.buf = append(s.buf, make([]byte, len(s.buf))...)
		}
		n, err := s.src.Read(s.buf[s.to:])
		s.to += n
		s.err = err
	}
}

// ready reports whether next would find something without reading.
func (s *splitter) ready() bool { return s.err != nil || s.scanned < s.to }
