package daemon_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"corral/testkit/raw"
)

// a dialect's stream as a test needs it.
type dialectStream struct {
	path, body, contentType string
	preamble                []string // events before any content
	content, end            string
	refused                 string // what an error before any content has in it
	failed                  string // how the event begins with which a broken stream ends
	done                    string // what must never stand in a broken stream
}

var dialectStreams = map[string]dialectStream{
	"ollama chat": {"/api/chat", `{"model":"m","messages":[]}`, "application/x-ndjson", nil,
		`{"model":"m","message":{"role":"assistant","content":"hello"},"done":false}` + "\n", `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}` + "\n",
		`{"error":"`, `{"error":"`, `"done":true`},
	"ollama generate": {"/api/generate", `{"model":"m","prompt":"x"}`, "application/x-ndjson", nil,
		`{"model":"m","response":"hello","done":false}` + "\n", `{"model":"m","response":"","done":true}` + "\n", `{"error":"`, `{"error":"`, `"done":true`},
	"openai chat": {"/v1/chat/completions", `{"model":"m","stream":true,"messages":[]}`, "text/event-stream",
		[]string{`data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"},
		`data: {"choices":[{"delta":{"content":"hello"}}]}` + "\n\n", "data: [DONE]\n\n", `{"error":{"message":"`, `data: {"error":{"message":"`, "[DONE]"},
	"openai completions": {"/v1/completions", `{"model":"m","stream":true,"prompt":"x"}`, "text/event-stream", nil,
		`data: {"choices":[{"text":"hello"}]}` + "\n\n", "data: [DONE]\n\n", `{"error":{"message":"`, `data: {"error":{"message":"`, "[DONE]"},
	"openai responses": {"/v1/responses", `{"model":"m","stream":true,"input":"x"}`, "text/event-stream",
		[]string{"event: response.created\ndata: {\"type\":\"response.created\"}\n\n", "event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"item\":{\"type\":\"message\"}}\n\n"},
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"hello\"}\n\n", "event: response.completed\ndata: {\"type\":\"response.completed\"}\n\n",
		`{"error":{"message":"`, "event: error\ndata: {\"type\":\"error\"", "response.completed"},
	"anthropic messages": {"/v1/messages", `{"model":"m","stream":true,"max_tokens":9,"messages":[]}`, "text/event-stream",
		[]string{"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{}}\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n",
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"content_block\":{\"type\":\"text\"}}\n\n"},
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n", "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		`{"type":"error","error":{"type":"`, "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"", "message_stop"},
}

func eachDialect(t *testing.T, f func(t *testing.T, d dialectStream)) {
	for name, d := range dialectStreams {
		t.Run(name, func(t *testing.T) { f(t, d) })
	}
}

func TestAWholeStreamIsRelayedByteForByte(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialectStream) {
		text := strings.Join(d.preamble, "") + d.content + d.content + d.end
		u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
			raw.Begin(c, d.contentType)
			for _, b := range []byte(text) {
				raw.Chunk(c, string(b)) // the worst way to part it
			}
			return raw.End(c)
		})
		res, got := boot(t, u.config()).do("POST", d.path, d.body)
		if res.StatusCode != 200 || got != text || res.Header.Get("Content-Type") != d.contentType {
			t.Errorf("%s %q: %q", res.Status, res.Header.Get("Content-Type"), got)
		}
		if res.Header.Get("X-Request-Id") == "" || res.Header.Get("Corral-Provider") != "local" || res.Header.Get("Corral-Model") != "m" {
			t.Errorf("headers: %v", res.Header)
		}
	})
}

// TestNothingIsSentBeforeTheFirstContent: when the first target breaks off before it, all that the caller sees is the second's.
func TestNothingIsSentBeforeTheFirstContent(t *testing.T) {
	eachDialect(t, func(t *testing.T, d dialectStream) {
		if len(d.preamble) == 0 {
			t.Skip("this dialect has nothing before content")
		}
		whole := strings.Join(d.preamble, "") + d.content + d.end
		first := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
			raw.Begin(c, d.contentType)
			for _, p := range d.preamble {
				raw.Chunk(c, p)
			}
			return false
		})
		second := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
			raw.Begin(c, d.contentType)
			raw.Chunk(c, whole)
			return raw.End(c)
		})
		corral := boot(t, fmt.Sprintf(`
providers: [ { name: first, kind: ollama, url: %q }, { name: second, kind: ollama, url: %q } ]
models: [ { name: m, targets: [ { provider: first, model: x }, { provider: second, model: m } ] } ]
retry: { max_attempts: 2, base: 1ms }
`, first.url, second.url))
		res, got := corral.do("POST", d.path, d.body)
		if res.StatusCode != 200 || res.Header.Get("Corral-Provider") != "second" || got != whole {
			t.Errorf("%s %v: %q", res.Status, res.Header, got)
		}
		if n := len(first.requests()); n == 0 {
			t.Error("the first was not asked")
		}
	})
}

func TestAStreamThatBreaksEndsWithTheDialectsErrorEvent(t *testing.T) {
	half := func(s string) string { return s[:len(s)/2] }
	for name, end := range map[string]func(c net.Conn, d dialectStream) bool{
		"no terminal event":       func(c net.Conn, d dialectStream) bool { return raw.End(c) },
		"cut between events":      func(c net.Conn, d dialectStream) bool { return false },
		"cut in an event":         func(c net.Conn, d dialectStream) bool { raw.Chunk(c, half(d.content)); return false },
		"cut in a chunk":          func(c net.Conn, d dialectStream) bool { fmt.Fprintf(c, "ffff\r\n%s", d.content); return false },
		"reset":                   func(c net.Conn, d dialectStream) bool { c.(*net.TCPConn).SetLinger(0); return false },
		"half an event, then end": func(c net.Conn, d dialectStream) bool { raw.Chunk(c, half(d.content)); return raw.End(c) },
	} {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d dialectStream) {
				passed := make(chan struct{}, 1)
				u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
					raw.Begin(c, d.contentType)
					raw.Chunk(c, strings.Join(d.preamble, "")+d.content)
					<-passed // a reset may overtake what was sent
					return end(c, d)
				})
				corral := boot(t, u.config())
				res, err := http.Post(corral.url+d.path, "application/json", strings.NewReader(d.body))
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				first := make([]byte, len(strings.Join(d.preamble, "")+d.content))
				if _, err := io.ReadFull(res.Body, first); err != nil {
					t.Fatal(err)
				}
				passed <- struct{}{}
				rest, err := io.ReadAll(res.Body)
				if err != nil {
					t.Fatal("the answer itself broke off:", err)
				}
				tail := string(rest)
				if name == "cut in a chunk" {
					tail = strings.TrimPrefix(tail, d.content) // this event came whole
				}
				if !strings.HasPrefix(tail, d.failed) || strings.Contains(string(rest), d.done) {
					t.Errorf("the stream ended with %q", rest)
				}
				if !strings.Contains(tail, "target_broke_off") || !strings.Contains(tail, res.Header.Get("X-Request-Id")) {
					t.Errorf("neither code nor request id in %q", tail)
				}
			})
		})
	}
}

func TestAStreamThatFailsBeforeContentGetsAStatus(t *testing.T) {
	for name, answer := range map[string]func(c net.Conn, d dialectStream) bool{
		"cut before content": func(c net.Conn, d dialectStream) bool {
			raw.Begin(c, d.contentType)
			raw.Chunk(c, ":\n\n")
			return false
		},
		"empty": func(c net.Conn, d dialectStream) bool { raw.Begin(c, d.contentType); return raw.End(c) },
		"garbage": func(c net.Conn, d dialectStream) bool {
			raw.Begin(c, d.contentType)
			raw.Chunk(c, "data: <html>\n\n")
			return raw.End(c)
		},
		"no HTTP at all": func(c net.Conn, d dialectStream) bool { io.WriteString(c, "SSH-2.0-OpenSSH\r\n"); return false },
		"no answer":      func(c net.Conn, d dialectStream) bool { return false },
	} {
		t.Run(name, func(t *testing.T) {
			eachDialect(t, func(t *testing.T, d dialectStream) {
				if d.contentType == "application/x-ndjson" && name == "cut before content" {
					t.Skip("NDJSON has no comments")
				}
				u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { return answer(c, d) })
				res, got := boot(t, u.config()).do("POST", d.path, d.body)
				if res.StatusCode != 502 || !strings.HasPrefix(got, d.refused) || res.Header.Get("Content-Type") != "application/json" {
					t.Errorf("%s: %q", res.Status, got)
				}
			})
		})
	}
}

func TestACallerWhoLeavesHasTheTargetsConnectionClosed(t *testing.T) {
	for _, when := range []string{"before the first token", "after it", "not streamed"} {
		t.Run(when, func(t *testing.T) {
			d := dialectStreams["ollama chat"]
			asked, gone := make(chan struct{}), make(chan error, 1)
			u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
				if when == "after it" {
					raw.Begin(c, d.contentType)
					raw.Chunk(c, d.content)
				}
				close(asked)
				gone <- raw.Closed(c)
				return false
			})
			corral := boot(t, u.config())
			ctx, leave := context.WithCancel(context.Background())
			defer leave()
			body := d.body
			if when == "not streamed" {
				body = `{"model":"m","stream":false}`
			}
			req, _ := http.NewRequestWithContext(ctx, "POST", corral.url+d.path, strings.NewReader(body))
			left := make(chan struct{})
			go func() {
				defer close(left)
				res, err := http.DefaultClient.Do(req)
				if err != nil {
					return
				}
				bufio.NewReader(res.Body).ReadString('\n')
				leave()
				res.Body.Close()
			}()
			<-asked
			if when != "after it" {
				leave()
			}
			at := time.Now()
			if err := <-gone; err != nil {
				t.Error("the target's connection stayed open:", err)
			}
			t.Logf("closed after %v", time.Since(at))
			<-left
			if !eventually(func() bool { return strings.Contains(corral.log.String(), `"code":"caller_left"`) }) {
				t.Error("the log does not say that the caller left")
			}
		})
	}
}

func TestAnAnswerThatBreaksIsNoAnswer(t *testing.T) {
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"response\":\"half")
		return false
	})
	res, got := boot(t, u.config()).do("POST", "/api/generate", `{"model":"m","stream":false}`)
	if res.StatusCode != 502 || !strings.Contains(got, "target_broke_off") {
		t.Errorf("%s: %q", res.Status, got)
	}
}

func TestATargetThatHangsIsGivenUp(t *testing.T) {
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool { return raw.Closed(c) == nil })
	corral := boot(t, u.config("timeouts: { first_token: 100ms, idle: 100ms, whole: 150ms }"))
	for _, body := range []string{`{"model":"m"}`, `{"model":"m","stream":false}`} {
		res, got := corral.do("POST", "/api/generate", body)
		if res.StatusCode != 504 || !strings.Contains(got, "target_timeout") {
			t.Errorf("%s: %q", res.Status, got)
		}
	}
}

func TestAStreamThatStallsIsEnded(t *testing.T) {
	d := dialectStreams["openai chat"]
	u := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		raw.Begin(c, d.contentType)
		raw.Chunk(c, d.content)
		return raw.Closed(c) == nil
	})
	_, got := boot(t, u.config("timeouts: { idle: 100ms }")).do("POST", d.path, d.body)
	if rest, ok := strings.CutPrefix(got, d.content); !ok || !strings.HasPrefix(rest, d.failed) || !strings.Contains(rest, "target_timeout") {
		t.Errorf("%q", got)
	}
}
