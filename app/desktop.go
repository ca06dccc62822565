package app

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"corral/app/autostart"
	"corral/app/desktop"
	"corral/daemon/client"
	"corral/daemon/config"
)

// LogFile is in the data folder the log of a daemon that the window started.
const LogFile = "corral.log"

func (e *env) desktop() *cobra.Command {
	var hidden bool
	c := &cobra.Command{
		Use: "desktop", Short: "Open Corral's window", Args: cobra.NoArgs,
		Long: `Opens a window with Corral's page, logged in. Where no Corral runs with this data
folder, one is started, and goes on when the window is closed. A second start shows
the window that is there.

Not every build has a window: ` + "`corral ui`" + ` opens the same page in the browser.`,
		Example: "  corral desktop\n  corral desktop --data-dir /srv/corral",
		RunE: func(c *cobra.Command, _ []string) error {
			if desktop.Built && !config.Display() {
				return errors.New("there is no display here to open a window on; `corral ui --print` gives a link for a browser")
			}
			o, err := e.window()
			if err != nil {
				return err
			}
			o.Hidden = hidden
			return desktop.Run(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&hidden, "hidden", false, "begin in the tray, where the desktop has one")
	return c
}

// window is what the window needs to know of this program.
func (e *env) window() (o desktop.Options, err error) {
	dir, err := config.DataDir(e.dataFlag)
	if err != nil {
		return o, err
	}
	exe, err := os.Executable()
	if err != nil {
		return o, err
	}
	same, err := e.same() // the daemon is the one that the window is of
	if err != nil {
		return o, err
	}
	serve := append([]string{exe, "serve"}, same...)
	// Without a terminal its log needs a file, if the config names none. A config that is not valid the daemon itself will tell of.
	if c, _, err := config.NewSource(e.configFlag, nil).Load(); err != nil || c.Telemetry.File == "" {
		serve = append(serve, "--log-file", filepath.Join(dir, LogFile))
	}
	return desktop.Options{
		DataDir: dir, Serve: serve, Login: autostart.Window(exe, same...), Out: e.out,
		Open: func() (*client.Client, error) { return e.client() },
	}, nil
}
