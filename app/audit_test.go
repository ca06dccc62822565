package app

import (
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
