package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"

	"corral/daemon/admin"
	"corral/daemon/config"
)

// ConfigFile is corral.yaml as it stands, and what is in force.
func (c *Client) ConfigFile(ctx context.Context) (f admin.ConfigFile, err error) {
	err = c.do(ctx, http.MethodGet, "/config", nil, &f)
	return f, err
}

// CheckConfig says what a text would do in place of the file's.
func (c *Client) CheckConfig(ctx context.Context, text string) (r admin.ConfigReview, err error) {
	err = c.do(ctx, http.MethodPost, "/config/check", admin.ConfigText{Text: text}, &r)
	return r, err
}

// WriteConfig writes the file if it still has the revision, and takes it over.
func (c *Client) WriteConfig(ctx context.Context, revision, text string) (admin.ConfigReview, error) {
	return c.changeConfig(ctx, http.MethodPut, revision, admin.ConfigText{Text: text})
}

// EditConfig changes single settings if the file still has the revision; dry: it only says what that would do.
func (c *Client) EditConfig(ctx context.Context, revision string, dry bool, edits ...config.Edit) (admin.ConfigReview, error) {
	return c.changeConfig(ctx, http.MethodPatch, revision, admin.ConfigEdits{Edits: edits, DryRun: dry})
}

func (c *Client) changeConfig(ctx context.Context, method, revision string, in any) (r admin.ConfigReview, err error) {
	b, err := json.Marshal(in)
	if err != nil {
		return r, err
	}
	res, err := c.sendWith(ctx, method, "/config", bytes.NewReader(b), http.Header{"Content-Type": {"application/json"}, "If-Match": {`"` + revision + `"`}})
	if err != nil {
		return r, err
	}
	defer res.Body.Close()
	return r, json.NewDecoder(res.Body).Decode(&r)
}
