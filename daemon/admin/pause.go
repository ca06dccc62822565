package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// pausing registers what keeps new calls out, and lets them in again.
func pausing(api huma.API, o Options) {
	register := func(id, path, summary, about string, on bool) {
		huma.Register(api, as(Operate, huma.Operation{OperationID: id, Method: http.MethodPost, Path: Base + path, Summary: summary, Description: about, DefaultStatus: http.StatusNoContent}),
			func(context.Context, *struct{}) (*struct{}, error) {
				o.Pause(on)
				return nil, nil
			})
	}
	register("pause", "/pause", "Answer new calls with 503 until resumed",
		"Calls under way end as they would, lists of models are answered, and a restart ends the pause.", true)
	register("resume", "/resume", "Let new calls in again", "", false)
}
