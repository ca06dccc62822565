package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/config"
)

// ConfigFile is corral.yaml as it stands, and what is in force.
type ConfigFile struct {
	Path         string            `json:"path" doc:"empty: Corral was started without a place for one"`
	Exists       bool              `json:"exists" doc:"false: the first change makes it"`
	Text         string            `json:"text" doc:"of the file, whether or not it is valid"`
	Hidden       bool              `json:"hidden" doc:"a key was written into the file, where none belongs, and is not shown"`
	Revision     string            `json:"revision" doc:"of the content, for If-Match"`
	Writable     bool              `json:"writable"`
	Why          string            `json:"why,omitempty" doc:"it is not writable"`
	Effective    map[string]any    `json:"effective" doc:"the config in force: defaults, file, environment, command line; of keys only where they are kept"`
	Defaults     map[string]any    `json:"defaults" doc:"what holds where nothing is set"`
	Shadowed     map[string]string `json:"shadowed" doc:"fields that the environment or the command line sets, by what: a change of the file has no effect on them"`
	Problems     []config.Problem  `json:"problems" doc:"of the file as it stands; with any, an earlier config is in force"`
	Warnings     []config.Problem  `json:"warnings"`
	NeedsRestart []string          `json:"needs_restart" doc:"fields that wait for the next start"`
}

// ConfigReview is what a change to corral.yaml would do, or did.
type ConfigReview struct {
	Valid        bool             `json:"valid"`
	Problems     []config.Problem `json:"problems" doc:"what is wrong, where, and what would be right"`
	Warnings     []config.Problem `json:"warnings"`
	Text         string           `json:"text" doc:"the file as it would be"`
	Diff         string           `json:"diff" doc:"from the file as it stands, as diff -u writes it; empty: the same"`
	Changes      []config.Change  `json:"changes" doc:"settings that change, against what is in force"`
	NeedsRestart []string         `json:"needs_restart" doc:"fields that would wait for the next start"`
	Held         []string         `json:"held" doc:"fields that change in the file and not in force, since a flag or a variable of this run sets them; each as a sentence"`
	Written      bool             `json:"written" doc:"it is in the file and in force"`
	Revision     string           `json:"revision" doc:"of the file as it stands now"`
}

// ConfigEdits are changes to single places of corral.yaml.
type ConfigEdits struct {
	Edits  []config.Edit `json:"edits" minItems:"1" maxItems:"1000" doc:"made one after the other"`
	DryRun bool          `json:"dry_run,omitempty" doc:"only say what it would do"`
}

// ConfigStore reads and writes corral.yaml. Its errors are those of package config.
type ConfigStore interface {
	File() (ConfigFile, error)
	// Review says what a text would do in place of the file's.
	Review(ctx context.Context, text string) (ConfigReview, error)
	// Edit says what edits would do to the file.
	Edit(context.Context, []config.Edit) (ConfigReview, error)
	// Write puts the text into the file if it still has the revision, and takes it over.
	Write(ctx context.Context, revision, text string) (ConfigReview, error)
	// WriteEdits is Write with what the edits make of the file.
	WriteEdits(ctx context.Context, revision string, edits []config.Edit) (ConfigReview, error)
}

type configFileOutput struct {
	ETag string `header:"ETag"`
	Body ConfigFile
}

type configReviewOutput struct{ Body ConfigReview }

// ConfigText is a whole corral.yaml.
type ConfigText struct {
	Text string `json:"text" maxLength:"1048576"`
}

type configTextInput struct{ Body ConfigText }

type configWriteInput struct {
	IfMatch string `header:"If-Match" doc:"the revision that the change was made for"`
	Body    ConfigText
}

type configEditInput struct {
	IfMatch string `header:"If-Match" doc:"the revision that the change was made for; not needed for a dry run"`
	Body    ConfigEdits
}

// configFile registers what reads and writes corral.yaml.
func configFile(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "config-file", Method: http.MethodGet, Path: Base + "/config", Summary: "corral.yaml as it stands, and the config in force"}),
		func(context.Context, *struct{}) (*configFileOutput, error) {
			f, err := o.ConfigStore.File()
			if err != nil {
				return nil, err
			}
			return &configFileOutput{`"` + f.Revision + `"`, f}, nil
		})
	huma.Register(api, as(Operate, huma.Operation{OperationID: "check-config", Method: http.MethodPost, Path: Base + "/config/check", Summary: "Say what a config would do, without writing it"}),
		func(ctx context.Context, in *configTextInput) (*configReviewOutput, error) {
			return reviewed(o.ConfigStore.Review(ctx, in.Body.Text))
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "write-config", Method: http.MethodPut, Path: Base + "/config", Summary: "Write corral.yaml, and take it over",
		Description: "The file is exchanged in one step and the one before is kept beside it as .bak. What is not valid, or what a part of Corral cannot take over, is not written.",
		Errors:      []int{http.StatusPreconditionFailed, http.StatusUnprocessableEntity, http.StatusPreconditionRequired}}),
		func(ctx context.Context, in *configWriteInput) (*configReviewOutput, error) {
			revision, err := ifMatch(in.IfMatch)
			if err != nil {
				return nil, err
			}
			return written(ctx, &o)(o.ConfigStore.Write(ctx, revision, in.Body.Text))
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "edit-config", Method: http.MethodPatch, Path: Base + "/config", Summary: "Change single settings in corral.yaml, and take them over",
		Description: "Comments and what is not changed stay as they are. Where there is no file, one is made. With dry_run nothing is written.",
		Errors:      []int{http.StatusPreconditionFailed, http.StatusUnprocessableEntity, http.StatusPreconditionRequired}}),
		func(ctx context.Context, in *configEditInput) (*configReviewOutput, error) {
			if in.Body.DryRun {
				return reviewed(o.ConfigStore.Edit(ctx, in.Body.Edits))
			}
			revision, err := ifMatch(in.IfMatch)
			if err != nil {
				return nil, err
			}
			return written(ctx, &o)(o.ConfigStore.WriteEdits(ctx, revision, in.Body.Edits))
		})
}

// ifMatch is the one revision that a header names.
func ifMatch(header string) (string, error) {
	revision := strings.Trim(strings.TrimPrefix(strings.TrimSpace(header), "W/"), `"`)
	if revision == "" || revision == "*" {
		return "", huma.NewError(http.StatusPreconditionRequired, "send If-Match with the revision that GET "+Base+"/config gave, so that nobody else's change is lost")
	}
	return revision, nil
}

// written is reviewed, and notes in the ledger what was changed.
func written(ctx context.Context, o *Options) func(ConfigReview, error) (*configReviewOutput, error) {
	return func(r ConfigReview, err error) (*configReviewOutput, error) {
		if err == nil {
			what := "no setting changed"
			if len(r.Changes) > 0 {
				fields := make([]string, len(r.Changes))
				for i, c := range r.Changes {
					fields[i] = c.Field
				}
				what = strings.Join(fields, ", ")
			}
			o.note(ctx, "config written: "+what)
		}
		return reviewed(r, err)
	}
}

func reviewed(r ConfigReview, err error) (*configReviewOutput, error) {
	var bad *config.Errors
	var edit *config.EditError
	switch {
	case err == nil:
		return &configReviewOutput{r}, nil
	case errors.Is(err, config.ErrChanged):
		return nil, huma.Error412PreconditionFailed(err.Error())
	case errors.As(err, &bad):
		var details []error
		for _, p := range bad.Problems {
			d := &huma.ErrorDetail{Location: p.Field, Message: p.Message}
			if p.Line > 0 {
				d.Value = fmt.Sprintf("in line %d", p.Line)
			}
			details = append(details, d)
		}
		return nil, huma.Error422UnprocessableEntity("The config is not valid; what was in force stays so. "+bad.Error(), details...)
	case errors.As(err, &edit):
		return nil, huma.Error422UnprocessableEntity(edit.Error(), &huma.ErrorDetail{Location: edit.Path, Message: edit.Message})
	case errors.Is(err, config.ErrNoPath):
		return nil, huma.Error422UnprocessableEntity(err.Error())
	}
	return nil, huma.Error422UnprocessableEntity("Nothing was changed: " + err.Error())
}
