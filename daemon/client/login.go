package client

import (
	"context"
	"net/http"

	"corral/daemon/admin"
)

// Link makes a one-time link to the page. at is the address by which the browser reaches Corral; empty: the listener's own.
// private makes a name for this login only, so that no other web server of this machine gets its cookie.
func (c *Client) Link(ctx context.Context, at string, private bool) (l admin.Link, err error) {
	in := map[string]any{"private": private}
	if at != "" {
		in["at"] = at
	}
	err = c.do(ctx, http.MethodPost, "/session/link", in, &l)
	return l, err
}

// EndSessions logs every browser out, and returns how many there were.
func (c *Client) EndSessions(ctx context.Context) (ended int, err error) {
	var out struct{ Ended int }
	err = c.do(ctx, http.MethodDelete, "/sessions", nil, &out)
	return out.Ended, err
}
