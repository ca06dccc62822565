package translate

import (
	"slices"

	"github.com/tidwall/gjson"
)

// shape is what may stand in an object of an answer without being lost when it is told in another form. What has no
// place in it must be blank. Some members are there because they are the envelope of an answer, and nobody's answer is
// another one without them: object, index, system_fingerprint, service_tier, obfuscation (padding against listeners),
// timings (how fast it was), remote_model and remote_host (labels of Ollama's cloud).
type shape map[string]*holds

// holds is what a member may hold: one of some words, what is below it, a text, or else anything.
type holds struct {
	words []string
	below shape
	text  bool // a text, and no list
}

var (
	anything = &holds{}
	onlyText = &holds{text: true}
)

func oneOf(w ...string) *holds { return &holds{words: w} }

func below(s shape) *holds { return &holds{below: s} }

// lost is the name of a member that would be lost, empty where there is none.
func (s shape) lost(v gjson.Result) (name string) {
	v.ForEach(func(k, e gjson.Result) bool {
		m, known := s[k.String()]
		switch {
		case v.IsArray():
			name = s.lost(e)
		case !known:
			if !blank(e) {
				name = clip(k.Str, 64)
			}
		case m.words != nil:
			if e.Type != gjson.Null && (e.Type != gjson.String || !slices.Contains(m.words, e.Str)) {
				name = clip(k.Str, 64)
			}
		case m.text:
			if e.Type != gjson.Null && e.Type != gjson.String {
				name = clip(k.Str, 64)
			}
		case m.below != nil && (e.IsObject() || e.IsArray()):
			if name = m.below.lost(e); name != "" {
				name = k.Str + "." + name
			}
		}
		return name == ""
	})
	return name
}

// blank reports whether a value says nothing.
func blank(v gjson.Result) bool {
	switch v.Type {
	case gjson.Null, gjson.False:
		return true
	case gjson.Number:
		return v.Num == 0
	case gjson.String:
		return v.Str == ""
	}
	all := v.Type == gjson.JSON
	v.ForEach(func(_, e gjson.Result) bool {
		all = all && blank(e)
		return all
	})
	return all
}

var (
	logprobShape = shape{"token": anything, "logprob": anything, "bytes": anything,
		"top_logprobs": below(shape{"token": anything, "logprob": anything, "bytes": anything})}

	ollamaShape = shape{"model": anything, "created_at": anything, "done": anything, "done_reason": oneOf("", "stop", "length"),
		"response": anything, "thinking": anything, "context": anything,
		"message": below(shape{"role": oneOf("assistant"), "content": anything, "thinking": anything,
			"tool_calls": below(shape{"id": anything, "type": oneOf("function"),
				"function": below(shape{"index": anything, "name": anything, "arguments": anything})})}),
		"logprobs":       below(logprobShape),
		"total_duration": anything, "load_duration": anything, "prompt_eval_count": anything, "prompt_eval_duration": anything,
		"eval_count": anything, "eval_duration": anything, "remote_model": anything, "remote_host": anything}

	openaiUsageShape = shape{"prompt_tokens": anything, "completion_tokens": anything, "total_tokens": anything,
		"prompt_tokens_details":     below(shape{"cached_tokens": anything}),
		"completion_tokens_details": below(shape{"reasoning_tokens": anything})}

	saidShape = shape{"role": oneOf("assistant", ""), "content": onlyText, "refusal": anything, "reasoning": anything, "reasoning_content": anything,
		"tool_calls": below(shape{"index": anything, "id": anything, "type": oneOf("function", ""),
			"function": below(shape{"name": anything, "arguments": anything})})}

	openaiStops = oneOf("", "stop", "length", "tool_calls", "content_filter")

	openaiShape = shape{"id": anything, "object": anything, "created": anything, "model": anything, "system_fingerprint": anything,
		"service_tier": anything, "obfuscation": anything, "timings": anything, "usage": below(openaiUsageShape),
		"choices": below(shape{"index": anything, "finish_reason": openaiStops, "message": below(saidShape), "delta": below(saidShape),
			"logprobs": below(shape{"content": below(logprobShape)})})}

	completionShape = shape{"id": anything, "object": anything, "created": anything, "model": anything, "system_fingerprint": anything,
		"timings": anything, "usage": below(openaiUsageShape),
		"choices": below(shape{"index": anything, "text": anything, "finish_reason": openaiStops})}

	messageUsageShape = shape{"input_tokens": anything, "output_tokens": anything, "cache_creation_input_tokens": anything,
		"cache_read_input_tokens": anything, "output_tokens_details": below(shape{"thinking_tokens": anything}),
		"cache_creation": anything, "service_tier": anything, "inference_geo": anything}

	blockShape = shape{"type": oneOf("text", "thinking", "redacted_thinking", "tool_use"), "text": anything, "thinking": anything,
		"signature": anything, "data": anything, "id": anything, "name": anything, "input": anything}

	messageStops = oneOf("", "end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal")

	messageShape = shape{"id": anything, "type": anything, "role": anything, "model": anything, "content": below(blockShape),
		"stop_reason": messageStops, "stop_sequence": anything, "usage": below(messageUsageShape)}

	messageEventShape = shape{
		"type":  oneOf("message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping", "error"),
		"index": anything, "message": below(messageShape), "content_block": below(blockShape), "usage": below(messageUsageShape),
		"delta": below(shape{"type": oneOf("text_delta", "thinking_delta", "input_json_delta", "signature_delta"), "text": anything,
			"thinking": anything, "signature": anything, "partial_json": anything, "stop_reason": messageStops, "stop_sequence": anything})}

	// What a response repeats of its call is told anew, from the call that it now answers.
	responseShape = shape{"id": anything, "object": anything, "created_at": anything, "completed_at": anything, "status": anything,
		"incomplete_details": anything, "model": anything, "instructions": anything, "tools": anything, "tool_choice": anything,
		"truncation": anything, "parallel_tool_calls": anything, "text": anything, "top_p": anything, "top_logprobs": anything,
		"temperature": anything, "reasoning": anything, "max_output_tokens": anything, "max_tool_calls": anything, "store": anything,
		"service_tier": anything, "billing": anything, "metadata": anything, "user": anything, "safety_identifier": anything, "prompt_cache_key": anything,
		"prompt_cache_retention": anything,
		"output": below(shape{"id": anything, "type": anything, "status": oneOf("completed", "incomplete"), "role": anything, "call_id": anything,
			"name": anything, "arguments": anything, "encrypted_content": anything,
			"content": below(shape{"type": anything, "text": anything, "refusal": anything}),
			"summary": below(shape{"type": anything, "text": anything})}),
		"usage": below(shape{"input_tokens": anything, "output_tokens": anything, "total_tokens": anything,
			"input_tokens_details":  below(shape{"cached_tokens": anything, "cache_write_tokens": anything}),
			"output_tokens_details": below(shape{"reasoning_tokens": anything})})}
)
