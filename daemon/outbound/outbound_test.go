package outbound_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/outbound"
	"corral/testkit"
	"corral/testkit/raw"
)

// server is where a Client under test is sent.
type server struct {
	*raw.Server
	url *url.URL
}

// counted starts a server, and counts goroutines at its end.
func counted(t testing.TB, start func() *raw.Server) *server {
	t.Helper()
	t.Cleanup(testkit.Goroutines(t)) // after the server's own end
	s := start()
	base, err := url.Parse(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	return &server{s, base}
}

// listen has handle serve each connection, which is closed when handle returns.
func listen(t testing.TB, handle func(c net.Conn, br *bufio.Reader)) *server {
	t.Helper()
	return counted(t, func() *raw.Server { return raw.Listen(t, handle) })
}

// serve runs answer for each request on each connection until it returns false.
func serve(t testing.TB, answer func(c net.Conn, r *http.Request, body string) bool) *server {
	t.Helper()
	return counted(t, func() *raw.Server { return raw.Serve(t, answer) })
}

// serveUnread is serve, where answer reads the body itself.
func serveUnread(t testing.TB, answer func(c net.Conn, r *http.Request) bool) *server {
	t.Helper()
	return counted(t, func() *raw.Server { return raw.ServeUnread(t, answer) })
}

func client(t testing.TB, s *server) *outbound.Client {
	c := outbound.New(s.url, outbound.Options{})
	t.Cleanup(c.Close)
	return c
}

const ok = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"

func answers(text string) func(net.Conn, *http.Request, string) bool {
	return func(c net.Conn, _ *http.Request, _ string) bool {
		_, err := io.WriteString(c, text)
		return err == nil
	}
}

func get(path string) *outbound.Call { return &outbound.Call{Method: "GET", Path: path} }

func post(body string) *outbound.Call {
	return &outbound.Call{Method: "POST", Path: "/", Body: [][]byte{[]byte(body)}}
}

// ask sends call and reads the whole answer.
func ask(c *outbound.Client, call *outbound.Call) (status int, body string, err error) {
	ctx, cancel := context.WithTimeoutCause(context.Background(), 20*time.Second, errors.New("the test waited too long"))
	defer cancel()
	res, err := c.Do(ctx, call)
	if err != nil {
		return 0, "", err
	}
	defer res.Close()
	b, err := io.ReadAll(res)
	return res.Status, string(b), err
}

func mustAsk(t *testing.T, c *outbound.Client, call *outbound.Call) string {
	t.Helper()
	status, body, err := ask(c, call)
	if status != 200 || err != nil {
		t.Fatalf("%d %q %v", status, body, err)
	}
	return body
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	for name, text := range map[string]string{
		"length":  ok,
		"chunked": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"trailer": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n2\r\nok\r\n0\r\nX-T: 1\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answers(text))
			c := client(t, s)
			for range 10 {
				if got := mustAsk(t, c, get("/")); got != "ok" {
					t.Fatalf("%q", got)
				}
			}
			if n := s.Connections.Load(); n != 1 {
				t.Errorf("%d connections for ten calls", n)
			}
		})
	}
}

func TestManyAtOnceUseNoMoreConnectionsThanThereAreCalls(t *testing.T) {
	s := serve(t, answers(ok))
	c := client(t, s)
	const callers = 16
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range 50 {
				if status, body, err := ask(c, post("{}")); status != 200 || body != "ok" || err != nil {
					t.Errorf("%d %q %v", status, body, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := s.Connections.Load(); n > callers {
		t.Errorf("%d connections for %d callers", n, callers)
	}
}

func TestConnectionsThatMayNotBeUsedAgain(t *testing.T) {
	for name, text := range map[string]string{
		"connection close":     "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
		"HTTP/1.0":             "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
		"more than was said":   ok + "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
		"more after the chunk": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, answers(text))
			c := client(t, s)
			for range 3 {
				if got := mustAsk(t, c, get("/")); got != "ok" {
					t.Errorf("%q", got)
				}
			}
			if n := s.Connections.Load(); n != 3 {
				t.Errorf("%d connections for three calls", n)
			}
		})
	}
	t.Run("no length", func(t *testing.T) { // the end of the connection is the end of the body
		s := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
			io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\nok")
			return false
		})
		c := client(t, s)
		for range 3 {
			if got := mustAsk(t, c, get("/")); got != "ok" {
				t.Errorf("%q", got)
			}
		}
	})
	t.Run("not read to the end", func(t *testing.T) {
		s := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nokay"))
		c := client(t, s)
		for range 3 {
			res, err := c.Do(t.Context(), get("/"))
			if err != nil {
				t.Fatal(err)
			}
			res.Read(make([]byte, 2))
			res.Close()
			res.Close()
		}
		if n := s.Connections.Load(); n != 3 {
			t.Errorf("%d connections for three calls", n)
		}
	})
}

func TestACallIsSentAgainOnlyWhenItMayBe(t *testing.T) {
	for _, c := range []struct {
		name   string
		says   string // what the server says to the second call on a connection before it closes it
		first  bool   // it does so to the first call already
		replay bool
		source bool
		again  bool // want
	}{
		{name: "a silent end on a kept connection", replay: true, again: true},
		{name: "not allowed", replay: false},
		{name: "a byte had come", says: "H", replay: true},
		{name: "a whole head had come", says: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", replay: true},
		{name: "a body that can be read once", replay: true, source: true},
		{name: "a fresh connection", replay: true, first: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var mu sync.Mutex
			var bodies []string
			s := listen(t, func(nc net.Conn, br *bufio.Reader) {
				for n := 0; ; n++ {
					r, err := http.ReadRequest(br)
					if err != nil {
						return
					}
					body, _ := io.ReadAll(r.Body)
					mu.Lock()
					bodies = append(bodies, string(body))
					again := len(bodies) > 2
					mu.Unlock()
					if (n > 0 || c.first) && !again {
						io.WriteString(nc, c.says)
						return
					}
					io.WriteString(nc, ok)
				}
			})
			cl := client(t, s)
			want := []string{"two"}
			if !c.first {
				mustAsk(t, cl, post("one"))
				want = []string{"one", "two"}
			}
			call := post("two")
			call.Replay = c.replay
			if c.source {
				call.Body, call.Source, call.Length = nil, strings.NewReader("two"), 3
			}
			_, got, err := ask(cl, call)
			if c.again {
				want = append(want, "two")
				if err != nil || got != "ok" {
					t.Errorf("%q %v", got, err)
				}
			} else if err == nil {
				t.Errorf("an answer from nowhere: %q", got)
			}
			mu.Lock()
			defer mu.Unlock()
			if fmt.Sprint(bodies) != fmt.Sprint(want) {
				t.Errorf("the server got %q, want %q", bodies, want)
			}
		})
	}
}

func TestTheEndOfTheContextClosesTheConnection(t *testing.T) {
	why := errors.New("the caller left")
	for name, said := range map[string]string{
		"before the head":   "",
		"in the head":       "HTTP/1.1 200 OK\r\nContent-",
		"in the body":       "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
		"in a chunk":        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nok",
		"between chunks":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"while it is asked": "",
	} {
		t.Run(name, func(t *testing.T) {
			begun, gone := make(chan struct{}), make(chan error, 1)
			s := listen(t, func(c net.Conn, br *bufio.Reader) {
				if name != "while it is asked" {
					http.ReadRequest(br)
					io.WriteString(c, said)
				}
				close(begun)
				gone <- raw.Closed(c)
			})
			ctx, leave := context.WithCancelCause(context.Background())
			call := get("/")
			if name == "while it is asked" {
				call = post(strings.Repeat("x", 64<<20))
			}
			go func() { <-begun; leave(why) }()
			res, err := client(t, s).Do(ctx, call)
			if err == nil {
				_, err = io.ReadAll(res)
				res.Close()
			}
			if !errors.Is(err, why) {
				t.Errorf("%v", err)
			}
			if err := <-gone; err != nil {
				t.Error("the connection stayed open")
			}
		})
	}
	t.Run("before all", func(t *testing.T) {
		s := serve(t, answers(ok))
		ctx, leave := context.WithCancelCause(context.Background())
		leave(why)
		if _, err := client(t, s).Do(ctx, get("/")); !errors.Is(err, why) {
			t.Errorf("%v", err)
		}
		if n := s.Connections.Load(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("after all", func(t *testing.T) {
		s := serve(t, answers(ok))
		c := client(t, s)
		for range 3 {
			ctx, leave := context.WithCancel(context.Background())
			res, err := c.Do(ctx, get("/"))
			if err != nil {
				t.Fatal(err)
			}
			io.ReadAll(res)
			leave() // as net/http does to every handler that returns
			res.Close()
		}
		if n := s.Connections.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
	})
}

func TestATargetThatCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	for _, scheme := range []string{"http", "https"} {
		c := outbound.New(&url.URL{Scheme: scheme, Host: addr}, outbound.Options{})
		if _, err := c.Do(t.Context(), get("/")); !errors.Is(err, outbound.ErrDial) {
			t.Errorf("%s: %v", scheme, err)
		}
		c.Close()
	}
}

func TestCloseLetsCallsUnderWayEnd(t *testing.T) {
	more := make(chan struct{})
	s := serve(t, func(c net.Conn, r *http.Request, _ string) bool {
		if r.URL.Path == "/slow" {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			<-more
			io.WriteString(c, "ok")
			return true
		}
		io.WriteString(c, ok)
		return true
	})
	c := outbound.New(s.url, outbound.Options{})
	res, err := c.Do(t.Context(), get("/slow"))
	if err != nil {
		t.Fatal(err)
	}
	mustAsk(t, c, get("/")) // leaves an idle connection
	c.Close()
	close(more)
	if b, err := io.ReadAll(res); string(b) != "ok" || err != nil {
		t.Errorf("%q %v", b, err)
	}
	res.Close()
	// A call that comes late is answered, and leaves no connection behind; the goroutines of the server show that.
	if got := mustAsk(t, c, get("/")); got != "ok" {
		t.Errorf("%q", got)
	}
	if n := s.Connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
