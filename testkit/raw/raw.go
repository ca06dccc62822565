// Package raw is an HTTP server for tests whose every byte the test decides, so that it can break in ways that net/http's
// would not: it listens on a free loopback port and hands each connection, or each request on it, to the test.
//
// The surprise: nothing is added to what the test writes. An answer without a Content-Length and without chunks ends only with
// the connection, and one of the wrong length is sent as it is.
package raw

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Server is such a server. When its test ends its connections are closed, and what served them is waited for.
type Server struct {
	URL         string       // http://127.0.0.1:port
	Connections atomic.Int64 // that were ever made
}

// Listen has handle serve each connection, which is closed when handle returns.
func Listen(t testing.TB, handle func(c net.Conn, br *bufio.Reader)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{URL: "http://" + l.Addr().String()}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{} // guarded by mu; nil at the end
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		open = nil
		mu.Unlock()
		wg.Wait()
	})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.Connections.Add(1)
			mu.Lock()
			if open == nil {
				mu.Unlock()
				c.Close()
				return
			}
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

// Serve runs answer for each request that comes in, with its whole body. The connection is closed when answer returns false.
func Serve(t testing.TB, answer func(c net.Conn, r *http.Request, body string) bool) *Server {
	t.Helper()
	return ServeUnread(t, func(c net.Conn, r *http.Request) bool {
		body, err := io.ReadAll(r.Body)
		return err == nil && answer(c, r, string(body))
	})
}

// ServeUnread is Serve, where answer reads the body itself, or as much of it as it likes.
func ServeUnread(t testing.TB, answer func(c net.Conn, r *http.Request) bool) *Server {
	t.Helper()
	return Listen(t, func(c net.Conn, br *bufio.Reader) {
		for {
			r, err := http.ReadRequest(br)
			if err != nil || !answer(c, r) {
				return
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
	})
}

// Say answers with this status and the whole of body. Each line of header ends with \r\n. It reports whether all was sent, as
// the others below do.
func Say(c net.Conn, status int, header, body string) bool {
	_, err := fmt.Fprintf(c, "HTTP/1.1 %d %s\r\n%sContent-Length: %d\r\n\r\n%s", status, http.StatusText(status), header, len(body), body)
	return err == nil
}

// Reply is Say with status 200 and a Content-Type.
func Reply(c net.Conn, contentType, body string) bool {
	return Say(c, http.StatusOK, "Content-Type: "+contentType+"\r\n", body)
}

// Begin sends the head of an answer in chunks; Chunk sends one, and End the last.
func Begin(c net.Conn, contentType string) bool {
	_, err := fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", contentType)
	return err == nil
}

// Chunk sends one chunk, which must not be empty: an empty one would be the last.
func Chunk[T string | []byte](c net.Conn, piece T) bool {
	_, err := fmt.Fprintf(c, "%x\r\n%s\r\n", len(piece), piece)
	return err == nil
}

// End sends the end of an answer in chunks.
func End(c net.Conn) bool {
	_, err := io.WriteString(c, "0\r\n\r\n")
	return err == nil
}

// Closed waits until the other side has closed c, and passes over what it still says. It is an error if that takes more than
// 10 seconds.
func Closed(c net.Conn) error {
	if err := c.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return nil // closed on this side already: the test is over
	}
	_, err := io.Copy(io.Discard, c)
	if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
		return errors.New("the connection stayed open")
	}
	return nil
}
