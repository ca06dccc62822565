package providertest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"corral/daemon/llm"
	"corral/testkit/raw"
)

// keys answers with the keys that it is shown.
func (s *suite) keys() *raw.Server {
	return s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		return raw.Say(nc, 200, "Content-Type: application/json\r\n", shown(hr.Header["Authorization"], hr.Header["X-Api-Key"]))
	})
}

// shown is the answer of a server that saw these.
func shown(authorization, apiKey []string) string {
	return fmt.Sprintf(`{"shown":%q}`, fmt.Sprint(authorization, apiKey))
}

func callersKey(s *suite, c *call) {
	r := c.plain(s.t)
	r.Header["Authorization"], r.Header["X-Api-Key"] = []string{"Bearer theirs"}, []string{"theirs too"}
	if _, got, err := ask(s.t.Context(), s.provider(s.keys().URL), r); err != nil || got != shown([]string{"Bearer theirs"}, []string{"theirs too"}) {
		s.t.Errorf("%v %s", err, got)
	}
}

func ownKey(s *suite, c *call) {
	if s.Key == "" {
		s.t.Skip("this kind has no key of its own")
	}
	asked := 0
	s.key = func() (string, error) { asked++; return secret, nil }
	r := c.plain(s.t)
	r.Header["Authorization"], r.Header["X-Api-Key"] = []string{"Bearer theirs"}, []string{"theirs too"}
	h := http.Header{s.Key: {s.Value(secret)}}
	want := shown(h["Authorization"], h["X-Api-Key"])
	if _, got, err := ask(s.t.Context(), s.provider(s.keys().URL), r); err != nil || got != want || asked != 1 {
		s.t.Errorf("%v %s, want %s", err, got, want)
	}
	if r.Header.Get("Authorization") != "Bearer theirs" || r.Header.Get("X-Api-Key") != "theirs too" {
		s.t.Errorf("the caller's own headers were changed: %v", r.Header)
	}
	srv := s.keys()
	s.key = func() (string, error) { return "", errors.New("the keyring is locked") }
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), r)
	wants(s.t, "no key to be had", err, llm.Internal)
	if err := s.provider(srv.URL).Probe(s.t.Context()); err == nil {
		s.t.Error("a probe without its key")
	}
	if n := srv.Connections.Load(); n != 0 {
		s.t.Error("the server was asked without the key")
	}
}

func keyUnseen(s *suite, c *call) {
	if s.Key == "" {
		s.t.Skip("this kind has no key of its own")
	}
	s.key = func() (string, error) { return secret, nil }
	s.timeouts.FirstToken = 30 * time.Millisecond
	for what, answer := range map[string]func(nc net.Conn) bool{
		"broken":     func(nc net.Conn) bool { return false },
		"no HTTP":    func(nc net.Conn) bool { io.WriteString(nc, "x\r\n"); return false },
		"redirected": func(nc net.Conn) bool { return raw.Say(nc, 302, "Location: http://127.0.0.1:1/\r\n", "") },
		"hung":       func(nc net.Conn) bool { raw.Closed(nc); return false },
		"garbage":    func(nc net.Conn) bool { raw.Begin(nc, c.contentType); raw.Chunk(nc, "data: x\n\n"); return raw.End(nc) },
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); return answer(nc) })
		_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		if err == nil {
			s.t.Errorf("%s: no error", what)
		} else if e := llm.AsError(err); strings.Contains(fmt.Sprintf("%v %+v %#v %s", err, e, e.Message, e.Err), secret) {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	// Servers repeat the key that they do not take, in an answer that is an error and in one that only says so.
	for what, answer := range map[string]func(nc net.Conn, said string) bool{
		"refused": func(nc net.Conn, said string) bool {
			return raw.Say(nc, 401, "Content-Type: application/json\r\n", said)
		},
		"failed": func(nc net.Conn, said string) bool {
			return raw.Say(nc, 200, "Content-Type: application/json\r\n", said)
		},
		"in the stream": func(nc net.Conn, said string) bool {
			raw.Begin(nc, c.contentType)
			raw.Chunk(nc, map[bool]string{true: "event: error\ndata: " + said + "\n\n", false: said + "\n"}[strings.Contains(c.contentType, "event-stream")])
			return raw.End(nc)
		},
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			return answer(nc, `{"type":"error","error":{"type":"authentication_error","message":"Incorrect API key provided: `+secret+`."}}`)
		})
		for _, r := range []*llm.Request{c.plain(s.t), c.streaming(s.t)} {
			_, got, err := ask(s.t.Context(), s.provider(srv.URL), r)
			if said := fmt.Sprintf("%s %v", got, err); strings.Contains(said, secret) || !strings.Contains(said, "[key]") && !strings.Contains(what, "stream") {
				s.t.Errorf("%s: %s", what, said)
			} else if e := llm.AsError(err); err != nil && strings.Contains(fmt.Sprint(e.Message, e.Err), secret) {
				s.t.Errorf("%s: %v", what, err)
			}
		}
	}
	_, _, err := ask(s.t.Context(), s.provider("http://127.0.0.1:1"), c.streaming(s.t))
	if err == nil || strings.Contains(err.Error(), secret) {
		s.t.Errorf("unreachable: %v", err)
	}
	// A key that would be two headers is not sent.
	srv := s.keys()
	s.key = func() (string, error) { return secret + "\r\nX-Evil: 1", nil }
	if _, got, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t)); err == nil || strings.Contains(err.Error(), secret) {
		s.t.Errorf("%v %q", err, got)
	}
}
