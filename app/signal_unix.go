//go:build unix

package app

import (
	"os"
	"os/signal"
	"syscall"
)

// notifyHangup asks for SIGHUP, by which a service is told to read its config again.
func notifyHangup(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
