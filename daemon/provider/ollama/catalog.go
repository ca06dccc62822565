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
	"github.com/tidwall/gjson"

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
	return ollamaCloud
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
	done chan struct{} // closed when the answer stands in the catalog
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
			continue
		}
		select {
		case <-q.done: // it may have been put before t, or the models been changed since
		case <-ctx.Done():
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

// patient is how long a server is left alone after a failure by those who must be sure.
func patient(error) time.Duration { return catalogFailed }

// easy is how long it is by the others: where nobody listened somebody may at once, but one that is too busy to say what it has would keep
// each call waiting.
func easy(err error) time.Duration {
	if errors.Is(err, outbound.ErrDial) {
		return catalogFailed
	}
	return catalogFresh
}

// known is what there is to know of a model without a wait, where anything is: at most catalogFresh old, and asked for anew beside that.
// A name that is new is waited for.
func (c *catalog) known(ctx context.Context, name string) (entry, error) {
	now := time.Now()
	c.mu.Lock()
	if l := c.last; l != nil {
		if e, ok := l.of(name); ok && now.Sub(l.at) < catalogFresh {
			if now.Sub(l.at) >= catalogSure {
				c.beside()
			}
			c.mu.Unlock()
			return e, nil
		}
	}
	c.mu.Unlock()
	return c.at(ctx, name, now, easy)
}

// at is what the server says of a model, as it was a second before t or later. Its error says that the server did not answer, and what is
// told then is what it said last.
func (c *catalog) at(ctx context.Context, name string, t time.Time, pause func(error) time.Duration) (entry, error) {
	l, err := c.since(ctx, t.Add(-catalogSure), pause)
	if l == nil {
		return entry{away: tagsHost(name)}, err
	}
	e, _ := l.of(name)
	return e, err
}

// ahead has what is known asked for anew where it is older than a second, beside the call after which it will be wanted.
func (c *catalog) ahead() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.last == nil || time.Since(c.last.at) >= catalogSure {
		c.beside()
	}
}

// beside puts the question without anybody's waiting for it. It needs the lock.
func (c *catalog) beside() {
	if !c.closed {
		c.begin(easy)
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
// (https://github.com/ollama/ollama/blob/v0.24.0/server/routes.go, webExperimentalProxyHandler; middleware/anthropic.go,
// WebSearchAnthropicWriter).
func (p *Provider) Forwards(ctx context.Context, r *llm.Request, name string, as llm.Word) (host string, err *llm.Error) {
	if r != nil && searches(r) {
		return ollamaCloud, nil
	}
	if r != nil && name == "" {
		if as == llm.Now && r.Unknown() && len(r.Body) > 0 && !json.Valid(r.Body) {
			return ollamaCloud, nil // it may be for any model, as a form is
		}
		return "", nil
	}
	var e entry
	var cause error
	switch as {
	case llm.Lately:
		e, cause = p.catalog.known(ctx, name)
	case llm.Now:
		e, cause = p.catalog.at(ctx, name, time.Now(), patient)
	case llm.Then:
		e, cause = p.catalog.at(ctx, name, r.Start, easy)
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

// searches reports whether r has the web searched.
func searches(r *llm.Request) bool {
	path := r.Path
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	if path == "/v1/messages" && bytes.Contains(r.Body, []byte(`web_search`)) {
		for _, t := range gjson.GetBytes(r.Body, "tools.#.type").Array() {
			if strings.HasPrefix(t.Str, "web_search") {
				return true
			}
		}
	}
	return strings.HasPrefix(path, "/api/experimental/web_")
}
