// Package testkit runs the real things in tests: an Ollama server and its command, a llama.cpp server, a model registry,
// and Corral itself as a program. Each has a home of its own and a free loopback port, is stopped when its test ends, and
// shows what it printed when the test failed.
//
// A test that cannot have what it needs is skipped with the reason; under CORRAL_TEST_STRICT=1, as scripts/test sets it,
// it fails. CORRAL_TEST_OLLAMA names the ollama program (testkit/ollama/setup.sh builds one), CORRAL_TEST_LLAMA the folder that
// testkit/ollama/llama-server.sh filled.
//
// Surprising: a tiny model's answer does not depend on the question (see testkit/ollama/tinygen). Ask for temperature 0 on
// /v1 and /v1/messages: there Ollama takes 1 otherwise, whatever the model says, and the story takes turns of its own.
package testkit

import (
	"embed"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// Story is what tiny, tiny-v2 and (for its first round) endless say at temperature 0.
const Story = "Dawn came over the corral and every horse lifted its head. Rosa counted them twice, once for luck and once for the ledger. " +
	"Seven stood near the water, three under the cottonwood, one alone by the gate. She opened it slowly, so nobody would bolt. " +
	"Then she whistled, waited, whistled again, until hooves answered from far up the ridge. By noon all were home."

// Thought is what they think before it, when they may; a chat of Ollama's has it on unless told.
const Thought = "The user asked, so I recall a story."

//go:embed ollama/models ollama/llama-server.sh
var files embed.FS

// ModelFile writes a file of testkit/ollama/models, such as tiny-chat.gguf, to the test's folder and returns its path.
func ModelFile(t testing.TB, name string) string {
	t.Helper()
	return writeOut(t, "ollama/models/"+name)
}

func writeOut(t testing.TB, name string) string {
	t.Helper()
	b, err := files.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), filepath.Base(name))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Missing ends a test that cannot have what it needs: it is skipped, and under CORRAL_TEST_STRICT=1 it fails.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CORRAL_TEST_STRICT") == "1" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// FreeAddr is a loopback host:port on which nothing listens now.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
