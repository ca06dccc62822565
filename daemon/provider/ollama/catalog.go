package ollama

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"corral/daemon/config"
	"corral/daemon/llm"
	"corral/daemon/outbound"
	"corral/daemon/provider"
)

const (
	catalogSure    = time.Second      // what must be true at the moment may be so old
	catalogFresh   = 15 * time.Second // what else is asked of a name that is known; a model may be replaced behind Corral's back
	catalogTimeout = time.Second      // of a question, and of a call's wait for its answer
	catalogFailed  = 250 * time.Millisecond
)

// ollamaCloud is where an Ollama passes the models with a cloud's tag on to.
const ollamaCloud = "ollama.com"

// entry is what is known of one model.
type entry struct {
	digest string
	bytes  uint64
	away   string // host that text for it is passed on to; empty: the model is on the server's own disk
}

// list is what a server has, and when it was asked for that.
type list struct {
	at      time.Time
	models  map[string]entry // by Full
	short   map[string]entry // those whose tag is latest, without it: as most calls name them
	aliases []alias
}

// alias is a name for another name. Ollama follows one where it has no model of that name, and no further than to a name that is none
// (https://github.com/ollama/ollama/blob/v0.17.4/server/aliases.go).
type alias struct {
	Alias  string `json:"alias"`
	Target string `json:"target"`
	Prefix bool   `json:"prefix_matching"` // of all names that begin so
}

// of is what l has under a name, in any of the forms in which Ollama takes it.
func (l *list) of(name string) (entry, bool) {
	if e, ok := l.short[name]; ok {
		return e, true
	}
	if e, ok := l.models[name]; ok {
		return e, true
	}
	name = full(name)
	for range len(l.aliases) + 1 { // they may go in a ring
		if e, ok := l.models[name]; ok {
			return e, true
		}
		i := slices.IndexFunc(l.aliases, func(a alias) bool { return !a.Prefix && full(a.Alias) == name })
		if i < 0 {
			i = l.prefix(name)
		}
		if i < 0 {
			return entry{away: tagsHost(name)}, false
		}
		name = full(l.aliases[i].Target)
	}
	return entry{away: tagsHost(name)}, false
}

// prefix is the longest alias that name begins with; -1: there is none.
func (l *list) prefix(name string) int {
	at, length := -1, 0
	for i, a := range l.aliases {
		if a.Prefix && len(a.Alias) > length && strings.HasPrefix(name, strings.ToLower(a.Alias)) {
			at, length = i, len(a.Alias)
		}
	}
	return at
}

// full is a model's name as the list has it: with its tag, without the registry that is meant anyway, in small letters.
func full(name string) string {
	n := model.ParseName(name)
	if !n.IsValid() {
		return strings.ToLower(tagged(name))
	}
	return strings.ToLower(n.DisplayShortest())
}

// tagged is model with its tag.
func tagged(model string) string {
	if !strings.Contains(model[strings.LastIndex(model, "/")+1:], ":") {
		model += ":latest"
	}
	return model
}

// tagsHost is where text for a model goes whose tag says that it is in the cloud.
func tagsHost(name string) string {
	if (config.Target{Model: name}).OnDevice() {
		return ""
	}
	return ollamaCloud
}

// catalog remembers what a server has. Who is content with what is known waits for nothing, and has it asked for anew beside that.
type catalog struct {
	fetch func(context.Context) (*list, error)

	mu     sync.Mutex // guards what follows
	last   *list      // nil: nothing is known
	failed time.Time  // when the last question failed, after last
	err    error      // how
	asking *question  // nil: the server is not being asked
	closed bool
	wg     sync.WaitGroup
}

// question is one that is being put to the server.
type question struct {
	at   time.Time
	done chan struct{} // closed when the answer stands in the catalog
}

var errClosed = errors.New("the provider was closed")

// since is the list as the server had it at a time or later. If the server does not say, what it said last, or nil, with why. What failed
// less than pause ago is not tried again.
func (c *catalog) since(ctx context.Context, t time.Time, pause time.Duration) (*list, error) {
	c.mu.Lock()
	l := c.last
	c.mu.Unlock()
	if l != nil && !l.at.Before(t) {
		return l, nil // as for most calls
	}
	ctx, cancel := context.WithTimeout(ctx, catalogTimeout)
	defer cancel()
	for {
		c.mu.Lock()
		if c.last != nil && !c.last.at.Before(t) {
			defer c.mu.Unlock()
			return c.last, nil
		}
		q := c.begin(pause)
		if q == nil {
			defer c.mu.Unlock()
			return c.last, c.err
		}
		c.mu.Unlock()
		select {
		case <-q.done: // it may have been put before t, or the models been changed since
		case <-ctx.Done():
			c.mu.Lock()
			defer c.mu.Unlock()
			return c.last, context.Cause(ctx)
		}
	}
}

// begin puts the question unless somebody has; nil: it failed less than pause ago, or no more are put. It needs the lock.
func (c *catalog) begin(pause time.Duration) *question {
	switch {
	case c.asking != nil:
		return c.asking
	case c.closed:
		c.err = errClosed
		return nil
	case c.err != nil && time.Since(c.failed) < pause:
		return nil
	}
	q := &question{at: time.Now(), done: make(chan struct{})}
	c.asking = q
	c.wg.Go(func() { c.ask(q) })
	return q
}

// pause is for how long who needs no certainty leaves the server alone after a failure: one that nobody listens to may be back at once,
// one that is too busy to say what it has would keep each call waiting. It needs the lock.
func (c *catalog) pause() time.Duration {
	if errors.Is(c.err, context.DeadlineExceeded) {
		return catalogFresh
	}
	return catalogFailed
}

func (c *catalog) ask(q *question) {
	ctx, cancel := context.WithTimeout(context.Background(), catalogTimeout)
	defer cancel()
	l, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking == q { // else the models were changed meanwhile
		c.asking = nil
		if c.err = err; err != nil {
			c.failed = time.Now()
		} else {
			l.at = q.at
			c.last = l
		}
	}
	close(q.done)
}

// known is what there is to know of a model without a wait, where anything is: at most catalogFresh old, and asked for anew beside that.
// A name that is new is waited for.
func (c *catalog) known(ctx context.Context, name string) (entry, error) {
	now := time.Now()
	c.mu.Lock()
	pause := c.pause()
	if l := c.last; l != nil {
		if e, ok := l.of(name); ok && now.Sub(l.at) < catalogFresh {
			if now.Sub(l.at) >= catalogSure {
				c.begin(pause)
			}
			c.mu.Unlock()
			return e, nil
		}
	}
	c.mu.Unlock()
	return c.at(ctx, name, now, pause)
}

// sure is what the server says of a model, as it was a second before t or later. Its error says that the server did not answer, and what
// is told then is what it said last.
func (c *catalog) sure(ctx context.Context, name string, t time.Time) (entry, error) {
	return c.at(ctx, name, t, catalogFailed)
}

func (c *catalog) at(ctx context.Context, name string, t time.Time, pause time.Duration) (entry, error) {
	l, err := c.since(ctx, t.Add(-catalogSure), pause)
	if l == nil {
		return entry{away: tagsHost(name)}, err
	}
	e, _ := l.of(name)
	return e, err
}

// ahead has what is known asked for anew where it is older than a second, beside the call that will want it, as then tells.
func (c *catalog) ahead() (then func(ctx context.Context, name string) entry) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	pause := c.pause()
	if c.last == nil || now.Sub(c.last.at) >= catalogSure {
		c.begin(pause)
	}
	return func(ctx context.Context, name string) entry {
		e, _ := c.at(ctx, name, now, pause)
		return e
	}
}

// changed says that what is known, and what is being asked, may not be so any more.
func (c *catalog) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.asking, c.err = nil, nil, nil
}

func (c *catalog) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}

// list asks the server what it has. A server that knows no such question has none that it passes on.
func (p *Provider) list(ctx context.Context) (*list, error) {
	var tags api.ListResponse
	var named struct{ Aliases []alias }
	var wg sync.WaitGroup
	var aliasesErr error
	wg.Go(func() { aliasesErr = p.tell(ctx, "/api/experimental/aliases", &named) })
	err := p.tell(ctx, "/api/tags", &tags)
	wg.Wait()
	if err := cmp.Or(err, aliasesErr); err != nil {
		return nil, err
	}
	l := &list{models: make(map[string]entry, len(tags.Models)), short: map[string]entry{}, aliases: named.Aliases}
	for _, m := range tags.Models {
		name, e := full(m.Name), entry{digest: m.Digest, bytes: uint64(max(m.Size, 0)), away: awayOf(m)}
		l.models[name] = e
		if short, ok := strings.CutSuffix(name, ":latest"); ok {
			l.short[short] = e
		}
	}
	return l, nil
}

// tell asks the server what it has at path. Into nothing is put if it has no such path, as one that is no Ollama: aliases are one of
// Ollama's experiments.
func (p *Provider) tell(ctx context.Context, path string, into any) error {
	text, err := p.Tell(ctx, p.base+path)
	if refused := new(provider.AskError); errors.As(err, &refused) && refused.Status < 500 {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}

// awayOf is the host that text for a model of the list is passed on to; empty: it is on the server's own disk.
func awayOf(m api.ListModelResponse) string {
	if m.RemoteHost != "" {
		return hostOf(m.RemoteHost)
	}
	return tagsHost(m.Name)
}

// hostOf is the host of a remote model's address, with its port where that is not usual; empty: it is this machine.
func hostOf(address string) string {
	if (config.Provider{URL: address}).OnDevice() {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ollamaCloud // not to be told, but away it goes
	}
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Hostname()
	}
	return u.Host
}

// Forwards implements llm.Forwarder. What is searched for or fetched on the web goes to Ollama's makers whatever the model
// (https://github.com/ollama/ollama/blob/v0.24.0/server/routes.go, webExperimentalProxyHandler).
func (p *Provider) Forwards(ctx context.Context, path, model string, sure bool) (host string, err *llm.Error) {
	if strings.HasPrefix(path, "/api/experimental/web_") {
		return ollamaCloud, nil
	}
	if model == "" {
		return "", nil
	}
	var e entry
	var cause error
	if sure {
		e, cause = p.catalog.sure(ctx, model, time.Now())
	} else {
		e, cause = p.catalog.known(ctx, model)
	}
	switch {
	case errors.Is(cause, outbound.ErrDial):
		return e.away, p.Failed(ctx, "ask "+p.Name()+" for its models", cause)
	case cause != nil:
		return e.away, llm.Errorf(llm.Timeout, "ask "+p.Name()+" for its models", cause,
			"Ollama at %q did not say whether %s stays on this device, so it was not asked. It may be overloaded or hung.", p.Name(), model)
	}
	return e.away, nil
}
