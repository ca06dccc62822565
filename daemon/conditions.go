package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/resilience/breaker"
)

func (d *Daemon) providerConditions(seen []admin.Provider) (found []health.Found) {
	for i, p := range seen {
		f := health.Found{Code: health.Provider, Subject: p.Name, Text: p.URL + " answers"}
		if !p.Reachable {
			f.Severity, f.Text, f.Do = health.Warning, p.Problem, p.Do
			if i == 0 {
				f.Severity = health.Critical
			}
		}
		found = append(found, f)
		if f := d.certificate(p); f != nil {
			found = append(found, *f)
		}
	}
	for i, b := range d.nest.Breakers() {
		if i == maxBreakerSeries {
			break
		}
		if b.State == breaker.Closed {
			continue
		}
		severity := health.Warning
		if b.State == breaker.HalfOpen {
			severity = health.Notice // calls go there again
		}
		do := "close"
		if b.Pin != breaker.Unpinned {
			do = "unpin"
		}
		name := b.Target.Provider + "/" + b.Target.Model
		found = append(found, health.Found{Code: health.Breaker, Subject: name, Severity: severity,
			Text: fmt.Sprintf("%s: %s", b.State, cmp.Or(b.Why, "by hand")), Do: "corral breaker " + do + " " + name})
	}
	return append(found, d.outageConditions()...)
}

// A certificate is worth a word when so much time is left. Automatic renewal comes 30 days before the end
// (https://letsencrypt.org/docs/integration-guide/#when-to-renew), so at 14 days it has failed for a while.
const (
	certificateSoon = 14 * 24 * time.Hour
	certificateNow  = 2 * 24 * time.Hour
)

// certificate is nil for a provider that is spoken to without encryption.
func (d *Daemon) certificate(p admin.Provider) *health.Found {
	if !strings.HasPrefix(p.URL, "https://") {
		return nil
	}
	f := &health.Found{Code: health.Certificate, Subject: p.Name}
	x, ok := d.routing.Load().providers[p.Name].(interface{ CertificateEnds() time.Time })
	if !ok || x.CertificateEnds().IsZero() {
		f.Absent = "there was no connection to it yet"
		return f
	}
	ends := x.CertificateEnds()
	f.Text = "it is valid until " + ends.UTC().Format(time.DateTime) + " UTC"
	switch left := time.Until(ends); {
	case left < certificateNow:
		f.Severity = health.Critical
	case left < certificateSoon:
		f.Severity = health.Warning
	}
	return f
}

// holders are the servers on this device that load models, by name.
func (d *Daemon) holders() map[string]provider.Holder {
	out := map[string]provider.Holder{}
	providers := d.routing.Load().providers
	for _, p := range d.config.Current().Providers {
		if h, ok := providers[p.Name].(provider.Holder); ok && p.OnDevice() {
			out[p.Name] = h
		}
	}
	return out
}

// modelConditions are those of the models that the config names.
func (d *Daemon) modelConditions(ctx context.Context) (found []health.Found) {
	holders, said := d.holders(), map[string]bool{}
	c := d.config.Current()
	away := elsewhere(c)
	for _, m := range c.Models {
		for _, t := range m.Targets {
			h, name := holders[t.Provider], t.Provider+"/"+t.Model
			if said[name] {
				continue
			}
			said[name] = true
			host := away(t)
			if host != "" && c.LocalOnly { // that a name is local_only and leads away by the config is no config
				found = append(found, leads(m.Name, t, host, c))
			}
			if h == nil || host != "" {
				continue
			}
			if f, ok := h.(llm.Forwarder); ok {
				if host, _ := f.Forwards(ctx, nil, t.Model, false); host != "" {
					found = append(found, d.forwarded(t, host)...)
					continue
				}
			}
			stored, err := h.Stored(ctx)
			held, herr := h.Held(ctx)
			if err := errors.Join(err, herr); err != nil {
				why := errors.New("the server cannot be asked")
				found = append(found, health.Absent(health.ModelPresent, name, why), health.Absent(health.ModelLoaded, name, why))
				continue
			}
			full := h.Full(t.Model)
			missing := health.Found{Code: health.ModelPresent, Subject: name, Text: "it is there"}
			loaded := health.Found{Code: health.ModelLoaded, Subject: name, Text: "it is in memory"}
			if _, ok := stored[full]; !ok {
				missing.Severity, missing.Text, missing.Do = health.Warning, t.Provider+" does not have it", onModel("pull", t.Model, t.Provider, holders)
			}
			if !slices.ContainsFunc(held, func(x provider.Held) bool { return x.Model == full }) {
				loaded.Severity, loaded.Text, loaded.Do = health.Notice, "the next call waits until it is loaded", onModel("load", t.Model, t.Provider, holders)
			}
			found = append(found, missing, loaded)
		}
	}
	if f := d.embedderCondition(ctx, holders); f != nil {
		found = append(found, *f)
	}
	return found
}

// forwarded is what there is to say of a target that its server passes on to host.
func (d *Daemon) forwarded(t config.Target, host string) []health.Found {
	found := []health.Found{{Code: health.ModelPresent, Subject: t.Provider + "/" + t.Model, Text: "its text is passed on to " + host}}
	c := d.config.Current()
	for _, m := range c.Models {
		if (m.LocalOnly || c.LocalOnly) && slices.Contains(m.Targets, t) {
			return append(found, leads(m.Name, t, host, c))
		}
	}
	return found
}

// leads says of a name that must stay on this device that it has a target which does not.
func leads(name string, t config.Target, host string, c config.Config) health.Found {
	why := name + " is local_only"
	if c.LocalOnly {
		why = "local_only is set for all"
	}
	return health.Found{Code: health.LocalOnly, Subject: t.Provider + "/" + t.Model, Severity: health.Warning,
		Text: fmt.Sprintf("%s, and %s would be answered at %s: no call for %s is sent there", why, t.Model, host, name)}
}

// onModel is the command that does something about a model of a server on this device.
func onModel(do, model, provider string, holders map[string]provider.Holder) string {
	text := "corral models " + do + " " + model
	if len(holders) > 1 {
		text += " --provider " + provider
	}
	return text
}

// embedderCondition is that of the model by which the cache finds questions alike; nil: none is wanted, or who may have it does not say
// what it has.
func (d *Daemon) embedderCondition(ctx context.Context, holders map[string]provider.Holder) *health.Found {
	c := d.config.Current()
	model, by := c.Cache.Similar.Model, c.Cache.Similar.Provider
	if model == "" {
		return nil
	}
	first, passed := "", ""
	for _, p := range c.Providers {
		if !p.OnDevice() || by != "" && by != p.Name {
			continue
		}
		h := holders[p.Name]
		if h == nil {
			return nil
		}
		first = cmp.Or(first, p.Name)
		stored, err := h.Stored(ctx)
		if err != nil {
			f := health.Absent(health.ModelPresent, p.Name+"/"+model, errors.New("the server cannot be asked"))
			return &f
		}
		if _, ok := stored[h.Full(model)]; ok {
			return &health.Found{Code: health.ModelPresent, Subject: p.Name + "/" + model, Text: "it is there"}
		}
		if f, ok := h.(llm.Forwarder); ok && passed == "" {
			passed, _ = f.Forwards(ctx, nil, model, false)
		}
	}
	if first == "" {
		return nil
	}
	if passed != "" {
		return &health.Found{Code: health.ModelPresent, Subject: first + "/" + model, Severity: health.Warning,
			Text: "it is at " + passed + ", where no question goes only to be compared, so none is found by one alike (cache.similar)",
			Do:   "corral config set cache.similar.model NAME"}
	}
	return &health.Found{Code: health.ModelPresent, Subject: first + "/" + model, Severity: health.Warning,
		Text: "nobody on this device has it, so no question is found by one alike (cache.similar)", Do: onModel("pull", model, first, holders)}
}

// selfConditions are those of Corral itself.
func (d *Daemon) selfConditions() []health.Found {
	is := health.Found{Code: health.Config, Text: "what stands in the file is in force"}
	d.mu.Lock()
	if d.changes.rejected != "" {
		is.Severity, is.Text = health.Warning, d.changes.rejected
	}
	d.mu.Unlock()
	found := []health.Found{is}
	is = health.Found{Code: health.Database, Text: "it was whole when Corral started"}
	if damage := d.books.damage(); damage != nil {
		is.Severity, is.Text = health.Critical, damage.String()
	}
	money := health.Found{Code: health.Budgets, Text: "none is nearly used up"}
	if list := d.budgets.Problems(); len(list) > 0 {
		money.Severity, money.Text = health.Warning, strings.Join(list, " ")
	}
	found = append(found, is, money, d.levelsCondition(), d.cacheCondition())
	return append(found, d.ledgerConditions()...)
}

// ledgerConditions are what of the ledger needs a person.
func (d *Daemon) ledgerConditions() []health.Found {
	f := health.Found{Code: health.Ledger, Text: "entries are written as they come"}
	l, err := d.books.open()
	if err != nil {
		if errors.Is(err, errExchanging) {
			f.Absent = errExchanging.Error()
			return []health.Found{f}
		}
		f.Severity, f.Text, f.Do = health.Critical, err.Error(), "restart Corral"
		return []health.Found{f}
	}
	s, err := l.Status()
	if err != nil {
		f.Severity, f.Text, f.Do = health.Critical, "the ledger cannot be read: "+err.Error(), "corral audit verify"
		return []health.Found{f}
	}
	gap := health.Found{Code: health.LedgerGap, Text: "every call is on record"}
	if s.Failing != "" {
		then := "Calls go on; those that do not fit in memory are counted, and the gap is put on record (audit.on_failure: continue)."
		if d.now.Load().audit.Refuse {
			then = "Calls are refused until it can (audit.on_failure: refuse)."
		}
		f.Severity, f.Text = health.Critical, fmt.Sprintf("it cannot be written since %s: %s. %s", s.FailingSince.Format(time.DateTime), s.Failing, then)
		f.Do = "make room where " + d.o.DataDir + " is, and see that Corral may write there; it goes on by itself"
	} else if s.TornKeys > 0 {
		f.Severity, f.Text, f.Do = health.Critical, fmt.Sprintf("%d of its keys cannot be read any more", s.TornKeys), "corral audit verify"
	}
	if s.Missed > 0 {
		gap.Severity, gap.Text = health.Warning, fmt.Sprintf("%d calls went by unrecorded; the gap is not on record yet", s.Missed)
	}
	found := []health.Found{f, gap}
	for _, a := range s.Anchors {
		x := health.Found{Code: health.Anchor, Subject: a.Name, Text: fmt.Sprintf("it has seen %d entries", a.Size)}
		if a.Size == 0 {
			x.Text = "it was sent nothing yet since Corral started"
		}
		if a.Error != "" {
			x.Severity, x.Text = health.Warning, "it does not get the signed heads: "+a.Error
		}
		found = append(found, x)
	}
	return found
}
