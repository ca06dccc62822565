package app

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/client"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
)

func (e *env) usage() *cobra.Command {
	var since, until, by string
	var limit int
	var asCSV bool
	c := e.asJSON(&cobra.Command{
		Use: "usage", Short: "What was used and spent, by model, user, app, provider, day or status", Args: cobra.NoArgs,
		Example: "  corral usage --since 30d --by model\n  corral usage --since 2026-01-01 --until 2026-02-01 --by user --csv",
		RunE: func(c *cobra.Command, _ []string) error {
			if limit < 0 || limit > maxEntries {
				return fmt.Errorf("--limit %d is out of range; use a number from 0 (all) to %d", limit, maxEntries)
			}
			now := time.Now()
			q := client.Query{}
			q.Set("by", by)
			from, err := moment(since, now)
			if err != nil {
				return err
			}
			q.Set("from", from.Format(time.RFC3339))
			if until != "" {
				to, err := moment(until, now)
				if err != nil {
					return err
				}
				q.Set("to", to.Format(time.RFC3339))
			}
			if zone := now.Location().String(); zone != "Local" {
				q.Set("zone", zone)
			}
			if limit > 0 {
				q.Set("limit", strconv.Itoa(limit))
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			report, err := api.Usage(c.Context(), q)
			if err != nil {
				return err
			}
			switch {
			case e.json:
				return e.print(report)
			case asCSV:
				return e.usageCSV(report)
			}
			if by == usage.Caller.String() {
				who := e.callers(c.Context(), api)
				for i := range report.Rows {
					report.Rows[i].Key = who.name(report.Rows[i].Key)
				}
			}
			return e.usageTable(report)
		},
	})
	fs := c.Flags()
	fs.StringVar(&since, "since", "30d", "from this time on: 24h, 30d, 2026-01-31")
	fs.StringVar(&until, "until", "", "up to this time (default: now)")
	fs.StringVar(&by, "by", "model", "user, model, provider, app, day, hour, status or caller")
	fs.IntVar(&limit, "limit", 0, "the largest so many rows (0: all)")
	fs.BoolVar(&asCSV, "csv", false, "print CSV")
	c.AddCommand(e.usagePrices(), e.usageBudgets())
	return c
}

func (e *env) usagePrices() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "prices", Short: "What models cost, as this program knows it or the config says", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			prices, baseline, err := api.Prices(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(map[string]any{"prices": prices, "baseline": baseline})
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "PROVIDER\tMODEL\tINPUT\tCACHED\tOUTPUT\tREAD\tSOURCE\n")
			for _, p := range prices {
				sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", cmp.Or(p.Provider, "any"), p.Model, money(record.Nano(p.Input)), money(record.Nano(p.CachedInput)), money(record.Nano(p.Output)), p.Read, p.Source)
			}
			if err := w.Flush(); err != nil {
				return err
			}
			sayf(e.out, "\nUS dollars for a million tokens. Savings are reckoned by %s (prices.baseline in corral.yaml).\n", baseline)
			return nil
		},
	})
}

func (e *env) usageTable(r *usage.Report) error {
	sayf(e.out, "%s to %s, by %s\n\n", r.From.Local().Format("2006-01-02 15:04"), r.To.Local().Format("2006-01-02 15:04"), r.By)
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', tabwriter.AlignRight)
	sayf(w, "\tcalls\tshare\ttrend\terrors\ttokens in\tout\tcost\tshare\ttrend\tsaved\t\n")
	line := func(name string, s *usage.Sum, share usage.Share, t usage.Trend) {
		sayf(w, "%s\t%d\t%.0f %%\t%s\t%d\t%d\t%d\t%s\t%.0f %%\t%s\t%s\t\n", name, s.Calls, 100*share.Calls, trend(t.Calls), s.Errors, s.Input, s.Output,
			spent(s), 100*share.Cost, trend(t.Cost), money(record.Nano(s.Saved)))
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		line(cmp.Or(row.Key, "(none)"), &row.Sum, row.Share, row.Trend)
	}
	line("total", &r.Total, whole(&r.Total), r.Trend)
	if err := w.Flush(); err != nil {
		return err
	}
	if r.Total.Unpriced > 0 {
		sayf(e.out, "\nThe cost of %s is not known: no price is known of the model (`corral usage prices` shows those that have one), or the target told no count that makes sense.\n", plural(r.Total.Unpriced, "call", "calls"))
	}
	if r.Total.Estimated > 0 {
		sayf(e.out, "\nTokens of %s were counted here: the provider did not tell them, or the answer ended before it could.\n", plural(r.Total.Estimated, "call", "calls"))
	}
	if r.Total.Odd > 0 {
		sayf(e.out, "\n%s with counts that make no sense; these are in no sum.\n", plural(r.Total.Odd, "call came", "calls came"))
	}
	return nil
}

// spent is what is known to have been spent; "+?" says that it is not all.
func spent(s *usage.Sum) string {
	out := money(record.Nano(s.Cost))
	if s.Unpriced > 0 {
		out += "+?"
	}
	return out
}

func trend(t *float64) string {
	if t == nil {
		return "new"
	}
	return fmt.Sprintf("%+.0f %%", 100**t)
}

// whole is the total's share of itself.
func whole(total *usage.Sum) (s usage.Share) {
	if total.Calls > 0 {
		s.Calls = 1
	}
	if total.Input+total.Output > 0 {
		s.Tokens = 1
	}
	if total.Cost > 0 {
		s.Cost = 1
	}
	return s
}

// usageCSV has a line for each row and, as the last one, the total. Shares and trends are fractions; a trend is empty where
// there was nothing in the period before.
func (e *env) usageCSV(r *usage.Report) error {
	w := csv.NewWriter(e.out)
	w.Write([]string{r.By, "calls", "errors", "refused", "cache_hits", "input_tokens", "output_tokens", "cached_input_tokens", "reasoning_tokens", "estimated_calls", "unpriced_calls", "cost_usd", "baseline_usd", "saved_usd",
		"calls_share", "tokens_share", "cost_share", "calls_trend", "tokens_trend", "cost_trend"})
	line := func(name string, s *usage.Sum, share usage.Share, t usage.Trend) {
		rec := []string{name}
		for _, n := range []uint64{s.Calls, s.Errors, s.Refused, s.CacheHits, s.Input, s.Output, s.CachedInput, s.Reasoning, s.Estimated, s.Unpriced} {
			rec = append(rec, strconv.FormatUint(n, 10))
		}
		for _, n := range []int64{s.Cost, s.Baseline, s.Saved} {
			rec = append(rec, usd(n))
		}
		for _, x := range []*float64{&share.Calls, &share.Tokens, &share.Cost, t.Calls, t.Tokens, t.Cost} {
			if x == nil {
				rec = append(rec, "")
			} else {
				rec = append(rec, strconv.FormatFloat(*x, 'f', 4, 64))
			}
		}
		w.Write(rec)
	}
	for i := range r.Rows {
		row := &r.Rows[i]
		line(row.Key, &row.Sum, row.Share, row.Trend)
	}
	line("total", &r.Total, whole(&r.Total), r.Trend)
	w.Flush()
	return w.Error()
}

// usd is an amount in billionths as a decimal number of dollars, exactly.
func usd(nano int64) string {
	sign, u := "", uint64(nano)
	if nano < 0 {
		sign, u = "-", -u
	}
	return fmt.Sprintf("%s%d.%09d", sign, u/1e9, u%1e9)
}
