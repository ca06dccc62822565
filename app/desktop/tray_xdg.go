//go:build desktop && !windows && !darwin

package desktop

import (
	"context"
	"time"

	"github.com/godbus/dbus/v5"
)

// trayThere asks the desktop's bus whether somebody shows tray icons. Without a bus the tray's library fails when it ends,
// so it is not even begun.
func trayThere() bool {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	bus, err := dbus.ConnectSessionBus(dbus.WithContext(ctx))
	if err != nil {
		return false
	}
	defer bus.Close()
	var has bool
	err = bus.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.NameHasOwner", 0, "org.kde.StatusNotifierWatcher").Store(&has)
	return err == nil && has
}
