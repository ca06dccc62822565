package ollama

import (
	"testing"

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
