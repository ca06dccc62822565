package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"corral/daemon/cache"
	"corral/daemon/config"
	"corral/daemon/health"
	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/store/replies"
)

// cacheRules are what c says about answers that are kept.
func cacheRules(c config.Config) *cache.Rules {
	whens := map[string]cache.When{"off": cache.Off, "deterministic": cache.Deterministic, "always": cache.Always}
	x, s := c.Cache.Exact, c.Cache.Similar
	r := &cache.Rules{When: whens[x.When], TTL: time.Duration(x.TTL), MaxBytes: int64(x.MaxBytes), EmbedTTL: time.Duration(c.Cache.Embeddings.TTL), Shared: c.Cache.Shared,
		Similar: cache.SimilarRules{On: s.Model != "", Always: s.When == "always", Threshold: s.Threshold, TTL: time.Duration(s.TTL)}}
	for _, m := range x.Models {
		own := cache.ModelRules{Model: m.Model, When: r.When, TTL: r.TTL}
		if m.When != "" {
			own.When = whens[m.When]
		}
		if m.TTL > 0 {
			own.TTL = time.Duration(m.TTL)
		}
		r.Models = append(r.Models, own)
	}
	return r
}

// openCache opens what is kept of earlier answers. Without its file the cache lives in memory.
func (d *Daemon) openCache(c config.Config) error {
	o := cache.Options{
		Rules:  func() *cache.Rules { return d.now.Load().cache },
		Policy: d.guard.Policy,
		Away:   func(t llm.Target) bool { return d.nest.Away(t.Provider, t.Model) },
		Saved:  d.saved,
		Embed:  d.embed,
		Set:    d.set,
	}
	if c.Cache.MaxFile > 0 {
		file, err := replies.Open(replies.Options{Dir: d.o.DataDir, Secret: d.books.secret("replies"), MaxBytes: int64(c.Cache.MaxFile), Check: d.o.Check, Log: d.log})
		if err != nil {
			d.log.Warn("answers are kept in memory only", "cause", err)
		} else {
			d.replies, o.File = file, file
		}
	}
	var err error
	d.cache, err = cache.New(o)
	return err
}

// sizeCache bounds what is kept in memory: by what c says, and by an eighth of that while memory is short.
func (d *Daemon) sizeCache(c config.Config) {
	most := int64(c.Cache.Exact.MaxBytes)
	if d.wellness.short.Load() {
		most /= 8
	}
	d.cache.Resize(most)
}

// cacheCondition is how the file of kept answers is.
func (d *Daemon) cacheCondition() health.Found {
	f := health.Found{Code: health.Cache, Text: "answers are kept in memory and in a file"}
	if d.config.Started().Cache.MaxFile <= 0 {
		f.Text = "answers are kept in memory only, as cache.max_file says"
		return f
	}
	if d.replies == nil {
		f.Severity, f.Text, f.Do = health.Warning, "its file could not be opened, so answers are kept in memory only; the log says why", "restart Corral once that is mended"
		return f
	}
	switch s := d.replies.Stats(); {
	case s.Off != "":
		f.Severity, f.Text = health.Warning, "answers are kept in memory only: "+s.Off
	case !s.Damaged.IsZero():
		f.Severity, f.Text, f.Do = health.Notice, fmt.Sprintf("its file was damaged at %s (%s); it was set aside as %s and a new one begun", s.Damaged.Format(time.DateTime), s.DamagedBy, s.DamagedAs), "rm "+s.DamagedAs
	}
	return f
}

func (d *Daemon) closeCache() error {
	d.cache.Close()
	if d.replies == nil {
		return nil
	}
	return d.replies.Close()
}

// saved is what an answer cost, or at the model that savings are reckoned by would have.
func (d *Daemon) saved(t llm.Target, model string, u llm.Usage) int64 {
	cost, baseline := d.Cost(t, model, u, 0)
	if cost.Known && cost.Nano > 0 {
		return cost.Nano
	}
	return baseline.Nano
}

// embedding is the call that makes the vector of a question. It is Corral's own, so no caller's limits or sums count it.
var embedding = &llm.Endpoint{Name: "embed", Method: http.MethodPost, Pattern: "/api/embed", Task: llm.Embed}

var errNoEmbedder = errors.New("no provider on this device makes vectors")

// embed implements cache.Embed, by the first provider on this device that has the model; the one that had it last is asked
// first.
func (d *Daemon) embed(ctx context.Context, question string) (space string, vec []float32, err error) {
	c, providers := d.config.Current(), d.routing.Load().providers
	body, err := json.Marshal(map[string]string{"model": c.Cache.Similar.Model, "input": question})
	if err != nil {
		return "", nil, err
	}
	last, _ := d.embedder.Load().(string)
	want := c.Cache.Similar.Provider
	var failed []error
	for _, again := range []bool{false, true} {
		for _, p := range c.Providers {
			made := providers[p.Name]
			if made == nil || !p.OnDevice() || !made.Can(embedding) || again == (p.Name == last) || want != "" && want != p.Name {
				continue
			}
			if f, ok := made.(llm.Forwarder); ok {
				if host, err := f.Forwards(ctx, nil, c.Cache.Similar.Model, true); host != "" {
					failed = append(failed, fmt.Errorf("%s passes %s on to %s: a question that is only looked up stays on this device", p.Name, c.Cache.Similar.Model, host))
					continue
				} else if err != nil {
					failed = append(failed, err)
					continue
				}
			}
			space, vec, err := vectorBy(ctx, made, p.Name, c.Cache.Similar.Model, body)
			if err == nil {
				d.embedder.Store(p.Name)
				return space, vec, nil
			}
			failed = append(failed, fmt.Errorf("%s: %w", p.Name, err))
			if ctx.Err() != nil {
				return "", nil, errors.Join(failed...)
			}
		}
	}
	if len(failed) == 0 {
		return "", nil, errNoEmbedder
	}
	return "", nil, errors.Join(failed...)
}

func vectorBy(ctx context.Context, p provider.Provider, name, model string, body []byte) (space string, vec []float32, err error) {
	r := &llm.Request{ID: "similar", Endpoint: embedding, Method: embedding.Method, Path: embedding.Pattern, Header: http.Header{"Content-Type": {"application/json"}},
		Start: time.Now(), Body: body, Length: int64(len(body)), Model: model, Target: llm.Target{Provider: name, Why: "similar"}}
	reply, err := p.Serve(ctx, r)
	if err != nil {
		return "", nil, err
	}
	defer reply.Close()
	vec, err = vectorOf(reply)
	return name + "/" + model + "@" + reply.Digest, vec, err
}

func vectorOf(reply *llm.Reply) ([]float32, error) {
	var all []byte
	for {
		b, err := reply.Body.Next()
		all = append(all, b...)
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	var answer struct {
		Embeddings [][]float32 `json:"embeddings"`
		Error      string      `json:"error"`
	}
	if err := json.Unmarshal(all, &answer); err != nil {
		return nil, fmt.Errorf("read the vector: %w", err)
	}
	if len(answer.Embeddings) != 1 {
		return nil, fmt.Errorf("the model server made no vector (status %d): %s", reply.Status, answer.Error)
	}
	return answer.Embeddings[0], nil
}

// warmCache lets questions of earlier runs be found again.
func (d *Daemon) warmCache(ctx context.Context) {
	if err := d.cache.Warm(ctx); err != nil && ctx.Err() == nil {
		d.log.Warn("some questions of earlier runs will not be found", "cause", err)
	}
}
