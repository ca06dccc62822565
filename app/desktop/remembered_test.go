package desktop

import (
	"os"
	"testing"
)

func TestTheWindowIsWhereItWas(t *testing.T) {
	dir := t.TempDir()
	if r := recall(dir); r.Width != firstWidth || r.Height != firstHeight || r.Zoom != 100 || r.Placed || r.InTray {
		t.Errorf("%+v", r)
	}
	want := remembered{Width: 900, Height: 700, X: 40, Y: 50, Placed: true, Zoom: 125, Quiet: true, InTray: true}
	if err := want.keep(dir); err != nil {
		t.Fatal(err)
	}
	if got := recall(dir); got != want {
		t.Errorf("%+v", got)
	}
	for _, broken := range []string{"", "{", `{"width": -5, "height": 700, "placed": true}`, `{"width": 1e9}`, `{"zoom": 9000}`} {
		if err := os.WriteFile(rememberedPath(dir), []byte(broken), 0o600); err != nil {
			t.Fatal(err)
		}
		if r := recall(dir); r.Width != firstWidth || r.Zoom != 100 || r.Placed {
			t.Errorf("%q: %+v", broken, r)
		}
	}
}

func TestAWindowStaysOnTheScreen(t *testing.T) {
	for name, c := range map[string]struct{ was, want remembered }{
		"it was on a screen that is gone": {remembered{Width: 800, Height: 600, X: 5000, Y: 3000}, remembered{Width: 800, Height: 600, X: 480, Y: 200}},
		"left of everything":              {remembered{Width: 800, Height: 600, X: -900, Y: -10}, remembered{Width: 800, Height: 600}},
		"larger than the screen":          {remembered{Width: 4000, Height: 3000, X: 10, Y: 10}, remembered{Width: 1280, Height: 800}},
		"where it may stay":               {remembered{Width: 800, Height: 600, X: 100, Y: 90}, remembered{Width: 800, Height: 600, X: 100, Y: 90}},
	} {
		if got := c.was.within(1280, 800); got != c.want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestZoomHasStepsAndEnds(t *testing.T) {
	r := remembered{Zoom: 100}
	for _, want := range []int{110, 125, 150, 175, 200, 200} {
		if r = r.zoomed(1); r.Zoom != want {
			t.Errorf("%d, want %d", r.Zoom, want)
		}
	}
	if r = r.zoomed(0); r.Zoom != 100 {
		t.Error(r.Zoom)
	}
	for _, want := range []int{90, 80, 67, 50, 50} {
		if r = r.zoomed(-1); r.Zoom != want {
			t.Errorf("%d, want %d", r.Zoom, want)
		}
	}
}
