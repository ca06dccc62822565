package budget

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/store/ledger/record"
)

func TestAWindowBeginsAnew(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: All})
	d.at(monday.Add(13*time.Hour + 29*time.Minute)) // a minute to midnight
	late := d.call(nobody, plan(false, "cloud"), 900)
	if _, err := d.begin(late); err != nil {
		t.Fatal(err)
	}
	slow := d.call(nobody, plan(false, "cloud"), 200) // began before midnight; its body takes until after it
	d.at(d.clock().Add(2 * time.Minute))
	early := d.call(nobody, plan(false, "cloud"), 900)
	if _, err := d.begin(early); err != nil {
		t.Error("a new day has all of its money:", err)
	}
	d.has(" 0/900")
	if _, err := d.begin(slow); err == nil {
		t.Error("a call of yesterday goes on yesterday's account, which has no room")
	}
	d.end(slow, record.Nano(0))
	d.end(late, record.Nano(usd/2))
	d.end(early, record.Nano(usd/4))
	d.has(" 250/0")
	d.at(d.clock().AddDate(0, 0, 5))
	d.has(" 0/0")
	if b := d.b.Balances()[0]; !b.From.Equal(monday.Truncate(24*time.Hour).AddDate(0, 0, 6)) || !b.Resets.Equal(b.From.AddDate(0, 0, 1)) {
		t.Errorf("%v to %v", b.From, b.Resets)
	}
}

// Calls whose bodies take hours to come must not push the present window out, and what is set aside in it.
func TestACallOfLongAgo(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Hour, Limit: usd, Then: Refuse, Scope: All})
	var old []*llm.Request
	for range 4 {
		old = append(old, d.call(nobody, plan(false, "cloud"), 100))
		d.at(d.clock().Add(time.Hour))
	}
	now := d.call(nobody, plan(false, "cloud"), 500)
	if _, err := d.begin(now); err != nil {
		t.Fatal(err)
	}
	for _, r := range old {
		if _, err := d.begin(r); err != nil {
			t.Fatal(err)
		}
	}
	d.has(" 0/800") // the first one's window is known still
	for _, r := range old {
		d.end(r, record.Nano(usd/10))
	}
	d.has(" 0/500") // theirs are windows that are over
	d.end(now, record.Nano(usd/2))
	d.has(" 500/0")

	d.at(monday.AddDate(-1, 0, 0)) // the clock was wrong, and was put right
	again := d.call(nobody, plan(false, "cloud"), 900)
	if _, err := d.begin(again); err != nil {
		t.Fatal(err)
	}
	d.has(" 0/900")
	d.end(again, record.Nano(usd/2))
	d.has(" 500/0")
}

// A machine without a clock of its own begins in a day long past, and finds out later which one it is.
func TestAClockThatJumps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &book{entries: []record.Entry{{Kind: record.Call, Time: monday, Cost: record.Nano(usd / 2)}}}
		d := open(t, k)
		d.at(time.Unix(0, 0))
		d.b.Set(t.Context(), []Rule{{Per: Day, Limit: usd, Then: Refuse, Scope: All}})
		d.has(" 0/0")
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.b.Run(ctx) }()
		d.at(monday)
		d.spend(nobody, usd/10)
		synctest.Wait()
		d.has(" 600/0")
		stop()
		<-ended
	})
}

func TestWindows(t *testing.T) {
	zone := func(name string) *time.Location {
		z, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		return z
	}
	berlin, kolkata, santiago := zone("Europe/Berlin"), zone("Asia/Kolkata"), zone("America/Santiago")
	for _, c := range []struct {
		per      string
		zone     *time.Location
		at       string
		from, to string
	}{
		{Hour, berlin, "2026-11-23 10:59", "2026-11-23 10:00", "2026-11-23 11:00"},
		{Day, berlin, "2026-11-23 00:00", "2026-11-23 00:00", "2026-11-24 00:00"},
		{Day, berlin, "2026-03-29 12:00", "2026-03-29 00:00", "2026-03-30 00:00"}, // of 23 hours
		{Day, berlin, "2026-10-25 23:59", "2026-10-25 00:00", "2026-10-26 00:00"}, // of 25
		{Week, berlin, "2026-11-22 23:59", "2026-11-16 00:00", "2026-11-23 00:00"},
		{Week, berlin, "2026-11-23 00:00", "2026-11-23 00:00", "2026-11-30 00:00"},
		{Month, berlin, "2026-12-31 23:59", "2026-12-01 00:00", "2027-01-01 00:00"},
		{Month, berlin, "2026-02-01 00:00", "2026-02-01 00:00", "2026-03-01 00:00"},
		{Day, kolkata, "2026-11-23 23:29", "2026-11-22 23:30", "2026-11-23 23:30"},
		{Day, kolkata, "2026-11-23 23:30", "2026-11-23 23:30", "2026-11-24 23:30"},
		{Month, kolkata, "2026-11-30 23:45", "2026-11-30 23:30", "2026-12-31 23:30"},
		{Day, santiago, "2026-09-06 12:00", "2026-09-05 23:00", "2026-09-07 00:00"}, // has no midnight
		{Day, santiago, "2026-09-05 23:30", "2026-09-05 23:00", "2026-09-07 00:00"},
		{Day, santiago, "2026-09-05 22:30", "2026-09-05 00:00", "2026-09-05 23:00"},
	} {
		const layout = "2006-01-02 15:04"
		at, err := time.ParseInLocation(layout, c.at, c.zone)
		if err != nil {
			t.Fatal(err)
		}
		from, to := window(c.per, at.UTC(), c.zone)
		if from.Format(layout) != c.from || to.Format(layout) != c.to {
			t.Errorf("%s of %s in %v: %s to %s, want %s to %s", c.per, c.at, c.zone, from.Format(layout), to.Format(layout), c.from, c.to)
		}
		if from.Unix()%3600 != 0 || to.Unix()%3600 != 0 {
			t.Errorf("%s of %s: not at whole hours, as the ledger's sums are", c.per, c.at)
		}
	}
}
