package daemon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"corral/daemon/admin"
	"corral/daemon/journey"
	"corral/testkit/raw"
)

// said answers with the name of the model that was asked for, in Ollama's way.
func said(t *testing.T, name string) *upstream {
	told := map[string]string{"/api/tags": `{"models":[{"name":"own:latest","model":"own:latest"}]}`, "/api/show": `{"capabilities":["completion","vision"]}`}
	return serveBeside(t, told, func(c net.Conn, r *http.Request, body string) bool {
		if r.Header.Get("Cookie") != "" || r.Header.Get("X-Corral-Csrf") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("the operator's credentials went to the target: %v", r.Header)
		}
		var in struct{ Model string }
		json.Unmarshal([]byte(body), &in)
		return raw.Reply(c, "application/json", fmt.Sprintf(`{"model":%q,"message":{"role":"assistant","content":"from %s"},"done":true}`, in.Model, name))
	})
}

const tryBody = `{"model":"chat","stream":false,"messages":[{"role":"user","content":"hello"}]}`

// TestThePageAsksAModel: a browser's session may, without an app key, and the call is one like any other.
func TestThePageAsksAModel(t *testing.T) {
	a, b := said(t, "a"), said(t, "b")
	corral := boot(t, fmt.Sprintf(`auth: required
providers: [ { name: a, kind: ollama, url: "%s" }, { name: b, kind: ollama, url: "%s" } ]
models: [ { name: chat, targets: [ { provider: a, model: one } ] } ]
`, a.url, b.url))
	page := corral.browser()

	res, got := page.do("POST", "/try/api/chat", tryBody, "X-Request-Id: first")
	if res.StatusCode != 200 || !strings.Contains(got, "from a") || res.Header.Get("Corral-Provider") != "a" || res.Header.Get("Corral-Model") != "one" || res.Header.Get("Corral-Route") != "model" || res.Header.Get("X-Request-Id") != "first" {
		t.Fatalf("%s %s %v", res.Status, got, res.Header)
	}
	res, got = page.do("POST", "/try/api/chat?target=b/own:latest", tryBody)
	if res.StatusCode != 200 || !strings.Contains(got, `"own:latest"`) || !strings.Contains(got, "from b") || res.Header.Get("Corral-Route") != "chosen" {
		t.Errorf("a target that no name has: %s %s %v", res.Status, got, res.Header)
	}
	if res, got = page.do("POST", "/try/api/chat?target=nope/x", tryBody); res.StatusCode != 404 || !strings.Contains(got, "provider/model") {
		t.Errorf("a target that is none: %s %s", res.Status, got)
	}
	var j journey.Journey
	if !eventually(func() bool {
		_, got := page.do("GET", "/calls/first", "")
		return json.Unmarshal([]byte(got), &j) == nil && j.Kept
	}) {
		t.Fatalf("%+v", j)
	}
	if len(j.Tries) != 1 || j.Tries[0].Provider != "a" || j.Tries[0].Model != "one" || !j.Tries[0].Asked || j.Tries[0].Status != 200 || j.Status != 200 || len(j.Steps) < 5 || j.Total <= 0 {
		t.Errorf("%+v", j)
	}
	_, got = page.do("GET", "/audit/entries?last=10&calls=true&request=first", "")
	if !strings.Contains(got, `"caller":"page"`) || !strings.Contains(got, `"app":"page"`) {
		t.Error(got)
	}
	// The token is the operator's own.
	if res, got = corral.do("POST", "/control/v1/try/api/chat", tryBody, "Authorization: Bearer "+corral.token()); res.StatusCode != 200 {
		t.Errorf("%s %s", res.Status, got)
	}
	var choices admin.Choices
	_, got = page.do("GET", "/try", "")
	if err := json.Unmarshal([]byte(got), &choices); err != nil || len(choices.Names) != 1 || choices.Default != "a" || len(choices.Providers) != 2 ||
		choices.Providers[1].Models[0].Model != "own:latest" || !*choices.Providers[1].Models[0].Sees || *choices.Providers[1].Models[0].Tools {
		t.Errorf("%v %s", err, got)
	}
}

// TestATryIsAChange: it needs all that a change needs, and reaches no route but those that ask a model.
func TestATryIsAChange(t *testing.T) {
	u := said(t, "a")
	corral := boot(t, u.config())
	page := corral.browser()
	for name, headers := range map[string][]string{
		"no login":       {"Origin: " + corral.url},
		"no CSRF token":  {"Cookie: " + page.cookie, "Origin: " + corral.url},
		"another origin": {"Cookie: " + page.cookie, "Origin: http://localhost:1", "X-Corral-CSRF: " + page.csrf},
		"an app's key":   {"Authorization: Bearer sk-corral-x"},
	} {
		if res, got := corral.do("POST", "/control/v1/try/api/chat", tryBody, headers...); res.StatusCode != 401 && res.StatusCode != 403 {
			t.Errorf("%s: %s %s", name, res.Status, got)
		}
	}
	for _, path := range []string{"/try/api/pull", "/try/api/delete", "/try/api/tags", "/try/v1/../control/v1/keys", "/try/"} {
		if res, got := page.do("POST", path, tryBody); res.StatusCode < 300 || res.StatusCode >= 500 {
			t.Errorf("%s: %s %s", path, res.Status, got)
		}
	}
	// More than other routes of the operator's take, for pictures.
	long := `{"model":"m","stream":false,"messages":[{"role":"user","content":"` + strings.Repeat("x", 2<<20) + `"}]}`
	if res, got := page.do("POST", "/try/api/chat", long); res.StatusCode != 200 {
		t.Errorf("%s %.200s", res.Status, got)
	}
}

// TestATryStreamsAndStops: each piece goes on as it comes, and who leaves ends the target's work.
func TestATryStreamsAndStops(t *testing.T) {
	left := make(chan struct{})
	u := serve(t, func(c net.Conn, r *http.Request, body string) bool {
		fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nConnection: close\r\n\r\n"+`{"model":"m","message":{"role":"assistant","content":"first"},"done":false}`+"\n")
		c.Read(make([]byte, 1)) // until the connection ends
		close(left)
		return false
	})
	corral := boot(t, u.config())
	page := corral.browser()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	req, err := http.NewRequestWithContext(ctx, "POST", corral.url+"/control/v1/try/api/chat", strings.NewReader(`{"model":"m","messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]string{"Cookie": page.cookie, "Origin": corral.url, "X-Corral-CSRF": page.csrf, "X-Request-Id": "stopped"} {
		req.Header.Set(k, v)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	if err != nil || !strings.Contains(line, "first") {
		t.Fatalf("%q %v", line, err)
	}
	leave()
	res.Body.Close()
	<-left
	var j journey.Journey
	if !eventually(func() bool {
		_, got := page.do("GET", "/calls/stopped", "")
		return json.Unmarshal([]byte(got), &j) == nil && j.Kept
	}) || j.Status != 499 || j.Code != "caller_left" || j.First <= 0 {
		t.Errorf("%+v", j)
	}
}
