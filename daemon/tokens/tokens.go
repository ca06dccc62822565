// Package tokens counts the tokens of a call whose target did not tell: most OpenAI-compatible servers report the usage of
// a stream only when asked to, and a relay does not ask for what the caller did not. An answer that broke off, or that its
// caller left, ends before its usage is told in any of the APIs, and has cost what it cost up to there.
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
			if k.Str != "image_url" && k.Str != "images" && k.Str != "data" && k.Str != "type" && k.Str != "role" && k.Str != "id" {
				texts(b, k.Str, v)
			}
			return true
		})
	case v.Type == gjson.String && v.Str != "":
		b.WriteString(v.Str)
		b.WriteByte('\n')
	}
}

// Answer is the text of an answer in any of the APIs, or of as much of it as came: what a model wrote, thought and called.
func Answer(answer []byte) string {
	var b strings.Builder
	if trimmed := bytes.TrimSpace(answer); len(trimmed) > 0 && trimmed[0] == '{' && gjson.ValidBytes(trimmed) {
		said(&b, gjson.ParseBytes(trimmed)) // one object, which may be written over many lines
		return b.String()
	}
	for line := range bytes.Lines(answer) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			said(&b, gjson.ParseBytes(data))
		} else if line[0] == '{' {
			said(&b, gjson.ParseBytes(line))
		}
	}
	return b.String()
}

// said writes down what one event of a stream, or a whole answer, adds to the text. What an event says again is left out:
// OpenAI's responses end with all of their text, and Anthropic's messages begin with an empty one.
func said(b *strings.Builder, v gjson.Result) {
	kind := v.Get("type").Str
	again := strings.HasPrefix(kind, "response.") || kind == "message_start"
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "delta": // OpenAI's responses have a text there, Anthropic's messages an object
			if v.Type == gjson.String {
				b.WriteString(v.Str)
			} else {
				words(b, v)
			}
		case "content_block":
			words(b, v)
		case "choices":
			v.ForEach(func(_, choice gjson.Result) bool {
				b.WriteString(choice.Get("text").Str)
				words(b, choice.Get("delta"))
				words(b, choice.Get("message"))
				return true
			})
		case "message", "response", "thinking", "content", "output":
			if !again {
				words(b, v)
			}
		}
		return true
	})
}

// words writes down the texts in v, whatever they are called, but for those that no model wrote.
func words(b *strings.Builder, v gjson.Result) {
	if v.Type == gjson.String {
		b.WriteString(v.Str)
		return
	}
	if !v.IsArray() && !v.IsObject() {
		return
	}
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "role", "type", "id", "call_id", "status", "signature", "stop_reason", "stop_sequence", "encrypted_content", "logprobs", "annotations":
		default:
			words(b, v)
		}
		return true
	})
}
