package app

import (
	"errors"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) keys() *cobra.Command {
	c := &cobra.Command{
		Use: "keys", Short: "The keys that apps show when the config says auth: required",
		Example: "  corral keys create notes-app\n  corral keys list\n  corral keys revoke notes-app",
	}
	var days int
	create := e.asJSON(&cobra.Command{
		Use: "create NAME", Short: "Make a key; it is shown this once", Args: oneOf("key", ""),
		RunE: func(c *cobra.Command, args []string) error {
			if days < 0 {
				return errors.New("--days must be 0 or more")
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			k, err := api.CreateKey(c.Context(), args[0], days)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(k)
			}
			sayln(e.out, k.Secret)
			sayf(e.err, "This is the only time it is shown. Apps send it as Authorization: Bearer, or x-api-key.\n")
			return nil
		},
	})
	create.Flags().IntVar(&days, "days", 0, "days until it expires (0: never)")
	list := e.asJSON(&cobra.Command{
		Use: "list", Short: "List the keys, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			ks, err := api.Keys(c.Context())
			if err != nil {
				return err
			}
			if e.json {
				return e.print(ks)
			}
			if len(ks) == 0 {
				sayln(e.out, "No keys yet. Make one with `corral keys create NAME`.")
				return nil
			}
			w := tabwriter.NewWriter(e.out, 0, 0, 2, ' ', 0)
			sayf(w, "ID\tNAME\tENDS IN\tCREATED\tLAST USED\tEXPIRES\tSTATE\n")
			for _, k := range ks {
				state := "valid"
				switch {
				case !k.Disabled.IsZero():
					state = "revoked"
				case !k.Valid(time.Now()):
					state = "expired"
				}
				sayf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Name, k.Hint, day(k.Created), day(k.LastUsed), day(k.Expires), state)
			}
			return w.Flush()
		},
	})
	revoke := &cobra.Command{
		Use: "revoke ID|NAME", Short: "Make a key of no use, at once", Args: oneOf("key", "corral keys list"),
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			k, err := api.RevokeKey(c.Context(), args[0])
			if err != nil {
				return err
			}
			sayf(e.out, "Revoked %s (%s).\n", k.Name, k.ID)
			return nil
		},
	}
	c.AddCommand(create, list, revoke)
	return c
}

func day(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.Local().Format("2006-01-02 15:04")
}
