package translate

import (
	"io"
	"strings"

	"corral/daemon/llm"
)

// maxAnswer bounds what is kept of a streamed answer, in bytes.
const maxAnswer = 32 << 20

// Stream is a target's streamed answer in the caller's words. It is an llm.Body.
type Stream struct {
	split  *splitter
	decode decoder
	flow   flow
	out    out
	handed int // bytes of out that Next has handed out
	ended  bool
	err    error
}

// Next returns the events that became of what the target sent since the last call. io.EOF comes only when the target's
// own last event has come. An error of the source is returned as it is; what else goes wrong is an *llm.Error.
func (s *Stream) Next() ([]byte, error) {
	s.out.Next(s.handed)
	s.handed = 0
	for s.out.Len() == 0 {
		if s.err != nil {
			return nil, s.err
		}
		s.err = s.pass(true)
		for s.err == nil && !s.ended && s.out.Len() < 64<<10 && s.split.ready() {
			before := s.split.scanned
			if s.err = s.pass(false); s.split.scanned == before {
				break
			}
		}
	}
	s.handed = s.out.Len()
	return s.out.Bytes(), nil
}

// pass takes one event of the target.
func (s *Stream) pass(wait bool) error {
	if s.ended {
		return s.drain()
	}
	data, err := s.split.next(wait)
	if err == io.EOF {
		return llm.Errorf(llm.Broken, "read stream", io.ErrUnexpectedEOF, "The model server ended the answer before it was complete. Its own log may say why; please try again.")
	}
	if err != nil || data == nil {
		return err
	}
	s.ended, err = s.decode.event(data, &s.flow)
	if err == nil && s.ended {
		err = s.flow.finish()
	}
	return err
}

// drain reads what comes after the last event, so that the connection can be used again. The answer is whole by then,
// so nothing of it matters.
func (s *Stream) drain() error {
	for range 64 {
		if s.split.err != nil {
			break
		}
		_, s.split.err = s.split.src.Read(s.split.buf)
	}
	return io.EOF
}

// More reports whether a further piece is at hand already.
func (s *Stream) More() bool { return s.err == nil && !s.ended && s.split.ready() }

// Last reports whether what Next returned last ends the answer.
func (s *Stream) Last() bool { return s.ended }

// Content reports whether real content was in what Next returned: text, thinking, a call of a tool, or an honest empty
// end. Before it the call can still be given to another target.
func (s *Stream) Content() bool { return s.flow.content }

// Usage is what the target told of it so far.
func (s *Stream) Usage() llm.Usage { return s.flow.answer.told() }

// Close lets go of what was kept. What Next returned is no longer valid.
func (s *Stream) Close() {
	if s.err == nil {
		s.err = io.EOF
	}
	s.out.Reset()
	s.handed = 0
}

// decoder understands the events of a target.
type decoder interface {
	// event takes the data of one and reports whether it was the last.
	event(data []byte, f *flow) (last bool, err error)
}

// encoder writes the events of a caller. a is the answer so far; i is the part that is meant. Every part is opened, gets
// its pieces, and is closed before the next one is opened.
type encoder interface {
	start(a *answer)
	open(a *answer, i int)
	piece(a *answer, i int, s string, probs []logprob)
	close(a *answer, i int) error
	finish(a *answer)
}

const none = -1

// flow stands between a decoder and an encoder. It puts what comes into parts, keeps the answer, and bounds it.
type flow struct {
	call    *Call
	enc     encoder
	answer  answer
	text    strings.Builder // of the open part
	held    []logprob       // whose text has not come
	open    int             // index of the open part; none
	key     int             // by which the target calls the open tool call
	closed  map[int]bool    // keys of calls that are over
	size    int
	limit   int // of size
	started bool
	content bool
}

// start hands on the head of the answer, once.
func (f *flow) start() {
	if f.started {
		return
	}
	f.started = true
	a := &f.answer
	if a.id == "" {
		a.id = f.call.newID()
	}
	if a.model == "" {
		a.model = f.call.asked.model
	}
	if a.created.IsZero() {
		a.created = f.call.now().UTC()
	}
	f.enc.start(a)
}

// say takes a piece of text, of a refusal or of a thought.
func (f *flow) say(k partKind, s string, probs []logprob) error {
	if s == "" && len(probs) == 0 {
		return nil
	}
	if s == "" && (f.open == none || f.answer.parts[f.open].kind == aCall) {
		f.held = append(f.held, probs...) // of a token that is not a whole letter: the text comes with a later one
		return f.grow(0, probs)
	}
	if s != "" && (f.open == none || f.answer.parts[f.open].kind != k) {
		if err := f.begin(part{kind: k}); err != nil {
			return err
		}
	}
	return f.piece(s, probs)
}

// begin closes the open part and opens p.
func (f *flow) begin(p part) error {
	if err := f.end(); err != nil {
		return err
	}
	if len(f.answer.parts) >= 10000 {
		return badAnswer(nil, "it has too many parts")
	}
	f.start()
	f.answer.parts = append(f.answer.parts, p)
	f.open = len(f.answer.parts) - 1
	if p.kind == aCall || p.hidden {
		f.content = true
	}
	f.enc.open(&f.answer, f.open)
	return nil
}

// begun opens the call that the target calls key. A target that goes back to a call that is over is not understood: the
// parts of an answer come one after the other in the APIs of callers.
func (f *flow) begun(key int, id, name string) error {
	if f.closed[key] || name == "" {
		return badAnswer(nil, "its tool calls are out of order")
	}
	if id == "" {
		id = callID(f.idSoFar(), len(f.answer.parts))
	}
	if err := f.begin(part{kind: aCall, id: id, name: name}); err != nil {
		return err
	}
	f.key = key
	return nil
}

func (f *flow) idSoFar() string {
	f.start()
	return f.answer.id
}

// inCall reports whether the call that the target calls key is open.
func (f *flow) inCall(key int) bool {
	return f.open != none && f.answer.parts[f.open].kind == aCall && f.key == key
}

// isAnother reports whether the call of this id cannot be the one that the target called key before: that one is open under another
// id, or is over.
func (f *flow) isAnother(key int, id string) bool {
	if f.inCall(key) {
		return f.answer.parts[f.open].id != id
	}
	if !f.closed[key] {
		return false
	}
	for i := range f.answer.parts {
		if p := &f.answer.parts[i]; p.kind == aCall && p.id == id {
			return false // it goes back, which is not understood
		}
	}
	return true
}

// piece takes a piece of the open part.
func (f *flow) piece(s string, probs []logprob) error {
	if s == "" && len(probs) == 0 {
		return nil
	}
	if err := f.grow(len(s), probs); err != nil {
		return err
	}
	f.content = true
	f.text.WriteString(s)
	if p := &f.answer.parts[f.open]; p.kind != aCall {
		if len(f.held) > 0 {
			probs, f.held = append(f.held, probs...), nil
		}
		p.probs = append(p.probs, probs...)
	}
	f.enc.piece(&f.answer, f.open, s, probs)
	return nil
}

// grow counts what is kept, and fails when it is too much.
func (f *flow) grow(n int, probs []logprob) error {
	f.size += n
	for i := range probs {
		f.size += (64 + len(probs[i].Token)) * (1 + len(probs[i].Top))
	}
	if f.size > f.limit {
		return badAnswer(nil, "it is over %d MiB long", f.limit>>20)
	}
	return nil
}

// sign puts a signature to the open part.
func (f *flow) sign(signer API, s string) error {
	p := &f.answer.parts[f.open]
	if err := f.grow(len(s), nil); err != nil {
		return err
	}
	p.signature, p.signer = p.signature+s, signer
	return nil
}

// end closes the open part, if any.
func (f *flow) end() error {
	if f.open == none {
		return nil
	}
	p := &f.answer.parts[f.open]
	if p.kind == aCall {
		if f.closed == nil {
			f.closed = map[int]bool{}
		}
		f.closed[f.key] = true
		if strings.TrimSpace(f.text.String()) == "" {
			f.text.WriteString("{}") // a call without arguments has an empty object of them
			f.enc.piece(&f.answer, f.open, "{}", nil)
		}
	}
	p.text = f.text.String()
	f.text.Reset()
	i := f.open
	f.open = none
	return f.enc.close(&f.answer, i)
}

// finish ends the answer: the target's own last event has come.
func (f *flow) finish() error {
	f.start()
	if err := f.end(); err != nil {
		return err
	}
	f.answer.settleStop()
	f.content = true
	f.enc.finish(&f.answer)
	return nil
}
