package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

// MaxExplained is the longest text that is imagined, in tokens (it is really made, four bytes for each); the tag of Explain.Tokens has it too.
const MaxExplained = 4_000_000

// Explain describes a call that is not made.
type Explain struct {
	Model   string `json:"model" maxLength:"256" doc:"the name that an app would ask for"`
	Dialect string `json:"dialect,omitempty" enum:"ollama,openai,anthropic" doc:"the API that the app speaks; empty: openai"`
	Task    string `json:"task,omitempty" enum:"chat,embed" doc:"empty: chat"`
	Stream  bool   `json:"stream,omitempty"`
	Tools   bool   `json:"tools,omitempty" doc:"it brings tools"`
	Images  bool   `json:"images,omitempty" doc:"it brings a picture"`
	Tokens  int    `json:"tokens,omitempty" minimum:"0" maximum:"4000000" doc:"how long its text is, roughly"`
	Greedy  bool   `json:"greedy,omitempty" doc:"at temperature 0"`
	Alone   bool   `json:"alone,omitempty" doc:"with Corral-Fallback: off"`
	Key     string `json:"key,omitempty" maxLength:"100" doc:"id or name of an app's key"`
	App     string `json:"app,omitempty" maxLength:"200"`
	User    string `json:"user,omitempty" maxLength:"200"`
}

// Explained is what would happen to the call at this moment. Nothing was asked.
type Explained struct {
	Name       string             `json:"name,omitempty" doc:"the name of the config that applies; empty: the first provider takes it"`
	Text       string             `json:"text" doc:"all of it in a sentence"`
	Candidates []ExplainCandidate `json:"candidates" doc:"in the order in which they would be asked, then those that are left out"`
	LastResort []string           `json:"last_resort" doc:"what answers when none of them does"`
	Cache      string             `json:"cache" doc:"whether a kept answer would be looked for"`
	Budget     string             `json:"budget,omitempty" doc:"a budget that is used up"`
	Pressure   string             `json:"pressure,omitempty" enum:"memory,heat"`
	Refused    string             `json:"refused,omitempty" doc:"why the call would be refused"`
	Status     int                `json:"status,omitempty" doc:"that it would be refused with"`
}

// ExplainCandidate is a target that could answer.
type ExplainCandidate struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	Taken    string `json:"taken" enum:"first,next,skipped,out" doc:"first: it is asked; next: if those before it fail; skipped: its breaker keeps calls away, or the operator makes it fail; out: it is not in the plan"`
	Why      string `json:"why" doc:"in words"`
	Away     string `json:"away,omitempty" doc:"host that the text goes to; empty: it stays on this device"`
	State    string `json:"state,omitempty" doc:"of its breaker"`
}

type explainInput struct{ Body Explain }

type explainedOutput struct{ Body Explained }

// Outage is a target that fails because the operator wants to see what happens then.
type Outage struct {
	Provider string    `json:"provider"`
	Model    string    `json:"model,omitempty" doc:"the provider's own name for it; empty: all of this provider"`
	Kind     string    `json:"kind" enum:"refuse,hang,error" doc:"refuse: it cannot be reached; hang: it never answers; error: status 500"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until" doc:"it ends by itself"`
}

// NewOutage begins one.
type NewOutage struct {
	Provider string `json:"provider" maxLength:"64"`
	Model    string `json:"model,omitempty" maxLength:"256"`
	Kind     string `json:"kind" enum:"refuse,hang,error"`
	Seconds  int    `json:"seconds" minimum:"60" maximum:"600"`
}

type outagesOutput struct {
	Body struct {
		Outages []Outage `json:"outages"`
	}
}

type newOutageInput struct{ Body NewOutage }

type outageOutput struct{ Body Outage }

type endOutageInput struct {
	Provider string `query:"provider" required:"true"`
	Model    string `query:"model"`
}

// explain registers what tells where a call would go, and what tries it.
func explain(api huma.API, o Options) {
	huma.Register(api, as(Operate, huma.Operation{OperationID: "explain", Method: http.MethodPost, Path: Base + "/explain", Summary: "What would happen to a call, without making it",
		Description: "The same stages decide that decide about a call. Nothing is sent to a model."}),
		func(ctx context.Context, in *explainInput) (*explainedOutput, error) {
			out, err := o.Explain(ctx, in.Body)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return &explainedOutput{out}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "outages", Method: http.MethodGet, Path: Base + "/outages", Summary: "Targets that are made to fail, to see what happens"}),
		func(context.Context, *struct{}) (*outagesOutput, error) {
			out := &outagesOutput{}
			out.Body.Outages = o.Outages()
			return out, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "begin-outage", Method: http.MethodPost, Path: Base + "/outages", Summary: "Make a target fail for one to ten minutes, to see what happens", DefaultStatus: http.StatusCreated,
		Description: "Calls for it fail as if the server did; retries, breaker and fallback act as they would. It ends by itself, and with Corral."}),
		func(_ context.Context, in *newOutageInput) (*outageOutput, error) {
			out, err := o.BeginOutage(in.Body)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return &outageOutput{out}, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "end-outage", Method: http.MethodDelete, Path: Base + "/outages", Summary: "End such an outage before its time", DefaultStatus: http.StatusNoContent}),
		func(_ context.Context, in *endOutageInput) (*struct{}, error) {
			if !o.EndOutage(in.Provider, in.Model) {
				return nil, huma.Error404NotFound("no outage of this target was begun, or it is over")
			}
			return nil, nil
		})
}
