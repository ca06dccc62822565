// Package admin is the operator API under /control/v1: what the command line and the page show and change. Its types here
// are the source of the OpenAPI description at /control/v1/openapi.json.
//
// Every route asks for the operator's token, made at the first start and readable by the owner of the data folder only;
// being on this machine is not enough, since a page in a browser is on this machine too.
package admin

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"corral/daemon/auth"
	"corral/daemon/pricing"
	"corral/store/keys"
	"corral/store/ledger"
)

// Base is where the operator API stands.
const Base = "/control/v1"

// Provider is a model server as seen now.
type Provider struct {
	Name      string    `json:"name"`
	Kind      string    `json:"kind" enum:"ollama,openai,anthropic,gemini"`
	URL       string    `json:"url"`
	Reachable bool      `json:"reachable"`
	Problem   string    `json:"problem,omitempty" doc:"why it is not reachable, and what to do"`
	Checked   time.Time `json:"checked" doc:"when it was last asked"`
}

// Model is a name that apps may ask for, by the config.
type Model struct {
	Name    string   `json:"name"`
	Targets []string `json:"targets" doc:"provider/model, in order of preference"`
}

// Config is where the config came from, and what became of the last change to it.
type Config struct {
	Path         string     `json:"path" doc:"of corral.yaml, whether or not it is there"`
	Warnings     []string   `json:"warnings"`
	Loaded       time.Time  `json:"loaded" doc:"when what is in force was read"`
	Rejected     string     `json:"rejected,omitempty" doc:"why a later change is not in force"`
	RejectedAt   *time.Time `json:"rejected_at,omitempty"`
	NeedsRestart []string   `json:"needs_restart" doc:"changes that wait for the next start"`
}

// Status is how Corral is at the moment.
type Status struct {
	Version   string     `json:"version"`
	PID       int        `json:"pid"`
	Started   time.Time  `json:"started"`
	Listen    string     `json:"listen"`
	Auth      string     `json:"auth" enum:"none,required"`
	DataDir   string     `json:"data_dir"`
	Ready     bool       `json:"ready" doc:"whether a call would be answered"`
	InFlight  int        `json:"in_flight" doc:"calls under way"`
	Providers []Provider `json:"providers"`
	Models    []Model    `json:"models"`
	Config    Config     `json:"config"`
	Problems  []string   `json:"problems" doc:"what needs a person, and what to do"`
}

// Key is an app's key, without its secret.
type Key = keys.Key

// NewKey is a key just made. Its secret is shown this once.
type NewKey struct {
	Key    Key    `json:"key"`
	Secret string `json:"secret"`
}

// Keys is the store of app keys.
type Keys interface {
	Create(name string, o keys.Options) (secret string, key keys.Key, err error)
	Revoke(idOrName string) (keys.Key, error)
	List() []keys.Key
}

// Options are what the operator API shows and changes.
type Options struct {
	Token   string
	Version string
	Status  func(ctx context.Context) Status
	Keys    Keys
	Reload  func(ctx context.Context) error
	Targets func() ([]Target, []Queue)
	Breaker func(Breaker) error
	Prices  func() (prices []pricing.Price, baseline string)
	// Ledger is the one in use; an error while it is being exchanged.
	Ledger  func() (*ledger.Ledger, error)
	Restore func(ctx context.Context, backup io.Reader) (ledger.Restored, error)
	Retain  func(ctx context.Context) (ledger.Retained, error)
}

type statusOutput struct{ Body Status }

type keysOutput struct {
	Body struct {
		Keys []Key `json:"keys"`
	}
}

type createKeyInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"100" doc:"whose key it is, such as an app's name"`
		Days int    `json:"days,omitempty" minimum:"0" maximum:"36500" doc:"until it expires; 0: never"`
	}
}

type newKeyOutput struct{ Body NewKey }

type keyInput struct {
	ID string `path:"id" doc:"id or name"`
}

type keyOutput struct{ Body Key }

// New makes the handler for everything under Base.
func New(o Options) http.Handler {
	mux := http.NewServeMux()
	c := huma.DefaultConfig("Corral operator API", o.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = Base+"/openapi", "", ""
	c.CreateHooks = nil // no $schema member in answers
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"operator": {Type: "http", Scheme: "bearer",
		Description: "The token in " + TokenFile + " in Corral's data folder."}}
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Security = []map[string][]string{{"operator": {}}}
	api := humago.New(mux, c)
	described(api)
	audit(api, o)
	targets(api, o)
	mux.HandleFunc("POST "+Base+"/restore", restore(o))

	huma.Register(api, huma.Operation{OperationID: "status", Method: http.MethodGet, Path: Base + "/status", Summary: "How Corral is at the moment"},
		func(ctx context.Context, _ *struct{}) (*statusOutput, error) {
			return &statusOutput{o.Status(ctx)}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "reload", Method: http.MethodPost, Path: Base + "/config/reload", Summary: "Read the config file again", DefaultStatus: http.StatusNoContent},
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			if err := o.Reload(ctx); err != nil {
				return nil, huma.Error422UnprocessableEntity("the file is not valid; what was in force stays so: " + err.Error())
			}
			return nil, nil
		})
	huma.Register(api, huma.Operation{OperationID: "list-keys", Method: http.MethodGet, Path: Base + "/keys", Summary: "The keys of apps"},
		func(context.Context, *struct{}) (*keysOutput, error) {
			out := &keysOutput{}
			out.Body.Keys = append([]Key{}, o.Keys.List()...)
			return out, nil
		})
	huma.Register(api, huma.Operation{OperationID: "create-key", Method: http.MethodPost, Path: Base + "/keys", Summary: "Make a key for an app", DefaultStatus: http.StatusCreated},
		func(_ context.Context, in *createKeyInput) (*newKeyOutput, error) {
			secret, key, err := o.Keys.Create(in.Body.Name, keys.Options{Expires: expiry(in.Body.Days)})
			if errors.Is(err, keys.ErrName) {
				return nil, huma.Error409Conflict(err.Error())
			}
			if err != nil {
				return nil, err
			}
			return &newKeyOutput{NewKey{key, secret}}, nil
		})
	huma.Register(api, huma.Operation{OperationID: "revoke-key", Method: http.MethodDelete, Path: Base + "/keys/{id}", Summary: "Make a key of no use"},
		func(_ context.Context, in *keyInput) (*keyOutput, error) {
			key, err := o.Keys.Revoke(in.ID)
			if errors.Is(err, keys.ErrNotFound) {
				return nil, huma.Error404NotFound("no key has this id or name; `corral keys list` shows them")
			}
			if err != nil {
				return nil, err
			}
			return &keyOutput{key}, nil
		})
	return guarded(o.Token, mux)
}

// schemaName is a type's name in the description. Types of the store carry their package's name: there is more than one
// Status.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if pkg := path.Base(t.PkgPath()); t.Name() != "" && strings.Contains(t.PkgPath(), "/store/") {
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	return name
}

func expiry(days int) time.Time {
	if days <= 0 {
		return time.Time{}
	}
	return time.Now().AddDate(0, 0, days)
}

// guarded asks for the token before anything of h is reached, the description of the API included, and bounds bodies.
func guarded(token string, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !same(auth.Secret(r.Header), token) {
			w.Header().Set("Www-Authenticate", `Bearer realm="corral operator"`)
			w.Header().Set("Content-Type", "application/problem+json")
			w.WriteHeader(http.StatusUnauthorized)
			w.Write([]byte(`{"title":"Unauthorized","status":401,"detail":"Send the operator's token as Authorization: Bearer. It is in ` + TokenFile + ` in Corral's data folder; the corral command finds it by itself."}` + "\n"))
			return
		}
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Path != Base+"/restore" {
			r.Body = http.MaxBytesReader(w, r.Body, 1<<20)
		}
		h.ServeHTTP(w, r)
	})
}
