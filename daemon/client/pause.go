package client

import (
	"context"
	"net/http"
)

// Pause keeps new calls out, or lets them in again.
func (c *Client) Pause(ctx context.Context, on bool) error {
	path := "/resume"
	if on {
		path = "/pause"
	}
	return c.do(ctx, http.MethodPost, path, nil, nil)
}
