package gateway_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

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
