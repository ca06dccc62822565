package outbound_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/daemon/outbound"
	"corral/testkit"
)

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
	if n := s.Connections.Load(); n != 1 {
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
		if n := s.Connections.Load(); n != 1 {
			t.Errorf("%s %q: %d connections", a.method, a.text, n)
		}
	}
}

// TestWhatBrokeOffStaysBroken: a further Read must not say that the answer is whole.
func TestWhatBrokeOffStaysBroken(t *testing.T) {
	for name, text := range map[string]string{
		"by its length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf",
		"in a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
	} {
		s := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { io.WriteString(c, text); return false })
		res, err := client(t, s).Do(t.Context(), get("/"))
		if err != nil {
			t.Fatal(name, err)
		}
		b, err := io.ReadAll(res)
		n, again := res.Read(make([]byte, 8))
		if string(b) != "half" || err != io.ErrUnexpectedEOF || n != 0 || again != err {
			t.Errorf("%s: %q, %v, and then %d, %v", name, b, err, n, again)
		}
		res.Close()
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
	if !testkit.Eventually(res.Ready) {
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
	if runtime.GOOS != "windows" && !testkit.Eventually(res.Ready) {
		t.Error("what has come is not seen")
	}
	io.Copy(&got, res)
	if got.String() != "onetwo" || res.Ready() {
		t.Errorf("%q, %v", got.String(), res.Ready())
	}
}
