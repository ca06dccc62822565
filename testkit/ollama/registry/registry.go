// Package registry serves an Ollama models folder as a read-only registry, so that a pull is a real one, with progress:
//
//	POST /api/pull {"model": "http://127.0.0.1:PORT/library/NAME", "insecure": true}
package registry

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
)

// One path segment: nothing in it may lead out of the folder.
var segment = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._:-]*$`)

// Handler serves the models folder dir.
func Handler(dir string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := strings.Split(strings.TrimPrefix(r.URL.Path, "/v2/"), "/") // library/NAME/manifests|blobs/REF
		if len(p) != 4 {
			http.NotFound(w, r)
			return
		}
		for _, s := range p {
			if !segment.MatchString(s) {
				http.NotFound(w, r)
				return
			}
		}
		switch p[2] {
		case "manifests":
			w.Header().Set("Content-Type", "application/vnd.docker.distribution.manifest.v2+json")
			http.ServeFile(w, r, filepath.Join(dir, "manifests", "registry.ollama.ai", p[0], p[1], p[3]))
		case "blobs":
			// Ollama's downloader asks the answer to a plain GET for its Location, then fetches ranges from there.
			w.Header().Set("Location", r.URL.Path)
			http.ServeFile(w, r, filepath.Join(dir, "blobs", strings.Replace(p[3], ":", "-", 1)))
		default:
			http.NotFound(w, r)
		}
	})
}
