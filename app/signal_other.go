//go:build !unix

package app

import "os"

// notifyHangup does nothing: there is no such signal here. The config is read again when its file changes.
func notifyHangup(chan<- os.Signal) {}
