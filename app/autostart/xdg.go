//go:build !windows && !darwin

package autostart

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// path follows https://specifications.freedesktop.org/autostart-spec/0.5/.
func (e Entry) path() (string, error) {
	at, err := folder("autostart")
	return filepath.Join(at, e.ID+".desktop"), err
}

// Enabled reports whether it starts at login.
func (e Entry) Enabled() (bool, error) {
	at, err := e.path()
	if err != nil {
		return false, err
	}
	b, err := os.ReadFile(at)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("start at login: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch strings.TrimSpace(key) + "=" + strings.TrimSpace(value) {
		case "Hidden=true", "X-GNOME-Autostart-enabled=false":
			return false, nil
		}
	}
	return true, nil
}

// Enable has it start from the next login on.
func (e Entry) Enable() error {
	if err := e.check(); err != nil {
		return err
	}
	at, err := e.path()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	// A file that is there already may be anybody's link to elsewhere: it is exchanged, not written through.
	made, err := os.CreateTemp(filepath.Dir(at), ".corral")
	if err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	defer os.Remove(made.Name())
	_, err = made.WriteString(e.text())
	if err = errors.Join(err, made.Chmod(0o644), made.Close()); err == nil {
		err = os.Rename(made.Name(), at)
	}
	if err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	return nil
}

// Disable has it start no more.
func (e Entry) Disable() error {
	at, err := e.path()
	if err != nil {
		return err
	}
	if err := os.Remove(at); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("start at login: %w", err)
	}
	return nil
}

func (e Entry) text() string {
	quoted := make([]string, len(e.Command))
	for i, arg := range e.Command {
		quoted[i] = quote(arg)
	}
	return "[Desktop Entry]\nType=Application\nName=" + escape(e.Title) + "\nComment=" + escape(e.Comment) +
		"\nIcon=corral\nExec=" + escape(strings.Join(quoted, " ")) + "\nTerminal=false\nX-GNOME-Autostart-enabled=true\n"
}

// quote writes an argument as the Exec key wants it
// (https://specifications.freedesktop.org/desktop-entry-spec/1.5/exec-variables.html).
func quote(arg string) string {
	arg = strings.ReplaceAll(arg, "%", "%%") // a single one begins a field code
	return `"` + strings.NewReplacer(`"`, `\"`, "`", "\\`", `$`, `\$`, `\`, `\\`).Replace(arg) + `"`
}

// escape writes a value of type string: the file's own escapes come after those of Exec.
func escape(value string) string { return strings.ReplaceAll(value, `\`, `\\`) }
