//go:build !windows && !darwin

package autostart_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"corral/app/autostart"
)

func TestItIsOnFromTheUsersWordUntilTheUsersWord(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	e := autostart.Daemon("/opt/my corral/corral", "--data-dir", `/home/ann/100% "$data"\x`)
	is := func(want bool) {
		t.Helper()
		if on, err := e.Enabled(); err != nil || on != want {
			t.Fatalf("on %v (%v), want %v", on, err, want)
		}
	}
	is(false)
	if err := e.Disable(); err != nil {
		t.Error("what is off cannot be switched off:", err)
	}
	if err := e.Enable(); err != nil {
		t.Fatal(err)
	}
	is(true)
	at := filepath.Join(config, "autostart", "corral.desktop")
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	// The escapes of Exec, and over them those of every value.
	if want := `Exec="/opt/my corral/corral" "serve" "--data-dir" "/home/ann/100%% \\"\\$data\\"\\\\x"` + "\n"; !strings.Contains(string(b), want) {
		t.Errorf("%s\nhas no line %s", b, want)
	}

	for _, off := range []string{"Hidden=true\n", "X-GNOME-Autostart-enabled = false\n"} {
		if err := os.WriteFile(at, []byte("[Desktop Entry]\nExec=corral\n"+off), 0o600); err != nil {
			t.Fatal(err)
		}
		is(false)
	}
	if err := e.Set(true); err != nil {
		t.Fatal(err)
	}
	is(true)
	if err := e.Set(false); err != nil {
		t.Fatal(err)
	}
	is(false)
}

func TestAnEntryIsNotWrittenThroughALink(t *testing.T) {
	config := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", config)
	other := filepath.Join(config, "other")
	if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(config, "autostart"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(other, filepath.Join(config, "autostart", "corral.desktop")); err != nil {
		t.Fatal(err)
	}
	if err := autostart.Daemon("/usr/bin/corral").Enable(); err != nil {
		t.Fatal(err)
	}
	if b, _ := os.ReadFile(other); string(b) != "mine" {
		t.Errorf("%q", b)
	}
}

func TestALineEndIsRefused(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	if err := autostart.Daemon("/usr/bin/corral", "a\nExec=evil").Enable(); err == nil {
		t.Error("it was written")
	}
}
