package autostart

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// path is that of a launch agent, see launchd.plist(5).
func (e Entry) path() (string, error) {
	at, err := folder(filepath.Join("..", "LaunchAgents")) // beside Application Support
	return filepath.Join(at, "io.corral."+e.ID+".plist"), err
}

// Enabled reports whether it starts at login.
func (e Entry) Enabled() (bool, error) {
	at, err := e.path()
	if err != nil {
		return false, err
	}
	_, err = os.Stat(at)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
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
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		return fmt.Errorf("start at login: %w", err)
	}
	if err := os.WriteFile(at, []byte(e.text()), 0o644); err != nil {
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
	var args strings.Builder
	for _, arg := range e.Command {
		args.WriteString("<string>")
		xml.EscapeText(&args, []byte(arg))
		args.WriteString("</string>")
	}
	return `<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">
<plist version="1.0"><dict>
<key>Label</key><string>io.corral.` + e.ID + `</string>
<key>ProgramArguments</key><array>` + args.String() + `</array>
<key>RunAtLoad</key><true/>
</dict></plist>
`
}
