package translate

import (
	"bytes"
	"cmp"
	"errors"
	"net/http"
	"unicode/utf8"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// failure is what a target said when it failed.
type failure struct {
	message string
	kind    string // its API's own word for it: rate_limit_error, RESOURCE_EXHAUSTED
	code    string // OpenAI's further word: insufficient_quota
}

// err is for a failure that came inside an answer that had begun well.
func (f failure) err() *llm.Error {
	return llm.Errorf(llm.TargetRefused, "read answer", errors.New(cmp.Or(f.code, f.kind, "no code")), "The model server failed: %s", f.message)
}

// maxMessage bounds what of a target's own words is passed on.
const maxMessage = 4 << 10

// failureOf reads a target's error answer. The shapes: {"error":{"message","type","code"}} of OpenAI, Anthropic and, with
// "status", Gemini; {"error":"..."} of Ollama; {"message"} and {"detail"} of some that are compatible with OpenAI.
func failureOf(status int, body []byte) failure {
	f := failure{}
	if gjson.ValidBytes(body) {
		v := gjson.ParseBytes(body)
		if v.IsArray() { // Gemini's way on a stream that it refuses
			v = v.Get("0")
		}
		f = failureIn(v.Get("error"))
		if f.message == "" {
			f.message = cmp.Or(v.Get("message").Str, v.Get("detail").Str)
		}
	}
	if f.message == "" {
		f.message = "The model server answered with status " + http.StatusText(status) + "."
	}
	return f
}

// failureIn reads the value of an "error" member.
func failureIn(e gjson.Result) failure {
	f := failure{message: e.Str}
	if e.IsObject() {
		f = failure{message: e.Get("message").Str, kind: cmp.Or(e.Get("type").Str, e.Get("status").Str), code: e.Get("code").Str}
	}
	f.message = clip(f.message, maxMessage)
	f.kind, f.code = clip(f.kind, 128), clip(f.code, 128)
	return f
}

// failureInside finds the failure in a body that came with a status of success: OpenRouter and Ollama's streams do that.
func failureInside(body []byte) (failure, bool) {
	if !bytes.Contains(body, []byte(`"error"`)) {
		return failure{}, false
	}
	e := gjson.GetBytes(body, "error")
	if !e.IsObject() && (e.Type != gjson.String || e.Str == "") {
		return failure{}, false
	}
	f := failureIn(e)
	if f.message == "" {
		f.message = "it did not say why."
	}
	return f, true
}

// clip cuts s to n bytes, at the end of a rune.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func ollamaFailure(_ int, f failure) []byte {
	return marshal(struct {
		Error string `json:"error"`
	}{f.message})
}

// openaiFailure is f as OpenAI would say it (https://platform.openai.com/docs/guides/error-codes/api-errors).
func openaiFailure(status int, f failure) []byte {
	var v struct {
		Error struct {
			Message string  `json:"message"`
			Type    string  `json:"type"`
			Param   *string `json:"param"`
			Code    *string `json:"code"`
		} `json:"error"`
	}
	v.Error.Message = f.message
	switch {
	case status == http.StatusUnauthorized:
		v.Error.Type = "authentication_error"
	case status == http.StatusForbidden:
		v.Error.Type = "permission_error"
	case status == http.StatusTooManyRequests:
		v.Error.Type = "rate_limit_error"
	case status >= 500:
		v.Error.Type = "server_error"
	default:
		v.Error.Type = "invalid_request_error"
	}
	if code := cmp.Or(f.code, f.kind); code != "" {
		v.Error.Code = &code
	}
	return marshal(v)
}

// anthropicFailure is f as Anthropic would say it (https://docs.anthropic.com/en/api/errors).
func anthropicFailure(status int, f failure) []byte {
	var v struct {
		Type  string `json:"type"`
		Error struct {
			Type    string `json:"type"`
			Message string `json:"message"`
		} `json:"error"`
	}
	v.Type, v.Error.Message = "error", f.message
	switch status {
	case http.StatusUnauthorized:
		v.Error.Type = "authentication_error"
	case http.StatusForbidden:
		v.Error.Type = "permission_error"
	case http.StatusNotFound:
		v.Error.Type = "not_found_error"
	case http.StatusRequestEntityTooLarge:
		v.Error.Type = "request_too_large"
	case http.StatusTooManyRequests:
		v.Error.Type = "rate_limit_error"
	case http.StatusServiceUnavailable, 529:
		v.Error.Type = "overloaded_error"
	case http.StatusGatewayTimeout:
		v.Error.Type = "timeout_error"
	default:
		v.Error.Type = "invalid_request_error"
		if status >= 500 {
			v.Error.Type = "api_error"
		}
	}
	return marshal(v)
}
