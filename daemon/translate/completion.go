package translate

import (
	"encoding/json"
	"unicode/utf8"
)

// completionRequest is a body of OpenAI's legacy completions (https://platform.openai.com/docs/api-reference/completions).
// The targets here only chat: the prompt becomes the one message of the user, and that this is not the same is said in
// the warnings. What a chat cannot do at all, such as filling in before a suffix, is refused.
type completionRequest struct {
	Model            string               `json:"model"`
	Prompt           *textOr[string]      `json:"prompt"`
	Stream           bool                 `json:"stream"`
	StreamOptions    *openaiStreamOptions `json:"stream_options"`
	MaxTokens        json.Number          `json:"max_tokens"`
	Temperature      json.Number          `json:"temperature"`
	TopP             json.Number          `json:"top_p"`
	FrequencyPenalty json.Number          `json:"frequency_penalty"`
	PresencePenalty  json.Number          `json:"presence_penalty"`
	Seed             json.Number          `json:"seed"`
	Stop             *textOr[string]      `json:"stop"`
	User             json.RawMessage      `json:"user"`
	Echo             bool                 `json:"echo"`
	Logprobs         json.Number          `json:"logprobs"`
	N                json.Number          `json:"n"`
	BestOf           json.Number          `json:"best_of"`

	Suffix    json.RawMessage `json:"suffix"`
	LogitBias json.RawMessage `json:"logit_bias"`
}

func decodeCompletion(body []byte) (*chat, error) {
	var r completionRequest
	c := &chat{}
	if err := decodeRequest(body, &r, c); err != nil {
		return nil, err
	}
	switch {
	case r.N != "" && r.N != "1":
		return nil, cannot("n")
	case r.BestOf != "" && r.BestOf != "1":
		return nil, cannot("best_of")
	case given(r.Suffix):
		return nil, cannot("suffix")
	case given(r.LogitBias):
		return nil, cannot("logit_bias")
	case r.Echo && r.Logprobs != "":
		return nil, cannot("echo")
	}
	if r.Prompt == nil || !r.Prompt.isText && len(r.Prompt.list) != 1 {
		return nil, unsupported("prompt", "prompt must be one text: several, or tokens, cannot be carried over to this target.")
	}
	prompt := r.Prompt.text
	if !r.Prompt.isText {
		prompt = r.Prompt.list[0]
	}
	c.warn("prompt")
	c.model, c.stream, c.maxTokens = r.Model, r.Stream, r.MaxTokens
	c.includeUsage = r.StreamOptions != nil && r.StreamOptions.IncludeUsage
	c.number("temperature", "temperature", r.Temperature)
	c.number("top_p", "top_p", r.TopP)
	c.number("frequency_penalty", "frequency_penalty", r.FrequencyPenalty)
	c.number("presence_penalty", "presence_penalty", r.PresencePenalty)
	c.number("seed", "seed", r.Seed)
	c.option("user", "user", r.User)
	c.stops("stop", r.Stop)
	if r.Logprobs != "" {
		c.logprobs, c.topLogprobs = true, r.Logprobs
	}
	if r.Echo {
		c.echo = prompt
	}
	c.messages = []message{{user, []part{{kind: aText, text: prompt}}}}
	return c, nil
}

// completion is a completion or a chunk of one.
type completion struct {
	ID      string             `json:"id"`
	Object  string             `json:"object"`
	Created int64              `json:"created"`
	Model   string             `json:"model"`
	Choices []completionChoice `json:"choices"`
	Usage   openaiUsageOr      `json:"usage,omitzero"`
}

type completionChoice struct {
	Text         string              `json:"text"`
	Index        int                 `json:"index"`
	Logprobs     *completionLogprobs `json:"logprobs"`
	FinishReason *string             `json:"finish_reason"`
}

// completionLogprobs tells of tokens in columns; offsets count characters.
type completionLogprobs struct {
	Tokens  []string                 `json:"tokens"`
	Probs   []json.Number            `json:"token_logprobs"`
	Top     []map[string]json.Number `json:"top_logprobs"`
	Offsets []int                    `json:"text_offset"`
}

func toCompletionLogprobs(probs []logprob, at int) *completionLogprobs {
	l := &completionLogprobs{[]string{}, []json.Number{}, []map[string]json.Number{}, []int{}}
	for _, p := range probs {
		top := map[string]json.Number{}
		for _, t := range p.Top {
			top[t.Token] = zeroNumber(t.Logprob)
		}
		l.Tokens, l.Probs = append(l.Tokens, p.Token), append(l.Probs, zeroNumber(p.Logprob))
		l.Top, l.Offsets = append(l.Top, top), append(l.Offsets, at)
		at += utf8.RuneCountInString(p.Token)
	}
	return l
}

// completionStop is why a completion ended; it has no word for calls.
func completionStop(a *answer) string {
	if a.stop == stopCall {
		return "stop"
	}
	return openaiStop(a.stop)
}

func completionHead(a *answer) completion {
	return completion{ID: "cmpl-" + bare(a.id), Object: "text_completion", Created: a.created.Unix(), Model: a.model}
}

// wholeCompletion is a's text. The API has no place for thoughts, so they are not in it, as at Ollama and llama.cpp.
func wholeCompletion(c *Call, a *answer) ([]byte, error) {
	if has(a.parts, aCall) {
		return nil, badAnswer(nil, "it calls a tool, and none was offered")
	}
	o, reason := completionHead(a), completionStop(a)
	ch := completionChoice{Text: c.asked.echo + joined(a.parts, aText, "") + joined(a.parts, aRefusal, ""), FinishReason: &reason}
	if c.asked.logprobs {
		ch.Logprobs = toCompletionLogprobs(a.probs(), 0)
	}
	o.Choices, o.Usage.told = []completionChoice{ch}, toOpenAIUsage(a.usage)
	return marshal(o), nil
}

// completionSpeech writes the chunks of a completion.
type completionSpeech struct {
	call   *Call
	o      *out
	head   completion
	offset int
}

func streamCompletion(c *Call, o *out) encoder { return &completionSpeech{call: c, o: o} }

func (s *completionSpeech) chunk(text string, probs []logprob, reason *string) {
	ch := completionChoice{Text: text, FinishReason: reason}
	if s.call.asked.logprobs && len(probs) > 0 {
		ch.Logprobs = toCompletionLogprobs(probs, s.offset)
	}
	s.offset += utf8.RuneCountInString(text)
	s.head.Choices = []completionChoice{ch}
	s.o.sse("", &s.head)
}

func (s *completionSpeech) start(a *answer) {
	s.head = completionHead(a)
	s.head.Usage.null = s.call.asked.includeUsage
	if s.call.asked.echo != "" {
		s.chunk(s.call.asked.echo, nil, nil)
	}
}

func (s *completionSpeech) open(*answer, int) {}

func (s *completionSpeech) piece(a *answer, i int, text string, probs []logprob) {
	if k := a.parts[i].kind; k == aText || k == aRefusal {
		s.chunk(text, probs, nil)
	}
}

func (s *completionSpeech) close(a *answer, i int) error {
	if a.parts[i].kind == aCall {
		return badAnswer(nil, "it calls a tool, and none was offered")
	}
	return nil
}

func (s *completionSpeech) finish(a *answer) {
	reason := completionStop(a)
	s.chunk("", nil, &reason)
	if s.call.asked.includeUsage {
		s.head.Choices, s.head.Usage = []completionChoice{}, openaiUsageOr{told: toOpenAIUsage(a.usage)}
		s.o.sse("", &s.head)
	}
	s.o.WriteString("data: [DONE]\n\n")
}
