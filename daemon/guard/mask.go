package guard

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/tidwall/gjson"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// mask hides from a target what it must not see. It looks at the text when it is put on: the cache may ask for a part of a call only,
// and most calls with findings never leave this device.
type mask struct {
	g            *Guard
	use          *inUse
	away, always bool

	mu   sync.Mutex // guards what follows
	last hidden     // what was hidden last, of body: a call may be sent again
	body []byte
	left bool // from a target that is not on this device
}

// hidden is a body with placeholders, and what they stand for.
type hidden struct {
	body []byte
	of   []secret
	acts llm.Acts
}

// secret is what a placeholder stands for.
type secret struct {
	placeholder string
	value       string
}

// Hides implements llm.Mask.
func (m *mask) Hides(t llm.Target) bool { return m.always || m.away && t.Away != "" }

// Minds implements llm.Mask.
func (m *mask) Minds() bool { return m.away }

// Serve implements llm.Mask.
func (m *mask) Serve(ctx context.Context, r *llm.Request, target llm.Handler) (*llm.Reply, error) {
	h := m.hide(r)
	if len(h.of) == 0 {
		return target.Serve(ctx, r)
	}
	step := r.Mark("guard redact")
	step.Note("corral.guard.hidden", strconv.Itoa(len(h.of)))
	step.End(nil)
	masked := *r
	masked.Body, masked.Length = h.body, int64(len(h.body))
	if r.Endpoint.Method != "" { // else nothing was read of it
		peeked, err := dialect.Peek(h.body)
		if err != nil {
			return nil, llm.Errorf(llm.Internal, "guard", err, "Corral failed on this call; its log has the cause under this request id.")
		}
		masked.Fields = peeked.Fields
	}
	reply, err := target.Serve(ctx, &masked)
	if err == nil || llm.AsError(err).Kind != llm.Unreachable {
		r.Masked |= h.acts
	}
	if err != nil || r.Endpoint.Task == llm.Embed {
		return reply, err
	}
	return restored(reply, r, h.of)
}

// hide is the body of r with placeholders in the places of what is to be hidden from its target. The same value has the same
// placeholder everywhere, and in the next turn of a chat too.
func (m *mask) hide(r *llm.Request) hidden {
	m.mu.Lock()
	defer m.mu.Unlock()
	away := r.Target.Away != ""
	if m.body != nil && len(m.body) == len(r.Body) && &m.body[0] == &r.Body[0] && m.left == away {
		return m.last
	}
	t := m.g.take()
	defer m.g.give(t)
	t.load(r)
	h := hider{m: m, away: away, names: m.g.names()}
	if remembered(r) {
		h.names.key = m.g.key()
	}
	t.texts(func(_ int, _ *str, value []byte) { h.names.taken(value) })

	// What comes again with each turn is named last, so that a new turn changes no name that there was before; what must stay as it is
	// gets no names of its own.
	out := make([][]byte, len(t.strings))
	for pass := range 3 {
		t.texts(func(i int, s *str, value []byte) {
			bits := t.frames[s.frame].bits
			mine := 0
			switch {
			case bits&signed != 0:
				mine = 2
			case bits&turns != 0:
				mine = 1
			}
			if mine != pass {
				return
			}
			if r.Endpoint.Task == llm.Embed { // a text has the same vector wherever it stands
				h.names.anew()
				h.names.taken(value)
			}
			h.known = pass == 2
			if masked, changed := h.text(t, s, value, 0); changed {
				if out[i] = masked; !t.plain {
					out[i] = quoted(borrowed(masked))
				}
			}
		})
	}
	m.last = hidden{body: t.with(out), of: h.names.all, acts: h.acts}
	m.body, m.left = r.Body, away
	return m.last
}

// with is the text with other strings in the places of those that are in out.
func (t *tree) with(out [][]byte) []byte {
	var b []byte
	at := 0
	for i, x := range out {
		if x != nil {
			b = append(append(b, t.b[at:t.strings[i].from]...), x...)
			at = t.strings[i].to
		}
	}
	return append(b, t.b[at:]...)
}

// remembered reports whether the target remembers the conversation, so that earlier turns, or later ones, do not say all of it again.
func remembered(r *llm.Request) bool {
	switch r.Endpoint.Name {
	case "responses":
		return gjson.GetBytes(r.Body, "store").Type != gjson.False
	case "generate":
		return true // its answer has a context, with which one may go on
	}
	return r.Endpoint.Method == "" // a route that is not known may be one for threads or files
}

// hider puts placeholders into texts.
type hider struct {
	m     *mask
	away  bool
	names *names
	known bool // no new names are given
	acts  llm.Acts
}

// text is value, which s says in t, with placeholders.
func (h *hider) text(t *tree, s *str, value []byte, depth int) (masked []byte, changed bool) {
	if depth < maxNested && nested(value) {
		in := h.m.g.take()
		defer h.m.g.give(in)
		in.read(value, shortest, true)
		out := make([][]byte, len(in.strings))
		in.texts(func(i int, s *str, value []byte) {
			if x, ok := h.text(in, s, value, depth+1); ok {
				out[i], changed = quoted(borrowed(x)), true
			}
		})
		if !changed {
			return nil, false
		}
		return in.with(out), true
	}
	var spans []classed
	for _, x := range h.m.use.spans(value, t.name(s)) {
		if act := h.m.use.act(x.class); act != llm.MaskAlways && !(act == llm.MaskAway && h.away) {
			continue
		}
		spans = append(spans, x)
	}
	done := 0
	for _, x := range joined(spans) {
		name := h.names.name(x.Kind, string(value[x.From:x.To]), h.known)
		if name == "" {
			continue
		}
		h.acts = h.acts.With(h.m.use.act(x.class))
		masked = append(append(masked, value[done:x.From]...), name...)
		done = x.To
	}
	return append(masked, value[done:]...), done > 0
}

// joined makes one of those that lie over each other, of the kind of the first: all of it is to be hidden. It changes spans.
func joined(spans []classed) []classed {
	out := spans[:0]
	for _, x := range spans {
		if n := len(out); n > 0 && x.From < out[n-1].To {
			out[n-1].To = max(out[n-1].To, x.To)
			continue
		}
		out = append(out, x)
	}
	return out
}

// names gives placeholders.
type names struct {
	kinds map[string]bool   // in capitals
	key   []byte            // where there is one, they are made of the value by it, and not counted
	of    map[string]string // by value
	used  map[string]bool   // numbered ones that stand in the text, without brackets
	last  map[string]int    // by kind, in capitals
	all   []secret
}

func (g *Guard) names() *names {
	return &names{kinds: g.kinds, of: map[string]string{}, used: map[string]bool{}, last: map[string]int{}}
}

// maxUsed bounds how many placeholders of a text's own are remembered one by one. Of what comes after them the highest number counts.
const maxUsed = 10_000

// taken notes the placeholders that stand in a text of the caller's own: they must not be replaced in the answer.
func (n *names) taken(value []byte) {
	for {
		i := bytes.IndexByte(value, '[')
		if i < 0 {
			return
		}
		value = value[i+1:]
		word := value[:min(len(value), 60)]
		end := bytes.IndexByte(word, ']')
		if end < 0 {
			continue
		}
		under := bytes.LastIndexByte(word[:end], '_')
		if under <= 0 || end-under > 9 || !n.kinds[string(word[:under])] {
			continue
		}
		k, err := strconv.Atoi(string(word[under+1 : end]))
		switch {
		case err != nil:
		case len(n.used) < maxUsed:
			n.used[string(word[:end])] = true
		default:
			n.last[string(word[:under])] = max(n.last[string(word[:under])], k)
		}
	}
}

// anew forgets which names there are.
func (n *names) anew() { clear(n.of); clear(n.last); clear(n.used) }

// name is the placeholder of value. Where only those that there are already will do, it may be empty.
func (n *names) name(kind, value string, known bool) string {
	if p, ok := n.of[value]; ok || known {
		return p
	}
	kind = strings.ToUpper(kind)
	p := ""
	if n.key != nil {
		h := hmac.New(sha256.New, n.key)
		h.Write([]byte(value))
		p = kind + "_" + base32.StdEncoding.EncodeToString(h.Sum(nil)[:5])
	}
	for p == "" || n.used[p] {
		n.last[kind]++
		p = kind + "_" + strconv.Itoa(n.last[kind])
	}
	p = "[" + p + "]"
	n.of[value] = p
	n.all = append(n.all, secret{p, value})
	return p
}

// quoted is s as a JSON string.
func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil { // no string fails
		return []byte(`""`)
	}
	return slices.Clip(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}
