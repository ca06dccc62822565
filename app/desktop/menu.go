//go:build desktop

package desktop

import (
	"runtime"

	"github.com/wailsapp/wails/v2/pkg/menu"
	"github.com/wailsapp/wails/v2/pkg/menu/keys"
	wails "github.com/wailsapp/wails/v2/pkg/runtime"
)

// menu is the native one. The keys for copying and pasting are the web view's own, everywhere; the entries are for those
// who look for them in a menu.
func (w *window) menu() *menu.Menu {
	w.mu.Lock()
	kept := w.kept
	w.mu.Unlock()
	m := menu.NewMenu()
	if runtime.GOOS == "darwin" {
		m.Append(menu.AppMenu())
	}

	file := m.AddSubmenu("File")
	file.AddText("Start Corral", nil, func(*menu.CallbackData) { w.keeper.start() })
	file.AddText("Pause new calls", nil, func(*menu.CallbackData) { w.pause(true) })
	file.AddText("Resume", nil, func(*menu.CallbackData) { w.pause(false) })
	file.AddSeparator()
	login, err := w.o.Login.Enabled()
	if err == nil {
		file.AddCheckbox("Open at login", login, nil, func(c *menu.CallbackData) {
			if err := w.o.Login.Set(c.MenuItem.Checked); err != nil {
				w.say("%v", err)
			}
		})
		file.AddSeparator()
	}
	file.AddText("Close the window", keys.CmdOrCtrl("w"), func(*menu.CallbackData) {
		if !w.closing() {
			w.quit()
		}
	})
	file.AddText("Quit (Corral itself goes on)", keys.CmdOrCtrl("q"), func(*menu.CallbackData) { w.quit() })

	if runtime.GOOS == "darwin" {
		m.Append(menu.EditMenu())
	} else {
		edit := m.AddSubmenu("Edit")
		for _, c := range []struct{ title, command string }{{"Undo", "undo"}, {"Redo", "redo"}, {"Cut", "cut"}, {"Copy", "copy"}} {
			edit.AddText(c.title, nil, func(*menu.CallbackData) { w.exec("document.execCommand(%s)", c.command) })
		}
		edit.AddText("Paste", nil, func(*menu.CallbackData) { w.paste() })
		edit.AddText("Select all", nil, func(*menu.CallbackData) { w.exec("document.execCommand(%s)", "selectAll") })
	}

	view := m.AddSubmenu("View")
	for _, p := range pages {
		view.AddText(p.title, nil, func(*menu.CallbackData) { w.goTo(p.path) })
	}
	view.AddSeparator()
	view.AddText("Load anew", keys.CmdOrCtrl("r"), func(*menu.CallbackData) { w.reload() })
	view.AddSeparator()
	view.AddText("Larger", keys.CmdOrCtrl("+"), func(*menu.CallbackData) { w.zoom(1) })
	view.AddText("Smaller", keys.CmdOrCtrl("-"), func(*menu.CallbackData) { w.zoom(-1) })
	view.AddText("As it is meant to be", keys.CmdOrCtrl("0"), func(*menu.CallbackData) { w.zoom(0) })

	win := m.AddSubmenu("Window")
	win.AddText("Minimise", keys.CmdOrCtrl("m"), func(*menu.CallbackData) { wails.WindowMinimise(w.ctx) })
	win.AddText("Whole screen, or not", keys.Key("f11"), func(*menu.CallbackData) {
		if wails.WindowIsFullscreen(w.ctx) {
			wails.WindowUnfullscreen(w.ctx)
		} else {
			wails.WindowFullscreen(w.ctx)
		}
	})
	win.AddSeparator()
	win.AddCheckbox("Notices of incidents and budgets", !kept.Quiet, nil, func(c *menu.CallbackData) {
		w.change(func(r *remembered) { r.Quiet = !c.MenuItem.Checked })
	})
	if w.tray.there() {
		win.AddCheckbox("Stay in the tray when closed", kept.InTray, nil, func(c *menu.CallbackData) {
			w.change(func(r *remembered) { r.InTray = c.MenuItem.Checked })
		})
	}

	help := m.AddSubmenu("Help")
	help.AddText("First steps", nil, func(*menu.CallbackData) { w.goTo("/welcome") })
	help.AddText("Open it in the browser", nil, func(*menu.CallbackData) { w.inBrowser() })
	help.AddText("About Corral", nil, func(*menu.CallbackData) { w.about() })
	return m
}

// paste puts the clipboard's text where the cursor is: a page may not read the clipboard by itself.
func (w *window) paste() {
	text, err := wails.ClipboardGetText(w.ctx)
	if err != nil || text == "" {
		return
	}
	w.exec("document.execCommand('insertText', false, %s)", text)
}

func (w *window) zoom(direction int) {
	w.change(func(r *remembered) { *r = r.zoomed(direction) })
	w.mu.Lock()
	zoom := w.kept.Zoom
	w.mu.Unlock()
	w.exec("document.documentElement.style.zoom = %s / 100", zoom)
}

func (w *window) inBrowser() {
	api, err := w.o.Open()
	if err != nil {
		w.say("%v", err)
		return
	}
	l, err := api.Link(w.ctx, "", false)
	if err != nil {
		w.say("%v", err)
		return
	}
	wails.BrowserOpenURL(w.ctx, l.URL)
}

func (w *window) about() {
	r := w.reported()
	text := "No daemon answers at the moment."
	if r.State == Connected {
		text = "Corral " + r.Version + " at http://" + r.Address
	}
	wails.MessageDialog(w.ctx, wails.MessageDialogOptions{Type: wails.InfoDialog, Title: "About Corral", Message: text + "\nData: " + w.o.DataDir})
}
