package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/slo"
)

type levelsOutput struct{ Body slo.Report }

// levels registers how well the service keeps what it promises.
func levels(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "slo", Method: http.MethodGet, Path: Base + "/slo", Summary: "Service levels over an hour, a day and 30 days, with error budgets and burn rates",
		Errors: []int{http.StatusServiceUnavailable}}),
		func(ctx context.Context, _ *struct{}) (*levelsOutput, error) {
			r, err := o.Levels(ctx)
			if err != nil {
				return nil, huma.Error503ServiceUnavailable(err.Error())
			}
			return &levelsOutput{*r}, nil
		})
}
