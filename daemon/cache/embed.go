package cache

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// embedding is an endpoint that makes vectors: where its inputs stand in a call, and how an answer is written.
type embedding struct {
	input   string // member of the call
	several bool   // the input may be a list
	vectors string // member of the answer that holds the vectors, or one
	tokens  string // member that tells the tokens of the input
	write   func(b *bytes.Buffer, model string, vectors []string, tokens int64)
}

var embeddings = map[string]*embedding{
	"embed": {"input", true, "embeddings", "prompt_eval_count", func(b *bytes.Buffer, model string, vectors []string, tokens int64) {
		b.WriteString(`{"model":` + model + `,"embeddings":[`)
		for i, v := range vectors {
			comma(b, i)
			b.WriteString(v)
		}
		b.WriteString(`],"total_duration":0,"load_duration":0,"prompt_eval_count":` + strconv.FormatInt(tokens, 10) + "}")
	}},
	"embeddings": {"prompt", false, "embedding", "", func(b *bytes.Buffer, _ string, vectors []string, _ int64) {
		b.WriteString(`{"embedding":` + vectors[0] + "}")
	}},
	"v1_embeddings": {"input", true, "data.#.embedding", "usage.prompt_tokens", func(b *bytes.Buffer, model string, vectors []string, tokens int64) {
		b.WriteString(`{"object":"list","data":[`)
		for i, v := range vectors {
			comma(b, i)
			b.WriteString(`{"object":"embedding","embedding":` + v + `,"index":` + strconv.Itoa(i) + "}")
		}
		n := strconv.FormatInt(tokens, 10)
		b.WriteString(`],"model":` + model + `,"usage":{"prompt_tokens":` + n + `,"total_tokens":` + n + "}}")
	}},
}

func comma(b *bytes.Buffer, i int) {
	if i > 0 {
		b.WriteByte(',')
	}
}

// maxInputs bounds the inputs of one call that are looked at.
const maxInputs = 4096

// batch is a call for vectors.
type batch struct {
	*ask
	as     *embedding
	span   llm.Span // of the inputs in the body
	inputs []string // raw JSON of each
	digest string
	keys   []Key // of each input
	found  []*entry
}

// batch takes a call for vectors apart. Nil: it is none that is understood.
func (c *Cache) batch(ctx context.Context, r *llm.Request, rules *Rules) *batch {
	as := embeddings[r.Endpoint.Name]
	if as == nil || r.Plan == nil || len(r.Plan.Candidates) == 0 || len(r.Body) == 0 || rules.EmbedTTL <= 0 {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(r.Body, &members) != nil {
		return nil
	}
	in := gjson.GetBytes(r.Body, as.input)
	if in.Index == 0 || !bytes.Equal(members[as.input], r.Body[in.Index:in.Index+len(in.Raw)]) {
		return nil // there are several of that name, and targets may differ in which one they take
	}
	b := &batch{ask: &ask{ctx: ctx, r: r, rules: rules, plan: r.Plan, at: c.o.Now(), d: asked(r.Header), ttl: rules.EmbedTTL}, as: as, span: llm.Span{From: in.Index, To: in.Index + len(in.Raw)}}
	switch {
	case in.Type == gjson.String && in.Str != "":
		b.inputs = []string{in.Raw}
	case as.several && in.IsArray() && in.Get("0").Type == gjson.Number: // one input, in tokens
		b.inputs = []string{in.Raw}
	case as.several && in.IsArray():
		in.ForEach(func(_, v gjson.Result) bool {
			if v.Type == gjson.String && v.Str != "" || v.IsArray() {
				b.inputs = append(b.inputs, v.Raw)
				return len(b.inputs) <= maxInputs
			}
			b.inputs = nil
			return false
		})
	}
	if len(b.inputs) == 0 || len(b.inputs) > maxInputs {
		return nil
	}
	for _, harmless := range []string{as.input, "model", "user", "keep_alive"} {
		delete(members, harmless)
	}
	rest, err := canonical(members)
	if err != nil {
		return nil
	}
	x := &r.Plan.Candidates[0]
	b.digest = digestOf(b.ask, x)
	b.canon.Family = "embed"
	base := c.key(b.ask, x.Target, b.digest, rest)
	b.keys, b.found = make([]Key, len(b.inputs)), make([]*entry, len(b.inputs))
	for i, raw := range b.inputs {
		b.keys[i] = inputKey(base, raw)
	}
	return b
}

// canonical writes members in the order of their names, deeper ones too.
func canonical(members map[string]json.RawMessage) ([]byte, error) {
	for name, raw := range members {
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		var v any
		if err := d.Decode(&v); err != nil {
			return nil, err
		}
		sorted, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		members[name] = sorted
	}
	return json.Marshal(members)
}

// inputKey names the vector of one input. A text is the same however its characters are escaped.
func inputKey(base Key, raw string) Key {
	b := append(make([]byte, 0, len(base)+len(raw)+16), base[:]...)
	var plain string
	if raw[0] == '"' && json.Unmarshal([]byte(raw), &plain) == nil {
		return sha256.Sum256(text(text(b, "text"), plain))
	}
	var compact bytes.Buffer
	json.Compact(&compact, []byte(raw))
	return sha256.Sum256(text(text(b, "tokens"), compact.String()))
}

// embed answers a call for vectors: those that are kept from the cache, and the others in one call to the target.
func (c *Cache) embed(ctx context.Context, r *llm.Request, rules *Rules, next llm.Handler) (*llm.Reply, error) {
	b := c.batch(ctx, r, rules)
	if b == nil {
		if asked(r.Header).onlyIfCached {
			return nil, notKept()
		}
		reply, err := next.Serve(ctx, r)
		if err == nil {
			mark(reply, statusBypass)
		}
		return reply, err
	}
	missing, kept := c.lookUp(b)
	switch {
	case len(missing) == 0:
		b.looked("hit")
	case kept == 0:
		b.looked(strings.TrimPrefix(b.status(), "corral; fwd="))
	default:
		b.looked("part")
	}
	c.counts.asked.Add(len(b.inputs))
	switch {
	case len(missing) == 0:
		return c.vectors(b, kept, nil), nil
	case b.d.onlyIfCached:
		return nil, notKept()
	case kept == 0 || c.away(b.plan.Candidates[0].Target): // another's vectors cannot be put together with what is kept
		return c.embedAll(b, next)
	}
	return c.embedMissing(b, kept, missing, next)
}

// lookUp finds what is kept, of how many inputs, and tells which inputs are missing. Of equal ones that are missing only the first is told.
func (c *Cache) lookUp(b *batch) (missing []int, kept int) {
	firsts := map[Key]bool{}
	for i, k := range b.keys {
		if e, tier := c.find(k); e != nil {
			if age, fresh := b.at.Sub(e.Stored), e.Exact.Sub(b.at); fresh > 0 && age <= b.ttl && b.d.allow(age, fresh) {
				b.found[i] = e
				kept++
				c.counts.hit(tier)
				continue
			}
		}
		if !firsts[k] {
			firsts[k] = true
			missing = append(missing, i)
		}
	}
	return missing, kept
}

// embedAll has the target answer the call as it came, and keeps the vectors once the caller has them.
func (c *Cache) embedAll(b *batch, next llm.Handler) (*llm.Reply, error) {
	if b.d.noStore {
		reply, err := next.Serve(b.ctx, b.r)
		if err == nil {
			mark(reply, []string{b.status()})
		}
		return reply, err
	}
	var s *sub
	collapsed := false
	if b.d.noCache {
		s, _ = newFlight(b.at).join(b.ctx, b.r)
	} else {
		b.ask.keys = b.keys
		s, collapsed = c.board(b.ask)
	}
	s.done = func(f *flight) {
		if c.usable(b, f.reply, f.own.Target) {
			c.keepVectors(b, all(b), f.buf, c.o.Now().Sub(f.began))
		}
	}
	var reply *llm.Reply
	var err error
	status := b.status()
	if collapsed {
		if reply, err = s.wait(); notOurs(err) {
			return alone(b.ask, next, status)
		}
		for range b.inputs {
			if err == nil {
				c.counts.hit(inFlight)
			}
		}
		status += "; collapsed"
	} else {
		reply, err = s.lead(next)
	}
	if err != nil {
		return nil, err
	}
	if c.usable(b, reply, b.r.Target) {
		status += "; stored"
	}
	mark(reply, []string{status})
	return reply, nil
}

func (b *batch) status() string {
	if b.d.noCache {
		return forwardRequest
	}
	return forwardMiss
}

func all(b *batch) []int {
	out := make([]int, len(b.inputs))
	for i := range out {
		out[i] = i
	}
	return out
}

// usable reports whether reply holds vectors of the model that the keys name: vectors of another one must not be mixed in.
func (c *Cache) usable(b *batch, reply *llm.Reply, from llm.Target) bool {
	return reply.Status == 200 && reply.Header.Get("Content-Encoding") == "" && b.candidate(from) == 0 && (reply.Digest == "" || reply.Digest == b.digest)
}

// embedMissing asks the target for what is missing only. Where the answer cannot be put together with what is kept, the whole call has
// to go after all, and costs what both have.
func (c *Cache) embedMissing(b *batch, kept int, missing []int, next llm.Handler) (*llm.Reply, error) {
	part := *b.r
	part.Release = nil
	var inputs bytes.Buffer
	inputs.WriteByte('[')
	for n, i := range missing {
		comma(&inputs, n)
		inputs.WriteString(b.inputs[i])
	}
	inputs.WriteByte(']')
	part.Body = append(append(append(make([]byte, 0, len(b.r.Body)), b.r.Body[:b.span.From]...), inputs.Bytes()...), b.r.Body[b.span.To:]...)
	part.Length = int64(len(part.Body))
	part.Fields.Model = nil
	for _, s := range b.r.Fields.Model {
		if s.From >= b.span.To {
			by := inputs.Len() - (b.span.To - b.span.From)
			s.From, s.To = s.From+by, s.To+by
		}
		part.Fields.Model = append(part.Fields.Model, s)
	}
	reply, err := next.Serve(b.ctx, &part)
	b.r.Target, b.r.Attempts, b.r.AskedOf, b.r.Left, b.r.Masked, b.r.OverBudget = part.Target, part.Attempts, part.AskedOf, part.Left, part.Masked, part.OverBudget
	b.r.Passed, b.r.Queued, b.r.Tries = part.Passed, part.Queued, part.Tries
	b.r.Release = both(b.r.Release, part.Release)
	if err != nil {
		return nil, err
	}
	if reply.Status != 200 {
		mark(reply, []string{b.status()})
		return reply, nil // its words are about the call all the same
	}
	defer reply.Close()
	answer, err := readAll(reply.Body)
	if err != nil {
		return nil, err
	}
	if c.usable(b, reply, part.Target) {
		if fresh := c.keepVectors(b, missing, answer, c.o.Now().Sub(b.at)); fresh != nil {
			whole := c.vectors(b, kept, fresh)
			whole.Route = reply.Route
			return whole, nil
		}
	}
	used := reply.Body.Usage()
	if reply, err = next.Serve(b.ctx, b.r); err != nil {
		return nil, err
	}
	reply.Body = &dearer{reply.Body, used.Input}
	mark(reply, []string{b.status()})
	return reply, nil
}

// dearer is a body for which more tokens were read than it tells of.
type dearer struct {
	llm.Body
	input int64 // negative: nobody knows how many
}

func (b *dearer) Usage() llm.Usage {
	u := b.Body.Usage()
	if u.Input >= 0 {
		u.Input += max(b.input, 0)
	}
	return u
}

// both gives back what two calls hold that are one for their caller.
func both(a, b func()) func() {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return func() { b(); a() }
}

// maxVectorsAnswer bounds an answer that is put together from parts, in bytes.
const maxVectorsAnswer = 64 << 20

func readAll(body llm.Body) ([]byte, error) {
	var out []byte
	for {
		p, err := body.Next()
		out = append(out, p...)
		if err == io.EOF {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if len(out) > maxVectorsAnswer {
			return nil, llm.Errorf(llm.BadAnswer, "read vectors", nil, "The model server answered with over %d MiB of vectors; send fewer inputs at once.", maxVectorsAnswer>>20)
		}
	}
}

// keepVectors keeps the vectors of an answer to these inputs, and returns them by their keys. Nil: it is no such answer.
func (c *Cache) keepVectors(b *batch, inputs []int, answer []byte, took time.Duration) map[Key]*entry {
	got := gjson.GetBytes(answer, b.as.vectors)
	vectors := []gjson.Result{got}
	if b.as.several {
		vectors = got.Array()
	}
	if len(vectors) != len(inputs) || !gjson.ValidBytes(answer) {
		return nil
	}
	var total, size int64
	if b.as.tokens != "" {
		total = gjson.GetBytes(answer, b.as.tokens).Int()
	}
	for _, i := range inputs {
		size += int64(len(b.inputs[i]))
	}
	out := make(map[Key]*entry, len(inputs))
	now := c.o.Now()
	x := &b.plan.Candidates[0].Target
	model := x.Model
	if model == "" {
		model = b.r.Model
	}
	for n, i := range inputs {
		v := vectors[n]
		if !(v.IsArray() && len(v.Raw) > 2) && v.Type != gjson.String {
			return nil
		}
		// The answer tells the tokens of all inputs together. Each gets its share, and the shares make up the whole.
		length := int64(len(b.inputs[i]))
		share := total * length / max(size, 1)
		total, size = total-share, size-length
		out[b.keys[i]] = &entry{body: []byte(v.Raw), Head: Head{Owner: b.r.Caller.Key, Asked: b.r.Model, Provider: x.Provider, Model: model, Digest: b.digest, Away: b.r.Target.Away,
			Endpoint: b.r.Endpoint.Name, Type: "application/json", Stored: now, Exact: now.Add(b.ttl), Took: took / time.Duration(len(inputs)),
			Usage: llm.Usage{Input: share, Output: -1, Cached: -1, Written: -1, Reasoning: -1}}}
	}
	switch {
	case b.d.noStore:
	case !c.keeps.Allow():
		c.counts.unkept.Inc()
	default:
		for k, e := range out {
			c.put(k, e)
		}
	}
	return out
}

// vectors is the answer put together from what was kept, of so many inputs, and what is fresh.
func (c *Cache) vectors(b *batch, kept int, fresh map[Key]*entry) *llm.Reply {
	vectors := make([]string, len(b.inputs))
	u := llm.NoUsage
	u.Input = 0
	var oldest *entry
	var tokens int64
	paid := map[Key]bool{}
	for i, k := range b.keys {
		e := fresh[k]
		if b.found[i] != nil {
			e = b.found[i]
			if oldest == nil || e.Stored.Before(oldest.Stored) {
				oldest = e
			}
			c.counts.again(c, e)
		} else if !paid[k] { // the target was asked for equal ones once
			paid[k] = true
			u.Input += max(e.Usage.Input, 0)
		}
		vectors[i] = string(e.body)
		tokens += max(e.Usage.Input, 0)
	}
	model, _ := json.Marshal(oldest.Model)
	var out bytes.Buffer
	b.as.write(&out, string(model), vectors, tokens)
	age, fresher := b.at.Sub(oldest.Stored), oldest.Exact.Sub(b.at)
	status := "corral; hit; ttl=" + strconv.FormatInt(int64(min(fresher, b.ttl-age)/time.Second), 10)
	if len(fresh) > 0 {
		status = "corral; fwd=partial; stored; detail=" + strconv.Itoa(kept) + "-of-" + strconv.Itoa(len(b.inputs))
	} else {
		b.r.Reuse = llm.Reuse{Free: true, Took: oldest.Took}
		b.r.Target = llm.Target{Provider: oldest.Provider, Model: oldest.Model, Why: "cache", Away: oldest.Away}
		u.Input = tokens
	}
	e := *oldest
	e.Usage = u
	return e.reply(b.r, out.Bytes(), "application/json", "cache", age, status)
}
