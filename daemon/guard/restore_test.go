package guard

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// What is restored is JSON again, also where it lies in JSON that is a string.
func TestWhatIsPutBackIsEscaped(t *testing.T) {
	r := newRestorer([]secret{{"[X_1]", "a\"b\\c\nd"}})
	reply, err := r.whole(&llm.Reply{Body: &body{pieces: []string{`{"content":"say [X_1]","tool_calls":[{"function":{"arguments":"{\"to\":\"[X_1]\"}"}}]}`}}})
	if err != nil {
		t.Fatal(err)
	}
	got := read(t, reply)
	if !gjson.Valid(got) || gjson.Get(got, "content").Str != "say a\"b\\c\nd" {
		t.Errorf("%s", got)
	}
	if args := gjson.Get(got, "tool_calls.0.function.arguments").Str; gjson.Get(args, "to").Str != "a\"b\\c\nd" {
		t.Errorf("arguments: %s", args)
	}
}

// ollamaText puts together the texts of a stream, by channel.
func ollamaText(stream string) string {
	var content, thinking strings.Builder
	for line := range strings.Lines(stream) {
		content.WriteString(gjson.Get(line, "message.content").Str)
		thinking.WriteString(gjson.Get(line, "message.thinking").Str)
	}
	return content.String() + "|" + thinking.String()
}

func sseData(stream string) (out []string) {
	for line := range strings.Lines(stream) {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			out = append(out, strings.TrimSpace(data))
		}
	}
	return out
}

func openaiText(stream string) string {
	var texts [2]strings.Builder
	var args strings.Builder
	for _, d := range sseData(stream) {
		gjson.Get(d, "choices").ForEach(func(_, c gjson.Result) bool {
			texts[c.Get("index").Int()].WriteString(c.Get("delta.content").Str)
			args.WriteString(c.Get("delta.tool_calls.0.function.arguments").Str)
			return true
		})
	}
	return texts[0].String() + "|" + texts[1].String() + "|" + gjson.Get(args.String(), "to").Str
}

func anthropicText(stream string) string {
	var text, args strings.Builder
	for _, d := range sseData(stream) {
		text.WriteString(gjson.Get(d, "delta.text").Str)
		args.WriteString(gjson.Get(d, "delta.partial_json").Str)
	}
	return text.String() + "|" + gjson.Get(args.String(), "to").Str
}

func responsesText(stream string) string {
	var text strings.Builder
	done := ""
	for _, d := range sseData(stream) {
		switch gjson.Get(d, "type").Str {
		case "response.output_text.delta":
			text.WriteString(gjson.Get(d, "delta").Str)
		case "response.output_text.done":
			done = gjson.Get(d, "text").Str
		case "response.completed":
			done += "|" + gjson.Get(d, "response.output.0.content.0.text").Str
		}
	}
	return text.String() + "|" + done
}

// parts cuts s at chance, as a model's tokens do.
func parts(s string, random *rand.Rand) (out []string) {
	for s != "" {
		n := 1 + random.IntN(min(len(s), 5))
		out, s = append(out, s[:n]), s[n:]
	}
	return out
}

func js(s string) string { b, _ := json.Marshal(s); return string(b) }

// A placeholder may be cut anywhere, between the events of a stream and between two choices of an answer.
func TestStreamsArePutBackHoweverTheyAreCut(t *testing.T) {
	endings := [][2]string{{"[EMAIL_1", "[EMAIL_1"}, {"[IBAN_1]", "DE89"}, {"[EMAIL_1]", "ann@example.org"}, {"[", "["}, {"[EMAIL_12]", "carl@example.org"}}
	hidden := []secret{{"[EMAIL_1]", "ann@example.org"}, {"[EMAIL_2]", "b\"o\\b"}, {"[EMAIL_12]", "carl@example.org"}, {"[IBAN_1]", "DE89"}, {"[CRYPTO_WALLET_1]", "0x"}}
	args := `{"to":"[EMAIL_2]"}`
	sse := func(name, data string) string {
		if name != "" {
			return "event: " + name + "\ndata: " + data + "\n\n"
		}
		return "data: " + data + "\n\n"
	}
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		end := endings[random.IntN(len(endings))]
		said := "To [EMAIL_1], [EMAIL_2] and [nobody] " + end[0]
		meant := "To ann@example.org, b\"o\\b and [nobody] " + end[1]
		streams := []struct {
			ep     *llm.Endpoint
			events []string
			text   func(string) string
			want   string
		}{{ep: chat, text: ollamaText, want: meant + "|" + meant},
			{ep: openai, text: openaiText, want: meant + "|" + meant + "|b\"o\\b"},
			{ep: messages, text: anthropicText, want: meant + "|b\"o\\b"},
			{ep: responses, text: responsesText, want: meant + "|" + meant + "|" + meant}}

		o := &streams[0]
		for _, key := range []string{"thinking", "content"} {
			for _, p := range parts(said, random) {
				o.events = append(o.events, fmt.Sprintf(`{"model":"m","message":{"role":"assistant",%q:%s},"done":false}`, key, js(p))+"\n")
			}
		}
		o.events = append(o.events, `{"model":"m","message":{"role":"assistant","content":""},"done":true,"done_reason":"stop"}`+"\n")

		o = &streams[1]
		left := [2][]string{parts(said, random), parts(said, random)}
		for len(left[0])+len(left[1]) > 0 {
			i := random.IntN(2)
			if len(left[i]) == 0 {
				continue
			}
			o.events = append(o.events, sse("", fmt.Sprintf(`{"choices":[{"delta":{"content":%s},"index":%d,"finish_reason":null}]}`, js(left[i][0]), i)))
			left[i] = left[i][1:]
		}
		for _, p := range parts(args, random) {
			o.events = append(o.events, sse("", fmt.Sprintf(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":%s}}]},"finish_reason":null}]}`, js(p))))
		}
		o.events = append(o.events, sse("", `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`), sse("", `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`),
			sse("", `{"choices":[],"usage":{"prompt_tokens":1}}`), sse("", "[DONE]"))

		o = &streams[2]
		o.events = append(o.events, sse("message_start", `{"type":"message_start","message":{"content":[]}}`), sse("content_block_start", `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`))
		for _, p := range parts(said, random) {
			o.events = append(o.events, sse("content_block_delta", fmt.Sprintf(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":%s}}`, js(p))))
			if random.IntN(4) == 0 {
				o.events = append(o.events, sse("ping", `{"type": "ping"}`))
			}
		}
		o.events = append(o.events, sse("content_block_stop", `{"type":"content_block_stop","index":0}`))
		for _, p := range parts(args, random) {
			o.events = append(o.events, sse("content_block_delta", fmt.Sprintf(`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":%s}}`, js(p))))
		}
		o.events = append(o.events, sse("content_block_stop", `{"type":"content_block_stop","index":1}`), sse("message_stop", `{"type":"message_stop"}`))

		o = &streams[3]
		for _, p := range parts(said, random) {
			o.events = append(o.events, sse("response.output_text.delta", fmt.Sprintf(`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":%s}`, js(p))))
		}
		o.events = append(o.events, sse("response.output_text.done", fmt.Sprintf(`{"type":"response.output_text.done","output_index":0,"text":%s}`, js(said))),
			sse("response.completed", fmt.Sprintf(`{"type":"response.completed","response":{"output":[{"content":[{"text":%s}]}]}}`, js(said))))

		for _, s := range streams {
			var pieces []string // of one or more events
			for _, e := range s.events {
				if len(pieces) > 0 && random.IntN(3) == 0 {
					pieces[len(pieces)-1] += e
				} else {
					pieces = append(pieces, e)
				}
			}
			reply, err := putBack(&llm.Reply{Status: 200, Stream: true, Length: -1, Body: &body{pieces: pieces}}, s.ep, hidden)
			if err != nil {
				t.Fatal(err)
			}
			all := ""
			for {
				p, err := reply.Body.Next()
				all += string(p)
				if err == io.EOF {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if got := s.text(all); got != s.want {
				t.Fatalf("seed %d, %s: %q, want %q\n%s", seed, s.ep.Name, got, s.want, all)
			}
			if s.ep.Form == llm.SSE && strings.Count(all, "\n\n") < len(s.events) {
				t.Fatalf("seed %d, %s: events were lost", seed, s.ep.Name)
			}
		}
	}
}

// What cannot come twice is not held back, and what is no text of the answer is none.
func TestEventsThatSayMore(t *testing.T) {
	of := []secret{{"[EMAIL_1]", "ann@example.org"}, {"[KEY_1]", "a\nb"}}
	sse := func(data ...string) (out []string) {
		for _, d := range data {
			out = append(out, "data: "+d+"\n\n")
		}
		return out
	}
	for _, c := range []struct {
		name   string
		ep     *llm.Endpoint
		pieces []string
		want   []string // empty: as they came
	}{
		{"Ollama's tool call beside a bracket", chat, []string{`{"message":{"content":"see [","tool_calls":[{"function":{"name":"pay","arguments":{"to":"x"}}}]},"done":false}` + "\n", `{"message":{"content":"a]"},"done":true}` + "\n"}, nil},
		{"an argument that is called content", chat, []string{`{"message":{"content":"","tool_calls":[{"function":{"name":"f","arguments":{"content":"list = [","text":"["}}}]},"done":false}` + "\n", `{"message":{"content":"x"},"done":true}` + "\n"}, nil},
		{"OpenAI's tool call beside a bracket", openai, sse(`{"choices":[{"index":0,"delta":{"content":"see [","tool_calls":[{"index":0,"id":"c","function":{"name":"pay","arguments":""}}]}}]}`, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}}]}`, `[DONE]`), nil},
		{"an empty word for the end in each event", openai, sse(`{"choices":[{"index":0,"delta":{"content":"[EMA"},"finish_reason":""}]}`, `{"choices":[{"index":0,"delta":{"content":"IL_1]"},"finish_reason":""}]}`, `[DONE]`),
			sse(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":""}]}`, `{"choices":[{"index":0,"delta":{"content":"ann@example.org"},"finish_reason":""}]}`, `[DONE]`)},
		{"events in between", openai, sse(`{"choices":[{"index":0,"delta":{"content":"[EMA"}}]}`, `{"choices":[],"prompt_filter_results":[]}`, `{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{"content":"IL_1]"}}]}`),
			sse(`{"choices":[{"index":0,"delta":{"content":""}}]}`, `{"choices":[],"prompt_filter_results":[]}`, `{"choices":[{"index":0,"delta":{}}]}`, `{"choices":[{"index":0,"delta":{"content":"ann@example.org"}}]}`)},
		{"a note between two parts", responses, sse(`{"type":"response.output_text.delta","output_index":0,"delta":"[EMA"}`, `{"type":"response.output_text.annotation.added","output_index":0,"annotation":{"text":"x"}}`, `{"type":"response.output_text.delta","output_index":0,"delta":"IL_1]"}`),
			sse(`{"type":"response.output_text.delta","output_index":0,"delta":""}`, `{"type":"response.output_text.annotation.added","output_index":0,"annotation":{"text":"x"}}`, `{"type":"response.output_text.delta","output_index":0,"delta":"ann@example.org"}`)},
		{"input of a tool of one's own", openai, sse(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"custom":{"input":"to [EMAIL"}}]}}]}`, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"custom":{"input":"_1]"}}]}}]}`),
			sse(`{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"custom":{"input":"to "}}]}}]}`, `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"custom":{"input":"ann@example.org"}}]}}]}`)},
		{"reasons with their details", openai, sse(`{"choices":[{"index":0,"delta":{"content":"","reasoning":"[EMA","reasoning_details":[{"type":"reasoning.text","text":"[EMA","format":"x"}]}}]}`, `{"choices":[{"index":0,"delta":{"content":"","reasoning":"IL_1]","reasoning_details":[{"type":"reasoning.text","text":"IL_1]","format":"x"}]}}]}`),
			sse(`{"choices":[{"index":0,"delta":{"content":"","reasoning":"","reasoning_details":[{"type":"reasoning.text","text":"","format":"x"}]}}]}`, `{"choices":[{"index":0,"delta":{"content":"","reasoning":"ann@example.org","reasoning_details":[{"type":"reasoning.text","text":"ann@example.org","format":"x"}]}}]}`)},
		{"two choices in one event, of which one ends so", openai, sse(`{"choices":[{"index":0,"delta":{"content":"a ["}},{"index":1,"delta":{"content":"b"}}]}`, `[DONE]`),
			sse(`{"choices":[{"index":0,"delta":{"content":"a "}},{"index":1,"delta":{"content":"b"}}]}`, `{"choices":[{"index":0,"delta":{"content":"["}},{"index":1,"delta":{"content":""}}]}`, `[DONE]`)},
		{"a failure in the middle", openai, sse(`{"choices":[{"index":0,"delta":{"content":"a ["}}]}`, `{"error":{"message":"no"}}`),
			sse(`{"choices":[{"index":0,"delta":{"content":"a "}}]}`, `{"choices":[{"index":0,"delta":{"content":"["}}]}`, `{"error":{"message":"no"}}`)},
		{"arguments as an object", chat, []string{`{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"arguments":"[KEY_1]","[EMAIL_1]":1}}}]},"done":true}` + "\n"}, []string{`{"message":{"tool_calls":[{"function":{"name":"f","arguments":{"arguments":"a\nb","ann@example.org":1}}}]},"done":true}` + "\n"}},
	} {
		reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: c.pieces}}, c.ep, of)
		if err != nil {
			t.Fatal(err)
		}
		if c.want == nil {
			c.want = c.pieces
		}
		if got, want := read(t, reply), strings.Join(c.want, ""); got != want {
			t.Errorf("%s: got\n%s, want\n%s", c.name, got, want)
		}
	}
}

// Who reads the last piece need not come back: so it is none as long as something is held back.
func TestTheLastPieceIsTheLast(t *testing.T) {
	reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: []string{`{"message":{"content":"see ["},"done":false}` + "\n"}}}, chat, []secret{{"[EMAIL_1]", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reply.Body.Next(); err != nil || reply.Body.Last() {
		t.Errorf("something is held back, and the piece calls itself the last (%v)", err)
	}
	if p, err := reply.Body.Next(); err != nil || !strings.Contains(string(p), `"["`) || !reply.Body.Last() {
		t.Errorf("%s, %v", p, err)
	}
}

// An event may be large, and what is held back of it is bounded.
func TestWhatIsHeldIsBounded(t *testing.T) {
	choices := make([]string, 0, 200)
	for i := range 200 {
		choices = append(choices, fmt.Sprintf(`{"index":%d,"delta":{"content":"%s ["}}`, i, strings.Repeat("x", 10_000)))
	}
	reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: []string{"data: {\"choices\":[" + strings.Join(choices, ",") + "]}\n\n"}}}, openai, []secret{{"[EMAIL_1]", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, reply); len(got) > 5<<20 || strings.Count(got, "[") < 200 {
		t.Errorf("%d bytes, %d brackets", len(got), strings.Count(got, "["))
	}
}

// Where the text of an answer is JSON, what is put back into it is escaped for that.
func TestAnAnswerInJSON(t *testing.T) {
	for _, c := range []struct{ ask, answer, want string }{
		{`{"format":"json"}`, `{"message":{"content":"{\"key\":\"[K_1]\"}"},"done":true}`, "a\"b\nc"},
		{`{"response_format":{"type":"json_schema"}}`, `{"choices":[{"message":{"content":"{\"key\":\"[K_1]\"}"}}]}`, "a\"b\nc"},
		{`{}`, `{"message":{"content":"[K_1]"},"done":true}`, ""},
	} {
		reply, err := restored(&llm.Reply{Body: &body{pieces: []string{c.answer}}}, &llm.Request{Endpoint: chat, Body: []byte(c.ask)}, []secret{{"[K_1]", "a\"b\nc"}})
		if err != nil {
			t.Fatal(err)
		}
		all := read(t, reply)
		content := gjson.Get(all, "message.content").Str + gjson.Get(all, "choices.0.message.content").Str
		if got := gjson.Get(content, "key").Str; !gjson.Valid(all) || got != c.want || c.want == "" && content != "a\"b\nc" {
			t.Errorf("%s: %s", c.ask, all)
		}
	}
}

// The text before a failure reaches the caller, and then the failure.
func TestAStreamThatBreaksOffGivesBackWhatItHeld(t *testing.T) {
	broken := &llm.Error{Kind: llm.Broken, Message: "broke off"}
	reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: []string{`{"message":{"content":"so [EMA"},"done":false}` + "\n"}, err: broken}}, chat, []secret{{"[EMAIL_1]", "x"}})
	if err != nil {
		t.Fatal(err)
	}
	all := ""
	for range 2 {
		p, err := reply.Body.Next()
		if err != nil {
			t.Fatal(err)
		}
		all += string(p)
	}
	if got := ollamaText(all); got != "so [EMA|" {
		t.Errorf("got %q of %s", got, all)
	}
	for range 2 {
		if _, err := reply.Body.Next(); err != error(broken) {
			t.Errorf("the end is told as %v", err)
		}
	}
}

// FuzzEvents looks for texts that are lost or doubled where nothing stands to be replaced, and for panics.
func FuzzEvents(f *testing.F) {
	f.Add(true, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"[EMA\"}}]}\n\n", "data: [DONE]\n\n")
	f.Add(false, `{"message":{"content":"[","tool_calls":[{"function":{"name":"f"}}]},"done":false}`+"\n", `{"message":{"content":"x"},"done":true}`+"\n")
	f.Add(false, `{"message":{"content":"[EM"},"done":false}`+"\n", `{"message":{"content":"x"},"done":true}`+"\n")
	f.Add(false, `{"content":"["tool_calls0`, "0")
	f.Add(true, "event: a\r\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"text\":\"[\"}}\r\n\r\n", ": comment\n\n")
	f.Fuzz(func(t *testing.T, sse bool, a, b string) {
		ep := chat
		if sse {
			ep = openai
		}
		reply, err := putBack(&llm.Reply{Stream: true, Body: &body{pieces: []string{a, b}}}, ep, []secret{{"[EMAIL_1]", "x"}})
		if err != nil {
			t.Fatal(err)
		}
		all := ""
		for {
			p, err := reply.Body.Next()
			all += string(p)
			if err != nil {
				break
			}
		}
		if !strings.Contains(a+b, "[") && all != a+b {
			t.Errorf("%q and %q became %q", a, b, all)
		}
		if n := strings.Count(all, "tool_calls"); n != strings.Count(a+b, "tool_calls") {
			t.Errorf("%q and %q became %q: a call of a tool is lost or doubled", a, b, all)
		}
	})
}
