package load

import (
	"syscall"
	"time"
)

// pause sleeps in the kernel, not on a Go timer, whose grain can reach a millisecond.
func pause(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	syscall.Nanosleep(&ts, nil)
}
