package testkit

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"corral/testkit/ollama/registry"
	"corral/testkit/ollama/tinygen"
)

// Ollama starts a real `ollama serve` and creates the tiny models in it, in a third of a second:
//
//	tiny      tells Story, thinks Thought, calls get_weather{"location":"Paris"} when given tools; in JSON it says {"corral":"corral"}
//	tiny-v2   the same with another digest
//	endless   tells on and on, for 20,480 tokens (Ollama's own bound, ten times num_ctx) or 3 s
//	embed     64 dimensions, related words are near each other
//
// env is added to its environment: OLLAMA_MAX_QUEUE=2, say. To share one server between tests, make them subtests of one.
func Ollama(t testing.TB, env ...string) *Server {
	t.Helper()
	bin := ollamaProgram(t)
	s := emptyOllama(t, bin, env...)
	for _, m := range []struct{ name, file string }{
		{"tiny", "tiny-chat.gguf"}, {"tiny-v2", "tiny-chat-v2.gguf"}, {"endless", "tiny-endless.gguf"}, {"embed", "tiny-embed.gguf"},
	} {
		s.CreateModel(m.name, m.file)
	}
	return s
}

// EmptyOllama is Ollama without any model.
func EmptyOllama(t testing.TB, env ...string) *Server {
	t.Helper()
	return emptyOllama(t, ollamaProgram(t), env...)
}

func emptyOllama(t testing.TB, bin string, env ...string) *Server {
	t.Helper()
	home := t.TempDir()
	addr := FreeAddr(t)
	s := &Server{t: t, name: "ollama serve", Addr: addr, Home: home, probe: "/api/version", says: []string{"Listening on " + addr}}
	s.command = func() *exec.Cmd {
		c := exec.Command(bin, "serve")
		c.Env = append(ollamaEnv(home, addr), env...)
		return c
	}
	return s.start()
}

// ollamaEnv is the whole environment of an ollama program: nothing of the user's own reaches it.
func ollamaEnv(home, host string) []string {
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "OLLAMA_HOST=" + host,
		"OLLAMA_MODELS=" + filepath.Join(home, "models"), "OLLAMA_NO_CLOUD=1", "GIN_MODE=release"}
}

func ollamaProgram(t testing.TB) string {
	t.Helper()
	bin := os.Getenv("CORRAL_TEST_OLLAMA")
	if bin == "" {
		Missing(t, "CORRAL_TEST_OLLAMA is not set: export CORRAL_TEST_OLLAMA=$(testkit/ollama/setup.sh)")
	}
	if _, err := os.Stat(bin); err != nil {
		Missing(t, "CORRAL_TEST_OLLAMA: %v", err)
	}
	return bin
}

// CreateModel creates a model in the running Ollama out of a file of testkit/ollama/models.
func (s *Server) CreateModel(name, file string) {
	s.t.Helper()
	b, err := files.ReadFile("ollama/models/" + file)
	if err != nil {
		s.t.Fatal(err)
	}
	s.create(name, b, file != "tiny-embed.gguf")
}

// CreateSlowModel creates one that tells its story without end, at a few hundred tokens a second. Use it, not endless, where a caller
// leaves in the middle: Ollama 0.17.4 can lose the model's only slot for good when a token is just being handed over then, which at
// the 7,000 a second of endless happens about every other time.
func (s *Server) CreateSlowModel(name string) {
	s.t.Helper()
	m := tinygen.DefaultChat()
	m.Endless, m.Layers, m.FF = true, 32, 1024
	s.CreateChatModel(name, m)
}

// CreateChatModel creates one that tinygen writes now. 32 layers of 1024 are 21 MB.
func (s *Server) CreateChatModel(name string, m tinygen.Chat) {
	s.t.Helper()
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		s.t.Fatal(err)
	}
	s.create(name, b.Bytes(), true)
}

// CreateBrokenModel creates one whose weights are cut off on the disk: Ollama lists it, and fails with a 500 whenever it is asked.
func (s *Server) CreateBrokenModel(name string) {
	s.t.Helper()
	m := tinygen.DefaultChat()
	m.Seed = 500 // a file of its own
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		s.t.Fatal(err)
	}
	s.create(name, b.Bytes(), true)
	blob := filepath.Join(s.Home, "models", "blobs", fmt.Sprintf("sha256-%x", sha256.Sum256(b.Bytes())))
	if err := os.Truncate(blob, int64(b.Len()/2)); err != nil {
		s.t.Fatal(err)
	}
}

func (s *Server) create(name string, gguf []byte, chat bool) {
	s.t.Helper()
	digest := fmt.Sprintf("sha256:%x", sha256.Sum256(gguf))
	s.post("/api/blobs/"+digest, bytes.NewReader(gguf))
	// One thread: more only wait for each other in a model this small (16 of them: 0.5 tokens a second, 1: 6,900).
	params := map[string]any{"temperature": 0, "num_ctx": 2048, "num_thread": 1}
	req := map[string]any{"model": name, "stream": false, "files": map[string]string{name + ".gguf": digest}, "parameters": params,
		"license": "test data of the Corral project"}
	if chat {
		tmpl, err := files.ReadFile("ollama/models/chat.tmpl")
		if err != nil {
			s.t.Fatal(err)
		}
		req["template"] = string(tmpl)
	}
	body, err := json.Marshal(req)
	if err != nil {
		s.t.Fatal(err)
	}
	if got := s.post("/api/create", bytes.NewReader(body)); !strings.Contains(got, "success") {
		s.t.Fatalf("create %s: %s", name, got)
	}
}

func (s *Server) post(path string, body io.Reader) string {
	s.t.Helper()
	r, err := http.Post(s.URL+path, "application/json", body)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if r.StatusCode > 299 {
		s.t.Fatalf("POST %s: %s: %s", path, r.Status, b)
	}
	return string(b)
}

// Output is what a command left behind.
type Output struct {
	Stdout, Stderr string
	Err            error // *exec.ExitError when it exited other than 0
}

// OllamaCLI runs the `ollama` command against host (host:port or a URL) in a home of its own, for a minute at most. It has no
// terminal and an empty standard input.
func OllamaCLI(t testing.TB, host string, args ...string) Output {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, ollamaProgram(t), args...)
	c.Env = ollamaEnv(t.TempDir(), host)
	var out, errs strings.Builder
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	return Output{out.String(), errs.String(), err}
}

// Registry serves an Ollama's models (its Home/models) as a registry and returns its URL; pull from it by the model name
// URL/library/NAME, with insecure on.
func Registry(t testing.TB, modelsDir string) string {
	return serve(t, registry.Handler(modelsDir))
}

// SlowRegistry is a Registry that sends so many bytes of weights a second: a pull from it can be watched, and cancelled in the middle.
func SlowRegistry(t testing.TB, modelsDir string, perSecond int) string {
	return serve(t, registry.Slow(registry.Handler(modelsDir), perSecond))
}

func serve(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections() // one that sends slowly would be waited for
		s.Close()
	})
	return s.URL
}
