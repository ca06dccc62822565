//go:build unix

package desktop

import (
	"os/exec"
	"syscall"
)

// apart has a program go on when this one, or the terminal it was started in, ends.
func apart(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
