// Package usage adds up what calls used and cost, by hour and by day, so that a report over a year reads sums and not calls. Service
// levels are read from what is added up by minute.
//
// A sum is kept for each hour and each day (UTC), for the whole and for each user, app, caller, model, provider and status:
//
//	ledger/hours   hour(4) dimension(1) value(4) -> Sum
//	ledger/days    day(4)  dimension(1) value(4) -> Sum
//	ledger/minutes minute(4) -> Minute, for the last 31 days (minutes.go)
//
// Minute, hour and day count from 1970; value is a number from the ledger's name table, or the status. The period comes first so that one
// commit touches neighbouring keys only. They are written in the transaction that writes the entries they sum up.
//
// What surprises: a count or an amount that makes no sense is in no sum, and is counted as odd instead. Sums saturate; they never
// wrap around.
package usage

import (
	"encoding/binary"
	"errors"
	"math"

	"corral/store/ledger/record"
)

// Sum is what a set of calls used. Money is in billionths of a US dollar, times in microseconds.
type Sum struct {
	Calls       uint64 `json:"calls"`
	Errors      uint64 `json:"errors"` // status 400 and up, and broken streams
	Refused     uint64 `json:"refused"`
	CacheHits   uint64 `json:"cache_hits"`
	Input       uint64 `json:"input_tokens"`
	Output      uint64 `json:"output_tokens"`
	CachedInput uint64 `json:"cached_input_tokens"`
	Reasoning   uint64 `json:"reasoning_tokens"`
	Estimated   uint64 `json:"estimated_calls"` // calls whose tokens were counted here
	Odd         uint64 `json:"odd_calls"`       // calls with a count or an amount that made no sense and is in no sum
	Unpriced    uint64 `json:"unpriced_calls"`  // calls whose cost is not known
	Cost        int64  `json:"cost_nano_usd"`
	Baseline    int64  `json:"baseline_nano_usd"` // what the same tokens would have cost in the cloud
	Saved       int64  `json:"saved_nano_usd"`    // baseline less cost, over calls where both are known
	Micros      uint64 `json:"duration_us"`
	FirstToken  uint64 `json:"first_token_us"`
	Streams     uint64 `json:"streams"`                  // calls that FirstToken is the sum of
	HitTokens   uint64 `json:"cache_hit_tokens"`         // of cache hits: what their answers took the first time
	HitSaved    int64  `json:"cache_hit_saved_nano_usd"` // part of Saved
}

// MaxTokens is the largest count that is believed of one call.
const MaxTokens = 1 << 40

// maxNano is the largest amount that is believed of one call: a million dollars.
const maxNano = 1_000_000 * 1_000_000_000

// Of is the sum of one call.
func Of(r *record.Row) Sum {
	if r.Kind != record.Call {
		return Sum{}
	}
	s := Sum{Calls: 1, Micros: uint64(max(0, r.Duration.Microseconds()))}
	if r.Status >= 400 || r.Flags&record.Broken != 0 {
		s.Errors = 1
	}
	s.Refused = flag(r, record.Refused)
	s.CacheHits = flag(r, record.CacheHit)
	s.Estimated = flag(r, record.Estimated)
	if r.FirstToken > 0 {
		s.FirstToken, s.Streams = uint64(r.FirstToken.Microseconds()), 1
	}
	odd := Odd(r.Tokens)
	s.Input, s.Output = believed(r.Tokens.Input), believed(r.Tokens.Output)
	s.CachedInput, s.Reasoning = min(believed(r.Tokens.CachedInput), s.Input), min(believed(r.Tokens.Reasoning), s.Output)
	cost, costOK := amount(r.Cost)
	baseline, baselineOK := amount(r.Baseline)
	if (r.Cost.Known && !costOK) || (r.Baseline.Known && !baselineOK) {
		odd = true
	}
	s.Cost, s.Baseline = cost, baseline
	if costOK && baselineOK {
		s.Saved = baseline - cost
	}
	if s.CacheHits > 0 {
		s.HitTokens, s.HitSaved = addUint(s.Input, s.Output), s.Saved
	}
	if !costOK {
		s.Unpriced = 1
	}
	if odd {
		s.Odd = 1
	}
	return s
}

func flag(r *record.Row, f record.Flags) uint64 {
	if r.Flags&f != 0 {
		return 1
	}
	return 0
}

// Odd says whether a count makes no sense. Absent does: some providers tell nothing.
func Odd(t record.Tokens) bool {
	for _, n := range [...]int64{t.Input, t.Output, t.CachedInput, t.Reasoning} {
		if n < record.Absent || n > MaxTokens {
			return true
		}
	}
	return t.CachedInput > max(0, t.Input) || t.Reasoning > max(0, t.Output)
}

func believed(n int64) uint64 {
	if n < 0 || n > MaxTokens {
		return 0
	}
	return uint64(n)
}

func amount(m record.Money) (int64, bool) {
	if !m.Known || m.Nano < 0 || m.Nano > maxNano {
		return 0, false
	}
	return m.Nano, true
}

// Add adds another sum.
func (s *Sum) Add(o *Sum) {
	mine, theirs := s.counts(), o.counts()
	for i, n := range theirs {
		*mine[i] = addUint(*mine[i], *n)
	}
	s.Cost, s.Baseline, s.Saved, s.HitSaved = addInt(s.Cost, o.Cost), addInt(s.Baseline, o.Baseline), addInt(s.Saved, o.Saved), addInt(s.HitSaved, o.HitSaved)
}

func addUint(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

func addInt(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// counts lists the unsigned fields in the order in which they are on disk: append only.
func (s *Sum) counts() [15]*uint64 {
	return [15]*uint64{
		&s.Calls, &s.Errors, &s.Refused, &s.CacheHits, &s.Input, &s.Output, &s.CachedInput, &s.Reasoning, &s.Estimated, &s.Odd,
		&s.Unpriced, &s.Micros, &s.FirstToken, &s.Streams, &s.HitTokens,
	}
}

// first is how many counts the first sums on disk had; what they lack is zero.
const first = 14

func (s *Sum) append(b []byte) []byte {
	for _, n := range [...]int64{s.Cost, s.Baseline, s.Saved} {
		b = binary.AppendVarint(b, n)
	}
	for _, n := range s.counts() {
		b = binary.AppendUvarint(b, *n)
	}
	return binary.AppendVarint(b, s.HitSaved)
}

var errSum = errors.New("a usage sum cannot be read")

func parseSum(b []byte) (s Sum, err error) {
	for _, n := range [...]*int64{&s.Cost, &s.Baseline, &s.Saved} {
		v, size := binary.Varint(b)
		if size <= 0 {
			return s, errSum
		}
		*n, b = v, b[size:]
	}
	for i, n := range s.counts() {
		if i == first && len(b) == 0 {
			return s, nil
		}
		v, size := binary.Uvarint(b)
		if size <= 0 {
			return s, errSum
		}
		*n, b = v, b[size:]
	}
	v, size := binary.Varint(b)
	if size <= 0 {
		return s, errSum
	}
	s.HitSaved = v
	return s, nil
}
