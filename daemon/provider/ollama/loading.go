package ollama

import (
	"context"

	"github.com/ollama/ollama/api"
)

// Loading reports whether a call for model waits because the model is not there yet. Ollama has no word for that, but it
// can be told from /api/ps (https://github.com/ollama/ollama/blob/v0.17.4/server/routes.go, PsHandler, and sched.go):
//
//   - A model that is not listed has no runner: it waits for another model to make room, or its runner is being started.
//   - A runner that is reading its model is listed. When it will be let go is not settled before its first answer is over;
//     until then Ollama counts from the moment at which it is asked, so that two looks see two times.
//
// A model that hangs in its first answer looks like the latter, and is given up when timeouts.load is over.
func (p *Provider) Loading(ctx context.Context, model string) (bool, error) {
	if e, _ := p.catalog.known(ctx, model, catalogSure); e.away != "" {
		return false, nil // nobody sees it being loaded where it is
	}
	first, err := p.running(ctx, model)
	if err != nil || first == nil {
		return err == nil, err
	}
	second, err := p.running(ctx, model)
	if err != nil || second == nil {
		return err == nil, err
	}
	return !second.ExpiresAt.Equal(first.ExpiresAt), nil
}

// running is what Ollama says of a model that it holds; nil: it holds none.
func (p *Provider) running(ctx context.Context, model string) (*api.ProcessModelResponse, error) {
	list, err := p.api.ListRunning(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list.Models {
		if m := &list.Models[i]; full(m.Name) == full(model) || full(m.Model) == full(model) {
			return m, nil
		}
	}
	return nil, nil
}
