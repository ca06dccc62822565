package resilience

import (
	"context"
	"io"
	"net/http"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// canPing reports whether r's dialect has a word for "still at it" that comes before the answer: SSE has comments
// (https://html.spec.whatwg.org/multipage/server-sent-events.html), and Anthropic's own clients know an event `ping`.
// Lines of JSON have none.
func canPing(r *llm.Request) bool {
	return r.Stream && r.Endpoint.Form == llm.SSE && r.Endpoint.Task == llm.Generate
}

func ping(d llm.Dialect) []byte {
	if d == llm.Anthropic {
		return []byte("event: ping\ndata: {\"type\": \"ping\"}\n\n")
	}
	return []byte(": corral is waiting for the model\n\n")
}

// awake serves c and lets the caller hear every Ping that it does. Pings are no content: retries and fallback go on behind
// them. But with the first of them the status has been sent, so an error after it is an event of the stream, and who
// answers is not known when the headers go out. A call that is answered, or refused, before that is not touched.
func awake(ctx context.Context, c *call) (*llm.Reply, error) {
	ctx, cancel := context.WithCancel(ctx)
	caller, own := c.r, *c.r
	c.r = &own // the stages outside may look at theirs while this one goes from target to target
	w := &waiting{caller: caller, own: c.r, ctx: ctx, cancel: cancel, every: c.rules.Ping, word: ping(c.r.Endpoint.Dialect), done: make(chan result, 1)}
	go func() {
		var res result
		defer func() {
			res.panicked = recover() // for the caller's goroutine, which knows what to do with it
			w.done <- res
		}()
		res.reply, res.err = c.n.serve(ctx, c)
	}()
	first := time.NewTimer(w.every)
	defer first.Stop()
	select {
	case res := <-w.done:
		*caller = own
		reply, err := res.get()
		if err != nil {
			cancel()
			return nil, err
		}
		reply.Body = &read{reply.Body, cancel}
		return reply, nil
	case <-first.C:
	}
	w.reply = &llm.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/event-stream"}, "Cache-Control": {"no-cache"}},
		Length: -1, Stream: true, Body: w, Provider: "corral", Model: c.r.Model, Route: llm.Waiting}
	return w.reply, nil
}

type result struct {
	reply    *llm.Reply
	err      error
	panicked any
}

func (r *result) get() (*llm.Reply, error) {
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.reply, r.err
}

// read is a body that is read under a context of its own.
type read struct {
	llm.Body
	cancel context.CancelFunc
}

func (r *read) Close() {
	r.Body.Close()
	r.cancel()
}

// waiting is a body that pings until there is an answer, and then is that answer.
type waiting struct {
	caller *llm.Request // as the stages outside know it
	own    *llm.Request // as the nest goes on with it
	ctx    context.Context
	cancel context.CancelFunc
	every  time.Duration
	word   []byte
	done   chan result // one comes
	reply  *llm.Reply  // whose body this is; told who answered as soon as that is known
	pinged bool
	over   bool     // the result has been taken
	body   llm.Body // of the answer, once there is one
	err    error
}

// Next is a ping or a piece of the answer.
func (w *waiting) Next() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	if w.body != nil {
		return w.body.Next()
	}
	if !w.pinged {
		w.pinged = true
		return w.word, nil
	}
	t := time.NewTimer(w.every)
	defer t.Stop()
	select {
	case res := <-w.done:
		w.over = true
		*w.caller = *w.own
		if w.err = w.take(&res); w.err != nil {
			return nil, w.err
		}
		return w.body.Next()
	case <-t.C:
		return w.word, nil
	}
}

// take makes the result the rest of the stream.
func (w *waiting) take(res *result) error {
	reply, err := res.get()
	if err != nil {
		return err
	}
	w.reply.Provider, w.reply.Model, w.reply.Digest, w.reply.Route = reply.Provider, reply.Model, reply.Digest, reply.Route
	if reply.Stream && reply.Status < 300 {
		w.body = reply.Body
		return nil
	}
	defer reply.Close()
	var said []byte
	for len(said) < 64<<10 {
		b, err := reply.Body.Next()
		said = append(said, b...)
		if err != nil {
			if err == io.EOF {
				break
			}
			return err
		}
	}
	if text := dialect.ErrorOf(said); text != "" {
		return llm.Errorf(llm.TargetRefused, "ask "+reply.Provider, nil, "%s", text)
	}
	return llm.Errorf(llm.TargetRefused, "ask "+reply.Provider, nil, "%q answered with status %d and no stream.", reply.Provider, reply.Status)
}

func (w *waiting) More() bool { return w.body != nil && w.body.More() }

func (w *waiting) Last() bool { return w.body != nil && w.body.Last() }

func (w *waiting) Usage() llm.Usage {
	if w.body != nil {
		return w.body.Usage()
	}
	return llm.NoUsage
}

// Close ends the attempt under way, and waits for it.
func (w *waiting) Close() {
	w.cancel()
	if w.body != nil {
		w.body.Close()
	}
	if w.over {
		return
	}
	w.over = true
	res := <-w.done
	*w.caller = *w.own
	if res.reply != nil {
		res.reply.Close()
	}
	w.err = llm.Ended(w.ctx)
}
