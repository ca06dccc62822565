package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"
	"google.golang.org/protobuf/encoding/protowire"
)

// upload is the way to one collector: OTLP over HTTP, binary and compressed
// (https://opentelemetry.io/docs/specs/otlp/#otlphttp). One goroutine uses it.
type upload struct {
	url     string
	shown   string // in the log
	headers func() (http.Header, error)
	agent   string
	client  *http.Client
}

func newUpload(o Options, r Rules) *upload {
	to := strings.TrimRight(r.URL, "/")
	if !strings.HasSuffix(to, "/v1/traces") {
		to += "/v1/traces"
	}
	u := &upload{url: to, shown: to, headers: r.Headers, agent: "corral/" + o.Version, client: &http.Client{
		Transport:     &http.Transport{Proxy: o.Proxy, MaxIdleConns: 1, IdleConnTimeout: 30 * time.Second, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the keys in the headers would go along
	}}
	if at, err := url.Parse(to); err == nil {
		u.shown = at.Redacted()
	}
	return u
}

func (u *upload) close() { u.client.CloseIdleConnections() }

// send brings spans there, a TracesData, and says how many of them the collector did not want. It tries again as long as that
// may help and ctx goes on, but once after stop is closed.
func (u *upload) send(ctx context.Context, spans []byte, stop <-chan struct{}) (refused int, err error) {
	body := packed(spans)
	for wait := 500 * time.Millisecond; ; wait *= 2 {
		refused, again, after, err := u.post(ctx, body)
		if err == nil || !again {
			return refused, err
		}
		if after == 0 {
			after = wait/2 + rand.N(wait)
		}
		if until, ok := ctx.Deadline(); ok && time.Until(until) <= after {
			return 0, err
		}
		t := time.NewTimer(after)
		select {
		case <-t.C:
		case <-stop:
			t.Stop()
			return 0, err
		case <-ctx.Done():
			t.Stop()
			return 0, err
		}
	}
}

var zips = sync.Pool{New: func() any { z, _ := gzip.NewWriterLevel(nil, gzip.BestSpeed); return z }}

// packed is the body of the request: an ExportTraceServiceRequest, which has the same form as a TracesData, compressed.
func packed(spans []byte) []byte {
	var b bytes.Buffer
	z := zips.Get().(*gzip.Writer)
	defer zips.Put(z)
	z.Reset(&b)
	z.Write(spans) // to memory: it cannot fail
	z.Close()
	return b.Bytes()
}

// post sends body once. again says that another try may help, and after when the collector wants it; 0: it did not say.
func (u *upload) post(ctx context.Context, body []byte) (refused int, again bool, after time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.url, bytes.NewReader(body))
	if err != nil {
		return 0, false, 0, err
	}
	if u.headers != nil {
		h, err := u.headers()
		if err != nil {
			return 0, false, 0, err
		}
		for k, v := range h {
			req.Header[k] = v
		}
	}
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("Content-Encoding", "gzip")
	req.Header.Set("User-Agent", u.agent)
	res, err := u.client.Do(req)
	if err != nil {
		var e *url.Error
		if errors.As(err, &e) {
			err = e.Err // the address stands in the log already
		}
		return 0, ctx.Err() == nil, 0, err
	}
	defer res.Body.Close()
	said, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if res.StatusCode/100 == 2 {
		return rejected(said), false, 0, nil
	}
	err = fmt.Errorf("the collector answered with status %d", res.StatusCode)
	switch res.StatusCode {
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		n, _ := strconv.Atoi(res.Header.Get("Retry-After"))
		return 0, true, time.Duration(max(n, 0)) * time.Second, err
	}
	return 0, false, 0, err
}

// rejected reads the count of spans that the collector did not take: rejected_spans, member 1 of partial_success, member 1 of an
// ExportTraceServiceResponse (https://github.com/open-telemetry/opentelemetry-proto, collector/trace/v1).
func rejected(answer []byte) int {
	part, ok := member(answer, protowire.BytesType)
	if !ok {
		return 0
	}
	part, _ = protowire.ConsumeBytes(part)
	if part, ok = member(part, protowire.VarintType); !ok {
		return 0
	}
	n, _ := protowire.ConsumeVarint(part)
	return int(min(n, 1<<20))
}

// member finds member 1 of a message.
func member(b []byte, as protowire.Type) ([]byte, bool) {
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, false
		}
		if b = b[n:]; number == 1 && kind == as {
			return b, protowire.ConsumeFieldValue(number, kind, b) >= 0
		}
		if n = protowire.ConsumeFieldValue(number, kind, b); n < 0 {
			return nil, false
		}
		b = b[n:]
	}
	return nil, false
}
