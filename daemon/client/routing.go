package client

import (
	"context"
	"net/http"
	"net/url"

	"corral/daemon/admin"
	"corral/store/secrets"
)

// TestProvider tries whether a model server answers and takes its key.
func (c *Client) TestProvider(ctx context.Context, in admin.ProviderTest) (out admin.ProviderTested, err error) {
	err = c.do(ctx, http.MethodPost, "/providers/test", in, &out)
	return out, err
}

// Secrets are the names of the keys that are kept, and where.
func (c *Client) Secrets(ctx context.Context) ([]secrets.Entry, error) {
	var out struct {
		Secrets []secrets.Entry `json:"secrets"`
	}
	err := c.do(ctx, http.MethodGet, "/secrets", nil, &out)
	return out.Secrets, err
}

// SetSecret keeps a provider's key.
func (c *Client) SetSecret(ctx context.Context, name, key string) (kept secrets.Entry, err error) {
	err = c.do(ctx, http.MethodPut, "/secrets/"+url.PathEscape(name), map[string]string{"key": key}, &kept)
	return kept, err
}

// RemoveSecret forgets one.
func (c *Client) RemoveSecret(ctx context.Context, name string) error {
	return c.do(ctx, http.MethodDelete, "/secrets/"+url.PathEscape(name), nil, nil)
}

// Explain says what would happen to a call.
func (c *Client) Explain(ctx context.Context, in admin.Explain) (out admin.Explained, err error) {
	err = c.do(ctx, http.MethodPost, "/explain", in, &out)
	return out, err
}

// Outages are the targets that are made to fail.
func (c *Client) Outages(ctx context.Context) ([]admin.Outage, error) {
	var out struct{ Outages []admin.Outage }
	err := c.do(ctx, http.MethodGet, "/outages", nil, &out)
	return out.Outages, err
}

// BeginOutage makes a target fail for a while.
func (c *Client) BeginOutage(ctx context.Context, in admin.NewOutage) (out admin.Outage, err error) {
	err = c.do(ctx, http.MethodPost, "/outages", in, &out)
	return out, err
}

// EndOutage ends one before its time.
func (c *Client) EndOutage(ctx context.Context, provider, model string) error {
	return c.do(ctx, http.MethodDelete, "/outages?"+url.Values{"provider": {provider}, "model": {model}}.Encode(), nil, nil)
}
