package app

import (
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
)

func (e *env) status() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "status", Short: "How the running Corral is", Args: cobra.NoArgs,
		Example: "  corral status\n  corral status --json | jq .ready",
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			s, err := api.Status(c.Context())
			if err != nil {
				return err
			}
			targets, queues, err := api.Targets(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(struct {
					admin.Status
					Targets []admin.Target `json:"targets"`
					Queues  []admin.Queue  `json:"queues"`
				}{s, targets, queues})
			}
			ready := "ready"
			if !s.Ready {
				ready = "not ready"
			}
			sayf(e.out, "Corral %s is %s at http://%s (pid %d, up %s, %s under way)\n\n", s.Version, ready, s.Listen, s.PID,
				time.Since(s.Started).Round(time.Second), plural(s.InFlight, "call", "calls"))
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "PROVIDER\tKIND\tADDRESS\tSTATE\n")
			for _, p := range s.Providers {
				state := "reachable"
				if !p.Reachable {
					state = "away"
				}
				sayf(w, "%s\t%s\t%s\t%s\n", p.Name, p.Kind, p.URL, state)
			}
			if len(s.Models) > 0 {
				sayf(w, "\nMODEL\tTARGETS\n")
				for _, m := range s.Models {
					sayf(w, "%s\t%s\n", m.Name, strings.Join(m.Targets, ", "))
				}
			}
			if len(targets) > 0 {
				sayf(w, "\nTARGET\tBREAKER\tSINCE\tWHY\n")
				for _, t := range targets {
					state := t.State
					if t.Pin != "" {
						state = "pinned " + t.Pin
					}
					sayf(w, "%s/%s\t%s\t%s\t%s\n", t.Provider, t.Model, state, t.Since.Local().Format(time.TimeOnly), t.Why)
				}
			}
			for _, q := range queues {
				if q.Waiting > 0 {
					sayf(w, "\nAt %s %s running and %s.\n", q.Provider, plural(q.Running, "call is", "calls are"), plural(q.Waiting, "waits", "wait"))
				}
			}
			if err := w.Flush(); err != nil {
				return err
			}
			sayf(e.out, "\nConfig: %s\nData:   %s\n", s.Config.Path, s.DataDir)
			for _, t := range s.Config.NeedsRestart {
				sayf(e.out, "The change to %s waits for a restart.\n", t)
			}
			for _, t := range s.Config.Warnings {
				sayln(e.out, "Note:", t)
			}
			if len(s.Conditions) == 0 {
				return nil
			}
			sayln(e.out)
			return showConditions(e.out, s.Conditions)
		},
	})
}
