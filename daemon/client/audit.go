package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"corral/daemon/admin"
	"corral/daemon/pricing"
	"corral/store/ledger"
	"corral/store/ledger/usage"
)

// Query is what a request chooses by. Empty values choose nothing.
type Query map[string][]string

// Set sets a value, unless it is empty.
func (q Query) Set(name, value string) {
	if value != "" {
		q[name] = []string{value}
	}
}

// Add adds a value.
func (q Query) Add(name, value string) { q[name] = append(q[name], value) }

// Has reports whether the name has a value.
func (q Query) Has(name string) bool { return len(q[name]) > 0 }

func (q Query) on(path string) string {
	if len(q) == 0 {
		return path
	}
	return path + "?" + url.Values(q).Encode()
}

// Entries are those of the ledger that q chooses.
func (c *Client) Entries(ctx context.Context, q Query) ([]*admin.Entry, error) {
	var out struct {
		Entries []*admin.Entry `json:"entries"`
	}
	err := c.do(ctx, http.MethodGet, q.on("/audit/entries"), nil, &out)
	return out.Entries, err
}

// Entry is one, by request id or #number.
func (c *Client) Entry(ctx context.Context, id string) (*admin.Entry, error) {
	var out json.RawMessage
	if err := c.do(ctx, http.MethodGet, "/audit/entries/"+url.PathEscape(id), nil, &out); err != nil {
		return nil, err
	}
	e := new(admin.Entry)
	return e, json.Unmarshal(out, e)
}

// Follow calls f for each entry that q chooses, and for new ones as they come, until ctx ends.
func (c *Client) Follow(ctx context.Context, q Query, f func(*admin.Entry) error) error {
	return c.each(ctx, http.MethodGet, q.on("/audit/follow"), decoded(f))
}

func decoded(f func(*admin.Entry) error) func(*json.Decoder) error {
	return func(d *json.Decoder) error {
		e := new(admin.Entry)
		if err := d.Decode(e); err != nil {
			return err
		}
		return f(e)
	}
}

// Export writes the entries that q chooses to w.
func (c *Client) Export(ctx context.Context, q Query, w io.Writer) error {
	return c.copy(ctx, q.on("/audit/export"), w)
}

// ExportEntries calls f for each entry that q chooses, oldest first.
func (c *Client) ExportEntries(ctx context.Context, q Query, f func(*admin.Entry) error) error {
	return c.each(ctx, http.MethodGet, q.on("/audit/export"), decoded(f))
}

// Prove writes a proof of one entry to w.
func (c *Client) Prove(ctx context.Context, id string, reveal bool, w io.Writer) error {
	q := Query{}
	if reveal {
		q.Set("reveal", "true")
	}
	return c.copy(ctx, q.on("/audit/entries/"+url.PathEscape(id)+"/proof"), w)
}

// maxHeads bounds the signed heads that one verification is given; a request has a megabyte.
const maxHeads = 1500

// Verify checks the ledger, also against the newest signed heads given, and tells now and then how far it is.
func (c *Client) Verify(ctx context.Context, progress func(done, total uint64), heads ...[]byte) (v *ledger.Verification, err error) {
	var body io.Reader
	contentType := ""
	if len(heads) > 0 {
		var in struct {
			Heads []string `json:"heads"`
		}
		for _, h := range heads[max(0, len(heads)-maxHeads):] {
			in.Heads = append(in.Heads, string(h))
		}
		b, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(b), "application/json"
	}
	err = c.eachOf(ctx, http.MethodPost, "/audit/verify", body, contentType, func(d *json.Decoder) error {
		var step admin.VerifyStep
		if err := d.Decode(&step); err != nil {
			return err
		}
		if step.Error != "" {
			return errors.New(step.Error)
		}
		progress(step.Done, step.Total)
		if step.Result != nil {
			v = step.Result
		}
		return nil
	})
	if err == nil && v == nil {
		err = fmt.Errorf("the daemon ended before it was done: %w", io.ErrUnexpectedEOF)
	}
	return v, err
}

// Who is to be erased: one field is set.
type Who struct {
	User    string `json:"user,omitempty"`
	App     string `json:"app,omitempty"`
	Caller  string `json:"caller,omitempty"`
	Request string `json:"request,omitempty"`
}

// Erase destroys the keys of a person's entries, or of one.
func (c *Client) Erase(ctx context.Context, who Who) (done ledger.Erased, err error) {
	err = c.do(ctx, http.MethodPost, "/audit/erase", who, &done)
	return done, err
}

// Retain removes what is beyond the config's limits.
func (c *Client) Retain(ctx context.Context) (done ledger.Retained, err error) {
	err = c.do(ctx, http.MethodPost, "/audit/retain", nil, &done)
	return done, err
}

// RotateKey exchanges the ledger's top key.
func (c *Client) RotateKey(ctx context.Context) error {
	return c.do(ctx, http.MethodPost, "/audit/rotate-key", nil, nil)
}

// LedgerStatus is how the ledger is.
func (c *Client) LedgerStatus(ctx context.Context) (s ledger.Status, err error) {
	err = c.do(ctx, http.MethodGet, "/audit/status", nil, &s)
	return s, err
}

// Usage is what was used and spent.
func (c *Client) Usage(ctx context.Context, q Query) (*usage.Report, error) {
	r := new(usage.Report)
	return r, c.do(ctx, http.MethodGet, q.on("/usage"), nil, r)
}

// Prices are what models cost, and the model that savings are reckoned by.
func (c *Client) Prices(ctx context.Context) (prices []pricing.Price, baseline string, err error) {
	var out struct {
		Prices   []pricing.Price
		Baseline string
	}
	err = c.do(ctx, http.MethodGet, "/prices", nil, &out)
	return out.Prices, out.Baseline, err
}

// Backup writes a backup to w.
func (c *Client) Backup(ctx context.Context, w io.Writer) error { return c.copy(ctx, "/backup", w) }

// Restore puts a backup in place.
func (c *Client) Restore(ctx context.Context, backup io.Reader) (done ledger.Restored, err error) {
	res, err := c.send(ctx, http.MethodPost, "/restore", backup, "application/x-tar")
	if err != nil {
		return done, err
	}
	defer res.Body.Close()
	return done, json.NewDecoder(res.Body).Decode(&done)
}

// copy writes an answer of any length to w.
func (c *Client) copy(ctx context.Context, path string, w io.Writer) error {
	res, err := c.send(ctx, http.MethodGet, path, nil, "")
	if err != nil {
		return err
	}
	defer res.Body.Close()
	_, err = io.Copy(w, res.Body)
	return err
}

// each calls f for each JSON value of an answer, until its end.
func (c *Client) each(ctx context.Context, method, path string, f func(*json.Decoder) error) error {
	return c.eachOf(ctx, method, path, nil, "", f)
}

func (c *Client) eachOf(ctx context.Context, method, path string, body io.Reader, contentType string, f func(*json.Decoder) error) error {
	res, err := c.send(ctx, method, path, body, contentType)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	d := json.NewDecoder(res.Body)
	for {
		if err := f(d); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
