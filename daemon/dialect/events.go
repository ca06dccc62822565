package dialect

import (
	"bytes"
	"io"
	"slices"
	"sync"

	"corral/daemon/llm"
)

// maxEvent bounds one event of a stream, in bytes: an image or a whole response may come in a single one.
const maxEvent = 32 << 20

// Events reads a streamed answer as whole events and notes what passes by: whether content has come, how the stream
// ended, what it used. The bytes themselves go on untouched.
type Events struct {
	Seen Seen

	src     io.Reader
	form    llm.Form
	whole   bool // what has no line feed at the end goes on all the same
	inspect inspector
	buf     []byte
	pooled  *[]byte
	from    int // start of what has not been handed out
	scanned int // up to here lines have been looked at
	line    int // start of the line in progress
	to      int // end of what has been read
	name    []byte
	data    llm.Span // of the event in progress, within buf; To 0: none yet
	joined  []byte   // data of an event that has several data lines
	shape   shape    // of the events that tell nothing
	err     error    // that src gave, once what came before it is handed out
}

// Seen is what is known of a stream so far.
type Seen struct {
	Content  bool   // the first real content has come: text, thinking, a tool call, or an honest empty end
	Terminal bool   // the dialect's own last event has come
	Failed   bool   // the target itself said in the stream that it failed
	Failure  string // in its words
	Garbage  bool   // an event was no JSON
	Usage    llm.Usage
}

// inspector looks at one event. name is that of an SSE "event:" line.
type inspector func(s *Seen, name, data []byte)

var eventBufs = sync.Pool{New: func() any { b := make([]byte, 16<<10); return &b }}

// NewEvents reads the answer of ep from src. Close must be called to give its buffer back.
func NewEvents(src io.Reader, ep *llm.Endpoint) *Events {
	p := eventBufs.Get().(*[]byte)
	return &Events{src: src, form: ep.Form, whole: ep.Task != llm.Generate, inspect: inspectorOf(ep), buf: *p, pooled: p, Seen: Seen{Usage: llm.NoUsage}}
}

// Close gives the buffer back; what Next returned is no longer valid.
func (e *Events) Close() {
	if e.pooled != nil {
		eventBufs.Put(e.pooled)
		e.pooled, e.buf = nil, nil
		e.from, e.to, e.scanned, e.line = 0, 0, 0, 0
		e.err = io.EOF
	}
}

// Next returns the events that have come since the last call, at least one, waiting for it if need be. They are valid
// until the next call. After the last it returns the error of the source: io.EOF says that the connection ended well, not
// that the stream did: for that see Seen.Terminal.
func (e *Events) Next() ([]byte, error) {
	for {
		if end := e.scan(); end > e.from {
			out := e.buf[e.from:end]
			e.from = end
			return out, nil
		}
		if e.err != nil {
			if rest := e.buf[e.from:e.to]; e.err == io.EOF && len(rest) > 0 {
				failed := e.Seen.Failed
				e.last()
				e.from = e.to
				if e.whole || e.Seen.Terminal {
					return rest, nil
				}
				if e.Seen.Failed && !failed {
					return e.ended(rest), nil
				}
				// Half an event: what came before it goes on, and what comes after it must not be read as its rest.
			}
			return nil, e.err
		}
		if e.from > 0 {
			e.compact()
		}
		if e.to == len(e.buf) {
			if len(e.buf) >= maxEvent {
				return nil, llm.Errorf(llm.BadAnswer, "read stream", nil, "The model server sent one event of over %d MiB.", maxEvent>>20)
			}
			e.buf = append(e.buf, make([]byte, len(e.buf))...)
		}
		n, err := e.src.Read(e.buf[e.to:])
		e.to += n
		e.err = err
	}
}

// ended is rest, the server's word of failure that lacks its end, with that end: without it no client hears it.
func (e *Events) ended(rest []byte) []byte {
	end := "\n\n"
	if e.form == llm.NDJSON {
		end = "\n"
	}
	return append(slices.Clone(bytes.TrimRight(rest, "\r\n")), end...)
}

// Ready reports whether Next would return without reading.
func (e *Events) Ready() bool { return e.err != nil || e.scanned < e.to }

func (e *Events) compact() {
	copy(e.buf, e.buf[e.from:e.to])
	e.to -= e.from
	e.scanned -= e.from
	e.line -= e.from
	if e.data.To > 0 {
		e.data.From -= e.from
		e.data.To -= e.from
	}
	e.from = 0
}

// scan looks at the new lines and returns the end of the last whole event.
func (e *Events) scan() (end int) {
	end = e.from
	for {
		n := bytes.IndexByte(e.buf[e.scanned:e.to], '\n')
		if n < 0 {
			e.scanned = e.to
			return end
		}
		line := e.buf[e.line : e.scanned+n]
		at := e.line
		e.scanned += n + 1
		e.line = e.scanned
		if k := len(line); k > 0 && line[k-1] == '\r' {
			line = line[:k-1]
		}
		if e.take(line, at) {
			end = e.scanned
		}
	}
}

// take looks at one line, which stands at buf[at:], and reports whether an event ended with it.
func (e *Events) take(line []byte, at int) bool {
	if e.form == llm.NDJSON {
		if len(line) > 0 {
			e.look(nil, line)
		}
		return true
	}
	switch {
	case len(line) == 0:
		e.dispatch()
		return true
	case bytes.HasPrefix(line, []byte("data:")):
		skip := 5
		if len(line) > 5 && line[5] == ' ' {
			skip = 6
		}
		if e.data.To > 0 || len(e.joined) > 0 { // several data lines are one text, joined by line feeds
			if len(e.joined) == 0 {
				e.joined = append(e.joined, e.buf[e.data.From:e.data.To]...)
			}
			e.joined = append(append(e.joined, '\n'), line[skip:]...)
			break
		}
		e.data = llm.Span{From: at + skip, To: at + len(line)}
	case bytes.HasPrefix(line, []byte("event:")):
		e.name = append(e.name[:0], bytes.TrimSpace(line[6:])...)
	}
	return false
}

func (e *Events) dispatch() {
	data := e.joined
	if len(data) == 0 {
		data = e.buf[e.data.From:e.data.To]
	}
	if len(data) > 0 {
		e.look(e.name, data)
	}
	e.data, e.joined, e.name = llm.Span{}, e.joined[:0], e.name[:0]
}

// look inspects an event, unless it is known to tell nothing.
func (e *Events) look(name, data []byte) {
	if e.shape.fits(data) {
		return
	}
	was := e.Seen
	e.inspect(&e.Seen, name, data)
	if was.Content && e.Seen == was {
		e.shape.learn(data)
	}
}

// last looks at what came without its line feed before the connection ended: some servers forget it after the last event.
func (e *Events) last() {
	if e.line < e.to {
		e.take(bytes.TrimSuffix(e.buf[e.line:e.to], []byte("\r")), e.line)
	}
	if e.form == llm.SSE {
		e.dispatch()
	}
}
