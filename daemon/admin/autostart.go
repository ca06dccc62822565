package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Autostart has Corral start when its user logs in.
type Autostart interface {
	// Enabled fails where this user, or this system, has no place for what starts at login.
	Enabled() (bool, error)
	Set(on bool) error
}

// AtLogin is whether Corral starts when its user logs in.
type AtLogin struct {
	Enabled bool   `json:"enabled"`
	Problem string `json:"problem,omitempty" doc:"why this cannot be asked for here"`
}

type atLoginOutput struct{ Body AtLogin }

type atLoginInput struct {
	Body struct {
		Enabled bool `json:"enabled"`
	}
}

// autostart registers what has Corral start at login.
func autostart(api huma.API, o Options) {
	now := func() AtLogin {
		if o.Autostart == nil {
			return AtLogin{Problem: "whoever started Corral decides when it starts"}
		}
		on, err := o.Autostart.Enabled()
		if err != nil {
			return AtLogin{Problem: err.Error()}
		}
		return AtLogin{Enabled: on}
	}
	huma.Register(api, as(Read, huma.Operation{OperationID: "autostart", Method: http.MethodGet, Path: Base + "/autostart", Summary: "Whether Corral starts when its user logs in"}),
		func(context.Context, *struct{}) (*atLoginOutput, error) { return &atLoginOutput{now()}, nil })
	huma.Register(api, as(Admin, huma.Operation{OperationID: "set-autostart", Method: http.MethodPut, Path: Base + "/autostart", Summary: "Have Corral start when its user logs in, or not",
		Description: "What starts is this program, with the config and the data folder that it was started with. 409 where there is no place for it."}),
		func(ctx context.Context, in *atLoginInput) (*atLoginOutput, error) {
			if was := now(); was.Problem != "" {
				return nil, huma.Error409Conflict(was.Problem)
			}
			if err := o.Autostart.Set(in.Body.Enabled); err != nil {
				return nil, huma.Error409Conflict(err.Error())
			}
			o.note(ctx, fmt.Sprintf("start at login: %t", in.Body.Enabled))
			return &atLoginOutput{now()}, nil
		})
}
