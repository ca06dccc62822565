package translate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// anthropicRequest is a body of Anthropic's messages (https://docs.anthropic.com/en/api/messages).
type anthropicRequest struct {
	Model         string                  `json:"model"`
	MaxTokens     json.Number             `json:"max_tokens,omitempty"`
	System        *textOr[anthropicBlock] `json:"system,omitempty"`
	Messages      []anthropicMessage      `json:"messages"`
	Stream        bool                    `json:"stream,omitempty"`
	StopSequences []string                `json:"stop_sequences,omitempty"`
	Temperature   json.Number             `json:"temperature,omitempty"`
	TopP          json.Number             `json:"top_p,omitempty"`
	TopK          json.Number             `json:"top_k,omitempty"`
	Tools         []anthropicTool         `json:"tools,omitempty"`
	ToolChoice    *anthropicChoice        `json:"tool_choice,omitempty"`
	Thinking      *anthropicThinking      `json:"thinking,omitempty"`
	OutputConfig  *anthropicOutput        `json:"output_config,omitempty"`
	Metadata      *anthropicMetadata      `json:"metadata,omitempty"`

	Container  json.RawMessage `json:"container,omitempty"`
	MCPServers json.RawMessage `json:"mcp_servers,omitempty"`
}

type anthropicMetadata struct {
	UserID json.RawMessage `json:"user_id,omitempty"`
}

type anthropicMessage struct {
	Role    string                  `json:"role"`
	Content *textOr[anthropicBlock] `json:"content"`
}

// anthropicBlock is a content block of any type, of requests and of answers. The texts are pointers because an empty one
// has to be there in a block that starts.
type anthropicBlock struct {
	Type      string                  `json:"type"`
	Text      *string                 `json:"text,omitempty"`
	Thinking  *string                 `json:"thinking,omitempty"`
	Signature *string                 `json:"signature,omitempty"`
	Data      string                  `json:"data,omitempty"` // of redacted_thinking
	Source    *anthropicSource        `json:"source,omitempty"`
	ID        string                  `json:"id,omitempty"`
	Name      string                  `json:"name,omitempty"`
	Input     json.RawMessage         `json:"input,omitempty"`
	ToolUseID string                  `json:"tool_use_id,omitempty"`
	Content   *textOr[anthropicBlock] `json:"content,omitempty"`
	IsError   bool                    `json:"is_error,omitempty"`
}

type anthropicSource struct {
	Type      string `json:"type"`
	MediaType string `json:"media_type,omitempty"`
	Data      string `json:"data,omitempty"`
	URL       string `json:"url,omitempty"`
}

type anthropicTool struct {
	Type        string          `json:"type,omitempty"`
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	InputSchema json.RawMessage `json:"input_schema,omitempty"`
	Strict      *bool           `json:"strict,omitempty"`
}

type anthropicChoice struct {
	Type                   string `json:"type"`
	Name                   string `json:"name,omitempty"`
	DisableParallelToolUse bool   `json:"disable_parallel_tool_use,omitempty"`
}

type anthropicThinking struct {
	Type         string      `json:"type"`
	BudgetTokens json.Number `json:"budget_tokens,omitempty"`
	Display      string      `json:"display,omitempty"`
}

type anthropicOutput struct {
	Effort string           `json:"effort,omitempty"`
	Format *anthropicFormat `json:"format,omitempty"`
}

type anthropicFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

func decodeAnthropic(body []byte) (*chat, error) {
	var r anthropicRequest
	c := &chat{}
	if err := decodeRequest(body, &r, c); err != nil {
		return nil, err
	}
	if given(r.Container) {
		return nil, cannot("container")
	}
	if given(r.MCPServers) {
		return nil, cannot("mcp_servers")
	}
	c.model, c.stream, c.maxTokens = r.Model, r.Stream, r.MaxTokens
	c.stop, c.stopField = r.StopSequences, "stop_sequences"
	c.number("temperature", "temperature", r.Temperature)
	c.number("top_p", "top_p", r.TopP)
	c.number("top_k", "top_k", r.TopK)
	if r.Metadata != nil {
		c.option("user", "metadata.user_id", r.Metadata.UserID)
	}
	if err := c.anthropicThinking(r.Thinking, r.OutputConfig); err != nil {
		return nil, err
	}
	for i, t := range r.Tools {
		if t.Type != "" && t.Type != "custom" {
			return nil, unsupported("tools", "tools[%d] is of type %q, which only Anthropic itself knows. Use tools of your own, or ask a target that speaks this API itself.", i, clip(t.Type, 64))
		}
		c.tools = append(c.tools, tool{t.Name, t.Description, t.InputSchema, t.Strict})
	}
	if ch := r.ToolChoice; ch != nil {
		modes := map[string]choiceMode{"auto": chooseAuto, "any": chooseAny, "tool": chooseNamed, "none": chooseNone}
		mode, ok := modes[ch.Type]
		if !ok {
			return nil, invalid("tool_choice", "tool_choice.type is %q; it can be auto, any, tool or none.", clip(ch.Type, 32))
		}
		c.choice = choice{mode, ch.Name, "tool_choice"}
		if ch.DisableParallelToolUse {
			c.option("parallel_tool_calls", "tool_choice.disable_parallel_tool_use", json.RawMessage("false"))
		}
	}
	if r.System != nil {
		parts, err := c.anthropicBlocks(r.System, "system")
		if err != nil {
			return nil, err
		}
		if len(parts) > 0 {
			c.messages = append(c.messages, message{system, parts})
		}
	}
	for i, m := range r.Messages {
		if err := c.anthropicMessage(&m, fmt.Sprintf("messages[%d]", i)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *chat) anthropicThinking(t *anthropicThinking, o *anthropicOutput) error {
	if t != nil {
		c.think.field = "thinking"
		switch t.Type {
		case "enabled":
			c.think.mode, c.think.budget, c.think.field = thinkOn, t.BudgetTokens, "thinking.budget_tokens"
		case "adaptive":
			c.think.mode = thinkOn
		case "disabled":
			c.think.mode = thinkOff
		default:
			return invalid("thinking", "thinking.type is %q; it can be enabled, adaptive or disabled.", clip(t.Type, 32))
		}
		if t.Display != "" && t.Display != "summarized" {
			c.warn("thinking.display")
		}
	}
	if o == nil {
		return nil
	}
	if o.Effort != "" && c.think.mode != thinkOff {
		c.think.mode, c.think.effort, c.think.field = thinkOn, o.Effort, "output_config.effort"
	}
	if o.Format != nil {
		if o.Format.Type != "json_schema" || !given(o.Format.Schema) {
			return cannot("output_config.format")
		}
		strict := true // Anthropic knows no other
		c.format = format{kind: formatSchema, schema: o.Format.Schema, strict: &strict, field: "output_config.format"}
	}
	return nil
}

func (c *chat) anthropicMessage(m *anthropicMessage, at string) error {
	parts, err := c.anthropicBlocks(m.Content, at+".content")
	if err != nil {
		return err
	}
	switch m.Role {
	case "user":
		c.messages = append(c.messages, message{user, parts})
	case "assistant":
		c.messages = append(c.messages, message{assistant, parts})
	case "system":
		c.messages = append(c.messages, message{system, parts})
	default:
		return invalid(at, "%s.role is %q; it can be user, assistant or system.", at, clip(m.Role, 32))
	}
	return nil
}

func (c *chat) anthropicBlocks(content *textOr[anthropicBlock], at string) ([]part, error) {
	if content == nil {
		return nil, nil
	}
	if content.isText {
		if content.text == "" {
			return nil, nil
		}
		return []part{{kind: aText, text: content.text}}, nil
	}
	var parts []part
	for i := range content.list {
		b, field := &content.list[i], fmt.Sprintf("%s[%d]", at, i)
		switch b.Type {
		case "text":
			parts = append(parts, part{kind: aText, text: value(b.Text)})
		case "image":
			img, err := b.Source.image(field)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part{kind: anImage, image: img, field: field})
		case "thinking":
			p := part{kind: aThought, text: value(b.Thinking), field: field + ".thinking"}
			p.signature, p.signer = unseal(value(b.Signature))
			parts = append(parts, p)
		case "redacted_thinking":
			parts = append(parts, part{kind: aThought, hidden: true, signature: b.Data, signer: Anthropic, field: field + ".redacted_thinking"})
		case "tool_use":
			parts = append(parts, part{kind: aCall, id: b.ID, name: b.Name, text: compact(b.Input), field: field})
		case "tool_result":
			inner, err := c.anthropicBlocks(b.Content, field+".content")
			if err != nil {
				return nil, err
			}
			for _, p := range inner {
				if p.kind != aText && p.kind != anImage {
					return nil, unsupported(field, "%s holds more than text and images, which cannot be carried over.", field)
				}
			}
			parts = append(parts, part{kind: aResult, id: b.ToolUseID, parts: inner, failed: b.IsError, field: field})
		default:
			return nil, unsupported(field, "%s is of type %q, which cannot be carried over. Send text, images and tool results, or ask a target that speaks this API itself.", field, clip(b.Type, 64))
		}
	}
	return parts, nil
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (s *anthropicSource) image(field string) (image, error) {
	switch {
	case s != nil && s.Type == "base64" && s.Data != "":
		return image{mediaType: s.MediaType, data: s.Data}, nil
	case s != nil && s.Type == "url" && s.URL != "":
		return image{url: s.URL}, nil
	}
	return image{}, unsupported(field, "The source of the image at %s is neither base64 nor a url.", field)
}

// seal marks a signature with who made it, for a caller's API that has one place for all of them. Anthropic's own stay as
// they are: such a thought may come back to Anthropic without Corral translating it.
func seal(p *part) string {
	if p.signature == "" || p.signer == Anthropic {
		return p.signature
	}
	return strings.ToLower(p.signer.String()) + ":" + p.signature
}

func unseal(s string) (string, API) {
	if rest, ok := strings.CutPrefix(s, "gemini:"); ok {
		return rest, Gemini
	}
	return s, Anthropic
}

// defaultMaxTokens is what every model of Anthropic's since 2024 may answer with.
const defaultMaxTokens = 8192

func encodeAnthropic(c *chat, to Target) ([]byte, error) {
	r := anthropicRequest{Model: c.model, MaxTokens: c.maxTokens, Stream: c.stream, StopSequences: c.stop}
	if r.MaxTokens == "" {
		r.MaxTokens = json.Number(strconv.FormatInt(firstPositive(to.MaxTokens, defaultMaxTokens), 10))
	}
	c.toAnthropicThinking(&r, to)
	c.toAnthropicSampling(&r, to)
	if u := c.take("user"); u != nil {
		r.Metadata = &anthropicMetadata{u}
	}
	if c.logprobs {
		return nil, cannot("logprobs")
	}
	switch c.format.kind {
	case formatJSON:
		return nil, unsupported(c.format.field, "Anthropic promises JSON only for a schema. Give one in %s, or ask a target that can.", c.format.field)
	case formatSchema:
		if r.OutputConfig == nil {
			r.OutputConfig = &anthropicOutput{}
		}
		r.OutputConfig.Format = &anthropicFormat{"json_schema", c.format.schema}
	}
	for _, t := range c.tools {
		if !given(t.schema) {
			t.schema = json.RawMessage(`{"type":"object","properties":{}}`)
		}
		a := anthropicTool{Name: t.name, Description: t.description, InputSchema: t.schema}
		if t.strict != nil && *t.strict {
			a.Strict = t.strict
		}
		r.Tools = append(r.Tools, a)
	}
	if len(r.Tools) > 0 {
		r.ToolChoice = c.anthropicChoice()
	} else {
		c.take("parallel_tool_calls") // says nothing where there is no tool
	}
	for i := range c.messages {
		if err := c.toAnthropic(&c.messages[i], &r); err != nil {
			return nil, err
		}
	}
	return marshal(r), nil
}

func firstPositive(a, b int64) int64 {
	if a > 0 {
		return a
	}
	return b
}

// toAnthropicSampling sets how tokens are chosen. Others' temperatures go to 2, Anthropic's to 1, and from Claude 4.1 on it refuses a
// temperature and a top_p in one call (https://platform.claude.com/docs/en/api/messages/create says to alter one of them; the words of the
// refusal: https://github.com/Vali-98/ChatterUI/issues/564). While it thinks it refuses a temperature, top_k, and a top_p below 0.95
// (https://platform.claude.com/docs/en/build-with-claude/extended-thinking). What is not taken stays among the options that are named
// as left behind.
func (c *chat) toAnthropicSampling(r *anthropicRequest, to Target) {
	if to.NoSampling {
		return
	}
	if r.Thinking != nil && r.Thinking.Type != "disabled" {
		if p, ok := c.numberOf("top_p"); ok && p >= 0.95 {
			r.TopP = c.takeNumber("top_p")
		}
		return
	}
	r.TopK = c.takeNumber("top_k")
	t, ok := c.numberOf("temperature")
	if !ok {
		r.TopP = c.takeNumber("top_p")
		return
	}
	if t > 1 {
		c.warn(c.fieldOf("temperature"))
	}
	if r.Temperature = c.takeNumber("temperature"); t > 1 {
		r.Temperature = "1"
	}
}

func (c *chat) anthropicChoice() *anthropicChoice {
	ch := &anthropicChoice{}
	switch c.choice.mode {
	case chooseAuto:
		ch.Type = "auto"
	case chooseNone:
		return &anthropicChoice{Type: "none"}
	case chooseAny:
		ch.Type = "any"
	case chooseNamed:
		ch.Type, ch.Name = "tool", c.choice.name
	}
	if c.take("parallel_tool_calls") != nil { // it is kept only when false
		ch.Type, ch.DisableParallelToolUse = cmp.Or(ch.Type, "auto"), true
	}
	if ch.Type == "" {
		return nil
	}
	return ch
}

func (c *chat) toAnthropicThinking(r *anthropicRequest, to Target) {
	effort := c.think.effort
	switch effort {
	case "minimal":
		c.warn(c.think.field)
		effort = "low"
	case "low", "medium", "high", "xhigh", "max", "":
	default:
		c.warn(c.think.field)
		effort = ""
	}
	switch c.think.mode {
	case thinkOff:
		if effort != "" { // it cannot be told not to think
			r.OutputConfig = &anthropicOutput{Effort: effort}
			return
		}
		r.Thinking = &anthropicThinking{Type: "disabled"}
	case thinkOn:
		if to.BudgetThinking || c.think.budget != "" {
			if c.unthoughtCall() {
				c.warn(c.think.field)
				return
			}
			budget := c.think.budget
			if budget == "" {
				budget = map[string]json.Number{"low": "2048", "medium": "8192"}[effort]
				if budget == "" {
					budget = "16384"
				}
			}
			// The budget is part of max_tokens, and must be smaller.
			max, _ := r.MaxTokens.Int64()
			if n, err := budget.Int64(); err == nil && n >= max {
				r.MaxTokens = json.Number(strconv.FormatInt(n+max, 10))
			}
			r.Thinking = &anthropicThinking{Type: "enabled", BudgetTokens: budget}
			return
		}
		r.Thinking = &anthropicThinking{Type: "adaptive"}
		// These keep what they think to themselves unless they are asked for it
		// (https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-7#thinking-content-omitted-by-default).
		if to.NoBudgets {
			r.Thinking.Display = "summarized"
		}
		if effort != "" {
			if r.OutputConfig == nil {
				r.OutputConfig = &anthropicOutput{}
			}
			r.OutputConfig.Effort = effort
		}
	}
}

// unthoughtCall reports whether the last answer called a tool without a thought of Anthropic's own before it: another model
// made it, or the caller's API could not keep the thought. With a budget of thinking Anthropic refuses such a chat.
func (c *chat) unthoughtCall() bool {
	for i := len(c.messages) - 1; i >= 0; i-- {
		if m := &c.messages[i]; m.role == assistant {
			if !has(m.parts, aCall) {
				return false
			}
			first := &m.parts[0]
			return first.kind != aThought || first.signer != Anthropic || first.signature == ""
		}
	}
	return false
}

// toAnthropic appends m. What a system message says moves to the front, where Anthropic has it; the results of tools
// stand first in the turn that follows their calls.
func (c *chat) toAnthropic(m *message, r *anthropicRequest) error {
	if m.role == system {
		if len(r.Messages) > 0 {
			c.warn("messages.role") // it was said later in the chat
		}
		if r.System == nil {
			r.System = &textOr[anthropicBlock]{}
		}
		for _, p := range m.parts {
			if p.kind == anImage {
				return unsupported(p.field, "Anthropic takes no image (%s) in a system message. Send it in a message of the user.", p.field)
			}
			if p.text != "" {
				r.System.list = append(r.System.list, anthropicBlock{Type: "text", Text: &p.text})
			}
		}
		if len(r.System.list) == 0 {
			r.System = nil
		}
		return nil
	}
	var results, rest []anthropicBlock
	for i := range m.parts {
		b, ok, err := c.toAnthropicBlock(&m.parts[i])
		switch {
		case err != nil:
			return err
		case !ok:
		case b.Type == "tool_result":
			results = append(results, b)
		default:
			rest = append(rest, b)
		}
	}
	blocks := append(results, rest...)
	if len(blocks) == 0 {
		return nil // Anthropic refuses a turn without content
	}
	role := "user"
	if m.role == assistant {
		role = "assistant"
	}
	if n := len(r.Messages); n > 0 && r.Messages[n-1].Role == role {
		r.Messages[n-1].Content.list = append(r.Messages[n-1].Content.list, blocks...)
		return nil
	}
	r.Messages = append(r.Messages, anthropicMessage{role, listOf(blocks)})
	return nil
}

// toAnthropicBlock is p as a block, and false where it stays behind.
func (c *chat) toAnthropicBlock(p *part) (anthropicBlock, bool, error) {
	switch p.kind {
	case anImage:
		s := &anthropicSource{Type: "base64", MediaType: p.image.mediaType, Data: p.image.data}
		if p.image.url != "" {
			s = &anthropicSource{Type: "url", URL: p.image.url}
		}
		return anthropicBlock{Type: "image", Source: s}, true, nil
	case aThought:
		switch {
		case p.signature == "" || p.signer != Anthropic:
			c.warn(p.field) // Anthropic refuses thoughts that are not its own
			return anthropicBlock{}, false, nil
		case p.hidden:
			return anthropicBlock{Type: "redacted_thinking", Data: p.signature}, true, nil
		}
		return anthropicBlock{Type: "thinking", Thinking: &p.text, Signature: &p.signature}, true, nil
	case aCall:
		args, ok := p.arguments()
		if !ok {
			return anthropicBlock{}, false, invalid(p.field, "The arguments of the call at %s are no JSON object.", p.field)
		}
		return anthropicBlock{Type: "tool_use", ID: anthropicID(p.id), Name: p.name, Input: args}, true, nil
	case aResult:
		b := anthropicBlock{Type: "tool_result", ToolUseID: anthropicID(p.id), IsError: p.failed}
		if len(p.parts) == 1 && p.parts[0].kind == aText {
			b.Content = textOf[anthropicBlock](p.parts[0].text)
		} else if len(p.parts) > 0 {
			b.Content = &textOr[anthropicBlock]{}
			for i := range p.parts {
				inner, _, err := c.toAnthropicBlock(&p.parts[i])
				if err != nil {
					return b, false, err
				}
				b.Content.list = append(b.Content.list, inner)
			}
		}
		return b, true, nil
	}
	return anthropicBlock{Type: "text", Text: &p.text}, p.text != "", nil // Anthropic refuses empty texts
}

// anthropicID is id in the letters that Anthropic allows.
func anthropicID(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' {
			return r
		}
		return '_'
	}, id)
}
