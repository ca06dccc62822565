package cache

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// maxEntry bounds one kept answer, in bytes.
const maxEntry = maxFlight

// storable reports whether reply may be kept, as far as its beginning tells. What another than the first targets of the plan
// said is kept under that one's own name.
func (c *Cache) storable(a *ask, reply *llm.Reply, from llm.Target) bool {
	return reply.Status == http.StatusOK && reply.Stream == a.r.Stream && reply.Header.Get("Content-Encoding") == "" && a.candidate(from) >= 0 && reply.Length <= maxEntry
}

// candidate is the place of a target in the plan, -1 if it is not there: a last resort.
func (a *ask) candidate(t llm.Target) int {
	for i := range a.plan.Candidates {
		if x := &a.plan.Candidates[i].Target; x.Provider == t.Provider && x.Model == t.Model {
			return i
		}
	}
	return -1
}

// keep keeps the answer of a flight, if it is one. Its callers have all of it.
func (c *Cache) keep(a *ask, f *flight) {
	if f.begun.Route != f.reply.Route || f.own.Reuse.Free {
		return // its beginning tells callers to wait; or it is the answer to a question alike
	}
	i, digest := a.candidate(f.own.Target), f.reply.Digest
	if !c.storable(a, f.reply, f.own.Target) || i == 0 && digest != a.digests[0] && a.digests[0] != "" {
		return // or the model was exchanged while it answered
	}
	now := c.o.Now()
	took := now.Sub(f.began)
	if size := len(a.r.Body); size > largePrompt && took < worthwhile*time.Duration(size) || !c.keeps.Allow() {
		c.counts.unkept.Inc()
		return
	}
	named := !a.unread && i < len(a.keys) && a.digests[i] == digest
	if a.unread && (!a.read(false) || !a.exact) || !complete(a.r.Endpoint, f.reply.Stream, f.buf, f.usage.Finish) {
		return
	}
	to := a.plan.Candidates[i].Target
	var k Key
	if named {
		k = a.keys[i]
	} else {
		k = c.key(a, to, digest, a.canon.Form)
	}
	e := &entry{body: bytes.Clone(f.buf), Head: Head{Owner: a.r.Caller.Key, Asked: a.r.Model, Provider: f.reply.Provider, Model: f.reply.Model, Digest: digest, Away: f.own.Target.Away,
		Endpoint: a.r.Endpoint.Name, Shape: a.shape, Type: f.reply.Header.Get("Content-Type"), Warning: f.reply.Header.Get("Warning"), Stored: now, Texts: a.texts, Usage: f.usage, Took: took}}
	if a.exact {
		e.Exact = now.Add(a.ttl)
	}
	if a.alike {
		c.alike.keep(a, k, c.alike.partition(a, to, digest), e)
		return
	}
	c.put(k, e)
}

// put writes an entry to memory, and has it written to the file.
func (c *Cache) put(k Key, e *entry) {
	c.memory.Set(k, e)
	c.seen.add(e.Texts)
	c.counts.stored.Inc()
	if c.o.File == nil {
		return
	}
	if item, err := e.item(k); err == nil {
		c.o.File.Put(item)
	}
}

// complete reports whether body is a whole answer to ep without a failure inside, and not one that was held back. The target's
// own provider has seen the end of a stream, so only what speaks of a failure is looked through from the beginning.
func complete(ep *llm.Endpoint, stream bool, body []byte, finish string) bool {
	for why := range strings.SplitSeq(finish, ",") {
		switch why {
		case "content_filter", "refusal", "failed", "cancelled", "load", "unload": // held back, or there was none to give
			return false
		}
	}
	if !stream {
		_, failed := dialect.FailureIn(body)
		return !failed && dialect.IsObject(body)
	}
	if !bytes.Contains(body, []byte(`error`)) {
		body = lastEvents(body)
	}
	ev := dialect.NewEvents(bytes.NewReader(body), ep)
	defer ev.Close()
	for {
		if _, err := ev.Next(); err != nil {
			return err == io.EOF && ev.Seen.Terminal && !ev.Seen.Failed && !ev.Seen.Garbage
		}
	}
}

// lastEvents is the end of a stream, from the beginning of an event on.
func lastEvents(body []byte) []byte {
	const tail = 1 << 10
	if len(body) <= tail {
		return body
	}
	at := bytes.LastIndexByte(body[:len(body)-tail], '\n') + 1
	if sse := bytes.LastIndex(body[:len(body)-tail], []byte("\n\n")); sse >= 0 {
		at = sse + 2
	}
	return body[at:]
}
