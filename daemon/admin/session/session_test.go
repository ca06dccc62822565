package session_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/admin/session"
)

const page = "http://127.0.0.1:11435"

// ends collects what a table tells.
type ends map[string]error

func table(t *testing.T) (*session.Table, ends) {
	told := ends{}
	x := session.New(func(id string, why error) { told[id] = why })
	t.Cleanup(x.Close)
	return x, told
}

func begin(t *testing.T, x *session.Table) (string, session.Session) {
	t.Helper()
	code, _ := x.Link(page)
	secret, s, err := x.Begin(code, page, "")
	if err != nil {
		t.Fatal(err)
	}
	return secret, s
}

func TestALinkEndsAfterTwoMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := table(t)
		old, expires := x.Link(page)
		if time.Until(expires) != session.LinkLife {
			t.Error(expires)
		}
		time.Sleep(session.LinkLife)
		fresh, _ := x.Link(page)
		time.Sleep(time.Nanosecond)
		if _, _, err := x.Begin(old, page, ""); !errors.Is(err, session.ErrCode) {
			t.Error(err)
		}
		if _, _, err := x.Begin(fresh, page, ""); err != nil {
			t.Error(err)
		}
	})
}

func TestASessionEndsWhenNobodyUsesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, told := table(t)
		secret, s := begin(t, x)
		for range 3 {
			time.Sleep(session.Idle - 1)
			if _, ok := x.Use(secret); !ok {
				t.Fatal("ended while it was used")
			}
		}
		time.Sleep(session.Idle - 1)
		if s, ok := x.Find(secret); !ok || time.Until(s.Idle) != 1 {
			t.Error(ok, s.Idle)
		}
		time.Sleep(time.Nanosecond) // looking at it was no use
		synctest.Wait()
		if s.Done.Err() == nil || !errors.Is(context.Cause(s.Done), session.ErrExpired) || !errors.Is(told[s.ID], session.ErrExpired) {
			t.Error("what hangs on the session was not ended by itself:", told)
		}
		if _, ok := x.Use(secret); ok {
			t.Error("a session came back")
		}
	})
}

func TestASessionEndsHoweverBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, told := table(t)
		secret, s := begin(t, x)
		began := time.Now()
		for s.Done.Err() == nil && time.Since(began) < 2*session.Whole {
			x.Use(secret)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if d := time.Since(began); d != session.Whole || !errors.Is(told[s.ID], session.ErrExpired) {
			t.Errorf("%v %v", d, told)
		}
	})
}

func TestThereIsRoomForSoManyOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, told := table(t)
		var secrets []string
		var first session.Session
		for i := range 32 {
			secret, s := begin(t, x)
			if secrets = append(secrets, secret); i == 0 {
				first = s
			}
			time.Sleep(time.Second)
		}
		x.Use(secrets[0]) // so the second is idle longest
		begin(t, x)
		if _, ok := x.Find(secrets[1]); ok || len(told) != 1 {
			t.Error(told)
		}
		if first.Done.Err() != nil {
			t.Error("the wrong one ended")
		}

		var codes []string
		for range 17 {
			code, _ := x.Link(page)
			codes = append(codes, code)
			time.Sleep(time.Second)
		}
		for i, code := range codes {
			if _, _, err := x.Begin(code, page, ""); (err != nil) != (i == 0) {
				t.Errorf("link %d: %v", i, err)
			}
		}
	})
}

func TestWrongCodesWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, _ := table(t)
		try := func() (wrong, wait int) {
			for i := range 100 {
				switch _, _, err := x.Begin(fmt.Sprint(i), page, ""); {
				case errors.Is(err, session.ErrCode):
					wrong++
				case errors.Is(err, session.ErrWait):
					wait++
				default:
					t.Fatal(err)
				}
			}
			return wrong, wait
		}
		if wrong, wait := try(); wrong != 10 || wait != 90 {
			t.Error(wrong, wait)
		}
		time.Sleep(3 * session.WrongEvery)
		if wrong, wait := try(); wrong != 3 || wait != 97 {
			t.Error(wrong, wait)
		}
	})
}

func TestALinkUsedTwiceEndsWhatItBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, told := table(t)
		for _, c := range []struct {
			name  string
			shown func(own, other string) string
			lives bool
		}{
			{"by the same browser", func(own, _ string) string { return own }, true},
			{"by one that is not logged in", func(string, string) string { return "" }, false},
			{"by one with another session", func(_, other string) string { return other }, false},
		} {
			clear(told)
			other, _ := begin(t, x)
			code, _ := x.Link(page)
			own, s, err := x.Begin(code, page, "")
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := x.Begin(code, page, c.shown(own, other)); !errors.Is(err, session.ErrCode) {
				t.Errorf("%s: %v", c.name, err)
			}
			if _, ok := x.Find(own); ok != c.lives || !c.lives && !errors.Is(told[s.ID], session.ErrTwice) {
				t.Errorf("%s: lives %v, %v", c.name, ok, told)
			}
			if _, ok := x.Find(other); !ok {
				t.Errorf("%s: it ended somebody else's", c.name)
			}
		}
		if x.EndAll() == 0 {
			t.Error("nothing left to end")
		}
	})
}
