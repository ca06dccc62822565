package app

import (
	"github.com/spf13/cobra"

	"corral/daemon/admin"
)

func (e *env) log() *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "What the running Corral logs"}
	c.AddCommand(e.asJSON(&cobra.Command{
		Use: "level [debug|info|warn|error]", Short: "Show what is logged, or log more or less from now on", Args: cobra.MaximumNArgs(1),
		Long: `Show what the running Corral logs, or set it: the level named and what is worse. It
holds until the next start, or until telemetry.log is changed in the config, which is
the way to set it for good.`,
		Example: "  corral log level\n  corral log level debug", ValidArgs: []string{"debug", "info", "warn", "error"},
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			var l admin.Log
			if len(args) > 0 {
				l, err = api.SetLog(c.Context(), args[0])
			} else {
				l, err = api.Log(c.Context())
			}
			if err != nil {
				return err
			}
			if e.json {
				return e.print(l)
			}
			sayf(e.out, "%s (the config says %s)\n", l.Level, l.Config)
			return nil
		},
	}))
	return c
}
