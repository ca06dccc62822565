package dialect

import (
	"bytes"
	"cmp"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

func inspectorOf(ep *llm.Endpoint) inspector {
	switch {
	case ep.Task != llm.Generate:
		return progress
	case ep.Dialect == llm.Anthropic:
		return anthropicEvent
	case ep.Dialect == llm.OpenAI && ep.Name == "responses":
		return responsesEvent
	case ep.Dialect == llm.OpenAI:
		return openaiEvent
	}
	return ollamaLine
}

// progress looks at a line of pull, push or create. Any line counts as content, a failure too: Ollama reports these
// inside a 200, and its own clients expect them there.
func progress(s *Seen, _, data []byte) {
	s.Content = true
	if bytes.Contains(data, []byte(`"error"`)) && gjson.GetBytes(data, "error").Exists() {
		s.Failed = true
	}
}

// ollamaLine looks at a line of /api/chat or /api/generate.
func ollamaLine(s *Seen, _, data []byte) {
	if !object(s, data) {
		return
	}
	done := false
	gjson.ParseBytes(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "error":
			s.fail(v)
		case "response", "thinking":
			s.Content = s.Content || v.Str != ""
		case "message":
			if !s.Content {
				v.ForEach(func(k, v gjson.Result) bool {
					s.Content = k.Str != "role" && (v.Str != "" || v.IsArray() && v.Get("#").Int() > 0)
					return !s.Content
				})
			}
		case "done":
			done = v.Bool()
		}
		ollamaCount(&s.Usage, k.Str, v)
		return true
	})
	if done {
		s.over()
	}
}

// openaiEvent looks at an event of /v1/chat/completions or /v1/completions.
func openaiEvent(s *Seen, _, data []byte) {
	if string(bytes.TrimSpace(data)) == "[DONE]" { // vLLM sends it after an error too
		s.over()
		return
	}
	if !object(s, data) {
		return
	}
	finishedIn(&s.Usage, data)
	if s.Content && !bytes.Contains(data, []byte(`"usage"`)) && !bytes.Contains(data, []byte(`"error"`)) {
		return
	}
	gjson.ParseBytes(data).ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "error":
			s.fail(v)
		case "usage":
			openaiUsage(&s.Usage, v)
		case "choices":
			v.ForEach(func(_, choice gjson.Result) bool {
				s.Content = s.Content || choice.Get("finish_reason").Str != "" || choice.Get("text").Str != ""
				choice.Get("delta").ForEach(func(k, v gjson.Result) bool {
					s.Content = s.Content || k.Str != "role" && (v.Str != "" || v.IsArray() && v.Get("#").Int() > 0 || v.IsObject())
					return !s.Content
				})
				return !s.Content
			})
		}
		return true
	})
}

// responsesEvent looks at an event of /v1/responses; what it is stands in the data's type, and in the event's name.
func responsesEvent(s *Seen, _, data []byte) {
	if string(bytes.TrimSpace(data)) == "[DONE]" { // llama.cpp ends all its streams so
		s.over()
		return
	}
	if !object(s, data) {
		return
	}
	switch t := gjson.GetBytes(data, "type").Str; t {
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		r := gjson.GetBytes(data, "response")
		openaiUsage(&s.Usage, r.Get("usage"))
		responseFinish(&s.Usage, r)
		if t == "response.failed" {
			s.Failed, s.Failure = true, r.Get("error.message").Str
		}
		s.over()
	case "error":
		s.Failed, s.Failure = true, cmp.Or(gjson.GetBytes(data, "message").Str, gjson.GetBytes(data, "error.message").Str)
	case "response.output_item.added":
		s.Content = s.Content || gjson.GetBytes(data, "item.type").Str == "function_call"
	case "":
		if e := gjson.GetBytes(data, "error"); e.Exists() {
			s.fail(e)
		}
	default:
		s.Content = s.Content || bytes.HasSuffix([]byte(t), []byte(".delta"))
	}
}

// anthropicEvent looks at an event of /v1/messages.
func anthropicEvent(s *Seen, _, data []byte) {
	if !object(s, data) {
		return
	}
	switch gjson.GetBytes(data, "type").Str {
	case "message_start":
		anthropicUsage(&s.Usage, gjson.GetBytes(data, "message.usage"))
	case "content_block_start":
		s.Content = s.Content || gjson.GetBytes(data, "content_block.type").Str == "tool_use"
	case "content_block_delta":
		s.Content = true
	case "message_delta":
		s.Content = s.Content || !s.Failed
		anthropicUsage(&s.Usage, gjson.GetBytes(data, "usage"))
		s.Usage.Finish = known(gjson.GetBytes(data, "delta.stop_reason").Str)
	case "message_stop":
		s.over()
	case "error":
		s.fail(gjson.GetBytes(data, "error"))
	}
}

// object reports whether data looks like a JSON object, and notes when it does not.
func object(s *Seen, data []byte) bool {
	if len(data) > 1 && data[0] == '{' && data[len(data)-1] == '}' {
		return true
	}
	if data = bytes.TrimSpace(data); len(data) > 1 && data[0] == '{' && data[len(data)-1] == '}' {
		return true
	}
	s.Garbage = true
	return false
}

// over notes the dialect's own last event. An honest end is content, if an empty one; that of a stream which has failed is none,
// and without any before it the call can still go to another target.
func (s *Seen) over() {
	s.Terminal = true
	s.Content = s.Content || !s.Failed
}

func (s *Seen) fail(v gjson.Result) {
	if v.Type == gjson.Null {
		return
	}
	s.Failed = true
	s.Failure = cmp.Or(v.Get("message").Str, v.Str)
}

// UsageOf reads what a whole answer to ep says it used.
func UsageOf(ep *llm.Endpoint, body []byte) llm.Usage {
	u := llm.NoUsage
	if ep.Task != llm.Generate && ep.Task != llm.Embed {
		return u
	}
	switch ep.Dialect {
	case llm.OpenAI:
		openaiUsage(&u, gjson.GetBytes(body, "usage"))
		switch {
		case ep.Task != llm.Generate:
		case ep.Name == "responses":
			responseFinish(&u, gjson.ParseBytes(body))
		default:
			finishedIn(&u, body)
		}
	case llm.Anthropic:
		anthropicUsage(&u, gjson.GetBytes(body, "usage"))
		u.Finish = known(gjson.GetBytes(body, "stop_reason").Str)
		if ep.Name == "count_tokens" {
			return llm.NoUsage // it counts, it does not use
		}
	default:
		gjson.ParseBytes(body).ForEach(func(k, v gjson.Result) bool {
			ollamaCount(&u, k.Str, v)
			return true
		})
	}
	return u
}

// ErrorOf reads the message of a target's error answer, empty if it has none.
func ErrorOf(body []byte) string {
	e := gjson.GetBytes(body, "error")
	return cmp.Or(e.Get("message").Str, e.Str)
}

// FailureIn finds the failure in a whole answer that came with a status of success, and the server's words for it:
// OpenRouter answers so, and OpenAI's responses that failed.
func FailureIn(body []byte) (said string, failed bool) {
	if !bytes.Contains(body, []byte(`"error"`)) {
		return "", false
	}
	e := gjson.GetBytes(body, "error")
	if !e.IsObject() && e.Str == "" {
		return "", false
	}
	return cmp.Or(cmp.Or(e.Get("message").Str, e.Str), "it did not say why."), true
}

// maxValidated bounds, in bytes, the answers that are looked through for whether they are JSON: larger ones hold vectors, and the
// look would be felt.
const maxValidated = 1 << 20

// IsObject reports whether body is one JSON object; of a body over 1 MiB, whether it begins and ends like one.
func IsObject(body []byte) bool {
	var s Seen
	return object(&s, body) && (len(body) > maxValidated || gjson.ValidBytes(body))
}

// ollamaCount takes one member of Ollama's last line (durations are ns; a zero one is left out).
func ollamaCount(u *llm.Usage, name string, v gjson.Result) {
	switch name {
	case "prompt_eval_count":
		u.Input = count(v)
	case "eval_count":
		u.Output = count(v)
	case "load_duration":
		u.Load = time.Duration(v.Int())
	case "prompt_eval_duration":
		u.PromptEval = time.Duration(v.Int())
	case "eval_duration":
		u.Eval = time.Duration(v.Int())
	case "done_reason":
		u.Finish = known(v.Str)
	}
}

// finishedIn finds why the choices of an answer of OpenAI's ended. Most events of a stream have a null there, so this looks
// for the bytes themselves: within a text they could not stand like this, for there the quotes are escaped.
func finishedIn(u *llm.Usage, data []byte) {
	for {
		i := bytes.Index(data, []byte(`"finish_reason"`))
		if i < 0 {
			return
		}
		data = bytes.TrimLeft(data[i+len(`"finish_reason"`):], " \t\r\n")
		if len(data) == 0 || data[0] != ':' {
			continue
		}
		if data = bytes.TrimLeft(data[1:], " \t\r\n"); len(data) == 0 || data[0] != '"' {
			continue
		}
		end := bytes.IndexByte(data[1:], '"')
		if end <= 0 {
			continue
		}
		if why := known(string(data[1 : 1+end])); u.Finish == "" {
			u.Finish = why
		} else if len(u.Finish) < maxFinish {
			u.Finish += "," + why // of another choice
		}
	}
}

func responseFinish(u *llm.Usage, v gjson.Result) {
	if u.Finish = known(v.Get("incomplete_details.reason").Str); u.Finish == "" {
		u.Finish = known(v.Get("status").Str)
	}
}

// maxFinish bounds, in bytes, what is kept of why an answer ended.
const maxFinish = 256

// known is why as a text that needs no memory of its own, for all that the APIs' own pages name; another is cut short.
func known(why string) string {
	for _, w := range finishes {
		if why == w {
			return w
		}
	}
	return strings.Clone(why[:min(len(why), 40)])
}

var finishes = [...]string{"", "stop", "length", "tool_calls", "content_filter", "function_call", "load", "unload", "end_turn", "max_tokens", "stop_sequence",
	"tool_use", "pause_turn", "refusal", "completed", "incomplete", "failed", "cancelled", "max_output_tokens"}

func openaiUsage(u *llm.Usage, v gjson.Result) {
	if !v.IsObject() {
		return
	}
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "prompt_tokens", "input_tokens":
			u.Input = count(v)
		case "completion_tokens", "output_tokens":
			u.Output = count(v)
		case "prompt_tokens_details", "input_tokens_details":
			u.Cached = count(v.Get("cached_tokens"))
		case "completion_tokens_details", "output_tokens_details":
			u.Reasoning = count(v.Get("reasoning_tokens"))
		}
		return true
	})
}

func anthropicUsage(u *llm.Usage, v gjson.Result) {
	if !v.IsObject() {
		return
	}
	input, cached := int64(-1), int64(0)
	v.ForEach(func(k, v gjson.Result) bool {
		switch k.Str {
		case "input_tokens":
			input = count(v)
		case "output_tokens":
			u.Output = count(v)
		case "cache_read_input_tokens":
			u.Cached = count(v)
			cached += max(u.Cached, 0)
		case "cache_creation_input_tokens":
			u.Written = count(v)
			cached += max(u.Written, 0)
		}
		return true
	})
	if input >= 0 { // Anthropic counts what its cache holds, or is to hold, apart; here it is a part of the input
		u.Input = input + cached
	}
}

// count is a token count as told, or -1 for what cannot be one: absent, negative, no number, or past any model.
func count(v gjson.Result) int64 {
	if v.Type != gjson.Number || v.Num < 0 || v.Num > 1e12 {
		return -1
	}
	return int64(v.Num)
}
