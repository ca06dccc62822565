package load

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Body is a plausible request of an API (openai, ollama, generate, embed, or get for none) whose prompt has
// about size bytes. It holds one {{id}}, so that no two requests are the same.
func Body(api, model string, size int, stream bool) ([]byte, error) {
	const lorem = "Describe how the gate decides which local model should answer, and why it kept the earlier answer. "
	p := "{{id}} " + strings.Repeat(lorem, size/len(lorem)+1)[:max(size-17, 0)]
	msgs := []map[string]string{{"role": "system", "content": "You are a terse assistant."}, {"role": "user", "content": p}}
	switch api {
	case "openai":
		return json.Marshal(map[string]any{"model": model, "messages": msgs, "temperature": 0, "max_tokens": 64, "stream": stream})
	case "ollama":
		return json.Marshal(map[string]any{"model": model, "messages": msgs, "stream": stream, "options": map[string]any{"temperature": 0}})
	case "generate":
		return json.Marshal(map[string]any{"model": model, "prompt": p, "stream": stream})
	case "embed":
		return json.Marshal(map[string]any{"model": model, "input": p})
	case "get":
		return nil, nil
	}
	return nil, fmt.Errorf("unknown api %q: want openai, ollama, generate, embed or get", api)
}
