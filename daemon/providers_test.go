package daemon

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestALockedKeyringHoldsNobodyUpForLong: calls fail after a moment with what to do, one question goes on, and its answer is for all who
// come later.
func TestALockedKeyringHoldsNobodyUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, unlock := 0, make(chan error)
		key := once(func() (string, error) {
			asked++
			return "sk-1", <-unlock
		})
		began := time.Now()
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				if k, err := key(); !errors.Is(err, errLocked) || k != "" || time.Since(began) != keyPatience {
					t.Errorf("%q %v after %v", k, err, time.Since(began))
				}
			})
		}
		wg.Wait()
		wg.Go(func() { unlock <- errors.New("no such key") })
		if _, err := key(); err == nil || errors.Is(err, errLocked) || asked != 1 {
			t.Errorf("%v, asked %d times", err, asked)
		}
		wg.Wait()
		wg.Go(func() { unlock <- nil })
		for range 2 {
			if k, err := key(); err != nil || k != "sk-1" || asked != 2 {
				t.Errorf("%q %v, asked %d times", k, err, asked)
			}
		}
		wg.Wait()
	})
}
