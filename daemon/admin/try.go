package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
)

// Try is a call to a model that comes by the operator API: the page has no app key, and no cookie for the apps' API.
type Try struct {
	Path   string // of the app-facing API, such as /api/chat
	Target string // provider/model that is to answer; empty: as the config says
	By     string // page, or operator for who showed the token
}

// Choice is a model that can be asked, by the name under which a provider has it.
type Choice struct {
	Model string `json:"model"`
	Sees  *bool  `json:"sees,omitempty" doc:"whether it takes pictures; missing: not known"`
	Tools *bool  `json:"tools,omitempty" doc:"whether it calls tools; missing: not known"`
	Chats *bool  `json:"chats,omitempty" doc:"whether it makes text; missing: not known"`
	Away  string `json:"away,omitempty" doc:"host that the provider passes its text on to; missing: none"`
}

// ProviderChoices are the models of one provider.
type ProviderChoices struct {
	Provider string   `json:"provider"`
	Kind     string   `json:"kind" enum:"ollama,openai,anthropic,gemini"`
	Away     string   `json:"away,omitempty" doc:"host that the text goes to; missing: it stays on this device"`
	Models   []Choice `json:"models"`
	Problem  string   `json:"problem,omitempty" doc:"why its models are not known"`
}

// Choices are whom a call may be for.
type Choices struct {
	Names     []Model           `json:"names" doc:"of the config, with their targets"`
	Default   string            `json:"default" doc:"provider that answers for other names"`
	Providers []ProviderChoices `json:"providers"`
}

type choicesOutput struct{ Body Choices }

// tryBase stands before the path of the app-facing API.
const tryBase = Base + "/try/"

// tried are the routes of the app-facing API that ask a model.
var tried = []string{"/api/generate", "/api/chat", "/api/embed", "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/messages"}

// tries registers calls to models. They are answered outside of huma, which would hold bodies in memory.
func tries(api huma.API, mux *routes, o Options) {
	object := func() map[string]*huma.MediaType {
		return map[string]*huma.MediaType{"application/json": {Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}}
	}
	for _, path := range tried {
		op := as(Operate, huma.Operation{OperationID: "try" + operationOf(path), Method: http.MethodPost, Path: Base + "/try" + path, Tags: []string{"try"},
			Summary:     "Ask a model as an app would with POST " + path,
			Description: "The call goes the way of all calls: it is metered, limited, priced and written down, under the key `page` or, with the token, `operator`. Its answer and its errors are in the API of the path.",
			Parameters:  []*huma.Param{{Name: "target", In: "query", Description: "provider/model that is to answer, and no other; without it as the config says", Schema: &huma.Schema{Type: huma.TypeString}}},
			RequestBody: &huma.RequestBody{Required: true, Content: object()},
			Responses:   map[string]*huma.Response{"200": {Description: "The answer, as it comes", Content: object()}}})
		api.OpenAPI().AddOperation(&op)
		mux.HandleFunc("POST "+Base+"/try"+path, func(w http.ResponseWriter, r *http.Request) {
			t := Try{Path: path, Target: r.URL.Query().Get("target"), By: "operator"}
			if callerOf(r.Context()).by == "session" {
				t.By = "page"
			}
			o.Try(w, r, t)
		})
	}
	huma.Register(api, as(Read, huma.Operation{OperationID: "choices", Method: http.MethodGet, Path: Base + "/try", Summary: "The models that can be asked", Tags: []string{"try"}}),
		func(ctx context.Context, _ *struct{}) (*choicesOutput, error) {
			return &choicesOutput{o.Choices(ctx)}, nil
		})
}

// operationOf is a path as the end of an operation's name.
func operationOf(path string) string {
	b := []byte(path)
	for i, c := range b {
		if c == '/' {
			b[i] = '-'
		}
	}
	return string(b)
}
