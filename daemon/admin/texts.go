package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Texts is what is looked for in the text of calls, what is done about it, and what was found since the start.
type Texts struct {
	Secrets   string      `json:"secrets" doc:"off, flag, redact-for-cloud, redact or block"`
	PII       string      `json:"pii" doc:"the same"`
	Injection string      `json:"injection" doc:"off, flag or block"`
	Found     []TextFound `json:"found"`
}

// TextFound is what was found of one kind.
type TextFound struct {
	Class  string `json:"class" enum:"secret,pii,injection"`
	Kind   string `json:"kind" doc:"such as email or openai_key"`
	Action string `json:"action" enum:"flag,redact,block" doc:"what became of it"`
	Count  int    `json:"count" doc:"how often since the start of Corral"`
}

// TextTried is what would be found in a text.
type TextTried struct {
	Places    []TextPlace `json:"places"`
	Masked    string      `json:"masked" doc:"the text with placeholders"`
	Injection bool        `json:"injection" doc:"it looks like an attempt to take the model over"`
	Why       string      `json:"why,omitempty" doc:"of which kind"`
	Score     float64     `json:"score" doc:"how much it looks so, from 0 to 1"`
}

// TextPlace is one place in the text.
type TextPlace struct {
	Class string `json:"class" enum:"secret,pii"`
	Kind  string `json:"kind"`
	From  int    `json:"from" doc:"in bytes of UTF-8"`
	To    int    `json:"to"`
}

// MaxTried is the longest text that is tried, in bytes; the tag of tryTextInput has it too.
const MaxTried = 1 << 20

type textsOutput struct{ Body Texts }

type tryTextInput struct {
	Body struct {
		Text string `json:"text" maxLength:"1048576"`
	}
}

type triedTextOutput struct{ Body TextTried }

func texts(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "guard", Method: http.MethodGet, Path: Base + "/guard", Summary: "What the guard looks for, does, and has found"}),
		func(context.Context, *struct{}) (*textsOutput, error) {
			return &textsOutput{o.Texts()}, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "try-guard", Method: http.MethodPost, Path: Base + "/guard/try", Summary: "What the guard would find in a text; nothing is kept of it"}),
		func(_ context.Context, in *tryTextInput) (*triedTextOutput, error) {
			return &triedTextOutput{o.TryText(in.Body.Text)}, nil
		})
}
