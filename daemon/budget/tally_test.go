package budget

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/llm"
	"corral/store/ledger/record"
)

func TestARestartAndAReloadForgetNothing(t *testing.T) {
	rule := Rule{Per: Week, Limit: usd, Then: Refuse, Scope: All}
	d := open(t, &book{}, rule)
	d.spend(nobody, 300*usd/1000)
	again := open(t, d.book, rule)
	again.has(" 300/0")

	under := again.call(nobody, plan(false, "cloud"), 500)
	if _, err := again.begin(under); err != nil {
		t.Fatal(err)
	}
	rule.Limit, rule.Then = 2*usd, LocalOnly
	reads := d.book.reads
	again.b.Set(t.Context(), []Rule{rule})
	again.has(" 300/500")
	if d.book.reads != reads {
		t.Error("what is known was read again")
	}
	again.b.Set(t.Context(), []Rule{{Per: Month, Limit: usd, Then: Warn, Scope: All}})
	again.has(" 300/0")
	again.end(under, record.Nano(usd/10))
	again.has(" 400/0")
	again.b.Set(t.Context(), nil)
	again.spend(nobody, usd/10)
	again.b.Set(t.Context(), []Rule{rule})
	again.has(" 500/0")

	d.book.mu.Lock()
	d.book.entries = d.book.entries[:1] // an older backup was put in place
	d.book.mu.Unlock()
	again.b.Reread(t.Context())
	again.has(" 300/0")
}

func TestALedgerThatCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := &book{err: errors.New("input/output error"), entries: []record.Entry{{Kind: record.Call, Time: monday, Cost: record.Nano(usd / 2)}}}
		d := open(t, k, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: All})
		d.spend(nobody, usd/10)
		d.has(" 100/0")
		if p := d.b.Problems(); len(p) != 1 || !strings.Contains(p[0], "input/output error") {
			t.Errorf("%q", p)
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); d.b.Run(ctx) }()
		k.mu.Lock()
		k.err = nil
		k.mu.Unlock()
		time.Sleep(61 * time.Second)
		synctest.Wait()
		d.has(" 600/0")
		if p := d.b.Problems(); len(p) != 0 {
			t.Errorf("%q", p)
		}
		stop()
		<-ended
		if n := strings.Count(d.log.String(), "cannot be read"); n != 1 {
			t.Errorf("said %d times:\n%s", n, &d.log)
		}
	})
}

// Budgets that come and go, and ledgers that are read again, while calls are written down: none is counted twice, and none
// is lost.
func TestAccountsAreTheLedgersSumsWhateverHappensAtOnce(t *testing.T) {
	rules := []Rule{{Per: Day, Limit: usd, Then: Warn, Scope: User}}
	for name, change := range map[string]func(b *Budgets){
		"reload": func(b *Budgets) { b.Set(context.Background(), nil); b.Set(context.Background(), rules) },
		"reread": func(b *Budgets) { b.Reread(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			for range 100 {
				d := open(t, &book{}, rules...)
				var wg sync.WaitGroup
				for range 4 {
					wg.Go(func() {
						for range 30 {
							d.spend(llm.Caller{User: fmt.Sprint(rand.N(3))}, 1+rand.N(int64(1000)))
						}
					})
				}
				wg.Go(func() {
					for range 3 {
						runtime.Gosched()
						change(d.b)
					}
				})
				wg.Wait()
				var sum, written int64
				for _, a := range d.b.Balances()[0].Accounts {
					sum += a.Spent
				}
				for _, e := range d.book.entries {
					written += e.Cost.Nano
				}
				if sum != written || written == 0 {
					t.Fatalf("%d on the accounts, %d in the ledger", sum, written)
				}
			}
		})
	}
}

func TestInventedNamesShareOneAccount(t *testing.T) {
	rule := Rule{Per: Day, Limit: usd, Then: Refuse, Scope: User}
	d := open(t, &book{}, rule)
	for i := range maxAccounts + 500 {
		d.spend(llm.Caller{User: fmt.Sprint("u", i)}, usd/1000)
	}
	check := func(d *desk) {
		t.Helper()
		b := d.b.Balances()[0]
		if a := b.Accounts[0]; a.Who != others || a.Spent != 500*usd/1000 || len(b.Accounts) != maxShown || b.More != maxAccounts+1-maxShown {
			t.Errorf("%+v, %d shown, %d more", a, len(b.Accounts), b.More)
		}
		d.has0(llm.Caller{User: "u0"}, 999, true)
		d.has0(llm.Caller{User: "new"}, 501, false)
		d.has0(llm.Caller{User: "new"}, 500, true)
	}
	check(d)

	// Names on which nothing was spent take no room.
	d = open(t, &book{}, rule)
	for i := range 3 * maxAccounts {
		r := d.call(llm.Caller{User: fmt.Sprint("u", i)}, plan(false, "cloud"), 10)
		if _, err := d.begin(r); err != nil {
			t.Fatal(err)
		}
		d.end(r, record.Nano(0))
	}
	d.has("")
}
