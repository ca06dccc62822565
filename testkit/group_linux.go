package testkit

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// awaitFrozen waits until all threads of the process have stopped: the signal alone lets one that is running finish what it
// is at, such as an answer.
func awaitFrozen(pid int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); <-tick.C {
		stats, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
		running := len(stats) == 0
		for _, path := range stats {
			b, err := os.ReadFile(path)
			// "pid (name) state ...": the name may hold anything but ends with the last parenthesis
			if i := bytes.LastIndexByte(b, ')'); err == nil && i+2 < len(b) && b[i+2] != 'T' {
				running = true
			}
		}
		if !running {
			return
		}
	}
}

// ownGroup puts a child into a process group of its own, and ends it when the test's process dies without cleaning up (a test
// that times out panics, for one).
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
