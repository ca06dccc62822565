package gateway

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

const (
	firstPart    = 2 << 20          // bytes: a body up to here is read into one buffer, a larger one in pieces of this size
	bodyBudget   = 256 << 20        // bytes of all bodies over firstPart together
	bodyPatience = 30 * time.Second // a body may stall this long
)

// Decoder is the stage that reads bodies: bounded, valid JSON, and with the few fields known that decide.
type Decoder struct {
	Max    func() int64 // bytes of one body
	budget atomic.Int64 // taken by large bodies
}

// Buffers for small bodies and for large ones are kept apart: a large one found where a small one would do is memory
// held for nothing, and a small one found for a large body is of no use.
var (
	smallBodies = sync.Pool{New: func() any { b := make([]byte, 0, smallBody); return &b }}
	largeBodies = sync.Pool{New: func() any { b := make([]byte, 0, firstPart+1); return &b }}
)

const smallBody = 32 << 10 // bytes

// Stage reads r.Source into r.Body. The memory is used again once the reply is closed by the handler in front.
func (d *Decoder) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		ep := r.Endpoint
		if ep.NoBody || ep.Task == llm.Upload || r.Length == 0 {
			r.Stream = ep.Streams && !ep.NoBody
			return next.Serve(ctx, r)
		}
		if err := d.read(r); err != nil {
			return nil, err
		}
		if ep.Pattern != "/api/" && ep.Pattern != "/v1/" && len(r.Body) > 0 {
			p, err := dialect.Peek(r.Body)
			if err != nil {
				return nil, llm.Errorf(llm.Invalid, "read body", err, "The request body is not valid JSON: %v.", err)
			}
			r.Fields, r.Model, r.Stream = p.Fields, p.Model, ep.Streams
			if p.HasStream {
				r.Stream = p.Stream
			}
		}
		return next.Serve(ctx, r)
	})
}

func (d *Decoder) tooLarge() *llm.Error {
	return llm.Errorf(llm.TooLarge, "read body", nil,
		"The request body is over the limit of %d bytes; raise limits.body in corral.yaml if it should pass.", d.Max())
}

func (d *Decoder) read(r *llm.Request) error {
	max := d.Max()
	if r.Length > max {
		return d.tooLarge()
	}
	src := r.Source
	if enc := r.Header["Content-Encoding"]; len(enc) > 0 && !strings.EqualFold(enc[0], "identity") {
		var err error
		if src, err = unpack(src, enc[0], max); err != nil {
			return llm.Errorf(llm.Invalid, "read body", err, "The body's Content-Encoding %q cannot be read; send gzip, zstd or none.", clip(enc[0], 40))
		}
		src = &unpacked{src, enc[0]}
		delete(r.Header, "Content-Encoding")
		r.Length = -1
	}
	pool := &smallBodies
	if r.Length >= smallBody {
		pool = &largeBodies
	}
	p := pool.Get().(*[]byte)
	buf := (*p)[:0]
	r.Release = func() { pool.Put(p) }
	for {
		if len(buf) == cap(buf) {
			if cap(buf) > firstPart {
				break
			}
			// A body of unknown length turned out to be a large one.
			was := p
			p = largeBodies.Get().(*[]byte)
			buf = append((*p)[:0], buf...)
			pool.Put(was)
			pool = &largeBodies
		}
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if int64(len(buf)) > max {
			return d.tooLarge()
		}
		if err == io.EOF {
			r.Body = buf
			return nil
		}
		if err != nil {
			return llm.AsError(err)
		}
	}
	return d.large(r, src, buf, max)
}

// large reads what comes after the first part in pieces, so that a body costs memory only as it comes, and all large ones
// together no more than bodyBudget.
func (d *Decoder) large(r *llm.Request, src io.Reader, first []byte, max int64) error {
	parts := [][]byte{first}
	total := int64(len(first))
	var taken int64
	release := r.Release
	r.Release = func() { d.budget.Add(-taken); release() }
	for {
		taken += firstPart
		if d.budget.Add(firstPart) > bodyBudget {
			return llm.Errorf(llm.Busy, "read body", nil, "Too many large requests at once; please try again in a moment.")
		}
		part := make([]byte, firstPart)
		n, err := io.ReadFull(src, part)
		parts = append(parts, part[:n])
		total += int64(n)
		if total > max {
			return d.tooLarge()
		}
		if err == nil {
			continue
		}
		if err != io.EOF && err != io.ErrUnexpectedEOF {
			return llm.AsError(err)
		}
		body := make([]byte, 0, total)
		for _, p := range parts {
			body = append(body, p...)
		}
		r.Body = body
		return nil
	}
}

// unpack reads a compressed body. Its length is bounded by what comes out, not by what goes in.
func unpack(src io.Reader, encoding string, max int64) (io.Reader, error) {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "gzip":
		return gzip.NewReader(src)
	case "zstd":
		z, err := zstd.NewReader(src, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max)+firstPart), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return z.IOReadCloser(), nil
	}
	return nil, errors.New("unknown encoding")
}

// unpacked is what comes out of a packed body. That it cannot be unpacked is the caller's mistake.
type unpacked struct {
	r        io.Reader
	encoding string
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	if of := (*llm.Error)(nil); err == nil || err == io.EOF || errors.As(err, &of) {
		return n, err
	}
	return n, llm.Errorf(llm.Invalid, "read body", err, "The request body is not the %s that its Content-Encoding says: %v.", u.encoding, err)
}

// source is a body as it comes over the connection, with a deadline that moves on as bytes arrive. Its errors are
// *llm.Error, so that nobody after it needs to know of net/http.
type source struct {
	r    io.Reader
	rc   *http.ResponseController
	last time.Time
}

func (s *source) Read(p []byte) (int, error) {
	if now := time.Now(); now.Sub(s.last) > bodyPatience/8 {
		s.last = now
		s.rc.SetReadDeadline(now.Add(bodyPatience))
	}
	n, err := s.r.Read(p)
	if err == nil {
		return n, nil
	}
	if err == io.EOF {
		s.rc.SetReadDeadline(time.Time{})
		return n, io.EOF
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return n, llm.Errorf(llm.SlowCaller, "read body", err, "The request body stopped coming for %v.", bodyPatience)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, http.ErrBodyReadAfterClose) {
		return n, &llm.Error{Kind: llm.Gone, Op: "read body", Message: "The request body ended early.", Err: err}
	}
	return n, llm.Errorf(llm.Invalid, "read body", err, "The request body could not be read.")
}
