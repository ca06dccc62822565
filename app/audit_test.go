package app

import (
	"bytes"
	"strings"
	"testing"

	"corral/store/ledger"
)

// Once "up to #-1" was what a ledger said whose old entries had been removed, and with them all that a head covered.
func TestHowFarEntriesAreCovered(t *testing.T) {
	for _, c := range []struct {
		from, end uint64
		want      string
	}{
		{0, 0, "none of these yet"},
		{0, 1, "up to #0"},
		{308, 0, "none of these yet"},
		{308, 308, "none of these yet"},
		{308, 447, "up to #446"},
	} {
		if got := upTo(&ledger.Verification{From: c.from}, c.end); got != c.want {
			t.Errorf("from %d to %d: %q, want %q", c.from, c.end, got, c.want)
		}
	}
}

// The first problem was said twice: in the list of them, and as the error at the end.
func TestEachProblemOfALedgerIsSaidOnce(t *testing.T) {
	var out bytes.Buffer
	err := (&env{out: &out}).verified(&ledger.Verification{Problems: []ledger.Problem{{Seq: 3, End: 4, Text: "was edited"}, {Seq: 5, End: 9, Text: "are missing"}}})
	if err == nil || strings.Count(out.String()+err.Error(), "was edited") != 1 || out.String() != "entry 3: was edited\nentries 5 to 8: are missing\n" || err.Error() != "the ledger is not whole: 2 problems" {
		t.Errorf("%q %v", out.String(), err)
	}
}
