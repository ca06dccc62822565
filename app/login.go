package app

import (
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"corral/app/autostart"
	"corral/daemon/config"
)

func (e *env) autostart() *cobra.Command {
	return e.asJSON(&cobra.Command{
		Use: "autostart [on|off]", Short: "Have Corral start when you log in, or not", Args: cobra.MatchAll(cobra.MaximumNArgs(1), cobra.OnlyValidArgs), ValidArgs: []string{"on", "off"},
		Long: `Says whether the running Corral starts when its user logs in to the desktop; with
"on" or "off", changes that. It is off unless asked for. What starts is the same
program, with the same config and data folder and the flags that it runs with now
(--listen and those of the log), without a window. Variables such as CORRAL_LISTEN
are those of the login.

A server without a desktop has systemd start it: see docs/operations.md.`,
		Example: "  corral autostart         # is it on?\n  corral autostart on",
		RunE: func(c *cobra.Command, args []string) error {
			api, err := e.client()
			if err != nil {
				return err
			}
			a, err := api.Autostart(c.Context())
			if err == nil && len(args) == 1 {
				a, err = api.SetAutostart(c.Context(), args[0] == "on")
			}
			if err != nil {
				return err
			}
			switch {
			case e.json:
				return e.print(a)
			case a.Problem != "":
				sayln(e.out, "Corral cannot start at login here:", a.Problem)
			case a.Enabled:
				sayln(e.out, "Corral starts when you log in.")
			default:
				sayln(e.out, "Corral does not start when you log in; `corral autostart on` changes that.")
			}
			return nil
		},
	})
}

// atLogin is the entry that starts this Corral, with its config and data folder, and the flags of serve that it was started with, by their
// names: apps look for it at the same address.
func (e *env) atLogin(serve map[string]string) (autostart.Entry, error) {
	exe, err := os.Executable()
	if err != nil {
		return autostart.Entry{}, err
	}
	args, err := e.same()
	for _, name := range slices.Sorted(maps.Keys(serve)) {
		if value := serve[name]; value != "" {
			args = append(args, "--"+name, value)
		}
	}
	return autostart.Daemon(exe, args...), err
}

// same are the flags that make another process work with this one's config and data folder, wherever it is started: at login
// there is neither this folder nor this environment.
func (e *env) same() (flags []string, err error) {
	if path, named := config.ConfigPath(e.configFlag); named {
		if path, err = filepath.Abs(path); err != nil {
			return nil, err
		}
		flags = append(flags, "--config", path)
	}
	dir, err := config.DataDir(e.dataFlag)
	return append(flags, "--data-dir", dir), err
}
