package anchor_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"corral/daemon/anchor"
	"corral/daemon/outbound"
	"corral/store/ledger/treehead"
)

// heads are signed heads of a ledger, and what checks them.
func heads(t *testing.T, n int) (signed [][]byte, verifier note.Verifier) {
	t.Helper()
	private, public, err := treehead.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	if verifier, err = note.NewVerifier(public); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		s, err := treehead.Sign(treehead.Head{Origin: "corral/0123456789abcdef", Size: uint64(i + 1), Time: time.Unix(int64(i), 0)}, signer)
		if err != nil {
			t.Fatal(err)
		}
		signed = append(signed, s)
	}
	return signed, verifier
}

func open(t *testing.T, place string) treehead.Anchor {
	t.Helper()
	a, err := anchor.Open(place, outbound.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAHookIsSentTheNote(t *testing.T) {
	signed, verifier := heads(t, 2)
	var got []*http.Request
	var bodies []string
	take := func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got, bodies = append(got, r), append(bodies, string(b))
		w.WriteHeader(http.StatusAccepted)
		fmt.Fprintln(w, strings.Repeat("thanks ", 10_000))
	}
	s := httptest.NewServer(http.HandlerFunc(take))
	defer s.Close()
	for path, want := range map[string]string{"": "/", "/ledgers/a%2Fb": "/ledgers/a%2Fb"} {
		got, bodies = nil, nil
		a := open(t, s.URL+path)
		for _, h := range signed {
			if err := a.Publish(context.Background(), h); err != nil {
				t.Fatal(err)
			}
		}
		if len(got) != 2 || got[0].Method != "POST" || got[0].URL.EscapedPath() != want || !strings.HasPrefix(got[0].Header.Get("Content-Type"), "text/plain") ||
			got[0].Header.Get("Corral-Ledger") != "corral/0123456789abcdef" {
			t.Fatalf("%+v", got)
		}
		for i, b := range bodies {
			if h, err := treehead.Open([]byte(b), verifier); err != nil || h.Size != uint64(i+1) {
				t.Errorf("%v: %q", err, b)
			}
		}
		if _, ok := a.(treehead.Reader); ok || a.Name() != s.URL+path {
			t.Errorf("%q", a.Name())
		}
	}
}

// Over TLS, with a certificate that nobody vouches for: a head does not go to whoever says that he is the place.
func TestAHookOverTLSMustBeTrusted(t *testing.T) {
	signed, _ := heads(t, 1)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("it was sent") }))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	if err := open(t, s.URL).Publish(context.Background(), signed[0]); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
}

func TestAHookThatDoesNotTakeIt(t *testing.T) {
	signed, _ := heads(t, 1)
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") }))
	defer elsewhere.Close()
	for want, answer := range map[string]http.HandlerFunc{
		"answered 503 Service Unavailable": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) },
		"answered 404":                     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) },
		"points elsewhere": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		},
		"send to the hook": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	} {
		s := httptest.NewServer(answer)
		if err := open(t, s.URL).Publish(context.Background(), signed[0]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q: %v", want, err)
		}
		s.Close()
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if err := open(t, "http://"+l.Addr().String()).Publish(context.Background(), signed[0]); !errors.Is(err, outbound.ErrDial) {
		t.Error(err)
	}
}

func TestAHookThatIsSlow(t *testing.T) {
	signed, _ := heads(t, 1)
	arrived := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		close(arrived)
		<-r.Context().Done()
	}))
	defer s.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	go func() { <-arrived; cancel(enough) }() // as a deadline would
	if err := open(t, s.URL).Publish(ctx, signed[0]); !errors.Is(err, enough) {
		t.Error(err)
	}
}

func TestAHookWhoseAnswerNeverEnds(t *testing.T) {
	signed, _ := heads(t, 1)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 1024)); err != nil {
				return
			}
		}
	}))
	defer s.Close()
	if err := open(t, s.URL).Publish(context.Background(), signed[0]); err != nil {
		t.Error("its status was one of success:", err)
	}
}

func TestPlacesThatAreNone(t *testing.T) {
	for _, place := range []string{"", "anchor.log", "syslog:", "ftp://host/x", "http://%zz"} {
		if _, err := anchor.Open(place, outbound.Options{}); err == nil {
			t.Errorf("%q", place)
		}
	}
	if a := open(t, "syslog"); a.Name() != "syslog" {
		t.Error(a.Name())
	}
	file := filepath.Join(t.TempDir(), "anchor.log")
	if _, ok := open(t, file).(treehead.Reader); !ok {
		t.Error("a file can be read back")
	}
}

// What was collected can be read, however it was kept.
func TestRead(t *testing.T) {
	signed, verifier := heads(t, 3)
	file := filepath.Join(t.TempDir(), "anchor.log")
	for _, h := range signed {
		if err := open(t, file).Publish(context.Background(), h); err != nil {
			t.Fatal(err)
		}
	}
	lines, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var logged strings.Builder
	for l := range strings.Lines(string(lines)) {
		fmt.Fprintf(&logged, "Jan  2 03:04:05 box corral[12]: %s", l)
		logged.WriteString("Jan  2 03:04:05 box other: {\"note\": broken\n")
	}
	notes := string(bytes.Join(signed, nil))
	for name, text := range map[string]string{
		"a file": string(lines), "a log": logged.String(), "notes": notes, "notes apart": string(bytes.Join(signed, []byte("\n\n"))),
		"with carriage returns": strings.ReplaceAll(notes, "\n", "\r\n"), "cut short": notes + "corral/0123\n5\n", "mixed": string(signed[0]) + string(lines),
	} {
		got, err := anchor.Read(strings.NewReader(text))
		want := 3
		if name == "mixed" {
			want = 4
		}
		if err != nil || len(got) != want {
			t.Errorf("%s: %v, %d heads", name, err, len(got))
			continue
		}
		for _, h := range got {
			if _, err := treehead.Open(h, verifier); err != nil {
				t.Errorf("%s: %v: %q", name, err, h)
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("corral/1\n1\n\n— x y\n{\"note\":\"a\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := anchor.Read(bytes.NewReader(b))
		for _, h := range list {
			if len(h) == 0 || err == nil && len(h) > len(b)*3+3 {
				t.Errorf("%d bytes of %d", len(h), len(b))
			}
		}
	})
}

func TestNamesHoldNoPassword(t *testing.T) {
	u, err := url.Parse("https://me:secret@example.org/x")
	if err != nil {
		t.Fatal(err)
	}
	if name := (&anchor.Hook{URL: u}).Name(); strings.Contains(name, "secret") {
		t.Error(name)
	}
}
