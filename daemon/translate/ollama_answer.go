package translate

import (
	"cmp"
	"encoding/json"
	"time"
)

// ollamaAnswer is an answer of /api/chat and a line of its stream.
type ollamaAnswer struct {
	Model      string        `json:"model"`
	CreatedAt  time.Time     `json:"created_at"`
	Message    ollamaMessage `json:"message"`
	Done       bool          `json:"done"`
	DoneReason string        `json:"done_reason,omitempty"`
	Logprobs   []logprob     `json:"logprobs,omitempty"`
	ollamaCounts
}

// ollamaGenerated is an answer of /api/generate and a line of its stream.
type ollamaGenerated struct {
	Model      string    `json:"model"`
	CreatedAt  time.Time `json:"created_at"`
	Response   string    `json:"response"`
	Thinking   string    `json:"thinking,omitempty"`
	Done       bool      `json:"done"`
	DoneReason string    `json:"done_reason,omitempty"`
	Logprobs   []logprob `json:"logprobs,omitempty"`
	ollamaCounts
	Context json.RawMessage `json:"context,omitempty"` // of the last line
}

// ollamaCounts are the figures of the last line; durations are in ns.
type ollamaCounts struct {
	TotalDuration      int64  `json:"total_duration,omitempty"`
	LoadDuration       int64  `json:"load_duration,omitempty"`
	PromptEvalCount    *int64 `json:"prompt_eval_count,omitempty"`
	PromptEvalDuration int64  `json:"prompt_eval_duration,omitempty"`
	EvalCount          *int64 `json:"eval_count,omitempty"`
	EvalDuration       int64  `json:"eval_duration,omitempty"`
}

func (n ollamaCounts) heard() usage {
	u := noUsage
	u.input, u.output = told(n.PromptEvalCount), told(n.EvalCount)
	u.load, u.promptEval, u.eval = time.Duration(n.LoadDuration), time.Duration(n.PromptEvalDuration), time.Duration(n.EvalDuration)
	return u
}

// toOllamaCounts are the figures of u. A target that is no Ollama tells no durations; the whole is what Corral measured.
func toOllamaCounts(u usage, total time.Duration) ollamaCounts {
	n := ollamaCounts{TotalDuration: int64(total), LoadDuration: int64(u.load), PromptEvalDuration: int64(u.promptEval), EvalDuration: int64(u.eval)}
	if u.input >= 0 {
		n.PromptEvalCount = &u.input
	}
	if u.output >= 0 {
		n.EvalCount = &u.output
	}
	return n
}

func heardDone(reason string) stop {
	switch reason {
	case "length":
		return stopLength
	case "content_filter":
		return stopFilter
	}
	return stopEnd
}

func ollamaDone(s stop) string {
	switch s {
	case stopLength:
		return "length"
	case stopFilter:
		return "content_filter" // Ollama has no word for it; clients show the text as it is
	}
	return "stop"
}

func heardOllama(body []byte, a *answer) error {
	var o ollamaAnswer
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	if !o.Done {
		return badAnswer(nil, "it is not done")
	}
	a.model, a.created, a.usage, a.stop = o.Model, o.CreatedAt, o.heard(), heardDone(o.DoneReason)
	m := &o.Message
	if m.Thinking != "" {
		a.parts = append(a.parts, part{kind: aThought, text: m.Thinking})
	}
	if m.Content != "" {
		a.parts = append(a.parts, part{kind: aText, text: m.Content})
	}
	for _, t := range m.ToolCalls {
		p, err := t.heard()
		if err != nil {
			return err
		}
		a.parts = append(a.parts, p)
	}
	a.give(o.Logprobs)
	return nil
}

func (t *ollamaCall) heard() (part, error) {
	p := part{kind: aCall, id: t.ID, name: t.Function.Name, text: compact(t.Function.Arguments)}
	if _, ok := p.arguments(); !ok || p.name == "" {
		return p, badAnswer(nil, "its call of a tool has no name, or arguments that are no object")
	}
	return p, nil
}

// toOllamaCall is a call with its arguments as the object that Ollama's clients expect.
func (p *part) toOllamaCall(index int) (ollamaCall, error) {
	args, ok := p.arguments()
	if !ok {
		return ollamaCall{}, badAnswer(nil, "the arguments with which it calls %q are no JSON object", clip(p.name, 64))
	}
	return ollamaCall{ID: p.id, Function: ollamaFunction{Index: index, Name: p.name, Arguments: args}}, nil
}

func wholeOllamaChat(c *Call, a *answer) ([]byte, error) {
	o := ollamaAnswer{Model: a.model, CreatedAt: a.created, Done: true, DoneReason: ollamaDone(a.stop), ollamaCounts: toOllamaCounts(a.usage, c.total)}
	o.Message = ollamaMessage{Role: "assistant", Content: joined(a.parts, aText, "") + joined(a.parts, aRefusal, ""), Thinking: joined(a.parts, aThought, "\n")}
	for i := range a.parts {
		if p := &a.parts[i]; p.kind == aCall {
			t, err := p.toOllamaCall(len(o.Message.ToolCalls))
			if err != nil {
				return nil, err
			}
			o.Message.ToolCalls = append(o.Message.ToolCalls, t)
		}
	}
	if c.asked.logprobs {
		o.Logprobs = toOllamaLogprobs(a.probs())
	}
	return marshal(o), nil
}

func wholeOllamaGenerate(c *Call, a *answer) ([]byte, error) {
	if has(a.parts, aCall) {
		return nil, badAnswer(nil, "it calls a tool, and none was offered")
	}
	o := ollamaGenerated{Model: a.model, CreatedAt: a.created, Done: true, DoneReason: ollamaDone(a.stop), ollamaCounts: toOllamaCounts(a.usage, c.total), Context: a.context}
	o.Response, o.Thinking = joined(a.parts, aText, "")+joined(a.parts, aRefusal, ""), joined(a.parts, aThought, "\n")
	if c.asked.logprobs {
		o.Logprobs = toOllamaLogprobs(a.probs())
	}
	return marshal(o), nil
}

func toOllamaLogprobs(probs []logprob) []logprob {
	for i := range probs {
		probs[i].Logprob = zeroNumber(probs[i].Logprob)
		toOllamaLogprobs(probs[i].Top)
	}
	return probs
}

// ollamaHearing understands the lines of /api/chat.
type ollamaHearing struct{ calls int }

func hearOllama() decoder { return &ollamaHearing{} }

func (h *ollamaHearing) event(data []byte, f *flow) (bool, error) {
	if e, ok := failureInside(data); ok {
		return false, e.err()
	}
	var o ollamaAnswer
	if err := json.Unmarshal(data, &o); err != nil {
		return false, badAnswer(err, "a line of it is not the JSON that its API promises")
	}
	a := &f.answer
	a.model = cmp.Or(a.model, o.Model)
	if a.created.IsZero() {
		a.created = o.CreatedAt
	}
	probs := o.Logprobs
	if o.Message.Thinking != "" && o.Message.Content == "" {
		probs = nil // they are the thought's
	}
	if err := f.say(aThought, o.Message.Thinking, o.Logprobs[:len(o.Logprobs)-len(probs)]); err != nil {
		return false, err
	}
	if err := f.say(aText, o.Message.Content, probs); err != nil {
		return false, err
	}
	for i := range o.Message.ToolCalls {
		p, err := o.Message.ToolCalls[i].heard()
		if err != nil {
			return false, err
		}
		h.calls++
		if err := f.begun(h.calls, p.id, p.name); err != nil {
			return false, err
		}
		if err := f.piece(p.text, nil); err != nil {
			return false, err
		}
	}
	if o.Done {
		a.usage, a.stop = o.heard(), heardDone(o.DoneReason)
	}
	return o.Done, nil
}

// ollamaSpeech writes the lines of /api/chat, or with generate those of /api/generate.
type ollamaSpeech struct {
	call     *Call
	o        *out
	generate bool
	began    time.Time
	calls    int
}

func streamOllamaChat(c *Call, o *out) encoder { return &ollamaSpeech{call: c, o: o, began: c.now()} }

func streamOllamaGenerate(c *Call, o *out) encoder {
	return &ollamaSpeech{call: c, o: o, began: c.now(), generate: true}
}

func (s *ollamaSpeech) start(*answer) {}

func (s *ollamaSpeech) open(*answer, int) {}

// piece writes a line for a piece. Those of a call are kept until it is whole: Ollama's clients get it in one.
func (s *ollamaSpeech) piece(a *answer, i int, text string, probs []logprob) {
	k := a.parts[i].kind
	if k == aCall {
		return
	}
	said, thought := text, ""
	if k == aThought {
		said, thought = "", text
	}
	if !s.call.asked.logprobs {
		probs = nil
	}
	if s.generate {
		s.o.line(ollamaGenerated{Model: a.model, CreatedAt: s.call.now().UTC(), Response: said, Thinking: thought, Logprobs: toOllamaLogprobs(probs)})
		return
	}
	s.line(a, ollamaMessage{Role: "assistant", Content: said, Thinking: thought}, probs)
}

func (s *ollamaSpeech) line(a *answer, m ollamaMessage, probs []logprob) {
	s.o.line(ollamaAnswer{Model: a.model, CreatedAt: s.call.now().UTC(), Message: m, Logprobs: toOllamaLogprobs(probs)})
}

func (s *ollamaSpeech) close(a *answer, i int) error {
	p := &a.parts[i]
	if p.kind != aCall {
		return nil
	}
	if s.generate {
		return badAnswer(nil, "it calls a tool, and none was offered")
	}
	t, err := p.toOllamaCall(s.calls)
	if err != nil {
		return err
	}
	s.calls++
	s.line(a, ollamaMessage{Role: "assistant", ToolCalls: []ollamaCall{t}}, nil)
	return nil
}

func (s *ollamaSpeech) finish(a *answer) {
	now := s.call.now().UTC()
	n := toOllamaCounts(a.usage, max(s.call.total, now.Sub(s.began)))
	if s.generate {
		s.o.line(ollamaGenerated{Model: a.model, CreatedAt: now, Done: true, DoneReason: ollamaDone(a.stop), ollamaCounts: n, Context: a.context})
		return
	}
	s.o.line(ollamaAnswer{Model: a.model, CreatedAt: now, Message: ollamaMessage{Role: "assistant"}, Done: true, DoneReason: ollamaDone(a.stop), ollamaCounts: n})
}
