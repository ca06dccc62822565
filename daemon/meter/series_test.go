package meter_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/meter"
	"corral/store/ledger/record"
)

// value is what the metrics say of one series; NaN: nothing.
func (o *observed) value(series string) float64 {
	o.t.Helper()
	for line := range strings.Lines(o.metrics()) {
		if name, v, _ := strings.Cut(strings.TrimSpace(line), " "); name == series {
			var f float64
			if _, err := fmt.Sscan(v, &f); err != nil {
				o.t.Fatal(err)
			}
			return f
		}
	}
	return math.NaN()
}

const ms = time.Millisecond

func TestWhereTheTimeGoes(t *testing.T) {
	o := observe(t, meter.Rules{})
	r := request("m")
	r.Start = time.Now().Add(-100 * ms)
	r.Passed = llm.Passed{llm.Admitted: 1 * ms, llm.Decoded: 11 * ms, llm.Guarded: 12 * ms, llm.Routed: 14 * ms, llm.Looked: 16 * ms, llm.Allowed: 20 * ms, llm.Asked: 45 * ms, llm.AskedLast: 45 * ms, llm.Answered: 90 * ms}
	r.Queued = 20 * ms
	o.serve(t.Context(), r, &llm.Reply{Status: 200, Body: &body{pieces: []string{"a", "b"}, err: io.EOF, usage: llm.Usage{Input: 1, Output: 11}}, Provider: "local", Stream: true}, nil, -1)
	own := 0.0
	for stage, want := range map[string]float64{"admit": .001, "decode": .01, "guard": .001, "route": .002, "cache": .002, "allow": .004, "dispatch": .005} {
		got := o.value(`corral_stage_seconds_sum{stage="` + stage + `"}`)
		if math.Abs(got-want) > 1e-9 {
			t.Errorf("%s: %v, want %v", stage, got, want)
		}
		if stage != "decode" {
			own += got
		}
	}
	answer, record := o.value(`corral_stage_seconds_sum{stage="answer"}`), o.value(`corral_stage_seconds_sum{stage="record"}`)
	if answer < .01 || record <= 0 {
		t.Errorf("answer %v, record %v", answer, record)
	}
	if got := o.value("corral_added_seconds_sum"); math.Abs(got-own-answer-record) > 1e-9 {
		t.Errorf("Corral added %v, want %v", got, own+answer+record)
	}
	if e := o.led.entries[0]; e.Queued != r.Queued {
		t.Errorf("the ledger has %v in the queue", e.Queued)
	}
	few := `{model="m",endpoint="chat",provider="local"}`
	if whole, target := o.value("llm_request_duration_seconds_sum"+few), o.value("llm_model_latency_seconds_sum"+few); math.Abs(whole-target-.045) > 1e-6 {
		t.Errorf("the whole %v, the target's part %v", whole, target)
	}
	if n := o.value(`corral_tokens_per_second_count{model="m",provider="local"}`); n != 1 || o.value(`corral_time_per_token_seconds_count{model="m",provider="local"}`) != 1 {
		t.Errorf("%v speeds", n)
	}
}

func TestWhatWasNotAskedOfATargetTakesNoneOfItsTime(t *testing.T) {
	o := observe(t, meter.Rules{})
	hit := request("m")
	hit.Reuse.Free = true
	hit.Passed = llm.Passed{llm.Admitted: ms, llm.Decoded: ms, llm.Guarded: ms, llm.Routed: ms}
	refused := request("m")
	refused.Passed = llm.Passed{llm.Admitted: ms}
	o.serve(t.Context(), hit, &llm.Reply{Status: 200, Body: &body{pieces: []string{"a"}, err: io.EOF, usage: llm.Usage{Input: 1, Output: 11}}, Provider: "local", Stream: true}, nil, -1)
	o.serve(t.Context(), refused, nil, &llm.Error{Kind: llm.Invalid, Message: "No."}, -1)
	few := `{model="m",endpoint="chat",provider="local"}`
	if n := o.value("llm_model_latency_seconds_count" + few); n != 0 {
		t.Errorf("%v latencies of models", n)
	}
	for stage, want := range map[string]float64{"admit": 2, "decode": 1, "guard": 1, "route": 1, "cache": 0, "dispatch": 0, "answer": 0, "record": 2} {
		if n := o.value(`corral_stage_seconds_count{stage="` + stage + `"}`); n != want {
			t.Errorf("%s: %v, want %v", stage, n, want)
		}
	}
	if s, u := o.value(`corral_verdicts_total{verdict="served"}`), o.value(`corral_verdicts_total{verdict="unanswered"}`); s != 1 || u != 0 {
		t.Errorf("%v served, %v unanswered", s, u)
	}
}

// What the guard found is in all books by what became of it, which depends on who was asked.
func TestWhatTheGuardFound(t *testing.T) {
	o := observe(t, meter.Rules{})
	found := []llm.Found{{Class: "pii", Kind: "email", Count: 2, Act: llm.MaskAway}, {Class: "pii", Kind: "iban", Count: 1, Act: llm.MaskAway}, {Class: "secret", Kind: "jwt", Count: 1, Act: llm.MaskAlways}}
	for _, masked := range []llm.Acts{0, llm.Acts(0).With(llm.MaskAlways), llm.Acts(0).With(llm.MaskAlways).With(llm.MaskAway)} {
		r := request("m")
		r.Policy, r.Found, r.Masked = "secrets=redact pii=redact-for-cloud", found, masked
		o.serve(t.Context(), r, &llm.Reply{Status: 200, Body: &body{err: io.EOF}, Provider: "local"}, nil, -1)
	}
	r := request("m")
	r.Policy, r.Found = "injection=block", []llm.Found{{Class: "injection", Kind: "override", Count: 1, Act: llm.Block}}
	o.serve(t.Context(), r, nil, &llm.Error{Kind: llm.Blocked, Message: "No."}, -1)
	actions := func(words ...string) (out []record.Finding) {
		for i, w := range words {
			out = append(out, record.Finding{Kind: found[i].Kind, Action: w, Count: found[i].Count})
		}
		return out
	}
	for i, want := range [][]record.Finding{actions("flag", "flag", "flag"), actions("flag", "flag", "redact"), actions("redact", "redact", "redact"), {{Kind: "override", Action: "block", Count: 1}}} {
		e := o.led.entries[i]
		if !slices.Equal(e.Findings, want) || e.Policy == "" {
			t.Errorf("call %d: %v under %q", i, e.Findings, e.Policy)
		}
		for flag, yes := range map[record.Flags]bool{record.FoundPII: i < 3, record.FoundSecret: i < 3, record.FoundInject: i == 3, record.Redacted: i == 1 || i == 2, record.Blocked: i == 3} {
			if (e.Flags&flag != 0) != yes {
				t.Errorf("call %d: flags %v", i, e.Flags)
			}
		}
	}
	for series, want := range map[string]float64{
		`corral_guard_findings_total{class="pii",kind="email",action="flag"}`:           4,
		`corral_guard_findings_total{class="pii",kind="email",action="redact"}`:         2,
		`corral_guard_findings_total{class="secret",kind="jwt",action="redact"}`:        2,
		`corral_guard_calls_total{class="pii",action="flag"}`:                           2,
		`corral_guard_calls_total{class="pii",action="redact"}`:                         1,
		`corral_guard_calls_total{class="secret",action="flag"}`:                        1,
		`corral_guard_findings_total{class="injection",kind="override",action="block"}`: 1,
	} {
		if got := o.value(series); got != want {
			t.Errorf("%s is %v, want %v", series, got, want)
		}
	}
	total := 0
	for _, f := range o.m.Found() {
		total += f.Count
	}
	if total != 13 {
		t.Errorf("since the start: %v", o.m.Found())
	}
	if !strings.Contains(o.log.String(), `"guard":"email=2:redact iban=1:redact jwt=1:redact"`) {
		t.Error("the log does not say what was found")
	}
}

type priced struct{ cost, baseline record.Money }

func (p priced) Cost(llm.Target, string, llm.Usage, time.Duration) (cost, baseline record.Money) {
	return p.cost, p.baseline
}

func TestMoneyIsCountedWhereItIsKnown(t *testing.T) {
	for _, c := range []struct {
		name        string
		prices      priced
		cost, saved float64
	}{
		{"saved", priced{record.Nano(1e9), record.Nano(5e9)}, 1, 4},
		{"dearer than the baseline", priced{record.Nano(5e9), record.Nano(1e9)}, 5, 0},
		{"not known", priced{}, 0, 0},
		{"no baseline", priced{record.Nano(1e9), record.Money{}}, 1, 0},
	} {
		o := &observed{t: t, set: metrics.NewSet()}
		o.m = meter.New(meter.Options{Log: slog.New(slog.DiscardHandler), Set: o.set, Ledger: &o.led, Prices: c.prices, Rules: func() meter.Rules { return meter.Rules{} }})
		o.serve(t.Context(), request("m"), &llm.Reply{Status: 200, Body: &body{err: io.EOF, usage: llm.NoUsage}, Provider: "local"}, nil, -1)
		o.m.Close()
		if cost, saved := o.value(`llm_cost_usd_total{model="m",provider="local"}`), o.value(`llm_cost_saved_usd_total{model="m",provider="local"}`); cost != c.cost || saved != c.saved {
			t.Errorf("%s: cost %v, saved %v", c.name, cost, saved)
		}
	}
}

func TestCombinationsOfLabelsAreBounded(t *testing.T) {
	o := observe(t, meter.Rules{})
	for i := range 90 {
		for status := 200; status < 300; status++ { // a target that answers with whatever comes to its mind
			o.serve(t.Context(), request(fmt.Sprint("m", i)), &llm.Reply{Status: status, Body: &body{err: io.EOF, usage: llm.NoUsage}, Provider: "local"}, nil, -1)
		}
	}
	if n := strings.Count(o.metrics(), "llm_requests_total{"); n < 2000 || n > 2100 {
		t.Errorf("%d series of calls, want some 2000", n)
	}
	if o.value(`llm_requests_total{model="other",endpoint="chat",status="250",provider="local"}`) < 10 {
		t.Error("what is past the bound is not under other")
	}
}

type nowhere struct{}

func (nowhere) Append(record.Entry) error                        { return nil }
func (nowhere) AppendStrict(context.Context, record.Entry) error { return nil }
func (nowhere) Err() error                                       { return nil }

// What counting costs a call: it should stay near a microsecond.
func BenchmarkCounting(b *testing.B) {
	o := &observed{set: metrics.NewSet()}
	discard := slog.New(slog.DiscardHandler)
	o.m = meter.New(meter.Options{Log: discard, Set: o.set, Ledger: nowhere{}, Prices: free{}, Rules: func() meter.Rules { return meter.Rules{} }})
	stage := o.m.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		for p := range llm.Points {
			r.Pass(p)
		}
		return &llm.Reply{Status: 200, Body: &body{err: io.EOF, usage: llm.Usage{Input: 1, Output: 11}}, Provider: "local", Stream: true}, nil
	}))
	b.ReportAllocs()
	for b.Loop() {
		got, err := stage.Serve(b.Context(), request("m"))
		if err != nil {
			b.Fatal(err)
		}
		got.Body.Next()
		got.Close()
	}
}
