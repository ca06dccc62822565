package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// Target is what is known of one model at one provider.
type Target struct {
	Provider  string     `json:"provider"`
	Model     string     `json:"model" doc:"the provider's own name for it"`
	State     string     `json:"state" doc:"of its breaker: closed (calls go through), open, half-open, limited (429), auth (the key is refused)"`
	Pin       string     `json:"pin,omitempty" enum:"open,closed" doc:"set by hand, whatever happens"`
	Since     time.Time  `json:"since"`
	Why       string     `json:"why,omitempty"`
	Failures  int        `json:"failures" doc:"in a row"`
	NextProbe *time.Time `json:"next_probe,omitempty" doc:"when a call may go through again"`
}

// Queue is the line in front of a model server on this device.
type Queue struct {
	Provider   string `json:"provider"`
	Running    int    `json:"running"`
	Concurrent int    `json:"concurrent" doc:"at most so many run; 0: no limit"`
	Waiting    int    `json:"waiting"`
}

// Breaker changes how a target is treated, by hand.
type Breaker struct {
	Provider string `json:"provider"`
	Model    string `json:"model" doc:"the provider's own name for it"`
	Action   string `json:"action" enum:"open,close,pin-open,pin-closed,unpin"`
}

type targetsOutput struct {
	Body struct {
		Targets []Target `json:"targets"`
		Queues  []Queue  `json:"queues"`
	}
}

type breakerInput struct{ Body Breaker }

// targets registers what has to do with where calls go.
func targets(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "targets", Method: http.MethodGet, Path: Base + "/targets", Summary: "The targets that calls have gone to, their breakers, and the queues"}),
		func(context.Context, *struct{}) (*targetsOutput, error) {
			out := &targetsOutput{}
			out.Body.Targets, out.Body.Queues = o.Targets()
			return out, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "breaker", Method: http.MethodPost, Path: Base + "/breaker", Summary: "Open, close or pin a target's breaker by hand", DefaultStatus: http.StatusNoContent}),
		func(_ context.Context, in *breakerInput) (*struct{}, error) {
			if err := o.Breaker(in.Body); err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return nil, nil
		})
}
