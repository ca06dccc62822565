package trace

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/tidwall/gjson"
)

const (
	maxPart    = 8 << 10  // bytes of one text; the rest is cut off
	maxMessage = 64 << 10 // bytes of all texts of a prompt; the oldest messages are left out
)

// The form of gen_ai.input.messages, gen_ai.output.messages and gen_ai.system_instructions:
// https://github.com/open-telemetry/semantic-conventions/blob/v1.41.0/docs/gen-ai/gen-ai-input-messages.json and its neighbours.
type (
	message struct {
		Role   string `json:"role"`
		Parts  []part `json:"parts"`
		Finish string `json:"finish_reason,omitempty"`
	}
	part struct {
		Type      string          `json:"type"`
		Content   string          `json:"content,omitempty"`
		ID        string          `json:"id,omitempty"`
		Name      string          `json:"name,omitempty"`
		Arguments json.RawMessage `json:"arguments,omitempty"`
		Response  string          `json:"response,omitempty"`
	}
)

// texts takes down the prompt and the answer of a call.
func (e *end) texts(q *queue, body []byte) {
	if q.held.Load() > maxTexts {
		q.texted.Inc()
		return
	}
	system, in := prompt(body)
	if len(system) > 0 {
		e.system = asJSON(system)
	}
	if len(in) > 0 {
		e.asked = asJSON(in)
	}
	if len(e.out.Answer) > 0 && e.out.Status < 300 {
		e.answered = asJSON([]message{said(e.out.Answer, e.out.Usage.Finish)})
	}
	q.held.Add(e.held())
}

// held is how many bytes of texts there are.
func (e *end) held() int64 { return int64(len(e.system) + len(e.asked) + len(e.answered)) }

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // cannot happen: all of it are texts, and JSON that was looked at
	}
	return string(b)
}

// prompt reads the prompt from a body of any dialect.
func prompt(body []byte) (system []part, in []message) {
	gjson.ParseBytes(body).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "system", "instructions":
			system = append(system, parts(v)...)
		case "prompt":
			in = append(in, message{Role: "user", Parts: parts(v)})
		case "messages", "input":
			if v.Type == gjson.String {
				in = append(in, message{Role: "user", Parts: parts(v)})
				break
			}
			v.ForEach(func(_, v gjson.Result) bool {
				in = append(in, turn(v))
				return true
			})
		}
		return true
	})
	size := 0
	for i := len(in) - 1; i >= 0; i-- {
		for _, p := range in[i].Parts {
			size += len(p.Content) + len(p.Response) + len(p.Arguments)
		}
		if size > maxMessage {
			return system, in[i+1:]
		}
	}
	return system, in
}

// turn is one message of a conversation.
func turn(v gjson.Result) message {
	m := message{Role: v.Get("role").Str, Parts: []part{}}
	switch v.Get("type").Str {
	case "function_call": // of OpenAI's responses, as the next
		return message{Role: "assistant", Parts: []part{wantsCall(v.Get("call_id").Str, v.Get("name").Str, v.Get("arguments"))}}
	case "function_call_output":
		return message{Role: "tool", Parts: []part{{Type: "tool_call_response", ID: v.Get("call_id").Str, Response: cut(v.Get("output").String(), maxPart)}}}
	}
	if m.Role == "tool" {
		m.Parts = append(m.Parts, part{Type: "tool_call_response", ID: v.Get("tool_call_id").Str, Response: cut(v.Get("content").String(), maxPart)})
		return m
	}
	if t := v.Get("thinking").Str; t != "" {
		m.Parts = append(m.Parts, part{Type: "reasoning", Content: cut(t, maxPart)})
	}
	m.Parts = append(m.Parts, parts(v.Get("content"))...)
	v.Get("tool_calls").ForEach(func(_, v gjson.Result) bool {
		m.Parts = append(m.Parts, wantsCall(v.Get("id").Str, v.Get("function.name").Str, v.Get("function.arguments")))
		return true
	})
	return m
}

// parts are the texts of a content, a string or a list. Of pictures and files only the kind is told.
func parts(v gjson.Result) (out []part) {
	if v.Type == gjson.String {
		if v.Str == "" {
			return nil
		}
		return []part{{Type: "text", Content: cut(v.Str, maxPart)}}
	}
	v.ForEach(func(_, v gjson.Result) bool {
		switch t := v.Get("type").Str; t {
		case "":
			if v.Type == gjson.String { // one of several prompts
				out = append(out, part{Type: "text", Content: cut(v.Str, maxPart)})
			}
		case "text", "input_text", "output_text":
			out = append(out, part{Type: "text", Content: cut(v.Get("text").Str, maxPart)})
		case "thinking":
			out = append(out, part{Type: "reasoning", Content: cut(v.Get("thinking").Str, maxPart)})
		case "tool_use":
			out = append(out, wantsCall(v.Get("id").Str, v.Get("name").Str, v.Get("input")))
		case "tool_result":
			out = append(out, part{Type: "tool_call_response", ID: v.Get("tool_use_id").Str, Response: cut(v.Get("content").String(), maxPart)})
		default:
			out = append(out, part{Type: t})
		}
		return true
	})
	return out
}

// wantsCall is a tool that a model wants called. OpenAI gives the arguments as a text that holds JSON.
func wantsCall(id, name string, arguments gjson.Result) part {
	raw := arguments.Raw
	if arguments.Type == gjson.String && gjson.Valid(arguments.Str) {
		raw = arguments.Str
	}
	if len(raw) > maxPart || !gjson.Valid(raw) {
		raw = ""
	}
	return part{Type: "tool_call", ID: id, Name: name, Arguments: json.RawMessage(raw)}
}

// said reads the answer, which is whole or a stream of any dialect.
func said(answer []byte, finish string) message {
	var text, thought strings.Builder
	m := message{Role: "assistant", Parts: []part{}, Finish: finish}
	add := func(b *strings.Builder, s string) {
		if b.Len() <= maxPart {
			b.WriteString(s)
		}
	}
	take := func(v gjson.Result) {
		add(&thought, v.Get("thinking").Str) // Ollama's generate
		add(&text, v.Get("response").Str)
		one := func(v gjson.Result) { // a message, or what a stream adds to one
			add(&thought, v.Get("thinking").Str)
			add(&thought, v.Get("reasoning_content").Str)
			if c := v.Get("content"); c.Type == gjson.String {
				add(&text, c.Str)
			}
			v.Get("tool_calls").ForEach(func(_, v gjson.Result) bool {
				if name := v.Get("function.name").Str; name != "" && len(m.Parts) < 64 {
					m.Parts = append(m.Parts, wantsCall(v.Get("id").Str, name, v.Get("function.arguments")))
				}
				return true
			})
		}
		one(v.Get("message"))
		v.Get("choices").ForEach(func(_, v gjson.Result) bool {
			add(&text, v.Get("text").Str)
			one(v.Get("message"))
			one(v.Get("delta"))
			return true
		})
		switch d := v.Get("delta"); {
		case d.Type == gjson.String && v.Get("type").Str == "response.output_text.delta":
			add(&text, d.Str)
		case d.IsObject(): // Anthropic's
			add(&text, d.Get("text").Str)
			add(&thought, d.Get("thinking").Str)
		}
		if c := v.Get("content"); c.IsArray() { // Anthropic's, whole
			m.Parts = append(m.Parts, parts(c)...)
		}
		v.Get("output").ForEach(func(_, v gjson.Result) bool { // of responses, whole
			if v.Get("type").Str == "function_call" {
				m.Parts = append(m.Parts, turn(v).Parts...)
			}
			m.Parts = append(m.Parts, parts(v.Get("content"))...)
			return true
		})
	}
	if gjson.ValidBytes(answer) {
		take(gjson.ParseBytes(answer))
	} else {
		for line := range bytes.Lines(answer) {
			line = bytes.TrimSpace(bytes.TrimPrefix(line, []byte("data:")))
			if len(line) > 1 && line[0] == '{' {
				take(gjson.ParseBytes(line))
			}
		}
	}
	if text.Len() > 0 {
		m.Parts = append([]part{{Type: "text", Content: cut(text.String(), maxPart)}}, m.Parts...)
	}
	if thought.Len() > 0 {
		m.Parts = append([]part{{Type: "reasoning", Content: cut(thought.String(), maxPart)}}, m.Parts...)
	}
	return m
}

// cut is s, or a copy of its beginning of n bytes, that does not hold the rest in memory.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return strings.ToValidUTF8(s[:n], "") + "…"
}
