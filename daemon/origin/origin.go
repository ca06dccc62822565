// Package origin says what this program was made from: its version, Go, and the modules in it with their licences.
//
// Modules and versions are those that the linker wrote into the program, so they are true of this very program. The licences
// are from licences.txt, which `go run ./daemon/origin/licences` writes from the modules' own licence files; a test compares it
// with them. A module in another version than the file's has none here: nobody looked at its text.
package origin

import (
	_ "embed"
	"runtime"
	"runtime/debug"
	"strings"

	"corral/daemon/guard/injection"
)

// Module is a library in the program.
type Module struct {
	Path    string `json:"path"`
	Version string `json:"version"`
	Licence string `json:"licence,omitempty" doc:"SPDX identifiers of the texts in the module's licence files; none: they were not looked at"`
}

// Origin is what this program was made from.
type Origin struct {
	Version  string   `json:"version"`
	Commit   string   `json:"commit,omitempty" doc:"of the source, where the build knew it"`
	Go       string   `json:"go" doc:"version of Go that built it"`
	Platform string   `json:"platform" doc:"system and processor, such as linux/amd64"`
	Modules  []Module `json:"modules" doc:"libraries that are in the program"`
	Trained  string   `json:"trained" doc:"what the weights by which the guard tells injections are trained on, with its licences; Markdown"`
}

//go:embed licences.txt
var licences string

// Read reads what the linker wrote into this program. version is the release's.
func Read(version string) Origin {
	o := Origin{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Modules: []Module{}, Trained: injection.Sources()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return o
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			o.Commit = s.Value[:12]
		}
	}
	known := Licences()
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		o.Modules = append(o.Modules, Module{m.Path, m.Version, known[m.Path+" "+m.Version]})
	}
	return o
}

// Licences are those of licences.txt by "module version".
func Licences() map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(licences) {
		if f := strings.SplitN(strings.TrimSpace(line), " ", 3); len(f) == 3 && f[0] != "#" {
			known[f[0]+" "+f[1]] = f[2]
		}
	}
	return known
}
