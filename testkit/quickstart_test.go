package testkit

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// scripts/quickstart, as a newcomer with an ollama on the PATH and no model would see it.
func TestQuickstart(t *testing.T) {
	bin := ollamaProgram(t)
	bash, err := exec.LookPath("bash")
	if err != nil {
		Missing(t, "no bash on PATH")
	}
	goEnv, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	caches := strings.Fields(string(goEnv))
	home := t.TempDir()
	path := filepath.Join(home, "bin")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(bin, filepath.Join(path, "ollama")); err != nil {
		t.Fatal(err)
	}
	ollama, corral := FreeAddr(t), FreeAddr(t)
	run := func(args ...string) string {
		t.Helper()
		c := exec.CommandContext(t.Context(), bash, append([]string{"../scripts/quickstart", "--listen", corral}, args...)...)
		c.Env = []string{"PATH=" + path + ":" + os.Getenv("PATH"), "HOME=" + home, "OLLAMA_HOST=" + ollama, "OLLAMA_NO_CLOUD=1",
			"GOCACHE=" + caches[0], "GOMODCACHE=" + caches[1]}
		c.WaitDelay = time.Second // a server left behind would hold the pipe
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("quickstart: %v\n%s", err, out)
		}
		return string(out)
	}
	contains := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !regexp.MustCompile(w).MatchString(out) {
				t.Errorf("no %q in:\n%s", w, out)
			}
		}
	}
	stopped := func(addrs ...string) {
		t.Helper()
		for _, a := range addrs {
			if c, err := net.Dial("tcp", a); err == nil {
				c.Close()
				t.Errorf("%s still listens", a)
			}
		}
	}

	contains(run("--tiny"), "Ollama started", "making the tiny one", "Corral started", regexp.QuoteMeta(Story),
		`Answered by local / tiny\S* in \d+\.\d s, .*request \S+`, `curl http://`+corral)
	stopped(ollama, corral)

	// Now the model is there, and so is an Ollama: only Corral is started and stopped.
	s := &Server{t: t, name: "ollama serve", Addr: ollama, Home: home, probe: "/api/version"}
	s.command = func() *exec.Cmd {
		c := exec.Command(bin, "serve")
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "OLLAMA_HOST=" + ollama, "OLLAMA_NO_CLOUD=1"}
		return c
	}
	s.start()
	contains(run(), "Ollama runs at http://"+ollama, regexp.QuoteMeta(Story))
	stopped(corral)
	if c, err := net.Dial("tcp", ollama); err != nil {
		t.Errorf("quickstart stopped an Ollama that it had not started: %v", err)
	} else {
		c.Close()
	}
}
