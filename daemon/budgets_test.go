package daemon_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/admin"
	"corral/daemon/budget"
	"corral/daemon/client"
	"corral/daemon/health"
	"corral/store/ledger/record"
)

// cloud is a server that is paid for: what it tells of its calls' tokens is what they cost. It speaks as OpenAI's does
// (https://platform.openai.com/docs/api-reference/chat/object).
type cloud struct {
	url   string
	asked atomic.Int64
	told  atomic.Int64 // what it wants, in billionths of a US dollar
}

// A token of the prompt costs a millionth of a US dollar, one of the answer a thousandth.
const paid = `
prices: { models: [ { model: "paid:cloud", input: 1, output: 1000 } ] }
models:
  - { name: chat, targets: [ { provider: cloud, model: "paid:cloud" }, { provider: local, model: tiny } ] }
  - { name: only, targets: [ { provider: cloud, model: "paid:cloud" } ] }
  - { name: sentence, targets: [ { provider: cloud, model: "paid:cloud" } ], last_resort: [ { static: "Away." } ] }
`

// newCloud makes a cloud. Its model has a cloud tag, since what is on loopback counts as this device otherwise.
func newCloud(t *testing.T) *cloud {
	x := &cloud{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet { // a probe asks which models there are
			fmt.Fprint(w, `{"object":"list","data":[{"id":"paid:cloud","object":"model"}]}`)
			return
		}
		x.asked.Add(1)
		b, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		asked := gjson.ParseBytes(b)
		if strings.Contains(asked.Get("messages").Raw, "fail") {
			http.Error(w, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, http.StatusInternalServerError)
			return
		}
		in, out := int64(1+rand.N(len(b)/4)), 1+rand.N(max(asked.Get("max_tokens").Int(), 1))
		x.told.Add(in*1000 + out*1_000_000)
		const head = `"id":"chatcmpl-1","created":1700000000,"model":"paid:cloud"`
		usage := fmt.Sprintf(`{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}`, in, out, in+out)
		if !asked.Get("stream").Bool() {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{%s,"object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"Hello."},"finish_reason":"stop"}],"usage":%s}`, head, usage)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for _, delta := range []string{`{"role":"assistant","content":"Hel"}`, `{"content":"lo."}`} {
			fmt.Fprintf(w, "data: {%s,\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":%s,\"finish_reason\":null}]}\n\n", head, delta)
			w.(http.Flusher).Flush()
		}
		fmt.Fprintf(w, "data: {%s,\"object\":\"chat.completion.chunk\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", head)
		fmt.Fprintf(w, "data: {%s,\"object\":\"chat.completion.chunk\",\"choices\":[],\"usage\":%s}\n\ndata: [DONE]\n\n", head, usage)
	}))
	t.Cleanup(s.Close)
	x.url = s.URL
	return x
}

func (x *cloud) config(local string, budgets string) string {
	return fmt.Sprintf("providers:\n  - { name: cloud, kind: openai, url: %q }\n  - { name: local, kind: ollama, url: %q }\n", x.url+"/v1", local) + paid + "budgets: " + budgets + "\n"
}

// balances are the budgets once nothing is under way any more.
func (c *running) balances() []budget.Balance {
	c.t.Helper()
	var out []budget.Balance
	if !eventually(func() bool {
		var err error
		if out, err = c.api().Budgets(context.Background()); err != nil {
			c.t.Fatal(err)
		}
		for _, b := range out {
			for _, a := range b.Accounts {
				if a.Reserved != 0 {
					return false
				}
			}
		}
		return true
	}) {
		c.t.Fatalf("money is still set aside: %+v", out)
	}
	return out
}

// spent is what the ledger's sums say.
func (c *running) spent() int64 {
	c.t.Helper()
	r, err := c.api().Usage(context.Background(), client.Query{"by": {"user"}})
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Total.Cost
}

// TestCallsAtOnceNeverSpendMoreThanABudget: whole calls and streams, some of them shared, callers who leave, and a server that fails now and then.
func TestCallsAtOnceNeverSpendMoreThanABudget(t *testing.T) {
	x := newCloud(t)
	corral := boot(t, x.config(survivorByHeart(t), "[ { per: month, usd: 1, then: refuse } ]")+"breaker: { failures: 1000, rate: 0% }\nretry: { max_attempts: 1 }\n")
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 200}}
	defer client.CloseIdleConnections()
	var wg sync.WaitGroup
	var answered, refused, failed, left atomic.Int64
	for i := range 200 {
		wg.Go(func() {
			for n := range 3 {
				body := `{"model":"only","max_tokens":10,"messages":[{"role":"user","content":"tell me"}]`
				way := (i + n) % 5
				switch way {
				case 1, 2:
					body += `,"stream":true,"stream_options":{"include_usage":true}`
				case 3:
					body = strings.Replace(body, "tell me", "fail", 1)
				case 4: // which the cache lets some share, and answers from then on
					body = strings.Replace(body, "tell me", fmt.Sprint("tell me of ", i/20), 1) + `,"temperature":0,"stream":true,"stream_options":{"include_usage":true}`
				}
				res, err := client.Post(corral.url+"/v1/chat/completions", "application/json", strings.NewReader(body+"}"))
				if err != nil {
					t.Error(err)
					return
				}
				if (way == 2 || way == 4 && i%3 == 0) && res.StatusCode == http.StatusOK {
					left.Add(1)
					res.Body.Close() // before its end
					continue
				}
				got, _ := io.ReadAll(res.Body)
				res.Body.Close()
				switch res.StatusCode {
				case http.StatusOK:
					answered.Add(1)
				case http.StatusTooManyRequests:
					refused.Add(1)
					if gjson.GetBytes(got, "error.code").Str != "budget_exceeded" {
						t.Errorf("%s", got)
					}
				default:
					failed.Add(1)
				}
			}
		})
	}
	wg.Wait()
	b := corral.balances()[0]
	if !eventually(func() bool { return corral.spent() == corral.balances()[0].Accounts[0].Spent }) {
		t.Errorf("%d on the account, %d in the ledger", b.Accounts[0].Spent, corral.spent())
	}
	spent := corral.balances()[0].Accounts[0].Spent
	t.Logf("%d answered, %d refused, %d failed, %d left; $%.9f spent, $%.9f wanted", answered.Load(), refused.Load(), failed.Load(), left.Load(), float64(spent)/1e9, float64(x.told.Load())/1e9)
	if spent > b.Limit || spent < b.Limit/2 || answered.Load() == 0 || refused.Load() == 0 || left.Load() == 0 || x.told.Load() > b.Limit {
		t.Errorf("of %d %d was spent, and %d wanted", b.Limit, spent, x.told.Load())
	}
	if got := corral.breakerState("cloud", "paid:cloud"); got != "0" {
		t.Errorf("the breaker is %q", got)
	}
}

// spend has a user ask the cloud once.
func (c *running) spend(user string) {
	c.t.Helper()
	if res, got := c.do("POST", "/v1/chat/completions", `{"model":"only","max_tokens":10,"messages":[{"role":"user","content":"tell me"}]}`, "Corral-User: "+user); res.StatusCode != http.StatusOK {
		c.t.Fatalf("%s %s", res.Status, got)
	}
}

func TestWhatWasSpentOutlivesRestartReloadAndRestore(t *testing.T) {
	x := newCloud(t)
	config := func(usd float64) string {
		return x.config(survivorByHeart(t), fmt.Sprintf("[ { per: month, usd: %g, then: refuse }, { per: month, usd: 1, then: warn, scope: user, only: ann } ]", usd))
	}
	corral := boot(t, config(10))
	has := func(want int64) {
		t.Helper()
		if !eventually(func() bool { return corral.balances()[0].Accounts[0].Spent == want && corral.spent() == want }) {
			t.Errorf("%d on the account, %d in the ledger, want %d", corral.balances()[0].Accounts[0].Spent, corral.spent(), want)
		}
	}
	corral.spend("ann")
	ann := x.told.Load()
	corral.spend("bob")
	has(x.told.Load())
	var backup bytes.Buffer
	if err := corral.api().Backup(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	kept := x.told.Load()

	corral.stop()
	<-corral.finished
	corral = bootAt(t, "127.0.0.1:0", filepath.Dir(corral.file), config(10))
	has(kept)
	corral.spend("bob")
	has(x.told.Load())
	if a := corral.balances()[1].Accounts; len(a) != 1 || a[0].Who != "ann" || a[0].Spent != ann {
		t.Errorf("ann's: %+v", a)
	}

	ask := `{"model":"only","max_tokens":10,"messages":[{"role":"user","content":"tell me"}]}`
	corral.rewrite(config(0.001))
	has(x.told.Load())
	if res, got := corral.do("POST", "/v1/chat/completions", ask); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%s %s", res.Status, got)
	}
	corral.rewrite(config(10))
	corral.spend("bob")
	has(x.told.Load())

	if _, err := corral.api().Restore(t.Context(), &backup); err != nil {
		t.Fatal(err)
	}
	has(kept)
}

// TestABudgetKeepsCallsOnThisDevice: whoever asks gets an answer of the local model, in every dialect, and is told why.
func TestABudgetKeepsCallsOnThisDevice(t *testing.T) {
	x, ollama := newCloud(t), survivor(t)
	corral := boot(t, x.config(ollama, "[ { per: month, usd: 0.0001, then: local-only } ]"))
	for _, w := range texts() {
		res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "chat"))
		if h := res.Header; res.StatusCode != http.StatusOK || h.Get("Corral-Route") != "budget" || h.Get("Corral-Provider") != "local" || w.complete(got) != "" {
			t.Errorf("%s: %s %v %s", w.name, res.Status, h, got)
		}
		if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, "sentence")); res.Header.Get("Corral-Route") != "static" || w.text(got) != "Away." {
			t.Errorf("%s: %s %v %s", w.name, res.Status, res.Header, got)
		}
		for _, c := range [][]string{{"only"}, {"chat", "Corral-Fallback: off"}, {"sentence", "Corral-Fallback: off"}} {
			if res, got := corral.do("POST", w.path, fmt.Sprintf(w.body, c[0]), c[1:]...); res.StatusCode != http.StatusTooManyRequests || !strings.Contains(got, `"budget_exceeded"`) {
				t.Errorf("%s, %v: %s %s", w.name, c, res.Status, got)
			}
		}
	}
	if n := x.asked.Load(); n != 0 {
		t.Errorf("the cloud was asked %d times", n)
	}
	var entries []*admin.Entry
	if !eventually(func() (all bool) { // an answer is written down after its end
		var err error
		if entries, err = corral.api().Entries(t.Context(), client.Query{"calls": {"true"}, "flag": {"over-budget"}}); err != nil {
			t.Fatal(err)
		}
		return len(entries) == 5*len(texts())
	}) {
		t.Errorf("%d entries", len(entries))
	}
	for _, e := range entries {
		if refused := e.Flags&record.Refused != 0; refused != (e.ErrorCode == "budget_exceeded") || e.Left != "" || e.Cost != record.Nano(0) {
			t.Errorf("%+v", e)
		}
	}
}

// TestABudgetRefusesInEveryDialect: a status, a code and a sentence that the app's own client knows, and each user has an
// account of his own.
func TestABudgetRefusesInEveryDialect(t *testing.T) {
	x := newCloud(t)
	corral := boot(t, x.config(survivorByHeart(t), "[ { per: month, usd: 0.6, then: refuse, scope: user } ]"))
	for range 100 { // until ann's account has no room for one more
		if res, _ := corral.do("POST", "/v1/chat/completions", `{"model":"only","max_tokens":100,"messages":[]}`, "Corral-User: ann"); res.StatusCode != http.StatusOK {
			break
		}
	}
	was := x.asked.Load()
	for _, w := range texts() {
		body := strings.Replace(fmt.Sprintf(w.body, "only"), "{", `{"n":2,`, 1)
		res, got := corral.do("POST", w.path, body, "Corral-User: ann")
		code, kind, message := "code", "", "error"
		switch {
		case strings.HasPrefix(w.path, "/v1/messages"):
			code, kind, message = "error.code", "rate_limit_error", "error.message"
		case strings.HasPrefix(w.path, "/v1/"):
			code, kind, message = "error.code", "insufficient_quota", "error.message"
		}
		after := res.Header.Get("Retry-After")
		if res.StatusCode != http.StatusTooManyRequests || gjson.Get(got, code).Str != "budget_exceeded" || gjson.Get(got, "error.type").String() != kind || after == "" || gjson.Get(got, "request_id").Str == "" {
			t.Errorf("%s: %s %v %s", w.name, res.Status, res.Header, got)
		}
		if m := gjson.Get(got, message).Str; !strings.Contains(m, "The budget of $0.6 per month for this user has no room for this call: $0.") || !strings.Contains(m, "begins anew at") {
			t.Errorf("%s: %s", w.name, m)
		}
	}
	if x.asked.Load() != was {
		t.Error("the cloud was asked all the same")
	}
	if got := corral.breakerState("cloud", "paid:cloud"); got != "0" {
		t.Errorf("the breaker is %q", got)
	}
	corral.spend("bob")
	corral.spend("") // nobody has an account as well
	b := corral.balances()[0]
	if len(b.Accounts) != 3 || b.Accounts[0].Who != "ann" {
		t.Fatalf("%+v", b)
	}
	if !eventually(func() bool {
		_, got := corral.do("GET", "/metrics", "")
		return strings.Contains(got, "corral_budget_used_ratio{")
	}) {
		t.Error("no metrics")
	}
	_, got := corral.do("GET", "/metrics", "")
	for _, want := range []string{
		fmt.Sprintf("corral_budget_usd_spent{per=\"month\",scope=\"user\",only=\"\",then=\"refuse\",usd=\"0.6\"} %g\n", float64(b.Accounts[0].Spent)/1e9),
		"corral_budget_usd_limit{per=\"month\",scope=\"user\",only=\"\",then=\"refuse\",usd=\"0.6\"} 0.6\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s", want)
		}
	}
	if strings.Contains(got, `"ann"`) || strings.Contains(got, `"bob"`) {
		t.Error("whoever reads the metrics learns who the users are")
	}
	s, err := corral.api().Status(t.Context())
	if err != nil || b.Accounts[0].Share < 0.8 || !slices.ContainsFunc(s.Conditions, func(c health.Condition) bool {
		return c.Code == health.Budgets && strings.Contains(c.Text, `nearly used up: `)
	}) {
		t.Errorf("%+v, %q, %v", b.Accounts[0], s.Conditions, err)
	}
	if n := strings.Count(corral.log.String(), "a budget is nearly used up"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestACachedAnswerNeedsNoMoney: what was paid for once is given again when nothing is left.
func TestACachedAnswerNeedsNoMoney(t *testing.T) {
	x := newCloud(t)
	local := survivorByHeart(t)
	corral := boot(t, x.config(local, "[ { per: month, usd: 1, then: refuse } ]"))
	ask := func(text string) *http.Response {
		res, _ := corral.do("POST", "/v1/chat/completions", fmt.Sprintf(`{"model":"only","max_tokens":10,"temperature":0,"messages":[{"role":"user","content":%q}]}`, text))
		return res
	}
	if res := ask("Who wrote it?"); res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	corral.balances()
	corral.rewrite(x.config(local, "[ { per: month, usd: 0.0001, then: refuse } ]"))
	if res := ask("Who wrote it?"); res.StatusCode != http.StatusOK || !strings.HasPrefix(res.Header.Get("Cache-Status"), "corral; hit") {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	if res := ask("Who read it?"); res.StatusCode != http.StatusTooManyRequests {
		t.Errorf("%s %v", res.Status, res.Header)
	}
	if n := x.asked.Load(); n != 1 {
		t.Errorf("the cloud was asked %d times", n)
	}
}
