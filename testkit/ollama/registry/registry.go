// Package registry serves an Ollama models folder as a read-only registry, so that a pull is a real one, with progress:
//
//	POST /api/pull {"model": "http://127.0.0.1:PORT/library/NAME", "insecure": true}
package registry

import (
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"time"
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

// Slow is h with the bodies of all its answers together no faster than so many bytes a second.
func Slow(h http.Handler, perSecond int) http.Handler {
	const slice = 20 * time.Millisecond
	turns := make(chan struct{}, 1) // who holds it may send
	turns <- struct{}{}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.ServeHTTP(&slow{ResponseWriter: w, r: r, turns: turns, each: max(1, perSecond/int(time.Second/slice)), slice: slice}, r)
	})
}

type slow struct {
	http.ResponseWriter
	r     *http.Request
	turns chan struct{}
	each  int // bytes a slice
	slice time.Duration
}

func (s *slow) Write(p []byte) (n int, err error) {
	for len(p) > 0 && err == nil {
		var m int
		m, err = s.piece(p[:min(len(p), s.each)])
		n, p = n+m, p[m:]
	}
	return n, err
}

func (s *slow) piece(p []byte) (int, error) {
	select {
	case <-s.turns:
	case <-s.r.Context().Done():
		return 0, s.r.Context().Err()
	}
	defer func() { s.turns <- struct{}{} }()
	select {
	case <-time.After(s.slice * time.Duration(len(p)) / time.Duration(s.each)):
	case <-s.r.Context().Done():
		return 0, s.r.Context().Err()
	}
	n, err := s.ResponseWriter.Write(p)
	http.NewResponseController(s.ResponseWriter).Flush()
	return n, err
}
