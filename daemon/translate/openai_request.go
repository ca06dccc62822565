package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// openaiRequest is a body of OpenAI's chat completions, as callers send it and as targets get it
// (https://platform.openai.com/docs/api-reference/chat/create). What has no place here is named in the warnings; what is
// raw JSON at the end is refused if it is given, since it changes what the answer is.
type openaiRequest struct {
	Model               string               `json:"model"`
	Messages            []openaiMessage      `json:"messages"`
	Stream              bool                 `json:"stream,omitempty"`
	StreamOptions       *openaiStreamOptions `json:"stream_options,omitempty"`
	MaxTokens           json.Number          `json:"max_tokens,omitempty"`
	MaxCompletionTokens json.Number          `json:"max_completion_tokens,omitempty"`
	Temperature         json.Number          `json:"temperature,omitempty"`
	TopP                json.Number          `json:"top_p,omitempty"`
	FrequencyPenalty    json.Number          `json:"frequency_penalty,omitempty"`
	PresencePenalty     json.Number          `json:"presence_penalty,omitempty"`
	Seed                json.Number          `json:"seed,omitempty"`
	Stop                *textOr[string]      `json:"stop,omitempty"`
	N                   json.Number          `json:"n,omitempty"`
	Logprobs            json.RawMessage      `json:"logprobs,omitempty"`
	TopLogprobs         json.Number          `json:"top_logprobs,omitempty"`
	ResponseFormat      *openaiFormat        `json:"response_format,omitempty"`
	Tools               []openaiTool         `json:"tools,omitempty"`
	ToolChoice          json.RawMessage      `json:"tool_choice,omitempty"`
	ParallelToolCalls   json.RawMessage      `json:"parallel_tool_calls,omitempty"`
	ReasoningEffort     string               `json:"reasoning_effort,omitempty"`
	User                json.RawMessage      `json:"user,omitempty"`
	SafetyIdentifier    json.RawMessage      `json:"safety_identifier,omitempty"`
	Store               json.RawMessage      `json:"store,omitempty"`

	Modalities       []string        `json:"modalities,omitempty"`
	Audio            json.RawMessage `json:"audio,omitempty"`
	Functions        json.RawMessage `json:"functions,omitempty"`
	FunctionCall     json.RawMessage `json:"function_call,omitempty"`
	LogitBias        json.RawMessage `json:"logit_bias,omitempty"`
	WebSearchOptions json.RawMessage `json:"web_search_options,omitempty"`
	Moderation       json.RawMessage `json:"moderation,omitempty"`
}

type openaiStreamOptions struct {
	IncludeUsage       bool            `json:"include_usage"`
	IncludeObfuscation json.RawMessage `json:"include_obfuscation,omitempty"` // padding against listeners: never added here
}

type openaiMessage struct {
	Role             string              `json:"role"`
	Content          *textOr[openaiPart] `json:"content"`
	Refusal          string              `json:"refusal,omitempty"`
	Reasoning        string              `json:"reasoning,omitempty"`
	ReasoningContent string              `json:"reasoning_content,omitempty"`
	ToolCalls        []openaiCall        `json:"tool_calls,omitempty"`
	ToolCallID       string              `json:"tool_call_id,omitempty"`
	Name             string              `json:"name,omitempty"`
	FunctionCall     json.RawMessage     `json:"function_call,omitempty"`
	Audio            json.RawMessage     `json:"audio,omitempty"`
}

type openaiPart struct {
	Type     string       `json:"type"`
	Text     string       `json:"text,omitempty"`
	Refusal  string       `json:"refusal,omitempty"`
	ImageURL *openaiImage `json:"image_url,omitempty"`
	Audio    *struct{}    `json:"input_audio,omitempty"` // refused by its type; here so that its members are not warned of
	File     *struct{}    `json:"file,omitempty"`
}

// openaiImage is {"url"}; Ollama takes a bare URL as well, so callers send that.
type openaiImage struct {
	URL    string `json:"url"`
	Detail string `json:"detail,omitempty"`
}

func (i *openaiImage) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return json.Unmarshal(b, &i.URL)
	}
	type plain openaiImage
	return json.Unmarshal(b, (*plain)(i))
}

type openaiCall struct {
	Index    *int           `json:"index,omitempty"` // of a stream's deltas
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type,omitempty"`
	Function openaiFunction `json:"function"`
}

type openaiFunction struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type openaiTool struct {
	Type     string            `json:"type"`
	Function *openaiDefinition `json:"function,omitempty"`
}

type openaiDefinition struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type openaiFormat struct {
	Type       string        `json:"type"`
	JSONSchema *openaiSchema `json:"json_schema,omitempty"`
}

type openaiSchema struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

func decodeOpenAI(body []byte) (*chat, error) {
	var r openaiRequest
	c := &chat{}
	if err := decodeRequest(body, &r, c); err != nil {
		return nil, err
	}
	if r.N != "" && r.N != "1" {
		return nil, cannot("n")
	}
	for _, m := range r.Modalities {
		if m != "text" {
			return nil, cannot("modalities")
		}
	}
	for _, f := range []struct {
		name  string
		value json.RawMessage
	}{{"audio", r.Audio}, {"functions", r.Functions}, {"function_call", r.FunctionCall}, {"logit_bias", r.LogitBias},
		{"web_search_options", r.WebSearchOptions}, {"moderation", r.Moderation}} {
		if given(f.value) {
			return nil, cannot(f.name)
		}
	}
	c.model, c.stream = r.Model, r.Stream
	c.includeUsage = r.StreamOptions != nil && r.StreamOptions.IncludeUsage
	if c.maxTokens = r.MaxCompletionTokens; c.maxTokens == "" {
		c.maxTokens = r.MaxTokens
	}
	c.number("temperature", "temperature", r.Temperature)
	c.number("top_p", "top_p", r.TopP)
	c.number("frequency_penalty", "frequency_penalty", r.FrequencyPenalty)
	c.number("presence_penalty", "presence_penalty", r.PresencePenalty)
	c.number("seed", "seed", r.Seed)
	if isFalse(r.ParallelToolCalls) {
		c.option("parallel_tool_calls", "parallel_tool_calls", r.ParallelToolCalls)
	}
	if given(r.SafetyIdentifier) {
		c.option("user", "safety_identifier", r.SafetyIdentifier)
	} else {
		c.option("user", "user", r.User)
	}
	if isTrue(r.Store) {
		c.warn("store")
	}
	c.stops("stop", r.Stop)
	c.logprobs, c.topLogprobs = isTrue(r.Logprobs), r.TopLogprobs
	c.effort("reasoning_effort", r.ReasoningEffort)
	if err := c.openaiFormat(r.ResponseFormat); err != nil {
		return nil, err
	}
	for i, t := range r.Tools {
		if t.Type != "function" || t.Function == nil {
			return nil, unsupported("tools", "tools[%d] is of type %q, which only OpenAI itself runs. Use functions, or ask a target that speaks this API itself.", i, t.Type)
		}
		c.tools = append(c.tools, tool{t.Function.Name, t.Function.Description, t.Function.Parameters, t.Function.Strict})
	}
	if err := c.openaiChoice(r.ToolChoice); err != nil {
		return nil, err
	}
	for i := range r.Messages {
		if err := c.openaiMessage(&r.Messages[i], fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// stops takes stop sequences, of which OpenAI allows one to stand alone.
func (c *chat) stops(field string, s *textOr[string]) {
	c.stopField = field
	if s == nil {
		return
	}
	c.stop = s.list
	if s.isText {
		c.stop = []string{s.text}
	}
}

// effort takes OpenAI's word for how hard to think.
func (c *chat) effort(field, word string) {
	switch word {
	case "":
	case "none":
		c.think = think{mode: thinkOff, field: field}
	default:
		c.think = think{mode: thinkOn, effort: word, field: field}
	}
}

func (c *chat) openaiFormat(f *openaiFormat) error {
	if f == nil {
		return nil
	}
	switch f.Type {
	case "", "text":
	case "json_object":
		c.format = format{kind: formatJSON, field: "response_format"}
	case "json_schema":
		if f.JSONSchema == nil || !given(f.JSONSchema.Schema) {
			return invalid("response_format", "response_format.json_schema.schema is missing.")
		}
		s := f.JSONSchema
		c.format = format{formatSchema, s.Name, s.Description, s.Schema, s.Strict, "response_format"}
	default:
		return cannot("response_format")
	}
	return nil
}

// openaiChoice takes a tool_choice of chat completions: a word, or an object by its type.
func (c *chat) openaiChoice(raw json.RawMessage) error {
	if !given(raw) {
		return nil
	}
	c.choice.field = "tool_choice"
	var v struct {
		Type     string           `json:"type"`
		Function openaiDefinition `json:"function"`
		Name     string           `json:"name"` // in the responses API
		Allowed  *struct {
			Mode  string          `json:"mode"`
			Tools json.RawMessage `json:"tools"`
		} `json:"allowed_tools"`
		Mode  string          `json:"mode"`
		Tools json.RawMessage `json:"tools"`
	}
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &v.Type); err != nil {
			return invalid("tool_choice", "tool_choice cannot be understood.")
		}
	} else if err := json.Unmarshal(raw, &v); err != nil {
		return invalid("tool_choice", "tool_choice cannot be understood.")
	}
	switch v.Type {
	case "auto":
		c.choice.mode = chooseAuto
	case "none":
		c.choice.mode = chooseNone
	case "required":
		c.choice.mode = chooseAny
	case "function":
		c.choice.mode, c.choice.name = chooseNamed, cmp.Or(v.Function.Name, v.Name)
		if c.choice.name == "" {
			return invalid("tool_choice", "tool_choice names no function.")
		}
	case "allowed_tools":
		if v.Allowed != nil {
			v.Mode, v.Tools = v.Allowed.Mode, v.Allowed.Tools
		}
		return c.allowed(v.Mode, v.Tools)
	default:
		return cannot("tool_choice")
	}
	return nil
}

// allowed keeps only the tools that may be called: that is what allowed_tools means.
func (c *chat) allowed(mode string, tools json.RawMessage) error {
	var list []struct {
		Name     string           `json:"name"`
		Function openaiDefinition `json:"function"`
	}
	if err := json.Unmarshal(tools, &list); err != nil {
		return invalid("tool_choice", "tool_choice.tools cannot be understood.")
	}
	c.choice.mode = chooseAuto
	if mode == "required" {
		c.choice.mode = chooseAny
	}
	var kept []tool
	for _, t := range c.tools {
		for _, a := range list {
			if cmp.Or(a.Function.Name, a.Name) == t.name {
				kept = append(kept, t)
				break
			}
		}
	}
	c.tools = kept
	return nil
}

func (c *chat) openaiMessage(m *openaiMessage, at string) error {
	if given(m.FunctionCall) || given(m.Audio) || m.Role == "function" {
		return unsupported(at, "%s uses function_call or audio, which cannot be carried over. Use tool_calls, or ask a target that speaks this API itself.", at)
	}
	if m.Name != "" && m.Role != "tool" {
		c.warn("messages.name")
	}
	parts, err := c.openaiParts(m.Content, at+".content")
	if err != nil {
		return err
	}
	switch m.Role {
	case "system", "developer":
		c.messages = append(c.messages, message{system, parts})
	case "user":
		c.messages = append(c.messages, message{user, parts})
	case "assistant":
		var all []part
		if t := cmp.Or(m.Reasoning, m.ReasoningContent); t != "" {
			all = append(all, part{kind: aThought, text: t, field: at + ".reasoning"})
		}
		all = append(all, parts...)
		if m.Refusal != "" {
			all = append(all, part{kind: aRefusal, text: m.Refusal, field: at + ".refusal"})
		}
		for i, t := range m.ToolCalls {
			field := fmt.Sprintf("%s.tool_calls[%d]", at, i)
			if t.Type != "" && t.Type != "function" {
				return unsupported(field, "%s is of type %q, which cannot be carried over.", field, t.Type)
			}
			all = append(all, part{kind: aCall, id: t.ID, name: t.Function.Name, text: t.Function.Arguments, field: field})
		}
		c.messages = append(c.messages, message{assistant, all})
	case "tool":
		for _, p := range parts {
			if p.kind != aText && p.kind != anImage {
				return invalid(at, "%s holds what a tool's result cannot.", at)
			}
		}
		c.add(user, part{kind: aResult, id: m.ToolCallID, name: m.Name, parts: parts, field: at})
	default:
		return invalid(at, "%s.role is %q; it can be system, developer, user, assistant or tool.", at, clip(m.Role, 32))
	}
	return nil
}

func (c *chat) openaiParts(content *textOr[openaiPart], at string) ([]part, error) {
	if content == nil {
		return nil, nil
	}
	if content.isText {
		return []part{{kind: aText, text: content.text}}, nil
	}
	var parts []part
	for i, p := range content.list {
		field := fmt.Sprintf("%s[%d]", at, i)
		switch p.Type {
		case "text":
			parts = append(parts, part{kind: aText, text: p.Text})
		case "refusal":
			parts = append(parts, part{kind: aRefusal, text: p.Refusal, field: field})
		case "image_url":
			if p.ImageURL == nil {
				return nil, invalid(field, "%s.image_url is missing.", field)
			}
			if p.ImageURL.Detail != "" && p.ImageURL.Detail != "auto" {
				c.warn("messages.content.image_url.detail")
			}
			img, err := imageAt(p.ImageURL.URL, field)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{kind: anImage, image: img, field: field})
		default:
			return nil, unsupported(field, "%s is of type %q, which cannot be carried over. Send text and images, or ask a target that speaks this API itself.", field, clip(p.Type, 32))
		}
	}
	return parts, nil
}

// imageAt is the picture of a data: URL, or the address of one.
func imageAt(url, field string) (image, error) {
	if img, ok := parseDataURL(url); ok {
		return img, nil
	}
	if strings.HasPrefix(url, "http://") || strings.HasPrefix(url, "https://") {
		return image{url: url}, nil
	}
	return image{}, invalid(field, "The image at %s is neither a data: URL with base64 nor an http(s) one.", field)
}

func encodeOpenAI(c *chat, to Target) ([]byte, error) {
	r := openaiRequest{Model: c.model, Stream: c.stream, TopLogprobs: c.topLogprobs}
	if c.stream {
		r.StreamOptions = &openaiStreamOptions{IncludeUsage: true} // Corral counts, whether the caller asked or not
	}
	if to.NewMaxTokens {
		r.MaxCompletionTokens = c.maxTokens
	} else {
		r.MaxTokens = c.maxTokens
	}
	r.Seed = c.takeNumber("seed")
	if to.NoSampling || to.NoSamplingThinking && c.think.mode == thinkOn {
		if c.logprobs {
			return nil, cannot("logprobs")
		}
	} else {
		r.Temperature, r.TopP = c.takeNumber("temperature"), c.takeNumber("top_p")
		r.FrequencyPenalty, r.PresencePenalty = c.takeNumber("frequency_penalty"), c.takeNumber("presence_penalty")
	}
	r.User, r.ParallelToolCalls = c.take("user"), c.take("parallel_tool_calls")
	if len(c.stop) > 0 {
		r.Stop = listOf(c.stop)
	}
	if c.logprobs {
		r.Logprobs = json.RawMessage("true")
	}
	switch {
	case c.think.effort != "":
		r.ReasoningEffort = c.think.effort
	case c.think.mode == thinkOff && (to.Reasoning != "" || slices.Contains(to.Efforts, "none") || strings.HasPrefix(c.think.field, "reasoning")):
		r.ReasoningEffort = "none"
	case c.think.mode == thinkOn && to.NoBudgets:
		r.ReasoningEffort = "medium" // some of them do not think unless they are told how hard
	case c.think.mode != thinkUnsaid:
		c.warn(c.think.field) // models that do not think refuse a word of effort, and there are no budgets here
	}
	switch c.format.kind {
	case formatJSON:
		r.ResponseFormat = &openaiFormat{Type: "json_object"}
	case formatSchema:
		r.ResponseFormat = &openaiFormat{Type: "json_schema", JSONSchema: &openaiSchema{cmp.Or(c.format.name, "answer"), c.format.about, c.format.schema, c.format.strict}}
	}
	for _, t := range c.tools {
		r.Tools = append(r.Tools, openaiTool{"function", &openaiDefinition{t.name, t.description, t.schema, t.strict}})
	}
	switch c.choice.mode {
	case chooseAuto:
		r.ToolChoice = quoted("auto")
	case chooseNone:
		r.ToolChoice = quoted("none")
	case chooseAny:
		r.ToolChoice = quoted("required")
	case chooseNamed:
		r.ToolChoice = marshal(openaiTool{"function", &openaiDefinition{Name: c.choice.name}})
	}
	if len(r.Tools) == 0 {
		r.ToolChoice = nil // OpenAI refuses it without tools
	}
	for i := range c.messages {
		r.Messages = append(r.Messages, c.toOpenAI(&c.messages[i], to)...)
	}
	return marshal(r), nil
}

func (c *chat) toOpenAI(m *message, to Target) (out []openaiMessage) {
	switch m.role {
	case system:
		return []openaiMessage{{Role: "system", Content: toOpenAIParts(m.parts)}}
	case assistant:
		o := openaiMessage{Role: "assistant", Refusal: joined(m.parts, aRefusal, "")}
		if has(m.parts, aText) {
			o.Content = textOf[openaiPart](joined(m.parts, aText, ""))
		}
		switch thought := joined(m.parts, aThought, "\n"); {
		case !has(m.parts, aThought):
		case to.Reasoning == "":
			c.warnThoughts(m.parts)
		default: // a hidden one is of no use to anyone but its maker
			if to.Reasoning != "reasoning_content" {
				o.Reasoning = thought
			}
			if to.Reasoning != "reasoning" {
				o.ReasoningContent = thought
			}
		}
		for _, p := range m.parts {
			if p.kind == aCall {
				o.ToolCalls = append(o.ToolCalls, openaiCall{ID: p.id, Type: "function", Function: openaiFunction{p.name, cmp.Or(p.text, "{}")}})
			}
		}
		if o.Content == nil && o.ToolCalls == nil && o.Refusal == "" {
			return nil // a turn of thoughts only, which stay behind
		}
		return []openaiMessage{o}
	}
	var rest []part
	for _, p := range m.parts {
		if p.kind != aResult {
			rest = append(rest, p)
			continue
		}
		if p.failed {
			c.warn(p.field + ".is_error")
		}
		out = append(out, openaiMessage{Role: "tool", ToolCallID: p.id, Content: textOf[openaiPart](joined(p.parts, aText, "\n"))})
	}
	if len(rest) > 0 {
		out = append(out, openaiMessage{Role: "user", Content: toOpenAIParts(rest)})
	}
	return out
}

// warnThoughts names the fields of thoughts that are left behind.
func (c *chat) warnThoughts(parts []part) {
	for _, p := range parts {
		if p.kind == aThought {
			c.warn(p.field)
		}
	}
}

// toOpenAIParts is a list of parts, and a plain text where one text is all: some servers know nothing else.
func toOpenAIParts(parts []part) *textOr[openaiPart] {
	if len(parts) == 0 {
		return textOf[openaiPart]("")
	}
	if len(parts) == 1 && parts[0].kind == aText {
		return textOf[openaiPart](parts[0].text)
	}
	var list []openaiPart
	for _, p := range parts {
		switch p.kind {
		case anImage:
			list = append(list, openaiPart{Type: "image_url", ImageURL: &openaiImage{URL: p.image.dataURL()}})
		default:
			list = append(list, openaiPart{Type: "text", Text: p.text})
		}
	}
	return listOf(list)
}
