package outbound

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/testkit"
)

// secure is a server that speaks HTTPS, and a Client that trusts it.
type secure struct {
	*Client
	server      *httptest.Server
	connections atomic.Int64
}

func eachHTTP(t *testing.T, h http.HandlerFunc, f func(t *testing.T, s *secure)) {
	for _, two := range []bool{false, true} {
		name := map[bool]string{false: "HTTP/1.1", true: "HTTP/2.0"}[two]
		t.Run(name, func(t *testing.T) {
			check := testkit.Goroutines(t)
			s := &secure{}
			s.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Proto != name {
					t.Errorf("%s, want %s", r.Proto, name)
				}
				h(w, r)
			}))
			s.server.EnableHTTP2 = two
			s.server.Config.ErrorLog = log.New(io.Discard, "", 0)
			s.server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
				if state == http.StateNew {
					s.connections.Add(1)
				}
			}
			s.server.StartTLS()
			base, err := url.Parse(s.server.URL)
			if err != nil {
				t.Fatal(err)
			}
			s.Client = New(base, Options{})
			s.std.TLSClientConfig = s.server.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
			t.Cleanup(func() {
				s.Close()
				s.server.Close()
				check()
			})
			f(t, s)
		})
	}
}

func (s *secure) ask(ctx context.Context, call *Call, idle time.Duration) (*Response, string, error) {
	res, err := s.Do(ctx, call)
	if err != nil {
		return nil, "", err
	}
	defer res.Close()
	if idle > 0 {
		res.SetIdle(idle)
	}
	b, err := io.ReadAll(res)
	return res, string(b), err
}

func TestHTTPS(t *testing.T) {
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path == "/redirect" {
			w.Header().Set("Location", "https://elsewhere.example/")
			w.WriteHeader(http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("X-Saw", strings.Join([]string{r.Method, r.RequestURI, r.Header.Get("X-Key"), "[" + r.Header.Get("Accept-Encoding") + "]"}, " "))
		w.WriteHeader(http.StatusTeapot)
		w.Write(body)
	}, func(t *testing.T, s *secure) {
		large := strings.Repeat("0123456789abcdef", 1<<16)
		for _, call := range []*Call{
			{Method: "POST", Path: "/a%20b?c=d", Header: http.Header{"X-Key": {"k"}}, Body: [][]byte{[]byte(large[:5]), []byte(large[5:])}, Replay: true},
			{Method: "POST", Path: "/a%20b?c=d", Header: http.Header{"X-Key": {"k"}}, Source: strings.NewReader(large), Length: int64(len(large))},
			{Method: "POST", Path: "/a%20b?c=d", Header: http.Header{"X-Key": {"k"}}, Source: strings.NewReader(large), Length: -1},
		} {
			res, got, err := s.ask(t.Context(), call, 0)
			if err != nil || res.Status != http.StatusTeapot || got != large || res.Header.Get("X-Saw") != "POST /a%20b?c=d k []" {
				t.Errorf("%d bytes, %v: %+v", len(got), err, res)
			}
		}
		if res, _, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/redirect"}, 0); err != nil || res.Status != http.StatusTemporaryRedirect {
			t.Errorf("a redirect was followed: %+v %v", res, err)
		}
		if res, got, err := s.ask(t.Context(), &Call{Method: "HEAD", Path: "/"}, 0); err != nil || res.Status != http.StatusTeapot || got != "" {
			t.Errorf("%+v %v", res, err)
		}
		if n := s.connections.Load(); n != 1 {
			t.Errorf("%d connections", n)
		}
		for name, call := range map[string]*Call{
			"path":  {Method: "GET", Path: "/ HTTP/1.1\r\nHost: x\r\n\r\n"},
			"value": {Method: "GET", Path: "/", Header: http.Header{"X-A": {"a\r\nX-B: c"}}},
			"name":  {Method: "GET", Path: "/", Header: http.Header{"X-A: b\r\nX-C": {"d"}}},
		} {
			if res, _, err := s.ask(t.Context(), call, 0); err == nil {
				t.Errorf("%s: sent, and answered with %d", name, res.Status)
			}
		}
	})
}

func TestHTTPSGivesUpInTime(t *testing.T) {
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/silent" {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done() // for ever, unless the client hangs up
	}, func(t *testing.T, s *secure) {
		_, _, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/silent", FirstByte: 30 * time.Millisecond}, 0)
		if !errors.Is(err, ErrTimeout) {
			t.Errorf("no first byte: %v", err)
		}
		_, got, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/", FirstByte: time.Minute}, 30*time.Millisecond)
		if !errors.Is(err, ErrTimeout) || got != "some" {
			t.Errorf("no more: %q %v", got, err)
		}
	})
}

func TestHTTPSTheFirstBytesDeadlineIsNotTheBodys(t *testing.T) {
	more := make(chan struct{})
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/silent" {
			<-r.Context().Done()
			return
		}
		w.(http.Flusher).Flush()
		<-more
		io.WriteString(w, "all")
	}, func(t *testing.T, s *secure) {
		const first = 300 * time.Millisecond
		res, err := s.Do(t.Context(), &Call{Method: "GET", Path: "/", FirstByte: first})
		if err != nil {
			t.Fatal(err)
		}
		defer res.Close()
		// When one that began later is over its deadline, so is this one.
		if _, _, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/silent", FirstByte: first}, 0); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		more <- struct{}{}
		if b, err := io.ReadAll(res); string(b) != "all" || err != nil {
			t.Errorf("%q %v", b, err)
		}
	})
}

func TestHTTPSTheEndOfTheContext(t *testing.T) {
	why := errors.New("the caller left")
	begun, ended := make(chan struct{}), make(chan struct{})
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/silent" {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		begun <- struct{}{}
		<-r.Context().Done()
		ended <- struct{}{}
	}, func(t *testing.T, s *secure) {
		for _, path := range []string{"/silent", "/body"} {
			ctx, leave := context.WithCancelCause(context.Background())
			go func() { <-begun; leave(why) }()
			if _, _, err := s.ask(ctx, &Call{Method: "GET", Path: path}, time.Minute); !errors.Is(err, why) {
				t.Errorf("%s: %v", path, err)
			}
			<-ended
		}
		// An answer that nobody reads to its end is given up too.
		res, err := s.Do(t.Context(), &Call{Method: "GET", Path: "/body"})
		if err != nil {
			t.Fatal(err)
		}
		<-begun
		res.Close()
		<-ended
	})
}

func TestHTTPSAnAnswerThatBreaksOff(t *testing.T) {
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/body" {
			io.WriteString(w, "some")
			w.(http.Flusher).Flush()
		}
		panic(http.ErrAbortHandler)
	}, func(t *testing.T, s *secure) {
		if _, _, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/"}, 0); err == nil || errors.Is(err, ErrDial) || errors.Is(err, ErrTimeout) {
			t.Errorf("before the head: %v", err)
		}
		if _, got, err := s.ask(t.Context(), &Call{Method: "GET", Path: "/body"}, 0); err == nil || err == io.EOF || got != "some" {
			t.Errorf("in the body: %q %v", got, err)
		}
	})
}

func TestHTTPSAServerThatIsNotTrusted(t *testing.T) {
	eachHTTP(t, func(w http.ResponseWriter, r *http.Request) {}, func(t *testing.T, s *secure) {
		other := New(&s.base, Options{})
		defer other.Close()
		if _, err := other.Do(t.Context(), &Call{Method: "GET", Path: "/"}); err == nil || !strings.Contains(err.Error(), "certificate") {
			t.Errorf("%v", err)
		}
	})
}

func TestACertificatesEndIsTakenDown(t *testing.T) {
	eachHTTP(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "x") }, func(t *testing.T, s *secure) {
		if !s.CertificateEnds().IsZero() {
			t.Error("an end before any connection")
		}
		s.std.TLSClientConfig.VerifyConnection = s.verified
		res, err := s.Do(t.Context(), &Call{Method: "GET", Path: "/"})
		if err != nil {
			t.Fatal(err)
		}
		res.Close()
		if want := s.server.Certificate().NotAfter; !s.CertificateEnds().Equal(want) {
			t.Errorf("%v, want %v", s.CertificateEnds(), want)
		}
		base, _ := url.Parse(s.server.URL)
		if New(base, Options{}).std.TLSClientConfig.VerifyConnection == nil {
			t.Error("a Client of its own does not look")
		}
	})
}
