package anchor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"corral/daemon/outbound"
)

// OriginHeader tells a hook which ledger a head is of, so that one hook can serve many.
const OriginHeader = "Corral-Ledger"

// maxAnswer bounds what is read of a hook's answer, in bytes. Nothing is made of it.
const maxAnswer = 4 << 10

// Hook is a web service that heads are sent to: one POST each, whose body is the signed note. Any status of success says
// that it was taken; a redirect is not followed.
type Hook struct {
	URL    *url.URL
	Client outbound.Options
}

// Name is the address.
func (h *Hook) Name() string { return h.URL.Redacted() }

// Publish sends it, within five seconds.
func (h *Hook) Publish(ctx context.Context, signed []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%w: %s", outbound.ErrTimeout, patience))
	defer cancel()
	// Heads are at least a second apart and mostly a minute: a connection that waits for the next one is worth nothing.
	c := outbound.New(h.URL, h.Client)
	defer c.Close()
	path := h.URL.EscapedPath()
	if path == "" {
		path = "/"
	}
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, OriginHeader: {origin(signed)}, "User-Agent": {"corral"}}
	res, err := c.Do(ctx, &outbound.Call{Method: http.MethodPost, Path: path, Header: header, Body: [][]byte{signed}, FirstByte: patience})
	if err != nil {
		return fmt.Errorf("send to the hook: %w", err)
	}
	defer res.Close()
	res.SetIdle(time.Second)
	switch {
	case res.Status >= 300 && res.Status < 400:
		return fmt.Errorf("the hook answered %d and points elsewhere, which is not followed; name the place itself", res.Status)
	case res.Status < 200 || res.Status > 299:
		return fmt.Errorf("the hook answered %d %s", res.Status, http.StatusText(res.Status))
	}
	// The status says all. The body is read so that the other side is not cut off in the middle of it; what becomes of that does not matter.
	_, _ = io.CopyN(io.Discard, res, maxAnswer)
	return nil
}
