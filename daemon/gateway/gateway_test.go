package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"corral/daemon/gateway"
	"corral/daemon/llm"
)

// faultyStage is where a stack has to lead to.
func faultyStage() { panic("a fault") }

// lines takes a log line by line.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestAPanicIsLoggedWithWhereItHappened(t *testing.T) {
	log := make(chan string, 10)
	g := gateway.New(gateway.Options{
		Policy:  func() *gateway.Policy { return &gateway.Policy{} },
		Journey: llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) { faultyStage(); return nil, nil }),
		Other:   http.HandlerFunc(func(http.ResponseWriter, *http.Request) { faultyStage() }),
		Log:     slog.New(slog.NewJSONHandler(lines(log), nil)), Refused: func(string) {},
	})
	s := httptest.NewServer(g)
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // one that reuses connections asks again
	for _, c := range []struct{ path, says string }{{"/api/tags", `"request_id":"mine"`}, {"/control/v1/status", `"path":"/control/v1/status"`}} {
		req, err := http.NewRequest(http.MethodGet, s.URL+c.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Request-Id", "mine")
		res, err := client.Do(req)
		if strings.HasPrefix(c.path, "/api/") {
			if err != nil {
				t.Fatal(err)
			}
			b, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != http.StatusInternalServerError || !strings.Contains(string(b), "internal_error") && !strings.Contains(string(b), "request id") {
				t.Errorf("%s: %s %s", c.path, res.Status, b)
			}
		} else if err == nil {
			res.Body.Close()
			t.Errorf("%s: %s, not a broken connection", c.path, res.Status)
		}
		if l := <-log; !strings.Contains(l, `"level":"ERROR"`) || !strings.Contains(l, c.says) || !strings.Contains(l, `"panic":"a fault"`) || !strings.Contains(l, "gateway_test.faultyStage") {
			t.Errorf("%s: %s", c.path, l)
		}
	}
	if len(log) > 0 {
		t.Error("more was logged:", <-log)
	}
}

// answer is the body of a stream: it gives its pieces, and then panics or ends.
type answer struct {
	pieces []string
	panics bool
}

func (a *answer) Next() ([]byte, error) {
	if len(a.pieces) == 0 {
		if a.panics {
			faultyStage()
		}
		return nil, io.EOF
	}
	p := a.pieces[0]
	a.pieces = a.pieces[1:]
	return []byte(p), nil
}
func (a *answer) More() bool       { return false }
func (a *answer) Last() bool       { return false }
func (a *answer) Usage() llm.Usage { return llm.NoUsage }
func (a *answer) Close()           {}

func answering(t *testing.T, panics bool, pieces ...string) *gateway.Gateway {
	t.Helper()
	return gateway.New(gateway.Options{
		Policy: func() *gateway.Policy { return &gateway.Policy{} },
		Journey: llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
			return &llm.Reply{Status: 200, Header: http.Header{}, Length: -1, Stream: true, Body: &answer{pieces, panics}}, nil
		}),
		Other: http.NotFoundHandler(), Log: slog.New(slog.DiscardHandler), Refused: func(string) {},
	})
}

// An answer that has begun when a stage panics breaks off: a clean end, or an error's words in the middle of it, would look whole.
func TestAPanicInTheMiddleBreaksTheAnswerOff(t *testing.T) {
	s := httptest.NewServer(answering(t, true, "one\n", "two\n"))
	defer s.Close()
	res, err := http.Get(s.URL + "/api/tags")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if b, err := io.ReadAll(res.Body); err == nil || string(b) != "one\ntwo\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// timed notes the deadlines that an answer is written under.
type timed struct {
	*httptest.ResponseRecorder
	until time.Time
}

func (w *timed) SetWriteDeadline(at time.Time) error { w.until = at; return nil }

// Each answer is written under a deadline, those too that come one after the other on a connection: net/http takes it off in between.
func TestEachAnswerHasItsDeadline(t *testing.T) {
	g := answering(t, false, "one\n")
	ctx := context.Background()
	for range 3 {
		w := &timed{ResponseRecorder: httptest.NewRecorder()}
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1/api/tags", nil)
		g.ServeHTTP(w, r)
		if left := time.Until(w.until); w.Code != 200 || left <= 0 || left > time.Hour {
			t.Errorf("%d, %v left", w.Code, left)
		}
	}
}
