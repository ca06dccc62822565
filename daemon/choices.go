package daemon

import (
	"context"
	"sync"
	"time"

	"corral/daemon/admin"
	"corral/daemon/provider"
)

// choicesTimeout bounds the wait for lists of models; what has not come by then is missing, with a reason.
const choicesTimeout = 5 * time.Second

// choices are the models that a call may be for: the config's names, and what each provider says it has.
func (d *Daemon) choices(ctx context.Context) admin.Choices {
	ctx, cancel := context.WithTimeout(ctx, choicesTimeout)
	defer cancel()
	c, x := d.config.Current(), d.routing.Load()
	out := admin.Choices{Names: shownModels(c), Default: x.table.Default.Target.Provider, Providers: make([]admin.ProviderChoices, len(c.Providers))}
	var wg sync.WaitGroup
	for i, p := range c.Providers {
		shown := &out.Providers[i]
		*shown = admin.ProviderChoices{Provider: p.Name, Kind: string(p.Kind), Models: []admin.Choice{}}
		if to, ok := x.table.Choose(p.Name, "any"); ok {
			shown.Away = to.Target.Away
		}
		lister, ok := x.providers[p.Name].(provider.Lister)
		if !ok {
			shown.Problem = "this kind of provider does not tell which models it has"
			continue
		}
		wg.Go(func() {
			list, err := lister.Models(ctx)
			if err != nil {
				shown.Problem = err.Error()
			}
			for _, m := range list {
				choice := admin.Choice{Model: m.Model, Away: m.Away}
				if m.Known {
					choice.Chats, choice.Sees, choice.Tools = &m.Chats, &m.Sees, &m.Tools
				}
				shown.Models = append(shown.Models, choice)
			}
		})
	}
	wg.Wait()
	return out
}
