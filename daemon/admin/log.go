package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Log is what is logged.
type Log struct {
	Level  string `json:"level" enum:"debug,info,warn,error" doc:"what is logged now: this and what is worse"`
	Config string `json:"config" doc:"telemetry.log, which the next start goes by"`
}

type logOutput struct{ Body Log }

type logInput struct {
	Body struct {
		Level string `json:"level" enum:"debug,info,warn,error"`
	}
}

// logging registers what has to do with the log.
func logging(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "log", Method: http.MethodGet, Path: Base + "/log", Summary: "What is logged"}),
		func(context.Context, *struct{}) (*logOutput, error) { return &logOutput{o.Log()}, nil })
	huma.Register(api, as(Operate, huma.Operation{OperationID: "set-log", Method: http.MethodPut, Path: Base + "/log", Summary: "Log more or less, until the next start or until telemetry.log is changed"}),
		func(_ context.Context, in *logInput) (*logOutput, error) {
			o.SetLog(in.Body.Level)
			return &logOutput{o.Log()}, nil
		})
}
