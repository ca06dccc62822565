// Package pricing says what a call cost, and what it would have cost in the cloud.
//
// Prices of well-known cloud models are in the program (table.go), each with the day on which it was read and the page that says it.
// The config overrides and adds to them. A model without a price costs null, never zero, and is named once in a warning. A call to a
// model on this device costs what the config says of its power or its hours, and nothing otherwise.
//
// Money is a whole number of billionths of a US dollar (record.Money). Prices are per million tokens, so a token of the cheapest
// model is still a whole number of them.
//
// To add or check a model, see the top of table.go: never from memory, always from the provider's own page or a dated copy of it.
package pricing

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"sync"
	"time"

	"corral/store/ledger/record"
)

// Rates are prices in billionths of a US dollar per million tokens. A dollar per million tokens is 1_000_000_000.
type Rates struct {
	Input       int64 `json:"input"`
	CachedInput int64 `json:"cached_input"` // of tokens that the provider read from its cache
	CacheWrite  int64 `json:"cache_write"`  // of tokens that it wrote to its cache, for the shortest time it offers
	Output      int64 `json:"output"`       // reasoning tokens too
}

// Price is what one model costs.
type Price struct {
	Provider string `json:"provider"` // openai, anthropic, ...; of an override also a provider's name in the config; empty: any
	Model    string `json:"model"`
	// Host says that only providers there are meant: models whose weights are open cost something else at each place that runs them.
	Host string `json:"host,omitempty"`
	Rates
	// Long are the rates of a whole call with more than LongAbove input tokens; 0: there are none.
	LongAbove int64 `json:"long_above,omitempty"`
	Long      Rates `json:"long,omitzero"`
	// Where a price depends on the hour, Rates are those of the Peak hours, and OffPeak of all others.
	Peak    []Hours `json:"peak,omitempty"`
	OffPeak Rates   `json:"off_peak,omitzero"`
	From    string  `json:"from,omitempty"` // the day from which on this is the price, in UTC; empty: it always was
	Read    string  `json:"read"`           // the day on which the source was read
	Source  string  `json:"source"`         // a page, or "config"
	Via     string  `json:"via,omitempty"`  // the dated copy of the page that was read; empty: the page itself
}

// Hours are those of a day from Monday to Friday, in UTC: from From until before To.
type Hours struct {
	From int `json:"from"`
	To   int `json:"to"`
}

// at is the price at a time: the rates of that hour.
func (p Price) at(t time.Time) Price {
	if len(p.Peak) == 0 {
		return p
	}
	t = t.UTC()
	if day := t.Weekday(); day != time.Saturday && day != time.Sunday {
		for _, h := range p.Peak {
			if t.Hour() >= h.From && t.Hour() < h.To {
				return p
			}
		}
	}
	p.Rates = p.OffPeak
	return p
}

// USD turns dollars per million tokens, as a person writes them, into Rates' unit.
func USD(perMillion float64) int64 { return int64(math.Round(perMillion * 1e9)) }

// Local says what running a model on this device costs. Zero: nothing is charged.
type Local struct {
	Watts      float64 // drawn while a call runs, beyond what the machine draws idle
	USDPerKWh  float64
	USDPerHour float64 // of a machine that is rented, for the time that a call runs
}

// Options of New.
type Options struct {
	Overrides []Price // from the config; the first that fits counts, before the table's own
	Local     Local
	Baseline  string             // the cloud model that local calls are compared with; empty: DefaultBaseline
	Unknown   func(model string) // called once for each model that has no price
	Now       func() time.Time   // nil: time.Now
}

// DefaultBaseline is a small cloud model of the kind that a local model stands in for.
const DefaultBaseline = "gpt-4o-mini"

// maxUnknown bounds the models that are remembered as named: apps choose model names.
const maxUnknown = 1000

// Table prices calls. It is safe for many goroutines.
type Table struct {
	opts     Options
	prices   map[string][]Price // the built-in ones, by model; the later in time after the earlier
	baseline Price

	mu      sync.Mutex
	unknown map[string]bool
}

// New makes a table. It fails when the config names a baseline without a price, or a price that makes no sense.
func New(opts Options) (*Table, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	t := &Table{opts: opts, prices: map[string][]Price{}, unknown: map[string]bool{}}
	for _, p := range builtin() {
		t.prices[p.Model] = append(t.prices[p.Model], p)
	}
	for _, p := range opts.Overrides {
		for name, n := range map[string]int64{"input": p.Input, "cached_input": p.CachedInput, "cache_write": p.CacheWrite, "output": p.Output} {
			if n < 0 || n > maxRate {
				return nil, fmt.Errorf("price of %s: %s is %g USD per million tokens: give a number from 0 to %g", p.Model, name, float64(n)/1e9, float64(maxRate)/1e9)
			}
		}
	}
	for name, n := range map[string]float64{"watts": opts.Local.Watts, "usd_per_kwh": opts.Local.USDPerKWh, "usd_per_hour": opts.Local.USDPerHour} {
		if n < 0 || n > 1e6 || math.IsNaN(n) {
			return nil, fmt.Errorf("local price: %s is %g: give a number from 0 to a million", name, n)
		}
	}
	name := cmp.Or(opts.Baseline, DefaultBaseline)
	var ok bool
	if t.baseline, ok = t.anywhere(name); !ok {
		return nil, fmt.Errorf("baseline model %q has no price: choose one that `corral usage prices` lists, or give it a price", name)
	}
	return t, nil
}

// maxRate is a hundred thousand dollars per million tokens.
const maxRate = 100_000 * 1_000_000_000

// Use is what a call used. CachedInput and CacheWrite are parts of Input. A negative count was not told.
type Use struct {
	Input, CachedInput, CacheWrite, Output int64
}

// Call is what Cost looks at.
type Call struct {
	Provider string // its name in the config
	Kind     string // its kind: openai, anthropic, ...
	Host     string // where it is, without a port
	Model    string // as the provider knows it
	Local    bool   // it ran on this device
	Time     time.Time
	Duration time.Duration
	Use      Use
}

// Cost is what the call cost; not known when the model has no price or the counts were not told.
func (t *Table) Cost(c Call) record.Money {
	if c.Local {
		if p, ok := t.override(c.Provider, c.Kind, c.Model); ok {
			return p.Of(c.Use)
		}
		return t.opts.Local.Of(c.Duration)
	}
	p, ok := t.override(c.Provider, c.Kind, c.Model)
	if !ok {
		p, ok = t.lookup(c.Host, c.Model, c.Time)
	}
	if !ok {
		t.warn(c.Model)
		return record.Money{}
	}
	return p.at(c.Time).Of(c.Use)
}

// Most is the most that a call may cost that uses no more than c.Use. It is not known for a model without a price, nor for
// one on this device whose price is one of time.
func (t *Table) Most(c Call) record.Money {
	p, ok := t.override(c.Provider, c.Kind, c.Model)
	switch {
	case ok:
	case c.Local:
		if t.opts.Local == (Local{}) {
			return record.Nano(0)
		}
		return record.Money{}
	default:
		if p, ok = t.lookup(c.Host, c.Model, c.Time); !ok {
			t.warn(c.Model)
			return record.Money{}
		}
	}
	p = p.at(c.Time)
	p.Rates, p.Long = p.Rates.dearest(), p.Long.dearest()
	return p.Of(Use{Input: c.Use.Input, Output: c.Use.Output})
}

// dearest are the rates where all input costs what its dearest part does: whether a cache is written to is not known before.
func (r Rates) dearest() Rates {
	r.Input = max(r.Input, r.CachedInput, r.CacheWrite)
	return r
}

// Baseline is what the same tokens would have cost at the baseline model.
func (t *Table) Baseline(u Use) record.Money {
	// A local model's cache says nothing of a cloud's.
	u.CachedInput, u.CacheWrite = 0, 0
	return t.baseline.Of(u)
}

// BaselineModel names it.
func (t *Table) BaselineModel() string { return t.baseline.Model }

// Find returns the price of a model, for `corral usage prices`.
func (t *Table) Find(provider, model string) (Price, bool) { return t.find(provider, model) }

func (t *Table) find(provider, model string) (Price, bool) {
	if p, ok := t.override(provider, provider, model); ok {
		return p, true
	}
	return t.lookup("", model, t.opts.Now())
}

// anywhere is the price of a model whoever sells it, for what is only compared with it.
func (t *Table) anywhere(model string) (Price, bool) {
	if p, ok := t.find("", model); ok {
		return p, true
	}
	for _, p := range t.opts.Overrides {
		if p.Model == model {
			return p, true
		}
	}
	for _, name := range []string{model, canonical(model)} {
		for _, p := range slices.Backward(t.prices[name]) {
			if p, ok := inForce(t.prices[name], p.Host, t.opts.Now()); ok {
				return p, true
			}
		}
	}
	return Price{}, false
}

func (t *Table) override(name, kind, model string) (Price, bool) {
	for _, p := range t.opts.Overrides {
		if (p.Provider == "" || p.Provider == name || p.Provider == kind) && (p.Model == model || p.Model == canonical(model)) {
			return p, true
		}
	}
	return Price{}, false
}

func (t *Table) lookup(host, model string, at time.Time) (Price, bool) {
	for _, name := range []string{model, canonical(model)} {
		if p, ok := inForce(t.prices[name], host, at); ok {
			return p, true
		}
	}
	return Price{}, false
}

// inForce is the last of a model's prices that has begun and is meant for the host.
func inForce(prices []Price, host string, at time.Time) (Price, bool) {
	day := at.UTC().Format(time.DateOnly)
	for _, p := range slices.Backward(prices) {
		if (p.Host == "" || p.Host == host) && p.From <= day {
			return p, true
		}
	}
	return Price{}, false
}

func (t *Table) warn(model string) {
	t.mu.Lock()
	seen := t.unknown[model] || len(t.unknown) >= maxUnknown
	if !seen {
		t.unknown[model] = true
	}
	t.mu.Unlock()
	if !seen && t.opts.Unknown != nil {
		t.opts.Unknown(model)
	}
}

// Unknown lists the models that were asked for and have no price.
func (t *Table) Unknown() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]string, 0, len(t.unknown))
	for m := range t.unknown {
		list = append(list, m)
	}
	slices.Sort(list)
	return list
}

// List returns the prices that are in force, the config's first.
func (t *Table) List() []Price {
	list := slices.Clone(t.opts.Overrides)
	from := len(list)
	for _, prices := range t.prices {
		for _, p := range prices {
			if q, ok := inForce(prices, p.Host, t.opts.Now()); ok && q.Host == p.Host && q.From == p.From {
				list = append(list, p)
			}
		}
	}
	slices.SortFunc(list[from:], func(a, b Price) int {
		return cmp.Or(strings.Compare(a.Provider, b.Provider), strings.Compare(a.Model, b.Model))
	})
	return list
}

// dearer is a snapshot that costs more than the model which its name begins with (https://platform.openai.com/docs/pricing).
const dearer = "gpt-4o-2024-05-13"

// canonical takes off what names the same model otherwise: a router's or a cloud's prefix, the date of a snapshot, "-latest". It never
// guesses from a beginning: gpt-4o-mini-tts is another model than gpt-4o-mini.
func canonical(model string) string {
	m := strings.ToLower(model)
	m = m[strings.LastIndexByte(m, '/')+1:]
	for _, prefix := range []string{"us.", "eu.", "apac.", "global.", "anthropic."} {
		m = strings.TrimPrefix(m, prefix)
	}
	if i := strings.LastIndex(m, "-v"); i > 0 && strings.Trim(m[i+2:], "0123456789:") == "" { // Bedrock: -v1:0
		m = m[:i]
	}
	m = strings.TrimSuffix(m, "-latest")
	if m == dearer {
		return m
	}
	for _, form := range []string{"-2006-01-02", "-20060102", "@20060102"} {
		if i := len(m) - len(form); i > 0 {
			if _, err := time.Parse(form, m[i:]); err == nil {
				return m[:i]
			}
		}
	}
	return m
}

// Of prices a use. It is not known when a count that matters was not told, or makes no sense.
func (p Price) Of(u Use) record.Money {
	r := p.Rates
	if p.LongAbove > 0 && u.Input > p.LongAbove {
		r = p.Long
	}
	if (u.Input < 0 && r.Input > 0) || (u.Output < 0 && r.Output > 0) {
		return record.Money{}
	}
	input, output := max(0, u.Input), max(0, u.Output)
	cached := max(0, u.CachedInput)
	written := max(0, u.CacheWrite)
	if input > maxTokens || output > maxTokens || cached > input || written > input-cached {
		return record.Money{}
	}
	total, ok := sum(
		[2]int64{input - cached - written, r.Input}, [2]int64{cached, r.CachedInput}, [2]int64{written, r.CacheWrite}, [2]int64{output, r.Output},
	)
	if !ok {
		return record.Money{}
	}
	return record.Nano(total)
}

// maxTokens is the largest count that is believed of one call.
const maxTokens = 1 << 40

// sum adds counts times rates and divides by a million once, at the end, rounding to the nearest: rounding each part would be off by up
// to four.
func sum(parts ...[2]int64) (int64, bool) {
	var hi, lo uint64
	for _, p := range parts {
		h, l := bits.Mul64(uint64(p[0]), uint64(p[1]))
		var carry uint64
		lo, carry = bits.Add64(lo, l, 0)
		hi, carry = bits.Add64(hi, h, carry)
		if carry != 0 {
			return 0, false
		}
	}
	const million = 1_000_000
	lo, carry := bits.Add64(lo, million/2, 0)
	hi += carry
	if hi >= million {
		return 0, false
	}
	n, _ := bits.Div64(hi, lo, million)
	return int64(n), n <= math.MaxInt64
}

// Of prices the time that a call ran.
func (l Local) Of(d time.Duration) record.Money {
	if d < 0 {
		return record.Money{}
	}
	// The rates are set by a person and are floats until here; the amount is whole from here on.
	perHour := l.Watts/1000*l.USDPerKWh + l.USDPerHour
	nano := perHour * 1e9 * d.Hours()
	if nano > math.MaxInt64/2 {
		return record.Money{}
	}
	return record.Nano(int64(math.Round(nano)))
}
