package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/journey"
)

type journeyInput struct {
	ID string `path:"id" maxLength:"128" doc:"request id"`
}

type journeyOutput struct{ Body journey.Journey }

// calls registers what is remembered of calls beside the ledger.
func calls(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "journey", Method: http.MethodGet, Path: Base + "/calls/{id}", Summary: "How one of the last 1,000 calls went, stage by stage", Tags: []string{"calls"}}),
		func(_ context.Context, in *journeyInput) (*journeyOutput, error) {
			return &journeyOutput{o.Journey(in.ID)}, nil
		})
}
