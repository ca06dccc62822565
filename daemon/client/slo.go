package client

import (
	"context"
	"net/http"

	"corral/daemon/slo"
)

// Levels are the service's levels over an hour, a day and 30 days, with error budgets and burn rates.
func (c *Client) Levels(ctx context.Context) (r slo.Report, err error) {
	err = c.do(ctx, http.MethodGet, "/slo", nil, &r)
	return r, err
}
