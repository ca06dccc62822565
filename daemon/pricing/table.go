package pricing

// builtin is the table of well-known cloud models: list prices of the standard tier, in US dollars per million tokens, without batch,
// priority or regional rates. Newer models than these have no price until the config, or the next release, gives one.
//
// How a row is checked. Open the provider's page, which is its Source, and compare the row's figures: input, cached input, cache writes
// for the shortest time, output, and the number of tokens above which a whole call costs more. Then set Read to that day. Where only a copy
// of the page can be had, it has to say the day on which it was made, which becomes Read; Via says where it lies; and a second list that
// somebody else keeps has to have the same figures. The second lists were, at the last check, github.com/pydantic/genai-prices at 47df840
// and github.com/simonw/llm-prices at 723ef0b, and for what is newer than these the release notes of programs that read the pages
// themselves. Nothing is derived from a sibling, and no row is kept that the page has dropped.
//
// What is not here: models that have another price for each kind of input or output (live, speech, pictures), models of limited
// access, and names that a provider points to other models now and then (chat-latest; mistral-large-latest, which has moved since).
func builtin() []Price {
	var list []Price
	add := func(p Price, rows ...row) {
		for _, r := range rows {
			q := p
			q.Model, q.Rates, q.From = r.model, r.rates(), r.from
			if r.long != nil {
				q.LongAbove, q.Long = r.above, r.long.rates()
			}
			if r.offPeak != nil {
				q.OffPeak = r.offPeak.rates()
			}
			list = append(list, q)
		}
	}
	copied := "https://github.com/SergeevDmitry/llm-kit/blob/a721a5fb6677c3133708e9c4dad7529bf4c56c7d/docs/provider-data/"

	// The page's table of base input, cache writes for 5 minutes, cache hits, output.
	claude := "https://platform.claude.com/docs/en/about-claude/pricing"
	add(Price{Provider: "anthropic", Read: "2026-10-03", Source: claude, Via: copied + "anthropic.json"},
		row{model: "claude-fable-5-1", input: 10, write: 12.50, cached: 0.25, output: 50},
		row{model: "claude-fable-5", input: 10, write: 12.50, cached: 1, output: 50},
		row{model: "claude-opus-5-5", input: 4, write: 5, cached: 0.20, output: 20},
		row{model: "claude-opus-5", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-8", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-7", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-6", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-5", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-1", input: 15, write: 18.75, cached: 1.50, output: 75},
		row{model: "claude-opus-4", input: 15, write: 18.75, cached: 1.50, output: 75},
		row{model: "claude-sonnet-5", input: 2, write: 2.50, cached: 0.20, output: 10},
		row{model: "claude-sonnet-4-6", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-sonnet-4-5", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-sonnet-4", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-haiku-4-5", input: 1, write: 1.25, cached: 0.10, output: 5},
		row{model: "claude-3-5-haiku", input: 0.80, write: 1, cached: 0.08, output: 4},
	)
	// What the page changed after that: a new model, and what reading Sonnet 5.5's cache costs.
	add(Price{Provider: "anthropic", Read: "2026-10-24", Source: claude, Via: "https://github.com/kurofune/claudit/releases/tag/v1.9.2"},
		row{model: "claude-sonnet-5-5", input: 2, write: 2.50, cached: 0.10, output: 10},
		row{model: "claude-haiku-5-5", input: 0.10, write: 0.125, cached: 0.01, output: 0.50,
			above: 100_000, long: &row{input: 0.50, write: 0.625, cached: 0.05, output: 2.50}},
	)

	// Where the page names no price for writing to the cache it costs what input costs; where none for reading, likewise.
	const long = 272_000
	add(Price{Provider: "openai", Read: "2026-10-03", Source: "https://developers.openai.com/api/docs/pricing", Via: copied + "openai.json"},
		row{model: "gpt-6-astra", input: 10, write: 12.50, cached: 1, output: 50, above: long, long: &row{input: 20, write: 25, cached: 2, output: 75}},
		row{model: "gpt-6.1-sol", input: 2, write: 2.50, cached: 0.10, output: 10, above: long, long: &row{input: 4, write: 5, cached: 0.20, output: 15}},
		row{model: "gpt-6-sol", input: 2, write: 2.50, cached: 0.20, output: 10, above: long, long: &row{input: 4, write: 5, cached: 0.40, output: 15}},
		row{model: "gpt-6-luna", input: 0.10, write: 0.125, cached: 0.01, output: 0.50, above: long, long: &row{input: 0.20, write: 0.25, cached: 0.02, output: 0.75}},
		row{model: "gpt-5.6-sol", input: 4, write: 5, cached: 0.40, output: 20, above: long, long: &row{input: 8, write: 10, cached: 0.80, output: 30}},
		row{model: "gpt-5.6-terra", input: 2, write: 2.50, cached: 0.20, output: 12, above: long, long: &row{input: 4, write: 5, cached: 0.40, output: 18}},
		row{model: "gpt-5.6-luna", input: 0.20, write: 0.25, cached: 0.02, output: 1.20, above: long, long: &row{input: 0.40, write: 0.50, cached: 0.04, output: 1.80}},
		row{model: "gpt-5.5", input: 5, cached: 0.50, output: 30, above: long, long: &row{input: 10, cached: 1, output: 45}},
		row{model: "gpt-5.5-pro", input: 30, cached: 30, output: 180, above: long, long: &row{input: 60, cached: 60, output: 270}},
		row{model: "gpt-5.4", input: 2.50, cached: 0.25, output: 15, above: long, long: &row{input: 5, cached: 0.50, output: 22.50}},
		row{model: "gpt-5.4-mini", input: 0.75, cached: 0.075, output: 4.50},
		row{model: "gpt-5.4-nano", input: 0.20, cached: 0.02, output: 1.25},
		row{model: "gpt-5.4-pro", input: 30, cached: 30, output: 180, above: long, long: &row{input: 60, cached: 60, output: 270}},
		row{model: "gpt-5.3-codex", input: 1.75, cached: 0.175, output: 14},
		row{model: "gpt-5.2", input: 1.75, cached: 0.175, output: 14},
		row{model: "gpt-5.2-pro", input: 21, cached: 21, output: 168},
		row{model: "gpt-5.1", input: 1.25, cached: 0.125, output: 10},
		row{model: "gpt-5", input: 1.25, cached: 0.125, output: 10},
		row{model: "gpt-5-mini", input: 0.25, cached: 0.025, output: 2},
		row{model: "gpt-5-nano", input: 0.05, cached: 0.005, output: 0.40},
		row{model: "gpt-5-pro", input: 15, cached: 15, output: 120},
		row{model: "gpt-4.1", input: 2, cached: 0.50, output: 8},
		row{model: "gpt-4.1-mini", input: 0.40, cached: 0.10, output: 1.60},
		row{model: "gpt-4.1-nano", input: 0.10, cached: 0.025, output: 0.40},
		row{model: "gpt-4o", input: 2.50, cached: 1.25, output: 10},
		row{model: "gpt-4o-mini", input: 0.15, cached: 0.075, output: 0.60},
		row{model: "o3", input: 2, cached: 0.50, output: 8},
		row{model: "o3-pro", input: 20, cached: 20, output: 80},
		row{model: "o4-mini", input: 1.10, cached: 0.275, output: 4.40},
		row{model: "o3-mini", input: 1.10, cached: 0.55, output: 4.40},
		row{model: "o1", input: 15, cached: 7.50, output: 60},
		row{model: "o1-pro", input: 150, cached: 150, output: 600},
		row{model: "gpt-3.5-turbo", input: 0.50, cached: 0.50, output: 1.50},
	)
	// Embeddings are not in that copy; this list says of each when it compared it with the page, the first of these in July 2025.
	add(Price{Provider: "openai", Read: "2026-08-21", Source: "https://developers.openai.com/api/docs/pricing",
		Via: "https://github.com/pydantic/genai-prices/blob/47df840a5ab10bbcffb8e5ac01b9899032245d1b/prices/providers/openai.yml"},
		row{model: "text-embedding-3-small", input: 0.02, cached: 0.02},
		row{model: "text-embedding-3-large", input: 0.13, cached: 0.13},
		row{model: "text-embedding-ada-002", input: 0.10, cached: 0.10},
		row{model: "gpt-4-turbo", input: 10, cached: 10, output: 30},
	)

	// Rates of text; audio input costs more on some and is not told apart here. Keeping a cache costs by the hour as well, which no call says.
	add(Price{Provider: "gemini", Read: "2026-10-03", Source: "https://ai.google.dev/gemini-api/docs/pricing", Via: copied + "google.json"},
		row{model: "gemini-3.8-flash", input: 0.75, cached: 0.075, output: 3.75},
		row{model: "gemini-3.8-flash", input: 1.50, cached: 0.15, output: 7.50, from: "2027-01-01"},
		row{model: "gemini-3.7-flash", input: 0.75, cached: 0.075, output: 3.75},
		row{model: "gemini-3.7-flash", input: 1.50, cached: 0.15, output: 7.50, from: "2027-01-01"},
		row{model: "gemini-3.6-flash", input: 0.75, cached: 0.075, output: 3.75},
		row{model: "gemini-3.6-flash", input: 1.50, cached: 0.15, output: 7.50, from: "2027-01-01"},
		row{model: "gemini-3.5-flash", input: 1.50, cached: 0.15, output: 9},
		row{model: "gemini-3.5-flash-lite", input: 0.30, cached: 0.03, output: 2.50},
		row{model: "gemini-3.1-pro-preview", input: 2, cached: 0.20, output: 12, above: 200_000, long: &row{input: 4, cached: 0.40, output: 18}},
		row{model: "gemini-3.1-flash-lite", input: 0.25, cached: 0.025, output: 1.50},
		row{model: "gemini-3-flash-preview", input: 0.50, cached: 0.05, output: 3},
		row{model: "gemini-2.5-pro", input: 1.25, cached: 0.125, output: 10, above: 200_000, long: &row{input: 2.50, cached: 0.25, output: 15}},
		row{model: "gemini-2.5-flash", input: 0.30, cached: 0.03, output: 2.50},
		row{model: "gemini-2.5-flash-lite", input: 0.10, cached: 0.01, output: 0.40},
	)

	// The weights of many of these are open, and others that run them ask other prices.
	add(Price{Provider: "mistral", Host: "api.mistral.ai", Read: "2026-10-03", Source: "https://mistral.ai/pricing/api", Via: copied + "mistral.json"},
		row{model: "mistral-medium", input: 1.50, cached: 0.15, output: 7.50},
		row{model: "mistral-medium-3.5", input: 1.50, cached: 0.15, output: 7.50},
		row{model: "mistral-small", input: 0.15, cached: 0.015, output: 0.60},
		row{model: "codestral", input: 0.30, cached: 0.03, output: 0.90},
		row{model: "ministral-3b", input: 0.10, cached: 0.01, output: 0.10},
		row{model: "ministral-8b", input: 0.15, cached: 0.015, output: 0.15},
		row{model: "ministral-14b", input: 0.20, cached: 0.02, output: 0.20},
	)
	// Groq's page names no price for cached input.
	add(Price{Provider: "groq", Host: "api.groq.com", Read: "2026-10-03", Source: "https://console.groq.com/docs/models", Via: copied + "groq.json"},
		row{model: "gpt-oss-120b", input: 0.15, cached: 0.15, output: 0.60},
		row{model: "gpt-oss-20b", input: 0.075, cached: 0.075, output: 0.30},
		row{model: "qwen3.8-27b", input: 0.80, cached: 0.80, output: 4},
	)
	// China's public holidays, which are off-peak as well, are not told apart.
	add(Price{Provider: "deepseek", Host: "api.deepseek.com", Read: "2026-10-27", Source: "https://api-docs.deepseek.com/quick_start/pricing",
		Via: "https://github.com/benderandrew069/deepseek-api-pricing-2026/wiki", Peak: []Hours{{1, 4}, {6, 10}}},
		row{model: "deepseek-flash", input: 0.30, cached: 0.006, output: 1.20, offPeak: &row{input: 0.15, cached: 0.003, output: 0.60}},
		row{model: "deepseek-v4-flash", input: 0.30, cached: 0.006, output: 1.20, offPeak: &row{input: 0.15, cached: 0.003, output: 0.60}},
		row{model: "deepseek-v4-pro", input: 1.32, cached: 0.044, output: 3.96, offPeak: &row{input: 0.66, cached: 0.022, output: 1.98}},
	)
	return list
}

// row is written as the pages write prices.
type row struct {
	model                        string
	input, write, cached, output float64
	above                        int64
	long, offPeak                *row
	from                         string
}

func (r row) rates() Rates {
	write := r.write
	if write == 0 {
		write = r.input
	}
	return Rates{Input: USD(r.input), CachedInput: USD(r.cached), CacheWrite: USD(write), Output: USD(r.output)}
}
