// Package sentence writes an answer of Corral's own in the dialect and form of the call: the static sentence that stands
// in when no target can answer. An app that knows nothing of Corral shows it like any other answer.
//
// To add a route, add a row to writerOf. What marks the answer is a member `corral` beside the dialect's own, which clients
// skip if they do not know it. The formats follow Ollama's docs/api.md, https://platform.openai.com/docs/api-reference and
// https://docs.anthropic.com/en/api/messages-streaming.
package sentence

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// Route is what marks the answer in Corral-Route and in its body.
const Route = "static"

// provider is who answered, in Corral-Provider.
const provider = "corral"

// answer is what goes into each form.
type answer struct {
	id, model, text string
	at              time.Time
	usage           bool // the caller asked for an event that tells the usage
}

type writer struct {
	whole  func(a answer) any
	stream func(b *bytes.Buffer, a answer)
}

func writerOf(ep *llm.Endpoint) (writer, bool) {
	switch ep.Dialect.String() + " " + ep.Name {
	case "ollama chat":
		return writer{ollamaChat, func(b *bytes.Buffer, a answer) { ollamaLines(b, ollamaChat, a) }}, true
	case "ollama generate":
		return writer{ollamaGenerate, func(b *bytes.Buffer, a answer) { ollamaLines(b, ollamaGenerate, a) }}, true
	case "openai chat_completions":
		return writer{openaiChat, openaiChatEvents}, true
	case "openai completions":
		return writer{openaiText, openaiTextEvents}, true
	case "openai responses":
		return writer{func(a answer) any { return response(a, "completed") }, responseEvents}, true
	case "anthropic messages":
		return writer{message, messageEvents}, true
	}
	return writer{}, false
}

// Reply is text as the answer to r, whole or as a stream; nil where r's route has no room for a sentence.
func Reply(r *llm.Request, text string) *llm.Reply {
	w, ok := writerOf(r.Endpoint)
	if !ok {
		return nil
	}
	a := answer{id: r.ID, model: r.Model, text: text, at: time.Now().UTC(), usage: gjson.GetBytes(r.Body, "stream_options.include_usage").Bool()}
	var b bytes.Buffer
	kind := "application/json"
	if r.Stream {
		kind = "text/event-stream"
		if r.Endpoint.Form == llm.NDJSON {
			kind = "application/x-ndjson"
		}
		w.stream(&b, a)
	} else {
		b.Write(encode(w.whole(a)))
	}
	reply := &llm.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {kind}}, Length: int64(b.Len()), Stream: r.Stream,
		Body: &body{left: b.Bytes()}, Provider: provider, Model: r.Model, Route: Route}
	if r.Stream {
		reply.Length = -1
	}
	return reply
}

// body is an answer that is there already.
type body struct{ left []byte }

func (b *body) Next() ([]byte, error) {
	if len(b.left) == 0 {
		return nil, io.EOF
	}
	p := b.left
	b.left = nil
	return p, nil
}

func (b *body) More() bool       { return len(b.left) > 0 }
func (b *body) Last() bool       { return len(b.left) == 0 }
func (b *body) Usage() llm.Usage { return llm.Usage{} }
func (b *body) Close()           {}

// object is a JSON object; encoding/json writes its members in the order of their names.
type object = map[string]any

type list = []any

func mark() object { return object{"route": Route} }

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings, numbers and times only
	}
	return b
}

func event(b *bytes.Buffer, name string, v any) {
	if name != "" {
		b.WriteString("event: " + name + "\n")
	}
	b.WriteString("data: ")
	b.Write(encode(v))
	b.WriteString("\n\n")
}

func ollamaChat(a answer) any {
	o := ollamaEnd(a)
	o["message"] = object{"role": "assistant", "content": a.text}
	return o
}

func ollamaGenerate(a answer) any {
	o := ollamaEnd(a)
	o["response"] = a.text
	return o
}

func ollamaEnd(a answer) object {
	return object{"model": a.model, "created_at": a.at, "done": true, "done_reason": "stop", "total_duration": 0, "load_duration": 0,
		"prompt_eval_count": 0, "prompt_eval_duration": 0, "eval_count": 0, "eval_duration": 0, "corral": mark()}
}

// ollamaLines is the sentence, and then the end, which has none.
func ollamaLines(b *bytes.Buffer, whole func(answer) any, a answer) {
	first := whole(a).(object)
	for k := range first {
		switch k {
		case "model", "created_at", "message", "response", "corral":
		default:
			delete(first, k)
		}
	}
	first["done"] = false
	a.text = ""
	for _, line := range []any{first, whole(a)} {
		b.Write(encode(line))
		b.WriteByte('\n')
	}
}

func openaiUsage() object {
	return object{"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
}

func openaiChat(a answer) any {
	return object{"id": "chatcmpl-" + a.id, "object": "chat.completion", "created": a.at.Unix(), "model": a.model, "corral": mark(), "usage": openaiUsage(),
		"choices": list{object{"index": 0, "finish_reason": "stop", "logprobs": nil,
			"message": object{"role": "assistant", "content": a.text, "refusal": nil}}}}
}

func openaiChatEvents(b *bytes.Buffer, a answer) {
	choice := func(delta object, finish any) list {
		return list{object{"index": 0, "delta": delta, "logprobs": nil, "finish_reason": finish}}
	}
	openaiEvents(b, a, "chatcmpl-", "chat.completion.chunk", choice(object{"role": "assistant", "content": a.text}, nil), choice(object{}, "stop"))
}

func openaiText(a answer) any {
	return object{"id": "cmpl-" + a.id, "object": "text_completion", "created": a.at.Unix(), "model": a.model, "corral": mark(), "usage": openaiUsage(),
		"choices": list{object{"index": 0, "text": a.text, "finish_reason": "stop", "logprobs": nil}}}
}

func openaiTextEvents(b *bytes.Buffer, a answer) {
	choice := func(text string, finish any) list {
		return list{object{"index": 0, "text": text, "finish_reason": finish, "logprobs": nil}}
	}
	openaiEvents(b, a, "cmpl-", "text_completion", choice(a.text, nil), choice("", "stop"))
}

func openaiEvents(b *bytes.Buffer, a answer, prefix, kind string, choices ...list) {
	if a.usage {
		choices = append(choices, list{}) // the event with the usage has no choice
	}
	for _, c := range choices {
		v := object{"id": prefix + a.id, "object": kind, "created": a.at.Unix(), "model": a.model, "choices": c, "corral": mark()}
		if a.usage {
			v["usage"] = nil
			if len(c) == 0 {
				v["usage"] = openaiUsage()
			}
		}
		event(b, "", v)
	}
	b.WriteString("data: [DONE]\n\n")
}

func outputText(a answer) object {
	return object{"type": "output_text", "text": a.text, "annotations": list{}, "logprobs": list{}}
}

func outputItem(a answer, status string) object {
	content := list{}
	if status == "completed" {
		content = list{outputText(a)}
	}
	return object{"id": "msg_" + a.id, "type": "message", "role": "assistant", "status": status, "content": content}
}

func response(a answer, status string) object {
	o := object{"id": "resp_" + a.id, "object": "response", "created_at": a.at.Unix(), "status": status, "model": a.model, "corral": mark(),
		"output": list{}, "error": nil, "incomplete_details": nil, "instructions": nil, "metadata": object{}, "parallel_tool_calls": true,
		"temperature": nil, "top_p": nil, "tool_choice": "auto", "tools": list{}, "usage": nil}
	if status == "completed" {
		o["output"] = list{outputItem(a, status)}
		o["usage"] = object{"input_tokens": 0, "input_tokens_details": object{"cached_tokens": 0}, "output_tokens": 0,
			"output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": 0}
	}
	return o
}

func responseEvents(b *bytes.Buffer, a answer) {
	n := 0
	say := func(name string, v object) {
		v["type"], v["sequence_number"] = name, n
		n++
		event(b, name, v)
	}
	part := func(v object) object {
		v["item_id"], v["output_index"], v["content_index"] = "msg_"+a.id, 0, 0
		return v
	}
	empty := a
	empty.text = ""
	say("response.created", object{"response": response(a, "in_progress")})
	say("response.in_progress", object{"response": response(a, "in_progress")})
	say("response.output_item.added", object{"output_index": 0, "item": outputItem(a, "in_progress")})
	say("response.content_part.added", part(object{"part": outputText(empty)}))
	say("response.output_text.delta", part(object{"delta": a.text, "logprobs": list{}}))
	say("response.output_text.done", part(object{"text": a.text, "logprobs": list{}}))
	say("response.content_part.done", part(object{"part": outputText(a)}))
	say("response.output_item.done", object{"output_index": 0, "item": outputItem(a, "completed")})
	say("response.completed", object{"response": response(a, "completed")})
}

func message(a answer) any {
	return object{"id": "msg_" + a.id, "type": "message", "role": "assistant", "model": a.model, "stop_reason": "end_turn", "stop_sequence": nil,
		"content": list{object{"type": "text", "text": a.text}}, "usage": object{"input_tokens": 0, "output_tokens": 0}, "corral": mark()}
}

func messageEvents(b *bytes.Buffer, a answer) {
	start := message(a).(object)
	start["content"], start["stop_reason"] = list{}, nil
	event(b, "message_start", object{"type": "message_start", "message": start})
	event(b, "content_block_start", object{"type": "content_block_start", "index": 0, "content_block": object{"type": "text", "text": ""}})
	event(b, "content_block_delta", object{"type": "content_block_delta", "index": 0, "delta": object{"type": "text_delta", "text": a.text}})
	event(b, "content_block_stop", object{"type": "content_block_stop", "index": 0})
	event(b, "message_delta", object{"type": "message_delta", "delta": object{"stop_reason": "end_turn", "stop_sequence": nil}, "usage": object{"output_tokens": 0}})
	event(b, "message_stop", object{"type": "message_stop"})
}
