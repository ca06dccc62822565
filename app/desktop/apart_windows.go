package desktop

import (
	"os/exec"
	"syscall"

	"golang.org/x/sys/windows"
)

// apart has a program go on when this one, or the terminal it was started in, ends.
func apart(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP | windows.DETACHED_PROCESS, HideWindow: true}
}
