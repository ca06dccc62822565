package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/llm"
	"corral/daemon/outbound"
	"corral/daemon/provider"
	"corral/daemon/provider/anthropic"
	"corral/daemon/provider/gemini"
	"corral/daemon/provider/ollama"
	"corral/daemon/provider/openai"
	"corral/daemon/provider/relay"
	"corral/daemon/route"
)

// newProvider makes what stands for p in the config.
func (d *Daemon) newProvider(c config.Config, p config.Provider) (provider.Provider, error) {
	var key func() (string, error)
	if p.Key != "" {
		key = once(func() (string, error) {
			k, err := p.Key.Resolve(d.o.Secret)
			if err != nil {
				err = noKey{err}
			}
			return k, err
		})
	}
	return d.providerWith(c, p, key)
}

// noKey says that a provider's key could not be read: its server was not even asked.
type noKey struct{ error }

func (e noKey) Unwrap() error { return e.error }

// providerWith is newProvider with a key that need not be the config's; nil: none.
func (d *Daemon) providerWith(c config.Config, p config.Provider, key func() (string, error)) (provider.Provider, error) {
	base, err := url.Parse(p.URL)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	o := relay.Options{Name: p.Name, Base: base, TraceAway: c.Telemetry.Propagate == "all", Timeouts: func() relay.Timeouts { return d.now.Load().timeouts },
		Client: outbound.Options{Connect: time.Duration(c.Timeouts.Connect), Proxy: config.Proxy}}
	switch p.Kind {
	case config.KindOllama:
		return ollama.New(o), nil
	case config.KindOpenAI:
		var also []llm.Dialect
		for _, name := range p.Dialects {
			for _, dialect := range []llm.Dialect{llm.Ollama, llm.OpenAI, llm.Anthropic} {
				if dialect.String() == name {
					also = append(also, dialect)
				}
			}
		}
		return openai.New(o, key, also), nil
	case config.KindAnthropic:
		return anthropic.New(o, key), nil
	case config.KindGemini:
		return gemini.New(o, key), nil
	}
	return nil, fmt.Errorf("provider %s: the kind %q is not known", p.Name, p.Kind)
}

// keyPatience is how long a call waits for a key that a person may have to unlock. The question goes on meanwhile, and the next call
// finds what came of it.
const keyPatience = 1500 * time.Millisecond

var errLocked = errors.New("the keyring has not given it yet; unlock it, it may be asking for its password in a window")

// once keeps what resolve gave: a keyring may ask a person, and takes as long as that does. A failure is not kept; another key comes with a
// reload.
func once(resolve func() (string, error)) func() (string, error) {
	type question struct {
		done chan struct{} // closed when what follows stands
		key  string
		err  error
	}
	var mu sync.Mutex
	var known string
	var asked *question // nil: nobody asks
	return func() (string, error) {
		mu.Lock()
		if known != "" {
			defer mu.Unlock()
			return known, nil
		}
		q := asked
		if q == nil {
			q = &question{done: make(chan struct{})}
			asked = q
			go func() { // a keyring's answer cannot be called off; there is one question at most
				q.key, q.err = resolve()
				mu.Lock()
				if asked = nil; q.err == nil {
					known = q.key
				}
				mu.Unlock()
				close(q.done)
			}()
		}
		mu.Unlock()
		late := time.NewTimer(keyPatience)
		defer late.Stop()
		select {
		case <-q.done:
			return q.key, q.err
		case <-late.C:
			return "", errLocked
		}
	}
}

// newTable makes the routing table that c describes, and its providers by name. The caller closes these.
func (d *Daemon) newTable(c config.Config) (*routing, error) {
	x := &routing{providers: map[string]provider.Provider{}}
	t := &route.Table{Models: map[string]*route.Model{}, LocalOnly: c.LocalOnly, Made: time.Now()}
	x.table = t
	away, keyed := elsewhere(c), map[string]bool{}
	for i, p := range c.Providers {
		made, err := d.newProvider(c, p)
		if err != nil {
			x.close()
			return nil, err
		}
		x.providers[p.Name], keyed[p.Name] = made, p.Key != ""
		if i == 0 {
			t.Default = route.Target{Target: llm.Target{Provider: p.Name, Why: "default"}, Provider: made, Keyed: keyed[p.Name]}
		}
	}
	for _, m := range c.Models {
		made := &route.Model{LocalOnly: m.LocalOnly}
		for _, target := range m.Targets {
			to := llm.Target{Provider: target.Provider, Model: target.Model, Why: "model", Away: away(target)}
			made.Targets = append(made.Targets, route.Target{Target: to, Provider: x.providers[target.Provider], Keyed: keyed[target.Provider]})
		}
		for _, l := range m.LastResort {
			made.LastResort = append(made.LastResort, llm.LastResort{Similar: l.Similar, Static: l.Static})
		}
		t.Models[m.Name] = made
	}
	t.Choose = func(name, model string) (route.Target, bool) {
		p := x.providers[name]
		if p == nil || model == "" {
			return route.Target{}, false
		}
		to := llm.Target{Provider: name, Model: model, Why: "chosen", Away: away(config.Target{Provider: name, Model: model})}
		return route.Target{Target: to, Provider: p, Keyed: keyed[name]}, true
	}
	first := t.Default.Target.Provider
	t.Away = func(model string) string { return away(config.Target{Provider: first, Model: model}) }
	return x, nil
}

// elsewhere tells by c alone to which host the text for a target goes; empty: it stays on this device, as far as its server says nothing else.
func elsewhere(c config.Config) func(config.Target) string {
	hosts := map[string]string{}
	for _, p := range c.Providers {
		if u, err := url.Parse(p.URL); err == nil && !p.OnDevice() {
			hosts[p.Name] = u.Host
		}
	}
	return func(t config.Target) string {
		if host := hosts[t.Provider]; host != "" || t.OnDevice() {
			return host
		}
		return ollama.Cloud
	}
}

// routing is a table and the providers that it was made with.
type routing struct {
	table     *route.Table
	providers map[string]provider.Provider
}

// close lets go of the providers; calls under way keep their connections.
func (x *routing) close() {
	for _, p := range x.providers {
		p.Close()
	}
}

// probes remembers for a moment what asking each provider gave, so that nobody who asks often makes much work of it.
type probes struct {
	mu   sync.Mutex // held while they are asked
	last map[string]admin.Provider
}

const (
	probeFresh    = time.Second
	probeFreshFar = 15 * time.Second // over a network, and with a key
	probeTimeout  = 2 * time.Second
)

// forget makes the next look a fresh one.
func (p *probes) forget() {
	p.mu.Lock()
	for name, x := range p.last {
		x.Checked = time.Time{}
		p.last[name] = x
	}
	p.mu.Unlock()
}

// seen is each provider as it was a moment ago.
func (d *Daemon) seen(ctx context.Context) []admin.Provider {
	return d.look(ctx, func(p config.Provider, age time.Duration) bool {
		return age >= probeFreshFar || p.OnDevice() && age >= probeFresh
	})
}

// look asks the providers whose last answer is old, and tells of all.
func (d *Daemon) look(ctx context.Context, old func(p config.Provider, age time.Duration) bool) []admin.Provider {
	d.probes.mu.Lock()
	defer d.probes.mu.Unlock()
	// Whoever asks may go away; what is learned is for the next one too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	c, providers := d.config.Current(), d.routing.Load().providers
	out := make([]admin.Provider, len(c.Providers))
	var wg sync.WaitGroup
	for i, p := range c.Providers {
		known, asked := d.probes.last[p.Name]
		if out[i] = known; asked && !old(p, time.Since(known.Checked)) {
			continue
		}
		out[i] = admin.Provider{Name: p.Name, Kind: string(p.Kind), URL: p.URL, Checked: time.Now()}
		made := providers[p.Name]
		if made == nil {
			continue
		}
		wg.Go(func() {
			if err := made.Probe(ctx); err != nil {
				out[i].Problem = err.Error()
				switch {
				case errors.As(err, new(noKey)):
					out[i].Do = p.Key.Mend(p.Name)
				case p.Kind == config.KindOllama:
					out[i].Do = "ollama serve"
				}
				return
			}
			out[i].Reachable = true
		})
	}
	wg.Wait()
	d.tellProviders(d.probes.last, out)
	d.probes.last = make(map[string]admin.Provider, len(out))
	for _, p := range out {
		d.probes.last[p.Name] = p
	}
	return out
}
