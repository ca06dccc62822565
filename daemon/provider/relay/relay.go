// Package relay takes a call to a server that speaks the caller's own dialect, and the answer back, byte for byte.
//
// Three rules stand here. Only what must change is changed: the model's name where the config gives another, and the
// headers that belong to one connection. Nothing of a stream is handed on before its first real content, so that a call
// that fails before then can still be given to another target (Serve returns only then). And a stream that ends without its
// dialect's own last event has failed, however clean the connection's end looked.
package relay

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
	"corral/daemon/outbound"
	"corral/daemon/provider"
	"corral/daemon/translate"
)

// Options say where a Relay sends calls.
type Options struct {
	Name string
	// Server is what it is called in messages to people, and Hint what to do when it is away.
	Server, Hint string
	Base         *url.URL
	Client       outbound.Options
	Timeouts     func() Timeouts
	// Path turns the path of an endpoint into the server's own.
	Path func(r *llm.Request) string
	// Speaks reports whether the server speaks an endpoint itself; for others a call is translated into API, and sent to
	// what Translated makes of its path.
	Speaks     func(*llm.Endpoint) bool
	API        translate.API
	Translated func(path string) string
	// TraceAway says that the server is told the trace of calls although they leave this device.
	TraceAway bool
	// Authorize sets the server's own key; nil: the caller's Authorization or x-api-key goes through.
	Authorize func(h http.Header) error
}

// Timeouts bound one call. Zero: no bound.
type Timeouts struct {
	FirstToken time.Duration // of a stream: the wait for its first event
	Idle       time.Duration // of a stream: the wait for each further one
	Whole      time.Duration // of an answer that is not streamed: the wait for it
	// Load is how much longer FirstToken and Whole are for what a model answers: it may have to be loaded first. Whether it
	// is being loaded is for the nest to find out, which ends a call to a server that hangs much sooner.
	Load time.Duration
}

// patient is t for calls that a model answers.
func (t Timeouts) patient() Timeouts {
	if t.FirstToken > 0 {
		t.FirstToken += t.Load
	}
	if t.Whole > 0 {
		t.Whole += t.Load
	}
	return t
}

// Relay is a llm.Handler for one server.
type Relay struct {
	o      Options
	client *outbound.Client
}

// New makes a Relay. Close must be called.
func New(o Options) *Relay {
	return &Relay{o: o, client: outbound.New(o.Base, o.Client)}
}

// Close lets go of idle connections.
func (p *Relay) Close() { p.client.Close() }

// CertificateEnds is when the server's certificate ends; see outbound.Client.
func (p *Relay) CertificateEnds() time.Time { return p.client.CertificateEnds() }

// Name is the provider's name in the config.
func (p *Relay) Name() string { return p.o.Name }

// Ask sends a bare GET for path, with the server's own key, to see whether it is there: any answer below 500 says so.
func (p *Relay) Ask(ctx context.Context, path string) error {
	res, err := p.get(ctx, path)
	if err != nil {
		return err
	}
	defer res.Close()
	if res.Status >= 500 {
		return fmt.Errorf("it answered with status %d", res.Status)
	}
	return nil
}

// maxTold bounds what a server tells of itself, such as its list of models, in bytes.
const maxTold = 8 << 20

// Tell sends a bare GET for path, with the server's own key, and returns what the server tells. Its error is a *provider.AskError where the
// server answered otherwise than with a 200.
func (p *Relay) Tell(ctx context.Context, path string) ([]byte, error) {
	res, err := p.get(ctx, path)
	if err != nil {
		return nil, err
	}
	defer res.Close()
	if res.Status != http.StatusOK {
		return nil, &provider.AskError{Status: res.Status, Text: fmt.Sprintf("it answered with status %d when asked for %s", res.Status, path)}
	}
	return io.ReadAll(io.LimitReader(res, maxTold))
}

func (p *Relay) get(ctx context.Context, path string) (*outbound.Response, error) {
	h := http.Header{}
	if p.o.Authorize != nil {
		if err := p.o.Authorize(h); err != nil {
			return nil, err
		}
	}
	return p.client.Do(ctx, &outbound.Call{Method: http.MethodGet, Path: path, Header: h, Replay: true})
}

const (
	maxHeld  = 1 << 20  // bytes of a stream that may come before its first content
	maxWhole = 32 << 20 // bytes of an answer that are read before it is handed on; what is longer goes on in pieces
)

// Serve sends r and returns when the answer is known to be one: with the first content of a stream, or with the whole of
// any other answer.
func (p *Relay) Serve(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
	t := p.o.Timeouts()
	if r.Endpoint.Task == llm.Generate || r.Endpoint.Task == llm.Embed {
		t = t.patient()
	}
	if !p.o.Speaks(r.Endpoint) {
		return p.translated(ctx, r, t)
	}
	call := &outbound.Call{Method: r.Method, Path: p.o.Path(r), Header: passedOn(r.Header, p.o.Authorize != nil),
		Replay: r.Endpoint.Task != llm.Manage, FirstByte: t.Whole}
	if r.Query != "" {
		call.Path += "?" + r.Query
	}
	if err := p.authorize(call.Header); err != nil {
		return nil, err
	}
	call.Header["X-Request-Id"] = []string{r.ID}
	p.trace(r, call.Header)
	if r.Endpoint.Task == llm.Upload {
		call.Source, call.Length = r.Source, r.Length
	} else if len(r.Body) > 0 {
		call.Body = withModel(r)
	}
	if r.Stream && r.Endpoint.Task == llm.Generate {
		call.FirstByte = t.FirstToken
	}
	res, err := p.client.Do(ctx, call)
	if err != nil {
		return nil, p.Failed(ctx, "ask "+p.o.Name, err)
	}
	reply, err := p.answer(ctx, r, res, t)
	if err != nil {
		res.Close()
		return nil, err
	}
	reply.Provider, reply.Route = p.o.Name, r.Target.Why
	if reply.Model = r.Target.Model; reply.Model == "" {
		reply.Model = r.Model
	}
	return reply, nil
}

// Speaks reports whether the server speaks ep itself, so that calls to it are relayed as they are.
func (p *Relay) Speaks(ep *llm.Endpoint) bool { return p.o.Speaks(ep) }

// Can reports whether the server answers calls to ep, in their own words or translated.
func (p *Relay) Can(ep *llm.Endpoint) bool { return p.o.Speaks(ep) || translate.Can(ep, p.o.API) }

func (p *Relay) authorize(h http.Header) error {
	if p.o.Authorize == nil {
		return nil
	}
	if err := p.o.Authorize(h); err != nil {
		return llm.Errorf(llm.Internal, "authorize at "+p.o.Name, err, "The key for the provider %q cannot be read: %v.", p.o.Name, err)
	}
	return nil
}

func (p *Relay) answer(ctx context.Context, r *llm.Request, res *outbound.Response, t Timeouts) (*llm.Reply, error) {
	if err := p.redirected(res); err != nil {
		return nil, err
	}
	reply := &llm.Reply{Status: res.Status, Header: handedBack(res.Header), Length: res.Length}
	if r.Method == http.MethodHead {
		reply.Body = &whole{res: res, usage: llm.NoUsage}
		return reply, nil
	}
	if res.Status < 300 && isStream(r.Endpoint.Form, res.Header.Get("Content-Type")) {
		if r.Endpoint.Task == llm.Generate {
			res.SetIdle(t.FirstToken)
		} else {
			res.SetIdle(t.Whole) // a pull may check a large file for minutes without a word
		}
		s := &stream{p: p, ctx: ctx, res: res, ep: r.Endpoint, ev: dialect.NewEvents(res, r.Endpoint)}
		if err := s.untilContent(); err != nil {
			s.Close()
			return nil, err
		}
		if r.Endpoint.Task == llm.Generate {
			res.SetIdle(t.Idle)
		}
		reply.Stream, reply.Length, reply.Body = true, -1, s
		return reply, nil
	}
	res.SetIdle(t.Whole)
	b := &whole{p: p, ctx: ctx, res: res, usage: llm.NoUsage}
	if anyStream(res.Header.Get("Content-Type")) { // of a route that Corral does not know: in pieces, as they come
		b.more, b.buf = true, wholeBufs.Get().(*[]byte)
		reply.Stream, reply.Body = true, b
		return reply, nil
	}
	if err := b.read(); err != nil {
		b.Close()
		return nil, err
	}
	model := r.Endpoint.Task == llm.Generate || r.Endpoint.Task == llm.Embed
	switch {
	case b.more && r.Endpoint.Task == llm.Generate:
		b.Close()
		return nil, p.tooLong() // no model writes as much: it is not going to end
	case b.more:
		reply.Length = res.Length
	default:
		if model && res.Status < 300 && res.Header.Get("Content-Encoding") == "" {
			if err := p.sound(*b.buf); err != nil {
				b.Close()
				return nil, err
			}
		}
		if res.Status >= 300 {
			*b.buf = p.unkeyed(*b.buf)
		}
		reply.Length = int64(len(*b.buf))
		if res.Status < 300 && res.Header.Get("Content-Encoding") == "" {
			b.usage = dialect.UsageOf(r.Endpoint, *b.buf)
		}
	}
	reply.Body = b
	return reply, nil
}

// sound looks whether what came with a status of success is an answer. Nothing at all is left to the nest.
func (p *Relay) sound(body []byte) error {
	if len(body) > 0 && !dialect.IsObject(body) {
		return llm.Errorf(llm.BadAnswer, "read "+p.o.Name, nil, "%s at %q answered with something that is not the answer asked for.", p.o.Server, p.o.Name)
	}
	if said, ok := dialect.FailureIn(body); ok {
		said = p.said(said)
		return llm.Errorf(llm.TargetRefused, "read "+p.o.Name, errors.New(said), "%s at %q failed: %s", p.o.Server, p.o.Name, said)
	}
	return nil
}

func (p *Relay) tooLong() error {
	return llm.Errorf(llm.BadAnswer, "read "+p.o.Name, nil, "%s at %q answered with over %d MiB.", p.o.Server, p.o.Name, maxWhole>>20)
}

// Failed turns an error of the connection into what the caller can do about it.
func (p *Relay) Failed(ctx context.Context, op string, err error) *llm.Error {
	var e *llm.Error
	if errors.As(err, &e) {
		return p.withoutKey(e) // the caller's own body failed while it was being sent, or an event was too long
	}
	if e := llm.Ended(ctx); e != nil {
		return e
	}
	switch {
	case errors.Is(err, outbound.ErrDial):
		return llm.Errorf(llm.Unreachable, op, err, "%s at %q (%s) cannot be reached. %s", p.o.Server, p.o.Name, p.o.Base.Host, p.o.Hint)
	case errors.Is(err, outbound.ErrTimeout):
		return llm.Errorf(llm.Timeout, op, err, "%s at %q did not answer in time. It may be overloaded or hung; see timeouts in corral.yaml.", p.o.Server, p.o.Name)
	}
	return llm.Errorf(llm.Broken, op, err, "%s at %q broke off the connection. Its own log may say why; please try again.", p.o.Server, p.o.Name)
}

// redirected refuses to be sent to another host: the caller's text and the provider's key would go with it.
func (p *Relay) redirected(res *outbound.Response) error {
	loc := res.Header.Get("Location")
	if res.Status < 300 || res.Status > 399 || loc == "" {
		return nil
	}
	u, err := p.o.Base.Parse(loc)
	if err == nil && u.Scheme == p.o.Base.Scheme && u.Host == p.o.Base.Host {
		res.Header.Set("Location", u.RequestURI())
		return nil
	}
	return llm.Errorf(llm.BadAnswer, "follow "+p.o.Name, fmt.Errorf("redirected to %q", loc),
		"%s at %q wants to send this call to another host, which Corral refuses. Check the provider's url.", p.o.Server, p.o.Name)
}

func isStream(f llm.Form, contentType string) bool {
	switch f {
	case llm.NDJSON:
		return strings.HasPrefix(contentType, "application/x-ndjson")
	case llm.SSE:
		return strings.HasPrefix(contentType, "text/event-stream")
	}
	return false
}

func anyStream(contentType string) bool {
	return isStream(llm.NDJSON, contentType) || isStream(llm.SSE, contentType)
}

// withModel is the body with the target's own name for the model, in pieces of the caller's bytes. Where it is named more than once, it is
// the one that Corral has gone by everywhere: servers differ in which of them they take, and Ollama does from one of its APIs to the other.
func withModel(r *llm.Request) [][]byte {
	model := cmp.Or(r.Target.Model, r.Model)
	if len(r.Fields.Model) == 0 || model == r.Model && len(r.Fields.Model) == 1 {
		return [][]byte{r.Body}
	}
	name := quote(model)
	var out [][]byte
	at := 0
	for _, s := range r.Fields.Model {
		out = append(out, r.Body[at:s.From], name)
		at = s.To
	}
	return append(out, r.Body[at:])
}

// stream is a streamed answer.
type stream struct {
	p    *Relay
	ctx  context.Context
	res  *outbound.Response
	ep   *llm.Endpoint
	ev   *dialect.Events
	held []byte // what came up to and with the first content
	err  error  // how the stream ended
}

// untilContent reads up to the first real content. An error means that none of it may be sent.
func (s *stream) untilContent() error {
	for {
		b, err := s.ev.Next()
		if err != nil {
			return s.end(err)
		}
		seen := &s.ev.Seen
		switch {
		case seen.Garbage:
			return llm.Errorf(llm.BadAnswer, "read "+s.p.o.Name, nil, "%s at %q answered with something that is not the stream asked for.", s.p.o.Server, s.p.o.Name)
		case seen.Failed && !seen.Content:
			said := s.p.said(seen.Failure)
			return llm.Errorf(llm.TargetRefused, "read "+s.p.o.Name, errors.New(said), "%s at %q failed: %s", s.p.o.Server, s.p.o.Name, said)
		}
		s.held = append(s.held, s.clean(b)...)
		if seen.Content || len(s.held) > maxHeld {
			return nil
		}
	}
}

func (s *stream) Next() ([]byte, error) {
	if len(s.held) > 0 {
		b := s.held
		s.held = nil
		return b, nil
	}
	if s.err != nil {
		return nil, s.err
	}
	b, err := s.ev.Next()
	if err == nil {
		if !s.ev.Seen.Garbage || s.ev.Seen.Terminal || s.ep.Task != llm.Generate {
			return s.clean(b), nil
		}
		s.err = llm.Errorf(llm.BadAnswer, "read "+s.p.o.Name, nil, "%s at %q went on with something that is no part of an answer.", s.p.o.Server, s.p.o.Name)
		return nil, s.err
	}
	s.err = s.end(err)
	return nil, s.err
}

// clean is an event as the caller may have it.
func (s *stream) clean(event []byte) []byte {
	if s.ev.Seen.Failed {
		return s.p.unkeyed(event)
	}
	return event
}

// end judges how a stream ended: io.EOF when it is whole, or was ended by the server's own word of failure.
func (s *stream) end(err error) error {
	seen := &s.ev.Seen
	if err != io.EOF {
		if seen.Terminal && llm.Ended(s.ctx) == nil {
			return io.EOF // all of the answer came; only the connection ended badly
		}
		return s.p.Failed(s.ctx, "read "+s.p.o.Name, err)
	}
	if seen.Terminal || seen.Failed && seen.Content || s.ep.Task != llm.Generate && seen.Content {
		return io.EOF
	}
	return llm.Errorf(llm.Broken, "read "+s.p.o.Name, io.ErrUnexpectedEOF,
		"%s at %q ended the answer before it was complete. Its own log may say why; please try again.", s.p.o.Server, s.p.o.Name)
}

func (s *stream) More() bool {
	return s.err == nil && (len(s.held) > 0 || s.ev.Ready() || s.res.Ready())
}

func (s *stream) Last() bool { return s.ev.Seen.Terminal }

func (s *stream) Usage() llm.Usage {
	u := s.ev.Seen.Usage
	u.Failed = s.ev.Seen.Failed
	return u
}

func (s *stream) Close() {
	s.ev.Close()
	s.res.Close()
}

var wholeBufs = sync.Pool{New: func() any { b := make([]byte, 0, 8<<10); return &b }}

// whole is an answer that is not streamed.
type whole struct {
	p     *Relay
	ctx   context.Context
	res   *outbound.Response
	buf   *[]byte
	more  bool  // buf is only its beginning
	given bool  // buf has been handed out
	err   error // that came with the last piece
	usage llm.Usage
}

func (b *whole) read() error {
	b.buf = wholeBufs.Get().(*[]byte)
	buf := (*b.buf)[:0]
	if n := b.res.Length; n > int64(cap(buf)) {
		buf = make([]byte, 0, min(n, maxWhole)+1)
	}
	for {
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
		n, err := b.res.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		*b.buf = buf
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return b.p.Failed(b.ctx, "read "+b.p.o.Name, err)
		}
		if len(buf) >= maxWhole {
			b.more = true
			return nil
		}
	}
}

func (b *whole) Next() ([]byte, error) {
	if b.buf == nil {
		return nil, io.EOF
	}
	if !b.given {
		b.given = true
		if len(*b.buf) > 0 {
			return *b.buf, nil
		}
	}
	if !b.more {
		return nil, io.EOF
	}
	n := 0
	if b.err == nil {
		n, b.err = b.res.Read((*b.buf)[:cap(*b.buf)])
	}
	if n > 0 {
		return (*b.buf)[:n], nil
	}
	if b.err != nil && b.err != io.EOF {
		return nil, b.p.Failed(b.ctx, "read "+b.p.o.Name, b.err)
	}
	return nil, io.EOF
}

func (b *whole) More() bool { return b.more && b.res.Ready() }

func (b *whole) Last() bool { return b.given && !b.more }

func (b *whole) Usage() llm.Usage { return b.usage }

func (b *whole) Close() {
	b.res.Close()
	if b.buf != nil {
		if cap(*b.buf) <= 64<<10 {
			*b.buf = (*b.buf)[:0]
			wholeBufs.Put(b.buf)
		}
		b.buf = nil
	}
}

// quote is s as a JSON string. Names of models hold nothing that needs more than this.
func quote(s string) []byte {
	var b bytes.Buffer
	b.WriteByte('"')
	for _, c := range []byte(s) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.Bytes()
}
