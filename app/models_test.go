package app_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"corral/testkit"
	"corral/testkit/ollama/tinygen"
)

// TestModelsAtARealOllama: the commands, as a person would use them one after the other.
func TestModelsAtARealOllama(t *testing.T) {
	source := testkit.EmptyOllama(t)
	m := tinygen.DefaultChat()
	m.Seed = 11
	source.CreateChatModel("small", m)
	m.Layers, m.FF, m.Seed = 32, 1024, 12
	source.CreateChatModel("large", m)
	models := filepath.Join(source.Home, "models")
	small, large := testkit.Registry(t, models)+"/library/small", testkit.SlowRegistry(t, models, 1e6)+"/library/large"
	program := testkit.BuildCorral(t)
	corral := testkit.Corral(t, program, testkit.InFrontOf(testkit.Ollama(t))+"models: [ { name: chat, targets: [ { provider: local, model: tiny } ] } ]\n")
	command := func(args ...string) *exec.Cmd {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		t.Cleanup(cancel)
		c := exec.CommandContext(ctx, program, append([]string{"models", "--data-dir", filepath.Join(corral.Home, "data")}, args...)...)
		c.Env = []string{"HOME=" + corral.Home}
		return c
	}
	run := func(args ...string) string {
		t.Helper()
		out, err := command(args...).CombinedOutput()
		if err != nil {
			t.Errorf("corral models %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	has := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("no %q in:\n%s", w, out)
			}
		}
	}
	has(run("list"), "tiny:latest", "embed:latest", "F16", ", fits", "of memory are free")
	has(run("show", "tiny"), "4096 tokens", "the model chat", "completion, tools", "It needs about")
	has(run("pull", small, "--insecure"), "100 %", "is there (28")
	name := strings.TrimPrefix(small, "http://")
	has(run("list"), name+":latest")
	has(run("load", name, "--keep", "forever"), "is in memory")
	has(run("ps"), name+":latest")
	has(run("unload", name), "no longer in memory")
	has(run("ps"), "No model is in memory")
	has(run("rm", name), "is removed")
	if out, err := command("rm", "tiny").CombinedOutput(); err == nil || !strings.Contains(string(out), "the model chat") {
		t.Errorf("remove what the config names: %v %s", err, out)
	}

	// Ctrl-C ends the pull, not only the command.
	c := command("pull", large, "--insecure")
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if !testkit.Eventually(func() bool { return strings.Contains(run("pulls"), "running") }) {
		t.Fatal("nothing is pulled")
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err == nil || !strings.Contains(out.String(), "cancelled; what there is of it is kept") {
		t.Errorf("%v %s", err, out.String())
	}
	if !testkit.Eventually(func() bool { return strings.Contains(run("pulls"), "cancelled") }) {
		t.Error(run("pulls"))
	}
}
