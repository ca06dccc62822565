//go:build unix

package store

import (
	"os"
	"syscall"
)

// endedByFault reports whether reading a page has killed the process: a mapped file that is too short gives SIGBUS.
func endedByFault(p *os.ProcessState) bool {
	s, ok := p.Sys().(syscall.WaitStatus)
	if !ok || !s.Signaled() {
		return false
	}
	switch s.Signal() {
	case syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGABRT, syscall.SIGILL:
		return true
	}
	return false
}
