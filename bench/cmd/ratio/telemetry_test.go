package main

import (
	"testing"

	"corral/bench/internal/hist"
	"corral/bench/internal/load"
)

func TestWhatTelemetryAddsIsTheMedianOfTheRounds(t *testing.T) {
	// p50 by setup and round: one round in which the machine was busy with all alike, and one in which it was with "all" only.
	rounds := map[string][]float64{"off": {100, 300, 100}, "traces": {103, 303, 103}, "log": {110, 310, 110}, "feed": {101, 301, 101}, "all": {120, 320, 500}}
	got := make([][]load.Result, len(setups))
	for i, s := range setups {
		for _, p50 := range rounds[s.name] {
			got[i] = append(got[i], load.Result{Latency: hist.Summary{P50: p50}})
		}
	}
	for _, c := range []struct {
		max    float64
		misses int
	}{{0, 0}, {20, 0}, {19, 1}} {
		x := sumUp(scene{Name: "x", AddMax: c.max}, got)
		if x.P50["off"] != 100 || x.Adds["traces"] != 3 || x.Adds["log"] != 10 || x.Adds["feed"] != 1 || x.Adds["all"] != 20 || len(x.Misses) != c.misses {
			t.Errorf("with a target of %v: %+v", c.max, x)
		}
	}
	got[1][2].Errors = map[string]uint64{"timeout": 1}
	if x := sumUp(scene{}, got); len(x.Misses) != 1 {
		t.Errorf("a call that failed is no miss: %+v", x)
	}
}
