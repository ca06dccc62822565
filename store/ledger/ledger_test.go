package ledger_test

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

func ctx(t testing.TB) context.Context {
	t.Helper()
	c, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return c
}

func appendCalls(t testing.TB, l *ledger.Ledger, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := l.Append(ledgertest.Call(n)); err != nil {
			t.Fatal(err)
		}
		if n%4000 == 3999 { // the queue holds 8192
			if err := l.Flush(ctx(t)); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Flush(ctx(t)); err != nil {
		t.Fatal(err)
	}
}

func all(t testing.TB, l *ledger.Ledger, f ledger.Filter) []*record.Entry {
	t.Helper()
	var list []*record.Entry
	err := l.Scan(ctx(t), f, func(e *record.Entry) error { list = append(list, e); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestAnEntryComesBackAsItWasWritten(t *testing.T) {
	for _, keep := range []bool{false, true} {
		dir := t.TempDir()
		l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.KeepContent = keep })
		want := ledgertest.Call(7)
		want.Flags = record.Streamed | record.FoundPII
		if err := l.AppendStrict(ctx(t), want); err != nil {
			t.Fatal(err)
		}
		closeAll()
		l = ledgertest.Open(t, dir, nil)
		got, err := l.Get(ctx(t), "req-000007")
		if err != nil {
			t.Fatal(err)
		}
		if !got.Prompt.Commitment.Opens(want.Prompt.Content) || !got.Answer.Commitment.Opens(want.Answer.Content) || got.Prompt.Commitment.Opens([]byte("x")) {
			t.Error("commitments do not open")
		}
		if has := string(got.Prompt.Content) == string(want.Prompt.Content) && string(got.Answer.Content) == string(want.Answer.Content); has != keep {
			t.Errorf("keep %v: content is %q, %q", keep, got.Prompt.Content, got.Answer.Content)
		}
		if keep {
			want.Flags |= record.HasContent
		}
		got.Prompt, got.Answer, want.Prompt, want.Answer = record.Text{}, record.Text{}, record.Text{}, record.Text{}
		got.Seq = 0
		if a, b := dump(t, got), dump(t, &want); a != b {
			t.Errorf("keep %v:\n got %s\nwant %s", keep, a, b)
		}
	}
}

func TestFilters(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 30)
	odd := ledgertest.Call(30)
	odd.ModelAsked, odd.ModelAnswered, odd.Status, odd.Flags = "other", "", 503, record.Refused|record.OverBudget
	if err := l.AppendStrict(ctx(t), odd); err != nil {
		t.Fatal(err)
	}
	after := uint64(29)
	start := ledgertest.Call(0).Time
	for name, c := range map[string]struct {
		f    ledger.Filter
		want int
	}{
		"all, with the beginning": {ledger.Filter{}, 32},
		"calls":                   {ledger.Filter{Calls: true}, 31},
		"user":                    {ledger.Filter{User: "user1"}, 10},
		"unknown user":            {ledger.Filter{User: "nobody"}, 0},
		"caller and flag":         {ledger.Filter{Caller: "key_1f2e3d", Flags: record.Refused}, 1},
		"two flags":               {ledger.Filter{Flags: record.Refused | record.CacheHit}, 0},
		"model answered":          {ledger.Filter{Model: "llama3.2"}, 30},
		"model asked":             {ledger.Filter{Model: "other"}, 1},
		"status":                  {ledger.Filter{Status: 503}, 1},
		"time":                    {ledger.Filter{From: start.Add(10 * time.Second), To: start.Add(20 * time.Second)}, 10},
		"last":                    {ledger.Filter{Last: 5}, 5},
		"last of a user":          {ledger.Filter{Last: 3, User: "user0"}, 3},
		"after":                   {ledger.Filter{After: &after}, 2},
		"request":                 {ledger.Filter{RequestID: "req-000003"}, 1},
		"kind":                    {ledger.Filter{Kinds: []record.Kind{record.Begin}}, 1},
	} {
		if got := all(t, l, c.f); len(got) != c.want {
			t.Errorf("%s: %d entries, want %d", name, len(got), c.want)
		}
	}
	if _, err := l.Get(ctx(t), "req-999"); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("Get: %v", err)
	}
	if e, err := l.Get(ctx(t), "#31"); err != nil || e.RequestID != "req-000030" {
		t.Errorf("Get #31: %+v, %v", e, err)
	}
}

// Entries stand in the order in which their calls ended, and pages of them follow that: of a long call the time is of long before.
func TestPageByPage(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 10)
	long := ledgertest.Call(10)
	long.Time = long.Time.Add(-time.Hour)
	if err := l.AppendStrict(ctx(t), long); err != nil {
		t.Fatal(err)
	}
	appendCalls(t, l, 11, 20)
	var seen []uint64
	for before := uint64(0); ; {
		page := all(t, l, ledger.Filter{Calls: true, Last: 3, Before: before})
		for _, e := range slices.Backward(page) {
			seen = append(seen, e.Seq)
		}
		if len(page) < 3 {
			break
		}
		before = page[0].Seq
	}
	if len(seen) != 20 || !slices.IsSortedFunc(seen, func(a, b uint64) int { return cmp.Compare(b, a) }) || len(slices.Compact(seen)) != 20 {
		t.Errorf("page by page: %v", seen)
	}
}

func TestFollowSeesNewEntries(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 5)
	enough := errors.New("enough")
	seen := make(chan string, 10)
	done := make(chan error, 1)
	go func() {
		done <- l.Follow(ctx(t), ledger.Filter{Last: 2}, func(e *record.Entry) error {
			if seen <- e.RequestID; e.RequestID == "req-000006" {
				return enough
			}
			return nil
		})
	}()
	for _, want := range []string{"req-000003", "req-000004"} {
		if got := <-seen; got != want {
			t.Errorf("saw %s, want %s", got, want)
		}
	}
	appendCalls(t, l, 5, 7)
	if err := <-done; !errors.Is(err, enough) {
		t.Fatal(err)
	}
	if a, b := <-seen, <-seen; a != "req-000005" || b != "req-000006" {
		t.Errorf("saw %s and %s", a, b)
	}
}

func TestTheFileTellsNoNamesAndNoTexts(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.KeepContent = true })
	appendCalls(t, l, 0, 50)
	closeAll()
	for _, raw := range files(t, dir) {
		for _, secret := range []string{"user1", "editor", "llama3.2", "and a half", "I think", "req-0000", "key_1f2e3d"} {
			if strings.Contains(raw, secret) {
				t.Errorf("a file tells %q", secret)
			}
		}
	}
}

func TestUsageAddsUp(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 300)
	mad := ledgertest.Call(300)
	mad.Tokens = record.Tokens{Input: -7, Output: 1 << 62, CachedInput: -1, Reasoning: 5}
	mad.Cost = record.Nano(-1)
	if err := l.Append(mad); err != nil {
		t.Fatal(err)
	}
	silent := ledgertest.Call(301)
	silent.Tokens = record.Tokens{Input: record.Absent, Output: record.Absent, CachedInput: record.Absent, Reasoning: record.Absent}
	silent.Cost = record.Money{}
	if err := l.AppendStrict(ctx(t), silent); err != nil {
		t.Fatal(err)
	}
	if err := l.Flush(ctx(t)); err != nil { // a strict entry may overtake others
		t.Fatal(err)
	}
	start := ledgertest.Call(0).Time
	r, err := l.Usage(usage.Query{From: start, To: start.Add(time.Hour), By: usage.User})
	if err != nil {
		t.Fatal(err)
	}
	want := int64(300*1000 + 299*300/2)
	if r.Total.Calls != 302 || r.Total.Input != 6000 || r.Total.Output != 3000 || r.Total.Cost != want || r.Total.Odd != 1 || r.Total.Unpriced != 2 {
		t.Errorf("total: %+v, want cost %d", r.Total, want)
	}
	if len(r.Rows) != 3 {
		t.Errorf("%d users", len(r.Rows))
	}
	next, err := l.Usage(usage.Query{From: start.Add(time.Hour), To: start.Add(2 * time.Hour), By: usage.Model})
	if err != nil {
		t.Fatal(err)
	}
	if next.Total.Calls != 0 || next.Before.Calls != 302 || next.Trend.Calls == nil || *next.Trend.Calls != -1 {
		t.Errorf("the hour after: %+v", next)
	}
	days, err := l.Usage(usage.Query{From: start.AddDate(0, 0, -30), To: start.AddDate(0, 0, 1), By: usage.Day, Zone: time.FixedZone("", 13*3600)})
	if err != nil {
		t.Fatal(err)
	}
	if len(days.Rows) != 1 || days.Rows[0].Key != "2026-03-02" || days.Rows[0].Sum.Calls != 302 {
		t.Errorf("by day, thirteen hours east: %+v", days.Rows)
	}
}

func TestAfterCloseNothingIsTaken(t *testing.T) {
	l, closeAll := ledgertest.OpenWith(t, t.TempDir(), storeOptions(), nil)
	closeAll()
	if err := l.Append(ledgertest.Call(1)); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("Append: %v", err)
	}
	if err := l.AppendStrict(ctx(t), ledgertest.Call(1)); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("AppendStrict: %v", err)
	}
	if err := l.Flush(ctx(t)); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("Flush: %v", err)
	}
}

// Verify adds up the rows as they were written; the sums were made of the calls as they came.
func TestSumsOfOddCallsAreThoseOfTheirRows(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	for name, change := range map[string]func(*record.Entry){
		"first content within a microsecond": func(e *record.Entry) { e.FirstToken = 300 },
		"a clock that went back":             func(e *record.Entry) { e.Duration, e.FirstToken = -time.Second, -1 },
		"years":                              func(e *record.Entry) { e.Duration, e.FirstToken = math.MaxInt64, math.MaxInt64 },
		"parts of microseconds":              func(e *record.Entry) { e.Duration, e.FirstToken = 1999, 1999 },
		"negative counts": func(e *record.Entry) {
			e.Tokens = record.Tokens{Input: -7, Output: math.MinInt64, CachedInput: -1, Reasoning: -2}
		},
		"huge counts": func(e *record.Entry) {
			e.Tokens = record.Tokens{Input: math.MaxInt64, Output: 1 << 50, CachedInput: math.MaxInt64}
		},
		"more cached than there is":  func(e *record.Entry) { e.Tokens = record.Tokens{Input: 1, Output: 1, CachedInput: 5, Reasoning: 9} },
		"huge money":                 func(e *record.Entry) { e.Cost, e.Baseline = record.Nano(math.MaxInt64), record.Nano(math.MinInt64) },
		"a status that there is not": func(e *record.Entry) { e.Status = math.MaxInt },
		"a negative status":          func(e *record.Entry) { e.Status = -1 },
		"long ago":                   func(e *record.Entry) { e.Time = time.Unix(-1, 0) },
		"all flags":                  func(e *record.Entry) { e.Flags = math.MaxUint32 },
	} {
		e := ledgertest.Call(1)
		change(&e)
		if err := l.AppendStrict(ctx(t), e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if v := verify(t, l); !v.OK() {
			t.Fatalf("%s: %v", name, v.Problems)
		}
	}
}
