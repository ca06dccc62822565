package outbound

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// viaTransport sends call over net/http. Deadlines are kept by a timer that cancels the request.
func (c *Client) viaTransport(ctx context.Context, call *Call) (*Response, error) {
	u, err := url.Parse(c.base.Scheme + "://" + c.base.Host + call.Path)
	if err != nil {
		return nil, fmt.Errorf("make URL: %w", err)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	w := &watch{cancel: cancel}
	w.setIdle(call.FirstByte)
	header := call.Header
	if header == nil {
		header = http.Header{}
	}
	var connected atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { connected.Store(true) }})
	req := (&http.Request{Method: call.Method, URL: u, Host: c.base.Host, Header: header, ProtoMajor: 1, ProtoMinor: 1}).WithContext(traced)
	switch {
	case call.Source != nil:
		req.Body, req.ContentLength = io.NopCloser(call.Source), call.Length
	case len(call.Body) > 0:
		// The Transport may go on reading a body after it has answered, while the caller uses its memory again.
		whole := bytes.Join(call.Body, nil)
		get := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(whole)), nil }
		req.Body, _ = get()
		req.ContentLength = int64(len(whole))
		if call.Replay {
			req.GetBody = get
		}
	}
	res, err := c.std.RoundTrip(req)
	if err != nil {
		w.stop()
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		} else if !connected.Load() { // nobody there, or a certificate that is not to be trusted: nothing of the call was sent
			err = fmt.Errorf("%w: %w", ErrDial, err)
		}
		cancel(nil)
		return nil, err
	}
	if cause := context.Cause(ctx); cause != nil {
		// Hanging up makes some servers end their answer in haste, and that may come through before the connection is closed.
		w.stop()
		res.Body.Close()
		return nil, cause
	}
	w.ctx, w.rc = ctx, res.Body
	w.setIdle(0) // that was for the first byte
	return &Response{Status: res.StatusCode, Header: res.Header, Length: res.ContentLength, body: w}, nil
}

// watch is a body whose reads are bounded by a timer.
type watch struct {
	ctx    context.Context
	rc     io.ReadCloser
	cancel context.CancelCauseFunc

	mu    sync.Mutex // guards idle and timer
	idle  time.Duration
	timer *time.Timer
}

func (w *watch) setIdle(d time.Duration) {
	w.mu.Lock()
	w.idle = d
	w.mu.Unlock()
	w.again()
}

// again starts the wait anew.
func (w *watch) again() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.idle <= 0:
		if w.timer != nil {
			w.timer.Stop()
		}
	case w.timer == nil:
		w.timer = time.AfterFunc(w.idle, func() { w.cancel(ErrTimeout) })
	default:
		w.timer.Reset(w.idle)
	}
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
}

func (w *watch) Read(p []byte) (int, error) {
	n, err := w.rc.Read(p)
	if err == nil {
		w.again()
		return n, nil
	}
	w.stop()
	if cause := context.Cause(w.ctx); cause != nil {
		err = cause // even a clean end: it is the server's answer to our hanging up
	}
	return n, err
}

func (w *watch) ready() bool { return false }

func (w *watch) Close() error {
	w.stop()
	w.cancel(context.Canceled)
	return w.rc.Close()
}
