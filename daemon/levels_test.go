package daemon_test

import (
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"corral/daemon/client"
	"corral/daemon/event"
	"corral/daemon/slo"
	"corral/testkit/raw"
)

// TestServiceLevelsOutliveTheService: calls fail and are answered again; what that says of the service is told by the API,
// and after a restart by the feed and the metrics too.
func TestServiceLevelsOutliveTheService(t *testing.T) {
	var away atomic.Bool
	up := serve(t, func(c net.Conn, _ *http.Request, _ string) bool {
		if away.Load() {
			io.WriteString(c, "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 2\r\n\r\n{}")
			return true
		}
		return raw.Reply(c, "application/json", `{"object":"chat.completion","choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":1000}}`)
	})
	yaml := fmt.Sprintf(`
providers: [ { name: cloud, kind: openai, url: %q } ]
models: [ { name: spoken, targets: [ { provider: cloud, model: m } ], last_resort: [ { static: "Away." } ] } ]
retry: { max_attempts: 1 }
breaker: { failures: 1000, rate: 100%% }
slo: { availability: 90%%, error_rate: 20%%, latency_p95: 10s }
`, up.url+"/v1")
	dir := t.TempDir()
	corral := bootAt(t, "127.0.0.1:0", dir, yaml)
	ask := func(n, status int, model string) {
		t.Helper()
		for range n {
			if res, got := corral.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":"hi"}]}`, model)); res.StatusCode != status {
				t.Fatal(res.StatusCode, got)
			}
		}
	}
	ask(2, 200, "m")
	away.Store(true)
	ask(10, 500, "m")
	ask(4, 200, "spoken")
	corral.do("POST", "/v1/chat/completions", `{`)
	corral.do("GET", "/v1/models", "")

	check := func(when string, r slo.Report) {
		t.Helper()
		for _, w := range r.Windows {
			if w.Served != 2 || w.Unanswered != 10 || w.Faulty != 4 || *w.Availability != 0.375 || *w.ErrorRate != 0.875 || w.LatencyP95 == nil || *w.LatencyP95 > 5 {
				t.Errorf("%s: %+v", when, w)
			}
			if i := slices.IndexFunc(w.Objectives, func(o slo.Objective) bool { return o.Name == slo.Availability }); i < 0 || math.Abs(w.Objectives[i].Burn-6.25) > 1e-6 || w.Objectives[i].Met {
				t.Errorf("%s: %+v", when, w.Objectives)
			}
		}
		burning := []string{}
		for _, b := range r.Burns {
			if b.Burning {
				burning = append(burning, b.Objective+" "+b.Speed)
			}
		}
		if !slices.Equal(burning, []string{"availability slow"}) { // 6.25 times; the error rate's budget burns 4.4 times too fast
			t.Errorf("%s: burning: %v", when, burning)
		}
	}
	r, err := corral.api().Levels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	check("at once", r)
	corral.stop()
	<-corral.finished

	corral = bootAt(t, "127.0.0.1:0", dir, yaml)
	h := corral.follow(client.EventOptions{Types: []string{"slo"}, After: "0"})
	e := until(t, h, "a budget that burns", func(e event.SLO) bool { return true })
	if e.Objective != "availability" || e.Speed != "slow" || !e.Burning || math.Abs(e.LongRate-6.25) > 1e-6 || e.Long != "6h" || e.Short != "30m" || e.Threshold != 6 {
		t.Errorf("%+v", e)
	}
	if r, err = corral.api().Levels(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("after a restart", r)
	all := corral.metricsText()
	for _, line := range []string{
		`corral_slo_availability_ratio{window="1h"} 0.375`, `corral_slo_error_ratio{window="30d"} 0.875`, `corral_slo_calls{window="1d",verdict="faulty"} 4`,
		`corral_slo_objective{objective="availability",window="1h"} 0.9`, `corral_slo_burning{objective="availability",speed="slow"} 1`, `corral_slo_burning{objective="availability",speed="fast"} 0`,
	} {
		if !strings.Contains(all, line+"\n") {
			t.Errorf("no %s in the metrics", line)
		}
	}
	health, err := corral.api().Health(t.Context())
	if c := condition(health.Conditions, "slo"); err != nil || c.Severity.String() != "warning" || c.Do != "corral slo" || !strings.Contains(c.Text, "availability at 6 times its pace") {
		t.Errorf("%v %+v", err, c)
	}
	if !strings.Contains(corral.log.String(), "an error budget is used too fast") {
		t.Error("the log does not say that a budget burns")
	}
}
