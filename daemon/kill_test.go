package daemon_test

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"corral/daemon"
	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/testkit"
	"corral/testkit/raw"
)

// TestUnderStrictNoCompleteAnswerIsLostToAKill kills the program at random moments under load. Whatever answer a caller
// saw complete must be in the ledger, with its usage, and the ledger must verify. CORRAL_TEST_KILLS says how often; 200 is
// what the promise says, fewer is what a test run has time for.
func TestUnderStrictNoCompleteAnswerIsLostToAKill(t *testing.T) {
	kills := 10
	if n, err := strconv.Atoi(os.Getenv("CORRAL_TEST_KILLS")); err == nil {
		kills = n
	}
	d := dialectStreams["openai chat"]
	const usage = `data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":5}}` + "\n\n"
	u := serve(t, func(c net.Conn, r *http.Request, body string) bool {
		switch {
		case r.Method == "GET":
			return raw.Reply(c, "application/json", `{"version":"1"}`)
		case strings.Contains(body, `"stream":true`):
			raw.Begin(c, d.contentType)
			raw.Chunk(c, d.content)
			raw.Chunk(c, d.content+usage+d.end)
			return raw.End(c)
		}
		return raw.Reply(c, "application/json", `{"model":"m","response":"hello","done":true,"prompt_eval_count":3,"eval_count":5}`)
	})
	program := testkit.BuildCorral(t)
	corral := testkit.Corral(t, program, u.config("audit: { durability: strict }"))
	data := filepath.Join(corral.Home, "data")
	seen := map[string]bool{}
	for i := range kills {
		var mu sync.Mutex
		var complete atomic.Int64
		until := rand.Int64N(300)
		full := make(chan struct{})
		var once sync.Once
		var wg sync.WaitGroup
		tr := &http.Transport{MaxIdleConnsPerHost: 8}
		for worker := range 8 {
			wg.Go(func() {
				for call := 0; ; call++ {
					id := fmt.Sprintf("kill-%d-%d-%d", i, worker, call)
					path, body, end := "/api/generate", `{"model":"m","stream":false}`, `"eval_count":5}`
					if call%2 == 1 {
						path, body, end = d.path, d.body, d.end
					}
					req, _ := http.NewRequest("POST", corral.URL+path, strings.NewReader(body))
					req.Header.Set("X-Request-Id", id)
					res, err := tr.RoundTrip(req)
					if err != nil {
						return // killed
					}
					got, _ := io.ReadAll(res.Body)
					res.Body.Close()
					if !strings.HasSuffix(string(got), end) {
						return
					}
					mu.Lock()
					seen[id] = true
					mu.Unlock()
					if complete.Add(1) >= until {
						once.Do(func() { close(full) })
					}
				}
			})
		}
		<-full
		corral.Kill()
		wg.Wait()
		tr.CloseIdleConnections()
		corral.Start()

		api, err := client.Open(data, corral.URL, daemon.AddressFile)
		if err != nil {
			t.Fatal(err)
		}
		ctx := context.Background()
		v, err := api.Verify(ctx, func(uint64, uint64) {})
		if err != nil || !v.OK() {
			t.Fatalf("kill %d: %v %+v", i, err, v)
		}
		calls, in, out := 0, int64(0), int64(0)
		missing := map[string]bool{}
		for id := range seen {
			missing[id] = true
		}
		err = api.ExportEntries(ctx, client.Query{"calls": {"true"}}, func(e *admin.Entry) error {
			delete(missing, e.RequestID)
			calls++
			if e.Tokens.Input > 0 {
				in += e.Tokens.Input
			}
			if e.Tokens.Output > 0 {
				out += e.Tokens.Output
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for id := range missing {
			t.Errorf("kill %d: the answer to %s was seen complete, and the ledger does not have it", i, id)
		}
		report, err := api.Usage(ctx, client.Query{"by": {"status"}})
		if err != nil {
			t.Fatal(err)
		}
		if s := report.Total; int(s.Calls) != calls || int64(s.Input) != in || int64(s.Output) != out {
			t.Errorf("kill %d: usage says %d calls, %d and %d tokens; the entries %d, %d and %d", i, s.Calls, s.Input, s.Output, calls, in, out)
		}
		if t.Failed() {
			return
		}
	}
	t.Logf("%d kills, %d complete answers, all in the ledger", kills, len(seen))
}
