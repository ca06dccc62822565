package translate

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tidwall/gjson"

	"corral/daemon/llm"
)

// Kept is an answer as it was given to some call.
type Kept struct {
	Endpoint *llm.Endpoint
	Stream   bool
	Body     []byte // to its honest end
}

// errLost is why an answer cannot be told in another form: some of it would be lost.
var errLost = errors.New("cannot be told in another form")

func lost(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errLost, fmt.Sprintf(format, args...))
}

// Replay gives k as the answer to a call of ep with the given body, of one family (see Canonical), streamed or not. A
// stream is all of its events, to the last. The name of the model stays as it is kept.
//
// Any error means that k cannot be told in this form without losing something, or is no whole answer: ask a target. What
// is lost without an error is only the envelope: it is listed in shape.go. Where endpoint and form are those of k, and for
// a stream IncludeUsage too, k.Body is the answer, and nobody has to call this.
func Replay(k Kept, ep *llm.Endpoint, body []byte, stream bool) (answered []byte, used llm.Usage, err error) {
	from, to := speakers[k.Endpoint.Name], speakers[ep.Name]
	if from == nil || to == nil || from.embed != nil || family(k.Endpoint.Name) != family(ep.Name) {
		return nil, llm.NoUsage, lost("%s to %s", k.Endpoint.Name, ep.Name)
	}
	same := k.Endpoint.Name == ep.Name
	if same && ep.Name == "responses" {
		return replayResponse(k, stream)
	}
	c := &Call{from: to, now: time.Now, newID: randomID}
	if c.asked, err = askedFor(ep, body, same); err != nil {
		return nil, llm.NoUsage, err
	}
	a, err := hear(k, c)
	if err != nil {
		return nil, llm.NoUsage, err
	}
	if same && ep.Name == "chat_completions" {
		if a.thoughtIn, err = thoughtIn(k.Body); err != nil {
			return nil, llm.NoUsage, err
		}
	}
	if !a.created.IsZero() {
		c.now = func() time.Time { return a.created } // it takes no time to tell
	}
	if err := c.fits(a, k.Endpoint.Name, ep.Name, stream); err != nil {
		return nil, llm.NoUsage, err
	}
	if err := c.settle(a); err != nil {
		return nil, llm.NoUsage, err
	}
	used = a.told()
	if !stream {
		answered, err = to.whole(c, a)
		return answered, used, err
	}
	answered, err = c.streamed(a)
	return answered, used, err
}

// askedFor is what of a body decides how its answer is told.
func askedFor(ep *llm.Endpoint, body []byte, same bool) (*chat, error) {
	if ep.Name == "responses" {
		return decodeResponses(body)
	}
	v := gjson.ParseBytes(body)
	c := &chat{model: v.Get("model").Str, includeUsage: v.Get("stream_options.include_usage").Bool(), logprobs: v.Get("logprobs").Bool()}
	if !same {
		for _, path := range []string{"max_tokens", "options.num_predict"} {
			c.maxTokens = json.Number(cmp.Or(string(c.maxTokens), v.Get(path).Raw))
		}
	}
	return c, nil
}

// hear reads a kept answer.
func hear(k Kept, c *Call) (*answer, error) {
	e := hearings[k.Endpoint.Name]
	if !k.Stream {
		if !gjson.ValidBytes(k.Body) {
			return nil, lost("it is no JSON")
		}
		a := &answer{usage: noUsage}
		if _, inside := failureInside(k.Body); inside {
			return nil, lost("it is a failure")
		}
		v := gjson.ParseBytes(k.Body)
		if name := e.whole.lost(v); name != "" {
			return nil, lost("%s", name)
		}
		if v.Get("choices.1").Exists() {
			return nil, lost("several choices")
		}
		if err := e.hear(k.Body, a); err != nil {
			return nil, err
		}
		e.total(k.Body, c)
		return a, nil
	}
	split := newSplitter(bytes.NewReader(k.Body), k.Endpoint.Form)
	f := flow{call: c, enc: mute{}, open: none, limit: maxAnswer, answer: answer{usage: noUsage}}
	d := e.listen()
	for {
		data, err := split.next(true)
		if err == io.EOF {
			return nil, lost("its stream has no end")
		}
		if err != nil {
			return nil, err
		}
		if e.event != nil && string(bytes.TrimSpace(data)) != "[DONE]" {
			if name := e.event.lost(gjson.ParseBytes(data)); name != "" {
				return nil, lost("%s", name)
			}
		}
		last, err := d.event(data, &f)
		if err != nil {
			return nil, err
		}
		if last {
			if err := f.finish(); err != nil {
				return nil, err
			}
			if len(f.held) > 0 {
				return nil, lost("logprobs without a text")
			}
			e.total(data, c)
			return &f.answer, nil
		}
	}
}

// thoughtIn is the member in which llama.cpp and others tell thoughts, where Ollama and this package have reasoning. One
// that has both in an answer is taken at neither, since they may differ.
func thoughtIn(body []byte) (string, error) {
	switch in, other := bytes.Contains(body, []byte(`"reasoning_content"`)), bytes.Contains(body, []byte(`"reasoning"`)); {
	case in && other:
		return "", lost("thoughts in two places")
	case in:
		return "reasoning_content", nil
	}
	return "", nil
}

// total takes over how long the answer took, which only Ollama tells.
func (e *hearing) total(last []byte, c *Call) {
	if e.ollama {
		c.total = time.Duration(gjson.GetBytes(last, "total_duration").Int())
	}
}

// fits reports, as an error, what of an answer the form does not have.
func (c *Call) fits(a *answer, from, to string, stream bool) error {
	flat := to == "chat" || to == "generate" || to == "chat_completions" || to == "completions"
	cross := from != to
	last := -1
	for i := range a.parts {
		p := &a.parts[i]
		// Those that have no blocks tell one thought, then one text, then the calls.
		rank := map[partKind]int{aThought: 0, aText: 1, aRefusal: 1, aCall: 2}[p.kind]
		if flat && (rank < last || rank == last && p.kind != aCall) {
			return lost("its parts are more, or in another order, than %s has", to)
		}
		last = rank
		if (p.signature != "" || p.hidden) && to != "messages" {
			return lost("the signature of a thought")
		}
		if p.kind == aRefusal && cross {
			return lost("a refusal")
		}
		if p.kind == aThought && to == "completions" {
			return lost("a thought")
		}
		if len(p.probs) > 0 && (cross || len(a.parts) > 1 || from == "completions") {
			return lost("logprobs")
		}
	}
	if c.asked.logprobs && len(a.probs()) == 0 && len(a.parts) > 0 {
		return lost("logprobs that were never told")
	}
	if cross && (a.stop == stopFilter || a.stop == stopSequence) {
		return lost("why it ended")
	}
	// Ollama says of a response that was cut off that it is completed.
	if from == "responses" && a.stop != stopLength && c.asked.maxTokens != "" {
		if bound, err := c.asked.maxTokens.Int64(); err != nil || a.usage.output < 0 || a.usage.output >= bound {
			return lost("whether it was cut off")
		}
	}
	needs := cross || to == "messages" || to == "responses" || to == "completions" || to == "chat_completions"
	if stream && !c.asked.includeUsage && (to == "completions" || to == "chat_completions") {
		needs = false
	}
	if needs && (a.usage.input < 0 || a.usage.output < 0) {
		return lost("its usage was never told")
	}
	return nil
}

// streamed is the stream of a.
func (c *Call) streamed(a *answer) ([]byte, error) {
	var o out
	f := flow{call: c, open: none, limit: maxAnswer, answer: *a}
	f.answer.parts = nil
	f.enc = c.from.stream(c, &o)
	for i := range a.parts {
		p := a.parts[i]
		text, probs := p.text, p.probs
		p.text, p.probs = "", nil
		if err := f.begin(p); err != nil {
			return nil, err
		}
		f.key = i
		if err := f.piece(text, probs); err != nil {
			return nil, err
		}
	}
	if err := f.finish(); err != nil {
		return nil, err
	}
	return o.Bytes(), nil
}

// mute is an encoder for a stream that nobody is told.
type mute struct{}

func (mute) start(*answer)                         {}
func (mute) open(*answer, int)                     {}
func (mute) piece(*answer, int, string, []logprob) {}
func (mute) close(*answer, int) error              { return nil }
func (mute) finish(*answer)                        {}

// heardGenerate reads a whole answer of /api/generate.
func heardGenerate(body []byte, a *answer) error {
	var o ollamaGenerated
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	if !o.Done {
		return badAnswer(nil, "it is not done")
	}
	a.model, a.created, a.usage, a.stop, a.context = o.Model, o.CreatedAt, o.heard(), heardDone(o.DoneReason), o.Context
	if o.Thinking != "" {
		a.parts = append(a.parts, part{kind: aThought, text: o.Thinking})
	}
	if o.Response != "" {
		a.parts = append(a.parts, part{kind: aText, text: o.Response})
	}
	a.give(o.Logprobs)
	return nil
}

// generateHearing understands the lines of /api/generate.
type generateHearing struct{}

func (generateHearing) event(data []byte, f *flow) (bool, error) {
	var o ollamaGenerated
	if err := decodeAnswer(data, &o); err != nil {
		return false, err
	}
	a := &f.answer
	a.model = cmp.Or(a.model, o.Model)
	if o.Response != "" && o.Thinking != "" && len(o.Logprobs) > 0 {
		return false, lost("logprobs")
	}
	if err := f.say(aThought, o.Thinking, nil); err != nil {
		return false, err
	}
	if err := f.say(aText, o.Response, o.Logprobs); err != nil {
		return false, err
	}
	if o.Done {
		a.created, a.usage, a.stop, a.context = o.CreatedAt, o.heard(), heardDone(o.DoneReason), o.Context
	}
	return o.Done, nil
}

// heardCompletion reads a whole completion.
func heardCompletion(body []byte, a *answer) error {
	var o completion
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	if len(o.Choices) != 1 || o.Choices[0].FinishReason == nil {
		return badAnswer(nil, "it has not one finished choice")
	}
	o.head(a)
	if t := o.Choices[0].Text; t != "" {
		a.parts = append(a.parts, part{kind: aText, text: t})
	}
	var err error
	a.stop, err = heardStop(*o.Choices[0].FinishReason)
	return err
}

// head takes over what a completion and its chunks have in common.
func (o *completion) head(a *answer) {
	a.id, a.model = cmp.Or(a.id, o.ID), cmp.Or(a.model, o.Model)
	if a.created.IsZero() && o.Created > 0 {
		a.created = time.Unix(o.Created, 0).UTC()
	}
	if o.Usage.told != nil {
		a.usage = o.Usage.told.heard()
	}
}

// completionHearing understands the chunks of a completion.
type completionHearing struct{}

func (completionHearing) event(data []byte, f *flow) (bool, error) {
	if string(bytes.TrimSpace(data)) == "[DONE]" {
		if f.answer.stop == stopUnsaid {
			return false, badAnswer(nil, "it does not say why it ended")
		}
		return true, nil
	}
	var o completion
	if err := decodeAnswer(data, &o); err != nil {
		return false, err
	}
	o.head(&f.answer)
	for i := range o.Choices {
		ch := &o.Choices[i]
		if ch.Index != 0 {
			return false, badAnswer(nil, "it holds a second choice")
		}
		if ch.FinishReason != nil && *ch.FinishReason != "" {
			s, err := heardStop(*ch.FinishReason)
			if err != nil {
				return false, err
			}
			f.answer.stop = s
		}
		if err := f.say(aText, ch.Text, nil); err != nil {
			return false, err
		}
	}
	return false, nil
}

// heardResponse reads a whole response, which the last event of its stream holds too.
func heardResponse(body []byte, a *answer) error {
	var o struct {
		ID         string               `json:"id"`
		Model      string               `json:"model"`
		CreatedAt  float64              `json:"created_at"`
		Status     string               `json:"status"`
		Incomplete *responsesIncomplete `json:"incomplete_details"`
		Output     []responsesItem      `json:"output"`
		Usage      *responsesUsage      `json:"usage"`
	}
	if err := decodeAnswer(body, &o); err != nil {
		return err
	}
	a.id, a.model = o.ID, o.Model
	if o.CreatedAt > 0 {
		a.created = time.Unix(int64(o.CreatedAt), 0).UTC()
	}
	switch {
	case o.Status == "completed" && o.Incomplete == nil:
		a.stop = stopEnd
	case o.Status == "incomplete" && o.Incomplete != nil && o.Incomplete.Reason == "max_output_tokens":
		a.stop = stopLength
	default:
		return lost("its status %q", clip(o.Status, 32))
	}
	if u := o.Usage; u != nil {
		a.usage.input, a.usage.output = u.Input, u.Output
		a.usage.cached, a.usage.written, a.usage.reasoning = u.InputDetails.Cached, u.InputDetails.Written, u.OutputDetails.Reasoning
	}
	for i := range o.Output {
		parts, err := o.Output[i].heard()
		if err != nil {
			return err
		}
		a.parts = append(a.parts, parts...)
	}
	return nil
}

// heard is an item of a response as parts.
func (it *responsesItem) heard() (parts []part, err error) {
	switch it.Type {
	case "message":
		if it.Content == nil || it.Role != "assistant" {
			return nil, lost("a message without content")
		}
		for _, s := range *it.Content {
			switch {
			case s.Type == "output_text" && s.Text != nil:
				if *s.Text != "" {
					parts = append(parts, part{kind: aText, text: *s.Text})
				}
			default:
				return nil, lost("content of type %q", clip(s.Type, 64))
			}
		}
	case "function_call":
		if it.Arguments == nil || it.Name == "" {
			return nil, lost("a call without a name")
		}
		parts = append(parts, part{kind: aCall, id: it.CallID, name: it.Name, text: *it.Arguments})
	case "reasoning":
		if it.Summary == nil || len(*it.Summary) != 1 || (*it.Summary)[0].Type != "summary_text" {
			return nil, lost("a thought that is not one summary")
		}
		text := (*it.Summary)[0].Text
		if it.Encrypted != nil && *it.Encrypted != text { // Ollama has the thought itself there
			return nil, lost("the signature of a thought")
		}
		parts = append(parts, part{kind: aThought, text: text})
	default:
		return nil, lost("an item of type %q", clip(it.Type, 64))
	}
	return parts, nil
}

// responsesHearing understands the events of a response: the last one holds all of it.
type responsesHearing struct{ items int }

func (h *responsesHearing) event(data []byte, f *flow) (bool, error) {
	if !gjson.ValidBytes(data) {
		return false, lost("an event is no JSON")
	}
	v := gjson.ParseBytes(data)
	switch v.Get("type").Str {
	case "response.output_item.done":
		h.items++
	case "response.completed", "response.incomplete":
		r := v.Get("response")
		if name := responseShape.lost(r); name != "" {
			return false, lost("%s", name)
		}
		a := answer{usage: noUsage}
		if err := heardResponse([]byte(r.Raw), &a); err != nil {
			return false, err
		}
		if n := len(r.Get("output").Array()); n != h.items {
			return false, lost("its last event does not repeat all of it")
		}
		f.answer, f.started = a, true
		return true, nil
	case "response.failed", "error":
		return false, lost("it is a failure")
	case "":
		return false, lost("an event without a type")
	}
	return false, nil
}

// hearing is how a kept answer of an endpoint is read.
type hearing struct {
	hear   func(body []byte, a *answer) error
	listen func() decoder
	whole  shape // what may stand in a whole answer without being lost
	event  shape // and in an event of a stream; nil: listen sees to it
	ollama bool
}

// hearings are the endpoints whose answers are kept.
var hearings = map[string]*hearing{
	"chat":             {heardOllama, hearOllama, ollamaShape, ollamaShape, true},
	"generate":         {heardGenerate, func() decoder { return generateHearing{} }, ollamaShape, ollamaShape, true},
	"chat_completions": {heardOpenAI, hearOpenAI, openaiShape, openaiShape, false},
	"completions":      {heardCompletion, func() decoder { return completionHearing{} }, completionShape, completionShape, false},
	"messages":         {heardAnthropic, hearAnthropic, messageShape, messageEventShape, false},
	"responses":        {heardResponse, func() decoder { return &responsesHearing{} }, responseShape, nil, false},
}
