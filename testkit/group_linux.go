package testkit

import "syscall"

// ownGroup puts a child into a process group of its own, and ends it when the test's process dies without cleaning up (a test
// that times out panics, for one).
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
