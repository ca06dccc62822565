package translate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"corral/daemon/llm"
)

func canonOf(t testing.TB, endpoint, body string) Canonical {
	t.Helper()
	c, err := Canon(endpoints[endpoint], []byte(body))
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return c
}

// TestCanonAlike has calls that ask the same, in other words.
func TestCanonAlike(t *testing.T) {
	for name, group := range map[string][][2]string{
		"a plain question, in all dialects": {
			{"chat", `{"model":"m","messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0}}`},
			{"chat", `{"stream":false,"options":{"temperature":0.0},"messages":[{"content":"\u0048i","role":"user"}],"model":"n","keep_alive":"5m"}`},
			{"chat_completions", `{"model":"m","stream":true,"stream_options":{"include_usage":true},"temperature":0,"messages":[{"role":"user","content":"Hi"}]}`},
			{"chat_completions", `{"temperature":0.00e5,"messages":[{"role":"user","content":[{"type":"text","text":"Hi"}]}],"user":"u","metadata":{"a":"b"},"store":false,"safety_identifier":"s","prompt_cache_key":"k","prompt_cache_retention":"24h"}`},
			{"responses", `{"model":"m","input":"Hi","temperature":0e0}`},
			{"responses", ` { "input" : [ { "type":"message", "role":"user" , "content":[{"type":"input_text","text":"Hi"}]}] ,"temperature":0,"stream":true}`},
		},
		"with a system prompt and a bound": {
			{"chat", `{"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"}],"options":{"num_predict":12,"temperature":0}}`},
			{"chat_completions", `{"max_tokens":1.2e1,"temperature":0,"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"}]}`},
			{"responses", `{"max_output_tokens":12,"temperature":0,"instructions":"Be kind","input":"Hi"}`},
			{"messages", `{"max_tokens":12,"temperature":0,"system":"Be kind","messages":[{"role":"user","content":"Hi"}],"metadata":{"user_id":"u"}}`},
			{"messages", `{"max_tokens":12,"temperature":0,"system":[{"type":"text","text":"Be kind"}],"messages":[{"role":"user","content":[{"text":"Hi","type":"text"}]}]}`},
		},
		"a picture": {
			{"chat", `{"messages":[{"role":"user","content":"What?","images":["iVBORw0KGgo="]}],"options":{"num_predict":12,"temperature":0}}`},
			{"messages", `{"max_tokens":12,"temperature":0,"messages":[{"role":"user","content":[{"type":"text","text":"What?"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}]}]}`},
			{"responses", `{"max_output_tokens":12,"temperature":0,"input":[{"role":"user","content":[{"type":"input_text","text":"What?"},{"type":"input_image","image_url":"data:image/png;base64,iVBORw0KGgo=","detail":"auto"}]}]}`},
		},
		"tools": {
			{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"num_predict":12,"temperature":0},"tools":[{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"b":{},"a":{}}}}}]}`},
			{"chat_completions", `{"max_tokens":12,"temperature":0,"tools":[{"function":{"parameters":{"type":"object","properties":{"b":{},"a":{}}},"description":"d","name":"f"},"type":"function"}],"messages":[{"role":"user","content":"Hi"}]}`},
			{"messages", `{"max_tokens":12,"temperature":0,"tools":[{"name":"f","description":"d","input_schema":{"type":"object","properties":{"b":{},"a":{}}}}],"messages":[{"role":"user","content":"Hi"}]}`},
		},
		"settings": {
			{"chat", `{"messages":[{"role":"user","content":"Hi"}],"format":"json","think":false,"options":{"stop":["x"],"seed":7,"temperature":0,"top_p":0.5,"presence_penalty":1}}`},
			{"chat_completions", `{"stop":"x","seed":7,"temperature":0,"top_p":5e-1,"presence_penalty":1,"response_format":{"type":"json_object"},"reasoning_effort":"none","messages":[{"role":"user","content":"Hi"}]}`},
		},
		"what is not portable, in one dialect": {
			{"chat_completions", `{"n":2,"messages":[{"role":"user","content":"a/b\n\u00e9\ud83d\udc0e\"\\"}],"logit_bias":{"1":-100,"2":1}}`},
			{"chat_completions", `{"model":"x","logit_bias":{"2":1.0,"1":-1e2},"messages":[{"content":"a\/b\u000a\u00E9🐎\u0022\u005c","role":"user"}],"n":0.2e1,"stream":true}`},
		},
		"a long list of numbers, which is not portable": {
			{"generate", `{"prompt":"Hi","context":[` + strings.Repeat("12,", 99) + `-1.50]}`},
			{"generate", `{"context" : [ ` + strings.Repeat("1.2e1 ,\n", 99) + `-15e-1 ] ,"prompt":"Hi"}`},
		},
	} {
		first := canonOf(t, group[0][0], group[0][1])
		for _, x := range group {
			c := canonOf(t, x[0], x[1])
			if c.Unfit != "" || c.Family != first.Family || !bytes.Equal(c.Form, first.Form) || !bytes.Equal(c.Prefix, first.Prefix) || c.Question != first.Question ||
				c.Turns != 1 || c.Agentic != (name == "tools") || c.Portable == strings.Contains(name, "not portable") {
				t.Errorf("%s: %s is\n%+v\n%s\nrather than\n%+v\n%s", name, x[1], c, c.Form, first, first.Form)
			}
		}
	}
}

// TestCanonDifferent has calls that must not get each other's answers.
func TestCanonDifferent(t *testing.T) {
	group := [][2]string{
		{"chat", `{"messages":[{"role":"user","content":"Hi"}]}`}, // the defaults of sampling differ by dialect
		{"chat_completions", `{"messages":[{"role":"user","content":"Hi"}]}`},
		{"responses", `{"input":"Hi"}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0,"num_predict":-1}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0,"num_predict":-2}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0},"think":true}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0},"think":"low"}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0},"think":false}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0,"seed":12345678901234567890}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0,"seed":12345678901234567891}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0},"format":{"type":"object","properties":{"a":{},"b":{}}}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi"}],"options":{"temperature":0},"format":{"type":"object","properties":{"b":{},"a":{}}}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi","images":["iVBORw0KGgo="]}],"options":{"temperature":0}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi","images":["/9j/"]}],"options":{"temperature":0}}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"developer","content":"Be kind"},{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"}]}`},
		{"responses", `{"temperature":0,"input":[{"role":"system","content":"Be kind"},{"role":"user","content":"Hi"}]}`}, // instructions are repeated
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"Be kind"},{"role":"user","content":"Hi"}]}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi","images":"iVBORw0KGgo="}],"options":{"temperature":0}}`},
		{"chat", `{"messages":[{"role":"user","content":"Hi","images":[1]}],"options":{"temperature":0}}`},
		{"generate", `{"prompt":"Hi","format":{"par\u0061meters":{"a":{},"b":{}}}}`},
		{"chat_completions", `{"functions":[{"par\u0061meters":{"a":1,"b":2}}],"messages":[{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"functions":[{"parameters":{"b":2,"a":1}}],"messages":[{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":[{"type":"text","text":"Be kind"},{"type":"text","text":"Hi"}]}]}`},
		{"messages", `{"max_tokens":5,"temperature":0,"messages":[{"role":"user","content":[{"type":"text","text":"Be kind"},{"type":"text","text":"Hi"}]}]}`},
		{"chat_completions", `{"max_tokens":5,"temperature":0,"messages":[{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"max_completion_tokens":5,"temperature":0,"messages":[{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"max_tokens":5,"temperature":0,"stop":"x","messages":[{"role":"user","content":"Hi"}]}`},
		{"messages", `{"max_tokens":5,"temperature":0,"stop_sequences":["x"],"messages":[{"role":"user","content":"Hi"}]}`},
		{"chat_completions", `{"temperature":0,"reasoning_effort":"low","messages":[{"role":"user","content":"Hi","name":"x"}]}`},
		{"responses", `{"temperature":0,"reasoning":{"effort":"low"},"input":"Hi"}`},
		{"responses", `{"temperature":0,"text":{"format":{"type":"json_object"}},"input":"Hi"}`},
		{"responses", `{"temperature":0,"metadata":{"of":"one"},"input":"Hi"}`}, // the answer repeats it
		{"responses", `{"temperature":0,"metadata":{"of":"another"},"input":"Hi"}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"Hi\",[\"user\",\"Ho"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"Hi"},{"role":"user","content":"Ho"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"\ud800"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"\ud801"}]}`},
		{"chat_completions", `{"temperature":0,"messages":[{"role":"user","content":"\ufffd"}]}`},
		{"generate", `{"prompt":"Hi","options":{"temperature":0}}`},
		{"generate", `{"prompt":"Hi","options":{"temperature":0},"raw":true}`},
		{"generate", `{"prompt":"Hi","options":{"temperature":0},"context":[1,2]}`},
		{"generate", `{"prompt":"Hi","options":{"temperature":0},"context":[12]}`},
		{"generate", `{"prompt":"Hi","context":[` + strings.Repeat("1,", 99) + `1]}`},
		{"generate", `{"prompt":"Hi","context":[` + strings.Repeat("1,", 98) + `11]}`},
		{"generate", `{"prompt":"Hi","context":[` + strings.Repeat("1,", 98) + `1]}`},
		{"completions", `{"prompt":"Hi","temperature":0}`},
		{"completions", `{"prompt":"Hi","temperature":0,"suffix":"."}`},
		{"completions", `{"prompt":["Hi"],"temperature":0}`},
	}
	seen := map[string]string{}
	for _, x := range group {
		c := canonOf(t, x[0], x[1])
		if other := seen[string(c.Form)]; other != "" {
			t.Errorf("%s\nis taken for\n%s\nin the form %s", x[1], other, c.Form)
		}
		seen[string(c.Form)] = x[1]
	}
}

// TestCanonTells has what a cache has to know beside the form.
func TestCanonTells(t *testing.T) {
	for body, want := range map[string]Canonical{
		`chat {"messages":[]}`: {Unfit: "it has no messages"},
		`chat {}`:              {Unfit: "it has no messages"},
		`chat {"messages":[{"role":"user","content":"Hi"}],"keep_alive":0}`:                       {Unfit: "the model is to be unloaded after it", Turns: 1, Question: "Hi"},
		`chat {"messages":[{"role":"user","content":"Hi"}],"keep_alive":"0s"}`:                    {Unfit: "the model is to be unloaded after it", Turns: 1, Question: "Hi"},
		`chat {"messages":[{"role":"user","content":"Hi"}],"keep_alive":-1,"options":{"seed":3}}`: {Seeded: true, Turns: 1, Question: "Hi"},
		`chat {"messages":[{"role":"user","content":"Hi"}],"options":{"seed":-1}}`:                {Turns: 1, Question: "Hi"},
		`generate {"prompt":""}`:                                   {Unfit: "it has no prompt"},
		`generate {"model":"m"}`:                                   {Unfit: "it has no prompt"},
		`generate {"prompt":"Hi"}`:                                 {Turns: 1, Question: "Hi"},
		`generate {"prompt":"Hi","images":["aaaa"]}`:               {Turns: 1},
		`completions {"prompt":["a","b"]}`:                         {Turns: 1},
		`responses {"input":""}`:                                   {Unfit: "it has no prompt"},
		`responses {"input":"Hi","previous_response_id":"r"}`:      {Unfit: "it goes on with what the server keeps", Turns: 1, Question: "Hi"},
		`responses {"input":"Hi","conversation":{"id":"c"}}`:       {Unfit: "it goes on with what the server keeps", Turns: 1, Question: "Hi"},
		`responses {"input":"Hi","background":true}`:               {Unfit: "the server is to keep the answer", Turns: 1, Question: "Hi"},
		`responses {"input":"Hi","store":true}`:                    {Unfit: "the server is to keep the answer", Turns: 1, Question: "Hi"},
		`responses {"input":"Hi","tools":[{"type":"web_search"}]}`: {Unfit: "it has a tool that the server runs itself", Agentic: true, Turns: 1, Question: "Hi"},
		`messages {"messages":[{"role":"user","content":"Hi"}],"tools":[{"type":"web_search_20250305","name":"w"}]}`:                                                                   {Unfit: "it has a tool that the server runs itself", Agentic: true, Turns: 1, Question: "Hi"},
		`messages {"messages":[{"role":"user","content":"Hi"}],"temperature":0,"tools":[{"type":"custom","name":"w"}]}`:                                                                {Greedy: true, Agentic: true, Turns: 1, Question: "Hi"},
		`messages {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use"}]},{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`: {Agentic: true, Turns: 1},
		`chat {"messages":[{"role":"user","content":"Hi"},{"role":"tool","content":"x"}]}`:                                                                                             {Agentic: true, Turns: 1, Question: "Hi"},
		`chat {"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":"Ho"},{"role":"user","content":"And?"}]}`:                                                      {Turns: 2, Question: "And?"},
		`chat_completions {"messages":[{"role":"user","content":"Hi"}],"temperature":0,"temperature":1}`:                                                                               {Unfit: "a member is named twice", Turns: 1, Question: "Hi"},
		`chat_completions {"messages":[{"role":"user","content":"Hi"}],"Temperature":1}`:                                                                                               {Unfit: "a field's name is in capitals: servers differ in whether they know it", Turns: 1, Question: "Hi"},
		`chat_completions {"messages":[{"role":"user","content":"Hi","Content":"Ho"}]}`:                                                                                                {Unfit: "a member is named twice", Turns: 1, Question: "Hi"},
		`chat_completions {"messages":[{"role":"user","content":"Hi"}],"temperature":"0"}`:                                                                                             {Turns: 1, Question: "Hi"},
		"chat {\"messages\":[{\"role\":\"user\",\"content\":\"\xff\"}]}":                                                                                                               {Unfit: "it is not in UTF-8", Turns: 1, Question: "\xff"},
		`chat_completions {"messages":[{"role":"user","content":"Hi"}],"stream_options":{"include_usage":true}}`:                                                                       {Turns: 1, Question: "Hi", IncludeUsage: true},
		`chat {"messages":[{"role":"user","content":"Hi"}],"stream_options":{"include_usage":true}}`:                                                                                   {Turns: 1, Question: "Hi"},
		`embed {"input":[]}`:        {Unfit: "there is nothing to make a vector of"},
		`embed {"input":["horse"]}`: {},
	} {
		endpoint, body, _ := strings.Cut(body, " ")
		got := canonOf(t, endpoint, body)
		if hole := got.Prefix != nil; hole != (want.Question != "") {
			t.Errorf("%s: prefix %q", body, got.Prefix)
		}
		got.Form, got.Prefix, got.Family, got.Portable = nil, nil, "", false
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s %s:\n got %+v\nwant %+v", endpoint, body, got, want)
		}
	}
	for _, body := range []string{``, `[]`, `"x"`, `{`, `{"a":1}}`, `{"a":01}`, `{"a":"\x"}`, "{\"a\":\"\n\"}", `{"a":1,}`, `{"a":.5}`, `{"a":tru}`, strings.Repeat("[", 1000)} {
		_, err := Canon(endpoints["chat"], []byte(body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != llm.Invalid {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestCanonPrefix: two calls that differ in their last question only share the prefix, and no others do.
func TestCanonPrefix(t *testing.T) {
	for _, ask := range []string{
		`chat {"messages":[{"role":"system","content":"S"},{"role":"user","content":"%s"}],"options":{"temperature":0}}`,
		`chat {"messages":[{"role":"system","content":"S"},{"role":"user","content":"%s"}],"options":{"temperature":0.5}}`,
		`responses {"input":"%s","temperature":1}`,
		`responses {"input":[{"role":"user","content":[{"type":"input_text","text":"%s"}]}],"temperature":0}`,
		`generate {"prompt":"%s"}`,
	} {
		endpoint, body, _ := strings.Cut(ask, " ")
		a, b, other := canonOf(t, endpoint, fmt.Sprintf(body, `a\"b`)), canonOf(t, endpoint, fmt.Sprintf(body, "c")), canonOf(t, endpoint, strings.Replace(fmt.Sprintf(body, "c"), "{", `{"num":1,`, 1))
		if !bytes.Equal(a.Prefix, b.Prefix) || bytes.Equal(a.Form, b.Form) || a.Question != `a"b` || b.Question != "c" || bytes.Contains(b.Prefix, []byte(`"c"`)) {
			t.Errorf("%s\n%s\n%s", a.Question, a.Prefix, b.Prefix)
		}
		if bytes.Equal(b.Prefix, other.Prefix) {
			t.Errorf("%s", other.Prefix)
		}
	}
}

// harmlessAt are the places whose values do not decide, beside what is below them.
var harmlessAt = map[string][]string{
	"":                 {"model", "stream", "stream_options"},
	"chat":             {"keep_alive"},
	"generate":         {"keep_alive"},
	"chat_completions": {"user", "safety_identifier", "metadata", "prompt_cache_key", "prompt_cache_retention"},
	"completions":      {"user"},
	"messages":         {"metadata.user_id"},
}

// TestCanonMindsEveryField changes each value of each body in testdata, one by one: the form must change with it, unless it
// is known not to decide. And it writes the bodies in other ways, which must not change the form.
func TestCanonMindsEveryField(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	changed := 0
	for _, ep := range chatEndpoints {
		for _, body := range corpus(t, "asked", ep) {
			var v map[string]any
			d := json.NewDecoder(bytes.NewReader(body))
			d.UseNumber()
			if err := d.Decode(&v); err != nil {
				t.Fatal(err)
			}
			for _, greedy := range []bool{false, true} {
				if greedy {
					if o, ok := v["options"].(map[string]any); ok {
						o["temperature"] = json.Number("0")
					} else if ep != "chat" && ep != "generate" {
						v["temperature"] = json.Number("0")
					}
				}
				plain, _ := json.Marshal(v)
				want := canonOf(t, ep, string(plain))
				for range 3 {
					if other := another(r, v, false); !bytes.Equal(canonOf(t, ep, other).Form, want.Form) {
						t.Errorf("%s: %s\nis another than\n%s", ep, other, plain)
					}
				}
				each(v, "", func(path string, set func(any), was any) {
					set(differentFrom(was))
					b, _ := json.Marshal(v)
					set(was)
					same := bytes.Equal(canonOf(t, ep, string(b)).Form, want.Form)
					known := slices.ContainsFunc(append(harmlessAt[""], harmlessAt[ep]...), func(h string) bool { return path == h || strings.HasPrefix(path, h+".") })
					if changed++; same != known {
						t.Errorf("%s: %s is changed, and the form the same: %t\n%s", ep, path, same, b)
					}
				})
			}
		}
	}
	if changed < 500 {
		t.Errorf("only %d changed", changed)
	}
}

// each calls f for each value in v that holds no others, with a way to set it.
func each(v any, path string, f func(path string, set func(any), was any)) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			at := strings.TrimPrefix(path+"."+k, ".")
			switch e.(type) {
			case map[string]any, []any:
				each(e, at, f)
			default:
				f(at, func(n any) { v[k] = n }, e)
			}
		}
	case []any:
		for i, e := range v {
			switch e.(type) {
			case map[string]any, []any:
				each(e, path, f)
			default:
				f(path, func(n any) { v[i] = n }, e)
			}
		}
	}
}

func differentFrom(v any) any {
	switch v := v.(type) {
	case string:
		return v + "x"
	case json.Number:
		return json.Number("1" + strings.TrimPrefix(string(v), "-"))
	case bool:
		return !v
	}
	return "x"
}

// another is v as JSON in another way: other white space, escapes, spellings of numbers, and but below a schema another
// order of members.
func another(r *rand.Rand, v any, keep bool) string {
	space := func() string { return []string{"", " ", "\n\t", "\r\n  "}[r.IntN(4)] }
	var b strings.Builder
	switch v := v.(type) {
	case map[string]any:
		keys := slices.Sorted(func(yield func(string) bool) {
			for k := range v {
				if !yield(k) {
					return
				}
			}
		})
		if !keep {
			r.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
		}
		b.WriteByte('{')
		for i, k := range keys {
			if i > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, "%s%s%s:%s%s%s", space(), anotherText(r, k), space(), space(), another(r, v[k], keep || ordered([]byte(k)) || k == "format"), space())
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for i, e := range v {
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString(space() + another(r, e, keep) + space())
		}
		b.WriteByte(']')
	case string:
		return anotherText(r, v)
	case json.Number:
		n, _ := new(big.Rat).SetString(string(v))
		switch ten := n.FloatString(20); r.IntN(3) {
		case 0:
			return ten
		case 1:
			return string(v) + []string{"e0", "E+0", "e-00"}[r.IntN(3)]
		}
		return string(v)
	default:
		o, _ := json.Marshal(v)
		return string(o)
	}
	return b.String()
}

func anotherText(r *rand.Rand, s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c < 0x20 || c == '"' || c == '\\' || r.IntN(6) == 0:
			if c >= 0x10000 {
				c -= 0x10000
				fmt.Fprintf(&b, `\u%04X\u%04x`, 0xD800+c>>10, 0xDC00+c&0x3FF)
			} else {
				fmt.Fprintf(&b, []string{`\u%04x`, `\u%04X`}[r.IntN(2)], c)
			}
		case c == '/' && r.IntN(2) == 0:
			b.WriteString(`\/`)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// FuzzCanon: what json understands has a form, which is JSON and the form of itself; and two bodies have one form exactly
// when they mean the same.
func FuzzCanon(f *testing.F) {
	for _, ep := range chatEndpoints {
		for _, b := range corpus(f, "asked", ep) {
			f.Add(b, b)
		}
	}
	f.Add([]byte(`{"a":1.0,"b":[0,-0,1e5,100000]}`), []byte(`{"b":[0,-0,100000,1e5],"a":1}`))
	f.Add([]byte(`{"a":[`+strings.Repeat("1, ", 70)+`2.50]}`), []byte(`{"a": [ `+strings.Repeat("1.0 ,", 70)+`25e-1 ]}`))
	f.Add([]byte(`{"a":[`+strings.Repeat("1,", 70)+`"x"]}`), []byte(`{"a":[`+strings.Repeat("1,", 63)+`1]}`))
	f.Add([]byte(`{"a":"\ud83d\ude00 \ud800 \u00e9"}`), []byte(`{"a":"😀 \ufffd é"}`))
	ep := &llm.Endpoint{Name: "any"}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, ep := range endpoints {
			if _, err := Canon(ep, a); err == nil && !json.Valid(a) {
				t.Fatalf("%q is no JSON", a)
			}
		}
		x, errX := Canon(ep, a)
		if errX != nil {
			if json.Valid(a) && bytes.HasPrefix(bytes.TrimSpace(a), []byte("{")) && !strings.Contains(string(a), strings.Repeat("[", 100)) && !strings.Contains(string(a), strings.Repeat("{", 100)) && len(a) < 1000 {
				t.Fatalf("%q: %v", a, errX)
			}
			return
		}
		form := x.Form[len("any\n"):]
		if !json.Valid(form) {
			t.Fatalf("%q became %q", a, form)
		}
		if again, err := Canon(ep, form); err != nil || !bytes.Equal(again.Form, x.Form) {
			t.Fatalf("%q is not the form of itself: %q, %v", form, again.Form, err)
		}
		y, errY := Canon(ep, b)
		if errY != nil || x.Unfit != "" || y.Unfit != "" {
			return
		}
		if bytes.Equal(x.Form, y.Form) && !reflect.DeepEqual(meaning(t, a), meaning(t, b)) {
			t.Fatalf("%q and %q have the form %q", a, b, x.Form)
		}
	})
}

// meaning is what a body means: numbers by their value.
func meaning(t *testing.T, body []byte) any {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v map[string]any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	for _, drop := range []string{"model", "stream", "stream_options"} {
		delete(v, drop)
	}
	var exact func(v any) any
	exact = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				v[k] = exact(e)
			}
		case []any:
			for i, e := range v {
				v[i] = exact(e)
			}
		case json.Number:
			if i := strings.IndexAny(string(v), "eE"); i >= 0 && len(v)-i > 6 {
				return "huge"
			}
			n, _ := new(big.Rat).SetString(string(v))
			s := n.RatString()
			if strings.HasPrefix(string(v), "-") && s == "0" {
				s = "-0"
			}
			return "number " + s
		}
		return v
	}
	return exact(v)
}
