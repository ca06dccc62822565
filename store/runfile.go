package store

import (
	"encoding/json"
	"os"
	"path/filepath"
	"time"
)

// run is what corral.run says: who has the folder now. It is there while a process has it, so finding one at the start means that
// the last process did not end in order, and the file deserves a closer look.
type run struct {
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

func runPath(dir string) string { return filepath.Join(dir, "corral.run") }

// readRun returns nil when there is no run file or nobody can read it: it only ever helps, so it never fails.
func readRun(dir string) *run {
	raw, err := os.ReadFile(runPath(dir))
	if err != nil {
		return nil
	}
	r := new(run)
	if json.Unmarshal(raw, r) != nil {
		return &run{}
	}
	return r
}

func writeRun(dir string) error {
	raw, err := json.Marshal(run{PID: os.Getpid(), Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	return os.WriteFile(runPath(dir), raw, 0o600)
}
