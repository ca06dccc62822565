// Package dialect knows the three APIs that apps speak: what of a body decides, how a stream is parted into events, which
// event is content, the end or a failure, what an answer says it used, and how an error looks. It knows nothing of
// connections. The formats follow Ollama's docs/api.md, OpenAI's API reference and Anthropic's Messages API.
//
// To add an event or a field that matters, see inspect.go. The surprise: Ollama's own /v1 and /v1/messages lose an error
// that comes after the first token (they end the stream as if nothing had happened), so only the terminal event proves
// that an answer is whole.
package dialect

import (
	"encoding/json"

	"corral/daemon/llm"
)

// MediaType is what an error answer is, in every dialect.
const MediaType = "application/json"

type ollamaError struct {
	Error     string `json:"error"`
	Code      string `json:"code"`
	RequestID string `json:"request_id"`
}

type openaiError struct {
	Error struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

type responsesError struct {
	Type      string  `json:"type"`
	Code      string  `json:"code"`
	Message   string  `json:"message"`
	Param     *string `json:"param"`
	RequestID string  `json:"request_id"`
}

type anthropicError struct {
	Type  string `json:"type"`
	Error struct {
		Type    string `json:"type"`
		Message string `json:"message"`
		Code    string `json:"code"`
	} `json:"error"`
	RequestID string `json:"request_id"`
}

// Error is e as the body of an answer in dialect d. id is the request's.
func Error(d llm.Dialect, e *llm.Error, id string) []byte {
	switch d {
	case llm.OpenAI:
		var v openaiError
		v.Error.Message, v.Error.Type, v.Error.Code, v.RequestID = e.Message, openaiType(e.Kind), e.Code(), id
		return encode(v)
	case llm.Anthropic:
		v := anthropicError{Type: "error", RequestID: id}
		v.Error.Type, v.Error.Message, v.Error.Code = anthropicType(e.Kind), e.Message, e.Code()
		return encode(v)
	}
	return encode(ollamaError{e.Message, e.Code(), id})
}

// ErrorEvent is e as the last event of a stream of ep that has begun and cannot go on. No terminal event follows it.
func ErrorEvent(ep *llm.Endpoint, e *llm.Error, id string) []byte {
	switch {
	case ep.Form == llm.NDJSON:
		return append(Error(llm.Ollama, e, id), '\n')
	case ep.Dialect == llm.Anthropic:
		return event("error", Error(llm.Anthropic, e, id))
	case ep.Name == "responses":
		return event("error", encode(responsesError{Type: "error", Code: e.Code(), Message: e.Message, RequestID: id}))
	}
	return event("", Error(llm.OpenAI, e, id))
}

func event(name string, data []byte) []byte {
	var b []byte
	if name != "" {
		b = append(b, "event: "+name+"\n"...)
	}
	b = append(b, "data: "...)
	b = append(b, data...)
	return append(b, "\n\n"...)
}

func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // the types above hold strings only
	}
	return b
}

// openaiType is the word that OpenAI's clients know for k
// (https://platform.openai.com/docs/guides/error-codes/api-errors).
func openaiType(k llm.Kind) string {
	switch k {
	case llm.Invalid, llm.Blocked, llm.TooLarge, llm.NotFound, llm.NotAllowed, llm.Unsupported, llm.SlowCaller:
		return "invalid_request_error"
	case llm.Unauthorized:
		return "authentication_error"
	case llm.Forbidden:
		return "permission_error"
	case llm.TooMany:
		return "rate_limit_error"
	case llm.OverBudget:
		return "insufficient_quota"
	}
	return "server_error"
}

// anthropicType is the word that Anthropic's clients know for k (https://docs.anthropic.com/en/api/errors).
func anthropicType(k llm.Kind) string {
	switch k {
	case llm.Invalid, llm.Blocked, llm.NotAllowed, llm.Unsupported, llm.SlowCaller:
		return "invalid_request_error"
	case llm.TooLarge:
		return "request_too_large"
	case llm.Unauthorized:
		return "authentication_error"
	case llm.Forbidden:
		return "permission_error"
	case llm.NotFound:
		return "not_found_error"
	case llm.TooMany, llm.OverBudget:
		return "rate_limit_error"
	case llm.Busy, llm.Stopping, llm.Paused:
		return "overloaded_error"
	case llm.Timeout:
		return "timeout_error"
	}
	return "api_error"
}
