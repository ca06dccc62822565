package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"strconv"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// replayResponse tells a response whole that was streamed, or the other way round. A stream's last event holds the whole
// response, so nothing has to be understood for the one; for the other the items must be of known types.
func replayResponse(k Kept, stream bool) ([]byte, llm.Usage, error) {
	whole := k.Body
	if k.Stream {
		split := newSplitter(bytes.NewReader(k.Body), llm.SSE)
		whole = nil
		for items := 0; whole == nil; {
			data, err := split.next(true)
			if err == io.EOF {
				return nil, llm.NoUsage, lost("its stream has no end")
			}
			if err != nil {
				return nil, llm.NoUsage, err
			}
			if !gjson.ValidBytes(data) {
				return nil, llm.NoUsage, lost("an event is no JSON")
			}
			v := gjson.ParseBytes(data)
			switch v.Get("type").Str {
			case "response.output_item.done":
				items++
			case "response.completed", "response.incomplete":
				if r := v.Get("response"); len(r.Get("output").Array()) == items {
					whole = []byte(r.Raw)
				} else {
					return nil, llm.NoUsage, lost("its last event does not repeat all of it")
				}
			case "response.failed", "error", "":
				return nil, llm.NoUsage, lost("it is a failure")
			}
		}
	}
	v := gjson.ParseBytes(whole)
	if !k.Stream && !gjson.ValidBytes(whole) || !v.IsObject() {
		return nil, llm.NoUsage, lost("it is no JSON")
	}
	status := v.Get("status").Str
	if status != "completed" && status != "incomplete" || !blank(v.Get("error")) {
		return nil, llm.NoUsage, lost("its status %q", clip(status, 32))
	}
	used := llm.NoUsage
	if u := v.Get("usage"); u.IsObject() {
		used = llm.Usage{Input: u.Get("input_tokens").Int(), Output: u.Get("output_tokens").Int(), Cached: u.Get("input_tokens_details.cached_tokens").Int(),
			Reasoning: u.Get("output_tokens_details.reasoning_tokens").Int(), Written: u.Get("input_tokens_details.cache_write_tokens").Int()}
	}
	used.Finish = cmp.Or(v.Get("incomplete_details.reason").Str, status)
	if !stream {
		return whole, used, nil
	}
	s := responseEvents{}
	begun := replaced(v, map[string]string{"status": `"in_progress"`, "output": "[]", "usage": "null", "completed_at": "null", "incomplete_details": "null"})
	s.event("response.created", "response", begun)
	s.event("response.in_progress", "response", begun)
	for i, it := range v.Get("output").Array() {
		if err := s.item(i, it); err != nil {
			return nil, llm.NoUsage, err
		}
	}
	s.event("response."+status, "response", v.Raw)
	return s.o.Bytes(), used, nil
}

// replaced is object v with other values for some of its members.
func replaced(v gjson.Result, with map[string]string) string {
	var b bytes.Buffer
	b.WriteByte('{')
	v.ForEach(func(k, e gjson.Result) bool {
		if b.Len() > 1 {
			b.WriteByte(',')
		}
		b.WriteString(k.Raw)
		b.WriteByte(':')
		if w, ok := with[k.Str]; ok {
			b.WriteString(w)
		} else {
			b.WriteString(e.Raw)
		}
		return true
	})
	b.WriteByte('}')
	return b.String()
}

// responseEvents writes the events of a response from its own JSON.
type responseEvents struct {
	o      out
	number int
}

// event writes an event with members, given as names and JSON values.
func (s *responseEvents) event(kind string, members ...string) {
	s.o.WriteString("event: " + kind + "\ndata: {\"type\":\"" + kind + "\",\"sequence_number\":" + strconv.Itoa(s.number))
	s.number++
	for i := 0; i < len(members); i += 2 {
		s.o.WriteString(",\"" + members[i] + "\":")
		// An event is one line.
		_ = json.Compact(&s.o.Buffer, []byte(members[i+1])) // it is part of a JSON that was found valid
	}
	s.o.WriteString("}\n\n")
}

func (s *responseEvents) item(i int, it gjson.Result) error {
	id, at, kind := it.Get("id").Raw, strconv.Itoa(i), it.Get("type").Str
	if id == "" {
		return lost("an item without an id")
	}
	begun := map[string]string{"status": `"in_progress"`}
	switch kind {
	case "message":
		begun["content"] = "[]"
	case "function_call":
		begun["arguments"] = `""`
	case "reasoning":
		begun["summary"], begun["encrypted_content"] = "[]", "null"
		if !blank(it.Get("content")) {
			return lost("the content of a thought")
		}
	default:
		return lost("an item of type %q", clip(kind, 64))
	}
	s.event("response.output_item.added", "output_index", at, "item", replaced(it, begun))
	switch kind {
	case "message":
		for j, p := range it.Get("content").Array() {
			if err := s.part(id, at, strconv.Itoa(j), p); err != nil {
				return err
			}
		}
	case "function_call":
		args := it.Get("arguments")
		if args.Type != gjson.String {
			return lost("a call without arguments")
		}
		s.event("response.function_call_arguments.delta", "item_id", id, "output_index", at, "delta", args.Raw)
		s.event("response.function_call_arguments.done", "item_id", id, "output_index", at, "name", it.Get("name").Raw, "arguments", args.Raw)
	case "reasoning":
		for j, p := range it.Get("summary").Array() {
			n, text := strconv.Itoa(j), p.Get("text")
			if p.Get("type").Str != "summary_text" || text.Type != gjson.String {
				return lost("a thought that is no text")
			}
			s.event("response.reasoning_summary_part.added", "item_id", id, "output_index", at, "summary_index", n, "part", replaced(p, map[string]string{"text": `""`}))
			s.event("response.reasoning_summary_text.delta", "item_id", id, "output_index", at, "summary_index", n, "delta", text.Raw)
			s.event("response.reasoning_summary_text.done", "item_id", id, "output_index", at, "summary_index", n, "text", text.Raw)
			s.event("response.reasoning_summary_part.done", "item_id", id, "output_index", at, "summary_index", n, "part", p.Raw)
		}
	}
	s.event("response.output_item.done", "output_index", at, "item", it.Raw)
	return nil
}

// part writes the events of a part of a message.
func (s *responseEvents) part(id, at, n string, p gjson.Result) error {
	where := []string{"item_id", id, "output_index", at, "content_index", n}
	with := func(members ...string) []string { return append(where[:len(where):len(where)], members...) }
	switch kind := p.Get("type").Str; kind {
	case "output_text":
		text, probs := p.Get("text"), cmp.Or(p.Get("logprobs").Raw, "[]")
		if text.Type != gjson.String || !blank(p.Get("annotations")) {
			return lost("the annotations of a text")
		}
		s.event("response.content_part.added", with("part", replaced(p, map[string]string{"text": `""`, "logprobs": "[]"}))...)
		s.event("response.output_text.delta", with("delta", text.Raw, "logprobs", probs)...)
		s.event("response.output_text.done", with("text", text.Raw, "logprobs", probs)...)
	case "refusal":
		text := p.Get("refusal")
		if text.Type != gjson.String {
			return lost("a refusal that is no text")
		}
		s.event("response.content_part.added", with("part", replaced(p, map[string]string{"refusal": `""`}))...)
		s.event("response.refusal.delta", with("delta", text.Raw)...)
		s.event("response.refusal.done", with("refusal", text.Raw)...)
	default:
		return lost("content of type %q", clip(kind, 64))
	}
	s.event("response.content_part.done", with("part", p.Raw)...)
	return nil
}
