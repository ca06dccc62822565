//go:build desktop

package desktop

import (
	"context"
	"embed"
	"sync"
	"time"
)

//go:embed tray
var trayIcons embed.FS

// tray is the picture in the desktop's corner, where it has one: how Corral is, and a small menu. All of it is best effort:
// a window without a tray is whole.
type tray struct {
	w    *window
	has  bool
	stop context.CancelFunc
	done sync.WaitGroup

	mu     sync.Mutex // guards what follows
	report Report
	change chan struct{}
}

func newTray(w *window) *tray {
	t := &tray{w: w, change: make(chan struct{}, 1), has: trayThere()}
	ctx, stop := context.WithCancel(context.Background())
	t.stop = stop
	if t.has {
		t.done.Go(func() { t.run(ctx) })
	}
	return t
}

func (t *tray) there() bool { return t.has }

// set shows another report.
func (t *tray) set(r Report) {
	t.mu.Lock()
	t.report = r
	t.mu.Unlock()
	select {
	case t.change <- struct{}{}:
	default:
	}
}

func (t *tray) reported() Report {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.report
}

// close takes it away. A bus that hangs holds up nobody's end for long.
func (t *tray) close() {
	t.stop()
	gone := make(chan struct{})
	go func() { t.done.Wait(); close(gone) }()
	select {
	case <-gone:
	case <-time.After(2 * time.Second):
	}
}
