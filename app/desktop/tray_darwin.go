//go:build desktop

package desktop

import "context"

// trayThere: the tray's library and Wails both want to be the program's delegate there. The Dock has its icon.
func trayThere() bool { return false }

func (t *tray) run(context.Context) {}
