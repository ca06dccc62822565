package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/budget"
)

type budgetsOutput struct {
	Body struct {
		Budgets []budget.Balance `json:"budgets"`
	}
}

// budgets registers what has to do with what may be spent.
func budgets(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "budgets", Method: http.MethodGet, Path: Base + "/budgets", Summary: "The budgets, and what is spent and set aside in their windows now"}),
		func(context.Context, *struct{}) (*budgetsOutput, error) {
			out := &budgetsOutput{}
			out.Body.Budgets = o.Budgets()
			return out, nil
		})
}
