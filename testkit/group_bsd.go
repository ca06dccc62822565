//go:build unix && !linux

package testkit

import "syscall"

// ownGroup puts a child into a process group of its own.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// awaitFrozen trusts the signal: there is no /proc to ask.
func awaitFrozen(int) {}
