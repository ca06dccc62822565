package ollama

import (
	"context"
	"sync"

	"github.com/ollama/ollama/types/model"

	"corral/daemon/provider"
)

const (
	maxKnown  = 200 // models of a list whose traits are asked for
	askedOnce = 4   // of them at the same time
)

// Models are those on the server's disk, with what they can do.
func (p *Provider) Models(ctx context.Context) ([]provider.Listed, error) {
	list, err := p.api.List(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]provider.Listed, len(list.Models))
	places := make(chan struct{}, askedOnce)
	var wg sync.WaitGroup
	for i, m := range list.Models {
		out[i].Model, out[i].Away = m.Name, awayOf(m)
		if i >= maxKnown {
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			x := p.known.Get(ctx, m.Name)
			for _, c := range x.can {
				switch out[i].Known = true; c {
				case model.CapabilityCompletion:
					out[i].Chats = true
				case model.CapabilityVision:
					out[i].Sees = true
				case model.CapabilityTools:
					out[i].Tools = true
				}
			}
		})
	}
	wg.Wait()
	return out, nil
}
