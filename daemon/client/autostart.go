package client

import (
	"context"
	"net/http"

	"corral/daemon/admin"
)

// Autostart is whether Corral starts at login.
func (c *Client) Autostart(ctx context.Context) (a admin.AtLogin, err error) {
	err = c.do(ctx, http.MethodGet, "/autostart", nil, &a)
	return a, err
}

// SetAutostart has Corral start at login, or not.
func (c *Client) SetAutostart(ctx context.Context, on bool) (a admin.AtLogin, err error) {
	err = c.do(ctx, http.MethodPut, "/autostart", map[string]bool{"enabled": on}, &a)
	return a, err
}
