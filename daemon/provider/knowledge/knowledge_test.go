package knowledge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func none(n int) bool { return n == 0 }

func TestItKeepsNobodyWaitingLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		hang, fail := false, false
		k := New(func(ctx context.Context, _ string) (int, error) {
			asked++
			if hang {
				<-ctx.Done()
				return 0, ctx.Err()
			}
			if fail {
				return 0, errors.New("away")
			}
			return asked, nil
		}, none)
		defer k.Close()
		of := func(want, wantAsked int, wantWait time.Duration) {
			t.Helper()
			began := time.Now()
			got := k.Get(t.Context(), "m")
			took := time.Since(began)
			synctest.Wait()
			if got != want || asked != wantAsked || took != wantWait {
				t.Errorf("%d after %v, asked %d times; want %d after %v, asked %d times", got, took, asked, want, wantWait, wantAsked)
			}
		}
		of(1, 1, 0)
		of(1, 1, 0) // remembered
		time.Sleep(fresh + 1)
		of(1, 2, 0) // what is old is told, and asked for again beside that
		of(2, 2, 0)
		k.Changed()
		of(3, 3, 0) // nothing is left of what was known
		hang = true
		time.Sleep(fresh + 1)
		of(3, 4, 0) // nobody waits for it
		time.Sleep(timeout)
		k.Changed()
		of(0, 5, timeout) // unknown, after a short wait
		of(0, 5, 0)       // and no other for a while
		hang, fail = false, true
		k.Changed()
		of(0, 6, 0)
		fail = false
		time.Sleep(fresh + 1)
		of(0, 7, 0)
		of(7, 7, 0)

		k.Changed()
		hang = true
		ctx, leave := context.WithCancel(t.Context())
		leave()
		began := time.Now()
		if k.Get(ctx, "m"); time.Since(began) != 0 {
			t.Error("a caller who has left waits")
		}
	})
}

// TestItIsBounded: whoever calls may make up as many names as he likes; what is known of real models stays.
func TestItIsBounded(t *testing.T) {
	k := New(func(_ context.Context, model string) (int, error) {
		if model != "real" {
			return 0, errors.New("no such model")
		}
		return 7, nil
	}, none)
	defer k.Close()
	for i := range 5 * most {
		if got := k.Get(t.Context(), fmt.Sprint("made up ", i)); got != 0 {
			t.Fatal(got)
		}
		if got := k.Get(t.Context(), "real"); got != 7 {
			t.Fatal(got)
		}
	}
	if n := len(k.models); n > most {
		t.Errorf("%d names are remembered", n)
	}
}
