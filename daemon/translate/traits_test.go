package translate

import (
	"strings"
	"testing"

	"github.com/tidwall/gjson"
)

// TestEachModelIsAskedAsItTakesIt: what one family takes another refuses with a 400.
func TestEachModelIsAskedAsItTakesIt(t *testing.T) {
	const openai, azure, router, own, far = "api.openai.com", "x.openai.azure.com", "openrouter.ai", "127.0.0.1", "api.example.com"
	const tools = `"tools":[{"type":"function","function":{"name":"f"}}]`
	for _, x := range []struct {
		api         API
		host, model string
		endpoint    string // of the caller
		options     string // of the call
		want        string // of the target's body: paths and values
		warned      string
	}{
		{OpenAI, openai, "gpt-5", "chat", `"options":{"num_predict":9}`, "max_completion_tokens=9 max_tokens=", ""},
		{OpenAI, openai, "o3", "messages", `"max_tokens":9`, "max_completion_tokens=9 max_tokens=", ""},
		{OpenAI, openai, "gpt-4o", "messages", `"max_tokens":9,"temperature":0.5`, "max_completion_tokens=9 max_tokens= temperature=0.5", ""},
		{OpenAI, azure, "gpt-5", "messages", `"max_tokens":9`, "max_completion_tokens=9 max_tokens=", ""},
		{OpenAI, own, "gpt-5", "messages", `"max_tokens":9`, "max_tokens=9 max_completion_tokens=", ""},
		{OpenAI, far, "gpt-5", "messages", `"max_tokens":9`, "max_tokens=9 max_completion_tokens=", ""},
		{OpenAI, router, "openai/gpt-5", "messages", `"max_tokens":9`, "max_tokens=9 max_completion_tokens=", ""},

		{OpenAI, openai, "gpt-5", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "reasoning_effort=high", "output_config.effort"},
		{OpenAI, openai, "gpt-5.2", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "reasoning_effort=xhigh", "output_config.effort"},
		{OpenAI, openai, "gpt-5.6-terra", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "reasoning_effort=max", ""},
		{OpenAI, openai, "gpt-9", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "reasoning_effort=max", ""},
		{OpenAI, own, "qwen3", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "reasoning_effort=high", "output_config.effort"},
		{OpenAI, openai, "gpt-4o", "messages", `"max_tokens":9,"output_config":{"effort":"low"}`, "reasoning_effort=", "output_config.effort"},
		{OpenAI, openai, "gpt-5.1", "messages", `"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":2000}`, "reasoning_effort=low", "thinking.budget_tokens"},
		{OpenAI, openai, "gpt-5.1", "chat", `"think":true`, "reasoning_effort=medium", ""},
		{OpenAI, openai, "gpt-5.1", "chat", `"think":false`, "reasoning_effort=none", ""},
		{OpenAI, openai, "gpt-5-mini", "chat", `"think":false`, "reasoning_effort=minimal", "think"},
		{OpenAI, openai, "o4-mini", "chat", `"think":false`, "reasoning_effort=low", "think"},
		{OpenAI, openai, "gpt-4.1", "chat", `"think":false`, "reasoning_effort=", ""},
		{OpenAI, openai, "ft:gpt-4o-mini-2024-07-18:me::x", "chat", `"think":true`, "reasoning_effort=", "think"},
		{OpenAI, own, "qwen3", "chat", `"think":false`, "reasoning_effort=none", ""},
		{OpenAI, "llama.local", "qwen3", "chat", `"think":false`, "reasoning_effort=none", ""},
		{OpenAI, own, "qwen3", "chat", `"think":true`, "reasoning_effort=", "think"},
		{OpenAI, far, "qwen3", "chat", `"think":false`, "reasoning_effort=", "think"},
		{OpenAI, router, "qwen/qwen3", "chat", `"think":false`, "reasoning_effort=none", ""},

		{OpenAI, openai, "gpt-5", "chat", `"options":{"temperature":0.5,"top_p":0.9}`, "temperature= top_p=", "options.temperature, options.top_p"},
		{OpenAI, openai, "gpt-5.2", "chat", `"options":{"temperature":0.5}`, "temperature=0.5", ""},
		{OpenAI, openai, "gpt-5.2", "chat", `"think":"low","options":{"temperature":0.5}`, "temperature= reasoning_effort=low", "options.temperature"},
		{OpenAI, openai, "gpt-5", "chat", `"logprobs":true`, "", "!unsupported"},
		{OpenAI, openai, "gpt-5.6", "chat", tools, "reasoning_effort=none", ""},
		{OpenAI, openai, "gpt-5.6", "chat", `"think":true,` + tools, "reasoning_effort=none", "think"},
		{OpenAI, openai, "gpt-5.5", "chat", `"think":"low",` + tools, "reasoning_effort=low", ""},

		{Anthropic, "", "claude-haiku-4-5", "chat_completions", `"reasoning_effort":"low"`, "thinking.type=enabled thinking.budget_tokens=2048", ""},
		{Anthropic, "", "claude-sonnet-4-5-20250929", "chat_completions", `"reasoning_effort":"medium"`, "thinking.type=enabled", ""},
		{Anthropic, "", "us.anthropic.claude-opus-4-20250514-v1:0", "chat_completions", `"reasoning_effort":"high"`, "thinking.type=enabled", ""},
		{Anthropic, "", "claude-3-7-sonnet-latest", "chat_completions", `"reasoning_effort":"high"`, "thinking.type=enabled", ""},
		{Anthropic, "", "claude-3-5-haiku-20241022", "chat_completions", `"reasoning_effort":"high"`, "thinking= max_tokens=8192", "reasoning_effort"},
		{Anthropic, "", "claude-3-haiku-20240307", "chat_completions", `"temperature":0.5`, "max_tokens=4096 temperature=0.5", ""},
		{Anthropic, "", "claude-sonnet-4-6", "chat_completions", `"reasoning_effort":"xhigh"`, "thinking.type=adaptive output_config.effort=high", "reasoning_effort"},
		{Anthropic, "", "claude-sonnet-4-6", "messages", `"max_tokens":9,"output_config":{"effort":"max"}`, "output_config.effort=max", ""},
		{Anthropic, "", "claude-sonnet-5-5", "chat_completions", `"reasoning_effort":"none"`, "thinking= output_config.effort=low", "reasoning_effort"},
		{Anthropic, "", "claude-opus-4-6", "responses", `"reasoning":{"effort":"low"},"temperature":1`, "thinking.type=adaptive thinking.display= output_config.effort=low", "temperature"},
		{Anthropic, "", "claude-opus-4-7", "chat_completions", `"reasoning_effort":"xhigh"`, "thinking.type=adaptive thinking.display=summarized output_config.effort=xhigh", ""},
		{Anthropic, "", "claude-opus-4-7", "messages", `"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":5000}`, "thinking.type=adaptive thinking.budget_tokens= output_config.effort=medium", "thinking.budget_tokens"},
		{Anthropic, "", "claude-opus-4-8", "chat_completions", `"temperature":0.5,"top_p":0.9`, "temperature= top_p=", "temperature, top_p"},
		{Anthropic, "", "claude-sonnet-5", "chat_completions", `"reasoning_effort":"none"`, "thinking.type=disabled", ""},
		{Anthropic, "", "claude-haiku-5-5", "chat_completions", `"reasoning_effort":"none"`, "thinking.type=disabled", ""},
		{Anthropic, "", "claude-opus-5-5", "chat_completions", `"reasoning_effort":"none"`, "thinking= output_config.effort=low", "reasoning_effort"},
		{Anthropic, "", "claude-fable-5-1", "chat_completions", `"reasoning_effort":"none"`, "thinking= output_config.effort=low", "reasoning_effort"},
		{Anthropic, "", "claude-mythos-preview", "chat_completions", `"reasoning_effort":"high"`, "thinking.type=adaptive output_config.effort=high", ""},
		{Anthropic, own, "qwen3", "chat_completions", `"reasoning_effort":"low","stop":"x"`, "thinking.type=enabled", ""},
		{Anthropic, own, "qwen3", "chat_completions", `"temperature":0.5`, "temperature=0.5", ""},

		{Gemini, "", "gemini-2.5-flash", "chat_completions", `"reasoning_effort":"low"`, "generationConfig.thinkingConfig.thinkingBudget=1024 generationConfig.thinkingConfig.thinkingLevel= generationConfig.thinkingConfig.includeThoughts=true", ""},
		{Gemini, "", "gemini-2.5-flash", "chat", `"think":false`, "generationConfig.thinkingConfig.thinkingBudget=0", ""},
		{Gemini, "", "models/gemini-2.5-pro", "chat", `"think":false`, "generationConfig.thinkingConfig.thinkingBudget=128 generationConfig.thinkingConfig.includeThoughts=", "think"},
		{Gemini, "", "gemini-2.5-pro", "chat_completions", `"reasoning_effort":"xhigh"`, "generationConfig.thinkingConfig.thinkingBudget=24576", "reasoning_effort"},
		{Gemini, "", "gemini-2.5-pro", "chat", `"think":true`, "generationConfig.thinkingConfig.thinkingBudget= generationConfig.thinkingConfig.includeThoughts=true", ""},
		{Gemini, "", "gemini-2.5-flash-lite", "chat_completions", `"reasoning_effort":"minimal"`, "generationConfig.thinkingConfig.thinkingBudget=512", ""},
		{Gemini, "", "gemini-2.5-flash", "messages", `"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":31999}`, "generationConfig.thinkingConfig.thinkingBudget=24576", "thinking.budget_tokens"},
		{Gemini, "", "gemini-2.5-flash", "messages", `"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":2000}`, "generationConfig.thinkingConfig.thinkingBudget=2000", ""},
		{Gemini, "", "gemini-2.0-flash", "chat", `"think":true`, "generationConfig.thinkingConfig=", "think"},
		{Gemini, "", "gemini-3.1-pro-preview", "chat_completions", `"reasoning_effort":"low"`, "generationConfig.thinkingConfig.thinkingLevel=LOW generationConfig.thinkingConfig.thinkingBudget=", ""},
		{Gemini, "", "gemini-3-pro-preview", "chat_completions", `"reasoning_effort":"medium"`, "generationConfig.thinkingConfig.thinkingLevel=LOW", "reasoning_effort"},
		{Gemini, "", "gemini-3-flash-preview", "chat", `"think":false`, "generationConfig.thinkingConfig.thinkingLevel=MINIMAL generationConfig.thinkingConfig.includeThoughts=", "think"},
		{Gemini, "", "gemini-3.8-flash", "chat_completions", `"reasoning_effort":"minimal"`, "generationConfig.thinkingConfig.thinkingLevel=LOW", "reasoning_effort"},
		{Gemini, "", "gemini-flash-latest", "messages", `"max_tokens":9,"thinking":{"type":"enabled","budget_tokens":9000}`, "generationConfig.thinkingConfig.thinkingLevel=HIGH generationConfig.thinkingConfig.thinkingBudget=", "thinking.budget_tokens"},
	} {
		ask := `"messages":[{"role":"user","content":"Hi."}],`
		if x.endpoint == "responses" {
			ask = `"input":"Hi.",`
		}
		c, err := Request(endpoints[x.endpoint], []byte(`{"model":"herd",`+ask+x.options+`}`), TargetAt(x.api, x.host, x.model))
		if err != nil {
			if "!"+kindOf(err) != x.warned {
				t.Errorf("%s %s: %v", x.model, x.options, err)
			}
			continue
		}
		for _, want := range strings.Fields(x.want) {
			path, value, _ := strings.Cut(want, "=")
			if got := gjson.GetBytes(c.Body, path).String(); got != value {
				t.Errorf("%s at %q, %s: %s is %q, want %q\n%s", x.model, x.host, x.options, path, got, value, c.Body)
			}
		}
		if got := strings.Join(c.Warnings, ", "); got != x.warned {
			t.Errorf("%s at %q, %s: warned of %q, want %q", x.model, x.host, x.options, got, x.warned)
		}
	}
}

// TestPastThoughtsGoBackToAServerOfOnesOwn, in both members that such servers look at.
func TestPastThoughtsGoBackToAServerOfOnesOwn(t *testing.T) {
	const body = `{"messages":[{"role":"user","content":"Hi."},{"role":"assistant","content":"Hm.","thinking":"Why?"},{"role":"user","content":"Go on."}]}`
	for host, want := range map[string]string{"127.0.0.1": "Why? Why?", "openrouter.ai": "Why? ", "api.openai.com": " "} {
		c, err := Request(endpoints["chat"], []byte(body), TargetAt(OpenAI, host, "m"))
		if err != nil {
			t.Fatal(err)
		}
		m := gjson.GetBytes(c.Body, "messages.1")
		if got := m.Get("reasoning").Str + " " + m.Get("reasoning_content").Str; got != want {
			t.Errorf("%s: %q, want %q", host, got, want)
		}
	}
}

func TestVersionInAName(t *testing.T) {
	for name, want := range map[string]int{"opus-4-5-20251101": 405, "opus-4-20250514": 400, "3-5-sonnet-latest": 305, "haiku-4-5@20251001": 405, "sonnet-5": 500,
		"2.5-flash-preview-09-2025": 205, "5.10-x": 510, "mythos-preview": newest, "": newest, "flash-latest": newest, "5-2025-08-07": 500} {
		if got := versionIn(name); got != want {
			t.Errorf("%q: %d, want %d", name, got, want)
		}
	}
}
