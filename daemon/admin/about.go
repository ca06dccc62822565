package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/origin"
)

type aboutOutput struct{ Body origin.Origin }

// about registers what this program was made from.
func about(api huma.API, o Options) {
	made := origin.Read(o.Version)
	huma.Register(api, as(Read, huma.Operation{OperationID: "about", Method: http.MethodGet, Path: Base + "/about", Summary: "What this program was made from: Go, libraries, their licences"}),
		func(context.Context, *struct{}) (*aboutOutput, error) { return &aboutOutput{made}, nil })
}
