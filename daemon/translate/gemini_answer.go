package translate

import (
	"cmp"
	"encoding/json"
	"errors"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// geminiAnswer is an answer of generateContent, and an event of streamGenerateContent: each is a piece of the same shape.
type geminiAnswer struct {
	Candidates     []geminiCandidate `json:"candidates"`
	PromptFeedback *struct {
		BlockReason string `json:"blockReason"`
	} `json:"promptFeedback"`
	UsageMetadata *geminiUsage `json:"usageMetadata"`
	ModelVersion  string       `json:"modelVersion"`
	ResponseID    string       `json:"responseId"`
}

type geminiCandidate struct {
	Content       geminiContent `json:"content"`
	FinishReason  string        `json:"finishReason"`
	FinishMessage string        `json:"finishMessage"`
	Index         int           `json:"index"`
	Logprobs      *struct {
		Chosen []geminiLogprob `json:"chosenCandidates"`
		Top    []struct {
			Candidates []geminiLogprob `json:"candidates"`
		} `json:"topCandidates"`
	} `json:"logprobsResult"`
}

type geminiLogprob struct {
	Token string      `json:"token"`
	Log   json.Number `json:"logProbability"`
}

// geminiUsage counts thoughts beside the answer, not within it.
type geminiUsage struct {
	Prompt     *int64 `json:"promptTokenCount"`
	ToolPrompt *int64 `json:"toolUsePromptTokenCount"`
	Cached     *int64 `json:"cachedContentTokenCount"`
	Candidates *int64 `json:"candidatesTokenCount"`
	Thoughts   *int64 `json:"thoughtsTokenCount"`
}

func (n *geminiUsage) hear(u *usage) {
	if n == nil {
		return
	}
	u.cached, u.reasoning = told(n.Cached), told(n.Thoughts)
	if in := told(n.Prompt); in >= 0 {
		u.input = in + count(told(n.ToolPrompt))
	}
	if out := told(n.Candidates); out >= 0 || u.reasoning >= 0 {
		u.output = count(out) + count(u.reasoning)
	}
}

// geminiStop is why a candidate ended. A call that Gemini itself could not form is a failure, not an end.
func geminiStop(c *geminiCandidate) (stop, error) {
	switch r := c.FinishReason; {
	case r == "STOP":
		return stopEnd, nil
	case r == "MAX_TOKENS":
		return stopLength, nil
	case geminiBlocked(r):
		return stopFilter, nil
	case r == "MALFORMED_FUNCTION_CALL" || r == "UNEXPECTED_TOOL_CALL" || r == "TOO_MANY_TOOL_CALLS":
		return stopUnsaid, llm.Errorf(llm.BadAnswer, "translate answer", errors.New(r), "The model failed to call a tool (%s). %s", r, clip(c.FinishMessage, maxMessage))
	}
	return stopEnd, nil
}

// heardGemini takes a whole answer as a stream of one event.
func heardGemini(body []byte, a *answer) error {
	f := &flow{enc: silent{}, open: none, limit: maxAnswer, answer: *a, started: true}
	h := &geminiHearing{}
	if f.answer.id = gjson.GetBytes(body, "responseId").Str; f.answer.id == "" {
		f.answer.id = randomID()
	}
	if err := h.piece(body, f); err != nil {
		return err
	}
	if !h.over {
		return badAnswer(nil, "it holds no finished candidate")
	}
	if err := f.end(); err != nil {
		return err
	}
	*a = f.answer
	return nil
}

// geminiHearing understands the events of streamGenerateContent. There is no event that only ends: the one that names a
// finish reason is the last, and nothing but the counts comes after it.
type geminiHearing struct {
	calls int
	over  bool
}

func hearGemini() decoder { return &geminiHearing{} }

func (h *geminiHearing) event(data []byte, f *flow) (bool, error) {
	err := h.piece(data, f)
	return h.over && err == nil, err
}

func (h *geminiHearing) piece(data []byte, f *flow) error {
	if e, ok := failureInside(data); ok {
		return e.err()
	}
	var o geminiAnswer
	if err := decodeAnswer(data, &o); err != nil {
		return err
	}
	a := &f.answer
	a.id, a.model = cmp.Or(a.id, o.ResponseID), cmp.Or(a.model, o.ModelVersion)
	o.UsageMetadata.hear(&a.usage)
	if len(o.Candidates) == 0 {
		if o.PromptFeedback != nil && o.PromptFeedback.BlockReason != "" {
			a.stop, h.over = stopFilter, true
		}
		return nil
	}
	c := &o.Candidates[0]
	if c.Index != 0 || len(o.Candidates) > 1 {
		return badAnswer(nil, "it holds a second candidate, which nobody asked for")
	}
	probs := c.probs()
	for i := range c.Content.Parts {
		if err := h.part(&c.Content.Parts[i], f, &probs); err != nil {
			return err
		}
	}
	if c.FinishReason == "" || c.FinishReason == "FINISH_REASON_UNSPECIFIED" {
		return nil
	}
	var err error
	a.stop, err = geminiStop(c)
	h.over = true
	return err
}

func (h *geminiHearing) part(p *geminiPart, f *flow, probs *[]logprob) error {
	switch {
	case p.FunctionCall != nil:
		h.calls++
		args := p.FunctionCall.Args
		if !given(args) {
			args = json.RawMessage("{}")
		}
		if err := h.sign(p.ThoughtSignature, f); err != nil {
			return err
		}
		if err := f.begun(h.calls, p.FunctionCall.ID, p.FunctionCall.Name); err != nil {
			return err
		}
		return f.piece(compact(args), nil)
	case given(p.ExecutableCode) || given(p.CodeExecutionResult) || p.InlineData != nil:
		return badAnswer(nil, "it holds a part that cannot be carried over")
	case p.Thought:
		if err := f.say(aThought, value(p.Text), nil); err != nil {
			return err
		}
		return h.sign(p.ThoughtSignature, f)
	}
	all := *probs
	*probs = nil // of all text of the event; they go with its first piece
	return f.say(aText, value(p.Text), all)
}

// sign keeps a signature with the thought before it, or with an empty one: the APIs of callers that have a place for
// signatures have it there. toGemini puts it back to the call.
func (h *geminiHearing) sign(s string, f *flow) error {
	if s == "" {
		return nil
	}
	if f.open == none || f.answer.parts[f.open].kind != aThought {
		if err := f.begin(part{kind: aThought}); err != nil {
			return err
		}
	}
	return f.sign(Gemini, s)
}

func (c *geminiCandidate) probs() []logprob {
	if c.Logprobs == nil {
		return nil
	}
	var all []logprob
	for i, l := range c.Logprobs.Chosen {
		p := logprob{Token: l.Token, Logprob: zeroNumber(l.Log)}
		if i < len(c.Logprobs.Top) {
			for _, t := range c.Logprobs.Top[i].Candidates {
				p.Top = append(p.Top, logprob{Token: t.Token, Logprob: zeroNumber(t.Log)})
			}
		}
		all = append(all, p)
	}
	return all
}

// silent is an encoder for nobody.
type silent struct{}

func (silent) start(*answer)                         {}
func (silent) open(*answer, int)                     {}
func (silent) piece(*answer, int, string, []logprob) {}
func (silent) close(*answer, int) error              { return nil }
func (silent) finish(*answer)                        {}
