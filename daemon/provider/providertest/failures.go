package providertest

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
	"corral/testkit/raw"
)

func failsBefore(s *suite, c *call) {
	for what, f := range map[string]struct {
		answer func(nc net.Conn) bool
		kind   llm.Kind
	}{
		"no answer":   {func(nc net.Conn) bool { return false }, llm.Broken},
		"no HTTP":     {func(nc net.Conn) bool { io.WriteString(nc, "SSH-2.0-OpenSSH\r\n"); return false }, llm.Broken},
		"half a head": {func(nc net.Conn) bool { io.WriteString(nc, "HTTP/1.1 200 OK\r\nConte"); return false }, llm.Broken},
		"cut":         {func(nc net.Conn) bool { raw.Begin(nc, c.contentType); raw.Chunk(nc, c.preamble); return false }, llm.Broken},
		"ended":       {func(nc net.Conn) bool { raw.Begin(nc, c.contentType); raw.Chunk(nc, c.preamble); return raw.End(nc) }, llm.Broken},
		"empty":       {func(nc net.Conn) bool { raw.Begin(nc, c.contentType); return raw.End(nc) }, llm.Broken},
		"garbage": {func(nc net.Conn) bool {
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, "data: <html>\n\n")
			return raw.End(nc)
		}, llm.BadAnswer},
		"its own failure": {func(nc net.Conn) bool {
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, c.preamble+c.failed)
			return raw.End(nc)
		}, llm.TargetRefused},
		"its own failure, and the end": {func(nc net.Conn) bool {
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, c.preamble+c.failed+c.last)
			return raw.End(nc)
		}, llm.TargetRefused},
		"its own failure, without its end": {func(nc net.Conn) bool {
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, c.preamble+strings.TrimSpace(c.failed))
			return raw.End(nc)
		}, llm.TargetRefused},
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); return f.answer(nc) })
		_, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, f.kind)
		if body != "" {
			s.t.Errorf("%s: %q was handed on", what, body)
		}
		if strings.HasPrefix(what, "its own failure") && !strings.Contains(llm.AsError(err).Message, "out of memory") {
			s.t.Errorf("the server's own words are lost: %v", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	l.Close()
	_, _, err = ask(s.t.Context(), s.provider("http://"+l.Addr().String()), c.streaming(s.t))
	wants(s.t, "nobody there", err, llm.Unreachable)
}

func breaksAfter(s *suite, c *call) {
	for what, f := range map[string]struct {
		breaks func(nc net.Conn) bool
		rest   string // of whole events that still come
	}{
		"no last event":   {raw.End, ""},
		"cut":             {func(net.Conn) bool { return false }, ""},
		"cut in a chunk":  {func(nc net.Conn) bool { fmt.Fprintf(nc, "ffff\r\n%s{\"half", c.content); return false }, c.content},
		"cut in an event": {func(nc net.Conn) bool { raw.Chunk(nc, c.content[:len(c.content)/2]); return false }, ""},
		"half an event":   {func(nc net.Conn) bool { raw.Chunk(nc, c.content[:len(c.content)/2]); return raw.End(nc) }, ""},
		"no chunk":        {func(nc net.Conn) bool { io.WriteString(nc, "not a chunk\r\n"); return false }, ""},
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, c.preamble+c.content)
			return f.breaks(nc)
		})
		reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Broken)
		if body != c.preamble+c.content+f.rest {
			s.t.Errorf("%s: %q", what, body)
		}
		if reply != nil {
			if _, again := reply.Body.Next(); again == nil || again == io.EOF {
				s.t.Errorf("%s: and then %v", what, again)
			}
		}
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool { // all of it came, only the connection ended badly
		io.Copy(io.Discard, hr.Body)
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, c.content+c.last)
		return false
	})
	if _, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t)); err != nil || body != c.content+c.last {
		s.t.Errorf("cut after the last event: %v %q", err, body)
	}
	srv = s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(c.whole)+1, c.whole)
		return false
	})
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
	wants(s.t, "not a stream", err, llm.Broken)
}

func saysSo(s *suite, c *call) {
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, c.content)
		raw.Chunk(nc, c.failed)
		return raw.End(nc)
	})
	reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
	if err != nil || body != c.content+c.failed {
		s.t.Fatalf("%v %q", err, body)
	}
	if !reply.Body.Usage().Failed {
		s.t.Error("nobody is told that it was a failure")
	}
	srv = s.serve(func(nc net.Conn, hr *http.Request) bool {
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, c.content)
		raw.Chunk(nc, strings.TrimSpace(c.failed))
		return raw.End(nc)
	})
	reply, body, err = ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
	if err != nil || body != c.content+c.failed || !reply.Body.Usage().Failed {
		s.t.Errorf("without the end of its last event: %v %q", err, body)
	}
}

func hangs(s *suite, c *call) {
	s.timeouts = relay.Timeouts{FirstToken: 60 * time.Millisecond, Idle: 60 * time.Millisecond, Whole: 60 * time.Millisecond}
	for what, said := range map[string]string{"no answer": "", "no content": c.preamble, "no more": c.preamble + c.content} {
		gone := make(chan error, 1)
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			if said != "" {
				raw.Begin(nc, c.contentType)
				raw.Chunk(nc, said)
			}
			gone <- raw.Closed(nc)
			return false
		})
		_, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Timeout)
		if want := map[bool]string{true: said}[what == "no more"]; body != want {
			s.t.Errorf("%s: %q", what, body)
		}
		if err := <-gone; err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); raw.Closed(nc); return false })
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
	wants(s.t, "not a stream", err, llm.Timeout)
}

func refused(s *suite, c *call) {
	for _, status := range []int{400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529} {
		for _, kind := range []string{"application/json", "text/html; charset=utf-8", c.contentType} {
			said := fmt.Sprintf("{\"error\" : {\"message\":\"no, %d\"}, \"new_field\":1e400}\n", status)
			srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
				io.Copy(io.Discard, hr.Body)
				return raw.Say(nc, status, "Content-Type: "+kind+"\r\nRetry-After: 7\r\nX-Ratelimit-Remaining-Requests: 0\r\n", said)
			})
			reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
			if err != nil || body != said || reply.Status != status {
				s.t.Errorf("%d %s: %v %q", status, kind, err, body)
				continue
			}
			if h := reply.Header; h.Get("Content-Type") != kind || h.Get("Retry-After") != "7" || h.Get("X-Ratelimit-Remaining-Requests") != "0" {
				s.t.Errorf("%d: %v", status, h)
			}
		}
	}
}

func leaves(s *suite, c *call) {
	for what, said := range map[string]string{"before an answer": "", "before content": c.preamble, "after it": c.preamble + c.content} {
		asked, gone := make(chan struct{}), make(chan error, 1)
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			if said != "" {
				raw.Begin(nc, c.contentType)
				raw.Chunk(nc, said)
			}
			close(asked)
			gone <- raw.Closed(nc)
			return false
		})
		ctx, leave := context.WithCancel(s.t.Context())
		go func() { <-asked; leave() }()
		_, _, err := ask(ctx, s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Gone)
		if err := <-gone; err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	// One who has had enough, without any error.
	gone := make(chan error, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, c.content)
		gone <- raw.Closed(nc)
		return false
	})
	reply, err := s.provider(srv.URL).Serve(s.t.Context(), c.streaming(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	reply.Close()
	reply.Close() // which is allowed
	if err := <-gone; err != nil {
		s.t.Error(err)
	}
	// One who leaves because Corral is stopping is told that.
	srv = s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); raw.Closed(nc); return false })
	ctx, stop := context.WithCancelCause(s.t.Context())
	time.AfterFunc(20*time.Millisecond, func() { stop(llm.ErrStopping) })
	_, _, err = ask(ctx, s.provider(srv.URL), c.streaming(s.t))
	wants(s.t, "stopping", err, llm.Stopping)
}

func probed(s *suite) {
	status := make(chan int, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		if hr.Method != "GET" || hr.URL.Path != s.Base+s.Probe {
			s.t.Errorf("%s %s", hr.Method, hr.URL)
		}
		if s.Key != "" && hr.Header.Get(s.Key) != s.Value(secret) {
			s.t.Errorf("without its key: %v", hr.Header)
		}
		return raw.Say(nc, <-status, "Content-Type: application/json\r\n", `{"version":"1"}`)
	})
	if s.Key != "" {
		s.key = func() (string, error) { return secret, nil }
	}
	p := s.provider(srv.URL)
	if p.Name() != name {
		s.t.Errorf("its name is %q", p.Name())
	}
	for _, c := range []struct {
		status int
		up     bool
	}{{200, true}, {500, false}, {503, false}, {200, true}} {
		status <- c.status
		if err := p.Probe(s.t.Context()); (err == nil) != c.up || err != nil && strings.Contains(err.Error(), secret) {
			s.t.Errorf("%d: %v", c.status, err)
		}
	}
	hung := s.serve(func(nc net.Conn, _ *http.Request) bool { raw.Closed(nc); return false })
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := s.provider(hung.URL).Probe(ctx); err == nil {
		s.t.Error("a server that hangs is up")
	}
	if err := s.provider("http://127.0.0.1:1").Probe(s.t.Context()); err == nil {
		s.t.Error("nobody is up")
	}
}
