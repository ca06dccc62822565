package app_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"corral/app"
	"corral/store"
	"corral/testkit"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"corral": func() {
		if len(os.Args) > 1 && os.Args[1] == store.CheckCommand { // as in main.go
			os.Exit(store.CheckMain(os.Args[2:], os.Stderr))
		}
		os.Exit(app.Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}})
}

// TestScript runs the files in testdata/script. Beside testscript's own commands they may use:
//
//	target                         a model server begins; $TARGET is its URL, the one model it has is named like the key it was shown,
//	                               /api/hang never answers, and /v1/chat/completions uses a thousand tokens each way
//	ready FILE                     waits for the Corral that wrote its address into FILE; $ADDR is that address
//	until STATUS PATH [PATTERN]    asks $ADDR for PATH until status and body are so
//	hold PATH                      begins to ask $ADDR for PATH, and goes on once the target was asked
//	post STATUS PATH BODY PATTERN  sends $ADDR a BODY for PATH, with $KEY if there is one; status and answer must be so
//	key NAME                       makes a key for an app: $KEY
//	gone                           waits until nobody listens at $ADDR
//	await PATTERN PROGRAM ARG...   runs the program until its output is so
//	signal NAME                    sends TERM, HUP or QUIT to the processes in the background
//	cpenv SOURCE FILE              puts SOURCE in the place of FILE in one step, with variables filled in
func TestScript(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("CORRAL_DATA_DIR", e.WorkDir+"/data")
			e.Setenv("CORRAL_CONFIG", e.WorkDir+"/corral.yaml")
			e.Setenv("GORACE", "atexit_sleep_ms=10") // a second otherwise, of every command
			e.Values[heldKey{}] = &sync.Map{}
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"target": target, "ready": ready, "until": until, "hold": hold, "post": post, "gone": gone, "await": await, "signal": sendSignal, "cpenv": copyEnv, "key": makeKey,
		},
	})
}

func target(ts *testscript.TestScript, neg bool, args []string) {
	held := make(chan struct{}, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/hang" {
			held <- struct{}{}
			<-r.Context().Done()
			return
		}
		if r.URL.Path == "/v1/chat/completions" {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"id":"c1","object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000,"total_tokens":2000}}`)
			return
		}
		key := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"version":"0.0.0","object":"list","data":[{"id":%q,"object":"model"}],"models":[]}`, key)
	}))
	ts.Defer(s.Close)
	ts.Setenv("TARGET", s.URL)
	ts.Value(heldKey{}).(*sync.Map).Store(s.URL, held)
}

type heldKey struct{} // of a script's targets, by URL: what each sends to when it is asked to hang

// client keeps no connection: one that idles would hold up a Corral that stops.
var client = &http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (status int, body string) {
	res, err := client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func ready(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	var addr string
	if !testkit.Eventually(func() bool {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		addr = strings.TrimSpace(string(b))
		if err != nil || addr == "" {
			return false
		}
		status, _ := get("http://" + addr + "/healthz")
		return status == http.StatusOK
	}) {
		ts.Fatalf("no Corral by the address in %s", args[0])
	}
	ts.Setenv("ADDR", addr)
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: until STATUS PATH [PATTERN]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	pattern, err := regexp.Compile(strings.Join(args[2:], ""))
	ts.Check(err)
	var status int
	var body string
	if !testkit.Eventually(func() bool {
		status, body = get("http://" + ts.Getenv("ADDR") + args[1])
		return status == want && pattern.MatchString(body)
	}) {
		ts.Fatalf("GET %s: %d %s", args[1], status, body)
	}
}

func hold(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hold PATH")
	}
	ctx, leave := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+ts.Getenv("ADDR")+args[0], nil)
	ts.Check(err)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if res, err := client.Transport.RoundTrip(req); err == nil { // without the timeout
			res.Body.Close()
		}
	}()
	ts.Defer(func() { leave(); <-ended })
	held, _ := ts.Value(heldKey{}).(*sync.Map).Load(ts.Getenv("TARGET"))
	select {
	case <-held.(chan struct{}):
	case <-ended:
		ts.Fatalf("GET %s was answered", args[0])
	}
}

func post(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: post STATUS PATH BODY PATTERN")
	}
	req, err := http.NewRequest(http.MethodPost, "http://"+ts.Getenv("ADDR")+args[1], strings.NewReader(args[2]))
	ts.Check(err)
	req.Header.Set("Content-Type", "application/json")
	if key := ts.Getenv("KEY"); key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := client.Do(req)
	ts.Check(err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	ts.Check(err)
	if strconv.Itoa(res.StatusCode) != args[0] || !regexp.MustCompile(args[3]).Match(b) {
		ts.Fatalf("POST %s: %s %s", args[1], res.Status, b)
	}
}

func makeKey(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: key NAME")
	}
	ts.Check(ts.Exec("corral", "keys", "create", args[0]))
	ts.Setenv("KEY", strings.TrimSpace(ts.ReadFile("stdout")))
}

func gone(ts *testscript.TestScript, neg bool, args []string) {
	if !testkit.Eventually(func() bool {
		c, err := net.Dial("tcp", ts.Getenv("ADDR"))
		if err == nil {
			c.Close()
		}
		return err != nil
	}) {
		ts.Fatalf("somebody listens at %s", ts.Getenv("ADDR"))
	}
}

func await(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: await PATTERN PROGRAM ARG...")
	}
	pattern, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	if !testkit.Eventually(func() bool { return ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) }) {
		ts.Fatalf("no %s", args[0])
	}
}

func copyEnv(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: cpenv SOURCE FILE")
	}
	path := ts.MkAbs(args[1])
	ts.Check(os.WriteFile(path+".new", []byte(os.Expand(ts.ReadFile(args[0]), ts.Getenv)), 0o600))
	ts.Check(os.Rename(path+".new", path))
}

func sendSignal(ts *testscript.TestScript, neg bool, args []string) {
	signals := []struct {
		name string
		sig  syscall.Signal
	}{{"TERM", syscall.SIGTERM}, {"HUP", syscall.SIGHUP}, {"QUIT", syscall.SIGQUIT}}
	for _, s := range signals {
		if slices.Equal(args, []string{s.name}) {
			for _, c := range ts.BackgroundCmds() {
				ts.Check(c.Process.Signal(s.sig))
			}
			return
		}
	}
	ts.Fatalf("usage: signal TERM|HUP|QUIT")
}
