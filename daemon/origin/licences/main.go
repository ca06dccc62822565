// Licences writes licences.txt anew, from the licence files of the modules that are in the program on any system.
// It runs in the repository: go run ./daemon/origin/licences
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const header = "# Modules in the program on any system, with the licences that their own files hold. Made by: go run ./daemon/origin/licences\n"

func main() {
	if err := write("daemon/origin/licences.txt"); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func write(path string) error {
	var lines []string
	for _, system := range []string{"linux", "darwin", "windows", "freebsd"} {
		found, err := modules(".", "GOOS="+system, "GOARCH=amd64", "CGO_ENABLED=0")
		if err != nil {
			return err
		}
		lines = append(lines, found...)
	}
	desktop, err := modules(".", "CGO_ENABLED=1", "GOFLAGS=-tags=desktop")
	if err != nil {
		return err
	}
	lines = append(lines, desktop...)
	slices.Sort(lines)
	return os.WriteFile(path, []byte(header+strings.Join(slices.Compact(lines), "\n")+"\n"), 0o644)
}

// modules are "module version licences" of all that the program in the folder root is built from, for a system.
func modules(root string, environment ...string) (lines []string, err error) {
	c := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}} {{.Dir}}{{end}}{{end}}", ".")
	c.Dir, c.Env, c.Stderr = root, append(os.Environ(), environment...), os.Stderr
	b, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(f) != 3 || seen[f[0]] {
			continue
		}
		seen[f[0]] = true
		text, err := texts(f[2])
		if err != nil {
			return nil, err
		}
		found := identify(text)
		if len(found) == 0 {
			return nil, fmt.Errorf("%s: no licence that is known here; look at %s", f[0], f[2])
		}
		lines = append(lines, f[0]+" "+f[1]+" "+strings.Join(found, ", "))
	}
	slices.Sort(lines)
	return lines, nil
}

// texts are those of the licence files in a module's folder.
func texts(dir string) (string, error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var all strings.Builder
	for _, f := range files {
		name := strings.ToUpper(f.Name())
		if f.IsDir() || !strings.HasPrefix(name, "LICEN") && !strings.HasPrefix(name, "COPYING") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			return "", err
		}
		all.Write(b)
		all.WriteByte('\n')
	}
	return all.String(), nil
}

// identify names the licences whose texts are in a file, by sentences that stand in no other one, as SPDX identifiers. A file may
// hold several, for parts that came from elsewhere.
func identify(text string) (found []string) {
	text = strings.ToLower(strings.Join(strings.Fields(text), " "))
	has := func(sentence string) bool { return strings.Contains(text, sentence) }
	if has("apache license") && has("version 2.0") {
		found = append(found, "Apache-2.0")
	}
	if has("redistributions in binary form must reproduce") {
		if has("endorse or promote products derived from") {
			found = append(found, "BSD-3-Clause")
		} else {
			found = append(found, "BSD-2-Clause")
		}
	}
	if has("permission to use, copy, modify, and/or distribute this software for any purpose") ||
		has("permission to use, copy, modify, and distribute this software for any purpose") {
		found = append(found, "ISC")
	}
	if has("permission is hereby granted, free of charge, to any person obtaining a copy") {
		found = append(found, "MIT")
	}
	switch {
	case has("mozilla public license") && has("version 2.0"): // it names the GNU licences itself
		found = append(found, "MPL-2.0")
	case has("gnu lesser general public license"):
		found = append(found, "LGPL")
	case has("gnu general public license"):
		found = append(found, "GPL")
	}
	return found
}
