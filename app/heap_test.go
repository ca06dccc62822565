package app

import "testing"

func TestSparePercent(t *testing.T) {
	for live, want := range map[uint64]int{0: 300, 1 << 20: 300, 32 << 20: 200, 64 << 20: 100, 128 << 20: 75, 8 << 30: 75} {
		if got := sparePercent(live); got != want {
			t.Errorf("%d MiB live: %d %%, want %d", live>>20, got, want)
		}
	}
}
