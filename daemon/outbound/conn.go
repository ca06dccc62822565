package outbound

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	maxHead   = 256 << 10 // bytes of an answer's head
	joinBelow = 32 << 10  // a body below this goes out in one write with the head
)

// pool keeps the idle connections to one server, the last used first: those at the bottom may then grow old and close.
type pool struct {
	dialer  *net.Dialer
	addr    string
	host    string
	timeout time.Duration
	max     int

	mu     sync.Mutex // guards what follows
	idle   []*conn
	timer  *time.Timer
	closed bool
}

func newPool(d *net.Dialer, addr, host string, timeout time.Duration, max int) *pool {
	return &pool{dialer: d, addr: addr, host: host, timeout: timeout, max: max}
}

// conn is one HTTP/1.1 connection. One goroutine at a time has it.
type conn struct {
	net.Conn
	pool  *pool
	br    *bufio.Reader
	head  []byte      // scratch for the request's head
	quiet func() bool // open, and nothing to read
	since time.Time   // idle since
	reads deadline    // of reads
	sends deadline    // of writes
	left  int64       // bytes of the head that may still be read; negative: a body, no bound
	err   error       // that reading ended with
}

// Read is what br reads through: it bounds the head of an answer.
func (c *conn) Read(p []byte) (int, error) {
	if c.left == 0 {
		c.err = fmt.Errorf("the head of the answer is over %d KiB", maxHead>>10)
		return 0, c.err
	}
	if c.left > 0 && int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	if c.left > 0 {
		c.left -= int64(n)
	}
	if err != nil {
		c.err = err
	}
	return n, err
}

// deadline is one that is in force on a connection. Moving it costs a timer each time, so it is left where it is as long as
// it is near enough to what is wanted, from one call to the next as well.
type deadline struct{ at time.Time }

// within sees to a deadline of d from now, or up to an eighth sooner; zero: none.
func (x *deadline) within(d time.Duration, set func(time.Time) error) {
	if d <= 0 {
		if !x.at.IsZero() {
			x.at = time.Time{}
			set(x.at)
		}
		return
	}
	now := time.Now()
	if left := x.at.Sub(now); x.at.IsZero() || left > d || left < d-d/8 {
		x.at = now.Add(d)
		set(x.at)
	}
}

func (p *pool) get() *conn {
	for {
		p.mu.Lock()
		n := len(p.idle)
		if n == 0 {
			p.mu.Unlock()
			return nil
		}
		c := p.idle[n-1]
		p.idle[n-1] = nil
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		if time.Since(c.since) < p.timeout && c.quiet() {
			return c
		}
		c.Conn.Close()
	}
}

func (p *pool) put(c *conn) {
	c.since = time.Now()
	p.mu.Lock()
	if p.closed || len(p.idle) >= p.max {
		p.mu.Unlock()
		c.Conn.Close()
		return
	}
	p.idle = append(p.idle, c)
	if p.timer == nil {
		p.timer = time.AfterFunc(p.timeout, p.expire)
	}
	p.mu.Unlock()
}

// expire closes what has lain idle for too long.
func (p *pool) expire() {
	p.mu.Lock()
	n := 0
	for n < len(p.idle) && time.Since(p.idle[n].since) >= p.timeout {
		n++
	}
	old := append([]*conn(nil), p.idle[:n]...)
	p.idle = append(p.idle[:0], p.idle[n:]...)
	clear(p.idle[len(p.idle):cap(p.idle)])
	p.timer = nil
	if len(p.idle) > 0 && !p.closed {
		p.timer = time.AfterFunc(max(p.timeout-time.Since(p.idle[0].since), time.Second), p.expire)
	}
	p.mu.Unlock()
	for _, c := range old {
		c.Conn.Close()
	}
}

func (p *pool) close() {
	p.mu.Lock()
	old := p.idle
	p.idle, p.closed = nil, true
	if p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	for _, c := range old {
		c.Conn.Close()
	}
}

func (p *pool) dial(ctx context.Context) (*conn, error) {
	nc, err := p.dialer.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%w: %w", ErrDial, err)
	}
	c := &conn{Conn: nc, pool: p}
	c.br = bufio.NewReaderSize(c, 16<<10)
	c.quiet = quietCheck(nc)
	return c, nil
}

func (p *pool) do(ctx context.Context, call *Call) (*Response, error) {
	for {
		c := p.get()
		reused := c != nil
		if !reused {
			var err error
			if c, err = p.dial(ctx); err != nil {
				return nil, err
			}
		}
		res, err := c.roundTrip(ctx, call)
		if err == nil {
			return res, nil
		}
		// A kept connection that ends without a byte was closed by the server while it lay idle.
		if reused && call.Replay && call.Source == nil && ctx.Err() == nil && errors.Is(err, errSilent) {
			continue
		}
		return nil, err
	}
}

// errSilent: the connection ended before the first byte of an answer.
var errSilent = errors.New("the server closed the connection without an answer")

func (c *conn) roundTrip(ctx context.Context, call *Call) (*Response, error) {
	stop := context.AfterFunc(ctx, func() { c.Conn.Close() })
	var own sourceError
	fail := func(op string, err error) (*Response, error) {
		stop()
		c.Conn.Close()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, &own) {
			err = ErrTimeout
		}
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	// A server may answer before it has read all of a body, and close: then writing fails, but the answer can be read.
	werr := c.write(call)
	if werr != nil && (errors.As(werr, &own) || !errors.Is(werr, syscall.EPIPE) && !errors.Is(werr, syscall.ECONNRESET)) {
		return fail("send request", werr)
	}
	c.reads.within(call.FirstByte, c.Conn.SetReadDeadline)
	c.left = maxHead
	if _, err := c.br.Peek(1); err != nil {
		if werr != nil {
			err = werr
		}
		if err == io.EOF || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
			err = fmt.Errorf("%w: %w", errSilent, err)
		}
		return fail("read answer", err)
	}
	var hr *http.Response
	for range 8 { // 1xx answers may come first
		var err error
		if hr, err = http.ReadResponse(c.br, &http.Request{Method: call.Method}); err != nil {
			// When the connection fails in the middle of a line, ReadResponse complains of the line.
			switch {
			case c.err == io.EOF:
				err = fmt.Errorf("the answer broke off in its head: %w", io.ErrUnexpectedEOF)
			case c.err != nil:
				err = c.err
			}
			return fail("read answer", err)
		}
		if hr.StatusCode >= 200 || hr.StatusCode == http.StatusSwitchingProtocols {
			break
		}
	}
	if hr.StatusCode < 200 {
		return fail("read answer", fmt.Errorf("unexpected status %d", hr.StatusCode))
	}
	c.left = -1
	b := &wireBody{c: c, ctx: ctx, stop: stop, src: hr.Body, keep: !hr.Close && werr == nil}
	if hr.Body == http.NoBody || hr.ContentLength == 0 {
		b.finish(true)
	}
	return &Response{Status: hr.StatusCode, Header: hr.Header, Length: hr.ContentLength, body: b}, nil
}

// write sends the request. Nothing that could part it into two requests gets through.
func (c *conn) write(call *Call) error {
	h := append(c.head[:0], call.Method...)
	h = append(h, ' ')
	h = append(h, call.Path...)
	h = append(h, " HTTP/1.1\r\nHost: "...)
	h = append(h, c.pool.host...)
	h = append(h, "\r\n"...)
	if !clean(call.Method) || !clean(call.Path) {
		return errors.New("a control character or space in the request line")
	}
	for k, vs := range call.Header {
		if err := checkName(k); err != nil {
			return err
		}
		for _, v := range vs {
			for i := range len(v) {
				if v[i] < ' ' && v[i] != '\t' || v[i] == 0x7f {
					return fmt.Errorf("a control character in the header %q", k)
				}
			}
			h = append(h, k...)
			h = append(h, ": "...)
			h = append(h, v...)
			h = append(h, "\r\n"...)
		}
	}
	n := bodyLength(call.Body)
	switch {
	case call.Source != nil && call.Length < 0:
		h = append(h, "Transfer-Encoding: chunked\r\n\r\n"...)
	case call.Source != nil:
		n = call.Length
		fallthrough
	case n > 0 || call.Method != http.MethodGet && call.Method != http.MethodHead && call.Method != http.MethodOptions:
		h = append(h, "Content-Length: "...)
		h = strconv.AppendInt(h, n, 10)
		h = append(h, "\r\n\r\n"...)
	default:
		h = append(h, "\r\n"...)
	}
	c.sends.within(sendTimeout, c.Conn.SetWriteDeadline)
	if call.Source == nil && n < joinBelow {
		for _, p := range call.Body {
			h = append(h, p...)
		}
	}
	if cap(h) <= 2*joinBelow {
		c.head = h
	}
	if call.Source != nil {
		return c.writeSource(h, call)
	}
	if n < joinBelow {
		_, err := c.Conn.Write(h)
		return err
	}
	bufs := net.Buffers(append([][]byte{h}, call.Body...))
	_, err := bufs.WriteTo(c.Conn)
	return err
}

// sendTimeout bounds a write of a request's body, each piece of a source anew.
const sendTimeout = 60 * time.Second

// sourceError is an error of the caller's own body. Its cause may look like one of the server's: a reset, a deadline.
type sourceError struct{ error }

func (e sourceError) Unwrap() error { return e.error }

// source marks the errors of r.
type source struct{ r io.Reader }

func (s source) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		err = sourceError{err}
	}
	return n, err
}

// writeSource sends a body of any length as it comes from the caller.
func (c *conn) writeSource(head []byte, call *Call) error {
	if _, err := c.Conn.Write(head); err != nil {
		return err
	}
	w := &pieces{c: c}
	src := source{call.Source}
	if call.Length >= 0 {
		n, err := io.Copy(w, io.LimitReader(src, call.Length))
		if err == nil && n < call.Length {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if n > 0 {
			if _, werr := fmt.Fprintf(w, "%x\r\n%s\r\n", n, buf[:n]); werr != nil {
				return werr
			}
		}
		if err == io.EOF {
			_, err = io.WriteString(w, "0\r\n\r\n")
			return err
		}
		if err != nil {
			return err
		}
	}
}

// pieces writes with a new deadline for each piece.
type pieces struct{ c *conn }

func (w *pieces) Write(b []byte) (int, error) {
	w.c.sends.within(sendTimeout, w.c.Conn.SetWriteDeadline)
	return w.c.Conn.Write(b)
}

func bodyLength(ps [][]byte) (n int64) {
	for _, p := range ps {
		n += int64(len(p))
	}
	return n
}

// checkName refuses what is no name of a header (RFC 9110, section 5.6.2), and those by which write itself says where the
// request goes and where it ends.
func checkName(k string) error {
	for i := range len(k) {
		if c := k[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("\"(),/:;<=>?@[\\]{}", c) >= 0 {
			return fmt.Errorf("%q is not the name of a header", k)
		}
	}
	switch len(k) {
	case 0:
		return errors.New("a header without a name")
	case len("Host"), len("Content-Length"), len("Transfer-Encoding"):
		if strings.EqualFold(k, "Host") || strings.EqualFold(k, "Content-Length") || strings.EqualFold(k, "Transfer-Encoding") {
			return fmt.Errorf("the header %q is not the caller's to set", k)
		}
	}
	return nil
}

func clean(s string) bool {
	for i := range len(s) {
		if s[i] <= ' ' || s[i] == 0x7f {
			return false
		}
	}
	return s != ""
}

// wireBody is an answer's body; the connection is its own until finish.
type wireBody struct {
	c    *conn
	ctx  context.Context
	stop func() bool
	src  io.Reader
	keep bool // the connection may serve another call
	done bool
	err  error         // by which the answer broke off: each further Read has it, for an io.EOF would say that it is whole
	idle time.Duration // bounds each read; zero: nothing does
}

func (b *wireBody) setIdle(d time.Duration) { b.idle = d }

func (b *wireBody) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	if b.done {
		return 0, io.EOF
	}
	// Also where something is buffered: it may be half of a chunk's length, and then the connection is read all the same.
	b.c.reads.within(b.idle, b.c.Conn.SetReadDeadline)
	n, err := b.src.Read(p)
	switch {
	case err == nil:
		return n, nil
	case err == io.EOF:
		b.finish(true)
		return n, io.EOF
	}
	b.finish(false)
	switch {
	case b.ctx.Err() != nil:
		err = context.Cause(b.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrTimeout
	case b.c.err == io.EOF:
		err = io.ErrUnexpectedEOF // also where net/http has words of its own for it
	}
	b.err = err
	return n, err
}

// finish ends the answer: whole says that its last byte was read, and nothing of it can come any more.
func (b *wireBody) finish(whole bool) {
	if b.done {
		return
	}
	b.done = true
	// Where stop finds that the context has ended, the connection is being closed. What comes after the answer's end would be
	// taken for the next call's answer, which may be another caller's.
	if !b.stop() || !whole || !b.keep || b.c.br.Buffered() > 0 {
		b.c.Conn.Close()
		return
	}
	b.c.pool.put(b.c)
}

func (b *wireBody) ready() bool {
	return !b.done && (b.c.br.Buffered() > 0 || quietKnown && !b.c.quiet())
}

func (b *wireBody) Close() error {
	b.finish(false)
	return nil
}
