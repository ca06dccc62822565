package daemon_test

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"corral/testkit"
	"corral/testkit/faults"
)

// texts are the ways in which an app asks for text.
func texts() []way {
	var out []way
	for _, w := range ways() {
		if !w.embed {
			out = append(out, w)
		}
	}
	return out
}

// breakerState is what the metrics say of a target: 0 closed, 1 open, 2 half-open.
func (c *running) breakerState(provider, model string) string {
	_, got := c.do("GET", "/metrics", "")
	for line := range strings.Lines(got) {
		if state, ok := strings.CutPrefix(line, fmt.Sprintf("llm_breaker_state{provider=%q,model=%q} ", provider, model)); ok {
			return strings.TrimSpace(state)
		}
	}
	return ""
}

// TestOllamaFailsOverToLlamaAndBack: two real servers that speak different APIs, the first of which dies, comes back, hangs and
// comes to itself again, asked in every dialect.
func TestOllamaFailsOverToLlamaAndBack(t *testing.T) {
	ollama := testkit.Ollama(t)
	llama := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	corral := boot(t, fmt.Sprintf(`
cache: { exact: { when: off } }
providers:
  - { name: local, kind: ollama, url: %q }
  - { name: llama, kind: openai, url: %q }
models:
  - { name: chat, targets: [ { provider: local, model: tiny }, { provider: llama, model: tiny-chat } ] }
timeouts: { connect: 1s, first_token: 1s, idle: 2s, whole: 2s }
retry: { max_attempts: 2, base: 1ms, max: 10ms }
breaker: { failures: 2, open_for: 1s }
`, ollama.URL, llama.URL+"/v1"))

	// asked asks in every dialect, and says which routes the calls took.
	asked := func(when, provider string) string {
		t.Helper()
		routes := map[string]int{}
		for _, w := range texts() {
			res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat"))
			if res.StatusCode != http.StatusOK || res.Header.Get("Corral-Provider") != provider {
				t.Errorf("%s, %s: %s by %s because of %s: %.600q", when, w.name, res.Status, res.Header.Get("Corral-Provider"), res.Header.Get("Corral-Route"), got)
			} else if wrong := w.complete(got); wrong != "" {
				t.Errorf("%s, %s by %s: %s", when, w.name, provider, wrong)
			}
			routes[res.Header.Get("Corral-Route")]++
		}
		return fmt.Sprint(routes)
	}
	// back waits until Ollama answers again.
	back := func(when string) {
		t.Helper()
		began := time.Now()
		w := texts()[0]
		if !eventually(func() bool {
			res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat"))
			return res.Header.Get("Corral-Provider") == "local" && w.complete(got) == ""
		}) {
			t.Fatalf("%s: Ollama is not asked again", when)
		}
		if state := corral.breakerState("local", "tiny"); state != "0" {
			t.Errorf("%s: the breaker is %s, not closed", when, state)
		}
		t.Logf("%s: Ollama answers after %v", when, time.Since(began))
	}

	if got := asked("both are there", "local"); got != "map[model:12]" {
		t.Error(got)
	}
	ollama.Kill()
	got := asked("Ollama is dead", "llama")
	t.Log("Ollama is dead:", got)
	if !strings.Contains(got, "fallback:unreachable") || !strings.Contains(got, "fallback:open") {
		t.Errorf("routes while Ollama is dead: %s", got)
	}
	if state := corral.breakerState("local", "tiny"); state == "0" {
		t.Error("the breaker is closed while Ollama is dead")
	}
	ollama.Start()
	back("started again")
	if got := asked("Ollama is back", "local"); got != "map[model:12]" {
		t.Error(got)
	}
	ollama.Freeze()
	got = asked("Ollama hangs", "llama")
	t.Log("Ollama hangs:", got)
	if !strings.Contains(got, "fallback:timeout") || !strings.Contains(got, "fallback:open") {
		t.Errorf("routes while Ollama hangs: %s", got)
	}
	ollama.Thaw()
	back("thawed")
	if log := corral.log.String(); strings.Count(log, `"to":"open"`) < 2 || strings.Count(log, `"to":"closed"`) < 2 {
		t.Error("the log does not tell of the breaker")
	}
}

// TestTheFirstOfTwoIsKilledUnderLoad: 50 calls a second, in all dialects, while the first target dies again and again. Of those
// whose answer has not begun when it dies, at most one in a thousand may fail. One that has begun cannot be carried on by
// another; it must end with its dialect's error.
func TestTheFirstOfTwoIsKilledUnderLoad(t *testing.T) {
	const each = 20 * time.Millisecond
	run := func(t *testing.T, first, second string, seconds int, die, rise func()) {
		corral := boot(t, fmt.Sprintf(`
cache: { exact: { when: off } }
providers:
  - { name: first, kind: ollama, url: %q }
  - { name: second, kind: openai, url: %q }
models:
  - { name: chat, targets: [ { provider: first, model: tiny }, { provider: second, model: tiny } ] }
timeouts: { connect: 1s, first_token: 3s, idle: 3s, whole: 5s }
`, first, second))
		var mu sync.Mutex
		by := map[string]int{}
		var failed, cut, calls int
		var slowest time.Duration
		call := func(w *way) {
			began := time.Now()
			res, got, err := corral.try("POST", w.path, fmt.Sprintf(w.body, "chat"))
			took := time.Since(began)
			mu.Lock()
			defer mu.Unlock()
			calls++
			slowest = max(slowest, took)
			switch {
			case err == nil && res.StatusCode == http.StatusOK && w.complete(got) == "":
				by[res.Header.Get("Corral-Provider")+" "+res.Header.Get("Corral-Route")]++
			case err == nil && w.stream && res.StatusCode == http.StatusOK && strings.Contains(got, w.failed) && !w.honest(got):
				cut++
			case err != nil:
				failed++
				t.Errorf("%s: %v", w.name, err)
			default:
				failed++
				t.Errorf("%s: %s %.300q", w.name, res.Status, got)
			}
		}
		fates := make(chan func(), 3) // beside the calls, as crashes come
		var wg sync.WaitGroup
		wg.Go(func() {
			defer close(fates)
			tick := time.NewTicker(each)
			defer tick.Stop()
			all, ways := seconds*int(time.Second/each), texts()
			for i := range all {
				<-tick.C
				switch i {
				case all / 4, all * 3 / 4:
					fates <- die
				case all / 2:
					fates <- rise
				}
				w := ways[i%len(ways)]
				wg.Go(func() { call(&w) })
			}
		})
		for fate := range fates {
			fate()
		}
		wg.Wait()
		t.Logf("%d calls at 50 a second, first target killed twice: %d failed, %d streams cut after they had begun, the slowest took %v; %v", calls, failed, cut, slowest, by)
		if failed*1000 > calls {
			t.Errorf("%d of %d calls failed", failed, calls)
		}
		if cut > 6 {
			t.Errorf("%d streams were under way when the first target was killed, which is hard to believe", cut)
		}
		if by["first model"] < calls/4 || calls-by["first model"] < calls/4 {
			t.Errorf("not both targets did their part: %v", by)
		}
	}
	if os.Getenv("CORRAL_TEST_OLLAMA") == "" && os.Getenv("CORRAL_TEST_STRICT") == "" {
		second := survivor(t)
		first := faults.New(t, second, faults.None)
		run(t, first.URL, second+"/v1", 3, func() { first.Set(faults.Refuse) }, func() { first.Set(faults.None) })
		return
	}
	first := testkit.Ollama(t)
	second := testkit.LlamaServer(t, testkit.ModelFile(t, "tiny-chat.gguf"))
	run(t, first.URL, second.URL+"/v1", 10, first.Kill, first.Start)
}
