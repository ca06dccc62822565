package client

import (
	"context"
	"net/http"
	"net/url"

	"corral/daemon/admin"
	"corral/daemon/cache"
)

// CacheStats are how the cache is.
func (c *Client) CacheStats(ctx context.Context) (s cache.Stats, err error) {
	err = c.do(ctx, http.MethodGet, "/cache", nil, &s)
	return s, err
}

// CacheList are the kept answers that q chooses, newest first, and how many there are.
func (c *Client) CacheList(ctx context.Context, q Query) (items []cache.Item, all int, err error) {
	var out struct {
		Items []cache.Item `json:"items"`
		All   int          `json:"all"`
	}
	err = c.do(ctx, http.MethodGet, q.on("/cache/items"), nil, &out)
	return out.Items, out.All, err
}

// CacheShow is one kept answer. The beginning of its id is enough.
func (c *Client) CacheShow(ctx context.Context, id string) (it admin.CachedAnswer, err error) {
	err = c.do(ctx, http.MethodGet, "/cache/items/"+url.PathEscape(id), nil, &it)
	return it, err
}

// CacheClear removes the kept answers that q chooses, all where it is empty, and tells how many that were.
func (c *Client) CacheClear(ctx context.Context, q Query) (removed int, err error) {
	var out struct {
		Removed int `json:"removed"`
	}
	err = c.do(ctx, http.MethodDelete, q.on("/cache/items"), nil, &out)
	return out.Removed, err
}
