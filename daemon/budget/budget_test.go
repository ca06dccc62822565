package budget

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/llm"
	"corral/store/ledger/record"
)

func TestWhatBecomesOfACallThatABudgetHasNoRoomFor(t *testing.T) {
	day := func(then string) []Rule { return []Rule{{Per: Day, Limit: usd, Then: then, Scope: All}} }
	for _, c := range []struct {
		name  string
		rules []Rule
		spent int64 // thousandths of a dollar, as are tokens at the provider cloud
		plan  *llm.Plan
		ask   int64
		alone bool
		want  string // empty: refused
		over  bool
	}{
		{"room", day(Refuse), 500, plan(false, "cloud", "local"), 500, false, "cloud:model local:model", false},
		{"no room: refused", day(Refuse), 501, plan(true, "cloud", "local"), 500, false, "", true},
		{"the dearest target counts", day(Refuse), 0, plan(false, "cloud", "dear"), 2, false, "", true},
		{"no room: it stays", day(LocalOnly), 501, plan(true, "cloud", "local"), 500, false, "local:budget", true},
		{"it stays where it would have gone", day(LocalOnly), 501, plan(false, "local", "cloud"), 500, false, "local:model", true},
		{"refusing is for what costs", day(Refuse), 501, plan(false, "local", "cloud"), 500, false, "local:model", true},
		{"nothing on this device", day(LocalOnly), 501, plan(false, "cloud"), 500, false, "", true},
		{"but a last resort", day(LocalOnly), 501, plan(true, "cloud"), 500, false, "resort", true},
		{"who wants no other is refused", day(LocalOnly), 501, plan(true, "cloud", "local"), 500, true, "", true},
		{"who wants no other than the local one gets it", day(LocalOnly), 501, plan(true, "local", "cloud"), 500, true, "local:model", true},
		{"a warning", day(Warn), 501, plan(false, "cloud"), 500, false, "cloud:model", true},
		{"free on this device", day(Refuse), 2000, plan(false, "local"), 500, false, "local:model", false},
		{"free elsewhere", day(Refuse), 2000, plan(false, "gratis"), 500, false, "gratis:model", false},
		{"no price, room", day(Refuse), 999, plan(false, "odd"), 500, false, "odd:model", false},
		{"no price, no room at all", day(Refuse), 1000, plan(false, "odd"), 500, false, "", true},
		{"on this device, by time", day(Refuse), 1000, plan(false, "metered"), 500, false, "", true},
		{"on this device, by time, which local-only allows", day(LocalOnly), 1000, plan(false, "cloud", "metered"), 500, false, "metered:budget", true},
		{"on this device, by tokens", day(LocalOnly), 501, plan(false, "proxy", "cloud", "local"), 500, false, "local:budget", true},
		{"the strictest decides", append(day(Warn), append(day(Refuse), Rule{Per: Hour, Limit: usd, Then: LocalOnly, Scope: All})...), 501, plan(false, "cloud", "local"), 500, false, "", true},
		{"one budget has room, the other not", []Rule{{Per: Hour, Limit: 9 * usd, Then: Refuse, Scope: All}, {Per: Month, Limit: usd, Then: LocalOnly, Scope: All}}, 501, plan(false, "cloud", "local"), 500, false, "local:budget", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := open(t, &book{}, c.rules...)
			d.spend(nobody, c.spent*usd/1000)
			r := d.call(nobody, c.plan, c.ask)
			if c.alone {
				r.Header["Corral-Fallback"] = []string{"off"}
			}
			got, err := d.begin(r)
			if got != c.want || (err != nil) != (c.want == "") || r.OverBudget != c.over {
				t.Errorf("%q, %v, over a budget: %v", got, err, r.OverBudget)
			}
			if err != nil {
				if e := llm.AsError(err); e.Kind != llm.OverBudget || e.Status() != 429 || e.Code() != "budget_exceeded" || e.RetryAfter != 13*time.Hour+30*time.Minute ||
					!strings.Contains(e.Message, "$1 per day") || !strings.Contains(e.Message, Dollars(c.spent*usd/1000)+" spent") || !strings.Contains(e.Message, "2026-11-24 00:00 UTC") {
					t.Errorf("%s %v", e.Message, e.RetryAfter)
				}
			}
			d.end(r, record.Nano(0))
			if d.has(fmt.Sprintf(" %d/0", c.spent)); c.plan.Candidates[0].Target.Why != "model" {
				t.Error("a plan that many calls share was changed")
			}
		})
	}
}

// TestACallThatWouldHaveLeftAfterAll: that a model on this device is not there any more is told as what it is, a budget without room.
func TestACallThatWouldHaveLeftAfterAll(t *testing.T) {
	leaves := llm.Errorf(llm.Unsupported, "stay", llm.ErrStays, "it would leave")
	for _, c := range []struct {
		name  string
		local bool // the call must stay for another reason too
		err   *llm.Error
		want  llm.Kind
	}{{"for the budget's sake", false, leaves, llm.OverBudget}, {"for its own", true, leaves, llm.Unsupported}, {"another failure", false, llm.Errorf(llm.Unreachable, "ask", nil, "away"), llm.Unreachable}} {
		d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: LocalOnly, Scope: All})
		d.spend(nobody, 2*usd)
		p := plan(false, "cloud", "local")
		p.LocalOnly = c.local
		if c.local {
			p.Candidates = append(p.Candidates, plan(false, "metered").Candidates...)
		}
		_, err := d.b.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, c.err })).Serve(t.Context(), d.call(nobody, p, 500))
		if err == nil || llm.AsError(err).Kind != c.want {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestCallsAtOnceCannotOverrunABudget(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: All}, Rule{Per: Hour, Limit: usd / 2, Then: Refuse, Scope: User})
	var wg sync.WaitGroup
	var mu sync.Mutex
	through := 0
	for i := range 400 {
		wg.Go(func() {
			r := d.call(llm.Caller{User: fmt.Sprint("u", i%5)}, plan(false, "cloud"), 10)
			_, err := d.begin(r)
			if err != nil {
				d.end(r, record.Nano(0))
				return
			}
			mu.Lock()
			through++
			mu.Unlock()
			d.end(r, record.Nano(int64(i%2)*10*usd/1000)) // all that it may cost, or nothing
		})
	}
	wg.Wait()
	all, users := d.b.Balances()[0].Accounts, d.b.Balances()[1].Accounts
	var sum, written int64
	for _, a := range users {
		sum += a.Spent
		if a.Spent > usd/2 || a.Reserved != 0 {
			t.Errorf("%+v", a)
		}
	}
	for _, e := range d.book.entries {
		written += e.Cost.Nano
	}
	// A call that ends counts twice for a moment, as spent and as set aside, so that fewer than a hundred may go through.
	if all[0].Spent > usd || all[0].Spent != written || sum != written || all[0].Reserved != 0 || through < 50 {
		t.Errorf("%d calls went through; %+v, users together %d, ledger %d", through, all, sum, written)
	}
}

func TestWhoseAccountACallGoesOn(t *testing.T) {
	ann, bob := llm.Caller{Key: "id-k1", KeyName: "k1", User: "ann", App: "notes"}, llm.Caller{Key: "id-k2", KeyName: "k2", User: "bob", App: "notes"}
	for _, c := range []struct{ scope, only, want string }{
		{All, "", " 6/0"},
		{User, "", "bob 3/0,  2/0, ann 1/0"},
		{User, "ann", "ann 1/0"},
		{App, "", "notes 4/0,  2/0"},
		{Key, "", "id-k2 3/0,  2/0, id-k1 1/0"},
		{Key, "k2", "k2 3/0"},
		{Key, "id-k2", "id-k2 3/0"},
		{Key, "k9", "k9 0/0"},
		{Key, "id-k9", "id-k9 0/0"},
	} {
		rule := Rule{Per: Day, Limit: usd, Then: Refuse, Scope: c.scope, Only: c.only}
		d := open(t, &book{}, rule)
		d.spend(ann, usd/1000)
		d.spend(bob, 3*usd/1000)
		d.spend(nobody, 2*usd/1000)
		d.has(c.want)
		open(t, d.book, rule).has(c.want) // after a restart
	}
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: User})
	d.spend(ann, usd)
	if _, err := d.begin(d.call(ann, plan(false, "cloud"), 1)); err == nil || !strings.Contains(err.Error(), "for this user") {
		t.Errorf("ann has nothing left: %v", err)
	}
	if _, err := d.begin(d.call(bob, plan(false, "cloud"), 1)); err != nil {
		t.Errorf("bob has all of his: %v", err)
	}
}

// The cache lets calls share a reply: the first of them may be over while others still get it, and one of these pays.
func TestWhatIsSetAsideForAReplyThatIsShared(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Hour, Limit: usd, Then: Refuse, Scope: All})
	ask := func(answer llm.HandlerFunc) (r *llm.Request, reply *llm.Reply, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("%v", p)
			}
		}()
		r = d.call(nobody, plan(false, "cloud"), 400)
		reply, err = d.b.Stage(answer).Serve(t.Context(), r)
		return r, reply, err
	}
	body := func(context.Context, *llm.Request) (*llm.Reply, error) { return &llm.Reply{Body: closing{}}, nil }
	first, reply, err := ask(body)
	if err != nil {
		t.Fatal(err)
	}
	first.Release()
	d.has(" 0/400")
	reply.Close()
	d.has(" 0/0")
	reply.Close() // which is allowed
	second, reply, _ := ask(body)
	reply.Close()
	d.has(" 0/400")
	second.Release()
	d.has(" 0/0")

	failed, _, err := ask(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, &llm.Error{Kind: llm.Broken} })
	if err == nil {
		t.Fatal("no error")
	}
	d.has(" 0/400")
	failed.Release()
	d.has(" 0/0")
	panicked, _, err := ask(func(context.Context, *llm.Request) (*llm.Reply, error) { panic("a fault") })
	if err == nil {
		t.Fatal("no panic")
	}
	panicked.Release()
	d.has(" 0/0")
}

func TestEightyPercentIsSaidOnce(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: LocalOnly, Scope: User}, Rule{Per: Day, Limit: 2 * usd, Then: Refuse, Scope: User})
	said := func(want ...string) {
		t.Helper()
		lines := strings.Split(strings.TrimSuffix(d.log.String(), "\n"), "\n")
		if len(lines) != len(want) && (d.log.Len() > 0 || len(want) > 0) {
			t.Fatalf("%q", lines)
		}
		for i, w := range want {
			for _, part := range strings.Split(w, "|") {
				if !strings.Contains(lines[i], part) {
					t.Errorf("no %q in %q", part, lines[i])
				}
			}
		}
		d.log.Reset()
	}
	ann := llm.Caller{User: "ann"}
	d.spend(ann, 799*usd/1000)
	said()
	if p := d.b.Problems(); len(p) != 0 {
		t.Errorf("%q", p)
	}
	d.spend(ann, 1*usd/1000)
	said("a budget is nearly used up|$1 per day for each user|user=ann|spent=$0.8|then=local-only")
	if p := d.b.Problems(); len(p) != 1 || !strings.Contains(p[0], `nearly used up: $0.8 spent by user "ann" (80 %); until 2026-11-24 00:00`) {
		t.Errorf("%q", p)
	}
	d.spend(ann, 100*usd/1000)
	said()
	d.spend(llm.Caller{User: "bob"}, 900*usd/1000)
	said("user=bob")
	d.spend(ann, 900*usd/1000)
	said("a budget is used up|$1 per day", "nearly used up|$2 per day|then=refuse")
	if again := open(t, d.book, d.b.table.Load().rules...); strings.Count(again.log.String(), "used up") != 3 {
		t.Errorf("after a restart: %s", &again.log)
	}
	d.at(monday.AddDate(0, 0, 1))
	if p := d.b.Problems(); len(p) != 0 {
		t.Errorf("a new day: %q", p)
	}
	d.spend(ann, 850*usd/1000)
	said("nearly used up|$1 per day")
}

func TestWithoutBudgetsNothingIsDone(t *testing.T) {
	d := open(t, &book{})
	h := d.b.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return nil, nil }))
	r := d.call(nobody, plan(false, "cloud"), 1)
	ctx := t.Context()
	if n := testing.AllocsPerRun(100, func() { h.Serve(ctx, r) }); n != 0 || r.Release != nil {
		t.Errorf("%v allocations", n)
	}
	e := record.Entry{Kind: record.Call, Cost: record.Nano(1)}
	if n := testing.AllocsPerRun(100, func() { d.b.Post(&e); d.b.Posted() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if len(d.b.Balances()) != 0 || len(d.b.Problems()) != 0 {
		t.Error("there is a budget")
	}
	for _, task := range []llm.Task{llm.Read, llm.Manage, llm.Upload} { // what costs no tokens
		d.b.Set(ctx, []Rule{{Per: Day, Limit: 1, Then: Refuse, Scope: All}})
		r := d.call(nobody, plan(false, "cloud"), 1)
		r.Endpoint = &llm.Endpoint{Name: "x", Task: task}
		if _, err := d.begin(r); err != nil {
			t.Error(err)
		}
	}
}

// What Corral does not know, such as a route for pictures, may cost something where somebody is paid. It once went by all
// budgets, and a slash after a known route was enough for that.
func TestARouteThatIsNotKnownIsRefusedOnceAllIsSpent(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: All})
	ask := func(method string, p *llm.Plan) error {
		t.Helper()
		r := d.call(nobody, p, 1)
		r.Endpoint, r.Method = &llm.Endpoint{Name: "v1_other"}, method
		_, err := d.begin(r)
		d.end(r, record.Nano(0))
		return err
	}
	if err := ask("POST", plan(false, "cloud")); err != nil {
		t.Errorf("while there is money: %v", err)
	}
	d.spend(nobody, usd)
	if err := ask("POST", plan(false, "cloud")); err == nil || llm.AsError(err).Kind != llm.OverBudget {
		t.Errorf("all is spent: %v", err)
	}
	for what, err := range map[string]error{"looked up": ask("GET", plan(false, "cloud")), "on this device": ask("POST", plan(false, "local"))} {
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func BenchmarkACallWithBudgets(b *testing.B) {
	k := &book{}
	x := New(Options{Log: slog.New(slog.DiscardHandler), Prices: prices{"cloud": 1}, Usage: k.Usage, KeyName: func(string) string { return "" }})
	x.Set(b.Context(), []Rule{{Per: Day, Limit: 1e18, Then: Refuse, Scope: All}, {Per: Month, Limit: 1e18, Then: LocalOnly, Scope: User}, {Per: Hour, Limit: 1e18, Then: Warn, Scope: Key}})
	h := x.Stage(llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { return &llm.Reply{Body: closing{}}, nil }))
	p := plan(false, "cloud", "local")
	body := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat("word ", 200) + `"}],"max_tokens":100}`)
	ep := &llm.Endpoint{Name: "chat_completions", Task: llm.Generate}
	b.ReportAllocs()
	for b.Loop() {
		r := &llm.Request{Endpoint: ep, Plan: p, Start: time.Now(), Body: body, Caller: llm.Caller{Key: "k", User: "u"}, Fields: llm.Fields{MaxOutput: 100}}
		reply, _ := h.Serve(b.Context(), r)
		e := record.Entry{Kind: record.Call, Time: r.Start, Caller: "k", User: "u", Cost: record.Nano(5)}
		x.Post(&e)
		x.Posted()
		reply.Close()
		r.Release()
	}
}
