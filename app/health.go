package app

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/health"
)

func (e *env) health() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "health", Short: "How Corral and its machine are: every condition", Args: cobra.NoArgs,
		Long: `Show every condition that a running Corral watches: whether it is well, since when,
and what mends it. What this machine does not show stands at the end, with the reason.
Ends with 1 if a condition is critical.`,
		Example: "  corral health\n  corral health --json | jq '.conditions[] | select(.severity != \"ok\")'",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			h, err := api.Health(c.Context())
			if err != nil {
				return err
			}
			critical := uint64(0)
			for _, c := range h.Conditions {
				if c.Severity == health.Critical {
					critical++
				}
			}
			if e.json {
				err = e.print(h)
			} else {
				if h.Pressure != "" {
					sayf(e.out, "Under pressure (%s): %s.\n\n", h.Pressure, strings.Join(h.Actions, ", "))
				}
				err = showConditions(e.out, h.Conditions)
			}
			if err == nil && critical > 0 {
				err = fmt.Errorf("%s critical", plural(critical, "condition is", "conditions are"))
			}
			return err
		},
	})
}

// showConditions shows the worst first, and at the end those of which nothing can be said.
func showConditions(out io.Writer, list []health.Condition) error {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(a, b health.Condition) int { return cmp.Compare(b.Severity, a.Severity) })
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	sayf(w, "SEVERITY\tCONDITION\tSINCE\tHOW IT IS\n")
	for _, c := range list {
		if c.Absent == "" {
			sayf(w, "%s\t%s\t%s\t%s\n", c.Severity, c.Name(), since(c.Since), inOneLine(c.Text))
			if c.Do != "" && c.Severity > health.OK {
				sayf(w, "\t\t\t-> %s\n", c.Do)
			}
		}
	}
	for _, c := range list {
		if c.Absent != "" {
			sayf(w, "-\t%s\t\t%s\n", c.Name(), c.Absent)
		}
	}
	return w.Flush()
}

// inOneLine is a text that has a line for each thing that is wrong, where a row must be one.
func inOneLine(text string) string { return strings.ReplaceAll(text, "\n", "; ") }

// since is a time of today as such, and any other with its date.
func since(t time.Time) string {
	t = t.Local()
	if time.Since(t) < 24*time.Hour {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}
