// Package faults is a proxy in front of a model server that fails in the ways in which servers and networks do: it refuses,
// resets, hangs, cuts, babbles. It speaks TCP itself, so that it can break an answer wherever it likes.
//
// To add a fault, add its name and a case to answer. The surprise: a fault that comes after the first content reads the
// server's whole answer first and then hands on only its beginning, so the server must have one that ends.
package faults

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/testkit/raw"
)

// Fault is what a Proxy does to each call.
type Fault string

const (
	None              Fault = "none"                // hands calls on
	Refuse            Fault = "refuse"              // nobody listens, and what was under way is reset
	Reset             Fault = "reset"               // takes the call and resets the connection
	WrongCertificate  Fault = "wrong certificate"   // speaks TLS with a certificate that nobody trusts; only from the start
	HangBeforeHeaders Fault = "hang before headers" //
	HangBeforeToken   Fault = "hang before token"   // the headers of an answer come, and then nothing
	HangBetweenTokens Fault = "hang between tokens" // its beginning comes, and then nothing
	Cut               Fault = "cut"                 // its beginning comes, half a chunk, and then the connection is closed
	Endless           Fault = "endless"             // its beginning comes, and the same again and again
	Limited           Fault = "limited"             // status 429, in two minutes again
	Unavailable       Fault = "unavailable"         // status 503
	Garbage           Fault = "garbage"             // status 200 and a page of HTML
	ErrorInside       Fault = "error inside"        // status 200 and a failure in it
	Empty             Fault = "empty"               // status 200 and nothing
)

// All are the faults, None not among them.
var All = []Fault{Refuse, Reset, WrongCertificate, HangBeforeHeaders, HangBeforeToken, HangBetweenTokens, Cut, Endless, Limited, Unavailable, Garbage, ErrorInside, Empty}

// Late reports whether a stream has begun when the fault comes.
func (f Fault) Late() bool { return f == HangBetweenTokens || f == Cut || f == Endless }

// Message is what the target says when it fails by ErrorInside.
const Message = "the model ran out of memory"

// begun is how many events of a stream come before a late fault: by then a model that thinks first has begun to speak, in all dialects.
const begun = 24

// Proxy is a server that fails.
type Proxy struct {
	URL string

	t      testing.TB
	target string
	addr   string
	client *http.Client
	wg     sync.WaitGroup

	mu     sync.Mutex // guards what follows
	fault  Fault
	calls  int
	listen net.Listener
	free   func() // lets others have the port, on which nobody listens; nil: it is not held
	open   map[net.Conn]bool
}

// New starts a Proxy in front of the server at target. It is stopped when the test ends.
func New(t testing.TB, target string, f Fault) *Proxy {
	t.Helper()
	p := &Proxy{t: t, target: target, fault: f, open: map[net.Conn]bool{}, client: &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}}
	if f == WrongCertificate {
		s := httptest.NewUnstartedServer(http.NotFoundHandler())
		s.Config.ErrorLog = log.New(io.Discard, "", 0) // of every handshake that fails
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		s.StartTLS()
		t.Cleanup(s.Close)
		p.URL = s.URL
		return p
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.addr = l.Addr().String()
	p.URL = "http://" + p.addr
	t.Cleanup(func() {
		p.Set(Refuse)
		if p.free != nil {
			p.free()
		}
		p.wg.Wait()
	})
	if f == Refuse {
		l.Close()
		if !p.hold() {
			t.Fatalf("%s was taken in this very moment", p.addr)
		}
		return p
	}
	p.serve(l)
	return p
}

// hold keeps others off the port while nobody listens there: a server of the same test was given it once, and answered in place of none.
// A connection from that port to elsewhere does it, unless there is still one of before. p.mu is held, or nobody else has p.
func (p *Proxy) hold() (held bool) {
	local, err := net.ResolveTCPAddr("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	c, err := (&net.Dialer{LocalAddr: local, Timeout: 10 * time.Second}).Dial("tcp", l.Addr().String())
	if err != nil {
		l.Close()
		return false
	}
	p.free = func() {
		c.(*net.TCPConn).SetLinger(0) // the port is free at once
		c.Close()
		l.Close()
		p.free = nil
	}
	return true
}

// Set changes the fault for calls to come.
func (p *Proxy) Set(f Fault) {
	p.mu.Lock()
	p.fault = f
	listening := p.listen != nil
	if f == Refuse && listening {
		p.listen.Close()
		p.listen = nil
		for c := range p.open {
			reset(c)
		}
		p.hold()
	}
	if f != Refuse && p.free != nil {
		p.free()
	}
	p.mu.Unlock()
	if f == Refuse || listening {
		return
	}
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.serve(l)
}

// Calls is how many calls have come, what Corral asks beside them included.
func (p *Proxy) Calls() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls
}

func (p *Proxy) serve(l net.Listener) {
	p.mu.Lock()
	p.listen = l
	p.mu.Unlock()
	p.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.mu.Lock()
			if p.listen != l {
				p.mu.Unlock()
				reset(c)
				continue
			}
			p.open[c] = true
			p.mu.Unlock()
			p.wg.Go(func() { p.converse(c) })
		}
	})
}

func (p *Proxy) converse(c net.Conn) {
	defer func() {
		c.Close()
		p.mu.Lock()
		delete(p.open, c)
		p.mu.Unlock()
	}()
	br := bufio.NewReader(c)
	for {
		r, err := http.ReadRequest(br)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		p.mu.Lock()
		f := p.fault
		p.calls++
		p.mu.Unlock()
		if !p.answer(f, c, r, body) {
			return
		}
	}
}

// answer answers one call and reports whether the connection is still good for another.
func (p *Proxy) answer(f Fault, c net.Conn, r *http.Request, body []byte) bool {
	form := formOf(r.URL.Path, body)
	switch f {
	case Reset, Refuse:
		reset(c)
		return false
	case HangBeforeHeaders:
		untilClosed(c)
		return false
	case HangBeforeToken:
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 1000\r\n\r\n", form.media())
		untilClosed(c)
		return false
	case Limited:
		return raw.Say(c, 429, "Content-Type: application/json\r\nRetry-After: 120\r\n", `{"error":{"message":"slow down","type":"rate_limit_error"}}`)
	case Unavailable:
		return raw.Say(c, 503, "Content-Type: text/html\r\n", "<html>please come back later</html>")
	case Garbage:
		return raw.Reply(c, "text/html", "<html>\n\n<body>sign in to the hotel's network</body>\n\n")
	case ErrorInside:
		return raw.Reply(c, form.media(), form.failure(r.URL.Path))
	case Empty:
		return raw.Reply(c, form.media(), "")
	}
	req, err := http.NewRequest(r.Method, p.target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return false
	}
	req.Header = r.Header
	res, err := p.client.Do(req)
	if err != nil {
		return false
	}
	defer res.Body.Close()
	if f == None {
		return handOn(c, res)
	}
	all, err := io.ReadAll(res.Body)
	if err != nil {
		return false
	}
	if res.StatusCode != http.StatusOK {
		return raw.Say(c, res.StatusCode, "Content-Type: "+res.Header.Get("Content-Type")+"\r\n", string(all))
	}
	beginning, again := all[:len(all)/2], []byte(" ")
	if form != whole {
		events := form.split(all)
		if len(events) <= begun {
			p.t.Errorf("the answer to %s has %d events, which is too few to fail after %d", r.URL.Path, len(events), begun)
			return false
		}
		beginning, again = bytes.Join(events[:begun], nil), events[begun-1]
	}
	raw.Begin(c, res.Header.Get("Content-Type"))
	raw.Chunk(c, beginning)
	switch f {
	case Cut:
		fmt.Fprintf(c, "%x\r\n%s", 2*len(again), again[:len(again)/2])
	case HangBetweenTokens:
		untilClosed(c)
	case Endless:
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if !raw.Chunk(c, again) {
				break
			}
		}
	}
	return false
}

// handOn hands on an answer as it comes.
func handOn(c net.Conn, res *http.Response) bool {
	length := fmt.Sprintf("Content-Length: %d", res.ContentLength)
	if res.ContentLength < 0 {
		length = "Transfer-Encoding: chunked"
	}
	fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Type: %s\r\n%s\r\n\r\n", res.Status, res.Header.Get("Content-Type"), length)
	if res.ContentLength >= 0 {
		_, err := io.Copy(c, res.Body)
		return err == nil
	}
	buf := make([]byte, 32<<10)
	for {
		n, err := res.Body.Read(buf)
		if n > 0 {
			if !raw.Chunk(c, buf[:n]) {
				return false
			}
		}
		if err == io.EOF {
			return raw.End(c)
		}
		if err != nil {
			return false
		}
	}
}

// reset ends a connection without a goodbye.
func reset(c net.Conn) {
	if tc, ok := c.(*net.TCPConn); ok {
		tc.SetLinger(0)
	}
	c.Close()
}

// untilClosed waits until the other side, or the end of the test, closes c.
func untilClosed(c net.Conn) { io.Copy(io.Discard, c) }

// form is how an answer comes.
type form uint8

const (
	whole form = iota
	lines
	sse
)

// formOf tells how a call wants its answer: Ollama's own stream unless told not to, all others when told to.
func formOf(path string, body []byte) form {
	says := func(v string) bool {
		return bytes.Contains(bytes.ReplaceAll(body, []byte(" "), nil), []byte(`"stream":`+v))
	}
	switch {
	case path == "/api/chat", path == "/api/generate":
		if says("false") {
			return whole
		}
		return lines
	case says("true"), strings.HasSuffix(path, ":streamGenerateContent"):
		return sse
	}
	return whole
}

func (f form) media() string {
	return [...]string{"application/json", "application/x-ndjson", "text/event-stream"}[f]
}

func (f form) split(b []byte) [][]byte {
	if f == lines {
		return bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n")), []byte("\n"))
	}
	return bytes.SplitAfter(bytes.TrimSuffix(b, []byte("\n\n")), []byte("\n\n"))
}

// failure is Message as the dialects of path say it in an answer.
func (f form) failure(path string) string {
	v := `{"error":{"message":"` + Message + `","type":"server_error"}}`
	switch {
	case strings.HasPrefix(path, "/api/"):
		v = `{"error":"` + Message + `"}`
	case strings.HasSuffix(path, "/messages"):
		v = `{"type":"error","error":{"type":"api_error","message":"` + Message + `"}}`
	case strings.HasSuffix(path, "/responses") && f == sse:
		v = `{"type":"error","message":"` + Message + `"}`
	}
	switch {
	case f == lines:
		return v + "\n"
	case f == sse && strings.Contains(v, `"type":"error"`):
		return "event: error\ndata: " + v + "\n\n"
	case f == sse:
		return "data: " + v + "\n\n"
	}
	return v
}
