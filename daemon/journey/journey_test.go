package journey

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"corral/daemon/llm"
)

func TestACallsWayIsToldStepByStep(t *testing.T) {
	at := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }
	passed := func(to llm.Point) (p llm.Passed) {
		for i := llm.Admitted; i <= to; i++ {
			p[i] = at(int(i) + 1)
		}
		return p
	}
	for name, c := range map[string]struct {
		past  Past
		steps []Step
		tries []Try
	}{
		"answered after a second target": {
			Past{Passed: passed(llm.Allowed), First: at(50), Total: at(90), Tries: []llm.Try{
				{Target: llm.Target{Provider: "a", Model: "m", Why: "model", Away: "not sent there"}, Began: at(6), Over: at(20), Cause: "unreachable", Asked: true},
				{Target: llm.Target{Provider: "b", Why: "fallback:unreachable", Away: "b.example"}, Began: at(21), Queued: at(4), Over: at(50), Status: 200, Asked: true, Sent: true},
			}},
			[]Step{{"admit", 0, 1}, {"read", 1, 2}, {"route", 2, 4}, {"cache", 4, 5}, {"allow", 5, 6}, {"write", 50, 90}},
			[]Try{{Provider: "a", Model: "m", Why: "model", From: 6, To: 20, Cause: "unreachable", Asked: true},
				{Provider: "b", Why: "fallback:unreachable", Away: "b.example", From: 21, To: 50, Queued: 4, Status: 200, Asked: true}},
		},
		"answered from the cache":    {Past{Passed: passed(llm.Routed), First: at(9), Total: at(10), Hit: true}, []Step{{"admit", 0, 1}, {"read", 1, 2}, {"route", 2, 4}, {"cache", 4, 9}, {"write", 9, 10}}, []Try{}},
		"looked at by the guard":     {Past{Passed: passed(llm.Routed), First: at(9), Total: at(10), Hit: true, Looked: true}, []Step{{"admit", 0, 1}, {"read", 1, 2}, {"guard", 2, 3}, {"route", 3, 4}, {"cache", 4, 9}, {"write", 9, 10}}, []Try{}},
		"refused by the guard":       {Past{Passed: passed(llm.Decoded), Total: at(3), Looked: true}, []Step{{"admit", 0, 1}, {"read", 1, 2}, {"guard", 2, 3}}, []Try{}},
		"refused before it came in":  {Past{Total: at(3)}, []Step{{"admit", 0, 3}}, []Try{}},
		"a body that was no request": {Past{Passed: passed(llm.Admitted), Total: at(3)}, []Step{{"admit", 0, 1}, {"read", 1, 3}}, []Try{}},
	} {
		var x Ring
		c.past.ID = "req"
		x.Add(c.past)
		j := x.Of("req")
		if !j.Kept || !reflect.DeepEqual(j.Steps, c.steps) || !reflect.DeepEqual(j.Tries, c.tries) || j.CacheHit != c.past.Hit {
			t.Errorf("%s: %+v", name, j)
		}
	}
}

func TestOnlyTheNewestCallsAreKept(t *testing.T) {
	var x Ring
	if j := x.Of("any"); j.Kept || j.Why == "" {
		t.Errorf("%+v", j)
	}
	for i := range Keep + 10 {
		x.Add(Past{ID: fmt.Sprint(i), Total: time.Millisecond})
	}
	x.Add(Past{ID: "twice", Total: time.Millisecond})
	x.Add(Past{ID: "twice", Total: time.Second})
	for id, kept := range map[string]bool{"0": false, "9": false, "11": false, "12": true, "1009": true, "twice": true} {
		if j := x.Of(id); j.Kept != kept {
			t.Errorf("%s: %+v", id, j)
		}
	}
	if j := x.Of("twice"); j.Total != 1000 {
		t.Errorf("the older of two calls with one id: %+v", j)
	}
}
