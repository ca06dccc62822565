package budget

import (
	"strings"
	"testing"

	"corral/daemon/llm"
	"corral/store/ledger/record"
)

func TestWhatIsSetAside(t *testing.T) {
	d := open(t, &book{}, Rule{Per: Day, Limit: usd, Then: Refuse, Scope: All}, Rule{Per: Day, Limit: usd / 2, Then: Warn, Scope: User})
	one, two := d.call(llm.Caller{User: "a"}, plan(false, "cloud"), 600), d.call(nobody, plan(false, "cloud"), 600)
	if _, err := d.begin(one); err != nil {
		t.Fatal(err)
	}
	d.has(" 0/600")
	_, err := d.begin(two)
	if e := llm.AsError(err); err == nil || e.RetryAfter != soon || !strings.Contains(e.Message, "$0.6 set aside") || !strings.Contains(e.Message, "may cost up to $0.6") {
		t.Fatalf("while another call is under way: %v", err)
	}
	d.end(two, record.Nano(0))
	d.end(one, record.Nano(usd/10))
	d.has(" 100/0")
	one.Release() // which is allowed
	d.has(" 100/0")
	if _, err := d.begin(two); err != nil {
		t.Error("there is room again:", err)
	}
	d.end(two, record.Money{})
	d.has(" 100/0")
	if got := d.b.Balances()[0].Accounts[0].Unpriced; got != 1 {
		t.Errorf("%d calls of unknown cost", got)
	}
	for tokens, want := range map[int64]string{1001: "may cost more than all of it: ask for a shorter answer", 901: "or a model on this device"} {
		if _, err := d.begin(d.call(nobody, plan(false, "cloud"), tokens)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d tokens: %v", tokens, err)
		}
	}
	released := 0
	three := d.call(nobody, plan(false, "cloud"), 1)
	three.Release = func() { released++ }
	if _, err := d.begin(three); err != nil {
		t.Fatal(err)
	}
	d.end(three, record.Nano(0))
	if released != 1 {
		t.Errorf("the body's memory was given back %d times", released)
	}
}

func TestWhatACallMayUse(t *testing.T) {
	generate, embed := &llm.Endpoint{Name: "chat", Task: llm.Generate}, &llm.Endpoint{Name: "embed", Task: llm.Embed}
	picture := strings.Repeat("A", 3<<20)
	near := func(n int64) [2]int64 { return [2]int64{n, n + 300} }
	for _, c := range []struct {
		name   string
		ep     *llm.Endpoint
		body   string
		fields llm.Fields
		in     [2]int64 // from, to
		out    int64
	}{
		{"nothing said", generate, `{}`, llm.Fields{}, near(501), 4096},
		{"two bytes a token", generate, `{"messages":"` + strings.Repeat("x", 20000) + `"}`, llm.Fields{MaxOutput: 7}, near(10500), 7},
		{"several answers", generate, `{}`, llm.Fields{MaxOutput: 7, Choices: 3}, near(501), 21},
		{"Ollama's options", generate, `{"options":{"Num_Predict":9}}`, llm.Fields{Options: llm.Span{From: 11, To: 28}}, near(500), 9},
		{"without end", generate, `{"options":{"num_predict":-1}}`, llm.Fields{Options: llm.Span{From: 11, To: 29}}, near(500), 4096},
		{"more than any model gives", generate, `{}`, llm.Fields{MaxOutput: 1 << 40, Choices: 1 << 40}, near(501), 128_000_000},
		{"many prompts", &llm.Endpoint{Name: "completions", Task: llm.Generate}, `{"prompt":["a","b"]}`, llm.Fields{MaxOutput: 5}, near(500), 10},
		{"one prompt", &llm.Endpoint{Name: "completions", Task: llm.Generate}, `{"prompt":"a"}`, llm.Fields{MaxOutput: 5}, near(500), 5},
		{"vectors", embed, `{"input":"x"}`, llm.Fields{MaxOutput: 5}, near(500), 0},
		{"Ollama's picture", generate, `{"messages":[{"content":"x","images":["` + picture + `"]}]}`, llm.Fields{MaxOutput: 1}, near(10_500), 1},
		{"OpenAI's picture", generate, `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,` + picture + `","detail":"low"}}]}]}`, llm.Fields{MaxOutput: 1}, near(10_500), 1},
		{"OpenAI's picture elsewhere", generate, `{"messages":[{"content":[{"type":"image_url","image_url":{"url":"https://example.org/a.png"}}]}]}`, llm.Fields{MaxOutput: 1}, near(10_500), 1},
		{"Responses' pictures", generate, `{"input":[{"content":[{"type":"input_image","image_url":"data:image/png;base64,` + picture + `"},{"type":"input_image","image_url":"x"}]}]}`, llm.Fields{MaxOutput: 1}, near(20_500), 1},
		{"Anthropic's picture", generate, `{"messages":[{"content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + picture + `"}}]}]}`, llm.Fields{MaxOutput: 1}, near(10_500), 1},
		{"Anthropic's picture elsewhere", generate, `{"messages":[{"content":[{"type":"image","source":{"type":"url","url":"https://example.org/a.png"}}]}]}`, llm.Fields{MaxOutput: 1}, near(10_500), 1},
		{"a word is no picture", generate, `{"messages":[{"content":"` + strings.Repeat("an image ", 1000) + `"}]}`, llm.Fields{MaxOutput: 1}, near(5000), 1},
		{"a document is no picture", generate, `{"messages":[{"content":[{"type":"image"},{"type":"document","source":{"media_type":"application/pdf","data":"` + picture + `"}}]}]}`, llm.Fields{MaxOutput: 1}, near(3<<19 + 500), 1},
	} {
		in, out := tokens(&llm.Request{Endpoint: c.ep, Body: []byte(c.body), Fields: c.fields})
		if in < c.in[0] || in > c.in[1] || out != c.out {
			t.Errorf("%s: %d and %d, want %v and %d", c.name, in, out, c.in, c.out)
		}
	}
}
