package guard

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/dialect"
	"corral/daemon/guard/span"
	"corral/daemon/llm"
)

var (
	chat      = &llm.Endpoint{Name: "chat", Method: "POST", Dialect: llm.Ollama, Task: llm.Generate, Form: llm.NDJSON, Streams: true}
	openai    = &llm.Endpoint{Name: "chat_completions", Method: "POST", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	responses = &llm.Endpoint{Name: "responses", Method: "POST", Dialect: llm.OpenAI, Task: llm.Generate, Form: llm.SSE}
	messages  = &llm.Endpoint{Name: "messages", Method: "POST", Dialect: llm.Anthropic, Task: llm.Generate, Form: llm.SSE}
	vectors   = &llm.Endpoint{Name: "embeddings", Method: "POST", Dialect: llm.OpenAI, Task: llm.Embed}
	counting  = &llm.Endpoint{Name: "count_tokens", Method: "POST", Dialect: llm.Anthropic}
	unknown   = &llm.Endpoint{Name: "other", Dialect: llm.OpenAI, Task: llm.Read}
	pulling   = &llm.Endpoint{Name: "pull", Method: "POST", Dialect: llm.Ollama, Task: llm.Manage, Form: llm.NDJSON}
)

var everything = Rules{Secrets: Rule{true, llm.MaskAway}, PII: Rule{true, llm.MaskAway}, Injection: Rule{true, llm.Flag}}

func guardBy(t *testing.T, r Rules) *Guard {
	t.Helper()
	g, err := New(nobodys)
	if err != nil {
		t.Fatal(err)
	}
	g.Set(r)
	return g
}

func asked(t *testing.T, ep *llm.Endpoint, body string) *llm.Request {
	t.Helper()
	r, ok := valid(body)
	if !ok {
		t.Fatalf("%s is no body of a call", body)
	}
	r.Endpoint = ep
	return r
}

// valid is a chat with body; ok says whether it can be one.
func valid(body string) (r *llm.Request, ok bool) {
	p, err := dialect.Peek([]byte(body))
	return &llm.Request{ID: "req_1", Endpoint: chat, Method: "POST", Header: http.Header{}, Body: []byte(body), Length: int64(len(body)), Fields: p.Fields, Model: p.Model, Stream: p.Stream}, err == nil
}

// body is an answer in pieces.
type body struct {
	pieces []string
	err    error // in place of io.EOF
	at     int
	closed bool
}

func (b *body) Next() ([]byte, error) {
	if b.at == len(b.pieces) {
		if b.err != nil {
			return nil, b.err
		}
		return nil, io.EOF
	}
	b.at++
	return []byte(b.pieces[b.at-1]), nil
}
func (b *body) More() bool       { return b.at < len(b.pieces) }
func (b *body) Last() bool       { return b.at == len(b.pieces) && b.err == nil }
func (b *body) Usage() llm.Usage { return llm.NoUsage }
func (b *body) Close()           { b.closed = true }

// cloud is a target elsewhere that remembers what it was asked.
type cloud struct {
	got    *llm.Request
	stream bool
	body   *body
}

func (c *cloud) Serve(_ context.Context, r *llm.Request) (*llm.Reply, error) {
	c.got = r
	return &llm.Reply{Status: 200, Header: http.Header{}, Length: -1, Stream: c.stream, Body: c.body}, nil
}

// serve takes r through the guard to c, as the nest does.
func serve(t *testing.T, g *Guard, r *llm.Request, away string, c *cloud) (*llm.Reply, error) {
	t.Helper()
	return g.Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		r.Target = llm.Target{Provider: "there", Away: away}
		if r.Mask != nil && r.Mask.Hides(r.Target) {
			return r.Mask.Serve(ctx, r, c)
		}
		return c.Serve(ctx, r)
	})).Serve(t.Context(), r)
}

// putBack is the reply to a call of ep with values for placeholders.
func putBack(reply *llm.Reply, ep *llm.Endpoint, of []secret) (*llm.Reply, error) {
	return restored(reply, &llm.Request{Endpoint: ep, Method: "POST"}, of)
}

func read(t *testing.T, reply *llm.Reply) string {
	t.Helper()
	var b strings.Builder
	for {
		p, err := reply.Body.Next()
		b.Write(p)
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatLeavesTheDeviceIsHiddenAndPutBack(t *testing.T) {
	const before = `{"model":"m", "messages":[{"role":"user","content":"Write to ann@example.org and bob@example.org.\nAnn is ann@example.org."}],"user":"ann@example.org","stream":false}`
	g := guardBy(t, everything)
	r := asked(t, chat, before)
	c := &cloud{body: &body{pieces: []string{`{"message":{"role":"assistant","content":"Dear [EMAIL_2], [EMAIL_1] says \"hi\". [EMAIL_3] [`, `EMAIL_1]"},"done":true}`}}}
	reply, err := serve(t, g, r, "api.example.com", c)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"model":"m", "messages":[{"role":"user","content":"Write to [EMAIL_1] and [EMAIL_2].\nAnn is [EMAIL_1]."}],"user":"[EMAIL_1]","stream":false}`
	if string(c.got.Body) != want || c.got.Length != int64(len(want)) {
		t.Errorf("it was sent %s", c.got.Body)
	}
	if m := c.got.Fields.Model; len(m) != 1 || want[m[0].From:m[0].To] != `"m"` {
		t.Errorf("the model's name is at %v", m)
	}
	if string(r.Body) != before || r.Masked != llm.Acts(0).With(llm.MaskAway) {
		t.Errorf("the call itself was changed, or does not say what was done: %s, %v", r.Body, r.Masked)
	}
	got := read(t, reply)
	if want := `{"message":{"role":"assistant","content":"Dear bob@example.org, ann@example.org says \"hi\". [EMAIL_3] ann@example.org"},"done":true}`; got != want || reply.Length != int64(len(want)) {
		t.Errorf("the answer (%d bytes) is %s", reply.Length, got)
	}
	if reply.Close(); !c.body.closed {
		t.Error("the target's answer is not closed")
	}
	want = "email=4"
	if got := Summary(r.Found); got != want {
		t.Errorf("found %s, want %s", got, want)
	}
}

func TestWhatStaysOnTheDeviceStaysWhole(t *testing.T) {
	const text = `{"model":"m","prompt":"ann@example.org"}`
	for _, c := range []struct {
		rule   llm.Act
		away   string
		hidden bool
	}{{llm.MaskAway, "", false}, {llm.MaskAway, "x.example", true}, {llm.MaskAlways, "", true}, {llm.MaskAlways, "x.example", true}, {llm.Flag, "x.example", false}} {
		r := asked(t, chat, text)
		there := &cloud{body: &body{pieces: []string{"{}"}}}
		if _, err := serve(t, guardBy(t, Rules{PII: Rule{true, c.rule}}), r, c.away, there); err != nil {
			t.Fatal(err)
		}
		if hidden := string(there.got.Body) != text; hidden != c.hidden || (r.Masked != 0) != c.hidden {
			t.Errorf("%s, target at %q: hidden %v (noted %v), want %v", Word(c.rule), c.away, hidden, r.Masked, c.hidden)
		}
	}
}

// Each class has a rule of its own: what is only to be written down is not hidden together with what is.
func TestOnlyWhatIsToBeHiddenIs(t *testing.T) {
	r := asked(t, chat, `{"prompt":"ann@example.org has `+key+`"}`)
	c := &cloud{body: &body{pieces: []string{"{}"}}}
	if _, err := serve(t, guardBy(t, Rules{Secrets: Rule{true, llm.Flag}, PII: Rule{true, llm.MaskAway}}), r, "x.example", c); err != nil {
		t.Fatal(err)
	}
	if got, want := string(c.got.Body), `{"prompt":"[EMAIL_1] has `+key+`"}`; got != want {
		t.Errorf("sent %s", got)
	}
}

// A caller who writes what looks like a placeholder must not get somebody's address for it.
func TestAPlaceholderInTheTextIsNotTaken(t *testing.T) {
	r := asked(t, chat, `{"prompt":"ann@example.org, not [EMAIL_1]"}`)
	c := &cloud{body: &body{pieces: []string{`{"response":"[EMAIL_1] [EMAIL_2]","done":true}`}}}
	reply, err := serve(t, guardBy(t, everything), r, "x.example", c)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(c.got.Body); got != `{"prompt":"[EMAIL_2], not [EMAIL_1]"}` {
		t.Errorf("sent %s", got)
	}
	if got := read(t, reply); got != `{"response":"[EMAIL_1] ann@example.org","done":true}` {
		t.Errorf("answered %s", got)
	}
}

// What somebody sends in words of his own is hidden wherever it stands, and stays JSON.
func TestWhatIsSent(t *testing.T) {
	all := Rules{Secrets: Rule{true, llm.MaskAway}, PII: Rule{true, llm.MaskAway}}
	for _, c := range []struct {
		name  string
		rules Rules
		body  string
		sent  string
	}{
		{"arguments", all, `{"messages":[{"tool_calls":[{"function":{"arguments":{"id":"ann@example.org","ann@example.org":{"status":"bob@example.org"}}}}]}]}`,
			`{"messages":[{"tool_calls":[{"function":{"arguments":{"id":"[EMAIL_1]","[EMAIL_1]":{"status":"[EMAIL_2]"}}}}]}]}`},
		{"arguments as text", all, `{"messages":[{"tool_calls":[{"function":{"arguments":"{\"text\":\"Hello,\\nann@example.org \\u003cbob@example.org\\u003e\"}"}}]},{"content":"ann@example.org"}]}`,
			`{"messages":[{"tool_calls":[{"function":{"arguments":"{\"text\":\"Hello,\\n[EMAIL_1] <[EMAIL_2]>\"}"}}]},{"content":"[EMAIL_1]"}]}`},
		{"JSON in JSON in JSON", all, `{"input":"[\"{\\\"a\\\":\\\"ann@example.org\\\"}\"]"}`, `{"input":"[\"{\\\"a\\\":\\\"[EMAIL_1]\\\"}\"]"}`},
		{"a flagged credential does not shield a datum", Rules{Secrets: Rule{true, llm.Flag}, PII: Rule{true, llm.MaskAway}}, `{"prompt":"password: DE89370400440532013000"}`, `{"prompt":"password: [IBAN_1]"}`},
		{"a hidden one takes it in", all, `{"prompt":"password: DE89370400440532013000"}`, `{"prompt":"password: [PASSWORD_1]"}`},
		{"what comes again with each turn is named last", all, `{"messages":[{"content":"ann@example.org"},{"content":"new@example.org"}],"system":"boss@example.org"}`,
			`{"messages":[{"content":"[EMAIL_2]"},{"content":"[EMAIL_3]"}],"system":"[EMAIL_1]"}`},
		{"a thought with its signature", all, `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"ann@example.org, such as foo@example.com","signature":"abc"}]},{"role":"user","content":"ann@example.org"}]}`,
			`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"[EMAIL_1], such as foo@example.com","signature":"abc"}]},{"role":"user","content":"[EMAIL_1]"}]}`},
		{"placeholders of somebody's own, escaped too", all, `{"system":"\u005bEMAIL_1] [EMAIL_3]","prompt":"ann@example.org bob@example.org carl@example.org"}`, `{"system":"\u005bEMAIL_1] [EMAIL_3]","prompt":"[EMAIL_2] [EMAIL_4] [EMAIL_5]"}`},
		{"numbers and names in JSON as text", all, `{"messages":[{"content":"{\"card\":4111111111111111,\"phone\":\"03012345678\", \"n\":1.50e3,\"n\":7}"}]}`,
			`{"messages":[{"content":"{\"card\":\"[CREDIT_CARD_1]\",\"phone\":\"[PHONE_1]\", \"n\":1.50e3,\"n\":7}"}]}`},
		{"items of Responses", all, `{"input":[{"type":"reasoning","id":"ann@example.org","encrypted_content":"ann@example.org","summary":[{"text":"foo@example.com"}]},{"type":"function_call","call_id":"bob@example.org","arguments":"{\"a\":\"ann@example.org\"}"},{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}`,
			`{"input":[{"type":"reasoning","id":"ann@example.org","encrypted_content":"ann@example.org","summary":[{"text":"foo@example.com"}]},{"type":"function_call","call_id":"bob@example.org","arguments":"{\"a\":\"[EMAIL_1]\"}"},{"role":"user","content":[{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo="}]}]}`},
		{"input of a tool in a list", all, `{"messages":[{"content":[{"type":"tool_use","input":[{"id":"ann@example.org"}]}]}]}`, `{"messages":[{"content":[{"type":"tool_use","input":[{"id":"[EMAIL_1]"}]}]}]}`},
		{"an empty signature", all, `{"messages":[{"content":"ann@example.org","signature":null},{"content":"bob@example.org","signature":""}]}`, `{"messages":[{"content":"[EMAIL_1]","signature":null},{"content":"[EMAIL_2]","signature":""}]}`},
	} {
		there := &cloud{body: &body{pieces: []string{"{}"}}}
		r := asked(t, chat, c.body)
		if _, err := serve(t, guardBy(t, c.rules), r, "x.example", there); err != nil || string(there.got.Body) != c.sent {
			t.Errorf("%s: sent\n%s, want\n%s (%v)", c.name, there.got.Body, c.sent, err)
		}
	}

	// Whom the target remembers has the same placeholder in the next call, which does not say the rest again.
	g := guardBy(t, all)
	var names []string
	for _, said := range []string{"bob@example.org asks ann@example.org", "ann@example.org answers"} {
		there := &cloud{body: &body{pieces: []string{"{}"}}}
		if _, err := serve(t, g, asked(t, responses, `{"previous_response_id":"resp_1","input":"`+said+`"}`), "x.example", there); err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(gjson.GetBytes(there.got.Body, "input").Str) {
			if strings.HasPrefix(word, "[EMAIL_") {
				names = append(names, word)
			}
		}
	}
	if len(names) != 3 || names[1] != names[2] || names[0] == names[1] {
		t.Errorf("the names are %v", names)
	}

	// A text has the same vector wherever it stands.
	there := &cloud{body: &body{}}
	if _, err := serve(t, g, asked(t, vectors, `{"input":["of ann@example.org","of bob@example.org and ann@example.org"]}`), "x.example", there); err != nil || string(there.got.Body) != `{"input":["of [EMAIL_1]","of [EMAIL_1] and [EMAIL_2]"]}` {
		t.Errorf("vectors: sent %s, %v", there.got.Body, err)
	}

	// Tokens are counted of what would be sent.
	there = &cloud{body: &body{pieces: []string{`{"input_tokens":3}`}}}
	reply, err := serve(t, g, asked(t, counting, `{"messages":[{"role":"user","content":"ann@example.org"}]}`), "x.example", there)
	if err != nil || string(there.got.Body) != `{"messages":[{"role":"user","content":"[EMAIL_1]"}]}` || read(t, reply) != `{"input_tokens":3}` {
		t.Errorf("tokens: sent %s, %v", there.got.Body, err)
	}
}

// What a call is sent again with is what it was sent with first; to a target here it is all of it.
func TestACallIsHiddenAnewForEachTarget(t *testing.T) {
	g := guardBy(t, Rules{Secrets: Rule{true, llm.MaskAlways}, PII: Rule{true, llm.MaskAway}})
	r := asked(t, chat, `{"prompt":"ann@example.org has `+key+`"}`)
	var sent []string
	_, err := g.Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		for _, away := range []string{"", "x.example", "x.example", ""} {
			there := &cloud{body: &body{pieces: []string{"{}"}}}
			r.Target = llm.Target{Away: away}
			if !r.Mask.Hides(r.Target) {
				t.Errorf("nothing is hidden from %q", away)
			}
			if _, err := r.Mask.Serve(ctx, r, there); err != nil {
				t.Error(err)
			}
			sent = append(sent, gjson.GetBytes(there.got.Body, "prompt").Str)
			if away == "" && len(sent) == 1 && (r.Masked.Has(llm.MaskAway) || !r.Masked.Has(llm.MaskAlways)) {
				t.Errorf("%v was hidden from a target here", r.Masked)
			}
		}
		return &llm.Reply{Body: &body{}}, nil
	})).Serve(t.Context(), r)
	if want := []string{"ann@example.org has [OPENAI_KEY_1]", "[EMAIL_1] has [OPENAI_KEY_1]", "[EMAIL_1] has [OPENAI_KEY_1]", "ann@example.org has [OPENAI_KEY_1]"}; err != nil || !slices.Equal(sent, want) {
		t.Errorf("sent %q, %v", sent, err)
	}
	if !r.Masked.Has(llm.MaskAway) {
		t.Error("the call does not say that something was hidden from what is elsewhere")
	}
}

// A target that cannot be reached has seen nothing, so nothing was hidden from it.
func TestNothingIsHiddenFromWhoIsNotReached(t *testing.T) {
	r := asked(t, chat, `{"prompt":"ann@example.org"}`)
	_, err := guardBy(t, everything).Stage(llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		r.Target.Away = "x.example"
		return r.Mask.Serve(ctx, r, llm.HandlerFunc(func(context.Context, *llm.Request) (*llm.Reply, error) {
			return nil, &llm.Error{Kind: llm.Unreachable}
		}))
	})).Serve(t.Context(), r)
	if err == nil || r.Masked != 0 {
		t.Errorf("%v, %v", r.Masked, err)
	}
}

// Bodies that are made to be large for us stay small: objects without any text are forgotten.
func TestEmptyFramesAreForgotten(t *testing.T) {
	var x tree
	x.read([]byte(`{"a":[`+strings.Repeat(`[],{"b":1},{"role":"user"},`, 10_000)+`"ann@example.org"]}`), shortest, false)
	if len(x.frames) != 2 || len(x.strings) != 1 {
		t.Errorf("%d frames, %d strings", len(x.frames), len(x.strings))
	}
	n := guardBy(t, everything).names()
	n.taken([]byte(strings.Repeat("[EMAIL_2] [EMAIL_3] [NOBODYS_9] [EMAIL_1234567890] [EMAIL_x] [", 1000)))
	if a, b := n.name("email", "a", false), n.name("email", "b", false); a != "[EMAIL_1]" || b != "[EMAIL_4]" || len(n.used) != 2 {
		t.Errorf("%s %s; %v", a, b, n.used)
	}
	for i := range 2 * maxUsed {
		n.taken(fmt.Appendf(nil, "[IBAN_%d]", i))
	}
	if p := n.name("iban", "c", false); p != fmt.Sprintf("[IBAN_%d]", 2*maxUsed) || len(n.used) > maxUsed {
		t.Errorf("%s; %d", p, len(n.used))
	}
}

// What is nested too deep for anybody is a text like any other.
func TestDeepTexts(t *testing.T) {
	g := guardBy(t, everything)
	for _, deep := range []string{strings.Repeat("[", 8<<20), strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)} {
		r := asked(t, chat, `{"prompt":"`+deep+` ann@example.org"}`)
		there := &cloud{body: &body{pieces: []string{"{}"}}}
		if _, err := serve(t, g, r, "x.example", there); err != nil || strings.Contains(string(there.got.Body), "ann@") {
			t.Errorf("%d bytes: %v", len(deep), err)
		}
		there = &cloud{body: &body{}}
		if _, err := serve(t, g, &llm.Request{Endpoint: unknown, Method: "POST", Header: http.Header{}, Body: []byte(deep)}, "x.example", there); err != nil || there.got == nil {
			t.Errorf("a route that is not known: %v", err)
		}
	}
}

// plain is text with the keyed placeholders numbered, in the order in which they stand.
func plain(text string) string {
	known := map[string]string{}
	return regexp.MustCompile(`\[([A-Z_]+)_[A-Z2-7]{8}\]`).ReplaceAllStringFunc(text, func(p string) string {
		kind := p[1:strings.LastIndexByte(p, '_')]
		if known[p] == "" {
			n := 1
			for q := range known {
				if strings.HasPrefix(q, "["+kind+"_") {
					n++
				}
			}
			known[p] = fmt.Sprintf("[%s_%d]", kind, n)
		}
		return known[p]
	})
}

func TestVectorsAndOtherCalls(t *testing.T) {
	g := guardBy(t, everything)
	c := &cloud{body: &body{pieces: []string{`{"data":[[0.1]]}`}}}
	if _, err := serve(t, g, asked(t, vectors, `{"input":["ann@example.org"]}`), "x.example", c); err != nil || string(c.got.Body) != `{"input":["[EMAIL_1]"]}` {
		t.Errorf("vectors: sent %s, %v", c.got.Body, err)
	}
	c = &cloud{}
	ask := asked(t, unknown, `{"q":"ann@example.org"}`)
	if _, err := serve(t, g, ask, "x.example", c); err != nil || plain(string(c.got.Body)) != `{"q":"[EMAIL_1]"}` {
		t.Fatalf("a route that is not known: sent %s, %v", c.got.Body, err)
	}
	name := gjson.GetBytes(c.got.Body, "q").Str
	c = &cloud{stream: true, body: &body{pieces: []string{"so " + name[:4], name[4:], " [", "x] " + name[:len(name)-1]}}}
	reply, err := serve(t, g, ask, "x.example", c)
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, reply); got != "so ann@example.org [x] "+name[:len(name)-1] || reply.Length != -1 {
		t.Errorf("a route that is not known: answered %q of length %d", got, reply.Length)
	}
	for _, x := range []struct{ body, sent string }{
		{"--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\nann@example.org\r\n--x--", "--x\r\nContent-Disposition: form-data; name=\"prompt\"\r\n\r\n[EMAIL_1]\r\n--x--"},
		{"{\"a\":\"ann@example.org\"}\n{\"a\":\"bob@example.org\"}\n", "{\"a\":\"[EMAIL_1]\"}\n{\"a\":\"[EMAIL_2]\"}\n"},
		{`["ann\u0040example.org"]`, `["[EMAIL_1]"]`},
		{`"ann@example.org"`, `"[EMAIL_1]"`},
		{"[1] mail=ann@example.org", "[1] mail=[EMAIL_1]"},
		{`"ann\u0040example.org"`, `"[EMAIL_1]"`},
		{"{\"password\":\"hunter2Secret\\\"x\"}\n{\"text\":\"\\nDE89370400440532013000\"}\nann@example.org", "{\"password\":\"[PASSWORD_1]\"}\n{\"text\":\"\\n[IBAN_1]\"}\n[EMAIL_1]"},
		{"--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nann@example.org\r\n--x--", "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nann@example.org\r\n--x--"},
		{"RIFF\xff\xfe ann@example.org", "RIFF\xff\xfe ann@example.org"},
	} {
		c = &cloud{body: &body{}}
		r := &llm.Request{Endpoint: unknown, Method: "DELETE", Header: http.Header{"Content-Type": {"multipart/form-data; boundary=x"}}, Body: []byte(x.body)}
		if _, err := serve(t, g, r, "x.example", c); err != nil || plain(string(c.got.Body)) != x.sent {
			t.Errorf("a route that is not known: %q was sent as %q, %v", x.body, c.got.Body, err)
		}
	}
	c = &cloud{body: &body{}}
	r := asked(t, pulling, `{"model":"ann@example.org"}`)
	if _, err := serve(t, g, r, "x.example", c); err != nil || r.Found != nil || r.Policy != "" {
		t.Errorf("a pull was looked at: %v, %v", r.Found, err)
	}
}

// Places that lie over each other are hidden together.
func TestPlacesThatLieOverEachOther(t *testing.T) {
	at := func(from, to int) classed { return classed{Span: span.Span{From: from, To: to}} }
	got := joined([]classed{at(0, 5), at(3, 9), at(4, 6), at(9, 12), at(20, 21)})
	if want := []classed{at(0, 9), at(9, 12), at(20, 21)}; !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
