package ollama

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"corral/daemon/provider"
)

func TestAble(t *testing.T) {
	text := []model.Capability{model.CapabilityCompletion}
	for _, c := range []struct {
		name  string
		is    traits
		needs provider.Needs
		want  bool
	}{
		{"nothing is known", traits{}, provider.Needs{Tools: true, Images: true, Tokens: 1e9}, true},
		{"plain text", traits{can: text, context: 100}, provider.Needs{Tokens: 100}, true},
		{"a text too long", traits{can: text, context: 100}, provider.Needs{Tokens: 101}, false},
		{"tools", traits{can: text}, provider.Needs{Tools: true}, false},
		{"tools, had", traits{can: append(text, model.CapabilityTools)}, provider.Needs{Tools: true}, true},
		{"pictures", traits{can: append(text, model.CapabilityTools)}, provider.Needs{Images: true}, false},
		{"pictures, had", traits{can: append(text, model.CapabilityVision)}, provider.Needs{Images: true}, true},
		{"text of a model for vectors", traits{can: []model.Capability{model.CapabilityEmbedding}}, provider.Needs{}, false},
		{"vectors of a model for vectors", traits{can: []model.Capability{model.CapabilityEmbedding}}, provider.Needs{Embed: true}, true},
		{"vectors of a model for text", traits{can: text}, provider.Needs{Embed: true}, true},
		{"vectors of a model for pictures", traits{can: []model.Capability{model.CapabilityImage}}, provider.Needs{Embed: true}, false},
	} {
		if got := c.is.able(c.needs); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestContextIsWhatTheModelIsSetTo(t *testing.T) {
	for _, c := range []struct {
		parameters string
		trained    any
		want       int
	}{
		{"", nil, 0},
		{"", float64(4096), 4096},
		{"temperature                    0\nnum_ctx                        2048\nstop   \"num_ctx 7\"", float64(4096), 2048},
		{"num_ctx                        8192", float64(4096), 4096}, // Ollama cuts it to that
		{"num_ctx                        8192", nil, 8192},
		{"num_ctx                        many", "x", 0},
	} {
		s := &api.ShowResponse{Parameters: c.parameters, ModelInfo: map[string]any{"general.architecture": "llama"}}
		if c.trained != nil {
			s.ModelInfo["llama.context_length"] = c.trained
		}
		if got := traitsOf(s).context; got != c.want {
			t.Errorf("%q, trained for %v: %d, want %d", c.parameters, c.trained, got, c.want)
		}
	}
}

func TestKnowledgeKeepsNobodyWaitingLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		hang, fail := false, false
		k := &knowledge{fetch: func(ctx context.Context, _ string) (traits, error) {
			asked++
			if hang {
				<-ctx.Done()
				return traits{}, ctx.Err()
			}
			if fail {
				return traits{}, errors.New("away")
			}
			return traits{context: asked}, nil
		}}
		defer k.close()
		of := func(want, wantAsked int, wantWait time.Duration) {
			t.Helper()
			began := time.Now()
			got := k.of(t.Context(), "m").context
			took := time.Since(began)
			synctest.Wait()
			if got != want || asked != wantAsked || took != wantWait {
				t.Errorf("%d after %v, asked %d times; want %d after %v, asked %d times", got, took, asked, want, wantWait, wantAsked)
			}
		}
		of(1, 1, 0)
		of(1, 1, 0) // remembered
		time.Sleep(traitsFresh + 1)
		of(1, 2, 0) // what is old is told, and asked for again beside that
		of(2, 2, 0)
		k.changed()
		of(3, 3, 0) // nothing is left of what was known
		hang = true
		time.Sleep(traitsFresh + 1)
		of(3, 4, 0) // nobody waits for it
		time.Sleep(traitsTimeout)
		k.changed()
		of(0, 5, traitsTimeout) // unknown, after a short wait
		of(0, 5, 0)             // and no other for a while
		hang, fail = false, true
		k.changed()
		of(0, 6, 0)
		fail = false
		time.Sleep(traitsFresh + 1)
		of(0, 7, 0)
		of(7, 7, 0)

		k.changed()
		hang = true
		ctx, leave := context.WithCancel(t.Context())
		leave()
		began := time.Now()
		if k.of(ctx, "m"); time.Since(began) != 0 {
			t.Error("a caller who has left waits")
		}
	})
}

// TestKnowledgeIsBounded: whoever calls may make up as many names as he likes; what is known of real models stays.
func TestKnowledgeIsBounded(t *testing.T) {
	k := &knowledge{fetch: func(_ context.Context, model string) (traits, error) {
		if model != "real" {
			return traits{}, errors.New("no such model")
		}
		return traits{context: 7}, nil
	}}
	defer k.close()
	for i := range 5 * maxTraits {
		if got := k.of(t.Context(), fmt.Sprint("made up ", i)).context; got != 0 {
			t.Fatal(got)
		}
		if got := k.of(t.Context(), "real").context; got != 7 {
			t.Fatal(got)
		}
	}
	if n := len(k.models); n > maxTraits {
		t.Errorf("%d names are remembered", n)
	}
}
