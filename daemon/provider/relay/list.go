package relay

import (
	"context"

	"github.com/tidwall/gjson"

	"corral/daemon/provider"
)

// List asks for a list of models with the server's own key. field is where each name stands in the answer, as gjson says it.
func (p *Relay) List(ctx context.Context, path, field string) ([]provider.Listed, error) {
	b, err := p.Tell(ctx, path)
	if err != nil {
		return nil, err
	}
	out := []provider.Listed{}
	for _, name := range gjson.GetBytes(b, field).Array() {
		if name.Str != "" {
			out = append(out, provider.Listed{Model: name.Str})
		}
	}
	return out, nil
}
