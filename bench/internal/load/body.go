package load

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Body is a plausible request of an API (openai, ollama, generate, embed, or get for none) whose prompt has
// about size bytes. It holds one {{id}}, so that no two requests are the same. A greedy one asks for temperature 0, so that its
// answer may be kept and given again.
func Body(api, model string, size int, stream, greedy bool) ([]byte, error) {
	const lorem = "Describe how the gate decides which local model should answer, and why it kept the earlier answer. "
	p := "{{id}} " + strings.Repeat(lorem, size/len(lorem)+1)[:max(size-17, 0)]
	msgs := []map[string]string{{"role": "system", "content": "You are a terse assistant."}, {"role": "user", "content": p}}
	options := map[string]any{}
	if greedy {
		options["temperature"] = 0
	}
	switch api {
	case "openai":
		options["model"], options["messages"], options["max_tokens"], options["stream"] = model, msgs, 64, stream
		return json.Marshal(options)
	case "ollama":
		return json.Marshal(map[string]any{"model": model, "messages": msgs, "stream": stream, "options": options})
	case "generate":
		return json.Marshal(map[string]any{"model": model, "prompt": p, "stream": stream})
	case "embed":
		return json.Marshal(map[string]any{"model": model, "input": p})
	case "get":
		return nil, nil
	}
	return nil, fmt.Errorf("unknown api %q: want openai, ollama, generate, embed or get", api)
}
