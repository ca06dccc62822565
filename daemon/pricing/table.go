package pricing

// builtin is the table of well-known cloud models: list prices of the standard tier, in US dollars per million tokens, without batch,
// priority or regional rates. Newer models than these have no price until the config, or the next release, gives one.
func builtin() []Price {
	var list []Price
	add := func(provider, read, source string, rows ...row) {
		for _, r := range rows {
			p := Price{Provider: provider, Model: r.model, Rates: r.rates(), Read: read, Source: source}
			if r.long != nil {
				p.LongAbove, p.Long = r.above, r.long.rates()
			}
			list = append(list, p)
		}
	}

	// The page's table of base input, cache writes for 5 minutes, cache hits, output.
	add("anthropic", "2026-09", "https://platform.claude.com/docs/en/about-claude/pricing",
		row{model: "claude-opus-5", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-8", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-7", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-6", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-5", input: 5, write: 6.25, cached: 0.50, output: 25},
		row{model: "claude-opus-4-1", input: 15, write: 18.75, cached: 1.50, output: 75},
		row{model: "claude-opus-4", input: 15, write: 18.75, cached: 1.50, output: 75},
	)
	add("anthropic", "2026-02", "https://platform.claude.com/docs/en/about-claude/pricing",
		row{model: "claude-sonnet-4-6", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-sonnet-4-5", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-sonnet-4", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-3-7-sonnet", input: 3, write: 3.75, cached: 0.30, output: 15},
		row{model: "claude-haiku-4-5", input: 1, write: 1.25, cached: 0.10, output: 5},
		row{model: "claude-3-5-haiku", input: 0.80, write: 1, cached: 0.08, output: 4},
		row{model: "claude-3-opus", input: 15, write: 18.75, cached: 1.50, output: 75},
		row{model: "claude-3-haiku", input: 0.25, write: 0.30, cached: 0.03, output: 1.25},
	)
	// Writing to the cache costs what input costs.
	add("openai", "2025-11", "https://platform.openai.com/docs/pricing",
		row{model: "gpt-5.1", input: 1.25, cached: 0.125, output: 10},
		row{model: "gpt-5", input: 1.25, cached: 0.125, output: 10},
		row{model: "gpt-5-mini", input: 0.25, cached: 0.025, output: 2},
		row{model: "gpt-5-nano", input: 0.05, cached: 0.005, output: 0.40},
		row{model: "gpt-4.1", input: 2, cached: 0.50, output: 8},
		row{model: "gpt-4.1-mini", input: 0.40, cached: 0.10, output: 1.60},
		row{model: "gpt-4.1-nano", input: 0.10, cached: 0.025, output: 0.40},
		row{model: "gpt-4o", input: 2.50, cached: 1.25, output: 10},
		row{model: "gpt-4o-mini", input: 0.15, cached: 0.075, output: 0.60},
		row{model: "o3", input: 2, cached: 0.50, output: 8},
		row{model: "o4-mini", input: 1.10, cached: 0.275, output: 4.40},
		row{model: "o3-mini", input: 1.10, cached: 0.55, output: 4.40},
		row{model: "o1", input: 15, cached: 7.50, output: 60},
		row{model: "gpt-4-turbo", input: 10, cached: 10, output: 30},
		row{model: "gpt-3.5-turbo", input: 0.50, cached: 0.50, output: 1.50},
		row{model: "text-embedding-3-small", input: 0.02, cached: 0.02},
		row{model: "text-embedding-3-large", input: 0.13, cached: 0.13},
		row{model: "text-embedding-ada-002", input: 0.10, cached: 0.10},
	)
	// Rates of text; audio input costs more and is not told apart here. Above 200,000 input tokens the whole call costs more.
	add("gemini", "2025-11", "https://ai.google.dev/gemini-api/docs/pricing",
		row{model: "gemini-2.5-pro", input: 1.25, cached: 0.125, output: 10, above: 200_000, long: &row{input: 2.50, cached: 0.25, output: 15}},
		row{model: "gemini-2.5-flash", input: 0.30, cached: 0.03, output: 2.50},
		row{model: "gemini-2.5-flash-lite", input: 0.10, cached: 0.01, output: 0.40},
		row{model: "gemini-2.0-flash", input: 0.10, cached: 0.025, output: 0.40},
		row{model: "gemini-2.0-flash-lite", input: 0.075, cached: 0.075, output: 0.30},
	)
	return list
}

// row is written as the pages write prices.
type row struct {
	model                        string
	input, write, cached, output float64
	above                        int64
	long                         *row
}

func (r row) rates() Rates {
	write := r.write
	if write == 0 {
		write = r.input
	}
	return Rates{Input: USD(r.input), CachedInput: USD(r.cached), CacheWrite: USD(write), Output: USD(r.output)}
}
