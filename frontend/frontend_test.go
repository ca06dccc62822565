package frontend_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"corral/frontend"
)

func get(t *testing.T, path string, header ...string) (*http.Response, string) {
	t.Helper()
	r := httptest.NewRequest("GET", path, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	frontend.Handler("/ui/").ServeHTTP(w, r)
	res := w.Result()
	var body io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" {
		z, err := gzip.NewReader(body)
		if err != nil {
			t.Fatal(err)
		}
		body = z
	}
	b, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func TestAllThatThePageAsksForIsThere(t *testing.T) {
	res, index := get(t, "/ui/")
	if res.StatusCode != 200 || res.Header.Get("Cache-Control") != "no-cache" || !strings.Contains(res.Header.Get("Content-Security-Policy"), "script-src 'self'") {
		t.Fatalf("GET /ui/: %d, %v", res.StatusCode, res.Header)
	}
	asked := regexp.MustCompile(`(?:src|href)="(/ui/[^"]+)"`).FindAllStringSubmatch(index, -1)
	if len(asked) < 4 {
		t.Fatalf("the page asks for %v", asked)
	}
	kinds := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
	for _, m := range asked {
		res, body := get(t, m[1])
		if res.StatusCode != 200 || body == "" || res.Header.Get("Content-Type") != kinds[m[1][strings.LastIndex(m[1], "."):]] {
			t.Errorf("GET %s: %d, %q", m[1], res.StatusCode, res.Header.Get("Content-Type"))
		}
		forever := strings.Contains(res.Header.Get("Cache-Control"), "immutable")
		if want := strings.HasPrefix(m[1], "/ui/assets/"); forever != want {
			t.Errorf("GET %s: kept for good is %v, want %v", m[1], forever, want)
		}
	}
}

func TestAddressesOfThePage(t *testing.T) {
	_, index := get(t, "/ui/")
	if _, got := get(t, "/ui/calls"); got != index {
		t.Error("an address of the page's own does not give the page")
	}
	// The script of an older page must not be answered with HTML: the browser would call that a broken page.
	if res, _ := get(t, "/ui/assets/index-older.js"); res.StatusCode != 404 {
		t.Errorf("a file that is not there: %d", res.StatusCode)
	}
}

func TestWhatABrowserHasIsNotSentAgain(t *testing.T) {
	for _, encoding := range []string{"", "gzip"} {
		res, whole := get(t, "/ui/before.js", "Accept-Encoding", encoding)
		if res.Header.Get("Content-Encoding") != encoding || !strings.Contains(whole, "localStorage") {
			t.Errorf("encoding %q: got %q", encoding, res.Header.Get("Content-Encoding"))
		}
		again, body := get(t, "/ui/before.js", "Accept-Encoding", encoding, "If-None-Match", res.Header.Get("Etag"))
		if again.StatusCode != 304 || body != "" {
			t.Errorf("encoding %q: %d with %d bytes", encoding, again.StatusCode, len(body))
		}
	}
}
