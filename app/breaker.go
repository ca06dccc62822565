package app

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"corral/daemon/admin"
)

func (e *env) breaker() *cobra.Command {
	return &cobra.Command{
		Use: "breaker open|close|pin-open|pin-closed|unpin PROVIDER/MODEL", Short: "Keep calls from a target, or let them through, by hand",
		Long: `Open a target's breaker (no call goes there for a while), close it, or pin it as
it should stay whatever happens, until it is unpinned or Corral is started anew.
"corral status" shows the targets.`,
		Example: "  corral breaker open local/llama3.2       # try what happens without it\n  corral breaker pin-open cloud/gpt-4o-mini\n  corral breaker unpin cloud/gpt-4o-mini",
		Args:    cobra.ExactArgs(2), ValidArgs: []string{"open", "close", "pin-open", "pin-closed", "unpin"},
		RunE: func(c *cobra.Command, args []string) error {
			provider, model, ok := strings.Cut(args[1], "/")
			if !ok {
				return fmt.Errorf("%q names no model; write PROVIDER/MODEL as `corral status` does", args[1])
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			if err := api.Breaker(c.Context(), admin.Breaker{Provider: provider, Model: model, Action: args[0]}); err != nil {
				return err
			}
			sayf(e.out, "%s: %s.\n", args[1], args[0])
			return nil
		},
	}
}
