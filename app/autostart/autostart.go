// Package autostart has a program start when this user logs in, where the user asked for it: an XDG autostart entry, a launch
// agent on macOS, a value under Run in the registry on Windows.
//
// There is no state of its own: what the desktop reads at login is what Enabled reads. The surprise: on Linux a user, or a
// settings program of the desktop, switches an entry off by a key in it and leaves the file there.
package autostart

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"corral/daemon/config"
)

// Entry is one program that may start at login.
type Entry struct {
	ID      string   // the name of the file or value: corral, corral-window
	Title   string   // what settings programs show
	Comment string   // one line more
	Command []string // the program by its whole path, and its arguments
}

// ErrNowhere says that this user has no place for such entries: HOME is not set, as for a service.
var ErrNowhere = errors.New("this user has no folder for what starts at login; HOME is not set")

// Daemon is the entry of Corral itself, without a window. exe is this program; args come after serve.
func Daemon(exe string, args ...string) Entry {
	return Entry{ID: "corral", Title: "Corral", Comment: "In front of the AI models on this machine", Command: append([]string{exe, "serve"}, args...)}
}

// Window is the entry of the window. It begins in the tray, where there is one. args come after desktop.
func Window(exe string, args ...string) Entry {
	return Entry{ID: "corral-window", Title: "Corral's window", Comment: "Shows and steers Corral", Command: append([]string{exe, "desktop", "--hidden"}, args...)}
}

// Set switches the entry on or off.
func (e Entry) Set(on bool) error {
	if on {
		return e.Enable()
	}
	return e.Disable()
}

// check refuses what none of the forms can hold.
func (e Entry) check() error {
	if len(e.Command) == 0 || e.Command[0] == "" {
		return errors.New("start at login: no program is named")
	}
	for _, s := range append([]string{e.ID, e.Title, e.Comment}, e.Command...) {
		if strings.ContainsAny(s, "\n\r\x00") {
			return fmt.Errorf("start at login: %q has a line end in it", s)
		}
	}
	return nil
}

// folder is where entries that are files stand, below the user's folder for config.
func folder(below string) (string, error) {
	at := config.UserFolder()
	if at == "" {
		return "", ErrNowhere
	}
	return at + string(os.PathSeparator) + below, nil
}
