package client

import (
	"context"
	"net/http"

	"corral/daemon/admin"
)

// Guard is what is looked for in the text of calls, and what was found.
func (c *Client) Guard(ctx context.Context) (out admin.Texts, err error) {
	err = c.do(ctx, http.MethodGet, "/guard", nil, &out)
	return out, err
}

// TryGuard is what would be found in text.
func (c *Client) TryGuard(ctx context.Context, text string) (out admin.TextTried, err error) {
	err = c.do(ctx, http.MethodPost, "/guard/try", map[string]string{"text": text}, &out)
	return out, err
}
