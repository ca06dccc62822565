package config

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"
)

func TestWhereTheConfigAndTheDataAre(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths in the table are those of other systems")
	}
	const etc = "/etc/corral/corral.yaml"
	home := map[string]string{"HOME": "/home/a"}
	for _, test := range []struct {
		name        string
		goos        string
		root        bool
		environment map[string]string
		files       []string
		flag        string
		config      string
		explicit    bool
		data        string // empty: an error
	}{
		{name: "a person", environment: home, files: []string{etc},
			config: "/home/a/.config/corral/corral.yaml", data: "/home/a/.local/share/corral"},
		{name: "a person with folders of their own", environment: map[string]string{"HOME": "/home/a", "XDG_CONFIG_HOME": "/c", "XDG_DATA_HOME": "/d"},
			config: "/c/corral/corral.yaml", data: "/d/corral"},
		{name: "a folder that is not absolute is ignored", environment: map[string]string{"HOME": "/home/a", "XDG_CONFIG_HOME": "c", "XDG_DATA_HOME": "d"},
			config: "/home/a/.config/corral/corral.yaml", data: "/home/a/.local/share/corral"},
		{name: "macOS", goos: "darwin", environment: home,
			config: "/home/a/Library/Application Support/corral/corral.yaml", data: "/home/a/Library/Application Support/corral"},
		{name: "Windows", goos: "windows", environment: map[string]string{"AppData": "/roaming", "LocalAppData": "/local", "INVOCATION_ID": "1"}, files: []string{etc},
			config: "/roaming/corral/corral.yaml", data: "/local/corral"},
		{name: "the flag", flag: "/f", environment: map[string]string{"CORRAL_CONFIG": "/e", "CORRAL_DATA_DIR": "/e"},
			config: "/f", explicit: true, data: "/f"},
		{name: "the variables", environment: map[string]string{"HOME": "/home/a", "CORRAL_CONFIG": "/e/c", "CORRAL_DATA_DIR": "/e/d", "STATE_DIRECTORY": "/s"},
			config: "/e/c", explicit: true, data: "/e/d"},
		{name: "root", root: true, environment: map[string]string{"HOME": "/root"}, files: []string{etc},
			config: etc, data: "/var/lib/corral"},
		{name: "root with a config of its own", root: true, environment: map[string]string{"HOME": "/root"}, files: []string{etc, "/root/.config/corral/corral.yaml"},
			config: "/root/.config/corral/corral.yaml", data: "/var/lib/corral"},
		{name: "root without any config", root: true, environment: map[string]string{"HOME": "/root"},
			config: "/root/.config/corral/corral.yaml", data: "/var/lib/corral"},
		{name: "a unit of the system", environment: map[string]string{"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "7", "STATE_DIRECTORY": "/var/lib/corral:/var/lib/more"}, files: []string{etc},
			config: etc, data: "/var/lib/corral"},
		{name: "a unit of an older systemd", environment: map[string]string{"INVOCATION_ID": "1", "HOME": "/home/a"}, files: []string{etc},
			config: etc, data: "/var/lib/corral"},
		{name: "a shell in a terminal that is a unit", environment: map[string]string{"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "6", "HOME": "/home/a"}, files: []string{etc},
			config: "/home/a/.config/corral/corral.yaml", data: "/home/a/.local/share/corral"},
		{name: "a unit of a person", environment: map[string]string{"INVOCATION_ID": "1", "SYSTEMD_EXEC_PID": "7", "MANAGERPID": "2", "HOME": "/home/a"}, files: []string{etc},
			config: "/home/a/.config/corral/corral.yaml", data: "/home/a/.local/share/corral"},
		{name: "nowhere", config: "", data: ""},
	} {
		m := machine{
			lookup: lookup(test.environment),
			goos:   test.goos,
			uid:    1000,
			pid:    7,
			isFile: func(path string) bool { return slices.Contains(test.files, path) },
		}
		if test.root {
			m.uid = 0
		}
		config, explicit := m.configPath(test.flag)
		if config != filepath.FromSlash(test.config) || explicit != test.explicit {
			t.Errorf("%s: config %s, explicit %v", test.name, config, explicit)
		}
		data, err := m.dataDir(test.flag)
		if data != filepath.FromSlash(test.data) || (err != nil) != (test.data == "") {
			t.Errorf("%s: data %s, %v", test.name, data, err)
		}
	}
}
