// Package desktop is the window: it finds a daemon or starts one, and shows its page. See design.md for why the page is the
// daemon's own.
//
// What knows of Wails and GTK is behind the build tag desktop; the rest is plain Go, and tested without a screen.
package desktop

import (
	"io"

	"corral/app/autostart"
	"corral/daemon/client"
)

// Options are what the window needs to know of the program it belongs to.
type Options struct {
	// DataDir is the daemon's data folder. The window keeps its own few files there too.
	DataDir string
	// Open makes a client for the daemon with that folder. It fails with client.ErrNotRunning where there is none.
	Open func() (*client.Client, error)
	// Serve is the command that runs a daemon.
	Serve []string
	// Login is the entry by which the window starts at login.
	Login autostart.Entry
	// Hidden begins in the tray. Where there is none, the window is shown all the same.
	Hidden bool
	// Out is told, line by line, what becomes of window and daemon.
	Out io.Writer
}
