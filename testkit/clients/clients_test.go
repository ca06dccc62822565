// Package clients has the official clients talk to Corral, unchanged: the npm ones in *.test.js, which this file runs, and the
// Go ones. Each asks Ollama directly as well, and the answers must agree.
package clients

import (
	"os"
	"os/exec"
	"testing"

	"corral/testkit"
)

// TestNode runs the npm clients. Node writes to this process's own output, so that its summary is seen in CI's log.
func TestNode(t *testing.T) {
	node, err := exec.LookPath("node")
	if err != nil {
		testkit.Missing(t, "no node on PATH")
	}
	if _, err := os.Stat("node_modules/.package-lock.json"); err != nil {
		testkit.Missing(t, "no node_modules: run npm ci in testkit/clients")
	}
	ollama := testkit.Ollama(t, "OLLAMA_NUM_PARALLEL=1")
	ollama.CreateSlowModel("slow")
	corral := testkit.Corral(t, testkit.BuildCorral(t), testkit.Uncached+testkit.InFrontOf(ollama))
	// One file at a time: a list of the models agrees with the last one only while nobody creates any.
	c := exec.CommandContext(t.Context(), node, "--test", "--test-reporter=spec", "--test-timeout=120000", "--test-concurrency=1")
	c.Env = append(os.Environ(), "OLLAMA_URL="+ollama.URL, "CORRAL_URL="+corral.URL)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	if err := c.Run(); err != nil {
		t.Errorf("npm clients: %v", err)
	}
}
