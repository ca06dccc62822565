// Package frontend is the page: what Vite made of src, served from the program itself.
//
// The surprise: dist is committed, so that a plain `go build` of a clean clone gives a program whose page works. After a
// change in src, scripts/page builds it anew; scripts/check fails when the two differ.
package frontend

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed dist
var dist embed.FS

// policy lets the page load and ask nothing but what Corral itself serves. Styles may stand in elements: Mantine sets the
// sizes of its parts so.
const policy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// file is one of the page's. It is read and compressed when somebody wants it: most Corrals are never looked at.
type file struct {
	kind       string // Content-Type
	forever    bool   // its name changes with what it holds
	load       func()
	tag        string // ETag
	whole      []byte
	compressed []byte // by gzip; nil: it would not be smaller
}

// Handler serves the page at base, such as /ui/. An address without a file is one of the page's own.
func Handler(base string) http.Handler {
	files := load()
	return http.StripPrefix(base, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := files[r.URL.Path]
		if f == nil && path.Ext(r.URL.Path) != "" {
			http.NotFound(w, r) // of an older page, most likely
			return
		}
		if f == nil {
			f = files["index.html"]
		}
		f.serve(w, r)
	}))
}

func load() map[string]*file {
	files := map[string]*file{}
	err := fs.WalkDir(dist, "dist", func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(at, "dist/")
		f := &file{kind: kind(name), forever: strings.HasPrefix(name, "assets/")}
		f.load = sync.OnceFunc(func() {
			b, err := dist.ReadFile(at)
			if err != nil {
				panic(err) // what is embedded can be read
			}
			sum := sha256.Sum256(b)
			f.tag, f.whole, f.compressed = `"`+hex.EncodeToString(sum[:12])+`"`, b, compressed(b)
		})
		files[name] = f
		return nil
	})
	if err != nil {
		panic(err)
	}
	return files
}

// kind does not ask the machine's table of types, where .js may be text/plain.
func kind(name string) string {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	}
	return mime.TypeByExtension(path.Ext(name))
}

func compressed(b []byte) []byte {
	var out bytes.Buffer
	z, _ := gzip.NewWriterLevel(&out, gzip.BestCompression)
	z.Write(b)
	z.Close()
	if out.Len() >= len(b) {
		return nil
	}
	return out.Bytes()
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	f.load()
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a browser may hide the Origin that a change needs
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Content-Security-Policy", policy)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if f.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body, tag := f.whole, f.tag
	if f.compressed != nil && strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body, tag = f.compressed, strings.TrimSuffix(f.tag, `"`)+`-gz"`
	}
	h.Set("Etag", tag)
	if r.Header.Get("If-None-Match") == tag {
		h.Del("Content-Encoding")
		w.WriteHeader(http.StatusNotModified)
		return
	}
	w.Write(body) // to a HEAD nothing of it is sent
}
