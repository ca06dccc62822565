package providertest

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"corral/daemon/llm"
	"corral/testkit/raw"
)

func relayed(s *suite, c *call) {
	r := c.plain(s.t)
	r.Query = "beta=true&x=%20y"
	got := make(chan string, 1)
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		body, _ := io.ReadAll(hr.Body)
		got <- hr.Method + " " + hr.RequestURI + "\n" + string(body)
		return raw.Say(nc, 200, "Content-Type: application/json; charset=utf-8\r\n", c.whole)
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
		raw.Begin(nc, c.contentType)
		for _, b := range []byte(text) {
			raw.Chunk(nc, string(b)) // the worst way to part it
		}
		return raw.End(nc)
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
		return raw.Say(nc, 200, "Content-Type: text/plain\r\n", string(body))
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
	r = c.request(s.t, `{"model":"cloud","Model":"m"}`)
	if _, got, err := ask(s.t.Context(), p, r); err != nil || got != `{"model":"m","Model":"m"}` {
		s.t.Errorf("of two names the server may take the one by which Corral did not go: %v %q", err, got)
	}
}

func begins(s *suite, c *call) {
	sent, more := make(chan struct{}), make(chan struct{})
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, c.preamble)
		close(sent)
		<-more
		raw.Chunk(nc, c.content)
		<-more
		raw.Chunk(nc, c.last)
		return raw.End(nc)
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

func redirected(s *suite, c *call) {
	elsewhere := s.serve(func(nc net.Conn, hr *http.Request) bool { return raw.Say(nc, 200, "", "stolen") })
	for _, to := range []string{elsewhere.URL + c.path, strings.TrimPrefix(elsewhere.URL, "http:") + "/", "https://models.example/v1"} {
		srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
			io.Copy(io.Discard, hr.Body)
			return raw.Say(nc, 307, "Location: "+to+"\r\n", "")
		})
		_, _, err := ask(s.t.Context(), s.provider(srv.URL), c.plain(s.t))
		wants(s.t, to, err, llm.BadAnswer)
	}
	if n := elsewhere.Connections.Load(); n != 0 {
		s.t.Error("the other host was asked")
	}
	srv := s.serve(func(nc net.Conn, hr *http.Request) bool {
		io.Copy(io.Discard, hr.Body)
		return raw.Say(nc, 301, "Location: http://"+hr.Host+"/there?x=y\r\n", "")
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
		return raw.Say(nc, 200, "Content-Type: application/json\r\nSet-Cookie: a=b\r\nAccess-Control-Allow-Origin: *\r\nServer: x\r\nKeep-Alive: timeout=5\r\nX-Corral: no\r\n"+
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
			return raw.Say(nc, 200, "Content-Type: application/json\r\n", c.whole)
		}
		raw.Begin(nc, c.contentType)
		raw.Chunk(nc, text)
		return raw.End(nc)
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
			return raw.Say(nc, 201, "", "")
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
