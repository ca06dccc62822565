package translate

import (
	"cmp"
	"encoding/json"
	"mime"
	"path"
	"slices"
	"strconv"
	"strings"
)

// geminiRequest is a body of generateContent (https://ai.google.dev/api/generate-content). The model stands in the path.
type geminiRequest struct {
	Contents          []geminiContent   `json:"contents"`
	SystemInstruction *geminiContent    `json:"systemInstruction,omitempty"`
	Tools             []geminiTools     `json:"tools,omitempty"`
	ToolConfig        *geminiToolConfig `json:"toolConfig,omitempty"`
	GenerationConfig  geminiConfig      `json:"generationConfig,omitzero"`
}

type geminiContent struct {
	Role  string       `json:"role,omitempty"` // user or model
	Parts []geminiPart `json:"parts"`
}

type geminiPart struct {
	Text             *string         `json:"text,omitempty"`
	Thought          bool            `json:"thought,omitempty"`
	ThoughtSignature string          `json:"thoughtSignature,omitempty"`
	InlineData       *geminiBlob     `json:"inlineData,omitempty"`
	FileData         *geminiFile     `json:"fileData,omitempty"`
	FunctionCall     *geminiCall     `json:"functionCall,omitempty"`
	FunctionResponse *geminiResponse `json:"functionResponse,omitempty"`

	// What only answers hold, and only of tools that no translated call offers.
	ExecutableCode      json.RawMessage `json:"executableCode,omitempty"`
	CodeExecutionResult json.RawMessage `json:"codeExecutionResult,omitempty"`
}

type geminiBlob struct {
	MimeType string `json:"mimeType"`
	Data     string `json:"data"`
}

type geminiFile struct {
	MimeType string `json:"mimeType,omitempty"`
	FileURI  string `json:"fileUri"`
}

type geminiCall struct {
	ID   string          `json:"id,omitempty"`
	Name string          `json:"name"`
	Args json.RawMessage `json:"args,omitempty"`
}

type geminiResponse struct {
	ID       string          `json:"id,omitempty"`
	Name     string          `json:"name"`
	Response json.RawMessage `json:"response"`
}

type geminiTools struct {
	FunctionDeclarations []geminiFunction `json:"functionDeclarations"`
}

type geminiFunction struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parametersJsonSchema,omitempty"`
}

type geminiToolConfig struct {
	FunctionCallingConfig geminiCalling `json:"functionCallingConfig"`
}

type geminiCalling struct {
	Mode    string   `json:"mode"`
	Allowed []string `json:"allowedFunctionNames,omitempty"`
}

type geminiConfig struct {
	Temperature      json.Number     `json:"temperature,omitempty"`
	TopP             json.Number     `json:"topP,omitempty"`
	TopK             json.Number     `json:"topK,omitempty"`
	Seed             json.Number     `json:"seed,omitempty"`
	PresencePenalty  json.Number     `json:"presencePenalty,omitempty"`
	FrequencyPenalty json.Number     `json:"frequencyPenalty,omitempty"`
	MaxOutputTokens  json.Number     `json:"maxOutputTokens,omitempty"`
	StopSequences    []string        `json:"stopSequences,omitempty"`
	ResponseMimeType string          `json:"responseMimeType,omitempty"`
	ResponseSchema   json.RawMessage `json:"responseJsonSchema,omitempty"`
	ResponseLogprobs bool            `json:"responseLogprobs,omitempty"`
	Logprobs         json.Number     `json:"logprobs,omitempty"`
	ThinkingConfig   *geminiThinking `json:"thinkingConfig,omitempty"`
}

type geminiThinking struct {
	IncludeThoughts bool        `json:"includeThoughts,omitempty"`
	ThinkingBudget  json.Number `json:"thinkingBudget,omitempty"`
	ThinkingLevel   string      `json:"thinkingLevel,omitempty"`
}

// unsigned stands for the signature of a call that Gemini did not make itself, or whose signature the caller's API could
// not keep. Gemini 3 refuses calls without one (https://ai.google.dev/gemini-api/docs/thought-signatures).
const unsigned = "skip_thought_signature_validator"

func encodeGemini(c *chat, to Target) ([]byte, error) {
	var r geminiRequest
	g := &r.GenerationConfig
	g.Temperature, g.TopP, g.TopK, g.Seed = c.takeNumber("temperature"), c.takeNumber("top_p"), c.takeNumber("top_k"), c.takeNumber("seed")
	g.PresencePenalty, g.FrequencyPenalty = c.takeNumber("presence_penalty"), c.takeNumber("frequency_penalty")
	g.MaxOutputTokens, g.StopSequences = c.maxTokens, c.stop
	if c.logprobs {
		g.ResponseLogprobs, g.Logprobs = true, c.topLogprobs
		if g.Logprobs == "0" {
			g.Logprobs = ""
		}
	}
	switch c.format.kind {
	case formatSchema:
		g.ResponseMimeType, g.ResponseSchema = "application/json", c.format.schema
	case formatJSON:
		g.ResponseMimeType = "application/json"
	}
	g.ThinkingConfig = c.geminiThinking(to)
	c.geminiTools(&r)
	for i := range c.messages {
		if err := c.toGemini(&c.messages[i], &r); err != nil {
			return nil, err
		}
	}
	return marshal(r), nil
}

func (c *chat) geminiThinking(to Target) *geminiThinking {
	if c.think.mode == thinkUnsaid {
		return nil
	}
	t := &geminiThinking{IncludeThoughts: c.think.mode == thinkOn}
	switch {
	case c.think.mode == thinkOff && c.think.effort == "":
		t.ThinkingBudget = "0"
	case c.think.budget != "":
		t.ThinkingBudget = c.think.budget
		if n, err := c.think.budget.Int64(); err == nil && to.MaxBudget > 0 && n != min(max(n, to.MinBudget), to.MaxBudget) {
			c.warn(c.think.field)
			t.ThinkingBudget = integer(min(max(n, to.MinBudget), to.MaxBudget))
		}
	case to.BudgetThinking:
		// Google's own for these words (https://ai.google.dev/gemini-api/docs/openai#thinking), but for the least.
		switch c.think.effort {
		case "minimal":
			t.ThinkingBudget = integer(max(to.MinBudget, 128))
		case "low":
			t.ThinkingBudget = "1024"
		case "medium":
			t.ThinkingBudget = "8192"
		case "high":
			t.ThinkingBudget = "24576"
		}
	default:
		switch c.think.effort {
		case "":
		case "minimal", "low", "medium", "high":
			t.ThinkingLevel = strings.ToUpper(c.think.effort)
		default:
			c.warn(c.think.field)
			t.ThinkingLevel = "HIGH"
		}
	}
	return t
}

func integer(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

func (c *chat) geminiTools(r *geminiRequest) {
	var list []geminiFunction
	for _, t := range c.tools {
		if t.strict != nil && *t.strict {
			c.warn("tools.strict")
		}
		list = append(list, geminiFunction{t.name, t.description, t.schema})
	}
	if len(list) == 0 {
		return
	}
	r.Tools = []geminiTools{{list}}
	switch c.choice.mode {
	case chooseNone:
		r.ToolConfig = &geminiToolConfig{geminiCalling{Mode: "NONE"}}
	case chooseAny:
		r.ToolConfig = &geminiToolConfig{geminiCalling{Mode: "ANY"}}
	case chooseNamed:
		r.ToolConfig = &geminiToolConfig{geminiCalling{"ANY", []string{c.choice.name}}}
	}
}

// toGemini appends m. What a system message says moves to the front, where Gemini has it.
func (c *chat) toGemini(m *message, r *geminiRequest) error {
	var parts []geminiPart
	signature := "" // of the thought before; Gemini has it at the call, or else the text, that came of the thought
	signed := false
	for i := range m.parts {
		p := &m.parts[i]
		switch p.kind {
		case anImage:
			parts = append(parts, p.toGeminiImage())
		case aThought:
			if p.signer != Gemini || p.signature == "" {
				c.warn(p.field) // what others thought is not for Gemini's own place for it
				continue
			}
			signature = p.signature // the thought itself need not be sent
		case aCall:
			args, ok := p.arguments()
			if !ok {
				return invalid(p.field, "The arguments of the call at %s are no JSON object.", p.field)
			}
			g := geminiPart{FunctionCall: &geminiCall{Name: p.name, Args: args}}
			if !signed { // of calls at the same time only the first one is signed
				g.ThoughtSignature, signed, signature = cmp.Or(signature, unsigned), true, ""
			}
			parts = append(parts, g)
		case aResult:
			if p.name == "" {
				return invalid(p.field, "The result of a tool at %s answers no call of the messages before it.", p.field)
			}
			parts = append(parts, geminiPart{FunctionResponse: &geminiResponse{Name: p.name, Response: p.toGeminiResponse()}})
		default:
			if p.text != "" {
				g := geminiPart{Text: &p.text}
				if !has(m.parts, aCall) {
					g.ThoughtSignature, signature = signature, ""
				}
				parts = append(parts, g)
			}
		}
	}
	if len(parts) == 0 {
		return nil
	}
	if m.role == system {
		if len(r.Contents) > 0 {
			c.warn("messages.role") // it was said later in the chat
		}
		if r.SystemInstruction == nil {
			r.SystemInstruction = &geminiContent{}
		}
		r.SystemInstruction.Parts = append(r.SystemInstruction.Parts, parts...)
		return nil
	}
	role := "user"
	if m.role == assistant {
		role = "model"
	}
	if n := len(r.Contents); n > 0 && r.Contents[n-1].Role == role {
		r.Contents[n-1].Parts = append(r.Contents[n-1].Parts, parts...)
		return nil
	}
	r.Contents = append(r.Contents, geminiContent{role, parts})
	return nil
}

func (p *part) toGeminiImage() geminiPart {
	if p.image.url == "" {
		return geminiPart{InlineData: &geminiBlob{p.image.mediaType, p.image.data}}
	}
	name, _, _ := strings.Cut(p.image.url, "?")
	return geminiPart{FileData: &geminiFile{MimeType: mime.TypeByExtension(path.Ext(name)), FileURI: p.image.url}}
}

// toGeminiResponse is the result of a tool as the object that Gemini wants: as it is where it is one, else wrapped under
// the key that the reference names for it.
func (p *part) toGeminiResponse() json.RawMessage {
	text := joined(p.parts, aText, "\n")
	if p.failed {
		return marshal(map[string]string{"error": text})
	}
	if raw := json.RawMessage(strings.TrimSpace(text)); len(raw) > 0 && raw[0] == '{' && json.Valid(raw) {
		return raw
	}
	return marshal(map[string]string{"output": text})
}

// geminiBlocked are the finish reasons for what a filter held back.
func geminiBlocked(reason string) bool {
	return slices.Contains([]string{"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY", "LANGUAGE",
		"IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR", "JAILBREAK"}, reason)
}
