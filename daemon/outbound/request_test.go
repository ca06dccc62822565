package outbound_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"corral/daemon/outbound"
)

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
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections", n)
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
			if n := s.Connections.Load(); n != 3 {
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
			s := serveUnread(t, func(c net.Conn, r *http.Request) bool {
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
			if n := s.Connections.Load(); n != 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
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
			s := serveUnread(t, func(c net.Conn, r *http.Request) bool {
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
