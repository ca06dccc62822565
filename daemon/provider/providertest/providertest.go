// Package providertest is the suite that every provider passes. A new kind of provider calls Run from its own test, with
// what is particular to it in a Kind.
//
// The server on the other side is a bare TCP one, so that it can break in ways that net/http's would not.
package providertest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/relay"
	"corral/testkit"
	"corral/testkit/raw"
)

// Kind is a kind of provider under test.
type Kind struct {
	// New makes one. key gives the provider's own key; nil: it has none.
	New func(o relay.Options, key func() (string, error)) provider.Provider
	// Base is a path of the server under which its API stands, and Path where it then has one of Corral's paths.
	Base string
	Path func(corral string) string
	// Dialects are those it speaks.
	Dialects []llm.Dialect
	// Key is the header by which it shows a key of its own, and Value what stands in it; empty: it has none.
	Key   string
	Value func(key string) string
	// Probe is the path by which it looks whether the server is there.
	Probe string
	// Beside are paths that it asks for beside calls, over connections of their own, and what it is told.
	Beside map[string]string
}

const (
	name   = "under-test"
	secret = "sk-secret-0123456789"
)

type suite struct {
	Kind
	t        *testing.T
	timeouts relay.Timeouts
	key      func() (string, error)
}

// Run runs the suite.
func Run(t *testing.T, k Kind) {
	all := calls()
	for _, d := range k.Dialects {
		c := all[d]
		t.Run(d.String(), func(t *testing.T) {
			for _, test := range []struct {
				name string
				run  func(s *suite, c *call)
			}{
				{"an answer is relayed byte for byte", relayed},
				{"a stream is relayed byte for byte", streamed},
				{"the model is renamed in place", renamed},
				{"a stream begins with its first content", begins},
				{"a stream that fails before content is an error", failsBefore},
				{"a stream that breaks after content ends with an error", breaksAfter},
				{"the server's own word of failure is passed on", saysSo},
				{"a server that hangs is given up", hangs},
				{"error answers are relayed", refused},
				{"a caller who leaves has the connection closed", leaves},
				{"redirects to another host are refused", redirected},
				{"headers of the connection stay behind", headers},
				{"the caller's key", callersKey},
				{"a key of its own", ownKey},
				{"no error shows a key", keyUnseen},
				{"HEAD", headOnly},
				{"many at once use few connections", manyAtOnce},
				{"an upload is sent as it comes", uploaded},
			} {
				t.Run(test.name, func(t *testing.T) { test.run(newSuite(t, k), &c) })
			}
		})
	}
	t.Run("probe", func(t *testing.T) { probed(newSuite(t, k)) })
}

// newSuite counts goroutines.
func newSuite(t *testing.T, k Kind) *suite {
	t.Cleanup(testkit.Goroutines(t))
	return &suite{Kind: k, t: t, timeouts: relay.Timeouts{FirstToken: 20 * time.Second, Idle: 20 * time.Second, Whole: 20 * time.Second}}
}

// serve is Serve, with what a provider asks beside calls answered and not counted.
func (s *suite) serve(answer func(c net.Conn, r *http.Request) bool) *raw.Server {
	var srv *raw.Server
	srv = raw.ServeUnread(s.t, func(c net.Conn, r *http.Request) bool {
		if text, beside := s.Beside[strings.TrimPrefix(r.URL.Path, s.Base)]; beside && r.Method == http.MethodGet {
			srv.Connections.Add(-1)
			raw.Say(c, 200, "Content-Type: application/json\r\nConnection: close\r\n", text)
			return false
		}
		return answer(c, r)
	})
	return srv
}

// provider makes one for the server at base.
func (s *suite) provider(base string) provider.Provider {
	s.t.Helper()
	u, err := url.Parse(base + s.Base)
	if err != nil {
		s.t.Fatal(err)
	}
	p := s.New(relay.Options{Name: name, Base: u, Timeouts: func() relay.Timeouts { return s.timeouts }}, s.key)
	s.t.Cleanup(p.Close)
	return p
}

// ask serves r and reads the answer.
func ask(ctx context.Context, p provider.Provider, r *llm.Request) (*llm.Reply, string, error) {
	reply, err := p.Serve(ctx, r)
	if err != nil {
		return nil, "", err
	}
	defer reply.Close()
	var b strings.Builder
	for {
		piece, err := reply.Body.Next()
		b.Write(piece)
		if err == io.EOF {
			return reply, b.String(), nil
		}
		if err != nil {
			return reply, b.String(), err
		}
	}
}

// wants checks that err is of this kind.
func wants(t *testing.T, what string, err error, kind llm.Kind) {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != kind || e.Message == "" {
		t.Errorf("%s: %v, want %s", what, err, (&llm.Error{Kind: kind}).Code())
	}
}
