package guard

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// restored is the reply to r with what the placeholders stand for in their places.
func restored(reply *llm.Reply, r *llm.Request, of []secret) (*llm.Reply, error) {
	x := newRestorer(of)
	switch ep := r.Endpoint; {
	case ep.Task == llm.Generate:
		if wantsJSON(r.Body) {
			x.content = 1
		}
		if !reply.Stream {
			return x.whole(reply)
		}
		reply.Body = &events{Body: reply.Body, r: x, form: ep.Form}
	case ep.Method == "": // a route that is not known; its answer may be of any length and form
		reply.Length = -1
		reply.Body = &pieces{Body: reply.Body, r: x}
	}
	return reply, nil
}

// wantsJSON reports whether the call asks for an answer whose text is JSON.
func wantsJSON(body []byte) bool {
	for _, v := range gjson.GetManyBytes(body, "format", "response_format.type", "text.format.type", "output_config.format.type", "output_format.type") {
		if v.IsObject() || strings.HasPrefix(v.Str, "json") {
			return true
		}
	}
	return false
}

// restorer knows what placeholders stand for.
type restorer struct {
	values  map[string][2][]byte // as they stand in a JSON string, and in one that lies in another as text
	longest int                  // of the placeholders, in bytes
	content int                  // 1: the text of the answer is JSON itself
}

func newRestorer(of []secret) *restorer {
	r := &restorer{values: make(map[string][2][]byte, len(of))}
	for _, s := range of {
		once := inner(s.value)
		r.values[s.placeholder] = [2][]byte{once, inner(string(once))}
		r.longest = max(r.longest, len(s.placeholder))
	}
	return r
}

// inner is s as it stands in a JSON string, between the quotes.
func inner(s string) []byte {
	q := quoted(s)
	return q[1 : len(q)-1]
}

// replace appends raw, which is some of a JSON string or text, to out, with values for placeholders. No placeholder has a
// character that JSON escapes.
func (r *restorer) replace(out, raw []byte, nested int) []byte {
	for {
		i := bytes.IndexByte(raw, '[')
		if i < 0 {
			return append(out, raw...)
		}
		out, raw = append(out, raw[:i]...), raw[i:]
		if end := bytes.IndexByte(raw[:min(len(raw), r.longest)], ']'); end > 0 {
			if v, ok := r.values[string(raw[:end+1])]; ok {
				out, raw = append(out, v[nested]...), raw[end+1:]
				continue
			}
		}
		out, raw = append(out, '['), raw[1:]
	}
}

// tail is how many bytes at the end of raw may be the beginning of a placeholder.
func (r *restorer) tail(raw []byte) int {
	i := bytes.LastIndexByte(raw, '[')
	if i < 0 || len(raw)-i >= r.longest {
		return 0
	}
	for p := range r.values {
		if len(p) > len(raw)-i && strings.HasPrefix(p, string(raw[i:])) { // a whole one is replaced, not waited for
			return len(raw) - i
		}
	}
	return 0
}

// whole reads an answer that is no stream; the relay has bounded it.
func (r *restorer) whole(reply *llm.Reply) (*llm.Reply, error) {
	var all []byte
	for {
		p, err := reply.Body.Next()
		all = append(all, p...)
		if err == io.EOF {
			break
		}
		if err != nil {
			reply.Close()
			return nil, err
		}
	}
	var t tree
	t.read(all, 0, false)
	var out []byte
	at := 0
	for i := range t.strings {
		s := &t.strings[i]
		out = r.replace(out, all[at:s.from], 0)
		out = r.replace(out, all[s.from:s.to], r.nested(&t, s))
		at = s.to
	}
	out = r.replace(out, all[at:], 0)
	reply.Length = int64(len(out))
	reply.Body = &once{Body: reply.Body, all: out}
	return reply, nil
}

// nested is 1 for a string that holds JSON as text, else 0.
func (r *restorer) nested(t *tree, s *str) int {
	if t.frames[s.frame].bits&free != 0 {
		return 0 // the arguments of a tool, whatever their names are
	}
	switch string(t.at(s.key)) {
	case "arguments", "partial_json":
		return 1
	case "delta":
		if strings.Contains(word(t.typ), "arguments") {
			return 1
		}
		if !strings.Contains(word(t.typ), "output_text") {
			return 0
		}
		return r.content
	case "content", "text", "response":
		return r.content
	}
	return 0
}

// once is a body that is one piece.
type once struct {
	llm.Body
	all   []byte
	given bool
}

func (o *once) Next() ([]byte, error) {
	if o.given {
		return nil, io.EOF
	}
	o.given = true
	return o.all, nil
}

func (o *once) More() bool { return false }
func (o *once) Last() bool { return o.given }

// pieces is a body of any form: placeholders are replaced wherever they stand.
type pieces struct {
	llm.Body
	r    *restorer
	held []byte // what may be the beginning of a placeholder
	out  []byte
	err  error
}

func (p *pieces) Next() ([]byte, error) {
	if p.err != nil {
		return nil, p.err
	}
	b, err := p.Body.Next()
	all := append(p.held, b...)
	p.held = nil
	if err != nil {
		p.err = err
	} else if n := p.r.tail(all); n > 0 && !p.Body.Last() {
		p.held = slices.Clone(all[len(all)-n:])
		all = all[:len(all)-n]
	}
	if p.out = p.r.replace(p.out[:0], all, 0); len(p.out) == 0 && p.err != nil {
		return nil, p.err
	}
	return p.out, nil
}

// events is the body of a stream. A placeholder may come in parts, a token at a time: the text of an event is held back from
// where one may begin until it is known.
type events struct {
	llm.Body
	r     *restorer
	form  llm.Form
	t     tree
	held  []held
	bytes int // of what is held
	out   []byte
	err   error
}

// held is text that was held back.
type held struct {
	channel
	text          []byte // raw
	before, after []byte // the event that it came in, around it
}

// channel is a text that comes in parts: all of one key, in one place.
type channel struct {
	key   string
	place string // of the choice, the block and the tool, by their indexes: "0.1"
}

// owner is the outermost of what the channel belongs to.
func (c *channel) owner() string {
	first, _, _ := strings.Cut(c.place, ".")
	return first
}

// Bounds of what is held back at the same time: one text a choice, block and tool of one answer, each with the event that it came in.
const (
	maxHeld      = 256
	maxHeldBytes = 256 << 10
)

func (e *events) Next() ([]byte, error) {
	if e.err != nil {
		return nil, e.err
	}
	p, err := e.Body.Next()
	if err != nil {
		e.err = err
		if e.out = e.flush(e.out[:0], func(*held) bool { return true }); len(e.out) > 0 {
			return e.out, nil
		}
		return nil, err
	}
	if len(e.held) == 0 && !mayBegin(p) {
		return p, nil
	}
	e.out = e.out[:0]
	for len(p) > 0 {
		n := e.block(p)
		e.event(p[:n])
		p = p[n:]
	}
	return e.out, nil
}

// mayBegin reports whether a placeholder, or the beginning of one at the end of a string, may stand in p.
func mayBegin(p []byte) bool {
	for {
		i := bytes.IndexByte(p, '[')
		if i < 0 || i+1 == len(p) {
			return false
		}
		if c := p[i+1]; c == '"' || c >= 'A' && c <= 'Z' {
			return true
		}
		p = p[i+1:]
	}
}

// block is the length of the event that p begins with.
func (e *events) block(p []byte) int {
	ends := []string{"\n"}
	if e.form == llm.SSE {
		ends = []string{"\n\n", "\r\n\r\n", "\r\r"}
	}
	n := len(p)
	for _, end := range ends {
		if i := bytes.Index(p[:n], []byte(end)); i >= 0 {
			n = i + len(end)
		}
	}
	return n
}

// event appends one event to out, and before it what it shows to be over.
func (e *events) event(b []byte) {
	from, to := 0, len(b)
	if e.form == llm.SSE {
		if from, to = data(b); from < 0 {
			e.out = e.r.replace(e.out, b, 0) // a comment, or data in several lines
			return
		}
	}
	json := b[from:to]
	t := &e.t
	t.read(json, 0, false)
	t.locate()
	channels := make([]channel, len(t.strings)) // without a key: nothing of it is held back
	for i := range t.strings {
		channels[i] = t.channel(&t.strings[i])
	}
	e.out = e.flush(e.out, func(h *held) bool { return t.ends(h, channels) })
	e.out = append(e.out, b[:from]...)
	at := 0
	var more []held
	for i := range t.strings {
		s := &t.strings[i]
		raw := json[s.from+1 : s.to-1]
		if channels[i].key != "" {
			if j := slices.IndexFunc(e.held, func(h held) bool { return h.channel == channels[i] }); j >= 0 {
				raw = append(e.held[j].text, raw...)
				e.bytes -= e.held[j].size()
				e.held = slices.Delete(e.held, j, j+1)
			}
		}
		e.out = append(e.out, json[at:s.from+1]...)
		if n := e.r.tail(raw); n > 0 && channels[i].key != "" && t.frames[s.frame].bits&over == 0 && t.alone(i, channels) && dialect.Valid(json) {
			h := held{channel: channels[i], text: slices.Clone(raw[len(raw)-n:])}
			h.before, h.after = t.emptied(b, from, channels, i)
			if len(e.held)+len(more) < maxHeld && e.bytes+h.size() <= maxHeldBytes {
				more = append(more, h)
				e.bytes += h.size()
				raw = raw[:len(raw)-n]
			}
		}
		e.out = e.r.replace(e.out, raw, e.r.nested(t, s))
		at = s.to - 1
	}
	e.out = append(e.out, json[at:]...)
	e.out = append(e.out, b[to:]...)
	e.held = append(e.held, more...)
}

// Last implements llm.Body: what is held back comes after all that there was.
func (e *events) Last() bool { return len(e.held) == 0 && e.Body.Last() }

func (h *held) size() int { return len(h.text) + len(h.before) + len(h.after) }

// flush appends to out what is held back and over.
func (e *events) flush(out []byte, over func(*held) bool) []byte {
	e.held = slices.DeleteFunc(e.held, func(h held) bool {
		if !over(&h) {
			return false
		}
		out = append(append(append(out, h.before...), h.text...), h.after...)
		e.bytes -= h.size()
		return true
	})
	return out
}

// data is where the data of an event of SSE stands; -1: nowhere, or in several lines.
func data(b []byte) (from, to int) {
	from = -1
	for at := 0; at < len(b); {
		end := len(b)
		if i := bytes.IndexAny(b[at:], "\r\n"); i >= 0 {
			end = at + i
		}
		if bytes.HasPrefix(b[at:end], []byte("data:")) {
			if from >= 0 {
				return -1, 0
			}
			from, to = at+len("data:"), end
		}
		at = end + 1
	}
	return from, to
}

// channel says which text that comes in parts s is a part of; without a key: none.
func (t *tree) channel(s *str) channel {
	f := &t.frames[s.frame]
	if s.part != aValue || f.bits&free != 0 {
		return channel{}
	}
	key := t.at(s.key)
	switch string(key) {
	case "content", "text", "response", "thinking", "reasoning", "reasoning_content", "refusal", "delta", "arguments", "partial_json", "input":
	default:
		return channel{}
	}
	if typ := word(t.typ); typ != "" && !strings.Contains(typ, "delta") {
		return channel{} // an event that has the whole of a text
	}
	return channel{string(key), t.places[s.frame]}
}

// ends reports whether this event shows that nothing more comes of h: its choice or block is over, or another text of it goes on.
func (t *tree) ends(h *held, channels []channel) bool {
	if slices.Contains(channels, h.channel) {
		return false
	}
	if len(t.frames) == 0 || t.frames[0].bits&object == 0 {
		return true // no object: [DONE], the word that the stream is over
	}
	owner := h.owner()
	about := false // the event is about h's choice or block
	for f := range t.frames {
		mine := t.places[f] == owner || strings.HasPrefix(t.places[f], owner+".")
		about = about || mine
		if t.frames[f].bits&finished != 0 && (mine || t.places[f] == "") {
			return true
		}
	}
	for _, end := range [...]string{"stop", "done", "completed", "incomplete", "failed", "error"} {
		if strings.HasSuffix(word(t.typ), end) {
			return about || t.frames[0].index < 0
		}
	}
	for i, c := range channels {
		if s := &t.strings[i]; c.key != "" && c.owner() == owner && s.to-s.from > 2 {
			return true
		}
	}
	return false
}

// alone reports whether this event says nothing but texts that come in parts, so that it may come twice: once with all but the end of
// string i, and once with that end only.
func (t *tree) alone(i int, channels []channel) bool {
	for j := range t.strings {
		s := &t.strings[j]
		if j == i || s.to-s.from == 2 || channels[j].key != "" {
			continue
		}
		switch string(t.at(s.key)) {
		case "id", "object", "model", "role", "type", "created_at", "system_fingerprint", "service_tier", "item_id", "event_id", "obfuscation", "provider", "token", "format":
		default:
			return false
		}
	}
	return true
}

// emptied is event b, whose data begins at from, around string i, with all other texts that come in parts left empty.
func (t *tree) emptied(b []byte, from int, channels []channel, i int) (before, after []byte) {
	cut := func(at, to int, strings []str, channels []channel) (out []byte) {
		for j, s := range strings {
			if channels[j].key != "" {
				out = append(out, b[at:from+s.from+1]...)
				at = from + s.to - 1
			}
		}
		return append(out, b[at:to]...)
	}
	s := &t.strings[i]
	return cut(0, from+s.from+1, t.strings[:i], channels[:i]), cut(from+s.to-1, len(b), t.strings[i+1:], channels[i+1:])
}

// locate says of each object and array where it lies, by the indexes of what is around it, outermost first ("0.1"), and whether it ends
// with this event.
func (t *tree) locate() {
	t.places = slices.Grow(t.places[:0], len(t.frames))[:len(t.frames)]
	for i := range t.frames {
		f, place := &t.frames[i], ""
		if f.bits&finished != 0 {
			f.bits |= over
		}
		if f.parent >= 0 {
			place = t.places[f.parent]
			f.bits |= t.frames[f.parent].bits & over
		}
		switch {
		case f.index < 0 || len(place) > maxPlace:
		case place == "":
			place = strconv.Itoa(int(f.index))
		default:
			place += "." + strconv.Itoa(int(f.index))
		}
		t.places[i] = place
	}
}

// maxPlace bounds, in bytes, what is told of a place: no API has more than a few indexes in each other.
const maxPlace = 32
