package translate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// ollamaRequest is a body of Ollama's /api/chat (https://github.com/ollama/ollama/blob/main/docs/api.md).
type ollamaRequest struct {
	Model    string                     `json:"model"`
	Messages []ollamaMessage            `json:"messages"`
	Stream   *bool                      `json:"stream,omitempty"` // true unless said
	Tools    []openaiTool               `json:"tools,omitempty"`
	Format   json.RawMessage            `json:"format,omitempty"`
	Options  map[string]json.RawMessage `json:"options,omitempty"`
	ollamaRest
}

// ollamaRest is what /api/chat and /api/generate have in common beside that.
type ollamaRest struct {
	Think       json.RawMessage `json:"think,omitempty"`
	KeepAlive   json.RawMessage `json:"keep_alive,omitempty"`
	Truncate    json.RawMessage `json:"truncate,omitempty"`
	Shift       json.RawMessage `json:"shift,omitempty"`
	Logprobs    bool            `json:"logprobs,omitempty"`
	TopLogprobs json.Number     `json:"top_logprobs,omitempty"`
}

type ollamaMessage struct {
	Role       string       `json:"role"`
	Content    string       `json:"content"`
	Thinking   string       `json:"thinking,omitempty"`
	Images     []string     `json:"images,omitempty"` // base64
	ToolCalls  []ollamaCall `json:"tool_calls,omitempty"`
	ToolName   string       `json:"tool_name,omitempty"`
	ToolCallID string       `json:"tool_call_id,omitempty"`
}

type ollamaCall struct {
	ID       string         `json:"id,omitempty"`
	Type     string         `json:"type,omitempty"` // some clients send OpenAI's
	Function ollamaFunction `json:"function"`
}

type ollamaFunction struct {
	Index     int             `json:"index"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"` // an object
}

// ollamaGenerate is a body of /api/generate.
type ollamaGenerate struct {
	Model   string                     `json:"model"`
	Prompt  string                     `json:"prompt"`
	System  string                     `json:"system"`
	Images  []string                   `json:"images"`
	Stream  *bool                      `json:"stream"`
	Format  json.RawMessage            `json:"format"`
	Options map[string]json.RawMessage `json:"options"`
	ollamaRest

	Raw      bool            `json:"raw"`
	Suffix   json.RawMessage `json:"suffix"`
	Template json.RawMessage `json:"template"`
	Context  json.RawMessage `json:"context"`
	Width    json.RawMessage `json:"width"`
	Height   json.RawMessage `json:"height"`
	Steps    json.RawMessage `json:"steps"`
}

func decodeOllamaChat(body []byte) (*chat, error) {
	var r ollamaRequest
	c := &chat{}
	if err := decodeRequest(body, &r, c); err != nil {
		return nil, err
	}
	c.model, c.stream = r.Model, r.Stream == nil || *r.Stream
	if err := c.ollamaSettings(r.Format, r.Options, &r.ollamaRest); err != nil {
		return nil, err
	}
	for i, t := range r.Tools {
		if t.Function == nil || t.Type != "" && t.Type != "function" {
			return nil, invalid("tools", "tools[%d] is no function.", i)
		}
		c.tools = append(c.tools, tool{t.Function.Name, t.Function.Description, t.Function.Parameters, t.Function.Strict})
	}
	for i := range r.Messages {
		if err := c.ollamaMessage(&r.Messages[i], fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// decodeOllamaGenerate takes a prompt as the one message of the user, which is what Ollama's own templates make of it. A
// prompt that is to be completed without a template is refused: targets of a chat cannot do that.
func decodeOllamaGenerate(body []byte) (*chat, error) {
	var r ollamaGenerate
	c := &chat{}
	if err := decodeRequest(body, &r, c); err != nil {
		return nil, err
	}
	if r.Raw {
		return nil, cannot("raw")
	}
	for _, f := range []struct {
		name  string
		value json.RawMessage
	}{{"suffix", r.Suffix}, {"template", r.Template}, {"context", r.Context}, {"width", r.Width}, {"height", r.Height}, {"steps", r.Steps}} {
		if given(f.value) {
			return nil, cannot(f.name)
		}
	}
	c.model, c.stream = r.Model, r.Stream == nil || *r.Stream
	if err := c.ollamaSettings(r.Format, r.Options, &r.ollamaRest); err != nil {
		return nil, err
	}
	if r.System != "" {
		c.messages = append(c.messages, message{system, []part{{kind: aText, text: r.System}}})
	}
	if r.Prompt != "" || len(r.Images) > 0 {
		parts, err := ollamaParts(r.Prompt, r.Images, "")
		if err != nil {
			return nil, err
		}
		c.messages = append(c.messages, message{user, parts})
	} else {
		c.messages = nil // it only loads the model, whatever the system says
	}
	return c, nil
}

func (c *chat) ollamaSettings(format json.RawMessage, options map[string]json.RawMessage, rest *ollamaRest) error {
	if err := c.ollamaFormat(format); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(options)) {
		value := options[key]
		switch key {
		case "num_predict":
			// -1 is "until it is done", -2 "until the context is full": no bound either way.
			if n := string(bytes.TrimSpace(value)); n != "" && n[0]-'0' <= 9 {
				c.maxTokens = json.Number(n)
			}
		case "stop":
			var s textOr[string]
			if given(value) && s.UnmarshalJSON(bytes.TrimSpace(value)) != nil {
				return invalid("options.stop", "options.stop is neither a text nor a list of texts.")
			}
			c.stops("options.stop", &s)
		default:
			c.option(key, "options."+key, value)
		}
	}
	c.option("keep_alive", "keep_alive", rest.KeepAlive)
	c.option("truncate", "truncate", rest.Truncate)
	c.option("shift", "shift", rest.Shift)
	c.logprobs, c.topLogprobs = rest.Logprobs, rest.TopLogprobs
	if given(rest.Think) {
		var word string
		switch {
		case isTrue(rest.Think):
			c.think = think{mode: thinkOn, field: "think"}
		case isFalse(rest.Think):
			c.think = think{mode: thinkOff, field: "think"}
		case json.Unmarshal(rest.Think, &word) == nil:
			c.think = think{mode: thinkOn, effort: word, field: "think"}
		default:
			return invalid("think", "think is neither true, false, nor a word.")
		}
	}
	return nil
}

func (c *chat) ollamaFormat(f json.RawMessage) error {
	if !given(f) {
		return nil
	}
	switch f = bytes.TrimSpace(f); {
	case string(f) == `"json"`:
		c.format = format{kind: formatJSON, field: "format"}
	case f[0] == '{':
		c.format = format{kind: formatSchema, schema: f, field: "format"}
	default:
		return invalid("format", `format is neither "json" nor a JSON schema.`)
	}
	return nil
}

func (c *chat) ollamaMessage(m *ollamaMessage, at string) error {
	parts, err := ollamaParts(m.Content, m.Images, at+".")
	if err != nil {
		return err
	}
	switch strings.ToLower(m.Role) {
	case "system":
		c.messages = append(c.messages, message{system, parts})
	case "user":
		c.messages = append(c.messages, message{user, parts})
	case "assistant":
		var all []part
		if m.Thinking != "" {
			all = append(all, part{kind: aThought, text: m.Thinking, field: at + ".thinking"})
		}
		if m.Content != "" {
			all = append(all, parts...)
		}
		for i, t := range m.ToolCalls {
			p := part{kind: aCall, id: t.ID, name: t.Function.Name, text: compact(t.Function.Arguments), field: fmt.Sprintf("%s.tool_calls[%d]", at, i)}
			if p.text == "null" {
				p.text = "{}"
			}
			all = append(all, p)
		}
		c.messages = append(c.messages, message{assistant, all})
	case "tool":
		c.add(user, part{kind: aResult, id: m.ToolCallID, name: m.ToolName, parts: parts, field: at})
	default:
		return invalid(at, "%s.role is %q; it can be system, user, assistant or tool.", at, clip(m.Role, 32))
	}
	return nil
}

func ollamaParts(text string, images []string, at string) ([]part, error) {
	var parts []part
	if text != "" || len(images) == 0 {
		parts = append(parts, part{kind: aText, text: text})
	}
	for i, data := range images {
		field := fmt.Sprintf("%simages[%d]", at, i)
		if img, ok := parseDataURL(data); ok {
			parts = append(parts, part{kind: anImage, image: img, field: field})
			continue
		}
		if data == "" || strings.Contains(data, "://") {
			return nil, invalid(field, "The image at %s is not base64.", field)
		}
		parts = append(parts, part{kind: anImage, image: image{mediaType: sniffImage(data), data: data}, field: field})
	}
	return parts, nil
}

// ollamaFields are the options of this package that are fields of their own at Ollama, beside those in "options".
var ollamaFields = map[string]bool{"keep_alive": true, "truncate": true, "shift": true}

// notOllama are the options of this package that Ollama does not have.
var notOllama = map[string]bool{"user": true, "parallel_tool_calls": true}

func encodeOllama(c *chat, to Target) ([]byte, error) {
	r := ollamaRequest{Model: c.model, Stream: &c.stream, Options: map[string]json.RawMessage{}}
	r.KeepAlive, r.Truncate, r.Shift = c.take("keep_alive"), c.take("truncate"), c.take("shift")
	for _, o := range slices.Clone(c.options) {
		if !notOllama[o.key] && !ollamaFields[o.key] {
			r.Options[o.key] = c.take(o.key)
		}
	}
	if c.maxTokens != "" {
		r.Options["num_predict"] = json.RawMessage(c.maxTokens)
	}
	if len(c.stop) > 0 {
		r.Options["stop"] = marshal(c.stop)
	}
	r.Logprobs, r.TopLogprobs = c.logprobs, c.topLogprobs
	switch c.format.kind {
	case formatJSON:
		r.Format = quoted("json")
	case formatSchema:
		r.Format = c.format.schema
	}
	r.Think = c.ollamaThink()
	switch c.choice.mode {
	case chooseAny, chooseNamed:
		return nil, unsupported(c.choice.field, "Ollama cannot be told that a tool must be called (%s). Let the model choose, or ask a target that can.", c.choice.field)
	case chooseNone: // tools that are not shown cannot be called
	default:
		for _, t := range c.tools {
			if t.strict != nil && *t.strict {
				c.warn("tools.strict")
			}
			r.Tools = append(r.Tools, openaiTool{"function", &openaiDefinition{Name: t.name, Description: t.description, Parameters: t.schema}})
		}
	}
	for i := range c.messages {
		if err := c.toOllama(&c.messages[i], &r); err != nil {
			return nil, err
		}
	}
	return marshal(r), nil
}

// ollamaThink is what Ollama takes for think: true, false, low, medium or high.
func (c *chat) ollamaThink() json.RawMessage {
	if c.think.budget != "" {
		c.warn(c.think.field)
	}
	switch {
	case c.think.mode == thinkUnsaid:
		return nil
	case c.think.mode == thinkOff:
		return json.RawMessage("false")
	}
	switch c.think.effort {
	case "":
		return json.RawMessage("true")
	case "low", "medium", "high":
		return quoted(c.think.effort)
	case "minimal":
		c.warn(c.think.field)
		return quoted("low")
	}
	c.warn(c.think.field)
	return quoted("high")
}

func (c *chat) toOllama(m *message, r *ollamaRequest) error {
	o := ollamaMessage{Role: [...]string{"system", "user", "assistant"}[m.role]}
	sep := "\n"
	if m.role == assistant {
		sep = "" // blocks of one answer follow each other without a break
	}
	o.Content, o.Thinking = joined(m.parts, aText, sep)+joined(m.parts, aRefusal, ""), joined(m.parts, aThought, "\n")
	rest := false
	for i := range m.parts {
		p := &m.parts[i]
		switch p.kind {
		case aResult:
			if p.failed {
				c.warn(p.field + ".is_error")
			}
			r.Messages = append(r.Messages, ollamaMessage{Role: "tool", Content: joined(p.parts, aText, "\n"), ToolName: p.name, ToolCallID: p.id})
			continue
		case anImage:
			if p.image.url != "" {
				return unsupported(p.field, "Ollama fetches no images from the network. Send the image at %s as base64.", p.field)
			}
			o.Images = append(o.Images, p.image.data)
		case aCall:
			args, ok := p.arguments()
			if !ok {
				return invalid(p.field, "The arguments of the call at %s are no JSON object.", p.field)
			}
			o.ToolCalls = append(o.ToolCalls, ollamaCall{ID: p.id, Function: ollamaFunction{Index: len(o.ToolCalls), Name: p.name, Arguments: args}})
		case aThought:
			if p.hidden {
				c.warn(p.field)
				continue
			}
		}
		rest = true
	}
	if rest || len(m.parts) == 0 {
		r.Messages = append(r.Messages, o)
	}
	return nil
}
