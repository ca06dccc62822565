package cache

import "testing"

func TestWhatWasSeenIsSeenForAGenerationAtLeast(t *testing.T) {
	s := newSeen()
	if !s.may(1) {
		t.Error("said no before what the file holds is known")
	}
	s.ready.Store(true)
	if !s.may(0) {
		t.Error("said no to a call without longer texts")
	}
	x := uint64(7)
	for range filterShare {
		x = mix(x)
		s.add(x)
	}
	wrong := 0
	y := uint64(99)
	for range 10000 {
		if y = mix(y); s.may(y) {
			wrong++
		}
	}
	if wrong > 300 {
		t.Errorf("%d of 10000 that were never seen may have been", wrong)
	}
	last := x
	for range filterShare / 2 { // the next generation begins
		x = mix(x)
		s.add(x)
	}
	if !s.may(last) || !s.may(x) {
		t.Error("what was seen lately is forgotten")
	}
	z := uint64(7)
	for range filterShare - 1 {
		if z = mix(z); !s.may(z) {
			t.Fatal("what was seen a generation ago is forgotten")
		}
	}
}
