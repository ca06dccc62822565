package daemon_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"corral/daemon/exposition"
	"corral/testkit"
	"corral/testkit/raw"
)

const (
	rulesFile     = "../build/prometheus/corral.rules.yml"
	dashboardFile = "../build/grafana/corral.json"
)

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// dashboardQueries are the queries of all panels, by their titles.
func dashboardQueries(t *testing.T) map[string][]string {
	t.Helper()
	var d struct {
		Panels []struct {
			Title   string
			Type    string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, dashboardFile)), &d); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, p := range d.Panels {
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("the panel %q shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			found[p.Title] = append(found[p.Title], q.Expr)
		}
	}
	if len(found) < 30 {
		t.Errorf("%d panels", len(found))
	}
	return found
}

// named are the metrics that a text of PromQL names.
func named(text string) []string {
	text = regexp.MustCompile(`\b(by|on|group_left) ?\([^)]*\)`).ReplaceAllString(text, "")
	var names []string
	for _, n := range regexp.MustCompile(`\b(llm|corral|process|go)_[a-z0-9_]+`).FindAllString(text, -1) {
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			n = strings.TrimSuffix(n, suffix)
		}
		names = append(names, n)
	}
	return names
}

// TestDashboardAndRulesNameMetricsThatThereAre, and the other way round: each metric of calls is shown.
func TestDashboardAndRulesNameMetricsThatThereAre(t *testing.T) {
	known, seen := map[string]bool{}, map[string]bool{}
	for _, f := range exposition.Families() {
		known[f.Name] = true
	}
	check := func(where, text string) {
		for _, n := range named(text) {
			seen[n] = true
			if !known[n] {
				t.Errorf("%s: there is no metric %s", where, n)
			}
		}
	}
	for title, queries := range dashboardQueries(t) {
		check("dashboard, "+title, strings.Join(queries, "\n"))
	}
	for line := range strings.Lines(read(t, rulesFile)) {
		if !regexp.MustCompile(`^ +- (name|alert):`).MatchString(line) {
			check("rules", line)
		}
	}
	for _, must := range []string{"llm_requests_total", "llm_request_duration_seconds", "llm_model_latency_seconds", "llm_time_to_first_token_seconds", "llm_tokens_used_total", "llm_errors_total",
		"llm_cache_hit_rate", "llm_cost_usd_total", "llm_cost_saved_usd_total", "llm_retries_total", "llm_fallbacks_total", "llm_breaker_state"} {
		if !known[must] || !seen[must] {
			t.Errorf("%s: there is one: %v; it is shown: %v", must, known[must], seen[must])
		}
	}
}

// TestTheAlertsSayWhatTheyShould, by Prometheus' own tool.
func TestTheAlertsSayWhatTheyShould(t *testing.T) {
	promtool := testkit.Promtool(t)
	dir := "../build/prometheus"
	for _, args := range [][]string{{"check", "rules", "corral.rules.yml"}, {"check", "config", "prometheus.yml"}, {"test", "rules", "corral.rules.test.yml"}} {
		c := exec.Command(promtool, args...)
		c.Dir = dir
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	tests := read(t, dir+"/corral.rules.test.yml")
	for _, a := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(read(t, rulesFile), -1) {
		if !strings.Contains(tests, a[1]) {
			t.Errorf("no test has the alert %s fire", a[1])
		}
	}
}

// prom is a running Prometheus.
type prom struct {
	t   *testing.T
	url string
}

func (p prom) get(path string, q url.Values, into any) error {
	p.t.Helper()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get(p.url + path + "?" + q.Encode())
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var answer struct {
		Status, Error string
		Data          json.RawMessage
	}
	if err := json.Unmarshal(b, &answer); err != nil || answer.Status != "success" {
		return fmt.Errorf("%s %s: %s %w", path, q, b, err)
	}
	return json.Unmarshal(answer.Data, into)
}

// query is what an instant query gives, by labels.
func (p prom) query(expr string) (map[string]float64, error) {
	p.t.Helper()
	var data struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any
		}
	}
	if err := p.get("/api/v1/query", url.Values{"query": {expr}}, &data); err != nil {
		return nil, err
	}
	found := map[string]float64{}
	for _, r := range data.Result {
		labels, err := json.Marshal(r.Metric)
		if err != nil {
			return nil, err
		}
		if found[string(labels)], err = strconv.ParseFloat(r.Value[1].(string), 64); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// becomes waits until the query gives one value, which is so.
func (p prom) becomes(expr string, fits func(float64) bool) {
	p.t.Helper()
	var got map[string]float64
	var err error
	if !eventually(func() bool {
		got, err = p.query(expr)
		for _, v := range got {
			return err == nil && len(got) == 1 && fits(v)
		}
		return false
	}) {
		p.t.Errorf("%s: %v, %v", expr, got, err)
	}
}

func is(want float64) func(float64) bool {
	return func(got float64) bool { return math.Abs(got-want) <= 1e-9*math.Abs(want) }
}

// TestPrometheusReadsTheFigures: a whole Corral is called in all the ways that metrics tell of, and a real Prometheus, with the
// rules of build/, scrapes it and is asked.
func TestPrometheusReadsTheFigures(t *testing.T) {
	var mu sync.Mutex
	gates := map[string]chan struct{}{} // by words in a question
	gate := func(word string) chan struct{} {
		mu.Lock()
		defer mu.Unlock()
		if gates[word] == nil {
			gates[word] = make(chan struct{})
		}
		return gates[word]
	}
	up := serve(t, func(c net.Conn, _ *http.Request, body string) bool {
		if strings.Contains(body, "wait") {
			<-gate("wait")
		}
		if strings.Contains(body, "break") {
			io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
			raw.Chunk(c, "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w\"}}]}\n\n")
			return false
		}
		if strings.Contains(body, `"stream":true`) {
			raw.Begin(c, "text/event-stream")
			for range 8 {
				raw.Chunk(c, "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"w \"}}]}\n\n")
			}
			raw.Chunk(c, "data: {\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":8}}\n\ndata: [DONE]\n\n")
			return raw.End(c)
		}
		return raw.Reply(c, "application/json", `{"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1000,"completion_tokens":500}}`)
	})
	yaml := fmt.Sprintf(`
providers: [ { name: local, kind: openai, url: %q }, { name: off, kind: openai, url: "http://127.0.0.1:1/v1" } ]
models:
  - { name: m, targets: [ { provider: local, model: real } ] }
  - { name: fallen, targets: [ { provider: off, model: x }, { provider: local, model: real } ] }
  - { name: gone, targets: [ { provider: off, model: y } ] }
prices: { models: [ { model: real, input: 1, output: 2 } ], baseline: gpt-4o }
retry: { max_attempts: 2, base: 1ms, max: 2ms }
breaker: { failures: 2 }
queue: { concurrent: 1 }
cache: { exact: { when: always } }
budgets: [ { per: month, usd: 0.001, then: warn } ]
guard: { pii: flag }
`, up.url+"/v1")
	dir := t.TempDir()
	ask := func(corral *running, status int, model, text string, more ...string) {
		t.Helper()
		if res, got := corral.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":%q%s,"messages":[{"role":"user","content":%q}]}`, model, strings.Join(more, ""), text)); res.StatusCode != status {
			t.Fatalf("%s: %d %s", text, res.StatusCode, got)
		}
	}
	before := bootAt(t, "127.0.0.1:0", dir, yaml) // whose calls the service levels tell of at once after a restart
	ask(before, 200, "m", "before")
	ask(before, 502, "gone", "before")
	before.stop()
	<-before.finished

	corral := bootAt(t, "127.0.0.1:0", dir, yaml)
	rules, err := filepath.Abs(rulesFile)
	if err != nil {
		t.Fatal(err)
	}
	p := prom{t, testkit.Prometheus(t, corral.addr, rules).URL}
	p.becomes(`up{job="corral"}`, is(1))

	ask(corral, 200, "m", "one, to ann@example.org")
	ask(corral, 200, "m", "one, to ann@example.org") // from the cache
	for i := range 3 {
		ask(corral, 200, "m", fmt.Sprint("stream", i), `,"stream":true`)
	}
	for i := range 2 {
		ask(corral, 200, "fallen", fmt.Sprint("fallen", i))
	}
	ask(corral, 502, "gone", "gone")
	corral.do("POST", "/v1/chat/completions", `{"model":"m","messages":[`)
	corral.do("POST", "/v1/chat/completions", `{"model":"m","stream":true,"messages":[{"role":"user","content":"break"}]}`)
	for i := range 500 {
		ask(corral, 502, "gone", "x", fmt.Sprintf(`,"user":"u%d"`, i))
	}
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() { ask(corral, 200, "m", fmt.Sprint("wait", i)) })
	}
	if !eventually(func() bool { return strings.Contains(corral.metricsText(), `corral_queue_waiting{provider="local"} 1`) }) {
		t.Error("nobody waits")
	}
	p.becomes(`corral_queue_waiting{provider="local"}`, is(1))
	p.becomes("corral_calls_in_flight", is(2))
	close(gate("wait"))
	wg.Wait()

	// Kept up to date by the second: each is asked until the last scrape has it.
	p.becomes("sum(llm_requests_total)", is(512))
	p.becomes(`sum(llm_requests_total{status="200"})`, is(9))
	p.becomes(`sum(llm_requests_total{model="m",status="200",provider="local"})`, is(7))
	p.becomes(`sum(llm_requests_total{status="400"})`, is(1))
	p.becomes("sum(llm_request_duration_seconds_count)", is(512))
	p.becomes(`corral_guard_findings_total{class="pii",kind="email",action="flag"}`, is(2))
	p.becomes(`corral_guard_calls_total{class="pii",action="flag"}`, is(2))
	p.becomes(`llm_request_duration_seconds_bucket{model="fallen",le="+Inf"}`, is(2))
	p.becomes("histogram_quantile(0.5, sum by (le) (llm_request_duration_seconds_bucket))", func(v float64) bool { return v > 0 && v < 1 })
	p.becomes("sum(llm_model_latency_seconds_count)", is(9)) // 8 answers of the target, one that broke off
	p.becomes("sum(llm_time_to_first_token_seconds_count)", is(4))
	p.becomes(`sum(llm_tokens_used_total{direction="output"})`, is(6*500+3*8+1)) // one of the stream that broke off, counted here
	p.becomes(`sum(llm_errors_total{code="invalid_request",status="400"})`, is(1))
	p.becomes(`sum(llm_errors_total{code="target_broke_off"})`, is(1))
	p.becomes(`sum(llm_cost_usd_total)`, func(v float64) bool { return math.Abs(v-(5*0.002+3*0.000019)) < 1e-5 })
	p.becomes(`sum(llm_cost_saved_usd_total) > 0`, func(float64) bool { return true })
	p.becomes(`llm_cache_hit_rate > 0`, func(v float64) bool { return v < 0.5 })
	p.becomes(`sum(corral_cache_hits_total{tier=~"memory|flight"})`, is(1)) // flight: the first one's stream had not been put away yet
	p.becomes(`sum(llm_retries_total{provider="off",cause="unreachable"}) > 0`, func(float64) bool { return true })
	p.becomes(`sum(llm_fallbacks_total{from="off",to="local"})`, is(2))
	p.becomes(`sum(corral_verdicts_total{verdict="served"})`, is(9))
	p.becomes(`sum(corral_verdicts_total{verdict="unanswered"})`, is(501))
	p.becomes(`sum(corral_verdicts_total{verdict="faulty"})`, is(1))
	p.becomes(`corral_queue_wait_seconds_count{provider="local"}`, is(1))
	p.becomes(`corral_queue_wait_seconds_sum{provider="local"} > 0`, func(float64) bool { return true })
	p.becomes(`corral_tokens_per_second_count{model="m"}`, is(3))
	p.becomes(`corral_stage_seconds_count{stage="dispatch"} > 0`, func(float64) bool { return true })
	p.becomes(`corral_added_seconds_count`, is(512))
	p.becomes(`corral_build_info{version="test"}`, is(1))
	p.becomes(`corral_slo_availability_ratio{window="30d"}`, is(0.5))
	p.becomes(`corral_budget_used_ratio{per="month"} > 1`, func(float64) bool { return true })
	p.becomes(`count(ALERTS{alertname="CorralBudgetUsedUp",alertstate="pending"})`, is(1))

	var metadata map[string][]struct{ Type, Help string }
	if err := p.get("/api/v1/metadata", nil, &metadata); err != nil {
		t.Fatal(err)
	}
	rare := regexp.MustCompile(`^corral_(host_(battery|gpu|swap|temperature|load|cpu|disk|memory)|traces|models_unloaded|condition|breaker_changes|slo_mttr)|^llm_breaker_state|^go_memlimit|^process_`)
	for _, f := range exposition.Families() {
		m := metadata[f.Name]
		if len(m) == 0 && rare.MatchString(f.Name) {
			continue // not on every machine, or after longer times only
		}
		if len(m) != 1 || m[0].Type != f.Type || m[0].Help != f.Help {
			t.Errorf("%s: %+v, want a %s", f.Name, m, f.Type)
		}
	}

	var loaded struct {
		Groups []struct {
			Rules []struct{ Name, Health, LastError string }
		}
	}
	n := 0
	if !eventually(func() bool {
		if n = 0; p.get("/api/v1/rules", nil, &loaded) != nil {
			return false
		}
		for _, g := range loaded.Groups {
			for _, r := range g.Rules {
				if r.Health != "ok" {
					return false
				}
				n++
			}
		}
		return true
	}) || n != strings.Count(read(t, rulesFile), "expr:") {
		t.Errorf("%d rules are well: %+v", n, loaded)
	}

	// What the dashboard asks is answered, and where it is about what was done here, with figures.
	for title, queries := range dashboardQueries(t) {
		if slices.Contains([]string{"Traces", "Temperature", "Time to recovery, 30 days"}, title) {
			continue // nobody collects, not every machine has a sensor, and no outage has ended
		}
		if !eventually(func() bool {
			for _, q := range queries {
				got, err := p.query(strings.NewReplacer("$instance", ".*", "$__rate_interval", "30s").Replace(q))
				if err != nil {
					t.Fatalf("%s: %v", title, err)
				}
				if len(got) > 0 {
					return true
				}
			}
			return false
		}) {
			t.Errorf("the panel %q shows nothing", title)
		}
	}

	c := exec.Command(testkit.Promtool(t), "check", "metrics")
	c.Stdin = strings.NewReader(corral.metricsText())
	if out, err := c.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("promtool check metrics: %v\n%s", err, out)
	}
	if n := strings.Count(corral.metricsText(), "\n"); n > 5000 {
		t.Errorf("%d lines of metrics", n)
	}
}
