package openai

import (
	"cmp"
	"context"
	"slices"

	"github.com/tidwall/gjson"

	"corral/daemon/provider"
)

// traits are what a model can do, as its server tells it in the list of models. The zero value says that nothing is known.
type traits struct {
	told     bool
	blind    bool // it takes no pictures
	toolless bool
	context  int // tokens; 0: not known
}

// Able reports whether model can do what is needed, by what a server on this device says of it. It waits for that for half a second at most.
// Servers elsewhere are not asked: most do not tell, and they would be asked also for calls that never go to them.
func (p *Provider) Able(ctx context.Context, model string, n provider.Needs) bool {
	if p.known == nil {
		return true
	}
	x := p.known.Get(ctx, model)
	return !(n.Images && x.blind || n.Tools && x.toolless) && (x.context == 0 || n.Tokens <= x.context)
}

func (p *Provider) traitsOf(ctx context.Context, model string) (traits, error) {
	b, err := p.Tell(ctx, p.base+"/models")
	if err != nil {
		return traits{}, err
	}
	list := gjson.GetBytes(b, "data").Array()
	i := slices.IndexFunc(list, func(m gjson.Result) bool { return m.Get("id").Str == model })
	if i < 0 && len(list) == 1 && list[0].Get("owned_by").Str == "llamacpp" {
		i = 0 // it has one model, and answers by whatever name
	}
	if i < 0 {
		return traits{}, nil
	}
	return read(list[i]), nil
}

// read takes what servers add to OpenAI's own fields: llama.cpp its meta and its architecture
// (https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md), vLLM max_model_len
// (https://docs.vllm.ai/en/stable/serving/openai_compatible_server/), routers that speak as OpenRouter does what a model takes
// (https://openrouter.ai/docs/api-reference/list-available-models).
func read(m gjson.Result) traits {
	x := traits{context: int(cmp.Or(m.Get("meta.n_ctx").Int(), m.Get("max_model_len").Int(), m.Get("context_length").Int()))}
	if takes := m.Get("architecture.input_modalities"); takes.IsArray() {
		x.blind = !has(takes, "image")
	}
	if takes := m.Get("supported_parameters"); takes.IsArray() {
		x.toolless = !has(takes, "tools")
	}
	x.told = x != traits{}
	return x
}

func has(list gjson.Result, word string) bool {
	return slices.ContainsFunc(list.Array(), func(x gjson.Result) bool { return x.Str == word })
}
