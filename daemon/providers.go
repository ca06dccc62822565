package daemon

import (
	"context"
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
	base, err := url.Parse(p.URL)
	if err != nil {
		return nil, fmt.Errorf("provider %s: %w", p.Name, err)
	}
	o := relay.Options{Name: p.Name, Base: base, Timeouts: func() relay.Timeouts { return d.now.Load().timeouts },
		Client: outbound.Options{Connect: time.Duration(c.Timeouts.Connect), Proxy: config.Proxy}}
	var key func() (string, error)
	if p.Key != "" {
		key = once(func() (string, error) { return p.Key.Resolve(d.o.Secret) })
	}
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

// once keeps what resolve gave: a keyring may ask a person. A failure is not kept; another key comes with a reload.
func once(resolve func() (string, error)) func() (string, error) {
	var mu sync.Mutex
	var known string
	return func() (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != "" {
			return known, nil
		}
		key, err := resolve()
		if err == nil {
			known = key
		}
		return key, err
	}
}

// newTable makes the routing table that c describes. The caller closes its providers.
func (d *Daemon) newTable(c config.Config) (*route.Table, error) {
	t := &route.Table{Providers: map[string]provider.Provider{}, Models: map[string][]llm.Target{}, Made: time.Now()}
	for i, p := range c.Providers {
		made, err := d.newProvider(c, p)
		if err != nil {
			closeAll(t)
			return nil, err
		}
		t.Providers[p.Name] = made
		if i == 0 {
			t.Default = made
		}
	}
	away := map[string]string{}
	for _, p := range c.Providers {
		if u, err := url.Parse(p.URL); err == nil && !p.OnDevice() {
			away[p.Name] = u.Host
		}
	}
	for _, m := range c.Models {
		for _, target := range m.Targets {
			to := llm.Target{Provider: target.Provider, Model: target.Model, Why: "model", Away: away[target.Provider]}
			if to.Away == "" && !target.OnDevice() {
				to.Away = "ollama.com"
			}
			t.Models[m.Name] = append(t.Models[m.Name], to)
		}
	}
	t.Away = func(model string) string {
		if host := away[t.Default.Name()]; host != "" || (config.Target{Model: model}).OnDevice() {
			return host
		}
		return "ollama.com" // Ollama passes its cloud models on
	}
	return t, nil
}

func closeAll(t *route.Table) {
	for _, p := range t.Providers {
		p.Close()
	}
}

// probes remembers for a moment what asking each provider gave, so that nobody who asks often makes much work of it.
type probes struct {
	mu   sync.Mutex
	at   time.Time
	last []admin.Provider
}

const (
	probeFresh   = time.Second
	probeTimeout = 2 * time.Second
)

// forget makes the next look a fresh one.
func (p *probes) forget() {
	p.mu.Lock()
	p.at = time.Time{}
	p.mu.Unlock()
}

// seen is each provider as it was at most a second ago.
func (d *Daemon) seen(ctx context.Context) []admin.Provider {
	d.probes.mu.Lock()
	defer d.probes.mu.Unlock()
	if time.Since(d.probes.at) < probeFresh {
		return d.probes.last
	}
	// Whoever asks may go away; what is learned is for the next one too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
	defer cancel()
	c, t := d.config.Current(), d.router.Table()
	out := make([]admin.Provider, len(c.Providers))
	var wg sync.WaitGroup
	for i, p := range c.Providers {
		out[i] = admin.Provider{Name: p.Name, Kind: string(p.Kind), URL: p.URL, Checked: time.Now()}
		made := t.Providers[p.Name]
		if made == nil {
			continue
		}
		wg.Go(func() {
			if err := made.Probe(ctx); err != nil {
				out[i].Problem = err.Error()
				return
			}
			out[i].Reachable = true
		})
	}
	wg.Wait()
	d.probes.last, d.probes.at = out, time.Now()
	return out
}
