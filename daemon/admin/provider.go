package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"corral/store/secrets"
)

// ProviderTest says which model server to try: one of the config by its name, or one that is not saved yet.
type ProviderTest struct {
	Name string `json:"name,omitempty" maxLength:"64" doc:"of a provider of the config; with kind, of the new one"`
	Kind string `json:"kind,omitempty" enum:"ollama,openai,anthropic,gemini" doc:"of one that is not saved yet"`
	URL  string `json:"url,omitempty" maxLength:"2000"`
	Key  string `json:"key,omitempty" maxLength:"4096" doc:"where its key is kept: keyring:NAME, env:NAME or file:PATH"`
	Text string `json:"text,omitempty" maxLength:"16384" doc:"the key itself, to try it before it is kept; it is not kept, shown or logged"`
}

// ProviderTested is what came of it.
type ProviderTested struct {
	Reachable bool     `json:"reachable"`
	Auth      string   `json:"auth" enum:"ok,refused,missing,unknown" doc:"whether the key is taken"`
	Status    int      `json:"status,omitempty" doc:"of HTTP, that the server answered with"`
	Version   string   `json:"version,omitempty"`
	Models    []string `json:"models" doc:"that it has, at most 500"`
	MS        float64  `json:"ms" doc:"until the answer, in milliseconds"`
	OnDevice  bool     `json:"on_device" doc:"what is sent to it stays on this machine"`
	Problem   string   `json:"problem,omitempty"`
	Do        string   `json:"do,omitempty" doc:"what mends it"`
}

type providerTestInput struct{ Body ProviderTest }

type providerTestedOutput struct{ Body ProviderTested }

// Secrets keeps the keys of providers. Nothing gives a key back.
type Secrets interface {
	List() ([]secrets.Entry, error)
	Set(name, key string) (secrets.Entry, error)
	Remove(name string) error
}

type secretsOutput struct {
	Body struct {
		Secrets []secrets.Entry `json:"secrets"`
	}
}

type setSecretInput struct {
	Name string `path:"name" maxLength:"64"`
	Body struct {
		Key string `json:"key" minLength:"1" maxLength:"16384" doc:"it is never shown again"`
	}
}

type secretOutput struct{ Body secrets.Entry }

type secretInput struct {
	Name string `path:"name" maxLength:"64"`
}

// providers registers what has to do with model servers and their keys.
func providers(api huma.API, o Options) {
	huma.Register(api, as(Operate, huma.Operation{OperationID: "test-provider", Method: http.MethodPost, Path: Base + "/providers/test", Summary: "Try whether a model server answers and takes its key"}),
		func(ctx context.Context, in *providerTestInput) (*providerTestedOutput, error) {
			out, err := o.TestProvider(ctx, in.Body)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			return &providerTestedOutput{out}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "list-secrets", Method: http.MethodGet, Path: Base + "/secrets", Summary: "The names of the keys that are kept, and where"}),
		func(context.Context, *struct{}) (*secretsOutput, error) {
			list, err := o.Secrets.List()
			if err != nil {
				return nil, err
			}
			out := &secretsOutput{}
			out.Body.Secrets = append([]secrets.Entry{}, list...)
			return out, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "set-secret", Method: http.MethodPut, Path: Base + "/secrets/{name}", Summary: "Keep the key of a provider",
		Description: "In the keyring of the desktop, or, where there is none, in a file that only its owner can read; the answer says which. A running Corral uses it at once."}),
		func(ctx context.Context, in *setSecretInput) (*secretOutput, error) {
			kept, err := o.Secrets.Set(in.Name, in.Body.Key)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			typed(ctx, in.Name, strings.TrimSpace(in.Body.Key))
			o.note(ctx, "key of a provider kept: "+in.Name)
			_ = o.Reload(context.WithoutCancel(ctx)) // a config that is not valid goes on being told by status
			return &secretOutput{kept}, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "remove-secret", Method: http.MethodDelete, Path: Base + "/secrets/{name}", Summary: "Forget the key of a provider", DefaultStatus: http.StatusNoContent}),
		func(ctx context.Context, in *secretInput) (*struct{}, error) {
			err := o.Secrets.Remove(in.Name)
			switch {
			case errors.Is(err, secrets.ErrNotFound):
				return nil, huma.Error404NotFound(err.Error())
			case err != nil:
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			o.note(ctx, "key of a provider removed: "+in.Name)
			_ = o.Reload(context.WithoutCancel(ctx))
			return nil, nil
		})
}
