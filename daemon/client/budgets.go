package client

import (
	"context"
	"net/http"

	"corral/daemon/budget"
)

// Budgets are the config's, and what is spent of them now.
func (c *Client) Budgets(ctx context.Context) ([]budget.Balance, error) {
	var out struct {
		Budgets []budget.Balance `json:"budgets"`
	}
	err := c.do(ctx, http.MethodGet, "/budgets", nil, &out)
	return out.Budgets, err
}
