package testkit

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// LlamaServer starts a real llama.cpp server with the GGUF model at path: OpenAI's chat, completions, responses and embeddings
// under /v1, and Anthropic's messages. For embeddings give "embed" as well. See ModelFile for a path.
func LlamaServer(t testing.TB, path string, args ...string) *Server {
	t.Helper()
	dir := os.Getenv("CORRAL_TEST_LLAMA")
	if dir == "" {
		Missing(t, "CORRAL_TEST_LLAMA is not set: run testkit/ollama/llama-server.sh DIR, then export CORRAL_TEST_LLAMA=DIR")
	}
	if ready, _ := filepath.Glob(filepath.Join(dir, "*.ready")); len(ready) == 0 {
		Missing(t, "CORRAL_TEST_LLAMA: no llama.cpp in %s; testkit/ollama/llama-server.sh %s gets it", dir, dir)
	}
	script := writeOut(t, "ollama/llama-server.sh")
	addr := FreeAddr(t)
	_, port, _ := net.SplitHostPort(addr)
	s := &Server{t: t, name: "llama.cpp", Addr: addr, Home: t.TempDir(), probe: "/health", says: []string{"listening on http://" + addr}}
	s.command = func() *exec.Cmd {
		c := exec.Command("bash", append([]string{script, dir, path, port}, args...)...)
		c.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Home}
		return c
	}
	return s.start()
}
