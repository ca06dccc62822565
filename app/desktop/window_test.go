package desktop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	_ "image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/godbus/dbus/v5"

	"corral/daemon"
	"corral/daemon/client"
	"corral/testkit"
)

// screen is an X server of the test's own, with a window manager.
type screen struct {
	t       *testing.T
	display string
}

func newScreen(t *testing.T) *screen {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	x := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp")
	x.ExtraFiles = []*os.File{w}
	run(t, x)
	w.Close()
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal("Xvfb did not start:", err)
	}
	s := &screen{t, ":" + strings.TrimSpace(number)}
	wm := exec.Command("openbox", "--sm-disable")
	wm.Env = append(os.Environ(), "DISPLAY="+s.display)
	run(t, wm)
	return s
}

// run starts a program that ends with the test.
func run(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Process.Kill(); c.Wait() })
}

func (s *screen) tool(name string, args ...string) (string, error) {
	c := exec.CommandContext(s.t.Context(), name, args...)
	c.Env = append(os.Environ(), "DISPLAY="+s.display)
	out, err := c.Output()
	return string(out), err
}

// picture is what is on the screen.
func (s *screen) picture() image.Image {
	out, err := s.tool("import", "-window", "root", "png:-")
	if err != nil {
		s.t.Fatal("no picture of the screen:", err)
	}
	img, _, err := image.Decode(strings.NewReader(out))
	if err != nil {
		s.t.Fatal(err)
	}
	return img
}

// shows waits until all these words can be read on the screen.
func (s *screen) shows(words ...string) {
	s.t.Helper()
	var text string
	var png []byte
	read := func() bool {
		large, err := s.tool("import", "-window", "root", "-colorspace", "gray", "-resize", "200%", "png:-") // small print is read better so
		if err != nil {
			return false
		}
		png = []byte(large)
		c := exec.CommandContext(s.t.Context(), "tesseract", "-", "-", "--psm", "11")
		c.Env = append(os.Environ(), "OMP_THREAD_LIMIT=1") // its threads get into each other's way
		c.Stdin = bytes.NewReader(png)
		out, _ := c.Output()
		text = string(out)
		for _, w := range words {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	}
	for range 4 { // one look may take longer than the patience for all of them, on a busy machine
		if testkit.Eventually(read) {
			return
		}
	}
	path := filepath.Join(s.t.ArtifactDir(), "screen.png")
	os.WriteFile(path, png, 0o600)
	s.t.Fatalf("the screen shows no %q (%s):\n%s", words, path, text)
}

// opened is a run of the window program.
type opened struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan error

	mu    sync.Mutex // guards lines
	lines []string
}

func (s *screen) open(program string, env []string, args ...string) *opened {
	s.t.Helper()
	o := &opened{t: s.t, cmd: exec.Command(program, args...), done: make(chan error, 1)}
	o.cmd.Env = append(env, "DISPLAY="+s.display)
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		s.t.Fatal(err)
	}
	o.cmd.Stderr = o.cmd.Stdout
	if err := o.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			o.mu.Lock()
			o.lines = append(o.lines, in.Text())
			o.mu.Unlock()
		}
		o.done <- o.cmd.Wait()
	}()
	s.t.Cleanup(func() {
		if s.t.Failed() {
			s.t.Log(o.said())
		}
		o.cmd.Process.Kill()
	})
	return o
}

func (o *opened) said() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.Join(o.lines, "\n")
}

// says waits until the program has said something so often.
func (o *opened) says(what string, times int) {
	o.t.Helper()
	for range 4 { // the first start of a web view takes its time on a busy machine
		if testkit.Eventually(func() bool { return strings.Count(o.said(), what) >= times }) {
			return
		}
	}
	o.t.Fatalf("it never said %q %d times:\n%s", what, times, o.said())
}

func (o *opened) ends() {
	o.t.Helper()
	var err error
	if !testkit.Eventually(func() bool {
		select {
		case err = <-o.done:
			return true
		default:
			return false
		}
	}) {
		o.t.Fatalf("it did not end:\n%s", o.said())
	}
	if err != nil {
		o.t.Errorf("it ended with %v:\n%s", err, o.said())
	}
}

// windowed is all that a test of the window needs; scripts/desktop --test sees to it.
func windowed(t *testing.T) (program string) {
	t.Helper()
	program = os.Getenv("CORRAL_TEST_DESKTOP")
	if program == "" {
		testkit.Missing(t, "CORRAL_TEST_DESKTOP names no window program; scripts/desktop --test builds one and sets it")
	}
	for _, tool := range []string{"Xvfb", "openbox", "xdotool", "import", "tesseract", "dbus-daemon"} {
		if _, err := exec.LookPath(tool); err != nil {
			testkit.Missing(t, "%s is not installed; scripts/desktop --test installs it", tool)
		}
	}
	return program
}

// home is a person's, with the config of a Corral in front of a model server of the test's own.
type home struct {
	dir, data, addr string
}

func newHome(t *testing.T) home {
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/api/chat":
			fmt.Fprint(w, `{"model":"tiny","message":{"role":"assistant","content":"Hello."},"done":true,"done_reason":"stop","prompt_eval_count":3,"eval_count":2}`)
		case "/api/tags":
			fmt.Fprint(w, `{"models":[{"name":"tiny:latest","model":"tiny:latest","size":1000000}]}`)
		default:
			fmt.Fprint(w, `{"version":"0.17.4","models":[]}`)
		}
	}))
	t.Cleanup(model.Close)
	h := home{dir: t.TempDir(), addr: testkit.FreeAddr(t)}
	h.data = filepath.Join(h.dir, "data")
	text := fmt.Sprintf("listen: %s\nproviders:\n  - { name: local, kind: ollama, url: %q }\n", h.addr, model.URL)
	if err := os.WriteFile(filepath.Join(h.dir, "corral.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { end(t, h.data) })
	return h
}

func (h home) env(more ...string) []string {
	return append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "CORRAL_CONFIG=" + filepath.Join(h.dir, "corral.yaml"), "CORRAL_DATA_DIR=" + h.data}, more...)
}

func (h home) status(path string) int {
	res, err := http.Get("http://" + h.addr + path)
	if err != nil {
		return 0
	}
	res.Body.Close()
	return res.StatusCode
}

func TestTheWindowStartsCorralOutlivesItsRestartAndLeavesItRunning(t *testing.T) {
	program := windowed(t)
	s, h := newScreen(t), newHome(t)

	// A bare box, where WebKit says that the language is "C". No daemon runs, and nobody has called: the guide comes.
	w := s.open(program, h.env("LANG=C.UTF-8"))
	w.says("daemon: starting", 1)
	w.says("daemon: connected "+h.addr, 1)
	w.says("page: ready", 1)
	w.says("page: feed live", 1)
	s.shows("First steps", "A model server", "tiny")
	if strings.Contains(w.said(), "wails:") {
		t.Error(w.said())
	}

	// The one that is there is shown.
	second := s.open(program, h.env("LANG=C.UTF-8"), "desktop")
	second.ends()
	if !strings.Contains(second.said(), "open already") {
		t.Error(second.said())
	}
	w.says("window: shown", 1)

	// The daemon is killed, and another one started by somebody else: the page that is there goes on.
	res, err := http.Post("http://"+h.addr+"/api/chat", "application/json", strings.NewReader(`{"model":"tiny","stream":false,"messages":[{"role":"user","content":"x"}]}`))
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	res.Body.Close()
	api, err := client.Open(h.data, "", daemon.AddressFile)
	if err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { _, err := api.Entry(t.Context(), res.Header.Get("X-Request-Id")); return err == nil }) {
		t.Fatal("the call is not in the ledger") // a moment after its answer it is, and then a kill cannot take it away
	}
	end(t, h.data)
	w.says("daemon: away", 1)
	w.says("page: feed away", 1)
	s.shows("Corral does not answer", "from before")
	another := exec.Command(program, "serve")
	another.Env = h.env()
	run(t, another)
	w.says("daemon: connected", 2)
	w.says("page: feed live", 2)
	if strings.Count(w.said(), "page: ready") != 1 {
		t.Error("the page was loaded anew:", w.said())
	}

	// It is closed, and Corral goes on.
	id := s.window()
	if _, err := s.tool("xdotool", "windowsize", "--sync", id, "900", "640"); err != nil {
		t.Error(err)
	}
	if _, err := s.tool("xdotool", "windowactivate", "--sync", id, "key", "ctrl+w"); err != nil {
		t.Error(err)
	}
	w.says("window: closed", 1)
	w.ends()
	if h.status("/healthz") != 200 {
		t.Error("Corral ended with its window")
	}

	// Opened again, elsewhere in the world: as large as it was, the overview, and a daemon that it found.
	w = s.open(program, h.env("LANG=de_DE.UTF-8", "LC_ALL="), "desktop")
	w.says("page: ready Overview", 1)
	s.shows("Overview", "Costs", "Health", "well", "Live")
	img := s.picture()
	for what, c := range map[string]color.NRGBA{"the picture in the corner": {0x0b, 0x72, 0x85, 255}, "what is well": {0x2b, 0x8a, 0x3e, 255}} {
		if n := count(img, c); n < 100 {
			t.Errorf("%d pixels have the colour of %s", n, what)
		}
	}
	var width, height int
	out, err := s.tool("xdotool", "getwindowgeometry", s.window())
	if _, e := fmt.Sscanf(out[strings.LastIndex(out, "Geometry:"):], "Geometry: %dx%d", &width, &height); err != nil || e != nil || width != 900 || height != 640 {
		t.Errorf("%s (%v)", out, err)
	}
	if err := w.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	w.ends()
	if h.status("/readyz") != 200 {
		t.Error("Corral ended with its window")
	}
}

// window is the id of Corral's window.
func (s *screen) window() string {
	s.t.Helper()
	out, err := s.tool("xdotool", "search", "--onlyvisible", "--class", "corral")
	ids := strings.Fields(out)
	if err != nil || len(ids) == 0 {
		s.t.Fatalf("no window: %q %v", out, err)
	}
	return ids[len(ids)-1]
}

func count(img image.Image, c color.NRGBA) (n int) {
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			if color.NRGBAModel.Convert(img.At(x, y)) == c {
				n++
			}
		}
	}
	return n
}

// shell plays the desktop's: it shows tray icons and notices.
type shell struct {
	mu      sync.Mutex // guards what follows
	items   []string
	notices []string
}

func (x *shell) RegisterStatusNotifierItem(path string, from dbus.Sender) *dbus.Error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.items = append(x.items, string(from))
	return nil
}

func (x *shell) Notify(app string, replaces uint32, icon, title, text string, actions []string, hints map[string]dbus.Variant, expire int32) (uint32, *dbus.Error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.notices = append(x.notices, title+": "+text)
	return uint32(len(x.notices)), nil
}

func (x *shell) seen() (items, notices []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.items, x.notices
}

func TestTheWindowHasATrayAndNotices(t *testing.T) {
	program := windowed(t)
	s, h := newScreen(t), newHome(t)
	bus := exec.Command("dbus-daemon", "--session", "--nofork", "--nosyslog", "--print-address=1")
	out, err := bus.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	run(t, bus)
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address = strings.TrimSpace(address)
	conn, err := dbus.Connect(address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	x := &shell{}
	for name, path := range map[string]string{"org.kde.StatusNotifierWatcher": "/StatusNotifierWatcher", "org.freedesktop.Notifications": "/org/freedesktop/Notifications"} {
		if err := conn.Export(x, dbus.ObjectPath(path), name); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.RequestName(name, 0); err != nil {
			t.Fatal(err)
		}
	}

	if err := os.MkdirAll(h.data, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (remembered{Width: 800, Height: 600, Zoom: 100, InTray: true}).keep(h.data); err != nil {
		t.Fatal(err)
	}
	env := h.env("LANG=C.UTF-8", "DBUS_SESSION_BUS_ADDRESS="+address)
	w := s.open(program, env)
	w.says("page: feed live", 1)
	if !testkit.Eventually(func() bool { items, _ := x.seen(); return len(items) == 1 }) {
		t.Fatal("no tray icon")
	}
	items, _ := x.seen()
	item := conn.Object(items[0], "/StatusNotifierItem")
	tooltip := func() string {
		v, err := item.GetProperty("org.kde.StatusNotifierItem.ToolTip")
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(v.Value())
	}
	if !testkit.Eventually(func() bool { return strings.Contains(tooltip(), "is well") }) {
		t.Error(tooltip())
	}

	// Paused at the command line: the tray shows it, and a notice says it.
	pause := exec.Command(program, "pause")
	pause.Env = env
	if out, err := pause.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if !testkit.Eventually(func() bool { return strings.Contains(tooltip(), "is paused") }) {
		t.Error(tooltip())
	}
	if !testkit.Eventually(func() bool { _, n := x.seen(); return len(n) == 1 && strings.HasPrefix(n[0], "Corral: paused: ") }) {
		_, n := x.seen()
		t.Error(n)
	}

	// Closed, it stays in the tray, for so it was chosen; the tray's menu resumes, and quits.
	if _, err := s.tool("xdotool", "windowactivate", "--sync", s.window(), "key", "ctrl+w"); err != nil {
		t.Error(err)
	}
	w.says("window: in the tray", 1)
	menu := conn.Object(items[0], "/StatusNotifierItem/menu")
	click := func(label string) {
		t.Helper()
		var revision uint32
		var layout struct {
			ID       int32
			Props    map[string]dbus.Variant
			Children []dbus.Variant
		}
		if err := menu.CallWithContext(t.Context(), "com.canonical.dbusmenu.GetLayout", 0, int32(0), int32(-1), []string{}).Store(&revision, &layout); err != nil {
			t.Fatal(err)
		}
		for _, c := range layout.Children {
			var child struct {
				ID       int32
				Props    map[string]dbus.Variant
				Children []dbus.Variant
			}
			if err := dbus.Store([]any{c.Value()}, &child); err != nil {
				t.Fatal(err)
			}
			if v, ok := child.Props["label"]; ok && strings.HasPrefix(fmt.Sprint(v.Value()), label) {
				if call := menu.CallWithContext(t.Context(), "com.canonical.dbusmenu.Event", 0, child.ID, "clicked", dbus.MakeVariant(0), uint32(0)); call.Err != nil {
					t.Fatal(call.Err)
				}
				return
			}
		}
		t.Fatalf("the tray has no %q: %v", label, layout)
	}
	click("Resume")
	if !testkit.Eventually(func() bool { return strings.Contains(tooltip(), "is well") }) {
		t.Error(tooltip())
	}
	click("Open Corral")
	w.says("window: shown", 1)
	click("Quit")
	w.says("window: closed", 1)
	w.ends()
	if h.status("/healthz") != 200 {
		t.Error("Corral ended with its window")
	}
}

// TestWithoutTheTagThereIsNoWindow keeps what a server runs small, and free of cgo.
func TestWithoutTheTagThereIsNoWindow(t *testing.T) {
	for _, goos := range []string{"linux", "windows", "darwin"} {
		c := exec.CommandContext(context.Background(), "go", "list", "-deps", "corral")
		c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOFLAGS=")
		out, err := c.Output()
		if err != nil {
			t.Fatal(err)
		}
		for dep := range strings.Lines(string(out)) {
			if strings.Contains(dep, "wailsapp") || strings.Contains(dep, "systray") {
				t.Errorf("%s: the headless build has %s in it", goos, dep)
			}
		}
	}
}
