// Package guard is the stage that looks at the text of calls for what should not pass: credentials, personal data, and attempts
// to take the model over. The config says what is done about each: it is written down, hidden, or the call is refused.
//
// What is found is told by kind and count only (llm.Found). What is to be hidden is a matter of who is asked, which is not
// known yet when a call comes by here; so the call gets a mask (mask.go), and whoever asks a target puts it on. The answer then
// has the placeholders in it, and the mask puts back what they stand for (restore.go).
//
// To add a kind, see the finders: secrets, pii and injection. They know texts only; where the texts of a call are is known here
// (text.go).
//
// The surprise: the cache and the ledger have the whole text, as the caller sent it. Both are sealed and on this device.
package guard

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"corral/daemon/guard/injection"
	"corral/daemon/guard/pii"
	"corral/daemon/guard/secrets"
	"corral/daemon/guard/span"
	"corral/daemon/llm"
)

// Rules are what is looked for, and what is done about it.
type Rules struct {
	Secrets, PII, Injection Rule
}

// Rule is what is done about one class. The zero Rule: it is not looked for.
type Rule struct {
	On  bool
	Act llm.Act
}

// The classes, as llm.Found and metrics have them.
const (
	Secret    = "secret"
	PII       = "pii"
	Injection = "injection"
)

// policy is rules in a line, for the ledger; empty where nothing is looked for.
func (r *Rules) policy() string {
	var parts []string
	for _, c := range []struct {
		name string
		Rule
	}{{"secrets", r.Secrets}, {"pii", r.PII}, {"injection", r.Injection}} {
		if c.On {
			parts = append(parts, c.name+"="+Word(c.Act))
		}
	}
	return strings.Join(parts, " ")
}

// Word is an act as the config has it.
func Word(a llm.Act) string {
	return [...]string{llm.Flag: "flag", llm.MaskAway: "redact-for-cloud", llm.MaskAlways: "redact", llm.Block: "block"}[a]
}

// Guard is the stage.
type Guard struct {
	model *injection.Model
	kinds map[string]bool // that may be hidden, in capitals
	key   func() []byte   // of names of placeholders for whom the target remembers
	inUse atomic.Pointer[inUse]
	trees sync.Pool // of *tree
}

// inUse are rules, and what was found out under them.
type inUse struct {
	Rules
	policy string
	clean  clean
}

// New makes a Guard that looks for nothing yet. The key is this Corral's own; by it the same value has the same placeholder in all of
// a conversation that the target remembers.
func New(key func() []byte) (*Guard, error) {
	m, err := injection.New()
	if err != nil {
		return nil, fmt.Errorf("read what injections look like: %w", err)
	}
	g := &Guard{model: m, key: key, kinds: map[string]bool{}, trees: sync.Pool{New: func() any { return new(tree) }}}
	for _, k := range append(secrets.Kinds(), pii.Kinds()...) {
		g.kinds[strings.ToUpper(k)] = true
	}
	g.Set(Rules{})
	return g, nil
}

// Set puts r in force for calls to come.
func (g *Guard) Set(r Rules) {
	if now := g.inUse.Load(); now == nil || now.Rules != r {
		g.inUse.Store(&inUse{Rules: r, policy: r.policy(), clean: clean{seed: maphash.MakeSeed()}})
	}
}

// Policy is what is in force, in a line.
func (g *Guard) Policy() string { return g.inUse.Load().policy }

// Stage looks at the text of each call.
func (g *Guard) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		use := g.inUse.Load()
		if use.policy == "" || !looked(r) {
			return next.Serve(ctx, r)
		}
		step := r.Mark("guard")
		r.Policy = use.policy
		g.look(use, r)
		if len(r.Found) > 0 {
			step.Note("corral.guard.found", Summary(r.Found))
		}
		if err := refusal(r.Found); err != nil {
			step.End(err)
			return nil, err
		}
		step.End(nil)
		return next.Serve(ctx, r)
	})
}

// looked reports whether a call has text that goes to a model, or may have for all that is known.
func looked(r *llm.Request) bool {
	if len(r.Body) == 0 {
		return false
	}
	switch ep := r.Endpoint; ep.Task {
	case llm.Generate, llm.Embed:
		return true
	case llm.Read: // tokens are counted of a whole call; of a route that is not known nothing is
		return ep.Name == "count_tokens" || ep.Method == ""
	}
	return false
}

// look finds what is in r's text, and gives r a mask where some of it is to be hidden.
func (g *Guard) look(use *inUse, r *llm.Request) {
	t := g.take()
	defer g.give(t)
	t.load(r)
	judged := use.Injection.On && r.Endpoint.Task == llm.Generate
	var seen []llm.Found
	t.texts(func(_ int, s *str, value []byte) {
		foreign := judged && t.foreign(s)
		known := use.clean.sum(value, foreign, t.name(s))
		if use.clean.has(known) {
			return
		}
		spans := g.spans(use, t, s, value, 0)
		for _, x := range spans {
			seen = add(seen, llm.Found{Class: x.class, Kind: x.Kind, Count: 1, Act: use.act(x.class)})
		}
		none := len(spans) == 0
		if foreign {
			if v := g.model.Judge(borrowed(value)); v.Injection {
				none = false
				seen = add(seen, llm.Found{Class: Injection, Kind: v.Why, Count: 1, Act: use.Injection.Act})
			}
		}
		if none {
			use.clean.put(known)
		}
	})
	r.Found = seen
	var away, always bool
	for _, f := range seen {
		away = away || f.Act == llm.MaskAway
		always = always || f.Act == llm.MaskAlways
	}
	if away || always {
		r.Mask = &mask{g: g, use: use, away: away, always: always}
	}
}

// take and give lend a tree. A large one is not kept.
func (g *Guard) take() *tree { return g.trees.Get().(*tree) }

func (g *Guard) give(t *tree) {
	if cap(t.strings) > 4096 || cap(t.frames) > 4096 {
		return
	}
	t.b, t.typ = nil, nil
	g.trees.Put(t)
}

// classed is a place in a text, and which finder found it.
type classed struct {
	span.Span
	class string
}

// maxNested bounds how deep JSON may lie in strings of JSON that are looked into.
const maxNested = 3

// spans are the places that hold what is looked for, in order: those in value, and where that is JSON as text, those in its strings,
// whose places are then of no use.
func (g *Guard) spans(use *inUse, t *tree, s *str, value []byte, depth int) (all []classed) {
	if depth >= maxNested || !nested(value) {
		return use.spans(value, t.name(s))
	}
	in := g.take()
	defer g.give(in)
	in.read(value, shortest, true)
	in.texts(func(_ int, s *str, value []byte) { all = append(all, g.spans(use, in, s, value, depth+1)...) })
	return all
}

// name is the name that s has among somebody's own data: it may say what the value is. Empty: it has none.
func (t *tree) name(s *str) []byte {
	if t.plain || s.part == aName || t.frames[s.frame].bits&free == 0 {
		return nil
	}
	return t.at(s.key)
}

// longestNamed bounds the values that are looked at together with their names, in bytes: a password is no longer.
const longestNamed = 256

// spans are the places in value that hold what is looked for, in order. A personal datum within a credential is not told, unless more is
// done about it than about the credential.
func (u *inUse) spans(value, name []byte) []classed {
	var credentials, data []span.Span
	if u.Secrets.On {
		credentials = found(secrets.Find, value, name)
	}
	if u.PII.On {
		data = found(pii.Find, value, name)
	}
	if len(credentials)+len(data) == 0 {
		return nil
	}
	all := make([]classed, 0, len(credentials)+len(data))
	next := 0
	for _, x := range data {
		for next < len(credentials) && credentials[next].From <= x.From {
			all = append(all, classed{credentials[next], Secret})
			next++
		}
		within := next > 0 && x.To <= credentials[next-1].To
		if !within || u.PII.Act > u.Secrets.Act {
			all = append(all, classed{x, PII})
		}
	}
	for _, x := range credentials[next:] {
		all = append(all, classed{x, Secret})
	}
	return all
}

// found is what find finds in value, in order and none over another, or where that is nothing by its name.
func found(find func(string) []span.Span, value, name []byte) []span.Span {
	s := borrowed(value)
	all := find(s)
	if len(all) > 0 || len(name) == 0 || len(value) > longestNamed {
		return all
	}
	before := string(name) + `: "`
	for _, x := range find(before + s + `"`) {
		x.From, x.To = max(x.From-len(before), 0), min(x.To-len(before), len(s))
		if x.From == 0 && !strings.ContainsAny(s, " \t\r\n") {
			x.To = len(s) // its name speaks of all of it: a quote in a password does not end it
		}
		if x.From < x.To {
			all = append(all, x)
		}
	}
	return all
}

func (u *inUse) act(class string) llm.Act {
	if class == Secret {
		return u.Secrets.Act
	}
	return u.PII.Act
}

func add(found []llm.Found, f llm.Found) []llm.Found {
	for i := range found {
		if x := &found[i]; x.Class == f.Class && x.Kind == f.Kind {
			x.Count += f.Count
			return found
		}
	}
	return append(found, f)
}

// Summary is found in a line: "email=2 iban=1".
func Summary(found []llm.Found) string {
	var b strings.Builder
	for i, f := range found {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%d", f.Kind, f.Count)
	}
	return b.String()
}

// refusal says why a call with such findings may not pass; nil: it may.
func refusal(found []llm.Found) *llm.Error {
	var what, fields []string
	for _, f := range found {
		if f.Act != llm.Block {
			continue
		}
		word, field := "a credential ("+f.Kind+")", "guard.secrets"
		switch f.Class {
		case PII:
			word, field = "personal data ("+f.Kind+")", "guard.pii"
		case Injection:
			word, field = "what looks like an attempt to take the model over ("+f.Kind+")", "guard.injection"
		}
		what = append(what, word)
		if !slices.Contains(fields, field) {
			fields = append(fields, field)
		}
	}
	if what == nil {
		return nil
	}
	return llm.Errorf(llm.Blocked, "guard", nil, "This call was not sent to a model, because its text holds %s. Take it out and send it again; what is let through is set by %s in corral.yaml.",
		strings.Join(what, " and "), strings.Join(fields, " and "))
}

// borrowed is b as a string, without a copy. It is read only as long as b stays as it is.
func borrowed(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// clean remembers texts in which nothing was found: a chat sends all of its past again with each turn. It forgets some when
// others come.
type clean struct {
	seed  maphash.Seed // chosen by chance, so that nobody can make a text that is taken for another one
	slots [4096]atomic.Uint64
}

func (c *clean) sum(value []byte, foreign bool, name []byte) uint64 {
	h := maphash.Bytes(c.seed, value)
	if len(value) <= longestNamed { // then its name may say what it is
		h ^= maphash.Bytes(c.seed, name) << 1
	}
	if foreign {
		h = ^h
	}
	return h
}

func (c *clean) has(sum uint64) bool { return c.slots[sum%uint64(len(c.slots))].Load() == sum }
func (c *clean) put(sum uint64)      { c.slots[sum%uint64(len(c.slots))].Store(sum) }
