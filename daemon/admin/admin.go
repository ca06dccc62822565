// Package admin is the operator API under /control/v1: what the command line and the page show and change. Its types here
// are the source of the OpenAPI description at /control/v1/openapi.json.
//
// Every route states the role it asks for (as); what states none is the token's alone. The operator's token is made at the
// first start and readable by the owner of the data folder only; being on this machine is not enough, since a page in a
// browser is on this machine too. A browser gets a session by a one-time link (guard.go, login.go).
package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"path"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"corral/daemon/admin/session"
	"corral/daemon/budget"
	"corral/daemon/cache"
	"corral/daemon/event"
	"corral/daemon/health"
	"corral/daemon/journey"
	"corral/daemon/pricing"
	"corral/daemon/slo"
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
	Do        string    `json:"do,omitempty" doc:"what mends it, where that is known"`
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
	Version    string             `json:"version"`
	PID        int                `json:"pid"`
	Started    time.Time          `json:"started"`
	Listen     string             `json:"listen"`
	Auth       string             `json:"auth" enum:"none,required"`
	DataDir    string             `json:"data_dir"`
	Ready      bool               `json:"ready" doc:"whether a call would be answered"`
	Paused     bool               `json:"paused" doc:"whether the operator keeps new calls out"`
	InFlight   int                `json:"in_flight" doc:"calls under way"`
	Providers  []Provider         `json:"providers"`
	Models     []Model            `json:"models"`
	Config     Config             `json:"config"`
	Conditions []health.Condition `json:"conditions" doc:"what needs a person, and what to do; all there are are under /health"`
}

// Health is how Corral and its machine are.
type Health struct {
	Severity   health.Severity    `json:"severity" enum:"ok,notice,warning,critical" doc:"of the worst condition"`
	Ready      bool               `json:"ready" doc:"whether a call would be answered"`
	Pressure   string             `json:"pressure,omitempty" enum:"memory,heat" doc:"what is short at the moment"`
	Actions    []string           `json:"actions,omitempty" doc:"what is done about it (health.pressure)"`
	Conditions []health.Condition `json:"conditions" doc:"all there are, those too that are well"`
	Machine    health.Facts       `json:"machine" doc:"what it showed at the last look"`
}

type healthOutput struct{ Body Health }

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

// keyID is the id of the key that somebody means (keys.Find). What is no key's stays as it is: calls of the operator's and the page's
// stand under a word in the place of an id.
func (o *Options) keyID(idOrName string) string {
	if k, ok := keys.Find(o.Keys.List(), idOrName); ok {
		return k.ID
	}
	return idOrName
}

// Options are what the operator API shows and changes.
type Options struct {
	Token string
	// Address is where the listener is, such as 127.0.0.1:11435.
	Address func() string
	// Sessions are those of browsers (NewSessions); nil: a table that nobody closes.
	Sessions *session.Table
	// Logger is told of logins; nil: nobody is.
	Logger  *slog.Logger
	Version string
	Status  func(ctx context.Context) Status
	Health  func(ctx context.Context) Health
	Keys    Keys
	Reload  func(ctx context.Context) error
	Targets func() ([]Target, []Queue)
	Breaker func(Breaker) error
	Pause   func(on bool)
	Prices  func() (prices []pricing.Price, baseline string)
	Budgets func() []budget.Balance
	Levels  func(ctx context.Context) (*slo.Report, error)
	Cache   *cache.Cache
	Library Shelves
	Events  *event.Bus
	// Try sends a call of the operator's on the way that apps' calls go, and writes the answer as it comes.
	Try     func(w http.ResponseWriter, r *http.Request, t Try)
	Choices func(ctx context.Context) Choices
	// Journey is how the call with a request id went.
	Journey func(id string) journey.Journey
	Log     func() Log
	SetLog  func(level string)
	// Patience is how long a reader of the feed may leave a piece of it unread; 0: 10 s.
	Patience time.Duration
	// Ledger is the one in use; an error while it is being exchanged.
	Ledger func() (*ledger.Ledger, error)
	// ConfigStore reads and writes corral.yaml.
	ConfigStore ConfigStore
	// TestProvider tries a model server; Explain says what would happen to a call.
	TestProvider func(ctx context.Context, in ProviderTest) (ProviderTested, error)
	Explain      func(ctx context.Context, in Explain) (Explained, error)
	// Texts and TryText are of the guard.
	Texts       func() Texts
	TryText     func(text string) TextTried
	Secrets     Secrets
	Outages     func() []Outage
	BeginOutage func(NewOutage) (Outage, error)
	EndOutage   func(provider, model string) bool
	Restore     func(ctx context.Context, backup io.Reader) (ledger.Restored, error)
	Retain      func(ctx context.Context) (ledger.Retained, error)
	// Autostart is what starts at login; nil: that is not Corral's to decide.
	Autostart Autostart
}

// note puts what the operator did into the ledger. Whoever hangs up meanwhile keeps nothing out of it.
func (o *Options) note(ctx context.Context, what string) {
	o.Logger.Info("the operator changed something", "what", what)
	if o.Ledger == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), noteTimeout)
	defer cancel()
	l, err := o.Ledger()
	if err == nil {
		err = l.Note(ctx, what)
	}
	if err != nil {
		o.Logger.Warn("the ledger does not have what the operator did", "what", what, "cause", err)
	}
}

// noteTimeout bounds the wait for the ledger.
const noteTimeout = 10 * time.Second

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
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Sessions == nil {
		o.Sessions = NewSessions(o.Logger)
	}
	x, _ := register(o)
	return &guard{token: o.Token, table: o.Sessions, next: x}
}

// register makes the routes. Each states its role.
func register(o Options) (*routes, huma.API) {
	mux := newRoutes()
	c := huma.DefaultConfig("Corral operator API", o.Version)
	c.OpenAPIPath, c.DocsPath, c.SchemasPath = Base+"/openapi", "", ""
	c.CreateHooks = nil // no $schema member in answers
	c.Components.SecuritySchemes = map[string]*huma.SecurityScheme{"operator": {Type: "http", Scheme: "bearer",
		Description: "The token in " + TokenFile + " in Corral's data folder."}}
	c.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	c.Components.SecuritySchemes["session"] = &huma.SecurityScheme{Type: "apiKey", In: "cookie", Name: "corral-PORT",
		Description: "The cookie that POST " + Base + "/session sets; __Host-corral over https. Changes need " + CSRFHeader + " too. It has all roles but owner."}
	c.Security = []map[string][]string{{"operator": {}}, {"session": {}}}
	api := humago.New(mux, c)
	described(api)
	audit(api, o)
	targets(api, o)
	pausing(api, o)
	about(api, o)
	autostart(api, o)
	events(api, o)
	budgets(api, o)
	levels(api, o)
	caching(api, o)
	models(api, o)
	logging(api, o)
	logins(api, o)
	tries(api, mux, o)
	calls(api, o)
	configFile(api, o)
	providers(api, o)
	explain(api, o)
	texts(api, o)
	mux.HandleFunc("POST "+Base+"/restore", restore(o))
	api.OpenAPI().AddOperation(restoreOperation(api))

	huma.Register(api, as(Read, huma.Operation{OperationID: "status", Method: http.MethodGet, Path: Base + "/status", Summary: "How Corral is at the moment"}),
		func(ctx context.Context, _ *struct{}) (*statusOutput, error) {
			return &statusOutput{o.Status(ctx)}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "health", Method: http.MethodGet, Path: Base + "/health", Summary: "Every condition, and what the machine shows"}),
		func(ctx context.Context, _ *struct{}) (*healthOutput, error) {
			return &healthOutput{o.Health(ctx)}, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "reload", Method: http.MethodPost, Path: Base + "/config/reload", Summary: "Read the config file again", DefaultStatus: http.StatusNoContent}),
		func(ctx context.Context, _ *struct{}) (*struct{}, error) {
			if err := o.Reload(context.WithoutCancel(ctx)); err != nil {
				return nil, huma.Error422UnprocessableEntity("the file is not valid; what was in force stays so: " + err.Error())
			}
			return nil, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "list-keys", Method: http.MethodGet, Path: Base + "/keys", Summary: "The keys of apps"}),
		func(context.Context, *struct{}) (*keysOutput, error) {
			out := &keysOutput{}
			out.Body.Keys = append([]Key{}, o.Keys.List()...)
			return out, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "create-key", Method: http.MethodPost, Path: Base + "/keys", Summary: "Make a key for an app", DefaultStatus: http.StatusCreated}),
		func(ctx context.Context, in *createKeyInput) (*newKeyOutput, error) {
			secret, key, err := o.Keys.Create(in.Body.Name, keys.Options{Expires: expiry(in.Body.Days)})
			if errors.Is(err, keys.ErrName) {
				return nil, huma.Error409Conflict(err.Error())
			}
			if err != nil {
				return nil, err
			}
			o.note(ctx, "app key made: "+key.Name+" ("+key.ID+")")
			return &newKeyOutput{NewKey{key, secret}}, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "revoke-key", Method: http.MethodDelete, Path: Base + "/keys/{id}", Summary: "Make a key of no use"}),
		func(ctx context.Context, in *keyInput) (*keyOutput, error) {
			key, err := o.Keys.Revoke(in.ID)
			if errors.Is(err, keys.ErrNotFound) {
				return nil, huma.Error404NotFound("no key has this id or name; `corral keys list` shows them")
			}
			if err != nil {
				return nil, err
			}
			o.note(ctx, "app key revoked: "+key.Name+" ("+key.ID+")")
			return &keyOutput{key}, nil
		})
	mux.learn(api)
	for _, form := range []string{".json", "-3.0.json", ".yaml", "-3.0.yaml"} {
		mux.roles["GET "+c.OpenAPIPath+form] = Read
	}
	return mux, api
}

// schemaName is a type's name in the description. Types of the store carry their package's name: there is more than one
// Status. Those of the feed are the data of an event.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if pkg := path.Base(t.PkgPath()); t.Name() != "" && strings.Contains(t.PkgPath(), "/store/") {
		name = strings.ToUpper(pkg[:1]) + pkg[1:] + name
	}
	if strings.HasSuffix(t.PkgPath(), "/daemon/cache") {
		name = "Cache" + name
	}
	if strings.HasSuffix(t.PkgPath(), "/daemon/journey") && name != "Journey" {
		name = "Journey" + name
	}
	if strings.HasSuffix(t.PkgPath(), "/daemon/config") {
		name = "Config" + name
	}
	if strings.HasSuffix(t.PkgPath(), "/daemon/library") {
		name = "Library" + name
	}
	if strings.HasSuffix(t.PkgPath(), "/daemon/event") {
		name += "Data"
	}
	return name
}

func expiry(days int) time.Time {
	if days <= 0 {
		return time.Time{}
	}
	return time.Now().AddDate(0, 0, days)
}
