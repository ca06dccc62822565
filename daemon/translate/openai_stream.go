package translate

import (
	"bytes"
	"cmp"
	"time"
)

// openaiHearing understands the chunks of a chat completion.
type openaiHearing struct {
	calls int         // calls begun, for servers that leave their index out
	moved map[int]int // keys of calls whose index had been given to another one, by that index
}

func hearOpenAI() decoder { return &openaiHearing{} }

func (h *openaiHearing) event(data []byte, f *flow) (bool, error) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		return true, nil
	}
	if e, ok := failureInside(data); ok {
		return false, e.err()
	}
	var o openaiAnswer
	if err := decodeAnswer(data, &o); err != nil {
		return false, err
	}
	a := &f.answer
	a.id, a.model = cmp.Or(a.id, o.ID), cmp.Or(a.model, o.Model)
	if a.created.IsZero() && o.Created > 0 {
		a.created = time.Unix(o.Created, 0).UTC()
	}
	if o.Usage.told != nil {
		a.usage = o.Usage.told.heard()
	}
	for i := range o.Choices {
		if o.Choices[i].Index != 0 {
			return false, badAnswer(nil, "it holds a second choice, which nobody asked for")
		}
		if err := h.choice(&o.Choices[i], f); err != nil {
			return false, err
		}
	}
	return false, nil
}

func (h *openaiHearing) choice(ch *openaiAnChoice, f *flow) error {
	if ch.FinishReason != nil && *ch.FinishReason != "" {
		s, err := heardStop(*ch.FinishReason)
		if err != nil {
			return err
		}
		f.answer.stop = s
	}
	d := ch.Delta
	if d == nil {
		return nil
	}
	f.start()
	if err := f.say(aThought, cmp.Or(d.Reasoning, d.ReasoningContent), nil); err != nil {
		return err
	}
	if err := f.say(aText, d.text(), ch.Logprobs.heard()); err != nil {
		return err
	}
	if err := f.say(aRefusal, d.Refusal.text, nil); err != nil {
		return err
	}
	for i := range d.ToolCalls {
		if err := h.call(&d.ToolCalls[i], f); err != nil {
			return err
		}
	}
	return nil
}

// call takes a piece of a call. Its first piece has the name, and usually the id. Gemini's server in OpenAI's words gives all calls of
// an answer the index 0, and only the id tells them apart (https://github.com/NousResearch/hermes-agent/issues/62940).
func (h *openaiHearing) call(t *openaiCall, f *flow) error {
	key := h.calls - 1
	if t.Index != nil {
		key = *t.Index
	} else if t.Function.Name != "" {
		key = h.calls
	}
	if t.Index != nil {
		if at, ok := h.moved[*t.Index]; ok {
			key = at
		}
		if t.Function.Name != "" && t.ID != "" && f.isAnother(key, t.ID) {
			if h.moved == nil {
				h.moved = map[int]int{}
			}
			key = -2 - h.calls // which no index is
			h.moved[*t.Index] = key
		}
	}
	if !f.inCall(key) {
		h.calls++
		if err := f.begun(key, t.ID, t.Function.Name); err != nil {
			return err
		}
	}
	return f.piece(t.Function.Arguments, nil)
}

// openaiSpeech writes the chunks of a chat completion.
type openaiSpeech struct {
	call  *Call
	o     *out
	head  openaiAnswer
	calls int // begun so far
}

func streamOpenAI(c *Call, o *out) encoder { return &openaiSpeech{call: c, o: o} }

func (s *openaiSpeech) start(a *answer) {
	s.head = openaiAnswer{ID: "chatcmpl-" + bare(a.id), Object: "chat.completion.chunk", Created: a.created.Unix(), Model: a.model}
	s.head.Usage.null = s.call.asked.includeUsage
	s.delta(&openaiSaid{Role: "assistant", Content: textOf[openaiPart]("")}, nil, nil)
}

func (s *openaiSpeech) delta(d *openaiSaid, probs []logprob, reason *string) {
	ch := openaiAnChoice{Delta: d, FinishReason: reason}
	if s.call.asked.logprobs && len(probs) > 0 {
		ch.Logprobs = &openaiLogprobs{toOpenAILogprobs(probs)}
	}
	s.head.Choices = []openaiAnChoice{ch}
	s.o.sse("", &s.head)
}

func (s *openaiSpeech) open(a *answer, i int) {
	if p := &a.parts[i]; p.kind == aCall {
		s.calls++
		n := s.calls - 1
		s.delta(&openaiSaid{ToolCalls: []openaiCall{{Index: &n, ID: p.id, Type: "function", Function: openaiFunction{Name: p.name}}}}, nil, nil)
	}
}

func (s *openaiSpeech) piece(a *answer, i int, text string, probs []logprob) {
	switch a.parts[i].kind {
	case aText:
		s.delta(&openaiSaid{Content: textOf[openaiPart](text)}, probs, nil)
	case aThought:
		d := &openaiSaid{Reasoning: text}
		if a.thoughtIn == "reasoning_content" {
			d = &openaiSaid{ReasoningContent: text}
		}
		s.delta(d, probs, nil)
	case aRefusal:
		s.delta(&openaiSaid{Refusal: openaiRefusal{text: text}}, nil, nil)
	case aCall:
		n := s.calls - 1
		s.delta(&openaiSaid{ToolCalls: []openaiCall{{Index: &n, Function: openaiFunction{Arguments: text}}}}, nil, nil)
	}
}

func (s *openaiSpeech) close(*answer, int) error { return nil }

func (s *openaiSpeech) finish(a *answer) {
	reason := openaiStop(a.stop)
	s.delta(&openaiSaid{}, nil, &reason)
	if s.call.asked.includeUsage {
		s.head.Choices, s.head.Usage = []openaiAnChoice{}, openaiUsageOr{told: toOpenAIUsage(a.usage)}
		s.o.sse("", &s.head)
	}
	s.o.WriteString("data: [DONE]\n\n")
}
