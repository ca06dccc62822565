package daemon

import (
	"fmt"
	"net/url"
	"time"

	"corral/daemon/config"
	"corral/daemon/llm"
	"corral/daemon/pricing"
	"corral/store/ledger/record"
)

// newPrices makes the table that c describes.
func (d *Daemon) newPrices(c config.Config) (*pricing.Table, error) {
	o := pricing.Options{Baseline: c.Prices.Baseline, Local: pricing.Local{Watts: c.Prices.Local.Watts, USDPerKWh: c.Prices.Local.USDPerKWh, USDPerHour: c.Prices.Local.USDPerHour},
		Unknown: func(model string) {
			d.log.Warn("no price is known for a model, so what it costs is not known either; give one under prices.models in corral.yaml", "model", model)
		}}
	for _, m := range c.Prices.Models {
		cached := m.CachedInput
		if cached == 0 {
			cached = m.Input
		}
		o.Overrides = append(o.Overrides, pricing.Price{Provider: m.Provider, Model: m.Model, Source: "config",
			Rates: pricing.Rates{Input: pricing.USD(m.Input), CachedInput: pricing.USD(cached), CacheWrite: pricing.USD(m.Input), Output: pricing.USD(m.Output)}})
	}
	t, err := pricing.New(o)
	if err != nil {
		return nil, fmt.Errorf("prices: %w", err)
	}
	return t, nil
}

// seller is what prices go by of a provider.
type seller struct{ kind, host string }

// sellers are the providers by name.
func sellers(c config.Config) map[string]seller {
	out := map[string]seller{}
	for _, p := range c.Providers {
		s := seller{kind: string(p.Kind)}
		if u, err := url.Parse(p.URL); err == nil {
			s.host = u.Hostname()
		}
		out[p.Name] = s
	}
	return out
}

// Cost implements meter.Prices.
func (d *Daemon) Cost(t llm.Target, model string, u llm.Usage, took time.Duration) (cost, baseline record.Money) {
	now := d.now.Load()
	use := pricing.Use{Input: u.Input, CachedInput: u.Cached, CacheWrite: u.Written, Output: u.Output}
	return now.prices.Cost(now.priced(t, model, use, took)), now.prices.Baseline(use)
}

// Most implements budget.Prices.
func (d *Daemon) Most(t llm.Target, model string, input, output int64) record.Money {
	now := d.now.Load()
	return now.prices.Most(now.priced(t, model, pricing.Use{Input: input, Output: output}, 0))
}

// priced is a call to t that began so long ago, as the table of prices looks at it.
func (x *inForce) priced(t llm.Target, model string, use pricing.Use, took time.Duration) pricing.Call {
	from := x.sellers[t.Provider]
	return pricing.Call{Provider: t.Provider, Kind: from.kind, Host: from.host, Model: model, Local: t.Away == "", Time: time.Now().Add(-took), Duration: took, Use: use}
}

// priceList is the table in force.
func (d *Daemon) priceList() (prices []pricing.Price, baseline string) {
	t := d.now.Load().prices
	return t.List(), t.BaselineModel()
}
