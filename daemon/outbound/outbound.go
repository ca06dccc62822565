// Package outbound is the one way out: every call that Corral makes to a model server goes through a Client.
//
// A Client follows no redirects, asks for no compression, and gives every step a deadline. Plain HTTP, which is how a
// server on this device is spoken to, goes over connections of our own: net/http's Transport hands each request to two
// goroutines of its own and back, and on a small machine that hand-over is most of what a proxy adds to a call. Here the
// goroutine that has the call writes the request and reads the answer itself. HTTPS goes over net/http, for HTTP/2 and
// proxies.
//
// The surprise: without a goroutine that reads an idle connection, nobody notices when the server closes it. So an idle
// connection is looked at (without blocking) before it is used again.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"time"
)

// Options are what a Client needs to know. Zero values take the defaults named.
type Options struct {
	Connect time.Duration                         // for the TCP connection and TLS, each; default 2 s
	Idle    time.Duration                         // how long an unused connection is kept; default 90 s
	MaxIdle int                                   // how many are kept; default 512
	Proxy   func(*http.Request) (*url.URL, error) // HTTPS only; nil: none
}

// Call is one request.
type Call struct {
	Method string
	Path   string // escaped, with the query
	Header http.Header
	// Body is sent in pieces, so that a field in the middle of a large body can be replaced without copying it.
	Body [][]byte
	// Source is sent instead of Body where it is set; Length is its length, -1 when unknown.
	Source io.Reader
	Length int64
	// Replay says that the call may be sent a second time on a new connection if the server closed the old one
	// without a byte of an answer. A Source is never replayed.
	Replay bool
	// FirstByte bounds the wait for the first byte of the answer; zero: only the context does.
	FirstByte time.Duration
}

// Response is an answer whose body has not been read yet. Close must be called.
type Response struct {
	Status int
	Header http.Header
	Length int64 // -1 when unknown
	body   body
}

type body interface {
	io.ReadCloser
	setIdle(time.Duration)
	ready() bool
}

// SetIdle bounds the wait for each further read; zero lifts the bound.
func (r *Response) SetIdle(d time.Duration) { r.body.setIdle(d) }

// Read reads the body. A body that ends before its length or its last chunk gives io.ErrUnexpectedEOF.
func (r *Response) Read(p []byte) (int, error) { return r.body.Read(p) }

// Ready reports whether a Read would return at once. Where that cannot be told it is false.
func (r *Response) Ready() bool { return r.body.ready() }

// Close frees the connection: for the next call if the body was read to its end, else by closing it.
func (r *Response) Close() error { return r.body.Close() }

// ErrTimeout says that the server let a deadline pass.
var ErrTimeout = errors.New("no answer in time")

// ErrDial wraps whatever kept a connection from being made.
var ErrDial = errors.New("cannot connect")

// Client calls one server. It is safe for concurrent use.
type Client struct {
	base url.URL
	o    Options
	pool *pool           // plain HTTP
	std  *http.Transport // HTTPS
	ends atomic.Int64    // Unix seconds until which the certificate of the last connection is valid; 0: there was none
}

// New makes a Client for the server at base, of which scheme and host count.
func New(base *url.URL, o Options) *Client {
	if o.Connect <= 0 {
		o.Connect = 2 * time.Second
	}
	if o.Idle <= 0 {
		o.Idle = 90 * time.Second
	}
	if o.MaxIdle <= 0 {
		o.MaxIdle = 512
	}
	c := &Client{base: *base, o: o}
	d := &net.Dialer{Timeout: o.Connect, KeepAlive: 30 * time.Second}
	if base.Scheme == "http" {
		port := base.Port()
		if port == "" {
			port = "80"
		}
		c.pool = newPool(d, net.JoinHostPort(base.Hostname(), port), base.Host, o.Idle, o.MaxIdle)
		return c
	}
	c.std = &http.Transport{
		Proxy: o.Proxy, DialContext: d.DialContext, TLSHandshakeTimeout: 5 * o.Connect, ForceAttemptHTTP2: true,
		MaxIdleConns: o.MaxIdle, MaxIdleConnsPerHost: o.MaxIdle, IdleConnTimeout: o.Idle, DisableCompression: true,
		MaxResponseHeaderBytes: maxHead, ExpectContinueTimeout: time.Second,
		TLSClientConfig: &tls.Config{VerifyConnection: c.verified},
	}
	return c
}

// verified takes down until when the server's certificates are valid, after they have been found good.
func (c *Client) verified(s tls.ConnectionState) error {
	if s.ServerName != "" && s.ServerName != c.base.Hostname() { // a proxy's own; an address has no name
		return nil
	}
	ends := int64(0)
	for _, chain := range s.VerifiedChains {
		least := int64(math.MaxInt64)
		for _, cert := range chain {
			least = min(least, cert.NotAfter.Unix())
		}
		ends = max(ends, least)
	}
	if ends > 0 {
		c.ends.Store(ends)
	}
	return nil
}

// CertificateEnds is when the server's certificate, or one that it rests on, is no longer valid, as of the newest connection. Zero:
// there was none, or it is not encrypted.
func (c *Client) CertificateEnds() time.Time {
	if ends := c.ends.Load(); ends > 0 {
		return time.Unix(ends, 0)
	}
	return time.Time{}
}

// Close closes the connections that no call is using; those in use close when their calls end.
func (c *Client) Close() {
	if c.pool != nil {
		c.pool.close()
		return
	}
	c.std.CloseIdleConnections()
}

// Do sends call and waits for the head of the answer. When ctx ends, before or after that, the connection is closed at
// once. The error wraps ErrDial, ErrTimeout, the context's, or what the connection gave.
func (c *Client) Do(ctx context.Context, call *Call) (*Response, error) {
	if c.pool != nil {
		return c.pool.do(ctx, call)
	}
	return c.viaTransport(ctx, call)
}
