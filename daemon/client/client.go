// Package client speaks to a daemon's operator API. The command line and the window use nothing else.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"corral/daemon/admin"
)

// Client is for one daemon.
type Client struct {
	base, token string
	http        *http.Client
}

// ErrNotRunning says that no daemon answers there.
var ErrNotRunning = errors.New("corral is not running here; start it with `corral serve`")

// Error is what the daemon refused, in its own words.
type Error struct {
	Status int
	Detail string
}

func (e *Error) Error() string { return e.Detail }

// Open makes a Client for the daemon that has dataDir. It goes through the daemon's socket there, which nobody else can put
// in its place; where there is none, to the address that the daemon wrote down. address, if not empty, goes before both.
func Open(dataDir, address, addressFile string) (*Client, error) {
	transport := &http.Transport{DisableKeepAlives: true}
	socket := filepath.Join(dataDir, admin.SocketFile)
	if info, err := os.Lstat(socket); address == "" && err == nil && info.Mode().Type() == fs.ModeSocket {
		transport.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		}
		address = "http://corral"
	}
	if address == "" {
		b, err := os.ReadFile(filepath.Join(dataDir, addressFile))
		if errors.Is(err, os.ErrNotExist) {
			return nil, ErrNotRunning
		}
		if err != nil {
			return nil, fmt.Errorf("find the daemon: %w", err)
		}
		address = strings.TrimSpace(string(b))
	}
	token, err := os.ReadFile(filepath.Join(dataDir, admin.TokenFile))
	if err != nil {
		return nil, fmt.Errorf("read the operator's token: %w", err)
	}
	if !strings.Contains(address, "://") {
		address = "http://" + admin.Reachable(address)
	}
	return &Client{base: strings.TrimSuffix(address, "/") + admin.Base, token: strings.TrimSpace(string(token)),
		http: &http.Client{Transport: transport}}, nil
}

// send sends one request and returns an answer that is not a refusal. The caller closes its body.
func (c *Client) send(ctx context.Context, method, path string, body io.Reader, contentType string) (*http.Response, error) {
	h := http.Header{}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return c.sendWith(ctx, method, path, body, h)
}

// sendWith is send with headers.
func (c *Client) sendWith(ctx context.Context, method, path string, body io.Reader, h http.Header) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = h
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if errors.Is(err, fs.ErrPermission) {
			return nil, fmt.Errorf("the daemon with this data folder is another user's: %w", err)
		}
		return nil, fmt.Errorf("%w (%v)", ErrNotRunning, err)
	}
	if res.StatusCode < 300 {
		return res, nil
	}
	defer res.Body.Close()
	var p struct { // RFC 9457, and huma's list of what was wrong with each field
		Detail string
		Error  string // where a model was asked: Ollama's shape
		Errors []struct {
			Message, Location string
			Value             any
		}
	}
	b, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if json.Unmarshal(b, &p) == nil && p.Detail == "" {
		p.Detail = p.Error
	}
	if p.Detail == "" {
		p.Detail = fmt.Sprintf("the daemon answered %s", res.Status)
	}
	for _, e := range p.Errors {
		if e.Message == "" || strings.Contains(p.Detail, e.Message) {
			continue // it is said already
		}
		said := e.Message
		if field := e.Location[strings.LastIndexByte(e.Location, '.')+1:]; field != "" {
			said = field + ": " + said
		}
		switch given := e.Value.(type) {
		case string:
			if len(given) <= maxGiven {
				said += fmt.Sprintf(", not %q", given)
			}
		case float64, bool:
			said += fmt.Sprintf(", not %v", given)
		}
		if p.Detail == validationFailed {
			p.Detail = said // what it is that failed says all of it
			continue
		}
		p.Detail += "\n" + said
	}
	return nil, &Error{res.StatusCode, p.Detail}
}

// validationFailed is all that huma says before its list of what was wrong.
const validationFailed = "validation failed"

// maxGiven bounds a text that a refusal repeats, in bytes: it may be a whole file.
const maxGiven = 100

// patience is how long an answer may take, but for what is known to take longer.
const patience = 5 * time.Minute

// do sends in as JSON, where it is not nil, and reads the answer into out.
func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	return c.doWithin(ctx, patience, method, path, in, out)
}

func (c *Client) doWithin(ctx context.Context, within time.Duration, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	var body io.Reader
	contentType := ""
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	res, err := c.send(ctx, method, path, body, contentType)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil || res.StatusCode == http.StatusNoContent {
		return nil
	}
	return json.NewDecoder(io.LimitReader(res.Body, 1<<30)).Decode(out)
}

// Status is how the daemon is.
func (c *Client) Status(ctx context.Context) (s admin.Status, err error) {
	err = c.do(ctx, http.MethodGet, "/status", nil, &s)
	return s, err
}

// Health is every condition, and what the machine shows.
func (c *Client) Health(ctx context.Context) (h admin.Health, err error) {
	err = c.do(ctx, http.MethodGet, "/health", nil, &h)
	return h, err
}

// Targets are those that calls have gone to, and the queues in front of servers on this device.
func (c *Client) Targets(ctx context.Context) ([]admin.Target, []admin.Queue, error) {
	var out struct {
		Targets []admin.Target
		Queues  []admin.Queue
	}
	err := c.do(ctx, http.MethodGet, "/targets", nil, &out)
	return out.Targets, out.Queues, err
}

// Breaker opens, closes or pins a target's breaker.
func (c *Client) Breaker(ctx context.Context, in admin.Breaker) error {
	return c.do(ctx, http.MethodPost, "/breaker", in, nil)
}

// Reload makes it read its config again.
func (c *Client) Reload(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/config/reload", nil, nil)
}

// Log is what it logs.
func (c *Client) Log(ctx context.Context) (l admin.Log, err error) {
	err = c.do(ctx, http.MethodGet, "/log", nil, &l)
	return l, err
}

// SetLog makes it log level and what is worse: debug, info, warn or error.
func (c *Client) SetLog(ctx context.Context, level string) (l admin.Log, err error) {
	err = c.do(ctx, http.MethodPut, "/log", map[string]string{"level": level}, &l)
	return l, err
}

// Keys are the keys of apps.
func (c *Client) Keys(ctx context.Context) ([]admin.Key, error) {
	var out struct{ Keys []admin.Key }
	err := c.do(ctx, http.MethodGet, "/keys", nil, &out)
	return out.Keys, err
}

// CreateKey makes a key that expires after days; 0: never.
func (c *Client) CreateKey(ctx context.Context, name string, days int) (k admin.NewKey, err error) {
	in := map[string]any{"name": name}
	if days != 0 { // one below 0 is the daemon's to refuse, and no key without an end
		in["days"] = days
	}
	err = c.do(ctx, http.MethodPost, "/keys", in, &k)
	return k, err
}

// RevokeKey makes a key of no use.
func (c *Client) RevokeKey(ctx context.Context, idOrName string) (k admin.Key, err error) {
	err = c.do(ctx, http.MethodDelete, "/keys/"+url.PathEscape(idOrName), nil, &k)
	return k, err
}
