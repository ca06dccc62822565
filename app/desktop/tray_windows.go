//go:build desktop

package desktop

func trayThere() bool { return true }
