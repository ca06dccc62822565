package translate

import (
	"cmp"
	"encoding/json"
)

// anthropicAnswer is a message (https://docs.anthropic.com/en/api/messages).
type anthropicAnswer struct {
	ID           string           `json:"id"`
	Type         string           `json:"type"`
	Role         string           `json:"role"`
	Model        string           `json:"model"`
	Content      []anthropicBlock `json:"content"`
	StopReason   *string          `json:"stop_reason"`
	StopSequence *string          `json:"stop_sequence"`
	Usage        anthropicUsage   `json:"usage"`
}

// anthropicUsage counts what is read from a cache and what is written to one beside the input, not within it.
type anthropicUsage struct {
	Input   *int64 `json:"input_tokens,omitempty"`
	Written *int64 `json:"cache_creation_input_tokens,omitempty"`
	Cached  *int64 `json:"cache_read_input_tokens,omitempty"`
	Output  *int64 `json:"output_tokens,omitempty"`
	Details *struct {
		Thinking *int64 `json:"thinking_tokens,omitempty"`
	} `json:"output_tokens_details,omitempty"`
}

// hear adds what was told to u: a stream tells some of it at its start and more at its end.
func (n anthropicUsage) hear(u *usage, plain *int64) {
	set := func(to *int64, from *int64) {
		if v := told(from); v >= 0 {
			*to = v
		}
	}
	set(plain, n.Input)
	set(&u.cached, n.Cached)
	set(&u.written, n.Written)
	set(&u.output, n.Output)
	if n.Details != nil {
		set(&u.reasoning, n.Details.Thinking)
	}
	if *plain >= 0 {
		u.input = *plain + count(u.cached) + count(u.written)
	}
}

func toAnthropicUsage(u usage) anthropicUsage {
	in, out := max(count(u.input)-count(u.cached)-count(u.written), 0), count(u.output)
	n := anthropicUsage{Input: &in, Output: &out}
	if u.cached >= 0 {
		n.Cached = &u.cached
	}
	if u.written >= 0 {
		n.Written = &u.written
	}
	if u.reasoning >= 0 {
		n.Details = &struct {
			Thinking *int64 `json:"thinking_tokens,omitempty"`
		}{&u.reasoning}
	}
	return n
}

func heardStopReason(reason string) stop {
	switch reason {
	case "max_tokens", "model_context_window_exceeded":
		return stopLength
	case "stop_sequence":
		return stopSequence
	case "tool_use":
		return stopCall
	case "refusal":
		return stopFilter
	}
	return stopEnd
}

func anthropicStop(a *answer) (reason string, sequence *string) {
	switch a.stop {
	case stopLength:
		return "max_tokens", nil
	case stopSequence:
		return "stop_sequence", &a.sequence
	case stopCall:
		return "tool_use", nil
	case stopFilter:
		return "refusal", nil
	}
	return "end_turn", nil
}

func heardAnthropic(body []byte, a *answer) error {
	var o anthropicAnswer
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	if o.Type != "message" || o.StopReason == nil {
		return badAnswer(nil, "it is no finished message")
	}
	a.id, a.model, a.stop, a.sequence = o.ID, o.Model, heardStopReason(*o.StopReason), value(o.StopSequence)
	plain := int64(-1)
	o.Usage.hear(&a.usage, &plain)
	for i := range o.Content {
		p, err := o.Content[i].heard()
		if err != nil {
			return err
		}
		a.parts = append(a.parts, p)
	}
	return nil
}

// heard is a block of an answer, or the start of one.
func (b *anthropicBlock) heard() (part, error) {
	switch b.Type {
	case "text":
		return part{kind: aText, text: value(b.Text)}, nil
	case "thinking":
		return part{kind: aThought, text: value(b.Thinking), signature: value(b.Signature), signer: Anthropic}, nil
	case "redacted_thinking":
		return part{kind: aThought, hidden: true, signature: b.Data, signer: Anthropic}, nil
	case "tool_use":
		if b.Name == "" {
			return part{}, badAnswer(nil, "it calls a tool without a name")
		}
		return part{kind: aCall, id: b.ID, name: b.Name, text: compact(b.Input)}, nil
	}
	return part{}, badAnswer(nil, "it holds a block of type %q, which cannot be carried over", clip(b.Type, 64))
}

// spoken is a part as a block of an answer.
func (p *part) spoken() (anthropicBlock, error) {
	switch {
	case p.hidden && p.signer == Anthropic:
		return anthropicBlock{Type: "redacted_thinking", Data: p.signature}, nil
	case p.kind == aThought:
		sig := seal(p)
		return anthropicBlock{Type: "thinking", Thinking: &p.text, Signature: &sig}, nil
	case p.kind == aCall:
		args, ok := p.arguments()
		if !ok {
			return anthropicBlock{}, badAnswer(nil, "the arguments with which it calls %q are no JSON object", clip(p.name, 64))
		}
		return anthropicBlock{Type: "tool_use", ID: p.id, Name: p.name, Input: args}, nil
	}
	return anthropicBlock{Type: "text", Text: &p.text}, nil
}

func wholeAnthropic(_ *Call, a *answer) ([]byte, error) {
	o := anthropicHead(a)
	for i := range a.parts {
		b, err := a.parts[i].spoken()
		if err != nil {
			return nil, err
		}
		o.Content = append(o.Content, b)
	}
	reason, sequence := anthropicStop(a)
	o.StopReason, o.StopSequence, o.Usage = &reason, sequence, toAnthropicUsage(a.usage)
	return marshal(o), nil
}

func anthropicHead(a *answer) anthropicAnswer {
	return anthropicAnswer{ID: "msg_" + bare(a.id), Type: "message", Role: "assistant", Model: a.model, Content: []anthropicBlock{}}
}

// anthropicEvent is an event of a stream (https://docs.anthropic.com/en/docs/build-with-claude/streaming).
type anthropicEvent struct {
	Type         string           `json:"type"`
	Message      *anthropicAnswer `json:"message,omitempty"`
	Index        *int             `json:"index,omitempty"`
	ContentBlock *anthropicBlock  `json:"content_block,omitempty"`
	Delta        *anthropicDelta  `json:"delta,omitempty"`
	Usage        *anthropicUsage  `json:"usage,omitempty"`
}

type anthropicDelta struct {
	Type         string          `json:"type,omitempty"`
	Text         *string         `json:"text,omitempty"`
	Thinking     *string         `json:"thinking,omitempty"`
	Signature    *string         `json:"signature,omitempty"`
	PartialJSON  *string         `json:"partial_json,omitempty"`
	StopReason   *string         `json:"stop_reason,omitempty"`
	StopSequence json.RawMessage `json:"stop_sequence,omitempty"` // null where none
}

// anthropicHearing understands the events of a message.
type anthropicHearing struct {
	plain int64           // input that no cache was asked for
	input json.RawMessage // of a call, where its start has it whole
}

func hearAnthropic() decoder { return &anthropicHearing{plain: -1} }

func (h *anthropicHearing) event(data []byte, f *flow) (bool, error) {
	var e anthropicEvent
	if err := decodeAnswer(data, &e); err != nil {
		return false, err
	}
	a := &f.answer
	switch e.Type {
	case "error":
		fail, _ := failureInside(data)
		return false, failure{message: cmp.Or(fail.message, "it did not say why."), kind: fail.kind}.err()
	case "message_start":
		if e.Message == nil {
			return false, badAnswer(nil, "its message_start holds no message")
		}
		a.id, a.model = e.Message.ID, e.Message.Model
		e.Message.Usage.hear(&a.usage, &h.plain)
		f.start()
	case "content_block_start":
		return false, h.begin(e.ContentBlock, f, e.Index)
	case "content_block_delta":
		return false, h.delta(e.Delta, f)
	case "content_block_stop":
		if f.open != none && f.answer.parts[f.open].kind == aCall && f.text.Len() == 0 && given(h.input) {
			if err := f.piece(compact(h.input), nil); err != nil {
				return false, err
			}
		}
		h.input = nil
		return false, f.end()
	case "message_delta":
		if e.Delta != nil && e.Delta.StopReason != nil {
			a.stop = heardStopReason(*e.Delta.StopReason)
			if s := e.Delta.StopSequence; given(s) {
				_ = json.Unmarshal(s, &a.sequence) // a sequence that is no text is none
			}
		}
		if e.Usage != nil {
			e.Usage.hear(&a.usage, &h.plain)
		}
	case "message_stop":
		return true, nil
	}
	return false, nil // ping, and what a newer API may add
}

func (h *anthropicHearing) begin(b *anthropicBlock, f *flow, index *int) error {
	if b == nil || index == nil {
		return badAnswer(nil, "its content_block_start holds no block")
	}
	p, err := b.heard()
	if err != nil {
		return err
	}
	if p.kind == aCall {
		h.input = b.Input
		return f.begun(*index, p.id, p.name)
	}
	text := p.text
	p.text = ""
	if err := f.begin(p); err != nil {
		return err
	}
	return f.piece(text, nil)
}

func (h *anthropicHearing) delta(d *anthropicDelta, f *flow) error {
	if d == nil || f.open == none {
		return badAnswer(nil, "a piece of it belongs to no block")
	}
	k, hidden := f.answer.parts[f.open].kind, f.answer.parts[f.open].hidden
	switch {
	case d.Type == "text_delta" && k == aText:
		return f.piece(value(d.Text), nil)
	case d.Type == "thinking_delta" && k == aThought && !hidden:
		return f.piece(value(d.Thinking), nil)
	case d.Type == "input_json_delta" && k == aCall:
		return f.piece(value(d.PartialJSON), nil)
	case d.Type == "signature_delta" && k == aThought:
		return f.sign(Anthropic, value(d.Signature))
	case d.Type == "citations_delta":
		return nil // of documents, which no translated call holds
	}
	return badAnswer(nil, "a piece of type %q does not fit its block", clip(d.Type, 64))
}

// anthropicSpeech writes the events of a message.
type anthropicSpeech struct{ o *out }

func streamAnthropic(_ *Call, o *out) encoder { return &anthropicSpeech{o} }

func (s *anthropicSpeech) event(e anthropicEvent) { s.o.sse(e.Type, e) }

func (s *anthropicSpeech) start(a *answer) {
	m := anthropicHead(a)
	m.Usage = toAnthropicUsage(a.usage) // most targets count at the end: message_delta corrects what is 0 here
	s.event(anthropicEvent{Type: "message_start", Message: &m})
}

func (s *anthropicSpeech) open(a *answer, i int) {
	p, empty := &a.parts[i], ""
	var b anthropicBlock
	switch {
	case p.hidden:
		b = anthropicBlock{Type: "redacted_thinking", Data: p.signature}
	case p.kind == aThought:
		b = anthropicBlock{Type: "thinking", Thinking: &empty, Signature: &empty}
	case p.kind == aCall:
		b = anthropicBlock{Type: "tool_use", ID: p.id, Name: p.name, Input: json.RawMessage("{}")}
	default:
		b = anthropicBlock{Type: "text", Text: &empty}
	}
	s.event(anthropicEvent{Type: "content_block_start", Index: &i, ContentBlock: &b})
}

func (s *anthropicSpeech) piece(a *answer, i int, text string, _ []logprob) {
	if text == "" {
		return
	}
	var d anthropicDelta
	switch a.parts[i].kind {
	case aThought:
		d = anthropicDelta{Type: "thinking_delta", Thinking: &text}
	case aCall:
		d = anthropicDelta{Type: "input_json_delta", PartialJSON: &text}
	default:
		d = anthropicDelta{Type: "text_delta", Text: &text}
	}
	s.event(anthropicEvent{Type: "content_block_delta", Index: &i, Delta: &d})
}

func (s *anthropicSpeech) close(a *answer, i int) error {
	p := &a.parts[i]
	if p.kind == aCall {
		if _, ok := p.arguments(); !ok {
			return badAnswer(nil, "the arguments with which it calls %q are no JSON object", clip(p.name, 64))
		}
	}
	if sig := seal(p); p.kind == aThought && !p.hidden && sig != "" {
		s.event(anthropicEvent{Type: "content_block_delta", Index: &i, Delta: &anthropicDelta{Type: "signature_delta", Signature: &sig}})
	}
	s.event(anthropicEvent{Type: "content_block_stop", Index: &i})
	return nil
}

func (s *anthropicSpeech) finish(a *answer) {
	reason, sequence := anthropicStop(a)
	d := &anthropicDelta{StopReason: &reason, StopSequence: json.RawMessage("null")}
	if sequence != nil {
		d.StopSequence = quoted(*sequence)
	}
	u := toAnthropicUsage(a.usage)
	s.event(anthropicEvent{Type: "message_delta", Delta: d, Usage: &u})
	s.event(anthropicEvent{Type: "message_stop"})
}
