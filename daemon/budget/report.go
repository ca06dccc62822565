package budget

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Account is what one of those whom a budget is for has spent in the window that goes on. Amounts are in billionths of a US
// dollar.
type Account struct {
	Who      string  `json:"who" doc:"key (its id), user or app; empty: all, or none was named"`
	Name     string  `json:"name,omitempty" doc:"of the key"`
	Spent    int64   `json:"spent_nano_usd"`
	Reserved int64   `json:"reserved_nano_usd" doc:"set aside for calls under way"`
	Share    float64 `json:"share" doc:"of the limit that was spent, 1 is all of it"`
	Unpriced uint64  `json:"unpriced_calls" doc:"calls of unknown cost, which are in no sum"`
}

// Balance is one budget as it is now.
type Balance struct {
	Per      string    `json:"per" enum:"hour,day,week,month"`
	Scope    string    `json:"scope" enum:"all,key,user,app"`
	Only     string    `json:"only,omitempty"`
	Then     string    `json:"then" enum:"warn,local-only,refuse"`
	Limit    int64     `json:"limit_nano_usd"`
	From     time.Time `json:"from"`
	Resets   time.Time `json:"resets"`
	Accounts []Account `json:"accounts" doc:"those nearest to the limit first"`
	More     int       `json:"more" doc:"accounts that are not shown"`
}

// maxShown is how many accounts of a budget are shown.
const maxShown = 100

// Rule is the budget that s is of.
func (s *Balance) Rule() Rule {
	return Rule{Per: s.Per, Limit: s.Limit, Then: s.Then, Scope: s.Scope, Only: s.Only}
}

// Balances are all budgets, in the config's order.
func (b *Budgets) Balances() []Balance {
	t := b.table.Load()
	out := []Balance{}
	if t == nil {
		return out
	}
	now := b.o.Now()
	b.mu.Lock()
	for _, r := range t.rules {
		s := Balance{Per: r.Per, Scope: r.Scope, Only: r.Only, Then: r.Then, Limit: r.Limit, Accounts: []Account{}}
		s.From, s.Resets = window(r.Per, now, b.o.Zone)
		if p := t.tally(kind{r.Per, r.Scope, r.Only}).find(now); p != nil {
			for _, a := range p.accounts {
				s.Accounts = append(s.Accounts, Account{Who: a.name, Spent: a.spent, Reserved: a.reserved, Share: float64(a.spent) / float64(r.Limit), Unpriced: a.unpriced})
			}
		}
		if len(s.Accounts) == 0 && (r.Scope == All || r.Only != "") {
			s.Accounts = append(s.Accounts, Account{Who: r.Only})
		}
		slices.SortFunc(s.Accounts, func(a, b Account) int {
			return cmp.Or(cmp.Compare(b.Spent, a.Spent), cmp.Compare(b.Reserved, a.Reserved), strings.Compare(a.Who, b.Who))
		})
		if s.More = max(len(s.Accounts)-maxShown, 0); s.More > 0 {
			s.Accounts = s.Accounts[:maxShown]
		}
		out = append(out, s)
	}
	b.mu.Unlock()
	for _, s := range out {
		for i := range s.Accounts {
			if s.Scope == Key {
				s.Accounts[i].Name = b.o.KeyName(s.Accounts[i].Who)
			}
		}
	}
	return out
}

// maxProblems is how many accounts of a budget are named as problems.
const maxProblems = 5

// Problems says of each budget that is used to 80 % or more how far it is, and on whose account.
func (b *Budgets) Problems() (list []string) {
	if err := b.Trouble(); err != nil {
		list = append(list, fmt.Sprintf("budgets: what was spent before cannot be read from the ledger (%v); they count from the last start or change on. It is tried again each minute.", err))
	}
	for _, s := range b.Balances() {
		r, n := s.Rule(), 0
		for _, a := range s.Accounts {
			l := r.reached(a.Spent)
			if l == within {
				break
			}
			if n++; n > maxProblems {
				list = append(list, fmt.Sprintf("the budget of %s: more accounts are as far; `corral usage budgets` shows them.", r))
				break
			}
			whose := ""
			if r.Scope != All && r.Only == "" {
				whose = fmt.Sprintf(" by %s %q", r.Scope, cmp.Or(a.Name, a.Who))
			}
			then := map[string]string{Warn: "calls go on", LocalOnly: "calls that it has no room for stay on this device", Refuse: "calls that it has no room for are refused"}[r.Then]
			list = append(list, fmt.Sprintf("the budget of %s is %s: %s spent%s (%.0f %%); until %s %s. Raise it under budgets in corral.yaml if that is not meant.",
				r, l, Dollars(a.Spent), whose, 100*a.Share, s.Resets.In(b.o.Zone).Format("2006-01-02 15:04"), then))
		}
	}
	return list
}
