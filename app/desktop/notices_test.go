package desktop

import (
	"fmt"
	"testing"
	"time"

	"corral/daemon/event"
)

func TestWhatIsWorthAWord(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := newNotices()
	critical := event.Condition{Code: "provider", Subject: "local", Severity: "critical", Was: "ok", Text: "connection refused"}
	well := event.Condition{Code: "provider", Subject: "local", Severity: "ok", Was: "critical", Text: "it answers"}
	for i, c := range []struct {
		e     event.Event
		after time.Duration
		title string
	}{
		{event.Call{}, 0, ""},
		{event.Condition{Code: "load", Severity: "notice", Was: "ok"}, 0, ""},
		{well, 0, ""}, // of what nobody was told
		{critical, 0, "Corral: provider local"},
		{critical, time.Minute, ""}, // again, and too soon
		{well, time.Minute, "Corral: provider local is well again"},
		{critical, noticeGap, "Corral: provider local"},
		{event.Condition{Code: "memory", Severity: "warning", Was: "critical"}, 0, ""}, // it gets better
		{event.Budget{Budget: "a day for all calls", State: "used up", Spent: 5e9, Limit: 5e9}, 0, "Corral: a budget is used up"},
	} {
		now = now.Add(c.after)
		got, ok := n.of(c.e, now)
		if ok != (c.title != "") || got.Title != c.title {
			t.Errorf("%d: %+v", i, got)
		}
	}
}

func TestAFloodOfIncidentsIsAFewNotices(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	n := newNotices()
	told := 0
	for i := range 1000 {
		if _, ok := n.of(event.Condition{Code: "breaker", Subject: fmt.Sprint(i), Severity: "warning", Was: "ok"}, now); ok {
			told++
		}
	}
	if told != noticeBurst {
		t.Errorf("%d notices", told)
	}
	if _, ok := n.of(event.Condition{Code: "disk", Severity: "critical", Was: "ok"}, now.Add(noticeGap)); !ok {
		t.Error("it stays silent for ever")
	}
	if len(n.last) > noticeKinds || len(n.lately) > noticeBurst {
		t.Error(len(n.last), len(n.lately))
	}
}

func TestTheTrayShowsHowItIs(t *testing.T) {
	for _, c := range []struct {
		r    Report
		icon string
	}{
		{Report{State: Starting}, "away"},
		{Report{State: Away}, "away"},
		{Report{State: Connected, Severity: "ok"}, "well"},
		{Report{State: Connected, Severity: "notice"}, "well"},
		{Report{State: Connected, Severity: "critical"}, "attention"},
		{Report{State: Connected, Severity: "ok", Paused: true}, "attention"},
	} {
		if icon, text := c.r.look(); icon != c.icon || text == "" {
			t.Errorf("%+v: %s %s", c.r, icon, text)
		}
	}
}
