package daemon

import (
	"fmt"
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

// kinds are the providers' kinds by name, for prices.
func kinds(c config.Config) map[string]string {
	out := map[string]string{}
	for _, p := range c.Providers {
		out[p.Name] = string(p.Kind)
	}
	return out
}

// Cost implements meter.Prices.
func (d *Daemon) Cost(t llm.Target, model string, u llm.Usage, took time.Duration) (cost, baseline record.Money) {
	now := d.now.Load()
	use := pricing.Use{Input: u.Input, CachedInput: u.Cached, CacheWrite: u.Written, Output: u.Output}
	cost = now.prices.Cost(pricing.Call{Provider: t.Provider, Kind: now.kinds[t.Provider], Model: model, Local: t.Away == "", Duration: took, Use: use})
	return cost, now.prices.Baseline(use)
}

// priceList is the table in force.
func (d *Daemon) priceList() (prices []pricing.Price, baseline string) {
	t := d.now.Load().prices
	return t.List(), t.BaselineModel()
}
