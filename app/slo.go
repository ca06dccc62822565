package app

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/slo"
	"corral/store/ledger/record"
)

func (e *env) slo() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "slo", Short: "How well the service keeps what corral.yaml promises (slo)", Args: cobra.NoArgs,
		Long: `Shows availability, error rate, latency, outages and savings over the last hour, day and 30 days, what is
left of each error budget, and how fast the budgets are used. All of it is read from the ledger, so a
restart forgets nothing.

Calls that ask a model count. A call to which nobody answered counts against availability and error
rate; an answer that broke off, or a last resort, against the error rate only. Callers' own mistakes,
callers who left, limits and budgets count against neither.`,
		Example: "  corral slo\n  corral slo --json | jq '.burns[] | select(.burning)'",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			r, err := api.Levels(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(r)
			}
			return e.sloTable(&r)
		},
	})
}

func (e *env) sloTable(r *slo.Report) error {
	w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
	say(w, "LAST")
	for _, x := range r.Windows {
		sayf(w, "\t%s", x.Window)
	}
	line := func(name string, of func(x *slo.Window) string) {
		sayf(w, "\n%s", name)
		for i := range r.Windows {
			sayf(w, "\t%s", of(&r.Windows[i]))
		}
	}
	line("calls", func(x *slo.Window) string { return fmt.Sprint(x.Served + x.Faulty + x.Unanswered) })
	line("unanswered", func(x *slo.Window) string { return fmt.Sprint(x.Unanswered) })
	line("faulty", func(x *slo.Window) string { return fmt.Sprint(x.Faulty) })
	line("over a limit", func(x *slo.Window) string { return fmt.Sprint(x.Limited) })
	line("availability", func(x *slo.Window) string { return percent(x.Availability) })
	line("error rate", func(x *slo.Window) string { return percent(x.ErrorRate) })
	line("p95", func(x *slo.Window) string { return seconds(x.LatencyP95) })
	line("outages", func(x *slo.Window) string {
		if x.Down {
			return fmt.Sprintf("%d (now)", x.Outages)
		}
		return fmt.Sprint(x.Outages)
	})
	line("downtime", func(x *slo.Window) string { return seconds(&x.Downtime) })
	line("time to recovery", func(x *slo.Window) string { return seconds(x.MTTR) })
	line("saved", func(x *slo.Window) string { return money(record.Nano(x.Saved)) })
	sayln(w)
	if err := w.Flush(); err != nil {
		return err
	}

	sayln(e.out)
	sayf(w, "OBJECTIVE\tLAST\tTARGET\tIS\tMET\tBAD\tALLOWED\tBUDGET LEFT\tBURN RATE\n")
	for _, x := range r.Windows {
		for _, o := range x.Objectives {
			target, is := percent(&o.Target), percent(o.Actual)
			if o.Name == slo.LatencyP95 {
				target, is = seconds(&o.Target), seconds(o.Actual)
			}
			met := "yes"
			if !o.Met {
				met = "NO"
			}
			if o.Actual == nil {
				met = "-"
			}
			sayf(w, "%s\t%s\t%s\t%s\t%s\t%.3g\t%.3g\t%.0f %%\t%.3g\n", o.Name, x.Window, target, is, met, o.Bad, o.Allowed, 100*o.Left, o.Burn)
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, b := range r.Burns {
		if b.Burning {
			sayf(e.out, "\nThe error budget of %s is used too fast (%s): burn rate %.3g over %s and %.3g over %s; the threshold is %g.\n", b.Objective, b.Speed, b.LongRate, b.Long, b.ShortRate, b.Short, b.Threshold)
		}
	}
	if len(r.Windows) > 0 && len(r.Windows[0].Objectives) == 0 {
		sayf(e.out, "\nNothing is promised. Write into corral.yaml: slo: { availability: 99.9%%, latency_p95: 500ms, error_rate: 0.1%% }\n")
	}
	if r.Since.IsZero() {
		sayf(e.out, "\nNo call that asks a model is on record yet.\n")
	} else if r.At.Sub(r.Since) < 30*24*time.Hour-time.Hour {
		sayf(e.out, "\nOn record since %s.\n", r.Since.Local().Format("2006-01-02 15:04"))
	}
	return nil
}

func percent(share *float64) string {
	if share == nil {
		return "-"
	}
	return fmt.Sprintf("%.3f %%", 100**share)
}

func seconds(s *float64) string {
	if s == nil {
		return "-"
	}
	d := time.Duration(*s * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(100 * time.Microsecond).String()
}
