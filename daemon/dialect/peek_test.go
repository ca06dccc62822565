package dialect

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"corral/daemon/llm"
)

func TestPeekFindsWhatDecides(t *testing.T) {
	for _, c := range []struct {
		body, model string
		stream, has bool
		spans       int
	}{
		{`{}`, "", false, false, 0},
		{` {"model":"a","stream":true} `, "a", true, true, 1},
		{`{"model":"a","stream":false,"messages":[{"model":"inner","stream":true}]}`, "a", false, true, 1},
		{`{"MODEL":"a","Stream":true}`, "a", true, true, 1},
		{`{"model":"a","model":"b"}`, "b", false, false, 2},
		{`{"mod\u0065l":"a"}`, "a", false, false, 1},
		{`{"model":"q\"uo\u0074e"}`, `q"uote`, false, false, 1},
		{`{"name":"old"}`, "old", false, false, 1},
		{`{"name":"old","model":"new"}`, "new", false, false, 1},
		{`{"model":"new","name":"old"}`, "new", false, false, 1},
		{`{"model":7,"stream":"yes"}`, "", false, false, 0},
		{`{"stream":null}`, "", false, false, 0},
		{"{\"a\":[1,-2.5e+3,{\"b\":[]},true,null],\r\n\t\"model\" : \"x\" }", "x", false, false, 1},
	} {
		p, err := Peek([]byte(c.body))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		if p.Model != c.model || p.Stream != c.stream || p.HasStream != c.has || len(p.Fields.Model) != c.spans {
			t.Errorf("%s: got %+v", c.body, p)
		}
		for _, s := range p.Fields.Model {
			if v := c.body[s.From:s.To]; v[0] != '"' || v[len(v)-1] != '"' {
				t.Errorf("%s: span %q is not a string", c.body, v)
			}
		}
	}
}

func TestPeekFindsHowLongAnAnswerMayBe(t *testing.T) {
	for body, want := range map[string]llm.Fields{
		`{}`:                 {},
		`{"max_tokens":100}`: {MaxOutput: 100},
		`{"max_tokens":5,"max_completion_tokens":100}`: {MaxOutput: 100},
		`{"Max_Output_Tokens":1e3}`:                    {MaxOutput: 1000},
		`{"max_tokens":null}`:                          {},
		`{"max_tokens":"9"}`:                           {},
		`{"max_tokens":-1}`:                            {},
		`{"max_tokens":7e999,"n":3}`:                   {MaxOutput: maxCount, Choices: 3},
		`{"n":2,"best_of":4}`:                          {Choices: 4},
		`{"x":{"max_tokens":9,"n":9}}`:                 {},
		`{"options":{"a":1},"n":0}`:                    {Options: llm.Span{From: 11, To: 18}},
		`{"options":7}`:                                {},
	} {
		p, err := Peek([]byte(body))
		if err != nil || !reflect.DeepEqual(p.Fields, want) {
			t.Errorf("%s: %+v, %v", body, p.Fields, err)
		}
	}
}

func TestPeekRefusesWhatIsNotOneObject(t *testing.T) {
	for _, body := range []string{``, ` `, `[]`, `"x"`, `null`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{,}`, `{"a":1}x`, `{"a":1}{}`, `{'a':1}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e}`, `{"a":+1}`, `{"a":tru}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, "{\"a\":\"\n\"}",
		`{"a":[1 2]}`, `{"a":[1,]}`, `{"a":{1:2}}`, `{"a":[}`, `{"a":{]}`, `{"a":"x}`, `{"a" 1}`, `{"a":1 "b":2}`, `{"a":"\`, `{"a":"\u00`} {
		if _, err := Peek([]byte(body)); err == nil {
			t.Errorf("%q was taken for an object", body)
		} else if at := (*SyntaxError)(nil); !errors.As(err, &at) || at.Offset > len(body) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestPeekRefusesDepthWithoutUsingUpTheStack(t *testing.T) {
	for _, c := range []string{"[", `{"a":`} {
		body := `{"x":` + strings.Repeat(c, 100000)
		if _, err := Peek([]byte(body)); err == nil || !strings.Contains(err.Error(), "nested deeper") {
			t.Errorf("%.5s...: %v", c, err)
		}
	}
	deep := `{"x":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + "}"
	if _, err := Peek([]byte(deep)); err != nil {
		t.Error("the depth that encoding/json allows was refused:", err)
	}
}

// FuzzPeek compares with encoding/json, which must agree on what is valid and on what the model is.
func FuzzPeek(f *testing.F) {
	for _, s := range []string{`{}`, `{"model":"a","stream":true}`, `{"Model":"\u0041","messages":[{"content":"x\ny"}]}`, `{"a":[[[{}]]],"b":-0.5E-7}`, `{"model":"x","model":null}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Peek(b)
		trimmed := bytes.TrimLeft(b, " \t\r\n")
		valid := json.Valid(b) && len(trimmed) > 0 && trimmed[0] == '{'
		if valid != (err == nil) {
			t.Fatalf("json.Valid says %v, Peek %v: %q", valid, err, b)
		}
		if err != nil {
			return
		}
		var v struct{ Stream *bool }
		if json.Unmarshal(b, &v) == nil && v.Stream != nil && (!p.HasStream || *v.Stream != p.Stream) {
			// A later member of another kind leaves the decoder's value as it was, and Peek's too.
			t.Fatalf("stream: encoding/json has %v, Peek %+v: %q", *v.Stream, p, b)
		}
		for _, s := range p.Fields.Model {
			var name string
			if err := json.Unmarshal(b[s.From:s.To], &name); err != nil {
				t.Fatalf("span %q: %v", b[s.From:s.To], err)
			}
		}
	})
}

func BenchmarkPeek(b *testing.B) {
	for _, size := range []int{1 << 10, 1 << 20} {
		body, _ := json.Marshal(map[string]any{"model": "m", "stream": true, "messages": []map[string]string{{"role": "user", "content": strings.Repeat("some words of a prompt, ", size/24)}}})
		b.Run(map[bool]string{true: "1KB", false: "1MB"}[size == 1<<10], func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Peek(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
