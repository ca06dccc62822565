package ledger_test

import (
	"os"
	"testing"

	"corral/store"
)

const childEnv = "CORRAL_LEDGER_CHILD" // the data folder of a child that is going to be killed

// The test binary plays two children: the one that checks a file, and the one that is killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == store.CheckCommand {
		os.Exit(store.CheckMain(os.Args[2:], os.Stdout))
	}
	if dir := os.Getenv(childEnv); dir != "" {
		childMain(dir, os.Getenv(childEnv+"_MODE"))
		return
	}
	os.Exit(m.Run())
}
