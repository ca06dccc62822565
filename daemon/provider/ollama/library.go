package ollama

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"corral/daemon/provider"
)

const (
	showsAtOnce = 4
	showTimeout = 2 * time.Second
	// cacheBits is how many bits each number of a model's attention cache takes, as Ollama keeps it unless told otherwise.
	cacheBits = 16
)

// details are what /api/show tells of a model, by the digest of which the rest cannot change.
type details struct {
	mu    sync.Mutex
	known map[string]detail
}

type detail struct {
	can              []string
	trained, context int
	cache            uint64 // bytes a token
	folder           string
}

// Stock is what is on the server's disk. A model of which it tells no details (its file may be damaged) is listed without.
func (p *Provider) Stock(ctx context.Context) ([]provider.Model, error) {
	list, err := p.api.List(ctx)
	if err != nil {
		return nil, told(err)
	}
	running, err := p.api.ListRunning(ctx)
	if err != nil {
		return nil, told(err)
	}
	of := p.details.of(ctx, list.Models, p.api.Show)
	out := make([]provider.Model, 0, len(list.Models))
	for _, m := range list.Models {
		d := of[m.Digest]
		x := provider.Model{Name: m.Name, Bytes: uint64(max(m.Size, 0)), Quantization: m.Details.QuantizationLevel, Parameters: m.Details.ParameterSize,
			Family: m.Details.Family, Trained: d.trained, Context: d.context, Cache: d.cache, Can: d.can, Digest: m.Digest, Modified: m.ModifiedAt, Folder: d.folder, Away: awayOf(m)}
		if x.Quantization == "unknown" {
			x.Quantization = ""
		}
		for _, r := range running.Models {
			// Of two names for the same model Ollama lists the one by which it was loaded; a call by the other finds it loaded too.
			if strings.EqualFold(r.Name, m.Name) || r.Digest != "" && r.Digest == m.Digest {
				x.Loaded, x.LoadedBytes, x.LoadedVRAM = true, uint64(max(r.Size, 0)), uint64(max(r.SizeVRAM, 0))
				x.LoadedContext, x.Expires = r.ContextLength, r.ExpiresAt
				if time.Until(x.Expires) > forGood {
					x.Expires = time.Time{}
				}
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// forGood is what a time to come means that is no time: Ollama adds the longest there is to now for a model that is kept for good.
const forGood = 50 * 365 * 24 * time.Hour

// of is what is known of the models, after those were asked for that are new. What is no longer listed is forgotten.
func (x *details) of(ctx context.Context, list []api.ListModelResponse, show func(context.Context, *api.ShowRequest) (*api.ShowResponse, error)) map[string]detail {
	x.mu.Lock()
	defer x.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, showTimeout)
	defer cancel()
	now := make(map[string]detail, len(list))
	var mu sync.Mutex // guards now
	var wg sync.WaitGroup
	places := make(chan struct{}, showsAtOnce)
	for _, m := range list {
		if d, ok := x.known[m.Digest]; ok {
			mu.Lock()
			now[m.Digest] = d
			mu.Unlock()
			continue
		}
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			s, err := show(ctx, &api.ShowRequest{Model: m.Name})
			if err != nil {
				return
			}
			mu.Lock()
			now[m.Digest] = detailOf(s)
			mu.Unlock()
		})
	}
	wg.Wait()
	x.known = now
	return now
}

// detailOf reads /api/show. The size of the cache follows llama.cpp's: keys and values of every layer, for each head that has some
// of its own (https://github.com/ggml-org/llama.cpp, src/llama-kv-cache.cpp).
func detailOf(s *api.ShowResponse) detail {
	var d detail
	for _, c := range s.Capabilities {
		d.can = append(d.can, string(c))
	}
	family, _ := s.ModelInfo["general.architecture"].(string)
	number := func(name string) float64 {
		switch n := s.ModelInfo[family+"."+name].(type) {
		case float64:
			return n
		case []any: // one for each layer
			sum := 0.0
			for _, x := range n {
				f, _ := x.(float64)
				sum += f / float64(len(n))
			}
			return sum
		}
		return 0
	}
	d.trained = int(number("context_length"))
	heads, layers := number("attention.head_count"), number("block_count")
	each := 0.0
	if heads > 0 {
		each = number("embedding_length") / heads
	}
	keys, values := cmp.Or(number("attention.key_length"), each), cmp.Or(number("attention.value_length"), each)
	if slices.Contains(s.Capabilities, model.CapabilityCompletion) { // one that only makes vectors keeps none
		d.cache = uint64(layers * cmp.Or(number("attention.head_count_kv"), heads) * (keys + values) * cacheBits / 8)
	}
	for line := range strings.Lines(s.Parameters) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "num_ctx" {
			d.context, _ = strconv.Atoi(f[1])
		}
	}
	for line := range strings.Lines(s.Modelfile) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "FROM "); ok && strings.HasPrefix(filepath.Base(path), "sha256-") {
			d.folder = filepath.Dir(filepath.Dir(path))
			break
		}
	}
	return d
}

// Pull is Ollama's own (https://github.com/ollama/ollama/blob/v0.17.4/docs/api.md#pull-a-model). When the connection ends it stops, and keeps
// what it has for the next time.
func (p *Provider) Pull(ctx context.Context, name string, insecure bool, tell func(provider.Progress) error) error {
	defer p.altered()
	type part struct{ done, total uint64 }
	parts := map[string]part{}
	var now provider.Progress
	whole := false
	// The client of Ollama's own package takes a stream that broke off for one that ended: the end has to be seen.
	err := p.api.Pull(ctx, &api.PullRequest{Model: name, Insecure: insecure}, func(r api.ProgressResponse) error {
		whole = whole || r.Status == "success"
		if now.Step = r.Status; r.Digest != "" && r.Total > 0 {
			was := parts[r.Digest]
			is := part{max(was.done, uint64(max(r.Completed, 0))), uint64(r.Total)}
			now.Done, now.Total = now.Done+is.done-was.done, now.Total+is.total-was.total
			parts[r.Digest] = is
			now.Step = "downloading"
		}
		return tell(now)
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return told(err)
	case !whole:
		return errors.New("the connection to Ollama broke off before the end")
	}
	return nil
}

// Remove deletes name from Ollama's disk, and lets go of it first: Ollama would keep it in memory.
func (p *Provider) Remove(ctx context.Context, name string) error {
	defer p.altered()
	held, err := p.Held(ctx)
	if err != nil {
		return err
	}
	for _, m := range held {
		if m.Model == p.Full(name) {
			if err := p.Unload(ctx, name); err != nil {
				return told(err)
			}
		}
	}
	return told(p.api.Delete(ctx, &api.DeleteRequest{Model: name}))
}

// Load makes Ollama read name into memory (https://github.com/ollama/ollama/blob/v0.17.4/docs/api.md#load-a-model). One that only makes
// vectors is loaded by asking for none.
func (p *Provider) Load(ctx context.Context, name string, keep time.Duration) error {
	defer p.held.changed()
	var k *api.Duration
	if keep != 0 {
		k = &api.Duration{Duration: keep}
	}
	s, err := p.api.Show(ctx, &api.ShowRequest{Model: name})
	if err != nil {
		return told(err)
	}
	if len(s.Capabilities) > 0 && !slices.Contains(s.Capabilities, model.CapabilityCompletion) {
		_, err = p.api.Embed(ctx, &api.EmbedRequest{Model: name, Input: []string{}, KeepAlive: k})
		return told(err)
	}
	return told(p.api.Generate(ctx, &api.GenerateRequest{Model: name, KeepAlive: k}, func(api.GenerateResponse) error { return nil }))
}

// altered makes what is remembered of the models be asked for anew.
func (p *Provider) altered() {
	p.catalog.changed()
	p.known.Changed()
	p.held.changed()
}

// told is err as those above know it: what Ollama said is told apart from an Ollama that did not answer. An error in a stream comes
// without a status.
func told(err error) error {
	var status api.StatusError
	var call *url.Error
	var line net.Error
	switch {
	case err == nil, errors.As(err, &call), errors.As(err, &line), errors.Is(err, context.Canceled), errors.Is(err, io.ErrUnexpectedEOF):
		return err
	case errors.As(err, &status):
		return &provider.AskError{Status: status.StatusCode, Text: cmp.Or(plain(status.ErrorMessage), status.Status, fmt.Sprint(status.StatusCode))}
	}
	return &provider.AskError{Text: plain(err.Error())}
}

// plain takes an answer's text out of JSON that the client has left it in.
func plain(text string) string {
	var in struct{ Error string }
	if b := []byte(text); bytes.HasPrefix(b, []byte("{")) && json.Unmarshal(b, &in) == nil && in.Error != "" {
		return in.Error
	}
	return text
}
