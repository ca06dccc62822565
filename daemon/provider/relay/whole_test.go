package relay_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"corral/daemon/llm"
	"corral/daemon/provider/relay"
	"corral/testkit/raw"
)

// TestAnAnswerThatIsCutIsNoCleanEnd, on a route that Corral does not know either, of which the pieces go on as they come.
func TestAnAnswerThatIsCutIsNoCleanEnd(t *testing.T) {
	long := strings.Repeat("x", 33<<20)
	for name, say := range map[string]func(c net.Conn){
		"a stream, in a chunk": func(c net.Conn) { raw.Begin(c, "text/event-stream"); fmt.Fprintf(c, "ffff\r\ndata: a\n\n") },
		"a stream by its length": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 1000\r\n\r\ndata: a\n\n")
		},
		"what is too long to hold": func(c net.Conn) {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 99999999\r\n\r\n"+long)
		},
	} {
		srv := raw.Serve(t, func(c net.Conn, _ *http.Request, _ string) bool { say(c); return false })
		base, _ := url.Parse(srv.URL)
		p := relay.New(relay.Options{Name: "x", Base: base, Timeouts: func() relay.Timeouts { return relay.Timeouts{} },
			Path: func(r *llm.Request) string { return r.Path }, Speaks: func(*llm.Endpoint) bool { return true }})
		defer p.Close()
		reply, err := p.Serve(t.Context(), &llm.Request{Endpoint: &llm.Endpoint{Name: "other", Pattern: "/api/"}, Method: "GET", Path: "/api/new", Header: http.Header{}})
		if err != nil {
			t.Fatal(name, err)
		}
		got := 0
		for err == nil {
			var b []byte
			b, err = reply.Body.Next()
			got += len(b)
		}
		if llm.AsError(err).Kind != llm.Broken || got == 0 {
			t.Errorf("%s: %v after %d bytes, want that it broke off", name, err, got)
		}
		if _, again := reply.Body.Next(); again == nil || again == io.EOF {
			t.Errorf("%s: and then %v", name, again)
		}
		reply.Close()
	}
}
