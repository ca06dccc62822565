package config

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// ConfigPath is where the config is: the flag, CORRAL_CONFIG, corral/corral.yaml in the user's config folder, or
// /etc/corral/corral.yaml for a service when the user has none. Explicit says that somebody named it, so that it must be
// there. The path is empty when there is nowhere to look.
func ConfigPath(flag string) (path string, explicit bool) { return here().configPath(flag) }

// DataDir is where the data is: the flag, CORRAL_DATA_DIR, the folder that systemd made (STATE_DIRECTORY),
// /var/lib/corral for a service, or corral in the user's data folder. It does not make the folder.
func DataDir(flag string) (string, error) { return here().dataDir(flag) }

// UserFolder is where this user's programs keep their config: what starts at login stands below it. It is empty when HOME
// is not set.
func UserFolder() string { return here().userConfig() }

// machine is what the places depend on.
type machine struct {
	lookup   func(string) (string, bool)
	goos     string
	uid, pid int // uid is -1 on Windows
	isFile   func(string) bool
}

func here() machine {
	return machine{
		lookup: os.LookupEnv,
		goos:   runtime.GOOS,
		uid:    os.Getuid(),
		pid:    os.Getpid(),
		isFile: func(path string) bool {
			info, err := os.Stat(path)
			return err == nil && info.Mode().IsRegular()
		},
	}
}

func (m machine) configPath(flag string) (string, bool) {
	if flag != "" {
		return flag, true
	}
	if path := m.env("CORRAL_CONFIG"); path != "" {
		return path, true
	}
	user := ""
	if folder := m.userConfig(); folder != "" {
		user = filepath.Join(folder, "corral", "corral.yaml")
	}
	const system = "/etc/corral/corral.yaml"
	if m.service() && (user == "" || !m.isFile(user)) && m.isFile(system) {
		return system, false
	}
	return user, false
}

func (m machine) dataDir(flag string) (string, error) {
	for _, named := range []string{flag, m.env("CORRAL_DATA_DIR")} {
		if named != "" {
			return filepath.Abs(named)
		}
	}
	if made, _, _ := strings.Cut(m.env("STATE_DIRECTORY"), ":"); made != "" {
		return made, nil
	}
	if m.service() {
		return "/var/lib/corral", nil
	}
	if folder := m.userData(); folder != "" {
		return filepath.Join(folder, "corral"), nil
	}
	return "", errors.New("no folder for data: HOME is not set; name one with --data-dir or CORRAL_DATA_DIR")
}

// service says whether the process runs for the machine and not for a person: as root, or started by the system's own
// systemd. INVOCATION_ID alone does not tell: terminals that a desktop starts as units hand it on to their shells, but
// then SYSTEMD_EXEC_PID names the terminal; and a user's own systemd sets MANAGERPID (systemd.exec(5)).
func (m machine) service() bool {
	if m.goos == "windows" {
		return false
	}
	if m.uid == 0 {
		return true
	}
	pid := m.env("SYSTEMD_EXEC_PID")
	return m.env("INVOCATION_ID") != "" && m.env("MANAGERPID") == "" && (pid == "" || pid == strconv.Itoa(m.pid))
}

func (m machine) userConfig() string {
	switch m.goos {
	case "windows":
		return m.env("AppData")
	case "darwin":
		return m.home("Library/Application Support")
	}
	return m.xdg("XDG_CONFIG_HOME", ".config")
}

func (m machine) userData() string {
	switch m.goos {
	case "windows":
		return m.env("LocalAppData")
	case "darwin":
		return m.home("Library/Application Support")
	}
	return m.xdg("XDG_DATA_HOME", ".local/share")
}

// xdg is a folder of the XDG Base Directory Specification, which says to ignore a path that is not absolute.
func (m machine) xdg(name, other string) string {
	if folder := m.env(name); filepath.IsAbs(folder) {
		return folder
	}
	return m.home(other)
}

func (m machine) home(folder string) string {
	home := m.env("HOME")
	if home == "" {
		return ""
	}
	return filepath.Join(home, filepath.FromSlash(folder))
}

func (m machine) env(name string) string {
	value, _ := m.lookup(name)
	return value
}

// Editor is the program that this person edits texts with (VISUAL, EDITOR), with its arguments.
func Editor() []string {
	m := here()
	for _, name := range []string{"VISUAL", "EDITOR"} {
		if words := strings.Fields(m.env(name)); len(words) > 0 {
			return words
		}
	}
	if m.goos == "windows" {
		return []string{"notepad"}
	}
	return []string{"vi"}
}
