package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/cache"
)

// CacheChoice chooses among kept answers.
type CacheChoice struct {
	Model  string `query:"model" doc:"as it was asked for, or that answered; a name or a pattern such as llama3*"`
	Caller string `query:"caller" doc:"id or name of a key"`
	Older  string `query:"older" doc:"kept for at least so long: 90s, 12h"`
}

type cacheListInput struct {
	CacheChoice
	Limit int `query:"limit" minimum:"1" maximum:"10000" default:"100"`
}

type cacheListOutput struct {
	Body struct {
		Items []cache.Item `json:"items"`
		All   int          `json:"all" doc:"how many there are"`
	}
}

type cacheItemInput struct {
	ID string `path:"id" doc:"of a kept answer; its beginning is enough"`
}

// CachedAnswer is a kept answer with its text.
type CachedAnswer struct {
	cache.Item
	Question string `json:"question,omitempty" doc:"that it answers, where questions alike are looked for"`
	Answer   string `json:"answer" doc:"the bytes that a caller gets"`
}

type cacheItemOutput struct{ Body CachedAnswer }

type cacheClearedOutput struct {
	Body struct {
		Removed int `json:"removed"`
	}
}

type cacheStatsOutput struct{ Body cache.Stats }

// caching registers what has to do with kept answers.
func caching(api huma.API, o Options) {
	huma.Register(api, as(Read, huma.Operation{OperationID: "cache-stats", Method: http.MethodGet, Path: Base + "/cache", Summary: "How the cache is, and what it saved since the start"}),
		func(context.Context, *struct{}) (*cacheStatsOutput, error) {
			return &cacheStatsOutput{o.Cache.Stats()}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "cache-list", Method: http.MethodGet, Path: Base + "/cache/items", Summary: "The kept answers, newest first, without their texts"}),
		func(ctx context.Context, in *cacheListInput) (*cacheListOutput, error) {
			f, err := o.chosen(in.CacheChoice)
			if err != nil {
				return nil, err
			}
			out := &cacheListOutput{}
			if out.Body.Items, out.Body.All, err = o.Cache.List(ctx, f, in.Limit); err != nil {
				return nil, cacheError(err)
			}
			return out, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "cache-show", Method: http.MethodGet, Path: Base + "/cache/items/{id}", Summary: "One kept answer with its text"}),
		func(ctx context.Context, in *cacheItemInput) (*cacheItemOutput, error) {
			it, question, body, err := o.Cache.Show(ctx, in.ID)
			if err != nil {
				return nil, cacheError(err)
			}
			return &cacheItemOutput{CachedAnswer{it, question, string(body)}}, nil
		})
	huma.Register(api, as(Admin, huma.Operation{OperationID: "cache-clear", Method: http.MethodDelete, Path: Base + "/cache/items", Summary: "Remove kept answers: those chosen, or all"}),
		func(ctx context.Context, in *struct{ CacheChoice }) (*cacheClearedOutput, error) {
			f, err := o.chosen(in.CacheChoice)
			if err != nil {
				return nil, err
			}
			out := &cacheClearedOutput{}
			if out.Body.Removed, err = o.Cache.Clear(ctx, f); err != nil {
				return nil, cacheError(err)
			}
			return out, nil
		})
}

func (o *Options) chosen(c CacheChoice) (f cache.Filter, err error) {
	f = cache.Filter{Model: c.Model, Caller: o.keyID(c.Caller)}
	if c.Older != "" {
		if f.Older, err = time.ParseDuration(c.Older); err != nil || f.Older < 0 {
			return f, huma.Error422UnprocessableEntity("older: " + c.Older + " is no length of time; write such as 90s or 12h")
		}
	}
	return f, nil
}

func cacheError(err error) error {
	switch {
	case errors.Is(err, cache.ErrNoItem):
		return huma.Error404NotFound(err.Error())
	case errors.Is(err, cache.ErrAmbiguous), errors.Is(err, cache.ErrPattern):
		return huma.Error422UnprocessableEntity(err.Error())
	}
	return err
}
