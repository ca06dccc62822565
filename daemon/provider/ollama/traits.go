package ollama

import (
	"slices"
	"strconv"
	"strings"

	"github.com/ollama/ollama/api"
	"github.com/ollama/ollama/types/model"

	"corral/daemon/provider"
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
