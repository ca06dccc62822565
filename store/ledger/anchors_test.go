package ledger_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/ledger/treehead"
	"corral/testkit"
)

// away is a second place with two ways to it, both closed.
type away struct{}

func (away) Name() string { return "away" }
func (away) Publish(context.Context, []byte) error {
	return errors.Join(errors.New("dial one"), errors.New("dial two"))
}

// A line break in it once broke the tables of audit status, status and doctor.
func TestWhyAnAnchorFailsIsOneLine(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), func(o *ledger.Options) { o.Anchors = []treehead.Anchor{away{}} })
	said := ""
	if !testkit.Eventually(func() bool {
		s, err := l.Status()
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Anchors) == 1 {
			said = s.Anchors[0].Error
		}
		return said != ""
	}) || said != "dial one; dial two" {
		t.Errorf("%q", said)
	}
}

// What an anchor has from before is known after a start, and not only when the next head has gone there.
func TestAnAnchorIsKnownFromTheStart(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), nil)
	appendCalls(t, l, 0, 5)
	closeAll()
	l, _ = ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) { o.HeadAfter = time.Hour })
	if !testkit.Eventually(func() bool {
		s, err := l.Status()
		return err == nil && len(s.Anchors) == 1 && s.Anchors[0].Size == 6 // with the ledger's own beginning
	}) {
		t.Error(l.Status())
	}
}
