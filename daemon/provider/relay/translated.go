package relay

import (
	"context"
	"io"
	"net/http"

	"corral/daemon/llm"
	"corral/daemon/outbound"
	"corral/daemon/translate"
)

// translated serves a call whose API the server does not speak: the call is put into the server's words, and the answer
// back into the caller's. The caller's headers stay behind, for they belong to another API; so do its credentials.
func (p *Relay) translated(ctx context.Context, r *llm.Request, t Timeouts) (*llm.Reply, error) {
	model := r.Target.Model
	if model == "" {
		model = r.Model
	}
	tc, err := translate.Request(r.Endpoint, r.Body, translate.TargetAt(p.o.API, p.o.Base.Hostname(), model))
	if err != nil {
		return nil, err
	}
	call := &outbound.Call{Method: http.MethodPost, Path: p.o.Translated(tc.Path), Header: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {r.ID}},
		Body: [][]byte{tc.Body}, Replay: true, FirstByte: t.Whole}
	if tc.Query != "" {
		call.Path += "?" + tc.Query
	}
	p.trace(r, call.Header)
	if err := p.authorize(call.Header); err != nil {
		return nil, err
	}
	if tc.Stream {
		call.FirstByte = t.FirstToken
	}
	res, err := p.client.Do(ctx, call)
	if err != nil {
		return nil, p.Failed(ctx, "ask "+p.o.Name, err)
	}
	reply, err := p.backIntoWords(ctx, tc, res, t)
	if err != nil {
		res.Close()
		return nil, err
	}
	reply.Provider, reply.Route, reply.Model, reply.Translated = p.o.Name, r.Target.Why, model, true
	if w := tc.Warning(); w != "" {
		reply.Header["Warning"] = []string{w}
	}
	return reply, nil
}

func (p *Relay) backIntoWords(ctx context.Context, tc *translate.Call, res *outbound.Response, t Timeouts) (*llm.Reply, error) {
	if err := p.redirected(res); err != nil {
		return nil, err
	}
	reply := &llm.Reply{Status: res.Status, Header: handedBack(res.Header), Length: -1}
	for _, k := range []string{"Content-Encoding", "Content-Language", "Etag", "Location"} {
		delete(reply.Header, k) // of the bytes that came, which nobody gets
	}
	streamed := tc.Stream && res.Status < 300 && isStream(tc.Form, res.Header.Get("Content-Type"))
	reply.Header["Content-Type"] = []string{tc.ContentType(streamed)}
	if streamed {
		res.SetIdle(t.FirstToken)
		s := &spoken{Stream: tc.Events(res), p: p, ctx: ctx, res: res}
		if err := s.untilContent(); err != nil {
			s.Close()
			return nil, err
		}
		res.SetIdle(t.Idle)
		reply.Stream, reply.Body = true, s
		return reply, nil
	}
	res.SetIdle(t.Whole)
	b := &whole{p: p, ctx: ctx, res: res, usage: llm.NoUsage}
	if err := b.read(); err != nil {
		b.Close()
		return nil, err
	}
	if b.more {
		b.Close()
		return nil, p.tooLong()
	}
	if len(*b.buf) == 0 && res.Status < 300 {
		reply.Length, reply.Body = 0, b // nothing: the nest knows what to do with that
		return reply, nil
	}
	if res.Status >= 300 {
		*b.buf = p.unkeyed(*b.buf)
	}
	answer, usage, err := tc.Answer(res.Status, *b.buf)
	if err != nil {
		b.Close()
		return nil, p.withoutKey(llm.AsError(err))
	}
	*b.buf, b.usage = append((*b.buf)[:0], answer...), usage
	reply.Length, reply.Body = int64(len(answer)), b
	return reply, nil
}

// spoken is a streamed answer in the caller's words.
type spoken struct {
	*translate.Stream
	p    *Relay
	ctx  context.Context
	res  *outbound.Response
	held []byte // what came up to and with the first content
}

func (s *spoken) untilContent() error {
	for !s.Content() {
		b, err := s.Stream.Next()
		s.held = append(s.held, b...)
		if err == io.EOF {
			return nil // an answer without content, with an honest end
		}
		if err != nil {
			return s.p.Failed(s.ctx, "read "+s.p.o.Name, err)
		}
		if len(s.held) > maxHeld {
			return nil
		}
	}
	return nil
}

func (s *spoken) Next() ([]byte, error) {
	if len(s.held) > 0 {
		b := s.held
		s.held = nil
		return b, nil
	}
	b, err := s.Stream.Next()
	if err != nil && err != io.EOF {
		err = s.p.Failed(s.ctx, "read "+s.p.o.Name, err)
	}
	return b, err
}

func (s *spoken) More() bool { return len(s.held) > 0 || s.Stream.More() }

func (s *spoken) Last() bool { return len(s.held) == 0 && s.Stream.Last() }

func (s *spoken) Close() {
	s.Stream.Close()
	s.res.Close()
}
