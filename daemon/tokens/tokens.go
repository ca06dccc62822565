// Package tokens counts the tokens of a call whose target did not tell: most OpenAI-compatible servers report the usage of
// a stream only when asked to, and a relay does not ask for what the caller did not.
//
// The count is that of OpenAI's o200k_base vocabulary, whatever the model; texts of ordinary English come out within a few
// percent for other vocabularies too. That is why such counts are marked as estimated wherever they are shown. The
// vocabulary takes 6 MB and is loaded when the first call needs it.
package tokens

import (
	"bytes"
	"fmt"
	"strings"
	"sync"

	"github.com/tidwall/gjson"
	"github.com/tiktoken-go/tokenizer"

	"corral/daemon/llm"
)

// maxText is how much of a text is really counted, in bytes (a megabyte takes 0.2 s); the rest is reckoned from it.
const maxText = 256 << 10

// Counter counts. It is safe for concurrent use; the zero Counter is ready.
type Counter struct {
	once  sync.Once
	codec tokenizer.Codec
	err   error
}

// Text is the count of one text.
func (c *Counter) Text(s string) (int64, error) {
	c.once.Do(func() { c.codec, c.err = tokenizer.Get(tokenizer.O200kBase) })
	if c.err != nil {
		return 0, fmt.Errorf("load vocabulary: %w", c.err)
	}
	whole := len(s)
	if whole > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	n, err := c.codec.Count(s)
	if err != nil {
		return 0, fmt.Errorf("count tokens: %w", err)
	}
	if whole > maxText {
		return int64(float64(n) * float64(whole) / float64(maxText)), nil
	}
	return int64(n), nil
}

// Usage counts what a call in OpenAI's dialect used, from the bytes of its body and of its streamed answer.
func (c *Counter) Usage(body, events []byte) (llm.Usage, error) {
	u := llm.NoUsage
	var err error
	if u.Input, err = c.Text(Prompt(body)); err != nil {
		return llm.NoUsage, err
	}
	if u.Output, err = c.Text(Answer(events)); err != nil {
		return llm.NoUsage, err
	}
	return u, nil
}

// Prompt is the text in a body: what stands in messages, prompt, input and instructions, without images.
func Prompt(body []byte) string {
	var b strings.Builder
	gjson.ParseBytes(body).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "messages", "prompt", "input", "instructions", "system", "tools":
			texts(&b, k.Str, v)
		}
		return true
	})
	return b.String()
}

func texts(b *strings.Builder, key string, v gjson.Result) {
	switch {
	case v.IsArray() || v.IsObject():
		v.ForEach(func(k, v gjson.Result) bool {
			if k.Str != "image_url" && k.Str != "data" && k.Str != "type" && k.Str != "role" && k.Str != "id" {
				texts(b, k.Str, v)
			}
			return true
		})
	case v.Type == gjson.String:
		b.WriteString(v.Str)
		b.WriteByte('\n')
	}
}

// Answer is the text of a streamed answer of chat completions, completions or responses.
func Answer(events []byte) string {
	var b strings.Builder
	for line := range bytes.Lines(events) {
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		if !ok {
			continue
		}
		v := gjson.ParseBytes(data)
		if v.Get("delta").Type == gjson.String { // responses
			b.WriteString(v.Get("delta").Str)
			continue
		}
		v.Get("choices").ForEach(func(_, choice gjson.Result) bool {
			b.WriteString(choice.Get("text").Str)
			choice.Get("delta").ForEach(func(k, v gjson.Result) bool {
				switch {
				case k.Str == "role":
				case v.Type == gjson.String:
					b.WriteString(v.Str)
				case k.Str == "tool_calls":
					v.ForEach(func(_, call gjson.Result) bool {
						b.WriteString(call.Get("function.name").Str)
						b.WriteString(call.Get("function.arguments").Str)
						return true
					})
				}
				return true
			})
			return true
		})
	}
	return b.String()
}
