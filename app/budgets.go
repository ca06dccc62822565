package app

import (
	"cmp"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"corral/daemon/budget"
)

func (e *env) usageBudgets() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "budgets", Short: "What is spent of each budget, and when it begins anew", Args: cobra.NoArgs,
		Long: `Shows each budget of corral.yaml: what was spent in the window that goes on, what is set aside
for calls under way, the limit, and when the next window begins. One that is for each key, user
or app has a line for each that has spent something, those nearest to the limit first.`,
		Example: "  corral usage budgets\n  corral usage budgets --json | jq '.budgets[] | select(.accounts[0].share > 0.8)'",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			budgets, err := api.Budgets(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(map[string]any{"budgets": budgets})
			}
			if len(budgets) == 0 {
				sayln(e.out, "No budgets. Write some into corral.yaml: budgets: [ { per: day, usd: 5, then: local-only } ]")
				return nil
			}
			return e.budgetTable(budgets)
		},
	})
}

func (e *env) budgetTable(budgets []budget.Balance) error {
	unpriced, more := uint64(0), 0
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	sayf(w, "BUDGET\tWHOSE\tSPENT\tRESERVED\tLIMIT\tUSED\tTHEN\tSINCE\tBEGINS ANEW\n")
	for _, b := range budgets {
		rule, since, resets := b.Rule(), b.From.Local().Format("2006-01-02 15:04"), b.Resets.Local().Format("2006-01-02 15:04")
		for _, a := range b.Accounts {
			sayf(w, "%s\t%s\t%s\t%s\t%s\t%.0f %%\t%s\t%s\t%s\n", rule, whose(b, a), budget.Dollars(a.Spent), budget.Dollars(a.Reserved), budget.Dollars(b.Limit), 100*a.Share, b.Then, since, resets)
			unpriced = max(unpriced, a.Unpriced)
		}
		if len(b.Accounts) == 0 {
			sayf(w, "%s\t(nobody yet)\t$0\t$0\t%s\t0 %%\t%s\t%s\t%s\n", rule, budget.Dollars(b.Limit), b.Then, since, resets)
		}
		more += b.More
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if more > 0 {
		sayf(e.out, "\n%s spent less.\n", plural(more, "more account has", "more accounts have"))
	}
	if unpriced > 0 {
		sayf(e.out, "\nThe cost of %s is not known and in no budget: no price is known of the model (give one under prices.models in corral.yaml), or the target told no count that makes sense.\n", plural(unpriced, "call", "calls"))
	}
	return nil
}

// whose names an account.
func whose(b budget.Balance, a budget.Account) string {
	switch {
	case b.Scope == budget.All:
		return "all"
	case a.Name != "":
		return a.Name
	}
	return cmp.Or(a.Who, "(none)")
}
