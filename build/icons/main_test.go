package main

import (
	"bytes"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"testing"
)

func TestThePicturesAreWhatTheIconGives(t *testing.T) {
	i, err := read("../../frontend/public/icon.svg")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pictures {
		made, err := i.png(p.size, p.dot)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := os.ReadFile(filepath.Join("../..", p.path))
		if err != nil {
			t.Fatal(err)
		}
		a, _, err := image.Decode(bytes.NewReader(made))
		if err != nil {
			t.Fatal(err)
		}
		b, _, err := image.Decode(bytes.NewReader(kept))
		if err != nil {
			t.Fatalf("%s: %v", p.path, err)
		}
		if a.Bounds() != b.Bounds() {
			t.Fatalf("%s: %v and %v", p.path, b.Bounds(), a.Bounds())
		}
		for y := range p.size {
			for x := range p.size {
				if !near(a.At(x, y), b.At(x, y)) {
					t.Fatalf("%s is not what the icon gives: run go run ./build/icons", p.path)
				}
			}
		}
	}
}

// near allows for processors that round once where others round twice.
func near(a, b color.Color) bool {
	x, y := color.NRGBAModel.Convert(a).(color.NRGBA), color.NRGBAModel.Convert(b).(color.NRGBA)
	for _, d := range []int{int(x.R) - int(y.R), int(x.G) - int(y.G), int(x.B) - int(y.B), int(x.A) - int(y.A)} {
		if d < -1 || d > 1 {
			return false
		}
	}
	return true
}

func TestAnIconThatIsNotKnownHereIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "icon.svg")
	for _, svg := range []string{"", "<svg/>", `<svg><rect width="32" fill="red"/></svg>`, `<svg><rect width="32" fill="#fff"/><path d="M1 1c2 2" stroke="#000"/></svg>`} {
		if err := os.WriteFile(path, []byte(svg), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := read(path); err == nil {
			t.Errorf("%q was read", svg)
		}
	}
}
