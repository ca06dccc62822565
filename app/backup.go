package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) backup() *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use: "backup [FILE]", Short: "Write the ledger, its wrapped keys and the app keys to one file, while calls go on",
		Long: `Write a backup of the data folder's database and wrapped keys as one tar file (- for
standard output). The top key and the signing key are not in it: without them it
tells nobody anything. Keep these apart; "corral audit status" says where they are.
A file that is there already is written over with --force only.`,
		Example: "  corral backup\n  corral backup /mnt/usb/corral.tar",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			path := "corral-" + time.Now().Format("20060102-150405") + ".tar"
			if len(args) == 1 {
				path = args[0]
			}
			if _, err := os.Lstat(path); path != "-" && err == nil && !force {
				return fmt.Errorf("%s is there already, and was left as it is; --force writes over it", path)
			}
			api, err := e.client()
			if err != nil {
				return err
			}
			if err := e.toFile(path, func(w io.Writer) error { return api.Backup(c.Context(), w) }); err != nil {
				return err
			}
			if path != "-" {
				sayf(e.out, "Wrote %s.\n", path)
			}
			return nil
		},
	}
	c.Flags().BoolVar(&force, "force", false, "write over a file that is there already")
	return c
}

func (e *env) restore() *cobra.Command {
	var yes bool
	c := e.asJSON(&cobra.Command{
		Use: "restore FILE", Short: "Put a backup in place of what the running Corral holds, while calls go on",
		Long: `Put a backup in place. What was there is kept beside it, under another name. The
restore stands in the ledger and at its anchors. What was erased since the backup
was made stays erased.`,
		Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !yes {
				return errors.New("entries since the backup will be given up (and kept beside it); say --yes")
			}
			f, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer f.Close()
			api, err := e.client()
			if err != nil {
				return err
			}
			done, err := api.Restore(c.Context(), f)
			if err != nil {
				return err
			}
			if e.json {
				return e.print(done)
			}
			sayf(e.out, "Restored %s; %s given up.\n", plural(done.Entries, "entry", "entries"), plural(done.GivenUp, "anchored one was", "anchored ones were"))
			for _, k := range done.Kept {
				sayln(e.out, "Kept:", k)
			}
			return nil
		},
	})
	c.Flags().BoolVar(&yes, "yes", false, "do it")
	return c
}
