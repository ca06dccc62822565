package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"hash/maphash"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// keyVersion is part of every key: a change of what goes into keys makes older ones unfindable.
const keyVersion = "1"

// decisive are the headers of a call that may change its answer. Anthropic-Version, which every call of its dialect has, only
// does where the dialect matters.
var decisive = []string{"Anthropic-Beta", "Openai-Beta", "Openai-Organization", "Openai-Project"}

// name finds the names of the answer that each candidate of the plan would give: of all, or up to the first that is not away.
func (c *Cache) name(a *ask, all bool) {
	for i := range a.plan.Candidates {
		x := &a.plan.Candidates[i]
		digest := digestOf(a, x)
		a.digests, a.keys = append(a.digests, digest), append(a.keys, c.key(a, x.Target, digest, c.form(a)))
		if !all && !c.away(x.Target) {
			return
		}
	}
}

func digestOf(a *ask, x *llm.Candidate) string {
	d, ok := x.Handler.(Digester)
	if !ok {
		return ""
	}
	model := x.Target.Model
	if model == "" {
		model = a.r.Model
	}
	return d.Digest(a.ctx, model)
}

// form is what is asked. As long as a call is unread that are its own bytes, which name it well enough for one flight; they
// are hashed by what is faster than SHA-256, under seeds that nobody knows.
func (c *Cache) form(a *ask) []byte {
	if !a.unread {
		return a.canon.Form
	}
	b := make([]byte, 0, 24)
	b = binary.BigEndian.AppendUint64(b, maphash.Bytes(c.seeds[0], a.r.Body))
	b = binary.BigEndian.AppendUint64(b, maphash.Bytes(c.seeds[1], a.r.Body))
	return binary.BigEndian.AppendUint64(b, uint64(len(a.r.Body)))
}

// key names the answer of one target to what form asks.
func (c *Cache) key(a *ask, t llm.Target, digest string, form []byte) (k Key) {
	r := a.r
	model := t.Model
	if model == "" {
		model = r.Model
	}
	var room [1024]byte
	b := text(room[:0], keyVersion)
	b = owner(b, r, a.rules.Shared)
	b = text(b, a.canon.Family)
	if a.canon.Portable {
		b = text(b, "")
	} else {
		b = text(b, r.Endpoint.Name)
		b = texts(b, r.Header["Anthropic-Version"])
	}
	b = text(b, t.Provider)
	b = text(b, model)
	b = text(b, digest)
	b = text(b, c.o.Policy())
	b = text(b, r.Query)
	for _, name := range decisive {
		b = texts(b, r.Header[name])
	}
	if len(form) <= cap(b)-len(b) {
		return sha256.Sum256(append(b, form...))
	}
	h := sha256.New()
	h.Write(b)
	h.Write(form)
	h.Sum(k[:0])
	return k
}

// owner is whose answers a call may see. Where no key is asked for, what the caller shows to the target decides: the target
// may answer one account what it would not answer another.
func owner(b []byte, r *llm.Request, shared bool) []byte {
	switch {
	case shared:
		return text(b, "all")
	case r.Caller.Key != "":
		return text(text(b, "key"), r.Caller.Key)
	}
	return texts(texts(text(b, "shown"), r.Header["Authorization"]), r.Header["X-Api-Key"])
}

// text appends s with its length before it, so that no two lists of texts look alike.
func text(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}

func texts(b []byte, list []string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(list)))
	for _, s := range list {
		b = text(b, s)
	}
	return b
}

// flightKey names the calls that may share one answer as it comes: those of one key that want the very same bytes, by the
// same route. keys holds more than one where the first targets are away, or for a batch of vectors.
type flightKey struct {
	first    Key
	others   Key
	endpoint string
	model    string
	shape    shape
	alone    bool
}

func (a *ask) flight() flightKey {
	k := flightKey{first: a.keys[0], endpoint: a.r.Endpoint.Name, model: a.r.Model, shape: a.shape, alone: a.r.Alone()}
	if len(a.keys) > 1 {
		h := sha256.New()
		for i := range a.keys {
			h.Write(a.keys[i][:])
		}
		h.Sum(k.others[:0])
	}
	return k
}

// shapeOf is the shape of the answer that a call wants.
func shapeOf(r *llm.Request) shape {
	switch {
	case !r.Stream:
		return whole
	case r.Endpoint.Dialect == llm.OpenAI && gjson.GetBytes(r.Body, "stream_options.include_usage").Bool():
		return streamedUsage
	}
	return streamed
}
