package ledger_test

import (
	"context"
	"errors"
	"testing"

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
