package translate

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
)

// This file is what is known of models by their names and of servers by their hosts: what each API takes from everybody stands in its
// encoder, what only some of its models take stands here. The pages were read in November 2026. A name that is not known is taken for
// one of the newest family, for families only grow. A server refuses with a 400 what it does not know, and the nest then asks the next
// target, so an error in here costs an answer only where there is no other target.

// TargetAt is a target of the API at host (without port), with what is known of the model there. model is the target's own name for it.
func TargetAt(api API, host, model string) Target {
	t := Target{API: api, Model: model}
	host, name := strings.ToLower(host), strings.ToLower(model)
	switch api {
	case OpenAI:
		switch {
		case host == "api.openai.com", strings.HasSuffix(host, ".api.openai.com"), strings.HasSuffix(host, ".openai.azure.com"):
			t.ofOpenAI(name)
		case host == "openrouter.ai": // https://openrouter.ai/docs/client-sdks/typescript/models/chatrequesteffort.md
			t.Reasoning, t.Efforts = "reasoning", efforts("none minimal low medium high xhigh max")
		case ownServer(host):
			t.ofOwnServer()
		}
	case Anthropic:
		t.ofAnthropic(name)
	case Gemini:
		t.ofGemini(trimModels(name))
	}
	return t
}

// ofOpenAI is for OpenAI's own models. All take max_completion_tokens, and from o1 on nothing else
// (https://platform.openai.com/docs/api-reference/chat/create). What they take of reasoning_effort, and when of temperature, top_p,
// the penalties and logprobs: https://platform.openai.com/docs/guides/reasoning,
// https://learn.microsoft.com/en-us/javascript/api/@azure/ai-projects/reasoningeffort and
// https://developers.openai.com/api/docs/guides/latest-model#gpt-54-parameter-compatibility; max and tools of 5.6:
// https://github.com/anomalyco/opencode/issues/36141,
// https://community.openai.com/t/gpt-5-6-chat-completion-reasoning-effort-bug-behavior-change/1386454.
func (t *Target) ofOpenAI(name string) {
	name = strings.TrimPrefix(name, "ft:") // a model that was tuned is named ft:gpt-4o-mini-2024-07-18:...
	t.NewMaxTokens = true
	begins := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	switch {
	case slices.ContainsFunc([]string{"gpt-3.5", "gpt-4", "chatgpt-4", "gpt-5-chat"}, begins):
		t.NoThinking, t.NoImages = true, begins("gpt-3.5")
		return
	case len(name) > 1 && name[0] == 'o' && name[1] >= '1' && name[1] <= '9':
		t.NoSampling, t.NoBudgets, t.NoImages = true, true, begins("o1-mini") || begins("o3-mini")
		t.Efforts = efforts("low medium high")
		return
	case strings.Contains(name, "-chat"): // gpt-5.1-chat-latest and later think as much as they like
		t.NoThinking, t.NoSampling = true, true
		return
	}
	t.NoBudgets = true
	switch v := versionIn(strings.TrimPrefix(name, "gpt-")); {
	case v <= 500:
		t.NoSampling, t.Efforts = true, efforts("minimal low medium high")
	case v == 501:
		t.NoSamplingThinking, t.Efforts = true, efforts("none low medium high")
	case v <= 504:
		t.NoSamplingThinking, t.Efforts = true, efforts("none low medium high xhigh")
	case v == 505:
		t.NoSampling, t.Efforts = true, efforts("none low medium high xhigh")
	default:
		t.NoSampling, t.ToolsUnthinking, t.Efforts = true, true, efforts("none low medium high xhigh max")
	}
}

// ofOwnServer is for whatever runs on this machine or beside it: llama.cpp (https://github.com/ggml-org/llama.cpp/pull/26045), vLLM
// (https://docs.vllm.ai/en/v0.26.0/features/reasoning_outputs/), Ollama (https://github.com/ollama/ollama/issues/14820), LM Studio. They
// know max_tokens, and these words for how hard to think; the member for past reasoning differs, and none minds one too many.
func (t *Target) ofOwnServer() {
	t.Reasoning, t.Efforts = "both", efforts("none low medium high")
}

// ofAnthropic is for Claude, by whoever serves it. Who thinks how: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking
// and https://docs.aws.amazon.com/bedrock/latest/userguide/claude-messages-adaptive-thinking.html; who always does:
// https://platform.claude.com/docs/en/models/overview, https://platform.claude.com/docs/en/models/opus-5-5/migration-guide and
// https://platform.claude.com/docs/en/models/sonnet-5-5/migration-guide; efforts: https://platform.claude.com/docs/en/build-with-claude/effort
// and https://openrouter.ai/docs/guides/guides/model-migrations/claude-4-6; sampling:
// https://platform.claude.com/docs/en/about-claude/models/migration-guide#migrating-to-claude-opus-4-7.
func (t *Target) ofAnthropic(name string) {
	_, rest, ok := strings.Cut(name, "claude-")
	if !ok {
		t.BudgetThinking = true // others that speak the API took it over before thinking was adaptive
		return
	}
	v := versionIn(rest)
	opus, sonnet, haiku := strings.Contains(rest, "opus"), strings.Contains(rest, "sonnet"), strings.Contains(rest, "haiku")
	switch {
	case v < 307:
		t.NoThinking = true
		if v < 305 {
			t.MaxTokens = 4096 // which is all that they can
		}
	case v < 406:
		t.BudgetThinking, t.Efforts = true, efforts("none low medium high")
	case v < 407:
		t.Efforts = efforts("none low medium high max")
	default:
		t.NoBudgets, t.NoSampling, t.Efforts = true, true, efforts("none low medium high xhigh max")
		if !haiku && (v >= 505 || !opus && !sonnet) {
			t.Efforts = t.Efforts[1:] // it always thinks
		}
	}
}

// ofGemini follows https://ai.google.dev/gemini-api/docs/thinking: budgets, and what each model allows, up to 2.5, and levels from 3
// on, which differ: https://ai.google.dev/gemini-api/docs/generate-content/whats-new-gemini-3.7 and
// https://firebase.google.com/docs/ai-logic/thinking.
func (t *Target) ofGemini(name string) {
	if strings.HasPrefix(name, "gemma") {
		t.NoThinking = true
		return
	}
	v := versionIn(strings.TrimPrefix(name, "gemini-"))
	pro, lite := strings.Contains(name, "-pro"), strings.Contains(name, "-lite")
	switch {
	case v < 205:
		t.NoThinking = true
	case v < 300:
		t.BudgetThinking, t.MinBudget, t.MaxBudget, t.Efforts = true, 1, 24576, efforts("none minimal low medium high")
		switch {
		case pro:
			t.MinBudget, t.MaxBudget, t.Efforts = 128, 32768, t.Efforts[1:]
		case lite:
			t.MinBudget = 512
		}
	default:
		t.NoBudgets, t.Efforts = true, efforts("low medium high")
		switch {
		case pro && v == 300:
			t.Efforts = efforts("low high")
		case !pro && (lite || v < 307):
			t.Efforts = efforts("minimal low medium high")
		}
	}
}

func efforts(words string) []string { return strings.Fields(words) }

// newest is the version of a name that has none.
const newest = 9900

// versionIn is the first version in a name, 405 for 4.5: one or two numbers of at most two digits, for a longer one is a date.
func versionIn(name string) int {
	v, found := 0, false
	for _, word := range strings.FieldsFunc(name, func(r rune) bool { return strings.ContainsRune("-._:@/", r) }) {
		n := 0
		for _, r := range word {
			if r < '0' || r > '9' || len(word) > 2 {
				n = -1
				break
			}
			n = n*10 + int(r-'0')
		}
		switch {
		case n >= 0 && found:
			return v + n
		case n >= 0:
			v, found = n*100, true
		case found:
			return v
		}
	}
	if !found {
		return newest
	}
	return v
}

// ownServer reports whether host is of this machine or its network: clouds have names that are known everywhere.
func ownServer(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil || !strings.Contains(host, ".") {
		return true
	}
	return slices.ContainsFunc([]string{".localhost", ".local", ".lan", ".internal", ".home.arpa"}, func(s string) bool { return strings.HasSuffix(host, s) })
}

// everyEffort is the words for how hard to think, from the least to the most.
var everyEffort = [...]string{"minimal", "low", "medium", "high", "xhigh", "max"}

// fitThinking brings what the caller said of thinking to what the target's model knows, and names in the warnings what it changed. A
// mode of thinkOff with an effort is for a model that cannot be told not to think: as little as it can.
func (c *chat) fitThinking(to Target) {
	k := &c.think
	switch {
	case to.NoThinking:
		if k.mode == thinkOn {
			c.warn(k.field)
		}
		*k = think{}
		return
	case to.ToolsUnthinking && len(c.tools) > 0:
		if k.mode == thinkOn {
			c.warn(k.field)
		}
		*k = think{mode: thinkOff, field: "tools"}
		return
	case k.mode == thinkUnsaid:
		return
	}
	if to.NoBudgets && k.budget != "" {
		c.warn(k.field)
		if k.effort == "" {
			k.effort = effortOf(k.budget)
		}
		k.budget = ""
	}
	switch {
	case to.Efforts == nil:
	case k.mode == thinkOff && !slices.Contains(to.Efforts, "none"):
		c.warn(k.field)
		k.effort = to.Efforts[0]
	case k.mode == thinkOn && k.effort != "" && !slices.Contains(to.Efforts, k.effort):
		c.warn(k.field)
		k.effort = nearest(k.effort, to.Efforts)
	}
}

// effortOf is the word for a budget of tokens.
func effortOf(budget json.Number) string {
	switch n, err := budget.Int64(); {
	case err != nil:
		return ""
	case n <= 2048:
		return "low"
	case n <= 8192:
		return "medium"
	}
	return "high"
}

// nearest is the most of known that is less than effort, else the least of them; empty for a word that nobody knows.
func nearest(effort string, known []string) string {
	at := slices.Index(everyEffort[:], effort)
	if at < 0 {
		return ""
	}
	for i := at; i >= 0; i-- {
		if slices.Contains(known, everyEffort[i]) {
			return everyEffort[i]
		}
	}
	for _, e := range everyEffort[at:] {
		if slices.Contains(known, e) {
			return e
		}
	}
	return ""
}
