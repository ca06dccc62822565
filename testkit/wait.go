package testkit

import (
	"runtime"
	"testing"
	"time"
)

// patience is long for a machine that has much else to do; only a test that fails waits for all of it.
const patience = time.Minute

// Eventually waits up to a minute for what another goroutine or process is about to do, and reports whether it did.
func Eventually(done func() bool) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !done() {
		select {
		case <-tick.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// Goroutines counts them. check fails the test if, a minute later, there still are more of them, and shows all.
func Goroutines(t testing.TB) (check func()) {
	t.Helper()
	before := runtime.NumGoroutine()
	return func() {
		t.Helper()
		if !Eventually(func() bool { return runtime.NumGoroutine() <= before }) {
			buf := make([]byte, 1<<20)
			t.Errorf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
		}
	}
}
