package budget

import (
	"cmp"
	"log/slog"
	"math"
	"slices"
	"time"

	"corral/store/ledger/usage"
)

// kind tells tallies apart.
type kind struct{ per, scope, only string }

// tally is what is spent in each window of one length, on one account for all or one for each key, user or app.
type tally struct {
	kind
	periods []*period // at most two: a call that began in the last window may come after the first of the next
}

// period is one window of a tally.
type period struct {
	from, to time.Time
	accounts map[string]*account // by whose they are
	read     bool                // the ledger was asked
}

// account is what one of them has spent. Amounts are in billionths of a US dollar.
type account struct {
	name            string
	spent, reserved int64
	unpriced        uint64 // calls of unknown cost
	told            map[Rule]level
}

// maxAccounts bounds the accounts of one window, for callers may invent names. All that come after share one, and so one
// limit: whoever invents names gains nothing by more of them.
const maxAccounts = 10_000

// others is whose that account is. The ledger's sums call those names so that it has no room for.
const others = "(other)"

// who is whose a call is.
type who struct{ key, keyName, user, app string }

// has reports whether r is a limit of this tally.
func (t *tally) has(r Rule) bool { return t.kind == kind{r.Per, r.Scope, r.Only} }

// whose is whose account w's calls go on; false: on none of this tally. Calls without a key, user or app share one account:
// leaving a name out must not be a way around.
func (t *tally) whose(w *who) (name string, ok bool) {
	switch t.scope {
	case Key:
		name = w.key
	case User:
		name = w.user
	case App:
		name = w.app
	}
	if t.only != "" { // a key that is made anew under its name goes on where the old one ended
		return t.only, t.only == name || t.scope == Key && t.only == w.keyName
	}
	return name, true
}

// dimension is what the ledger's sums are read by.
func (t *tally) dimension() usage.Dimension {
	switch t.scope {
	case Key:
		return usage.Caller
	case User:
		return usage.User
	case App:
		return usage.App
	}
	return usage.Total
}

// find is the window that a time belongs to; nil: it is none of those known.
func (t *tally) find(at time.Time) *period {
	for _, p := range slices.Backward(t.periods) {
		if !at.Before(p.from) && at.Before(p.to) {
			return p
		}
	}
	return nil
}

// newer reports that a time is after all windows known.
func (t *tally) newer(at time.Time) bool {
	return len(t.periods) == 0 || !at.Before(t.periods[len(t.periods)-1].to)
}

// at is find, and begins the window where there is none.
func (t *tally) at(at time.Time, zone *time.Location) *period {
	if p := t.find(at); p != nil {
		return p
	}
	p := &period{accounts: map[string]*account{}}
	p.from, p.to = window(t.per, at, zone)
	if len(t.periods) > 1 {
		t.periods = t.periods[1:]
	}
	t.periods = append(t.periods[:len(t.periods):len(t.periods)], p)
	return p
}

// known is the account under a name, or the one that others share where there is no room for it; nil: there is none yet.
func (p *period) known(name string) *account {
	a := p.accounts[name]
	if a == nil && len(p.accounts) >= maxAccounts {
		a = p.accounts[others]
	}
	return a
}

// account is known, and opens it where there is none.
func (p *period) account(name string) *account {
	if a := p.known(name); a != nil {
		return a
	}
	if len(p.accounts) >= maxAccounts {
		name = others
	}
	a := &account{name: name}
	p.accounts[name] = a
	return a
}

func (p *period) sums(name string) (spent, reserved int64) {
	if a := p.known(name); a != nil {
		return a.spent, a.reserved
	}
	return 0, 0
}

// tidy forgets an account on which nothing was ever spent.
func (p *period) tidy(a *account) {
	if a.reserved == 0 && a.spent == 0 && a.unpriced == 0 && a.told == nil && p.accounts[a.name] == a {
		delete(p.accounts, a.name)
	}
}

// take puts on p's accounts what the ledger says; names are those of keys. More than that may be on them: a ledger that cannot be written knows less.
// With anew, the ledger is the only one to go by.
func (t *tally) take(p *period, report *usage.Report, names map[string]string, anew bool) {
	if anew {
		for _, a := range p.accounts {
			a.spent, a.unpriced, a.told = 0, 0, nil
		}
	}
	type sum struct {
		cost     int64
		unpriced uint64
	}
	sums := map[string]sum{} // several names may share an account
	for i := range report.Rows {
		row := &report.Rows[i]
		w := who{row.Key, names[row.Key], row.Key, row.Key}
		name, ok := t.whose(&w)
		if !ok || row.Sum.Cost == 0 && row.Sum.Unpriced == 0 {
			continue
		}
		name = p.account(name).name
		sums[name] = sum{add(sums[name].cost, row.Sum.Cost), sums[name].unpriced + row.Sum.Unpriced}
	}
	for name, s := range sums {
		a := p.account(name)
		a.spent, a.unpriced = max(a.spent, s.cost), max(a.unpriced, s.unpriced)
	}
}

// add adds amounts; it never wraps around.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// level is how far a budget is used.
type level uint8

const (
	within level = iota
	nearly       // 80 % and more
	usedUp
)

func (l level) String() string { return [...]string{"within", "nearly used up", "used up"}[l] }

// reached is how far a rule is used by what was spent.
func (r Rule) reached(spent int64) level {
	switch {
	case spent >= r.Limit:
		return usedUp
	case spent >= r.Limit-r.Limit/5:
		return nearly
	}
	return within
}

// notice is what is to be said about a budget.
type notice struct {
	rule  Rule
	level level
	who   string
	spent int64
	until time.Time
}

// tell is the notice that a rule has come to a level on an account; none where that was said in this window.
func (p *period) tell(r Rule, name string, l level) []notice {
	a := p.known(name)
	if a == nil || a.told[r] >= l {
		return nil
	}
	if a.told == nil {
		a.told = map[Rule]level{}
	}
	a.told[r] = l
	return []notice{{r, l, a.name, a.spent, p.to}}
}

// nearing is what is to be said after a's spending has changed.
func (t *table) nearing(x *tally, p *period, a *account) (out []notice) {
	for _, r := range t.rules {
		if x.has(r) {
			if l := r.reached(a.spent); l > within {
				out = append(out, p.tell(r, a.name, l)...)
			}
		}
	}
	return out
}

// near is nearing for all accounts of a window.
func (t *table) near(x *tally, p *period) (out []notice) {
	for _, a := range p.accounts {
		out = append(out, t.nearing(x, p, a)...)
	}
	return out
}

// tell logs notices.
func (b *Budgets) tell(list []notice) {
	for _, n := range list {
		attrs := []any{slog.String("budget", n.rule.String()), slog.String("spent", Dollars(n.spent)), slog.String("then", n.rule.Then), slog.Time("until", n.until)}
		if n.rule.Scope == Key {
			n.who = cmp.Or(b.o.KeyName(n.who), n.who)
		}
		if n.rule.Scope != All {
			attrs = append(attrs, slog.String(n.rule.Scope, n.who))
		}
		b.o.Log.Warn("a budget is "+n.level.String(), attrs...)
		if b.o.Notice != nil {
			b.o.Notice(Notice{Rule: n.rule, State: n.level.String(), Who: n.who, Spent: n.spent, Until: n.until})
		}
	}
}
