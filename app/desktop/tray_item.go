//go:build desktop && !darwin

package desktop

import (
	"bytes"
	"context"
	"encoding/binary"
	"runtime"

	"fyne.io/systray"
)

// run shows the tray until ctx ends.
func (t *tray) run(ctx context.Context) {
	start, end := systray.RunWithExternalLoop(nil, nil)
	start()
	defer end()
	t.show()
	open := systray.AddMenuItem("Open Corral", "")
	pause := systray.AddMenuItem("Pause new calls", "")
	begin := systray.AddMenuItem("Start Corral", "")
	systray.AddSeparator()
	quit := systray.AddMenuItem("Quit (Corral itself goes on)", "")
	systray.SetOnTapped(t.w.raiseSoon)
	for {
		r := t.reported()
		if r.Paused {
			pause.SetTitle("Resume")
		} else {
			pause.SetTitle("Pause new calls")
		}
		if r.State == Connected {
			pause.Enable()
			begin.Disable()
		} else {
			pause.Disable()
			begin.Enable()
		}
		select {
		case <-ctx.Done():
			return
		case <-t.change:
			t.show()
		case <-open.ClickedCh:
			t.w.raiseSoon()
		case <-pause.ClickedCh:
			t.w.pause(!r.Paused)
		case <-begin.ClickedCh:
			t.w.keeper.start()
		case <-quit.ClickedCh:
			go t.w.quit() // which waits for this loop
		}
	}
}

func (t *tray) show() {
	icon, text := t.reported().look()
	b, err := trayIcons.ReadFile("tray/" + icon + ".png")
	if err != nil {
		return
	}
	if runtime.GOOS == "windows" {
		b = ico(b)
	}
	systray.SetIcon(b)
	systray.SetTitle("Corral")
	systray.SetTooltip(text)
}

// ico puts a PNG of 48 pixels into the file that Windows wants
// (https://learn.microsoft.com/previous-versions/ms997538(v=msdn.10)).
func ico(png []byte) []byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []uint16{0, 1, 1})
	b.Write([]byte{48, 48, 0, 0})
	binary.Write(&b, binary.LittleEndian, []uint16{1, 32})
	binary.Write(&b, binary.LittleEndian, []uint32{uint32(len(png)), 22})
	b.Write(png)
	return b.Bytes()
}
