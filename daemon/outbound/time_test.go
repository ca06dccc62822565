package outbound

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// pooled is a Client whose one idle connection leads to the other end returned. It works in a synctest bubble, where time
// is made up and a real connection would not do.
func pooled(t *testing.T, o Options) (*Client, net.Conn) {
	if o.Idle <= 0 {
		o.Idle = time.Hour
	}
	c := &Client{o: o, pool: newPool(nil, "", "here", o.Idle, 9)}
	here, there := net.Pipe()
	c.pool.put(newTestConn(c.pool, here))
	t.Cleanup(func() { c.Close(); here.Close(); there.Close() })
	return c, there
}

func newTestConn(p *pool, nc net.Conn) *conn {
	c := &conn{Conn: nc, pool: p, quiet: func() bool { return true }}
	c.br = bufio.NewReaderSize(c, 16<<10)
	return c
}

// play reads one request from c, then waits, for a time or for word, and writes, step by step.
func play(c net.Conn, steps ...any) {
	if _, err := http.ReadRequest(bufio.NewReader(c)); err != nil {
		return
	}
	for _, s := range steps {
		switch s := s.(type) {
		case time.Duration:
			<-time.After(s)
		case chan struct{}:
			<-s
		case string:
			io.WriteString(c, s)
		}
	}
}

const (
	head    = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"
	chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	s       = time.Second
)

func TestDeadlines(t *testing.T) {
	for _, c := range []struct {
		name      string
		firstByte time.Duration
		idle      time.Duration // set after the head; negative: not set
		steps     []any
		body      string        // want
		timeout   bool          // want
		from, to  time.Duration // want it then
	}{
		{"in time", 5 * s, 5 * s, []any{4 * s, head, 4 * s, "body"}, "body", false, 8 * s, 8 * s},
		{"no bound at all", 0, -1, []any{100 * s, head, 100 * s, "body"}, "body", false, 200 * s, 200 * s},
		{"no answer", 5 * s, 5 * s, nil, "", true, 5 * s, 5 * s},
		{"half of a status line", 5 * s, 5 * s, []any{4 * s, "HTTP/1.1 2"}, "", true, 5 * s, 5 * s},
		{"half of a head", 5 * s, 5 * s, []any{4 * s, "HTTP/1.1 200 OK\r\nContent-"}, "", true, 5 * s, 5 * s},
		{"interim answers for ever", 5 * s, 5 * s, []any{4 * s, "HTTP/1.1 100 Continue\r\n\r\n"}, "", true, 5 * s, 5 * s},
		{"the body may take longer than the first byte", 5 * s, -1, []any{4 * s, head, 60 * s, "body"}, "body", false, 64 * s, 64 * s},
		{"and so when told", 5 * s, 0, []any{4 * s, head, 60 * s, "body"}, "body", false, 64 * s, 64 * s},
		{"no body", 5 * s, 8 * s, []any{1 * s, head}, "", true, 8 * s, 9 * s},
		{"a body that stops", 5 * s, 8 * s, []any{1 * s, head, 7 * s, "bo"}, "bo", true, 15 * s, 16 * s},
		{"a body that goes on", 5 * s, 8 * s, []any{head, 6 * s, "b", 6 * s, "o", 6 * s, "d", 6 * s, "y"}, "body", false, 24 * s, 24 * s},
		{"half of a chunk's length", 0, 8 * s, []any{chunked + "5"}, "", true, 7 * s, 8 * s},
		{"half of a chunk's length, later", 0, 8 * s, []any{chunked, 6 * s, "2\r\nab\r\n5"}, "ab", true, 13 * s, 14 * s},
		{"a chunk parted in its length", 0, 8 * s, []any{chunked + "5", 6 * s, "\r\nhello\r\n2", 6 * s, "\r\nab\r\n", 6 * s, "0\r\n\r\n"}, "helloab", false, 18 * s, 18 * s},
		{"a chunk parted in its end", 0, 8 * s, []any{chunked + "5\r\nhello\r", 2 * s, "\n", 2 * s, "0\r\n\r", 2 * s, "\n"}, "hello", false, 6 * s, 6 * s},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cl, there := pooled(t, Options{})
				var played sync.WaitGroup
				played.Go(func() { play(there, c.steps...) })
				defer played.Wait()
				start := time.Now()
				body, err := func() (string, error) {
					res, err := cl.Do(t.Context(), &Call{Method: "GET", Path: "/", FirstByte: c.firstByte})
					if err != nil {
						return "", err
					}
					defer res.Close()
					if c.idle >= 0 {
						res.SetIdle(c.idle)
					}
					b, err := io.ReadAll(res)
					return string(b), err
				}()
				took := time.Since(start)
				if errors.Is(err, ErrTimeout) != c.timeout || !c.timeout && err != nil {
					t.Errorf("error: %v", err)
				}
				if body != c.body || took < c.from || took > c.to {
					t.Errorf("%q after %v, want %q after %v to %v", body, took, c.body, c.from, c.to)
				}
				if n := len(cl.pool.idle); n != 0 == c.timeout {
					t.Errorf("%d connections are kept", n)
				}
			})
		})
	}
}

func TestADeadlineOfOneCallIsNotTheNextOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cl, there := pooled(t, Options{})
		go func() {
			play(there, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
			play(there, head, "body")
			play(there, 100*s, head, 100*s, "body")
		}()
		for i, call := range []*Call{{FirstByte: 5 * s}, {FirstByte: 5 * s}, {}} {
			call.Method, call.Path = "GET", "/"
			res, err := cl.Do(t.Context(), call)
			if err != nil {
				t.Fatal(err)
			}
			if i == 1 {
				res.SetIdle(5 * s)
			}
			if _, err := io.ReadAll(res); err != nil {
				t.Error(err)
			}
			res.Close()
			<-time.After(10 * s)
		}
	})
}

// noted is a connection that notes whether it was closed.
type noted struct {
	net.Conn
	closed atomic.Bool
}

func (n *noted) Close() error { n.closed.Store(true); return nil }

func TestIdleConnectionsExpire(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(nil, "", "here", 90*s, 3)
		var conns []*noted
		put := func() {
			n := &noted{}
			conns = append(conns, n)
			p.put(newTestConn(p, n))
		}
		open := func() (s string) {
			synctest.Wait()
			for _, n := range conns {
				s += map[bool]string{true: "-", false: "o"}[n.closed.Load()]
			}
			return s
		}
		put() // at 0 s
		<-time.After(60 * s)
		put() // at 60 s
		put()
		put() // one more than may be kept
		if got := open(); got != "ooo-" {
			t.Errorf("at 60 s: %s", got)
		}
		<-time.After(31 * s)
		if got := open(); got != "-oo-" {
			t.Errorf("at 91 s: %s", got)
		}
		last := p.get() // the one used last
		if last == nil || last.Conn != conns[2] {
			t.Error("another one than the one used last")
		}
		p.put(last)
		<-time.After(60 * s)
		if got := open(); got != "--o-" {
			t.Errorf("at 151 s: %s", got)
		}
		<-time.After(60 * s)
		if got := open(); got != "----" || p.timer != nil {
			t.Errorf("at 211 s: %s, timer %v", got, p.timer)
		}
		if c := p.get(); c != nil {
			t.Error("a closed connection was given out")
		}
		put()
		p.close()
		put()
		if got := open(); got != "------" {
			t.Errorf("after close: %s", got)
		}
	})
}

func TestAConnectionClosedWhileIdleIsNoticed(t *testing.T) {
	if !quietKnown {
		t.Skip("a connection cannot be looked at here")
	}
	for name, last := range map[string]string{"closed": "", "something said": "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			read, served := make(chan struct{}), make(chan struct{})
			go func() {
				defer close(served)
				for range 3 {
					c, err := l.Accept()
					if err != nil {
						return
					}
					play(c, head+"body", read, last)
					c.Close()
				}
			}()
			p := newPool(&net.Dialer{}, l.Addr().String(), "here", time.Hour, 9)
			cl := &Client{pool: p}
			defer cl.Close()
			for range 3 {
				// Without Replay: it is not sent on the closed one at all.
				res, err := cl.Do(t.Context(), &Call{Method: "POST", Path: "/", Body: [][]byte{[]byte("{}")}})
				if err != nil {
					t.Fatal(err)
				}
				if b, err := io.ReadAll(res); string(b) != "body" || err != nil {
					t.Errorf("%q %v", b, err)
				}
				res.Close()
				read <- struct{}{}
				for deadline := time.Now().Add(10 * s); p.idle[0].quiet(); {
					if time.Now().After(deadline) {
						t.Fatal("the closed connection looks open")
					}
				}
			}
			<-served
		})
	}
}

// tape is a connection that gives what it was made of, in pieces of n bytes, and swallows what is written.
type tape struct {
	noted
	rest []byte
	n    int
}

func (c *tape) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.n, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}
func (c *tape) Write(p []byte) (int, error)      { return len(p), nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

func FuzzAnswer(f *testing.F) {
	for _, text := range []string{head + "body", head + "bodyHTTP/1.1 200 OK\r\n\r\n", chunked + "2\r\nab\r\n0\r\n\r\n", chunked + "2;x=y\r\nab\r\n0\r\nA: b\r\n\r\n", chunked + "ffffffffffffffff\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + head, "HTTP/1.0 200\r\n\r\nall", "HTTP/1.1 204 No Content\r\n\r\nx", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n", "\x00"} {
		f.Add([]byte(text), 1, false)
		f.Add([]byte(text), 1000, true)
	}
	f.Fuzz(func(t *testing.T, text []byte, piece int, isHead bool) {
		nc := &tape{rest: text, n: max(piece, 1)}
		p := newPool(nil, "", "here", time.Hour, 9)
		defer p.close()
		call := &Call{Method: "GET", Path: "/"}
		if isHead {
			call.Method = "HEAD"
		}
		res, err := newTestConn(p, nc).roundTrip(context.Background(), call)
		if err != nil {
			if !nc.closed.Load() || len(p.idle) > 0 {
				t.Error("a connection that failed is open")
			}
			return
		}
		n, err := io.Copy(io.Discard, res)
		res.Close()
		if n > int64(len(text)) || isHead && n > 0 {
			t.Errorf("a body of %d bytes in an answer of %d", n, len(text))
		}
		if res.Length >= 0 && err == nil && !isHead && res.Status != 304 && n != res.Length {
			t.Errorf("%d bytes of %d were taken for all", n, res.Length)
		}
		switch {
		case len(p.idle) == 0 && !nc.closed.Load():
			t.Error("the connection is neither kept nor closed")
		case len(p.idle) > 0 && (err != nil || p.idle[0].br.Buffered() > 0):
			t.Errorf("a connection is kept after %v with %d bytes of something else", err, p.idle[0].br.Buffered())
		}
	})
}
