//go:build !unix

package testkit

import (
	"os"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func terminate(p *os.Process) { p.Kill() }

func killGroup(p *os.Process) { p.Kill() }

func freezeGroup(*os.Process, bool) bool { return false }
