package pricing

import (
	"cmp"
	"math"
	"strings"
	"testing"
	"time"

	"corral/store/ledger/record"
)

func table(t *testing.T, o Options) *Table {
	t.Helper()
	tab, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func TestCost(t *testing.T) {
	day := func(s string) time.Time {
		at, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	tab := table(t, Options{
		Overrides: []Price{
			{Provider: "groq", Model: "llama-3.3-70b", Rates: Rates{Input: USD(0.59), Output: USD(0.79)}, Source: "config"},
			{Provider: "work", Model: "gpt-4o", Rates: Rates{Input: USD(1), Output: USD(1)}, Source: "config"},
		},
		Local: Local{Watts: 200, USDPerKWh: 0.30},
	})
	for name, c := range map[string]struct {
		call Call
		want record.Money
	}{
		"a thousand in, a hundred out":   {Call{Kind: "openai", Model: "gpt-4o-mini", Use: Use{Input: 1000, Output: 100}}, record.Nano(210_000)},
		"a snapshot":                     {Call{Kind: "openai", Model: "gpt-4o-mini-2024-07-18", Use: Use{Input: 1000}}, record.Nano(150_000)},
		"a snapshot of the other form":   {Call{Kind: "anthropic", Model: "claude-sonnet-4-5-20250929", Use: Use{Input: 1000}}, record.Nano(3_000_000)},
		"latest":                         {Call{Kind: "anthropic", Model: "claude-3-5-haiku-latest", Use: Use{Output: 1000}}, record.Nano(4_000_000)},
		"a router's prefix":              {Call{Kind: "openai", Model: "openai/gpt-4o", Use: Use{Input: 1000}}, record.Nano(2_500_000)},
		"Bedrock's name":                 {Call{Model: "us.anthropic.claude-sonnet-4-20250514-v1:0", Use: Use{Input: 1000}}, record.Nano(3_000_000)},
		"one token":                      {Call{Model: "gpt-5-nano", Use: Use{Input: 1}}, record.Nano(50)},
		"cached input":                   {Call{Model: "gpt-4o", Use: Use{Input: 1000, CachedInput: 1000}}, record.Nano(1_250_000)},
		"cache written":                  {Call{Model: "claude-opus-4-1", Use: Use{Input: 100, CachedInput: 10, CacheWrite: 40, Output: 1}}, record.Nano(50*15_000 + 10*1_500 + 40*18_750 + 75_000)},
		"short of the long rate":         {Call{Model: "gemini-2.5-pro", Use: Use{Input: 200_000}}, record.Nano(250_000_000)},
		"the long rate":                  {Call{Model: "gemini-2.5-pro", Use: Use{Input: 200_001, Output: 1}}, record.Nano(200_001*2_500 + 15_000)},
		"an override":                    {Call{Provider: "groq", Kind: "openai", Model: "llama-3.3-70b", Use: Use{Input: 100, Output: 100}}, record.Nano(138_000)},
		"an override of one provider":    {Call{Provider: "work", Kind: "openai", Model: "gpt-4o", Use: Use{Input: 1000}}, record.Nano(1_000_000)},
		"and not of another":             {Call{Provider: "openai", Kind: "openai", Model: "gpt-4o", Use: Use{Input: 1000}}, record.Nano(2_500_000)},
		"before a new price":             {Call{Model: "gemini-3.8-flash", Time: day("2026-12-31T23:59:59Z"), Use: Use{Input: 1000}}, record.Nano(750_000)},
		"a new price":                    {Call{Model: "gemini-3.8-flash", Time: day("2027-01-01T00:00:00Z"), Use: Use{Input: 1000}}, record.Nano(1_500_000)},
		"a peak hour":                    {Call{Host: "api.deepseek.com", Model: "deepseek-flash", Time: day("2026-11-23T01:00:00Z"), Use: Use{Input: 1000}}, record.Nano(300_000)},
		"after the peak":                 {Call{Host: "api.deepseek.com", Model: "deepseek-flash", Time: day("2026-11-23T04:00:00Z"), Use: Use{Input: 1000}}, record.Nano(150_000)},
		"a peak hour on a Sunday":        {Call{Host: "api.deepseek.com", Model: "deepseek-flash", Time: day("2026-11-22T01:00:00Z"), Use: Use{Input: 1000}}, record.Nano(150_000)},
		"a peak hour elsewhere":          {Call{Host: "api.deepseek.com", Model: "deepseek-flash", Time: day("2026-11-23T09:30:00+08:00"), Use: Use{Input: 1000}}, record.Nano(300_000)},
		"open weights at one host":       {Call{Host: "api.groq.com", Model: "openai/gpt-oss-120b", Use: Use{Input: 1000}}, record.Nano(150_000)},
		"open weights at another":        {Call{Host: "llm.example.com", Model: "openai/gpt-oss-120b", Use: Use{Input: 1000}}, record.Money{}},
		"an unknown model":               {Call{Model: "gpt-99", Use: Use{Input: 1000}}, record.Money{}},
		"a longer name is another model": {Call{Model: "gpt-4o-mini-tts", Use: Use{Input: 1000}}, record.Money{}},
		"counts that were not told":      {Call{Model: "gpt-4o", Use: Use{Input: -1, Output: -1}}, record.Money{}},
		"an embedding has no output":     {Call{Model: "text-embedding-3-small", Use: Use{Input: 1000, Output: -1}}, record.Nano(20_000)},
		"huge counts":                    {Call{Model: "gpt-4o", Use: Use{Input: math.MaxInt64, Output: 1}}, record.Money{}},
		"more cached than there is":      {Call{Model: "gpt-4o", Use: Use{Input: 10, CachedInput: 11}}, record.Money{}},
		"local, by power":                {Call{Local: true, Model: "llama3.2", Duration: time.Hour}, record.Nano(60_000_000)},
		"local, a tenth of a second":     {Call{Local: true, Model: "llama3.2", Duration: 100 * time.Millisecond}, record.Nano(1667)},
		"local, a clock that went back":  {Call{Local: true, Model: "llama3.2", Duration: -time.Second}, record.Money{}},
		"as many as are believed of one": {Call{Model: "o1", Use: Use{Output: maxTokens}}, record.Nano(maxTokens * 60_000)},
	} {
		if got := tab.Cost(c.call); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestALocalModelIsFreeWithoutALocalPriceAndComparedWithTheCloud(t *testing.T) {
	tab := table(t, Options{Baseline: "claude-haiku-4-5"})
	if got := tab.Cost(Call{Local: true, Model: "llama3.2", Duration: time.Minute}); got != record.Nano(0) {
		t.Errorf("cost %+v", got)
	}
	if got := tab.Baseline(Use{Input: 1000, CachedInput: 900, Output: 100}); got != record.Nano(1_500_000) {
		t.Errorf("baseline %+v", got)
	}
	if tab.BaselineModel() != "claude-haiku-4-5" {
		t.Error(tab.BaselineModel())
	}
}

// What is only compared with may be sold by one host only, or have its price from the config.
func TestAnyPriceServesAsBaseline(t *testing.T) {
	own := Price{Provider: "mine", Model: "house", Rates: Rates{Input: 1_000_000_000, Output: 2_000_000_000}}
	for _, name := range []string{"deepseek-flash", "house"} {
		tab, err := New(Options{Baseline: name, Overrides: []Price{own}})
		if err != nil || tab.BaselineModel() != name {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestASnapshotWithAPriceOfItsOwnIsNotGuessed(t *testing.T) {
	tab := table(t, Options{})
	if got := tab.Cost(Call{Model: "gpt-4o-2024-05-13", Use: Use{Input: 1000, Output: 100}}); got.Known {
		t.Errorf("%+v", got)
	}
	if got := tab.Cost(Call{Model: "gpt-4o-2024-08-06", Use: Use{Input: 1000, Output: 100}}); !got.Known {
		t.Error("a snapshot that costs what its model does is not known")
	}
}

func TestAnUnknownModelIsNamedOnce(t *testing.T) {
	var named []string
	tab := table(t, Options{Unknown: func(m string) { named = append(named, m) }})
	for range 3 {
		tab.Cost(Call{Model: "new-model"})
		tab.Cost(Call{Model: "gpt-4o"})
	}
	if got := strings.Join(named, " "); got != "new-model" {
		t.Errorf("named %q", got)
	}
	if got := tab.Unknown(); len(got) != 1 || got[0] != "new-model" {
		t.Errorf("Unknown: %v", got)
	}
}

func TestBadOptionsAreExplained(t *testing.T) {
	for name, o := range map[string]Options{
		"baseline":       {Baseline: "no-such-model"},
		"negative price": {Overrides: []Price{{Model: "x", Rates: Rates{Input: -1}}}},
		"negative power": {Local: Local{Watts: -1}},
		"no number":      {Local: Local{USDPerHour: math.NaN()}},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheTableIsWellFormed(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range builtin() {
		key := p.Model + " " + p.Host + " " + p.From
		if seen[key] {
			t.Errorf("%s is there twice", key)
		}
		seen[key] = true
		for _, r := range []Rates{p.Rates, p.Long, p.OffPeak} {
			if r.Input < 0 || r.Output < 0 || r.CachedInput > r.Input || r.CacheWrite < r.Input {
				t.Errorf("%s: %+v", p.Model, r)
			}
		}
		if p.Input == 0 || (p.LongAbove > 0) != (p.Long != Rates{}) || (len(p.Peak) > 0) != (p.OffPeak != Rates{}) {
			t.Errorf("%+v", p)
		}
		for _, day := range []string{p.Read, cmp.Or(p.From, p.Read)} {
			if _, err := time.Parse(time.DateOnly, day); err != nil {
				t.Errorf("%s: %v", p.Model, err)
			}
		}
		if !strings.HasPrefix(p.Source, "https://") || p.Via != "" && !strings.HasPrefix(p.Via, "https://") {
			t.Errorf("%s: source %q via %q", p.Model, p.Source, p.Via)
		}
		if canonical(p.Model) != p.Model {
			t.Errorf("%s is not canonical: it would never be found by its dated name", p.Model)
		}
	}
}

func TestListShowsEachModelOnceAsOfNow(t *testing.T) {
	now := time.Date(2026, 12, 31, 23, 59, 59, 0, time.UTC)
	tab := table(t, Options{Now: func() time.Time { return now }})
	for _, want := range []int64{USD(0.75), USD(1.50)} {
		seen, found := map[string]bool{}, false
		for _, p := range tab.List() {
			if seen[p.Model+p.Host] {
				t.Errorf("%s is listed twice", p.Model)
			}
			seen[p.Model+p.Host] = true
			if p.Model == "gemini-3.8-flash" {
				if found = true; p.Input != want {
					t.Errorf("at %v: %d, want %d", now, p.Input, want)
				}
			}
		}
		if !found || !seen["deepseek-flashapi.deepseek.com"] {
			t.Errorf("not listed: %v", seen)
		}
		now = now.Add(time.Second)
	}
}

// What is set aside for a call must be enough, however its tokens turn out to be cached.
func TestTheMostThatACallMayCost(t *testing.T) {
	var unknown []string
	tab := table(t, Options{Overrides: []Price{{Model: "here", Rates: Rates{Input: USD(1), Output: USD(2)}}}, Unknown: func(m string) { unknown = append(unknown, m) }})
	at := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	for _, c := range []Call{
		{Model: "here", Local: true, Use: Use{Input: 1000, Output: 10}},
		{Model: "claude-sonnet-5", Kind: "anthropic", Use: Use{Input: 1000, Output: 10}},
		{Model: "gpt-6-sol", Kind: "openai", Use: Use{Input: 300_000, Output: 10}},
		{Model: "gpt-5", Kind: "openai", Use: Use{Input: 1000}},
	} {
		c.Time = at
		most := tab.Most(c)
		if !most.Known || most.Nano == 0 {
			t.Errorf("%s: %+v", c.Model, most)
		}
		for _, u := range []Use{{Input: c.Use.Input, Output: c.Use.Output}, {Input: c.Use.Input, CacheWrite: c.Use.Input, Output: c.Use.Output}, {Input: c.Use.Input, CachedInput: c.Use.Input, Output: c.Use.Output}, {}} {
			used := c
			used.Use = u
			if cost := tab.Cost(used); !cost.Known || cost.Nano > most.Nano {
				t.Errorf("%s: %+v for %+v is more than %+v", c.Model, cost, u, most)
			}
		}
	}
	if m := tab.Most(Call{Model: "free", Local: true, Time: at}); m != record.Nano(0) {
		t.Errorf("a model on this device costs %+v", m)
	}
	for range 2 {
		if m := tab.Most(Call{Model: "no-such-model", Time: at}); m.Known {
			t.Errorf("%+v", m)
		}
	}
	if len(unknown) != 1 {
		t.Errorf("told of %q", unknown)
	}
	if m := table(t, Options{Local: Local{USDPerHour: 1}}).Most(Call{Model: "here", Local: true, Time: at}); m.Known {
		t.Errorf("what costs by time: %+v", m)
	}
}
