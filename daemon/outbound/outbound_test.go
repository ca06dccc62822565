package outbound_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"corral/daemon/outbound"
)

// server is a server whose every byte the test decides.
type server struct {
	url         *url.URL
	connections atomic.Int64
}

// listen has handle serve each connection, which is closed when handle returns. Goroutines are counted.
func listen(t testing.TB, handle func(c net.Conn, br *bufio.Reader)) *server {
	t.Helper()
	before := runtime.NumGoroutine()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &server{url: &url.URL{Scheme: "http", Host: l.Addr().String()}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
		if !eventually(func() bool { return runtime.NumGoroutine() <= before }) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.connections.Add(1)
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				handle(c, bufio.NewReader(c))
			})
		}
	})
	return s
}

// serve runs answer for each request on each connection until it returns false.
func serve(t testing.TB, answer func(c net.Conn, r *http.Request, body string) bool) *server {
	return listen(t, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			body, err := io.ReadAll(r.Body)
			if err != nil || !answer(c, r, string(body)) {
				return
			}
		}
	})
}

func eventually(cond func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
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

func TestARequestSaysWhatItShould(t *testing.T) {
	var got strings.Builder
	s := listen(t, func(c net.Conn, br *bufio.Reader) {
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				return
			}
			got.WriteString(line)
			if line == "\r\n" {
				io.WriteString(c, ok)
				return
			}
		}
	})
	header := http.Header{"X-One": {"a", "b"}, "X-Empty": {""}, "X-Latin": {"caf\xe9"}}
	mustAsk(t, client(t, s), &outbound.Call{Method: "GET", Path: "/a%20b?c=d&e", Header: header})
	lines := strings.Split(strings.TrimSuffix(got.String(), "\r\n\r\n"), "\r\n")
	if lines[0] != "GET /a%20b?c=d&e HTTP/1.1" || lines[1] != "Host: "+s.url.Host {
		t.Errorf("%q", lines[:2])
	}
	want := map[string]int{"X-One: a": 1, "X-One: b": 1, "X-Empty: ": 1, "X-Latin: caf\xe9": 1}
	for _, l := range lines[2:] {
		want[l]--
	}
	for l, n := range want {
		if n != 0 {
			t.Errorf("%q: %d missing", l, n)
		}
	}
}

func TestAPostWithoutABodySaysSo(t *testing.T) {
	s := serve(t, func(c net.Conn, r *http.Request, body string) bool {
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%v", len(fmt.Sprint(r.Header["Content-Length"])), r.Header["Content-Length"])
		return true
	})
	c := client(t, s)
	if got := mustAsk(t, c, &outbound.Call{Method: "POST", Path: "/"}); got != "[0]" {
		t.Errorf("%q", got)
	}
	if got := mustAsk(t, c, get("/")); got != "[]" {
		t.Errorf("%q", got)
	}
}

func TestBodiesOfAnySizeArrive(t *testing.T) {
	s := serve(t, func(c net.Conn, r *http.Request, body string) bool {
		_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		return err == nil
	})
	c := client(t, s)
	for _, n := range []int{1, 4 << 10, 32<<10 - 1, 32 << 10, 32<<10 + 1, 1 << 20} {
		text := strings.Repeat("abcdefg\n", n/8+1)[:n]
		call := &outbound.Call{Method: "POST", Path: "/", Body: [][]byte{[]byte(text[:n/3]), nil, []byte(text[n/3 : n/2]), []byte(text[n/2:])}}
		for range 2 { // the second one finds the scratch memory of the first
			if got := mustAsk(t, c, call); got != text {
				t.Errorf("%d bytes: %d came back", n, len(got))
			}
		}
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
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
			if n := s.connections.Load(); n != 1 {
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
	if n := s.connections.Load(); n > callers {
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
			if n := s.connections.Load(); n != 3 {
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
		if n := s.connections.Load(); n != 3 {
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

// closed waits until the other side has closed c.
func closed(c net.Conn) error {
	c.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, c)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return err
	}
	return nil
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
				gone <- closed(c)
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
		if n := s.connections.Load(); n != 0 {
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
		if n := s.connections.Load(); n != 1 {
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

func TestInterimAnswersAreSkipped(t *testing.T) {
	s := serve(t, answers("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"+ok))
	c := client(t, s)
	for range 2 {
		res, err := c.Do(t.Context(), get("/"))
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(res)
		if string(b) != "ok" || err != nil || res.Status != 200 || res.Header.Get("Link") != "" {
			t.Errorf("%d %q %v %v", res.Status, b, err, res.Header)
		}
		res.Close()
	}
	if n := s.connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
	}
	for name, text := range map[string]string{
		"upgrade":  "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
		"too many": strings.Repeat("HTTP/1.1 103 Early Hints\r\n\r\n", 100) + ok,
	} {
		if _, _, err := ask(client(t, serve(t, answers(text))), get("/")); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestAnswersWithoutABody(t *testing.T) {
	for _, a := range []struct{ method, text string }{
		{"HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"},
		{"HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
		{"HEAD", "HTTP/1.1 404 Not Found\r\n\r\n"},
		{"GET", "HTTP/1.1 204 No Content\r\n\r\n"},
		{"GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\n\r\n"},
		{"DELETE", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
	} {
		s := serve(t, answers(a.text))
		c := client(t, s)
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			res, err := c.Do(ctx, &outbound.Call{Method: a.method, Path: "/"})
			if err != nil {
				t.Fatalf("%s %q: %v", a.method, a.text, err)
			}
			if b, err := io.ReadAll(res); len(b) != 0 || err != nil {
				t.Errorf("%s %q: %q %v", a.method, a.text, b, err)
			}
			if strings.Contains(a.text, "1000") && a.method == "HEAD" && res.Length != 1000 {
				t.Errorf("the length that would be: %d", res.Length)
			}
			res.Close()
			cancel()
		}
		if n := s.connections.Load(); n != 1 {
			t.Errorf("%s %q: %d connections", a.method, a.text, n)
		}
	}
}

func TestAHeadWithoutEndIsRefused(t *testing.T) {
	for name, piece := range map[string]string{"one line": strings.Repeat("x", 64<<10), "many lines": strings.Repeat("X-Y: z\r\n", 8<<10), "interim": "HTTP/1.1 103 Early Hints\r\nLink: " + strings.Repeat("x", 64<<10) + "\r\n\r\n"} {
		sent := atomic.Int64{}
		s := listen(t, func(c net.Conn, br *bufio.Reader) {
			http.ReadRequest(br)
			if name != "interim" {
				io.WriteString(c, "HTTP/1.1 200 OK\r\nX-A: ")
			}
			for {
				n, err := io.WriteString(c, piece)
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		})
		if _, _, err := ask(client(t, s), get("/")); err == nil || !strings.Contains(err.Error(), "256 KiB") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestALargeHeadPasses(t *testing.T) {
	value := strings.Repeat("v", 200<<10)
	s := serve(t, answers("HTTP/1.1 200 OK\r\nX-Large: "+value+"\r\nContent-Length: 400000\r\n\r\n"+strings.Repeat("b", 400000)))
	c := client(t, s)
	for range 2 { // the bound is one of each head, not of the connection
		if got := mustAsk(t, c, get("/")); len(got) != 400000 {
			t.Errorf("%d bytes", len(got))
		}
	}
}

func TestAnAnswerThatBreaksOff(t *testing.T) {
	for name, text := range map[string]string{
		"in the status":       "HTTP/1.1 20",
		"in the head":         "HTTP/1.1 200 OK\r\nContent-Le",
		"in an interim head":  "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.",
		"before the body":     "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
		"in the body":         "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok",
		"in a chunk":          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nok",
		"after a chunk":       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
		"in a chunk's length": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n2",
		"in the last chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { io.WriteString(c, text); return false })
			c := client(t, s)
			_, body, err := ask(c, get("/"))
			if !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%q, %v", body, err)
			}
			if _, chunked := strings.CutPrefix(text, "HTTP/1.1 200 OK\r\nTransfer"); chunked && body != "ok" {
				t.Errorf("what had come: %q", body)
			}
		})
	}
}

func TestWhatIsNoAnswer(t *testing.T) {
	for _, text := range []string{"SSH-2.0-OpenSSH_9\r\n", "\x16\x03\x01\x00", "HTTP/1.1\r\n\r\n", "HTTP/1.1 abc OK\r\n\r\n", "HTTP/9.9 200 OK\r\n\r\n\x00",
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok", "HTTP/1.1 200 OK\r\n: x\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n"} {
		s := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { io.WriteString(c, text); return false })
		if status, body, err := ask(client(t, s), get("/")); err == nil && !strings.HasPrefix(text, "HTTP/9.9") {
			t.Errorf("%q was taken for %d %q", text, status, body)
		}
	}
}

func TestNothingPartsARequestInTwo(t *testing.T) {
	s := serve(t, answers(ok))
	c := client(t, s)
	for name, call := range map[string]*outbound.Call{
		"path":           {Method: "GET", Path: "/ HTTP/1.1\r\nHost: x\r\n\r\nGET /"},
		"path, line":     {Method: "GET", Path: "/a\nb"},
		"path, tab":      {Method: "GET", Path: "/a\tb"},
		"no path":        {Method: "GET"},
		"method":         {Method: "GET / HTTP/1.1\r\n\r\nGET", Path: "/"},
		"value":          {Method: "GET", Path: "/", Header: http.Header{"X-A": {"a\r\nX-B: c"}}},
		"value, line":    {Method: "GET", Path: "/", Header: http.Header{"X-A": {"a\nX-B: c"}}},
		"value, zero":    {Method: "GET", Path: "/", Header: http.Header{"X-A": {"a\x00"}}},
		"second value":   {Method: "GET", Path: "/", Header: http.Header{"X-A": {"a", "\r\n\r\nGET / HTTP/1.1"}}},
		"name":           {Method: "GET", Path: "/", Header: http.Header{"X-A: b\r\nX-C": {"d"}}},
		"name, colon":    {Method: "GET", Path: "/", Header: http.Header{"Transfer-Encoding: chunked, X": {"d"}}},
		"name, space":    {Method: "GET", Path: "/", Header: http.Header{"Transfer-Encoding ": {"chunked"}}},
		"name, empty":    {Method: "GET", Path: "/", Header: http.Header{"": {"d"}}},
		"its own length": {Method: "POST", Path: "/", Header: http.Header{"Content-Length": {"0"}}, Body: [][]byte{[]byte("GET / HTTP/1.1\r\n\r\n")}},
		"its own chunks": {Method: "POST", Path: "/", Header: http.Header{"Transfer-Encoding": {"chunked"}}, Body: [][]byte{[]byte("0\r\n\r\nGET / HTTP/1.1\r\n\r\n")}},
		"its own host":   {Method: "GET", Path: "/", Header: http.Header{"Host": {"elsewhere"}}},
	} {
		if status, _, err := ask(c, call); err == nil {
			t.Errorf("%s: sent, and answered with %d", name, status)
		}
	}
}

func TestAnAnswerBeforeTheWholeBodyWasSent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere a reset may throw away what had come before it")
	}
	const refused = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\n\r\ntoo large"
	for name, call := range map[string]func() *outbound.Call{
		"body":                     func() *outbound.Call { return post(strings.Repeat("x", 16<<20)) },
		"source of known length":   func() *outbound.Call { return upload(strings.NewReader(strings.Repeat("x", 16<<20)), 16<<20) },
		"source of unknown length": func() *outbound.Call { return upload(strings.NewReader(strings.Repeat("x", 16<<20)), -1) },
	} {
		t.Run(name, func(t *testing.T) {
			s := listen(t, func(c net.Conn, br *bufio.Reader) {
				http.ReadRequest(br)
				io.WriteString(c, refused) // and the connection is closed, with most of the body unread
			})
			c := client(t, s)
			for range 3 {
				if status, body, err := ask(c, call()); status != 413 || body != "too large" || err != nil {
					t.Errorf("%d %q %v", status, body, err)
				}
			}
			if n := s.connections.Load(); n != 3 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func upload(src io.Reader, n int64) *outbound.Call {
	return &outbound.Call{Method: "POST", Path: "/", Source: src, Length: n}
}

func TestASourceIsSentAsItComes(t *testing.T) {
	for _, length := range []int64{6, -1} {
		t.Run(fmt.Sprint(length), func(t *testing.T) {
			got := make(chan string)
			s := serve2(t, func(c net.Conn, r *http.Request) bool {
				if r.ContentLength != length {
					t.Errorf("length %d, want %d", r.ContentLength, length)
				}
				piece := make([]byte, 3)
				for range 2 {
					io.ReadFull(r.Body, piece)
					got <- string(piece)
				}
				if n, err := r.Body.Read(piece); n != 0 || err != io.EOF {
					t.Errorf("after the end: %d %v", n, err)
				}
				_, err := io.WriteString(c, ok)
				return err == nil
			})
			c := client(t, s)
			for range 2 {
				r, w := io.Pipe()
				answered := make(chan error)
				go func() {
					_, _, err := ask(c, upload(r, length))
					answered <- err
				}()
				for _, piece := range []string{"one", "two"} {
					w.Write([]byte(piece))
					if g := <-got; g != piece { // before the next one is given
						t.Errorf("%q", g)
					}
				}
				w.Close()
				if err := <-answered; err != nil {
					t.Error(err)
				}
			}
			if n := s.connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

// serve2 is serve, where answer reads the body itself.
func serve2(t testing.TB, answer func(c net.Conn, r *http.Request) bool) *server {
	return listen(t, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil || !answer(c, r) {
				return
			}
		}
	})
}

// failing is a source that gives text and then fails.
type failing struct {
	io.Reader
	err error
}

func (f *failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestASourceThatFails(t *testing.T) {
	gone := errors.New("the caller's disk broke")
	for name, c := range map[string]struct {
		err, want error
		length    int64
	}{
		"known length":        {gone, gone, 10},
		"unknown length":      {gone, gone, -1},
		"shorter than said":   {io.EOF, io.ErrUnexpectedEOF, 10},
		"the caller's reset":  {fmt.Errorf("read body: %w", syscall.ECONNRESET), syscall.ECONNRESET, -1},
		"the caller is slow":  {fmt.Errorf("read body: %w", os.ErrDeadlineExceeded), os.ErrDeadlineExceeded, -1},
		"and of known length": {fmt.Errorf("read body: %w", syscall.ECONNRESET), syscall.ECONNRESET, 10},
	} {
		t.Run(name, func(t *testing.T) {
			whole := make(chan bool, 1)
			s := serve2(t, func(c net.Conn, r *http.Request) bool {
				_, err := io.ReadAll(r.Body)
				whole <- err == nil
				return false
			})
			_, _, err := ask(client(t, s), upload(&failing{strings.NewReader("half"), c.err}, c.length))
			if !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if <-whole {
				t.Error("the server took half of the body for all of it")
			}
		})
	}
}

func TestReadyTellsWhetherMoreIsAtHand(t *testing.T) {
	more := make(chan struct{})
	s := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo"[:40])
		<-more
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nonetwo"[40:])
		return true
	})
	res, err := client(t, s).Do(t.Context(), get("/"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Close()
	if !eventually(res.Ready) {
		t.Error("what has come is not seen")
	}
	var got bytes.Buffer
	for got.Len() < 2 {
		p := make([]byte, 2-got.Len())
		n, _ := res.Read(p)
		got.Write(p[:n])
	}
	if res.Ready() {
		t.Error("there is nothing more yet")
	}
	close(more)
	if runtime.GOOS != "windows" && !eventually(res.Ready) {
		t.Error("what has come is not seen")
	}
	io.Copy(&got, res)
	if got.String() != "onetwo" || res.Ready() {
		t.Errorf("%q, %v", got.String(), res.Ready())
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
	if n := s.connections.Load(); n != 3 {
		t.Errorf("%d connections", n)
	}
}
