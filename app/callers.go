package app

import (
	"context"
	"strings"
	"time"

	"corral/daemon/client"
)

// callers tells keys' names by their ids, which is what the ledger has. Revoked ones are known too.
type callers struct {
	ctx   context.Context
	api   *client.Client
	names map[string]string // by id; empty: the daemon knows none, and was asked
}

// callers asks for the names when the first id comes.
func (e *env) callers(ctx context.Context, api *client.Client) *callers {
	return &callers{ctx: ctx, api: api, names: map[string]string{}}
}

// name is that of a key's id. What is none stays as it is, and so does all where the daemon does not tell.
func (c *callers) name(id string) string {
	if !strings.HasPrefix(id, "key_") {
		return id
	}
	if _, known := c.names[id]; !known { // made since, while the ledger was followed
		c.names[id] = ""
		ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
		defer cancel()
		keys, err := c.api.Keys(ctx)
		if err != nil {
			return id
		}
		for _, k := range keys {
			c.names[k.ID] = k.Name
		}
	}
	if name := c.names[id]; name != "" {
		return name
	}
	return id
}
