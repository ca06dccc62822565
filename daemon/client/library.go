package client

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"corral/daemon/admin"
	"corral/daemon/library"
)

// Library is the models on this device, and those on their way.
func (c *Client) Library(ctx context.Context) (l admin.Library, err error) {
	err = c.do(ctx, http.MethodGet, "/library", nil, &l)
	return l, err
}

// Model is one model on this device. provider may be empty: the first that has it.
func (c *Client) Model(ctx context.Context, provider, name string) (m library.Model, err error) {
	err = c.do(ctx, http.MethodGet, modelPath(name, "", provider), nil, &m)
	return m, err
}

// Pull begins to get a model; joined: it was on its way already. provider may be empty.
func (c *Client) Pull(ctx context.Context, provider, name string, insecure bool) (p library.Pull, joined bool, err error) {
	in := map[string]any{"model": name}
	if provider != "" {
		in["provider"] = provider
	}
	if insecure {
		in["insecure"] = true
	}
	var out struct {
		library.Pull
		Joined bool `json:"joined"`
	}
	err = c.do(ctx, http.MethodPost, "/library/pulls", in, &out)
	return out.Pull, out.Joined, err
}

// Pulls are those under way and the last ones that are over, newest first.
func (c *Client) Pulls(ctx context.Context) ([]library.Pull, error) {
	var out struct {
		Pulls []library.Pull `json:"pulls"`
	}
	err := c.do(ctx, http.MethodGet, "/library/pulls", nil, &out)
	return out.Pulls, err
}

// CancelPull ends a pull.
func (c *Client) CancelPull(ctx context.Context, id string) (p library.Pull, err error) {
	err = c.do(ctx, http.MethodDelete, "/library/pulls/"+url.PathEscape(id), nil, &p)
	return p, err
}

// RemoveModel deletes a model from the disk; one that the config names only with force.
func (c *Client) RemoveModel(ctx context.Context, provider, name string, force bool) (m library.Model, err error) {
	path := modelPath(name, "", provider)
	if force {
		path += "&force=true"
	}
	err = c.do(ctx, http.MethodDelete, path, nil, &m)
	return m, err
}

// LoadModel reads a model into memory and has it kept for so long after its last use: 30m, forever; empty: as its server does by itself.
func (c *Client) LoadModel(ctx context.Context, provider, name, keep string) (m library.Model, err error) {
	in := map[string]string{}
	if keep != "" {
		in["keep"] = keep
	}
	// Longer than the daemon waits: it then says what became of it. Before and after that it looks at what there is.
	err = c.doWithin(ctx, library.LoadTimeout+time.Minute, http.MethodPost, modelPath(name, "/load", provider), in, &m)
	return m, err
}

// UnloadModel lets go of a model.
func (c *Client) UnloadModel(ctx context.Context, provider, name string) (m library.Model, err error) {
	err = c.do(ctx, http.MethodPost, modelPath(name, "/unload", provider), nil, &m)
	return m, err
}

func modelPath(name, what, provider string) string {
	return "/library/models/" + url.PathEscape(name) + what + "?provider=" + url.QueryEscape(provider)
}
