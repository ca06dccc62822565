package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// BuildCorral builds the program as it ships (without cgo) and returns its path.
func BuildCorral(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "corral")
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	c := exec.Command("go", "build", "-o", path, "corral")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("go build corral: %v\n%s", err, out)
	}
	return path
}

// Corral starts the program at path (see BuildCorral) with a home of its own and the text of a corral.yaml. args are further flags.
func Corral(t testing.TB, path, config string, args ...string) *Server {
	t.Helper()
	home := t.TempDir()
	file := filepath.Join(home, "corral.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Server{t: t, name: "corral serve", Addr: FreeAddr(t), Home: home, probe: "/readyz"}
	s.command = func() *exec.Cmd {
		c := exec.Command(path, append([]string{"serve", "--config", file, "--data-dir", filepath.Join(home, "data"), "--listen", s.Addr}, args...)...)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home}
		return c
	}
	return s.start()
}

// Uncached is the part of a config with which each call asks its target, for tests that compare answers with the target's own.
const Uncached = "cache: { exact: { when: off } }\n"

// InFrontOf is the config of a Corral that fronts an Ollama and nothing else.
func InFrontOf(ollama *Server) string {
	return fmt.Sprintf("providers:\n  - { name: local, kind: ollama, url: %q }\n", ollama.URL)
}
