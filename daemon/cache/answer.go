package cache

import (
	"fmt"
	"strings"
	"time"

	"corral/daemon/llm"
	"corral/daemon/translate"
)

// answer finds an answer to a, or has one made.
func (c *Cache) answer(a *ask, next llm.Handler) (*llm.Reply, error) {
	c.counts.asked.Inc()
	status := forwardMiss
	if a.exact && !a.unread {
		for _, k := range a.keys { // what a later target said counts only while those before it are away
			e, tier := c.find(k)
			if e == nil {
				continue
			}
			age, fresh := a.at.Sub(e.Stored), e.Exact.Sub(a.at)
			if fresh <= 0 || age > a.ttl { // the config may have become stricter since
				status = forwardStale
				continue
			}
			if !a.d.allow(age, fresh) {
				status = forwardRequest
				continue
			}
			if reply := c.replay(a, e, age, min(fresh, a.ttl-age)); reply != nil {
				c.counts.hit(tier)
				a.looked("hit")
				return reply, nil
			}
		}
	}
	if a.alike && !a.d.noCache && a.rules.Similar.Always {
		if reply := c.alike.answer(a); reply != nil {
			a.looked("similar")
			return reply, nil
		}
	}
	if a.d.noCache {
		status = forwardRequest
	}
	a.looked(strings.TrimPrefix(status, "corral; fwd="))
	if a.d.onlyIfCached {
		return nil, notKept()
	}
	return c.forward(a, next, status)
}

// looked tells the call's trace what the look-up gave: hit, similar, part (of an embedding's inputs), or why not, in the words of
// Cache-Status.
func (a *ask) looked(what string) {
	if a.r.Trace == nil {
		return
	}
	step := a.r.Trace.Step("cache lookup", a.at)
	step.Note("corral.cache", what)
	step.End(nil)
}

func (c *Cache) away(t llm.Target) bool { return c.o.Away != nil && c.o.Away(t) }

// replay is e as the answer to a. Nil: it cannot be given in the form that is wanted.
func (c *Cache) replay(a *ask, e *entry, age, fresh time.Duration) *llm.Reply {
	body, contentType, ok := c.given(a, e)
	if !ok {
		c.counts.unconverted.Inc()
		return nil
	}
	a.r.Reuse = llm.Reuse{Free: true, Took: e.Took}
	a.r.Target = llm.Target{Provider: e.Provider, Model: e.Model, Why: "cache", Away: e.Away}
	c.counts.again(c, e)
	return e.reply(a.r, body, contentType, "cache", age, fmt.Sprintf("corral; hit; ttl=%d", int64(fresh/time.Second)))
}

// given is e's answer in the form that a's caller asks for.
func (c *Cache) given(a *ask, e *entry) (body []byte, contentType string, ok bool) {
	if e.Endpoint == a.r.Endpoint.Name && e.Shape == a.shape {
		return e.body, e.Type, true
	}
	from := endpoints[e.Endpoint]
	if from == nil {
		return nil, "", false
	}
	body, _, err := translate.Replay(translate.Kept{Endpoint: from, Stream: e.Shape != whole, Body: e.body}, a.r.Endpoint, a.r.Body, a.r.Stream)
	if err != nil {
		return nil, "", false
	}
	return body, contentTypeOf(a.r), true
}

func contentTypeOf(r *llm.Request) string {
	switch {
	case !r.Stream:
		return "application/json"
	case r.Endpoint.Form == llm.NDJSON:
		return "application/x-ndjson"
	}
	return "text/event-stream"
}

// endpoints are those whose answers are kept. Their rows in the gateway's table hold more, none of which matters here.
var endpoints = map[string]*llm.Endpoint{
	"chat":             {Name: "chat", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	"generate":         {Name: "generate", Task: llm.Generate, Form: llm.NDJSON, Streams: true},
	"chat_completions": {Name: "chat_completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"completions":      {Name: "completions", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"responses":        {Name: "responses", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE},
	"messages":         {Name: "messages", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE},
}

// find looks for an answer in memory, and then in the file.
func (c *Cache) find(k Key) (*entry, tier) {
	if e, ok := c.memory.GetIfPresent(k); ok {
		return e, inMemory
	}
	if c.o.File == nil {
		return nil, nowhere
	}
	head, body, expires, ok := c.o.File.Get(k)
	if !ok || !expires.After(c.o.Now()) {
		return nil, nowhere
	}
	e, err := decode(head, body)
	if err != nil {
		c.o.File.Delete(k)
		return nil, nowhere
	}
	c.memory.Set(k, e)
	return e, inFile
}

// forward has the target asked, and keeps what it says.
func (c *Cache) forward(a *ask, next llm.Handler, status string) (*llm.Reply, error) {
	if a.d.noStore {
		reply, err := next.Serve(a.ctx, a.r)
		if err == nil {
			mark(reply, []string{status})
		}
		return reply, err
	}
	var s *sub
	collapsed := false
	if a.exact && !a.d.noCache {
		s, collapsed = c.board(a)
	} else {
		s, _ = newFlight(a.at).join(a.ctx, a.r)
	}
	s.done = func(f *flight) { c.keep(a, f) }
	s.spared = func(by llm.Target, model string, u llm.Usage) {
		c.counts.saved(c, by, model, u, c.o.Now().Sub(s.f.began))
	}
	var reply *llm.Reply
	var err error
	if collapsed {
		if reply, err = s.wait(); notOurs(err) {
			return alone(a, next, status)
		}
		if err == nil {
			c.counts.hit(inFlight)
		}
		status += "; collapsed"
	} else {
		reply, err = s.lead(next)
	}
	if err != nil {
		return nil, err
	}
	if len(reply.Header["Cache-Status"]) == 0 { // else a last resort has said what it is
		mark(reply, []string{status + "; stored"})
		if reply.Route == llm.Waiting || !c.storable(a, reply, a.r.Target) { // waiting: who is going to answer is not known
			mark(reply, []string{status})
		}
	}
	return reply, nil
}

// notOurs reports that the call which all were waiting for was refused for a reason that is its own caller's.
func notOurs(err error) bool { return err != nil && llm.AsError(err).Kind == llm.OverBudget }

// alone has the target asked for one caller only.
func alone(a *ask, next llm.Handler, status string) (*llm.Reply, error) {
	a.r.Reuse.Free, a.r.Attempts, a.r.AskedOf, a.r.Left, a.r.Shared, a.r.Masked = false, 0, llm.Target{}, "", nil, 0 // as they were before it waited
	reply, err := next.Serve(a.ctx, a.r)
	if err == nil {
		mark(reply, []string{status})
	}
	return reply, err
}

// board finds the flight that a can share, or begins one.
func (c *Cache) board(a *ask) (s *sub, collapsed bool) {
	k := a.flight()
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[k]; f != nil {
		if s, ok := f.join(a.ctx, a.r); ok {
			s.over = c.land(k)
			return s, true
		}
	}
	f := newFlight(a.at)
	c.flights[k] = f
	s, _ = f.join(a.ctx, a.r)
	s.over = c.land(k)
	return s, false
}

// land forgets a flight that has ended.
func (c *Cache) land(k flightKey) func(*flight) {
	return func(f *flight) {
		c.mu.Lock()
		if c.flights[k] == f {
			delete(c.flights, k)
		}
		c.mu.Unlock()
	}
}
