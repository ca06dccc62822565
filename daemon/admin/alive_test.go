package admin

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"corral/daemon/event"
)

func TestAFeedWithoutEventsShowsThatItIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		bus := event.New(time.Now())
		r, err := bus.Read("")
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		ctx, leave := context.WithTimeout(t.Context(), 50*time.Second)
		defer leave()
		feed(ctx, w, r, feedPatience)
		r.Close()
		if got := w.Body.String(); strings.Count(got, ": nothing happened\n\n") != 3 || strings.Contains(got, "event:") {
			t.Errorf("%q", got)
		}
	})
}
