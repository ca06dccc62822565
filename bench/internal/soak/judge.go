package soak

import (
	"fmt"
	"maps"
	"net/http"
	"slices"

	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

// Report is what a soak found.
type Report struct {
	Calls    int              `json:"calls"` // that were to be made
	Seconds  float64          `json:"seconds"`
	Strict   bool             `json:"strict"`
	Callers  map[string]int   `json:"callers"`   // calls as their callers saw them, by status and end
	AtDoor   int              `json:"at_door"`   // turned away by the listener: no calls to any book but one metric
	Books    []Book           `json:"books"`     // each has to say the same
	Dropped  int              `json:"dropped"`   // traces that Corral counted as dropped
	Spans    int              `json:"spans"`     // of calls and their steps
	Told     int              `json:"told"`      // answers whose tokens their callers read, and compared with the ledger
	CostNano int64            `json:"cost_nano"` // as the callers reckon it
	Free     int              `json:"free"`      // answers from the cache
	Partly   int              `json:"partly"`    // vectors of which some came from the cache
	InVain   int              `json:"in_vain"`   // vectors of which a part was asked for first, of a server that had to be passed over
	Hidden   int              `json:"hidden"`    // calls of which the guard hid something
	Blocked  int              `json:"blocked"`   // calls that it refused
	Trouble  map[string]int64 `json:"trouble"`   // what went on beside: retries, fallbacks, breakers
	Flat     []Flat           `json:"flat"`
	Samples  []Sample         `json:"samples"`
	Problems []string         `json:"problems"`
}

// Book is what one of them says.
type Book struct {
	Name   string      `json:"name"`
	Calls  int         `json:"calls"`
	Status map[int]int `json:"status"`
	In     int64       `json:"tokens_in"`
	Out    int64       `json:"tokens_out"`
	Nano   int64       `json:"cost_nano_usd"`
}

// maxShown bounds how many calls of a kind of problem are shown.
const maxShown = 5

// problems are those of single calls, by what is wrong.
type problems map[string][]string

func (p problems) add(what, call string, args ...any) {
	p[what] = append(p[what], fmt.Sprintf(call, args...))
}

func (p problems) list() (all []string) {
	for _, what := range slices.Sorted(maps.Keys(p)) {
		calls := p[what]
		all = append(all, fmt.Sprintf("%s: %d calls, such as %v", what, len(calls), calls[:min(len(calls), maxShown)]))
	}
	return all
}

func (r *run) judge(rep *Report, m metricsText, l *entries, sums *usage.Report, f *feed, c *collector, log *tally, verified string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wrong := problems{}
	fail := func(format string, args ...any) { rep.Problems = append(rep.Problems, fmt.Sprintf(format, args...)) }
	rep.Callers = map[string]int{}
	callers := 0
	var cost int64
	for n := range r.calls {
		x, id := &r.calls[n], idOf(n)
		rep.Callers[fmt.Sprintf("%d %s", x.status, endNames[x.end])]++
		if kinds[x.kind].name == atListener {
			rep.AtDoor++
			if x.status != 403 || x.entries+x.lines > 0 {
				wrong.add("a foreign host is turned away at the door", "%s: status %d, %d entries", id, x.status, x.entries)
			}
			continue
		}
		callers++
		r.judgeCall(wrong, rep, n, l.byCall[n], f.byCall[n], c, &cost)
	}
	rep.CostNano = cost
	rep.Problems = append(rep.Problems, wrong.list()...)

	byStatus := newTally()
	for _, row := range sums.Rows {
		var status int
		fmt.Sscan(row.Key, &status)
		byStatus.status[status] += int(row.Sum.Calls)
		byStatus.calls += int(row.Sum.Calls)
	}
	byStatus.in, byStatus.out, byStatus.nano = int64(sums.Total.Input), int64(sums.Total.Output), sums.Total.Cost
	metrics := m.tally()
	for _, b := range []struct {
		name string
		*tally
	}{{"ledger", l.tally}, {"ledger sums", byStatus}, {"metrics", metrics}, {"feed", f.tally}, {"log", log}} {
		rep.Books = append(rep.Books, Book{b.name, b.calls, b.status, b.in, b.out, b.nano})
		missed := 0
		if b.name == "feed" {
			missed = int(f.missed) // of all types: at most so many of the calls
		}
		if b.calls > callers || b.calls < callers-missed {
			fail("%s: %d calls, and the callers made %d", b.name, b.calls, callers)
		}
		if missed > 0 {
			continue
		}
		if !maps.Equal(b.status, l.status) {
			fail("%s: %v by status, and the ledger has %v", b.name, b.status, l.status)
		}
		if b.in != l.in || b.out != l.out {
			fail("%s: %d and %d tokens, and the ledger has %d and %d", b.name, b.in, b.out, l.in, l.out)
		}
		off := max(b.nano-l.nano, l.nano-b.nano)
		if b.name == "metrics" && off > 0 && off <= 1000 {
			off = 0 // a float64 there, of dollars: it is true to a millionth
		}
		if off > 0 {
			fail("%s: %d billionths of a dollar, and the ledger has %d", b.name, b.nano, l.nano)
		}
	}
	if l.nano != cost {
		fail("the ledger: %d billionths of a dollar, and by the tokens that the callers were told it is %d", l.nano, cost)
	}
	if n := int(m.sum("llm_request_duration_seconds_count")); n != callers {
		fail("llm_request_duration_seconds has %d calls of %d", n, callers)
	}
	if n := int(m.sum("llm_errors_total", `endpoint="listener"`)); n != rep.AtDoor {
		fail("llm_errors_total has %d calls at the listener of %d", n, rep.AtDoor)
	}
	for _, x := range []struct {
		series string
		labels []string
		want   int
	}{
		{"corral_guard_calls_total", []string{`class="pii"`, `action="redact"`}, rep.Hidden},
		{"corral_guard_calls_total", []string{`class="secret"`, `action="block"`}, rep.Blocked},
		{"corral_guard_findings_total", []string{`kind="email"`, `action="redact"`}, 2 * rep.Hidden},
		{"corral_guard_findings_total", []string{`class="secret"`}, rep.Blocked},
		{"llm_errors_total", []string{`code="guard_blocked"`}, rep.Blocked},
	} {
		if n := int(m.sum(x.series, x.labels...)); n != x.want {
			fail("%s%v is %d, and the ledger has %d", x.series, x.labels, n, x.want)
		}
	}
	if n := m.sum("corral_calls_in_flight"); n != 0 {
		fail("%v calls are under way after the last one", n)
	}
	if l.foreign > 0 {
		fail("the ledger has %d calls that nobody made", l.foreign)
	}
	if verified != "" {
		fail("the ledger: %s", verified)
	}
	if f.err != nil {
		fail("the feed: %v", f.err)
	}
	rep.Dropped, rep.Spans = int(m.sum("corral_traces_dropped_total")), c.spans
	if c.bad != nil {
		fail("the collector: %v", c.bad)
	}
	if sent := int(m.sum("corral_traces_sent_total")); sent != len(c.calls)+c.twice+c.others || sent+rep.Dropped != callers {
		fail("traces: %d calls sent and %d dropped of %d; the collector has %d, %d twice, and %d of nobody's", sent, rep.Dropped, callers, len(c.calls), c.twice, c.others)
	}
	rep.Trouble = map[string]int64{"feed gaps": int64(f.gaps)}
	for _, name := range []string{"llm_retries_total", "llm_fallbacks_total", "corral_breaker_changes_total", "corral_ledger_missed_calls"} {
		rep.Trouble[name] = int64(m.sum(name))
	}
}

// judgeCall compares what one call's caller saw with what the books have of it.
func (r *run) judgeCall(wrong problems, rep *Report, n int, e *entry, events int, c *collector, cost *int64) {
	x, id := &r.calls[n], idOf(n)
	shown := fmt.Sprintf("%s (%s, %d %s)", id, kinds[x.kind].name, x.status, endNames[x.end])
	if x.entries != 1 {
		wrong.add("a call has one entry in the ledger", "%s: %d", shown, x.entries)
		return
	}
	if x.lines != 1 {
		wrong.add("a call has one line in the log", "%s: %d", shown, x.lines)
	}
	if events > 1 {
		wrong.add("a call has one event", "%s: %d", shown, events)
	}
	// What broke off after its beginning stands in the books with the status of its failure, which its caller did not get any more.
	agree := int(x.status) == e.status
	switch x.end {
	case left:
		agree = e.flags&record.CallerLeft != 0
	case broken:
		agree = e.flags&record.Broken != 0
	case none:
		agree = false
	}
	if !agree || x.end == whole && e.flags&(record.CallerLeft) != 0 {
		wrong.add("the ledger says what the caller saw", "%s: %d %v", shown, e.status, e.flags)
	}
	seen, said := e.flags&(record.FoundPII|record.FoundSecret|record.Redacted|record.Blocked), record.Flags(0)
	switch early := e.status == http.StatusTooManyRequests && e.flags&record.Refused != 0; kinds[x.kind].name { // early: there was no room, before the guard
	case anAddress:
		if e.status == http.StatusOK || seen&record.Redacted != 0 {
			said = record.FoundPII | record.Redacted
		} else if !early {
			said = record.FoundPII // and no target was asked
		}
	case aCredential:
		if !early {
			said = record.FoundSecret | record.Blocked
		}
	}
	if seen&record.Redacted != 0 {
		rep.Hidden++
	}
	if seen&record.Blocked != 0 {
		rep.Blocked++
	}
	if seen != said || seen&record.Blocked != 0 && e.status != http.StatusBadRequest {
		wrong.add("the guard sees what was said, and nothing else", "%s: %v, not %v", shown, seen, said)
	}
	if s, ok := c.calls[id]; ok {
		if x.status != 0 && s.status != 0 && s.status != int(x.status) {
			wrong.add("the trace says what the caller saw", "%s: %d", shown, s.status)
		}
		if s.tellsIn && s.in != e.in || s.tellsOut && s.out != e.out || s.nanoUSD != e.nano {
			wrong.add("the trace says what the ledger says", "%s: %d and %d tokens, %d; ledger %d and %d, %d", shown, s.in, s.out, s.nanoUSD, e.in, e.out, e.nano)
		}
	}
	if x.end == whole && x.in >= 0 {
		rep.Told++
		switch {
		case kinds[x.kind].name == severalVectors && e.flags&record.CacheHit == 0 && e.in >= 0 && e.in < int64(x.in):
			rep.Partly++ // the caller is told the tokens of all, and the books have those that a model was asked for
		case kinds[x.kind].name == severalVectors && e.flags&record.Retried != 0 && e.in > int64(x.in) && e.in < 2*int64(x.in):
			rep.InVain++ // the caller is told the tokens of its answer, and the books have those of the part too
		case int64(x.in) != e.in || x.out >= 0 && int64(x.out) != e.out:
			wrong.add("the ledger has the tokens that the caller was told", "%s: %d and %d; ledger %d and %d", shown, x.in, x.out, e.in, e.out)
		}
	}
	var due int64
	if e.flags&record.CacheHit != 0 {
		rep.Free++
	} else if cutShort := e.status == http.StatusGatewayTimeout || e.flags&(record.Broken|record.CallerLeft) != 0; kinds[x.kind].name != inventedModel && (e.status == 200 || cutShort && e.priced) {
		// What was cut short costs as well, by the tokens that were counted of it. A model without a price costs nothing on this device.
		due = max(e.in, 0)*nanoIn + max(e.out, 0)*nanoOut
	}
	*cost += due
	if e.priced && e.nano != due {
		wrong.add("a call costs what its tokens cost", "%s: %d, not %d", shown, e.nano, due)
	}
}
