package config

import (
	"os"
	"runtime"
)

// Display reports whether this process can show a window to the person in front of it: not in a session over the network,
// nor on a machine without a desktop.
func Display() bool {
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		return os.Getenv("SSH_CONNECTION") == ""
	}
	return os.Getenv("DISPLAY") != "" || os.Getenv("WAYLAND_DISPLAY") != ""
}
