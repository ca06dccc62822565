package daemon

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/budget"
	"corral/daemon/config"
	"corral/store/ledger/record"
)

func budgetRules(c config.Config) (rules []budget.Rule) {
	for _, b := range c.Budgets {
		rules = append(rules, budget.Rule{Per: b.Per, Limit: int64(math.Round(b.USD * 1e9)), Then: b.Then, Scope: b.Scope, Only: b.Only})
	}
	return rules
}

func (d *Daemon) newBudgets() *budget.Budgets {
	return budget.New(budget.Options{Log: d.log, Prices: d, Usage: d.books.usage, KeyName: func(id string) string { return d.books.keySet().Name(id) }, Notice: d.tellBudget})
}

// accounted is the ledger as the meter knows it: what a call has cost is on the budgets' accounts when the ledger has it.
type accounted struct {
	*books
	budgets *budget.Budgets
}

// Append implements meter.Ledger.
func (a accounted) Append(e record.Entry) error {
	a.budgets.Post(&e)
	defer a.budgets.Posted()
	return a.books.Append(e)
}

// AppendStrict implements meter.Ledger.
func (a accounted) AppendStrict(ctx context.Context, e record.Entry) error {
	a.budgets.Post(&e)
	defer a.budgets.Posted()
	return a.books.AppendStrict(ctx, e)
}

// writeBudgets writes how far each budget is used as metrics. Of one that is for each key, user or app it is the account
// nearest to the limit, without its name: whoever reads metrics needs no key, and users may invent names without end.
func (d *Daemon) writeBudgets(w io.Writer) {
	for _, s := range d.budgets.Balances() {
		var spent int64
		if len(s.Accounts) > 0 {
			spent = s.Accounts[0].Spent
		}
		labels := fmt.Sprintf("{per=%q,scope=%q,only=%q,then=%q,usd=\"%g\"}", s.Per, s.Scope, s.Only, s.Then, float64(s.Limit)/1e9)
		metrics.WriteGaugeFloat64(w, "corral_budget_used_ratio"+labels, float64(spent)/float64(s.Limit))
		metrics.WriteGaugeFloat64(w, "corral_budget_usd_spent"+labels, float64(spent)/1e9)
		metrics.WriteGaugeFloat64(w, "corral_budget_usd_limit"+labels, float64(s.Limit)/1e9)
	}
}
