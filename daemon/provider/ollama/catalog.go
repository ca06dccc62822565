package ollama

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
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
	aliasesRest    = time.Minute // until a server that knows no aliases is asked for them again: it may be another one then
)

// Cloud is where an Ollama passes the models with a cloud's tag on to.
const Cloud = "ollama.com"

// entry is what is known of one model.
type entry struct {
	digest string
	bytes  uint64
	away   string // host that text for it is passed on to; empty: the model is on the server's own disk
}

// list is what a server has, and when it was asked for that.
type list struct {
	at      time.Time
	models  map[string]entry  // by Full
	short   map[string]entry  // those whose tag is latest, without it: as most calls name them
	exact   map[string]string // aliases of whole names, both by Full
	aliases []alias           // of all names that begin so, the longest first
}

// alias is a name for another name, as an Ollama before 0.18 has it (https://github.com/ollama/ollama/blob/v0.17.4/server/aliases.go).
type alias struct {
	Alias  string `json:"alias"`
	Target string `json:"target"`
	Prefix bool   `json:"prefix_matching"` // of all names that begin so
}

func newList(models []api.ListModelResponse, aliases []alias) *list {
	l := &list{models: make(map[string]entry, len(models)), short: map[string]entry{}, exact: map[string]string{}}
	for _, m := range models {
		name, e := full(m.Name), entry{digest: m.Digest, bytes: uint64(max(m.Size, 0)), away: awayOf(m)}
		l.models[name] = e
		if short, ok := strings.CutSuffix(name, latest); ok {
			l.short[short] = e
		}
	}
	for _, a := range aliases {
		if a.Prefix {
			l.aliases = append(l.aliases, a)
		} else {
			l.exact[full(a.Alias)] = full(a.Target)
		}
	}
	slices.SortStableFunc(l.aliases, func(a, b alias) int { return len(b.Alias) - len(a.Alias) })
	return l
}

// of is what l has under a name, in any of the forms in which Ollama takes it. known is false of a name that it does not know.
func (l *list) of(name string) (e entry, known bool) {
	if e, ok := l.short[name]; ok {
		return e, true
	}
	if e, ok := l.models[name]; ok {
		return e, true
	}
	if host := tagsHost(name); host != "" {
		e := l.models[full(name)]
		e.away = cmp.Or(e.away, host)
		return e, true
	}
	name = full(name)
	if e, ok := l.models[name]; ok {
		return e, true
	}
	to, ok := l.means(name)
	if !ok {
		return entry{}, false
	}
	e = l.models[to]
	e.away = cmp.Or(e.away, tagsHost(to))
	return e, true
}

// means is the name that an alias stands for. Ollama looks for one where it has no model of the name; from there on it follows whole names
// only, whether or not it has a model of them.
func (l *list) means(name string) (string, bool) {
	to, ok := l.exact[name]
	if !ok {
		i := slices.IndexFunc(l.aliases, func(a alias) bool {
			return strings.HasPrefix(strings.TrimSuffix(name, latest), strings.ToLower(strings.TrimSpace(a.Alias)))
		})
		if i < 0 {
			return "", false
		}
		to = full(l.aliases[i].Target)
	}
	for range l.exact {
		next, ok := l.exact[to]
		if !ok {
			return to, true
		}
		to = next
	}
	_, ring := l.exact[to]
	return to, !ring // of a ring Ollama makes an error
}

const latest = ":latest"

// full is a model's name as the list has it: with its tag, without the registry that is meant anyway, in small letters. A name may say
// that it is the one on the server's disk that is meant (https://github.com/ollama/ollama/blob/v0.24.0/internal/modelref/modelref.go).
func full(name string) string {
	name = strings.TrimSpace(name)
	if at := len(name) - len(":local"); at > 0 && strings.Contains(name[:at], ":") && strings.EqualFold(name[at:], ":local") {
		name = name[:at]
	}
	n := model.ParseName(name)
	if !n.IsValid() {
		return strings.ToLower(tagged(name))
	}
	return strings.ToLower(n.DisplayShortest())
}

// tagged is model with its tag.
func tagged(model string) string {
	if !strings.Contains(model[strings.LastIndex(model, "/")+1:], ":") {
		model += latest
	}
	return model
}

// tagsHost is where text for a model goes whose tag says that it is in the cloud.
func tagsHost(name string) string {
	if (config.Target{Model: name}).OnDevice() {
		return ""
	}
	return Cloud
}

// catalog remembers what a server has. Who is content with what is known waits for nothing, and has it asked for anew beside that.
type catalog struct {
	fetch func(context.Context) (*list, error)
	ctx   context.Context // of questions that are put beside calls
	end   context.CancelFunc

	mu     sync.Mutex // guards what follows
	last   *list      // nil: nothing is known
	failed time.Time  // when the last question failed, after last
	err    error      // how
	asking *question  // nil: the server is not being asked
	closed bool
	wg     sync.WaitGroup
}

func newCatalog(fetch func(context.Context) (*list, error)) *catalog {
	c := &catalog{fetch: fetch}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// question is one that is being put to the server.
type question struct {
	at   time.Time
	done chan struct{} // closed when what follows stands, and the catalog has it
	list *list         // nil: the server did not say
}

// since is the list as the server had it at a time or later. If the server does not say, what it said last, or nil, with why. What failed
// less than pause ago is not tried again.
func (c *catalog) since(ctx context.Context, t time.Time, pause func(error) time.Duration) (*list, error) {
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
		q, mine := c.begin(pause)
		last, err := c.last, c.err
		c.mu.Unlock()
		if q == nil {
			return last, err
		}
		if mine {
			c.ask(ctx, q)
		}
		select {
		case <-q.done: // it may have been put before t, or broken off, or the models been changed since
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			return last, context.Cause(ctx)
		}
	}
}

// begin puts the question unless somebody has; nil: it failed less than pause ago. mine says that whoever began has to put it. It needs the
// lock.
func (c *catalog) begin(pause func(error) time.Duration) (q *question, mine bool) {
	switch {
	case c.err != nil && time.Since(c.failed) < pause(c.err):
		return nil, false
	case c.asking != nil:
		return c.asking, false
	}
	q = &question{at: time.Now(), done: make(chan struct{})}
	c.asking = q
	if c.closed { // a call that has waited since before that
		return q, true
	}
	c.wg.Go(func() {
		ctx, cancel := context.WithTimeout(c.ctx, catalogTimeout)
		defer cancel()
		c.ask(ctx, q)
	})
	return q, false
}

func (c *catalog) ask(ctx context.Context, q *question) {
	l, err := c.fetch(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		q.list = l
	}
	if c.asking == q { // else the models were changed meanwhile
		c.asking = nil
		switch {
		case err == nil:
			l.at = q.at
			c.last, c.err = l, nil
		case !errors.Is(err, context.Canceled): // else it was broken off, which says nothing of the server
			c.err, c.failed = err, time.Now()
		}
	}
	close(q.done)
}

// short is how long a server is left alone after a failure by those who must be sure.
func short(error) time.Duration { return catalogFailed }

// long is how long it is by the others: where nobody listened somebody may at once, but one that is too busy to say what it has would keep
// each call waiting.
func long(err error) time.Duration {
	if errors.Is(err, outbound.ErrDial) {
		return catalogFailed
	}
	return catalogFresh
}

// known is what there is to know of a model without a wait, however old: it is asked for anew beside that where it is older than fresh. A
// name that is not in an old list is waited for.
func (c *catalog) known(ctx context.Context, name string, fresh time.Duration) (entry, error) {
	now := time.Now()
	c.mu.Lock()
	if l := c.last; l != nil {
		age := now.Sub(l.at)
		if e, ok := l.of(name); ok || age < catalogFresh {
			if age >= fresh && !c.closed {
				c.begin(long)
			}
			c.mu.Unlock()
			return e, nil
		}
	}
	c.mu.Unlock()
	return c.of(ctx, name, now, long)
}

// of is what the server says of a model, as it was at a time or later. Its error says that the server did not answer, and what is told then
// is what it said last.
func (c *catalog) of(ctx context.Context, name string, t time.Time, pause func(error) time.Duration) (entry, error) {
	l, err := c.since(ctx, t, pause)
	if l == nil {
		return entry{away: tagsHost(name)}, err
	}
	e, _ := l.of(name)
	return e, err
}

// as tells later what the server says of a model now: by what it said within the last second, or by what it is asked beside a call. known is
// false where it does not say.
func (c *catalog) as(name string) func() (e entry, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if l := c.last; l != nil && time.Since(l.at) < catalogSure {
		return func() (entry, bool) {
			e, _ := l.of(name)
			return e, true
		}
	}
	var q *question
	if !c.closed {
		q, _ = c.begin(long)
	}
	return func() (entry, bool) {
		if q == nil {
			return entry{}, false
		}
		<-q.done // which comes within catalogTimeout
		if q.list == nil {
			return entry{}, false
		}
		e, _ := q.list.of(name)
		return e, true
	}
}

// changed says that what is known, and what is being asked, may not be so any more.
func (c *catalog) changed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last, c.asking, c.err = nil, nil, nil
}

// close ends the questions. Who has waited since before that puts its own.
func (c *catalog) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.wg.Wait()
}

// list asks the server what it has. A server that knows no such question has none that it passes on.
func (p *Provider) list(ctx context.Context) (*list, error) {
	var tags api.ListResponse
	var named struct{ Aliases []alias }
	var wg sync.WaitGroup
	var aliasesErr error
	if last := p.unaliased.Load(); last == nil || time.Since(*last) > aliasesRest {
		wg.Go(func() {
			known, err := p.tell(ctx, "/api/experimental/aliases", &named)
			if aliasesErr = err; err == nil && !known {
				now := time.Now()
				p.unaliased.Store(&now)
			}
		})
	}
	_, err := p.tell(ctx, "/api/tags", &tags)
	wg.Wait()
	if err := cmp.Or(err, aliasesErr); err != nil {
		return nil, err
	}
	return newList(tags.Models, named.Aliases), nil
}

// unheard are what a server answers that knows no such question. One that wants a key first, or is too busy, has not answered.
var unheard = []int{http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented}

// tell asks the server what it has at path; known is false where it has no such path, as one that is no Ollama, or an Ollama of today has
// none for aliases.
func (p *Provider) tell(ctx context.Context, path string, into any) (known bool, err error) {
	text, err := p.Tell(ctx, p.base+path)
	if refused := new(provider.AskError); errors.As(err, &refused) && slices.Contains(unheard, refused.Status) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, json.Unmarshal(text, into)
}

// awayOf is the host that text for a model of the list is passed on to; empty: it is on the server's own disk.
func awayOf(m api.ListModelResponse) string {
	if m.RemoteHost == "" {
		return tagsHost(m.Name)
	}
	return cmp.Or(hostOf(m.RemoteHost), tagsHost(m.Name))
}

// hostOf is the host of a remote model's address, with its port where that is not usual; empty: it is this machine.
func hostOf(address string) string {
	if (config.Provider{URL: address}).OnDevice() {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return Cloud // not to be told, but away it goes
	}
	if port := u.Port(); u.Scheme == "https" && port == "443" || u.Scheme == "http" && port == "80" {
		return u.Hostname()
	}
	return u.Host
}

// Forwards implements llm.Forwarder. What is searched for or fetched on the web goes to Ollama's makers whatever the model
// (https://github.com/ollama/ollama/blob/v0.24.0/server/routes.go, webExperimentalProxyHandler; middleware/anthropic.go,
// WebSearchAnthropicWriter, which in 0.17.4 refuses that to models that are not in its makers' cloud).
func (p *Provider) Forwards(ctx context.Context, r *llm.Request, name string, sure bool) (host string, err *llm.Error) {
	if r != nil && searches(r) || sure && name == llm.AnyModel {
		return Cloud, nil
	}
	if name == "" || name == llm.AnyModel {
		return "", nil
	}
	var e entry
	var cause error
	if sure {
		e, cause = p.catalog.of(ctx, name, time.Now().Add(-catalogSure), short)
	} else {
		e, cause = p.catalog.known(ctx, name, catalogSure)
	}
	switch {
	case errors.Is(cause, outbound.ErrDial):
		return e.away, p.Failed(ctx, "ask "+p.Name()+" for its models", cause)
	case cause != nil:
		return e.away, llm.Errorf(llm.Timeout, "ask "+p.Name()+" for its models", cause,
			"Ollama at %q did not say whether %s stays on this device, so it was not asked. It may be overloaded or hung.", p.Name(), name)
	}
	return e.away, nil
}

// Sending implements llm.Forwarder.
func (p *Provider) Sending(r *llm.Request, name string) func() (host string, known bool) {
	if searches(r) {
		return func() (string, bool) { return Cloud, true }
	}
	if name == "" || name == llm.AnyModel {
		return func() (string, bool) { return "", false }
	}
	as := p.catalog.as(name)
	return func() (string, bool) {
		e, known := as()
		return e.away, known
	}
}

// searches reports whether r has the web searched.
func searches(r *llm.Request) bool {
	path := r.Path
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	if path != "/v1/messages" {
		return strings.HasPrefix(path, "/api/experimental/web_")
	}
	if !bytes.Contains(r.Body, []byte("web_search")) && !disguised(r.Body) {
		return false
	}
	var in struct{ Tools []struct{ Type string } } // as Ollama reads it, which is not by the letter
	if json.Unmarshal(r.Body, &in) != nil {
		return false // Ollama refuses it
	}
	return slices.ContainsFunc(in.Tools, func(t struct{ Type string }) bool { return strings.HasPrefix(t.Type, "web_search") })
}

// disguised reports whether b writes a plain letter by its number, which no program does by itself.
func disguised(b []byte) bool {
	for {
		i := bytes.Index(b, []byte(`\u00`))
		if i < 0 || i+6 > len(b) {
			return false
		}
		if c := b[i+4]; c >= '5' && c <= '7' {
			return true
		}
		b = b[i+6:]
	}
}
