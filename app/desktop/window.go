//go:build desktop

package desktop

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wailsapp/wails/v2"
	"github.com/wailsapp/wails/v2/pkg/logger"
	"github.com/wailsapp/wails/v2/pkg/options"
	"github.com/wailsapp/wails/v2/pkg/options/assetserver"
	"github.com/wailsapp/wails/v2/pkg/options/linux"
	"github.com/wailsapp/wails/v2/pkg/runtime"

	"corral/daemon/event"
)

//go:embed start
var start embed.FS

//go:embed icon.png
var icon []byte

// Built says whether this program has a window in it.
const Built = true

// window is the window while it is open. Wails calls it from goroutines of its own.
type window struct {
	o       Options
	keeper  *keeper
	notices chan notice
	ctx     context.Context // Wails' own; set before began is closed
	began   chan struct{}   // closed once there is a window
	show    chan struct{}   // another program wants it to be seen
	tray    *tray

	once     sync.Once // it is told once that the window is closed
	ended    atomic.Bool
	outMu    sync.Mutex // guards o.Out
	mu       sync.Mutex // guards what follows
	report   Report
	kept     remembered
	quitting bool
}

// Run opens the window and returns when it is closed. Where there is one already, that is shown instead.
func Run(ctx context.Context, o Options) error {
	w := &window{o: o, notices: make(chan notice, 8), began: make(chan struct{}), show: make(chan struct{}, 1)}
	first, err := claim(o.DataDir, w.raiseSoon)
	if errors.Is(err, errShown) {
		w.say("Corral's window is open already; it is shown now.")
		return nil
	}
	if err != nil {
		return err
	}
	defer first.Close()

	w.kept = recall(o.DataDir)
	told := newNotices()
	w.keeper = &keeper{dataDir: o.DataDir, open: o.Open, serve: o.Serve, wish: make(chan struct{}, 1), told: w.take,
		event: func(e event.Event) {
			if n, ok := told.of(e, time.Now()); ok {
				w.notify(n)
			}
		}}

	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer stop()
	page, err := fs.Sub(start, "start")
	if err != nil {
		return err
	}
	w.tray = newTray(w)
	defer w.tray.close()
	hidden := o.Hidden && w.tray.there()
	state := options.Normal
	if w.kept.Maximised {
		state = options.Maximised
	}
	return wails.Run(&options.App{
		Title: "Corral", Width: w.kept.Width, Height: w.kept.Height, MinWidth: leastWidth, MinHeight: leastHeight,
		StartHidden: hidden, WindowStartState: state,
		AssetServer:              &assetserver.Options{Assets: page},
		Menu:                     w.menu(),
		EnableDefaultContextMenu: true, // copy and paste by the mouse
		// The page is the daemon's, whatever its port. Only it and the start page are ever shown here (see goTo).
		BindingsAllowedOrigins: "http://127.0.0.1:*,http://localhost:*,http://[::1]:*",
		Logger:                 quiet{w},
		Linux:                  &linux.Options{Icon: icon, ProgramName: "corral", WebviewGpuPolicy: linux.WebviewGpuPolicyNever},
		OnStartup: func(c context.Context) {
			w.ctx = c
			close(w.began)
			w.place()
			w.listen()
			running.Go(func() { w.keeper.run(ctx) })
			running.Go(func() { w.raise(ctx) })
			running.Go(func() { w.speak(ctx) })
			running.Go(func() { // Ctrl-C in the terminal, or the end of the session
				<-ctx.Done()
				w.quit()
			})
		},
		OnDomReady: func(context.Context) { w.tell(w.reported()) },
		OnBeforeClose: func(context.Context) bool {
			// A signal has Wails and quit end the window, and the second of them would end what is not there any more, which kills the process.
			return w.closing() || w.ended.Swap(true)
		},
		OnShutdown: func(context.Context) { stop() },
	})
}

// say writes a line for who started the program.
func (w *window) say(format string, args ...any) {
	w.outMu.Lock()
	defer w.outMu.Unlock()
	fmt.Fprintf(w.o.Out, format+"\n", args...)
}

func (w *window) reported() Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.report
}

// take is told by the keeper how the daemon is.
func (w *window) take(r Report) {
	w.mu.Lock()
	was := w.report
	w.report = r
	w.mu.Unlock()
	w.tray.set(r)
	if was.State != r.State || was.Address != r.Address {
		w.say("%s", strings.TrimSpace(fmt.Sprintf("daemon: %s %s %s", r.State, r.Address, r.Why)))
	}
	w.tell(r)
	if r.State == Connected && (was.State != Connected || was.Started != r.Started) {
		w.login(was.Version != "" && was.Version != r.Version)
	}
}

// tell shows a report on the start page. Another page has no function of this name, and goes by its own connection.
func (w *window) tell(r Report) {
	if r.State == "" {
		return
	}
	w.exec("if (location.protocol !== 'http:' || location.hostname === 'wails.localhost') window.show?.(%s)", r)
}

// login brings the window to the daemon's page, logged in. A page that is there already takes the code of the one-time link
// and goes on where it was; anew says that it is too old for that.
func (w *window) login(anew bool) {
	api, err := w.o.Open()
	if err != nil {
		return // the keeper will say so
	}
	ctx, cancel := context.WithTimeout(w.ctx, keeperAsk)
	defer cancel()
	l, err := api.Link(ctx, "", false)
	if err != nil {
		w.say("login: %v", err)
		w.tell(Report{State: Away, Why: err.Error()})
		return
	}
	u, err := url.Parse(l.URL)
	if err != nil {
		w.say("login: %v", err)
		return
	}
	w.exec(`(({url, origin, code, anew}) => {
		const e = new CustomEvent('corral:login', {detail: code, cancelable: true})
		if (anew || location.origin !== origin || dispatchEvent(e)) location.replace(url)
	})(%s)`, map[string]any{"url": l.URL, "origin": u.Scheme + "://" + u.Host, "code": u.Fragment, "anew": anew})
}

// exec runs a script in the page, with v as JSON in the place of %s.
func (w *window) exec(script string, v any) {
	b, err := json.Marshal(v) // escapes < and the line ends that scripts have and JSON has not
	if err != nil {
		return
	}
	select {
	case <-w.began:
		runtime.WindowExecJS(w.ctx, strings.Replace(script, "%s", string(b), 1))
	default:
	}
}

// goTo shows a page of the daemon's, by its path below /ui.
func (w *window) goTo(path string) {
	w.exec("dispatchEvent(new CustomEvent('corral:go', {detail: %s}))", path)
}

// reload loads the page anew. Without a daemon there is none, and the window's own says so.
func (w *window) reload() {
	if w.reported().State == Connected {
		w.exec("location.reload()%s", "")
		return
	}
	runtime.WindowReloadApp(w.ctx)
}

// listen takes what the page says: see frontend/src/api/desktop.ts.
func (w *window) listen() {
	runtime.EventsOn(w.ctx, "corral:ready", func(data ...any) {
		w.say("page: ready %s", text(data))
		w.mu.Lock()
		zoom := w.kept.Zoom
		w.mu.Unlock()
		w.exec("document.documentElement.style.zoom = %s / 100", zoom)
	})
	runtime.EventsOn(w.ctx, "corral:feed", func(data ...any) { w.say("page: feed %s", text(data)) })
	runtime.EventsOn(w.ctx, "corral:login", func(...any) {
		if w.reported().State == Connected {
			w.login(false)
		}
	})
	runtime.EventsOn(w.ctx, "corral:start", func(...any) { w.keeper.start() })
	runtime.EventsOn(w.ctx, "corral:open", func(data ...any) {
		if u, err := url.Parse(text(data)); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
			runtime.BrowserOpenURL(w.ctx, u.String())
		}
	})
}

// text is the first of what the page sent, bounded.
func text(data []any) string {
	if len(data) == 0 {
		return ""
	}
	s, _ := data[0].(string)
	return strings.Map(func(r rune) rune {
		if r < ' ' {
			return -1
		}
		return r
	}, s[:min(len(s), 2000)])
}

// raiseSoon has the window shown, by the goroutine that does so.
func (w *window) raiseSoon() {
	select {
	case w.show <- struct{}{}:
	default:
	}
}

// raise shows the window whenever another start of the program, or the tray, asks for it.
func (w *window) raise(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.show:
			w.say("window: shown")
			w.front()
		}
	}
}

// front brings the window before the others. A window manager may only mark it otherwise.
func (w *window) front() {
	runtime.WindowUnminimise(w.ctx)
	runtime.WindowShow(w.ctx)
	runtime.WindowSetAlwaysOnTop(w.ctx, true)
	runtime.WindowSetAlwaysOnTop(w.ctx, false)
}

// place puts the window where it was, if that is on a screen.
func (w *window) place() {
	w.mu.Lock()
	r := w.kept
	w.mu.Unlock()
	if !r.Placed || r.Maximised {
		return
	}
	screens, err := runtime.ScreenGetAll(w.ctx)
	if err != nil || len(screens) == 0 {
		return
	}
	width, height := 0, 0
	for _, s := range screens {
		if s.IsCurrent || width == 0 {
			width, height = s.Size.Width, s.Size.Height
		}
	}
	r = r.within(width, height)
	runtime.WindowSetSize(w.ctx, r.Width, r.Height)
	runtime.WindowSetPosition(w.ctx, r.X, r.Y)
}

// remember writes down where the window is.
func (w *window) remember() {
	maximised := runtime.WindowIsMaximised(w.ctx)
	width, height := runtime.WindowGetSize(w.ctx)
	x, y := runtime.WindowGetPosition(w.ctx)
	w.change(func(r *remembered) {
		if r.Maximised = maximised; !maximised && !runtime.WindowIsMinimised(w.ctx) {
			r.Width, r.Height, r.X, r.Y, r.Placed = width, height, x, y, true
		}
	})
}

func (w *window) change(f func(*remembered)) {
	w.mu.Lock()
	f(&w.kept)
	r := w.kept
	w.mu.Unlock()
	if err := r.keep(w.o.DataDir); err != nil {
		w.say("%v", err)
	}
}

// pause has new calls wait, or come in again.
func (w *window) pause(on bool) {
	api, err := w.o.Open()
	if err == nil {
		ctx, cancel := context.WithTimeout(context.Background(), keeperAsk)
		defer cancel()
		err = api.Pause(ctx, on)
	}
	if err != nil {
		w.say("pause: %v", err)
	}
}

// closing decides whether the window stays, hidden, when somebody closes it.
func (w *window) closing() (stays bool) {
	w.mu.Lock()
	inTray, quitting := w.kept.InTray, w.quitting
	w.mu.Unlock()
	w.remember()
	if inTray && !quitting && w.tray.there() {
		w.say("window: in the tray")
		runtime.WindowHide(w.ctx)
		return true
	}
	w.once.Do(func() { w.say("window: closed") })
	return false
}

// quit ends the program. The daemon goes on.
func (w *window) quit() {
	w.mu.Lock()
	was := w.quitting
	w.quitting = true
	w.mu.Unlock()
	select {
	case <-w.began:
		if !was {
			runtime.Quit(w.ctx)
		}
	default: // there is no window yet, and nothing to end
	}
}

// notify shows a notice, unless the user wants none. One too many is let go of.
func (w *window) notify(n notice) {
	w.mu.Lock()
	hush := w.kept.Quiet
	w.mu.Unlock()
	if hush {
		return
	}
	select {
	case w.notices <- n:
	default:
	}
}

// speak shows notices, where the desktop has a place for them.
func (w *window) speak(ctx context.Context) {
	if err := runtime.InitializeNotifications(w.ctx); err != nil {
		w.say("notices: none here: %v", err)
	}
	defer runtime.CleanupNotifications(w.ctx)
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case n := <-w.notices:
			w.say("notice: %s: %s", n.Title, n.Text)
			if err := runtime.SendNotification(w.ctx, runtime.NotificationOptions{ID: fmt.Sprintf("corral-%d", i), Title: n.Title, Body: n.Text}); err != nil {
				w.say("notices: %v", err)
			}
		}
	}
}

// quiet is Wails' logger: only what fails is told.
type quiet struct{ w *window }

var _ logger.Logger = quiet{}

func (quiet) Print(string)       {}
func (quiet) Trace(string)       {}
func (quiet) Debug(string)       {}
func (quiet) Info(string)        {}
func (q quiet) Warning(s string) { q.w.say("wails: %s", s) }
func (q quiet) Error(s string)   { q.w.say("wails: %s", s) }
func (q quiet) Fatal(s string)   { q.w.say("wails: %s", s) }
