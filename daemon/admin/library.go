package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/library"
)

// Library is the models on this device, and those on their way.
type Library struct {
	library.Shelf
	Pulls []library.Pull `json:"pulls" doc:"under way, and the last ones that are over; newest first"`
}

type libraryOutput struct{ Body Library }

// ModelChoice chooses a model.
type ModelChoice struct {
	Model    string `path:"model" maxLength:"500" doc:"its name, as its server has it; / is written %2F"`
	Provider string `query:"provider" doc:"whose it is; none: the first that has it"`
}

type modelOutput struct{ Body library.Model }

type pullInput struct {
	Body struct {
		Model    string `json:"model" minLength:"1" maxLength:"500" doc:"such as llama3.2:1b, or hf.co/owner/model"`
		Provider string `json:"provider,omitempty" doc:"that gets it; none: the first Ollama on this device"`
		Insecure bool   `json:"insecure,omitempty" doc:"allow a registry without encryption"`
	}
}

type pullOutput struct {
	Body struct {
		library.Pull
		Joined bool `json:"joined" doc:"it was under way already"`
	}
}

type pullsOutput struct {
	Body struct {
		Pulls []library.Pull `json:"pulls"`
	}
}

type cancelledOutput struct{ Body library.Pull }

type loadInput struct {
	ModelChoice
	Body struct {
		Keep string `json:"keep,omitempty" doc:"how long it stays after its last use: 30m, 12h, forever; none: as its server does by itself" example:"30m"`
	}
}

// Shelves is what the operator API needs of a library; *library.Library is one.
type Shelves interface {
	List(ctx context.Context) library.Shelf
	Find(ctx context.Context, provider, model string) (library.Model, error)
	Start(provider, model string, insecure bool) (p library.Pull, joined bool, err error)
	Pulls() []library.Pull
	Cancel(id string) (library.Pull, error)
	Remove(ctx context.Context, provider, model string, force bool) (library.Model, error)
	Load(ctx context.Context, provider, model string, keep time.Duration) (library.Model, error)
	Unload(ctx context.Context, provider, model string) (library.Model, error)
}

// models registers what has to do with the models on this device.
func models(api huma.API, o Options) {
	const base, one = Base + "/library", Base + "/library/models/{model}"
	huma.Register(api, as(Read, huma.Operation{OperationID: "library", Method: http.MethodGet, Path: base, Summary: "The models on this device: what there is, what is in memory, what would fit, and what is on its way"}),
		func(ctx context.Context, _ *struct{}) (*libraryOutput, error) {
			return &libraryOutput{Library{o.Library.List(ctx), o.Library.Pulls()}}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "library-model", Method: http.MethodGet, Path: one, Summary: "One model on this device"}),
		func(ctx context.Context, in *ModelChoice) (*modelOutput, error) {
			m, err := o.Library.Find(ctx, in.Provider, in.Model)
			return &modelOutput{m}, libraryError(err)
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "pull", Method: http.MethodPost, Path: base + "/pulls", Summary: "Get a model from a registry", DefaultStatus: http.StatusAccepted,
		Description: "It goes on when the caller leaves; the feed tells how far it is (progress, task pull). A model that is on its way already is not pulled twice: its pull is the answer."}),
		func(_ context.Context, in *pullInput) (*pullOutput, error) {
			out := &pullOutput{}
			var err error
			out.Body.Pull, out.Body.Joined, err = o.Library.Start(in.Body.Provider, in.Body.Model, in.Body.Insecure)
			return out, libraryError(err)
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "pulls", Method: http.MethodGet, Path: base + "/pulls", Summary: "The models on their way, and the last ones that came"}),
		func(context.Context, *struct{}) (*pullsOutput, error) {
			out := &pullsOutput{}
			out.Body.Pulls = o.Library.Pulls()
			return out, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "cancel-pull", Method: http.MethodDelete, Path: base + "/pulls/{id}", Summary: "End a pull, at its server too; one that is over is no longer listed"}),
		func(_ context.Context, in *struct {
			ID string `path:"id"`
		}) (*cancelledOutput, error) {
			p, err := o.Library.Cancel(in.ID)
			return &cancelledOutput{p}, libraryError(err)
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "remove-model", Method: http.MethodDelete, Path: one, Summary: "Remove a model from the disk"}),
		func(ctx context.Context, in *struct {
			ModelChoice
			Force bool `query:"force" doc:"remove it though the config names it"`
		}) (*modelOutput, error) {
			m, err := o.Library.Remove(ctx, in.Provider, in.Model, in.Force)
			return &modelOutput{m}, libraryError(err)
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "load-model", Method: http.MethodPost, Path: one + "/load", Summary: "Read a model into memory"}),
		func(ctx context.Context, in *loadInput) (*modelOutput, error) {
			var keep time.Duration
			switch in.Body.Keep {
			case "":
			case "forever":
				keep = -1
			default:
				var err error
				if keep, err = time.ParseDuration(in.Body.Keep); err != nil || keep <= 0 {
					return nil, huma.Error422UnprocessableEntity("keep: " + in.Body.Keep + " is no length of time; write such as 30m, 12h or forever")
				}
			}
			m, err := o.Library.Load(ctx, in.Provider, in.Model, keep)
			return &modelOutput{m}, libraryError(err)
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "unload-model", Method: http.MethodPost, Path: one + "/unload", Summary: "Let go of a model, once the calls for it that run are over"}),
		func(ctx context.Context, in *ModelChoice) (*modelOutput, error) {
			m, err := o.Library.Unload(ctx, in.Provider, in.Model)
			return &modelOutput{m}, libraryError(err)
		})
}

func libraryError(err error) error {
	var e *library.Error
	if errors.As(err, &e) {
		return huma.NewError(e.Status, e.Text)
	}
	return err
}
