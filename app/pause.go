package app

import (
	"github.com/spf13/cobra"
)

func (e *env) pause() *cobra.Command {
	return &cobra.Command{
		Use: "pause", Short: "Let no new calls in until `corral resume`", Args: cobra.NoArgs,
		Long: `New calls are answered 503 with Retry-After, in the caller's own API, until
"corral resume" or a restart of Corral. Calls under way end as they would, and apps
still see the lists of models.`,
		Example: "  corral pause\n  corral status      # says so\n  corral resume",
		RunE:    func(c *cobra.Command, _ []string) error { return e.setPause(c, true) },
	}
}

func (e *env) resume() *cobra.Command {
	return &cobra.Command{
		Use: "resume", Short: "Let new calls in again", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return e.setPause(c, false) },
	}
}

func (e *env) setPause(c *cobra.Command, on bool) error {
	api, err := e.client()
	if err != nil {
		return err
	}
	if err := api.Pause(c.Context(), on); err != nil {
		return err
	}
	if on {
		sayln(e.out, "Paused: new calls are answered 503. `corral resume` lets them in again; so does a restart.")
	} else {
		sayln(e.out, "New calls come in.")
	}
	return nil
}
