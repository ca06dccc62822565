package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"
)

// openaiAnswer is a chat completion or a chunk of one (https://platform.openai.com/docs/api-reference/chat/object and
// .../chat/streaming).
type openaiAnswer struct {
	ID      string           `json:"id"`
	Object  string           `json:"object"`
	Created int64            `json:"created"`
	Model   string           `json:"model"`
	Choices []openaiAnChoice `json:"choices"`
	Usage   openaiUsageOr    `json:"usage,omitzero"`
}

// openaiUsageOr is a usage that is left out, null, or there: the chunks of a stream that ends with one have it as null.
type openaiUsageOr struct {
	told *openaiUsage
	null bool
}

func (u openaiUsageOr) IsZero() bool { return u.told == nil && !u.null }

func (u openaiUsageOr) MarshalJSON() ([]byte, error) { return marshal(u.told), nil }

func (u *openaiUsageOr) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &u.told) }

type openaiAnChoice struct {
	Index        int             `json:"index"`
	Message      *openaiSaid     `json:"message,omitempty"`
	Delta        *openaiSaid     `json:"delta,omitempty"`
	Logprobs     *openaiLogprobs `json:"logprobs"`
	FinishReason *string         `json:"finish_reason"`
}

type openaiSaid struct {
	Role             string              `json:"role,omitempty"`
	Content          *textOr[openaiPart] `json:"content,omitempty"` // a list at some servers that think
	Refusal          openaiRefusal       `json:"refusal,omitzero"`
	Reasoning        string              `json:"reasoning,omitempty"`
	ReasoningContent string              `json:"reasoning_content,omitempty"`
	ToolCalls        []openaiCall        `json:"tool_calls,omitempty"`
}

// openaiRefusal is there, as null or a text, in whole messages, and left out of deltas that have none.
type openaiRefusal struct {
	text string
	show bool
}

func (r openaiRefusal) IsZero() bool { return !r.show && r.text == "" }

func (r openaiRefusal) MarshalJSON() ([]byte, error) {
	if r.text == "" {
		return []byte("null"), nil
	}
	return quoted(r.text), nil
}

func (r *openaiRefusal) UnmarshalJSON(b []byte) error { return json.Unmarshal(b, &r.text) }

type openaiLogprobs struct {
	Content []openaiLogprob `json:"content"`
}

type openaiLogprob struct {
	Token   string          `json:"token"`
	Logprob json.Number     `json:"logprob"`
	Bytes   []int           `json:"bytes"`
	Top     []openaiTopProb `json:"top_logprobs"`
}

type openaiTopProb struct {
	Token   string      `json:"token"`
	Logprob json.Number `json:"logprob"`
	Bytes   []int       `json:"bytes"`
}

type openaiUsage struct {
	PromptTokens     *int64 `json:"prompt_tokens"`
	CompletionTokens *int64 `json:"completion_tokens"`
	TotalTokens      int64  `json:"total_tokens"`
	PromptDetails    *struct {
		Cached *int64 `json:"cached_tokens"`
	} `json:"prompt_tokens_details,omitempty"`
	CompletionDetails *struct {
		Reasoning *int64 `json:"reasoning_tokens"`
	} `json:"completion_tokens_details,omitempty"`
}

func (u *openaiUsage) heard() usage {
	h := noUsage
	h.input, h.output = told(u.PromptTokens), told(u.CompletionTokens)
	if u.PromptDetails != nil {
		h.cached = told(u.PromptDetails.Cached)
	}
	if u.CompletionDetails != nil {
		h.reasoning = told(u.CompletionDetails.Reasoning)
	}
	return h
}

func toOpenAIUsage(u usage) *openaiUsage {
	in, out := count(u.input), count(u.output)
	o := &openaiUsage{PromptTokens: &in, CompletionTokens: &out, TotalTokens: in + out}
	if u.cached >= 0 {
		o.PromptDetails = &struct {
			Cached *int64 `json:"cached_tokens"`
		}{&u.cached}
	}
	if u.reasoning >= 0 {
		o.CompletionDetails = &struct {
			Reasoning *int64 `json:"reasoning_tokens"`
		}{&u.reasoning}
	}
	return o
}

func heardStop(reason string) (stop, error) {
	switch reason {
	case "stop":
		return stopEnd, nil
	case "length":
		return stopLength, nil
	case "tool_calls", "function_call":
		return stopCall, nil
	case "content_filter":
		return stopFilter, nil
	case "error":
		return stopUnsaid, badAnswer(nil, "it ended with the finish_reason error")
	}
	return stopEnd, nil // a word of a newer API: that it ended is what counts
}

func openaiStop(s stop) string {
	switch s {
	case stopLength:
		return "length"
	case stopCall:
		return "tool_calls"
	case stopFilter:
		return "content_filter"
	}
	return "stop"
}

func (p *openaiLogprobs) heard() []logprob {
	if p == nil {
		return nil
	}
	all := make([]logprob, 0, len(p.Content))
	for _, l := range p.Content {
		h := logprob{Token: l.Token, Logprob: l.Logprob, Bytes: l.Bytes}
		for _, t := range l.Top {
			h.Top = append(h.Top, logprob{Token: t.Token, Logprob: t.Logprob, Bytes: t.Bytes})
		}
		all = append(all, h)
	}
	return all
}

func toOpenAILogprobs(probs []logprob) []openaiLogprob {
	all := make([]openaiLogprob, 0, len(probs))
	for _, l := range probs {
		o := openaiLogprob{l.Token, zeroNumber(l.Logprob), l.Bytes, []openaiTopProb{}}
		for _, t := range l.Top {
			o.Top = append(o.Top, openaiTopProb{t.Token, zeroNumber(t.Logprob), t.Bytes})
		}
		all = append(all, o)
	}
	return all
}

// zeroNumber is n, and 0 for a number that was left out for being 0.
func zeroNumber(n json.Number) json.Number {
	if n == "" {
		return "0"
	}
	return n
}

// text is what a message says, whether as a text or as a list of parts.
func (s *openaiSaid) text() string {
	if s.Content == nil {
		return ""
	}
	if s.Content.isText {
		return s.Content.text
	}
	var b bytes.Buffer
	for _, p := range s.Content.list {
		if p.Type == "text" {
			b.WriteString(p.Text)
		}
	}
	return b.String()
}

func heardOpenAI(body []byte, a *answer) error {
	var o openaiAnswer
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	if len(o.Choices) == 0 || o.Choices[0].Message == nil {
		return badAnswer(nil, "it holds no choice")
	}
	a.id, a.model = o.ID, o.Model
	if o.Created > 0 {
		a.created = time.Unix(o.Created, 0).UTC()
	}
	ch, m := o.Choices[0], o.Choices[0].Message
	if t := cmp.Or(m.Reasoning, m.ReasoningContent); t != "" {
		a.parts = append(a.parts, part{kind: aThought, text: t})
	}
	if t := m.text(); t != "" {
		a.parts = append(a.parts, part{kind: aText, text: t})
	}
	if m.Refusal.text != "" {
		a.parts = append(a.parts, part{kind: aRefusal, text: m.Refusal.text})
	}
	for _, t := range m.ToolCalls {
		if t.Function.Name == "" {
			return badAnswer(nil, "it calls a tool without a name")
		}
		a.parts = append(a.parts, part{kind: aCall, id: t.ID, name: t.Function.Name, text: t.Function.Arguments})
	}
	a.give(ch.Logprobs.heard())
	if o.Usage.told != nil {
		a.usage = o.Usage.told.heard()
	}
	var err error
	if ch.FinishReason != nil {
		a.stop, err = heardStop(*ch.FinishReason)
	}
	return err
}

func wholeOpenAI(c *Call, a *answer) ([]byte, error) {
	reason := openaiStop(a.stop)
	m := &openaiSaid{Role: "assistant", Refusal: openaiRefusal{joined(a.parts, aRefusal, ""), true}, Reasoning: joined(a.parts, aThought, "\n")}
	if a.thoughtIn == "reasoning_content" {
		m.Reasoning, m.ReasoningContent = "", m.Reasoning
	}
	if has(a.parts, aText) || !has(a.parts, aCall) && m.Refusal.text == "" {
		m.Content = textOf[openaiPart](joined(a.parts, aText, ""))
	} else {
		m.Content = &textOr[openaiPart]{} // null
	}
	for _, p := range a.parts {
		if p.kind == aCall {
			m.ToolCalls = append(m.ToolCalls, openaiCall{ID: p.id, Type: "function", Function: openaiFunction{p.name, p.text}})
		}
	}
	ch := openaiAnChoice{Message: m, FinishReason: &reason}
	if c.asked.logprobs {
		ch.Logprobs = &openaiLogprobs{toOpenAILogprobs(a.probs())}
	}
	return marshal(openaiAnswer{ID: "chatcmpl-" + bare(a.id), Object: "chat.completion", Created: a.created.Unix(), Model: a.model,
		Choices: []openaiAnChoice{ch}, Usage: openaiUsageOr{told: toOpenAIUsage(a.usage)}}), nil
}
