package ollama

import (
	"context"
	"maps"
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
	traitsFresh   = 15 * time.Second // a model may be replaced behind Corral's back
	traitsTimeout = 500 * time.Millisecond
	maxTraits     = 1000 // models: callers may send any name
)

// traits are what a model can do, as Ollama tells it. The zero value says that nothing is known.
type traits struct {
	can     []model.Capability // empty: not told, as by an Ollama before 0.6.4
	context int                // tokens; 0: not known
}

// able reports whether a model with these traits can do what is needed.
func (x traits) able(n provider.Needs) bool {
	if len(x.can) > 0 {
		has := func(c model.Capability) bool { return slices.Contains(x.can, c) }
		switch {
		case n.Embed && !has(model.CapabilityEmbedding) && !has(model.CapabilityCompletion), // Ollama makes vectors with either
			!n.Embed && !has(model.CapabilityCompletion),
			n.Tools && !has(model.CapabilityTools),
			n.Images && !has(model.CapabilityVision):
			return false
		}
	}
	return x.context == 0 || n.Tokens <= x.context
}

// traitsOf reads what /api/show says (https://github.com/ollama/ollama/blob/v0.17.4/docs/api.md#show-model-information).
// The context is what the model is set to, for Ollama cuts what is longer; where it is not set, what it was trained for.
func traitsOf(s *api.ShowResponse) traits {
	x := traits{can: s.Capabilities}
	if family, ok := s.ModelInfo["general.architecture"].(string); ok {
		n, _ := s.ModelInfo[family+".context_length"].(float64)
		x.context = int(n)
	}
	for line := range strings.Lines(s.Parameters) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "num_ctx" {
			if n, err := strconv.Atoi(f[1]); err == nil && n > 0 && (x.context == 0 || n < x.context) {
				x.context = n
			}
		}
	}
	return x
}

// knowledge remembers the traits of models. A call waits only for those of a model of which nothing is known yet; what has
// grown old is asked for again beside the calls.
type knowledge struct {
	fetch func(ctx context.Context, model string) (traits, error)

	mu     sync.Mutex // guards what follows
	models map[string]*known
	wg     sync.WaitGroup
	closed bool
}

type known struct {
	traits   traits
	at       time.Time     // of the last answer, or of the failure to get one; zero: nothing is known
	fetching chan struct{} // closed when the fetch under way is done; nil: none is
}

// of is what is known of a model, after a short wait if that is nothing.
func (k *knowledge) of(ctx context.Context, model string) traits {
	k.mu.Lock()
	if k.models == nil {
		k.models = map[string]*known{}
	}
	m := k.models[model]
	if m == nil {
		if len(k.models) >= maxTraits {
			k.forget()
		}
		m = &known{}
		k.models[model] = m
	}
	if time.Since(m.at) > traitsFresh && m.fetching == nil && !k.closed {
		done := make(chan struct{})
		m.fetching = done
		k.wg.Go(func() { k.refresh(model, m, done) })
	}
	x, wait := m.traits, m.fetching
	if !m.at.IsZero() || wait == nil {
		k.mu.Unlock()
		return x
	}
	k.mu.Unlock()
	select {
	case <-wait:
	case <-ctx.Done():
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return m.traits
}

// forget makes room: of names that are no models nothing is kept, and where that is not enough, of none. What is being fetched goes to
// those who wait for it all the same. It needs the lock.
func (k *knowledge) forget() {
	maps.DeleteFunc(k.models, func(_ string, m *known) bool { return len(m.traits.can) == 0 && m.traits.context == 0 })
	if len(k.models) >= maxTraits {
		clear(k.models)
	}
}

func (k *knowledge) refresh(model string, m *known, done chan struct{}) {
	ctx, cancel := context.WithTimeout(context.Background(), traitsTimeout)
	defer cancel()
	x, err := k.fetch(ctx, model)
	k.mu.Lock()
	defer k.mu.Unlock()
	if err == nil {
		m.traits = x
	}
	m.at, m.fetching = time.Now(), nil
	close(done)
}

// changed says that the models may have been changed.
func (k *knowledge) changed() {
	k.mu.Lock()
	clear(k.models)
	k.mu.Unlock()
}

func (k *knowledge) close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.wg.Wait()
}
