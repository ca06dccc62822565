package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// responsesRequest is a body of OpenAI's responses (https://platform.openai.com/docs/api-reference/responses/create).
// Corral keeps no conversations: what refers to an earlier one is refused, and nothing is stored.
type responsesRequest struct {
	Model             string                  `json:"model"`
	Input             *textOr[responsesInput] `json:"input"`
	Instructions      *string                 `json:"instructions"`
	Stream            bool                    `json:"stream"`
	StreamOptions     *openaiStreamOptions    `json:"stream_options"`
	MaxOutputTokens   json.Number             `json:"max_output_tokens"`
	Temperature       json.Number             `json:"temperature"`
	TopP              json.Number             `json:"top_p"`
	TopLogprobs       json.Number             `json:"top_logprobs"`
	Include           []string                `json:"include"`
	Text              *responsesText          `json:"text"`
	Reasoning         *responsesReasoning     `json:"reasoning"`
	Tools             []responsesTool         `json:"tools"`
	ToolChoice        json.RawMessage         `json:"tool_choice"`
	ParallelToolCalls json.RawMessage         `json:"parallel_tool_calls"`
	Metadata          json.RawMessage         `json:"metadata"` // repeated in the response, and nothing else
	User              json.RawMessage         `json:"user"`
	SafetyIdentifier  json.RawMessage         `json:"safety_identifier"`
	Truncation        string                  `json:"truncation"`
	Store             json.RawMessage         `json:"store"`
	Background        bool                    `json:"background"`

	PreviousResponseID json.RawMessage `json:"previous_response_id"`
	Conversation       json.RawMessage `json:"conversation"`
	Prompt             json.RawMessage `json:"prompt"`
	Moderation         json.RawMessage `json:"moderation"`
}

type responsesText struct {
	Format *responsesFormat `json:"format,omitempty"`
}

type responsesFormat struct {
	Type        string          `json:"type"`
	Name        string          `json:"name,omitempty"`
	Description string          `json:"description,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type responsesReasoning struct {
	Effort  *string         `json:"effort"`
	Summary json.RawMessage `json:"summary"` // thoughts are shown as they come, summed up or not
}

type responsesTool struct {
	Type        string          `json:"type"`
	Name        string          `json:"name"`
	Description *string         `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

// responsesInput is an item of the input, of any type.
type responsesInput struct {
	Type      string                    `json:"type"`
	ID        string                    `json:"id"`
	Status    string                    `json:"status"`
	Role      string                    `json:"role"`
	Content   *textOr[responsesContent] `json:"content"`
	CallID    string                    `json:"call_id"`
	Name      string                    `json:"name"`
	Arguments string                    `json:"arguments"`
	Output    *textOr[responsesContent] `json:"output"`
	Summary   []responsesContent        `json:"summary"`
	Encrypted *string                   `json:"encrypted_content"`
	Phase     json.RawMessage           `json:"phase"` // a label of OpenAI's own models
}

type responsesContent struct {
	Type        string          `json:"type"`
	Text        string          `json:"text"`
	Refusal     string          `json:"refusal"`
	ImageURL    string          `json:"image_url"`
	FileID      string          `json:"file_id"`
	Detail      string          `json:"detail"`
	Annotations json.RawMessage `json:"annotations"` // of past answers: what they say is in the text
	Logprobs    json.RawMessage `json:"logprobs"`
}

func decodeResponses(body []byte) (*chat, error) {
	r := &responsesRequest{}
	c := &chat{responses: r, includeUsage: true}
	if err := decodeRequest(body, r, c); err != nil {
		return nil, err
	}
	for _, f := range []struct {
		name  string
		value json.RawMessage
	}{{"previous_response_id", r.PreviousResponseID}, {"conversation", r.Conversation}, {"prompt", r.Prompt}, {"moderation", r.Moderation}} {
		if given(f.value) {
			return nil, cannot(f.name)
		}
	}
	if r.Background {
		return nil, cannot("background")
	}
	c.model, c.stream, c.maxTokens = r.Model, r.Stream, r.MaxOutputTokens
	c.number("temperature", "temperature", r.Temperature)
	c.number("top_p", "top_p", r.TopP)
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
	if r.Truncation != "" && r.Truncation != "disabled" {
		c.warn("truncation")
	}
	c.responsesInclude(r)
	if r.Reasoning != nil && r.Reasoning.Effort != nil {
		c.effort("reasoning", *r.Reasoning.Effort)
		if c.think.mode == thinkOn {
			c.think.field = "reasoning.effort"
		}
	}
	if err := c.responsesFormat(r.Text); err != nil {
		return nil, err
	}
	for i, t := range r.Tools {
		if t.Type != "function" {
			return nil, unsupported("tools", "tools[%d] is of type %q, which only OpenAI itself runs. Use functions, or ask a target that speaks this API itself.", i, clip(t.Type, 64))
		}
		c.tools = append(c.tools, tool{t.Name, value(t.Description), t.Parameters, t.Strict})
	}
	if err := c.openaiChoice(r.ToolChoice); err != nil {
		return nil, err
	}
	if r.Instructions != nil && *r.Instructions != "" {
		c.messages = append(c.messages, message{system, []part{{kind: aText, text: *r.Instructions}}})
	}
	return c, c.responsesItems(r.Input)
}

func (c *chat) responsesInclude(r *responsesRequest) {
	c.topLogprobs = r.TopLogprobs
	for _, name := range r.Include {
		switch name {
		case "message.output_text.logprobs":
			c.logprobs = true
		case "reasoning.encrypted_content": // where the target signs its thoughts, the signature is there in any case
		default:
			c.warn("include")
		}
	}
	if c.topLogprobs != "" && c.topLogprobs != "0" {
		c.logprobs = true
	}
	if !c.logprobs {
		c.topLogprobs = ""
	}
}

func (c *chat) responsesFormat(t *responsesText) error {
	if t == nil || t.Format == nil {
		return nil
	}
	f := t.Format
	switch f.Type {
	case "", "text":
	case "json_object":
		c.format = format{kind: formatJSON, field: "text.format"}
	case "json_schema":
		if !given(f.Schema) {
			return invalid("text.format", "text.format.schema is missing.")
		}
		c.format = format{formatSchema, f.Name, f.Description, f.Schema, f.Strict, "text.format"}
	default:
		return cannot("text.format")
	}
	return nil
}

func (c *chat) responsesItems(input *textOr[responsesInput]) error {
	if input == nil {
		return nil
	}
	if input.isText {
		if input.text != "" {
			c.messages = append(c.messages, message{user, []part{{kind: aText, text: input.text}}})
		}
		return nil
	}
	for i := range input.list {
		if err := c.responsesItem(&input.list[i], fmt.Sprintf("input[%d]", i)); err != nil {
			return err
		}
	}
	return nil
}

func (c *chat) responsesItem(it *responsesInput, at string) error {
	if it.Type == "" && it.Role != "" {
		it.Type = "message"
	}
	switch it.Type {
	case "message":
		parts, err := c.responsesParts(it.Content, at+".content")
		if err != nil {
			return err
		}
		switch it.Role {
		case "system", "developer":
			c.messages = append(c.messages, message{system, parts})
		case "user":
			c.messages = append(c.messages, message{user, parts})
		case "assistant":
			c.add(assistant, parts...)
		default:
			return invalid(at, "%s.role is %q; it can be system, developer, user or assistant.", at, clip(it.Role, 32))
		}
	case "function_call":
		c.add(assistant, part{kind: aCall, id: it.CallID, name: it.Name, text: it.Arguments, field: at})
	case "function_call_output":
		parts, err := c.responsesParts(it.Output, at+".output")
		if err != nil {
			return err
		}
		c.add(user, part{kind: aResult, id: it.CallID, parts: parts, field: at})
	case "reasoning":
		c.add(assistant, it.thought(at))
	default:
		return unsupported(at, "%s is of type %q, which cannot be carried over. Send messages and function calls, or ask a target that speaks this API itself.", at, clip(it.Type, 64))
	}
	return nil
}

// thought is a reasoning item. encrypted_content is OpenAI's own, but for what sealed put there.
func (it *responsesInput) thought(at string) part {
	p := part{kind: aThought, field: at + ".reasoning"}
	var texts []string
	for _, s := range it.Summary {
		texts = append(texts, s.Text)
	}
	if it.Content != nil && len(it.Content.list) > 0 {
		texts = texts[:0]
		for _, s := range it.Content.list {
			texts = append(texts, s.Text)
		}
	}
	p.text = strings.Join(texts, "\n")
	switch who, sig, _ := strings.Cut(value(it.Encrypted), ":"); who {
	case "anthropic":
		p.signature, p.signer = sig, Anthropic
	case "anthropic-hidden":
		p.signature, p.signer, p.hidden = sig, Anthropic, true
	case "gemini":
		p.signature, p.signer = sig, Gemini
	}
	return p
}

// sealed is the signature of a thought as the encrypted_content of a reasoning item, which clients send back as it is.
func sealed(p *part) *string {
	if p.signature == "" {
		return nil
	}
	s := strings.ToLower(p.signer.String()) + ":" + p.signature
	if p.hidden {
		s = "anthropic-hidden:" + p.signature
	}
	return &s
}

func (c *chat) responsesParts(content *textOr[responsesContent], at string) ([]part, error) {
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
		case "input_text", "output_text", "text":
			parts = append(parts, part{kind: aText, text: p.Text})
		case "refusal":
			parts = append(parts, part{kind: aRefusal, text: p.Refusal, field: field})
		case "input_image":
			if p.FileID != "" {
				return nil, unsupported(field, "%s is a file at OpenAI, which this target cannot see. Send the image itself.", field)
			}
			if !slices.Contains([]string{"", "auto"}, p.Detail) {
				c.warn("input.content.detail")
			}
			img, err := imageAt(p.ImageURL, field)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{kind: anImage, image: img, field: field})
		default:
			return nil, unsupported(field, "%s is of type %q, which cannot be carried over. Send text and images, or ask a target that speaks this API itself.", field, clip(p.Type, 64))
		}
	}
	return parts, nil
}
