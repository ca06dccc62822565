package soak

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// call is what its caller saw of it, and how often each book has it.
type call struct {
	kind    uint8 // index in kinds
	end     end
	status  int16 // 0: no answer came
	in, out int32 // tokens, as the answer told them; negative: not told

	entries, lines uint8 // how often the ledger and the log have it
}

// end is how an answer ended for its caller.
type end uint8

const (
	whole  end = iota // as its dialect says that it ends
	broken            // otherwise
	left              // the caller left
	none              // there was none
)

var endNames = [...]string{"whole", "broken", "left", "none"}

// form is how the answer's end and its tokens are told.
type form uint8

const (
	plain  form = iota // no model's answer
	openai             // also of vectors
	ollama
	anthropic
)

// ask is a call to be made.
type ask struct {
	method, path, body string
	form               form
	stream             bool
	key                string // empty: one of the apps'
	host               string // empty: Corral's
	header             [2]string
	leave              leave
}

// leave says when a caller leaves.
type leave uint8

const (
	stays leave = iota
	leavesUnanswered
	leavesStream
)

// kind is a kind of call: how many of a thousand are of it, and what is asked. id is the call's own, text a question: often the call's own,
// now and then one that was asked before.
type kind struct {
	name  string
	share int
	ask   func(r *run, id, text string) ask
}

func chat(model, text string, stream bool, more string) string {
	return fmt.Sprintf(`{"model":%q,"messages":[{"role":"user","content":%q}],"temperature":0,"max_tokens":64,"stream":%t%s}`, model, text, stream, more)
}

const tellUsage = `,"stream_options":{"include_usage":true}`

var kinds = []kind{
	{"openai", 150, func(_ *run, _, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", text, false, ""), form: openai}
	}},
	{"openai stream", 80, func(_ *run, _, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", text, true, tellUsage), form: openai, stream: true}
	}},
	{"openai stream, tokens not asked for", 50, func(_ *run, _, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", text, true, ""), form: openai, stream: true}
	}},
	{"ollama chat", 80, func(_ *run, _, text string) ask {
		return ask{path: "/api/chat", body: fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":%q}],"stream":false,"options":{"temperature":0}}`, text), form: ollama}
	}},
	{"ollama chat stream", 80, func(_ *run, _, text string) ask {
		return ask{path: "/api/chat", body: fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":%q}],"options":{"temperature":0}}`, text), form: ollama, stream: true}
	}},
	{"ollama generate stream", 60, func(_ *run, _, text string) ask {
		return ask{path: "/api/generate", body: fmt.Sprintf(`{"model":"chat","prompt":%q}`, text), form: ollama, stream: true}
	}},
	{"anthropic", 80, func(_ *run, _, text string) ask {
		return ask{path: "/v1/messages", body: chat("claude", text, false, ""), form: anthropic}
	}},
	{"anthropic stream", 80, func(_ *run, _, text string) ask {
		return ask{path: "/v1/messages", body: chat("claude", text, true, ""), form: anthropic, stream: true}
	}},
	{severalVectors, 60, func(_ *run, _, text string) ask {
		return ask{path: "/v1/embeddings", body: fmt.Sprintf(`{"model":"vectors","input":[%q,"the same for all"]}`, text), form: openai}
	}},
	{"ollama vectors", 60, func(_ *run, _, text string) ask {
		return ask{path: "/api/embed", body: fmt.Sprintf(`{"model":"vectors","input":%q}`, text), form: ollama}
	}},
	{"no fallback", 40, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", id, false, ""), form: openai, header: [2]string{"Corral-Fallback", "off"}}
	}},
	{"no fallback, stream", 60, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", id, true, tellUsage), form: openai, stream: true, header: [2]string{"Corral-Fallback", "off"}}
	}},
	{inventedModel, 10, func(_ *run, id, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("model-of-"+id, text, false, ""), form: openai}
	}},
	{"models of ollama", 15, func(*run, string, string) ask { return ask{method: http.MethodGet, path: "/api/tags"} }},
	{"models of openai", 15, func(*run, string, string) ask { return ask{method: http.MethodGet, path: "/v1/models"} }},
	{"no such key", 10, func(_ *run, _, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", text, false, ""), key: "corral_nobodys"}
	}},
	{"no json", 10, func(*run, string, string) ask {
		return ask{path: "/v1/chat/completions", body: `{"model":"chat","messages":[`}
	}},
	{"too large", 4, func(_ *run, id, _ string) ask {
		return ask{path: "/api/chat", body: fmt.Sprintf(`{"model":"chat","prompt":%q}`, id+strings.Repeat(" and on", 10<<10))}
	}},
	{"kept answers only", 10, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/messages", body: chat("claude", id, false, ""), form: anthropic, header: [2]string{"Cache-Control", "only-if-cached"}}
	}},
	{"over its budget", 10, func(r *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", id, false, ""), form: openai, key: r.poor}
	}},
	{anAddress, 20, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", id+", write to ann@example.org and to bob@example.org", false, ""), form: openai}
	}},
	{anAddress, 20, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/messages", body: chat("claude", id+", write to ann@example.org and to bob@example.org", true, ""), form: anthropic, stream: true}
	}},
	{aCredential, 10, func(_ *run, id, _ string) ask {
		return ask{path: "/api/chat", body: fmt.Sprintf(`{"model":"chat","messages":[{"role":"user","content":%q}]}`, id+", my key is "+credential), form: ollama, stream: true}
	}},
	{atListener, 5, func(_ *run, _, text string) ask {
		return ask{path: "/v1/chat/completions", body: chat("chat", text, false, ""), host: "elsewhere.example"}
	}},
	{"leaves a stream", 6, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("endless", id, true, ""), form: openai, stream: true, leave: leavesStream}
	}},
	{"leaves before the answer", 5, func(_ *run, id, _ string) ask {
		return ask{path: "/v1/chat/completions", body: chat("endless", id, false, ""), form: openai, leave: leavesUnanswered}
	}},
}

// Kinds that are judged by rules of their own.
const (
	atListener     = "a foreign host"    // turned away before it is a call: no book has it but one metric
	severalVectors = "openai vectors"    // some of them may be kept already
	anAddress      = "an address"        // the guard hides two in each
	aCredential    = "a credential"      // the guard refuses it
	inventedModel  = "an invented model" // the first provider answers to any name, and nothing is said of its price
)

// credential has the form of a key; it opens nothing.
const credential = "sk-" + "proj-a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0"

func pick(x int) uint8 {
	for i, k := range kinds {
		if x < k.share {
			return uint8(i)
		}
		x -= k.share
	}
	panic("more than the shares")
}

func shares() (n int) {
	for _, k := range kinds {
		n += k.share
	}
	return n
}

const idPrefix = "soak-"

func idOf(n int) string { return fmt.Sprintf("%s%07d", idPrefix, n) }

// call makes call n and notes what becomes of it.
func (r *run) call(ctx context.Context, n int) {
	dice := rand.New(rand.NewPCG(r.o.Seed, uint64(n)))
	c, id := &r.calls[n], idOf(n)
	c.kind, c.in, c.out = pick(dice.IntN(shares())), -1, -1
	text := id + ", tell me of the horses"
	if dice.IntN(5) == 0 {
		text = fmt.Sprintf("question %d, tell me of the horses", dice.IntN(60))
	}
	a := kinds[c.kind].ask(r, id, text)
	ctx, leave := context.WithCancel(ctx)
	defer leave()
	if a.method == "" {
		a.method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, a.method, r.url+a.path, strings.NewReader(a.body))
	if err != nil {
		c.end = none
		return
	}
	if a.key == "" {
		a.key = r.keys[dice.IntN(len(r.keys))]
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Request-Id", id)
	user := fmt.Sprintf("user-%d", dice.IntN(50))
	if dice.IntN(200) == 0 {
		user = "invented-" + id
	}
	req.Header.Set("Corral-User", user)
	req.Header.Set("Corral-App", fmt.Sprintf("app-%d", dice.IntN(5)))
	if a.header[0] != "" {
		req.Header.Set(a.header[0], a.header[1])
	}
	if a.host != "" {
		req.Host = a.host
	}
	if a.leave == leavesUnanswered {
		r.endless.tell(id, leave)
		defer r.endless.forget(id)
	}
	res, err := r.http.Do(req)
	if err != nil {
		c.end = none
		if late, ok := errors.AsType[net.Error](err); a.leave == leavesUnanswered && ctx.Err() != nil || ok && late.Timeout() {
			c.end = left
		}
		return
	}
	defer res.Body.Close()
	c.status = int16(res.StatusCode)
	if a.leave == leavesStream && res.StatusCode == http.StatusOK {
		io.ReadFull(res.Body, make([]byte, 1))
		c.end = left
		return
	}
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode == http.StatusOK && a.stream && !ends(a.form, b) {
		c.end = broken
		return
	}
	if res.StatusCode == http.StatusOK {
		c.in, c.out = tokens(a.form, a.stream, b)
	}
}

// ends reports whether a stream ends as its dialect says.
func ends(f form, b []byte) bool {
	switch f {
	case openai:
		return bytes.HasSuffix(bytes.TrimSpace(b), []byte("data: [DONE]"))
	case anthropic:
		return bytes.Contains(b, []byte("event: message_stop"))
	}
	return gjson.GetBytes(lastLine(b), "done").Bool()
}

func lastLine(b []byte) []byte {
	b = bytes.TrimSpace(b)
	return b[bytes.LastIndexByte(b, '\n')+1:]
}

// tokens reads what an answer tells of its tokens.
func tokens(f form, stream bool, b []byte) (in, out int32) {
	in, out = -1, -1
	look := func(b []byte, inAt, outAt string) {
		if v := gjson.GetBytes(b, inAt); v.Type == gjson.Number {
			in = int32(v.Int())
		}
		if v := gjson.GetBytes(b, outAt); v.Type == gjson.Number {
			out = int32(v.Int())
		}
	}
	if stream && f != ollama {
		for line := range bytes.Lines(b) {
			if data, ok := bytes.CutPrefix(line, []byte("data: ")); ok && f == openai {
				look(data, "usage.prompt_tokens", "usage.completion_tokens")
			} else if ok {
				look(data, "message.usage.input_tokens", "message.usage.output_tokens")
				look(data, "usage.input_tokens", "usage.output_tokens")
			}
		}
		return in, out
	}
	switch f {
	case openai:
		look(b, "usage.prompt_tokens", "usage.completion_tokens")
	case anthropic:
		look(b, "usage.input_tokens", "usage.output_tokens")
	case ollama:
		look(lastLine(b), "prompt_eval_count", "eval_count")
	}
	return in, out
}
