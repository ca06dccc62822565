package desktop

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// remembered is what the window knows from one time to the next. It is the window's own: the daemon has no use for it.
type remembered struct {
	Width     int  `json:"width"`
	Height    int  `json:"height"`
	X         int  `json:"x"`
	Y         int  `json:"y"`
	Placed    bool `json:"placed"` // X and Y are where it was
	Maximised bool `json:"maximised"`
	Zoom      int  `json:"zoom"`    // percent
	Quiet     bool `json:"quiet"`   // no notices
	InTray    bool `json:"in_tray"` // closing the window leaves it in the tray
}

// The window's bounds.
const (
	firstWidth, firstHeight = 1180, 800
	leastWidth, leastHeight = 380, 420
	most                    = 20_000
	leastZoom, mostZoom     = 50, 200
)

func rememberedPath(dir string) string { return filepath.Join(dir, "window.json") }

// recall reads what was remembered. What cannot be read or makes no sense is as if it had never been: a window that does
// not open is worse.
func recall(dir string) remembered {
	r := remembered{Width: firstWidth, Height: firstHeight, Zoom: 100}
	if b, err := os.ReadFile(rememberedPath(dir)); err == nil {
		if was := r; json.Unmarshal(b, &was) == nil {
			r = was
		}
	}
	if r.Width < leastWidth || r.Width > most || r.Height < leastHeight || r.Height > most {
		r.Width, r.Height, r.Placed = firstWidth, firstHeight, false
	}
	if r.Zoom < leastZoom || r.Zoom > mostZoom {
		r.Zoom = 100
	}
	return r
}

// keep writes it down.
func (r remembered) keep(dir string) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".window")
	if err != nil {
		return fmt.Errorf("remember the window: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(b, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), rememberedPath(dir))
	}
	if err != nil {
		return fmt.Errorf("remember the window: %w", err)
	}
	return nil
}

// within moves a place so that the window can be seen and taken hold of on a screen of this size: the one it was on may
// have gone.
func (r remembered) within(width, height int) remembered {
	r.Width, r.Height = min(r.Width, max(width, leastWidth)), min(r.Height, max(height, leastHeight))
	r.X, r.Y = max(0, min(r.X, width-r.Width)), max(0, min(r.Y, height-r.Height))
	return r
}

// zoomed is the next step of the zoom in a direction; 0: back to what it is meant to be.
func (r remembered) zoomed(direction int) remembered {
	steps := []int{50, 67, 80, 90, 100, 110, 125, 150, 175, 200}
	switch {
	case direction == 0:
		r.Zoom = 100
	case direction > 0:
		for _, s := range steps {
			if s > r.Zoom {
				r.Zoom = s
				return r
			}
		}
	default:
		for i := len(steps) - 1; i >= 0; i-- {
			if steps[i] < r.Zoom {
				r.Zoom = steps[i]
				return r
			}
		}
	}
	return r
}
