// Package providertest is the suite that every provider passes. A new kind of provider calls Run from its own test, with
// what is particular to it in a Kind.
//
// The server on the other side is a bare TCP one, so that it can break in ways that net/http's would not.
package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/daemon/llm"
	"corral/daemon/provider"
	"corral/daemon/provider/relay"
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
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; <-tick.C {
			if time.Now().After(deadline) {
				buf := make([]byte, 1<<20)
				t.Fatalf("%d goroutines before, %d after:\n%s", before, runtime.NumGoroutine(), buf[:runtime.Stack(buf, true)])
			}
		}
	})
	return &suite{Kind: k, t: t, timeouts: relay.Timeouts{FirstToken: 20 * time.Second, Idle: 20 * time.Second, Whole: 20 * time.Second}}
}

// serve is Serve, with what a provider asks beside calls answered and not counted.
func (s *suite) serve(answer func(c net.Conn, r *http.Request) bool) *Server {
	var srv *Server
	srv = Serve(s.t, func(c net.Conn, r *http.Request) bool {
		if text, beside := s.Beside[strings.TrimPrefix(r.URL.Path, s.Base)]; beside && r.Method == http.MethodGet {
			srv.Connections.Add(-1)
			say(c, 200, "Content-Type: application/json\r\nConnection: close\r\n", text)
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

func relayed(s *suite, c *call) {
	r := c.plain(s.t)
	r.Query = "beta=true&x=%20y"
	got := make(chan string, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		body, _ := io.ReadAll(hr.Body)
		got <- hr.Method + " " + hr.RequestURI + "\n" + string(body)
		return say(nc, 200, "Content-Type: application/json; charset=utf-8\r\n", c.whole)
	})
	reply, body, err := ask(s.t.Context(), s.provider(srv.URL), r)
	if err != nil {
		s.t.Fatal(err)
	}
	if g, want := <-got, "POST "+s.Base+s.Path(c.path)+"?beta=true&x=%20y\n"+string(r.Body); g != want {
		s.t.Errorf("the server got %q, want %q", g, want)
	}
	if body != c.whole || reply.Status != 200 || reply.Stream || reply.Header.Get("Content-Type") != "application/json; charset=utf-8" || reply.Length != int64(len(c.whole)) {
		s.t.Errorf("%+v: %q", reply, body)
	}
	if reply.Provider != name || reply.Model != "m" || reply.Route != "test" {
		s.t.Errorf("who answered: %q %q %q", reply.Provider, reply.Model, reply.Route)
	}
	if u := reply.Body.Usage(); u.Input != 3 || u.Output != 5 {
		s.t.Errorf("usage: %+v", u)
	}
}

func streamed(s *suite, c *call) {
	text := c.preamble + c.content + c.content + c.last
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		begin(nc, c.contentType)
		for _, b := range []byte(text) {
			chunk(nc, string(b)) // the worst way to part it
		}
		return end(nc)
	})
	reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
	if err != nil || body != text || !reply.Stream || reply.Status != 200 || reply.Length != -1 || reply.Header.Get("Content-Type") != c.contentType {
		s.t.Fatalf("%v: %+v: %q", err, reply, body)
	}
	if u := reply.Body.Usage(); u.Input != 3 || u.Output != 5 {
		s.t.Errorf("usage: %+v", u)
	}
}

func renamed(s *suite, c *call) {
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		body, _ := io.ReadAll(hr.Body)
		return say(nc, 200, "Content-Type: text/plain\r\n", string(body))
	})
	p := s.provider(srv.URL)
	for body, want := range map[string]string{
		`{"model":"m","messages":[]}`:                                    `{"model":"org/other:1b","messages":[]}`,
		`{ "messages":[{"model":"m"}], "model" : "m" , "x":{"model":1}}`: `{ "messages":[{"model":"m"}], "model" : "org/other:1b" , "x":{"model":1}}`,
		`{"model":"a","model":"m","Model":"m","mod\u0065l":"m"}`:         `{"model":"org/other:1b","model":"org/other:1b","Model":"org/other:1b","mod\u0065l":"org/other:1b"}`,
		`{"model":"\u006d","stream":false}`:                              `{"model":"org/other:1b","stream":false}`,
		`{"messages":[]}`:                                                `{"messages":[]}`,
	} {
		r := c.request(s.t, body)
		r.Target.Model = "org/other:1b"
		reply, got, err := ask(s.t.Context(), p, r)
		if err != nil || got != want || reply.Model != "org/other:1b" {
			s.t.Errorf("%s: %v %s, want %s", body, err, got, want)
		}
		if string(r.Body) != body {
			s.t.Errorf("the caller's own body was changed to %s", r.Body)
		}
	}
	r := c.request(s.t, `{"model" : "m"}`)
	for _, same := range []string{"m", ""} {
		r.Target.Model = same
		if _, got, err := ask(s.t.Context(), p, r); err != nil || got != string(r.Body) {
			s.t.Errorf("%v %q", err, got)
		}
	}
}

func begins(s *suite, c *call) {
	sent, more := make(chan struct{}), make(chan struct{})
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		begin(nc, c.contentType)
		chunk(nc, c.preamble)
		close(sent)
		<-more
		chunk(nc, c.content)
		<-more
		chunk(nc, c.last)
		return end(nc)
	})
	p := s.provider(srv.URL)
	replies := make(chan *llm.Reply, 1)
	go func() {
		reply, err := p.Serve(s.t.Context(), c.streaming(s.t))
		if err != nil {
			s.t.Error(err)
			close(replies)
			return
		}
		replies <- reply
	}()
	<-sent
	select {
	case <-replies:
		s.t.Error("an answer before its first content")
	case <-time.After(50 * time.Millisecond):
	}
	more <- struct{}{}
	reply, ok := <-replies
	if !ok {
		return
	}
	defer reply.Close()
	var got string
	for !strings.HasSuffix(got, c.content) { // the first content comes without waiting for what follows
		b, err := reply.Body.Next()
		if err != nil {
			s.t.Fatalf("%v after %q", err, got)
		}
		got += string(b)
	}
	if got != c.preamble+c.content {
		s.t.Errorf("%q", got)
	}
	more <- struct{}{}
	for {
		b, err := reply.Body.Next()
		if err != nil {
			if err != io.EOF {
				s.t.Error(err)
			}
			break
		}
		got += string(b)
	}
	if got != c.preamble+c.content+c.last {
		s.t.Errorf("%q", got)
	}
}

func failsBefore(s *suite, c *call) {
	for what, f := range map[string]struct {
		answer func(nc net.Conn) bool
		kind   llm.Kind
	}{
		"no answer":       {func(nc net.Conn) bool { return false }, llm.Broken},
		"no HTTP":         {func(nc net.Conn) bool { io.WriteString(nc, "SSH-2.0-OpenSSH\r\n"); return false }, llm.Broken},
		"half a head":     {func(nc net.Conn) bool { io.WriteString(nc, "HTTP/1.1 200 OK\r\nConte"); return false }, llm.Broken},
		"cut":             {func(nc net.Conn) bool { begin(nc, c.contentType); chunk(nc, c.preamble); return false }, llm.Broken},
		"ended":           {func(nc net.Conn) bool { begin(nc, c.contentType); chunk(nc, c.preamble); return end(nc) }, llm.Broken},
		"empty":           {func(nc net.Conn) bool { begin(nc, c.contentType); return end(nc) }, llm.Broken},
		"garbage":         {func(nc net.Conn) bool { begin(nc, c.contentType); chunk(nc, "data: <html>\n\n"); return end(nc) }, llm.BadAnswer},
		"its own failure": {func(nc net.Conn) bool { begin(nc, c.contentType); chunk(nc, c.preamble+c.failed); return end(nc) }, llm.TargetRefused},
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); return f.answer(nc) })
		_, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, f.kind)
		if body != "" {
			s.t.Errorf("%s: %q was handed on", what, body)
		}
		if what == "its own failure" && !strings.Contains(llm.AsError(err).Message, "out of memory") {
			s.t.Errorf("the server's own words are lost: %v", err)
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	l.Close()
	_, _, err = ask(s.t.Context(), s.provider("http://"+l.Addr().String()), c.streaming(s.t))
	wants(s.t, "nobody there", err, llm.Unreachable)
}

func breaksAfter(s *suite, c *call) {
	for what, f := range map[string]struct {
		breaks func(nc net.Conn) bool
		rest   string // of whole events that still come
	}{
		"no last event":   {end, ""},
		"cut":             {func(net.Conn) bool { return false }, ""},
		"cut in a chunk":  {func(nc net.Conn) bool { fmt.Fprintf(nc, "ffff\r\n%s{\"half", c.content); return false }, c.content},
		"cut in an event": {func(nc net.Conn) bool { chunk(nc, c.content[:len(c.content)/2]); return false }, ""},
		"half an event":   {func(nc net.Conn) bool { chunk(nc, c.content[:len(c.content)/2]); return end(nc) }, ""},
		"no chunk":        {func(nc net.Conn) bool { io.WriteString(nc, "not a chunk\r\n"); return false }, ""},
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			begin(nc, c.contentType)
			chunk(nc, c.preamble+c.content)
			return f.breaks(nc)
		})
		reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Broken)
		if body != c.preamble+c.content+f.rest {
			s.t.Errorf("%s: %q", what, body)
		}
		if reply != nil {
			if _, again := reply.Body.Next(); again == nil || again == io.EOF {
				s.t.Errorf("%s: and then %v", what, again)
			}
		}
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool { // all of it came, only the connection ended badly
		io.Copy(io.Discard, hr.Body)
		begin(nc, c.contentType)
		chunk(nc, c.content+c.last)
		return false
	})
	if _, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t)); err != nil || body != c.content+c.last {
		s.t.Errorf("cut after the last event: %v %q", err, body)
	}
	srv = s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", len(c.whole)+1, c.whole)
		return false
	})
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
	wants(s.t, "not a stream", err, llm.Broken)
}

func saysSo(s *suite, c *call) {
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		begin(nc, c.contentType)
		chunk(nc, c.content)
		chunk(nc, c.failed)
		return end(nc)
	})
	_, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
	if err != nil || body != c.content+c.failed {
		s.t.Errorf("%v %q", err, body)
	}
}

func hangs(s *suite, c *call) {
	s.timeouts = relay.Timeouts{FirstToken: 60 * time.Millisecond, Idle: 60 * time.Millisecond, Whole: 60 * time.Millisecond}
	for what, said := range map[string]string{"no answer": "", "no content": c.preamble, "no more": c.preamble + c.content} {
		gone := make(chan error, 1)
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			if said != "" {
				begin(nc, c.contentType)
				chunk(nc, said)
			}
			gone <- closed(nc)
			return false
		})
		_, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Timeout)
		if want := map[bool]string{true: said}[what == "no more"]; body != want {
			s.t.Errorf("%s: %q", what, body)
		}
		if err := <-gone; err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); closed(nc); return false })
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
	wants(s.t, "not a stream", err, llm.Timeout)
}

func refused(s *suite, c *call) {
	for _, status := range []int{400, 401, 403, 404, 409, 413, 422, 429, 500, 502, 503, 529} {
		for _, kind := range []string{"application/json", "text/html; charset=utf-8", c.contentType} {
			said := fmt.Sprintf("{\"error\" : {\"message\":\"no, %d\"}, \"new_field\":1e400}\n", status)
			srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
				io.Copy(io.Discard, hr.Body)
				return say(nc, status, "Content-Type: "+kind+"\r\nRetry-After: 7\r\nX-Ratelimit-Remaining-Requests: 0\r\n", said)
			})
			reply, body, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
			if err != nil || body != said || reply.Status != status {
				s.t.Errorf("%d %s: %v %q", status, kind, err, body)
				continue
			}
			if h := reply.Header; h.Get("Content-Type") != kind || h.Get("Retry-After") != "7" || h.Get("X-Ratelimit-Remaining-Requests") != "0" {
				s.t.Errorf("%d: %v", status, h)
			}
		}
	}
}

func leaves(s *suite, c *call) {
	for what, said := range map[string]string{"before an answer": "", "before content": c.preamble, "after it": c.preamble + c.content} {
		asked, gone := make(chan struct{}), make(chan error, 1)
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			if said != "" {
				begin(nc, c.contentType)
				chunk(nc, said)
			}
			close(asked)
			gone <- closed(nc)
			return false
		})
		ctx, leave := context.WithCancel(s.t.Context())
		go func() { <-asked; leave() }()
		_, _, err := ask(ctx, s.provider(srv.URL), c.streaming(s.t))
		wants(s.t, what, err, llm.Gone)
		if err := <-gone; err != nil {
			s.t.Errorf("%s: %v", what, err)
		}
	}
	// One who has had enough, without any error.
	gone := make(chan error, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		begin(nc, c.contentType)
		chunk(nc, c.content)
		gone <- closed(nc)
		return false
	})
	reply, err := s.provider(srv.URL).Serve(s.t.Context(), c.streaming(s.t))
	if err != nil {
		s.t.Fatal(err)
	}
	reply.Close()
	reply.Close() // which is allowed
	if err := <-gone; err != nil {
		s.t.Error(err)
	}
	// One who leaves because Corral is stopping is told that.
	srv = s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); closed(nc); return false })
	ctx, stop := context.WithCancelCause(s.t.Context())
	time.AfterFunc(20*time.Millisecond, func() { stop(llm.ErrStopping) })
	_, _, err = ask(ctx, s.provider(srv.URL), c.streaming(s.t))
	wants(s.t, "stopping", err, llm.Stopping)
}

func redirected(s *suite, c *call) {
	elsewhere := s.serve(func(nc net.Conn, hr *http.Request) bool { return say(nc, 200, "", "stolen") })
	for _, to := range []string{elsewhere.URL + c.path, strings.TrimPrefix(elsewhere.URL, "http:") + "/", "https://models.example/v1"} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			return say(nc, 307, "Location: "+to+"\r\n", "")
		})
		_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
		wants(s.t, to, err, llm.BadAnswer)
	}
	if n := elsewhere.Connections.Load(); n != 0 {
		s.t.Error("the other host was asked")
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		return say(nc, 301, "Location: http://"+hr.Host+"/there?x=y\r\n", "")
	})
	reply, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
	if err != nil || reply.Status != 301 || reply.Header.Get("Location") != "/there?x=y" {
		s.t.Errorf("on the same host: %v %+v", err, reply)
	}
}

func headers(s *suite, c *call) {
	got := make(chan http.Header, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		hr.Header.Set("Its-Host", hr.Host)
		got <- hr.Header
		return say(nc, 200, "Content-Type: application/json\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nServer: x\r\nKeep-Alive: timeout=5\r\nX-Corral: no\r\n"+
			"Request-Id: theirs\r\nAnthropic-Ratelimit-Tokens-Remaining: 5\r\nOpenai-Processing-Ms: 7\r\n", c.whole)
	})
	r := c.plain(s.t)
	stays := []string{"Connection", "Keep-Alive", "Proxy-Authorization", "Te", "Upgrade", "Cookie", "Origin", "Referer", "X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-Ip",
		"Via", "Sec-Fetch-Site", "Sec-Ch-Ua", "Corral-User", "Accept-Encoding", "X-Of-This-Hop"}
	for _, k := range stays {
		r.Header[k] = []string{"x"}
	}
	r.Header["Connection"] = []string{"keep-alive, x-of-this-hop"}
	passes := http.Header{"User-Agent": {"app/1"}, "Accept": {"*/*"}, "Anthropic-Version": {"2023-06-01"}, "Anthropic-Beta": {"a", "b"}, "Openai-Organization": {"org"},
		"Idempotency-Key": {"k"}, "Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, "X-Unknown": {"y"}}
	for k, v := range passes {
		r.Header[k] = v
	}
	reply, _, err := ask(s.t.Context(), s.provider(srv.URL), r)
	if err != nil {
		s.t.Fatal(err)
	}
	h := <-got
	for _, k := range stays {
		if v := h[k]; v != nil {
			s.t.Errorf("the server got %s: %q", k, v)
		}
	}
	for k, v := range passes {
		if fmt.Sprint(h[k]) != fmt.Sprint(v) {
			s.t.Errorf("%s: %q, want %q", k, h[k], v)
		}
	}
	if id := h.Get("X-Request-Id"); id != "req_test" {
		s.t.Errorf("request id %q", id)
	}
	if host := h.Get("Its-Host"); "http://"+host != srv.URL {
		s.t.Errorf("host %q", host)
	}
	want := http.Header{"Content-Type": {"application/json"}, "Request-Id": {"theirs"}, "Anthropic-Ratelimit-Tokens-Remaining": {"5"}, "Openai-Processing-Ms": {"7"}}
	if fmt.Sprint(reply.Header) != fmt.Sprint(want) {
		s.t.Errorf("the caller got %v, want %v", reply.Header, want)
	}
}

// keys answers with the keys that it is shown.
func (s *suite) keys() *Server {
	return s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		return say(nc, 200, "Content-Type: application/json\r\n", shown(hr.Header["Authorization"], hr.Header["X-Api-Key"]))
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
		"redirected": func(nc net.Conn) bool { return say(nc, 302, "Location: http://127.0.0.1:1/\r\n", "") },
		"hung":       func(nc net.Conn) bool { closed(nc); return false },
		"garbage":    func(nc net.Conn) bool { begin(nc, c.contentType); chunk(nc, "data: x\n\n"); return end(nc) },
	} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool { io.Copy(io.Discard, hr.Body); return answer(nc) })
		_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.streaming(s.t))
		if err == nil {
			s.t.Errorf("%s: no error", what)
		} else if e := llm.AsError(err); strings.Contains(fmt.Sprintf("%v %+v %#v %s", err, e, e.Message, e.Err), secret) {
			s.t.Errorf("%s: %v", what, err)
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

func headOnly(s *suite, c *call) {
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		_, err := fmt.Fprintf(nc, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\nX-Was: %s\r\nEtag: %s\r\n\r\n", hr.Method, hr.Method)
		return err == nil
	})
	p := s.provider(srv.URL)
	ep := llm.Endpoint{Name: "models", Method: "GET", Dialect: c.ep.Dialect, NoBody: true}
	for range 3 {
		reply, body, err := ask(s.t.Context(), p, &llm.Request{ID: "req_test", Endpoint: &ep, Method: "HEAD", Path: "/v1/models", Header: http.Header{}})
		if err != nil || body != "" || reply.Status != 200 || reply.Length != 1000 || reply.Header.Get("Etag") != "HEAD" {
			s.t.Errorf("%v %q %+v", err, body, reply)
		}
	}
	if n := srv.Connections.Load(); n != 1 {
		s.t.Errorf("%d connections", n)
	}
}

func manyAtOnce(s *suite, c *call) {
	text := c.preamble + strings.Repeat(c.content, 20) + c.last
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		body, _ := io.ReadAll(hr.Body)
		if !strings.Contains(string(body), "true") {
			return say(nc, 200, "Content-Type: application/json\r\n", c.whole)
		}
		begin(nc, c.contentType)
		chunk(nc, text)
		return end(nc)
	})
	p := s.provider(srv.URL)
	const callers = 16
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			for range 20 {
				r, want := c.plain(s.t), c.whole
				if i%2 == 0 {
					r, want = c.streaming(s.t), text
				}
				if _, got, err := ask(s.t.Context(), p, r); err != nil || got != want {
					s.t.Errorf("%v %q", err, got)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := srv.Connections.Load(); n > callers {
		s.t.Errorf("%d connections for %d callers", n, callers)
	}
}

func uploaded(s *suite, c *call) {
	ep := llm.Endpoint{Name: "blob_upload", Method: "POST", Dialect: c.ep.Dialect, Task: llm.Upload}
	for _, length := range []int64{6, -1} {
		got := make(chan string)
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			if hr.ContentLength != length {
				s.t.Errorf("length %d, want %d", hr.ContentLength, length)
			}
			piece := make([]byte, 3)
			for range 2 {
				io.ReadFull(hr.Body, piece)
				got <- string(piece)
			}
			io.Copy(io.Discard, hr.Body)
			return say(nc, 201, "", "")
		})
		r, w := io.Pipe()
		p := s.provider(srv.URL)
		statuses := make(chan int, 1)
		go func() {
			reply, _, err := ask(s.t.Context(), p, &llm.Request{ID: "req_test", Endpoint: &ep, Method: "POST", Path: "/api/blobs/sha256:0", Header: http.Header{}, Source: r, Length: length})
			if err != nil {
				s.t.Error(err)
				r.CloseWithError(err)
				statuses <- 0
				return
			}
			statuses <- reply.Status
		}()
		for _, piece := range []string{"one", "two"} {
			if _, err := io.WriteString(w, piece); err != nil {
				break
			}
			if g := <-got; g != piece { // before the next one is given
				s.t.Errorf("%q", g)
			}
		}
		w.Close()
		if status := <-statuses; status != 201 {
			s.t.Errorf("status %d", status)
		}
	}
	// The caller breaks off: the server must not take half of it for all.
	whole := make(chan error, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		_, err := io.Copy(io.Discard, hr.Body)
		whole <- err
		return false
	})
	r, w := io.Pipe()
	go func() {
		io.WriteString(w, "half")
		w.CloseWithError(&llm.Error{Kind: llm.SlowCaller, Message: "The request body stopped coming."})
	}()
	_, _, err := ask(s.t.Context(), s.provider(srv.URL), &llm.Request{ID: "req_test", Endpoint: &ep, Method: "POST", Path: "/api/blobs/sha256:0", Header: http.Header{}, Source: r, Length: -1})
	wants(s.t, "a slow caller", err, llm.SlowCaller)
	if <-whole == nil {
		s.t.Error("the server took half of the body for all of it")
	}
}

func probed(s *suite) {
	status := make(chan int, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		if hr.Method != "GET" || hr.URL.Path != s.Base+s.Probe {
			s.t.Errorf("%s %s", hr.Method, hr.URL)
		}
		if s.Key != "" && hr.Header.Get(s.Key) != s.Value(secret) {
			s.t.Errorf("without its key: %v", hr.Header)
		}
		return say(nc, <-status, "Content-Type: application/json\r\n", `{"version":"1"}`)
	})
	if s.Key != "" {
		s.key = func() (string, error) { return secret, nil }
	}
	p := s.provider(srv.URL)
	if p.Name() != name {
		s.t.Errorf("its name is %q", p.Name())
	}
	for _, c := range []struct {
		status int
		up     bool
	}{{200, true}, {500, false}, {503, false}, {200, true}} {
		status <- c.status
		if err := p.Probe(s.t.Context()); (err == nil) != c.up || err != nil && strings.Contains(err.Error(), secret) {
			s.t.Errorf("%d: %v", c.status, err)
		}
	}
	hung := s.serve(func(nc net.Conn, _ *http.Request) bool { closed(nc); return false })
	ctx, cancel := context.WithTimeout(s.t.Context(), 30*time.Millisecond)
	defer cancel()
	if err := s.provider(hung.URL).Probe(ctx); err == nil {
		s.t.Error("a server that hangs is up")
	}
	if err := s.provider("http://127.0.0.1:1").Probe(s.t.Context()); err == nil {
		s.t.Error("nobody is up")
	}
}
