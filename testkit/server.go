package testkit

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Server is a program under test that listens on a loopback port. Its process group is its own, so that stopping it stops
// its children too and nothing else.
type Server struct {
	URL  string // http://127.0.0.1:PORT
	Addr string // 127.0.0.1:PORT
	Home string // its HOME; an Ollama keeps its models in Home/models

	t       testing.TB
	name    string
	command func() *exec.Cmd
	probe   string   // path that answers 200 when it is ready
	status  int      // or this
	says    []string // what its log must hold by then: another server on the same port answers a probe as well
	log     string   // path
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
}

// start runs the server for the first time and has it stopped at the end of the test.
func (s *Server) start() *Server {
	s.t.Helper()
	s.URL = "http://" + s.Addr
	s.log = filepath.Join(s.t.TempDir(), "log")
	s.t.Cleanup(func() {
		s.Stop()
		if s.t.Failed() {
			s.t.Logf("%s printed:\n%s", s.name, tail(s.Log(), 16<<10))
		}
	})
	s.Start()
	return s
}

// Start runs the server again, after Stop or Kill: same port, same home.
func (s *Server) Start() {
	s.t.Helper()
	out, err := os.OpenFile(s.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer out.Close()
	printed, err := out.Stat()
	if err != nil {
		s.t.Fatal(err)
	}
	s.cmd = s.command()
	s.cmd.Stdout, s.cmd.Stderr = out, out
	s.cmd.SysProcAttr = ownGroup()
	started := make(chan error)
	s.done = make(chan struct{})
	go func() {
		// The parent whose death ends the child (see ownGroup) is a thread: this one must live as long as the child.
		runtime.LockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.cmd.Wait()
		}
		close(s.done)
	}()
	if err := <-started; err != nil {
		s.t.Fatalf("start %s: %v", s.name, err)
	}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for {
		select {
		case <-s.done:
			s.t.Fatalf("%s ended before it was ready: %v\n%s", s.name, s.cmd.ProcessState, tail(s.Log(), 4<<10))
		case <-deadline:
			s.t.Fatalf("%s did not answer GET %s within a minute\n%s", s.name, s.probe, tail(s.Log(), 4<<10))
		case <-tick.C:
		}
		if !containsAll(s.Log()[printed.Size():], s.says) {
			continue
		}
		if r, err := client.Get(s.URL + s.probe); err == nil {
			r.Body.Close()
			if r.StatusCode == max(s.status, http.StatusOK) {
				return
			}
		}
	}
}

// Stop asks the server to end (SIGTERM), waits for it, and kills it after 15 s. It does nothing when it has ended.
func (s *Server) Stop() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	terminate(s.cmd.Process)
	select {
	case <-s.done:
	case <-time.After(15 * time.Second):
	}
	s.Kill()
}

// Kill ends the server and its children at once, as a crash would.
func (s *Server) Kill() {
	if s.cmd == nil || s.cmd.Process == nil {
		return
	}
	killGroup(s.cmd.Process)
	<-s.done
}

// Freeze stops the server and its children where they are, as a hung one would be: connections stay open, nothing answers.
// Thaw lets them go on; so does the end of the test.
func (s *Server) Freeze() {
	s.t.Helper()
	s.t.Cleanup(s.Thaw)
	if !freezeGroup(s.cmd.Process, true) {
		s.t.Skip("a process cannot be frozen on this system")
	}
}

// Thaw ends a Freeze.
func (s *Server) Thaw() { freezeGroup(s.cmd.Process, false) }

// Signal sends sig to the server alone, not to its children.
func (s *Server) Signal(sig os.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// Done is closed when the server has ended; then ExitCode says how.
func (s *Server) Done() <-chan struct{} { return s.done }

// ExitCode is that of an ended server; -1 when a signal ended it.
func (s *Server) ExitCode() int { <-s.done; return s.cmd.ProcessState.ExitCode() }

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Log is all that the server has printed, over all its starts.
func (s *Server) Log() string {
	b, _ := os.ReadFile(s.log)
	return string(b)
}

func containsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}

func tail(s string, n int) string {
	if len(s) > n {
		return "..." + s[len(s)-n:]
	}
	return s
}
