//go:build unix

package testkit

import (
	"os"
	"syscall"
)

func terminate(p *os.Process) { p.Signal(syscall.SIGTERM) }

func killGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }

func freezeGroup(p *os.Process, on bool) bool {
	sig := syscall.SIGCONT
	if on {
		sig = syscall.SIGSTOP
	}
	syscall.Kill(-p.Pid, sig)
	if on {
		awaitFrozen(p.Pid)
	}
	return true
}
