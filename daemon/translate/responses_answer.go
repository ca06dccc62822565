package translate

import (
	"cmp"
	"encoding/json"
	"strconv"
)

// responsesAnswer is a response (https://platform.openai.com/docs/api-reference/responses/object). It repeats what was
// asked, as clients expect; fields that are nothing here are null.
type responsesAnswer struct {
	ID                 string               `json:"id"`
	Object             string               `json:"object"`
	CreatedAt          int64                `json:"created_at"`
	CompletedAt        *int64               `json:"completed_at"`
	Status             string               `json:"status"`
	Background         bool                 `json:"background"`
	Error              *struct{}            `json:"error"`
	IncompleteDetails  *responsesIncomplete `json:"incomplete_details"`
	Instructions       *string              `json:"instructions"`
	MaxOutputTokens    json.RawMessage      `json:"max_output_tokens"`
	Metadata           json.RawMessage      `json:"metadata"`
	Model              string               `json:"model"`
	Output             []responsesItem      `json:"output"`
	ParallelToolCalls  bool                 `json:"parallel_tool_calls"`
	PreviousResponseID *string              `json:"previous_response_id"`
	Reasoning          responsesReasoning   `json:"reasoning"`
	Store              bool                 `json:"store"`
	Temperature        json.RawMessage      `json:"temperature"`
	Text               responsesText        `json:"text"`
	ToolChoice         json.RawMessage      `json:"tool_choice"`
	Tools              []responsesTool      `json:"tools"`
	TopP               json.RawMessage      `json:"top_p"`
	Truncation         string               `json:"truncation"`
	Usage              *responsesUsage      `json:"usage"`
	User               json.RawMessage      `json:"user"`
}

type responsesIncomplete struct {
	Reason string `json:"reason"`
}

// responsesItem is an item of the output. What is a pointer has to be there, even empty, in items of its type.
type responsesItem struct {
	ID        string            `json:"id"`
	Type      string            `json:"type"`
	Status    string            `json:"status,omitempty"`
	Role      string            `json:"role,omitempty"`
	Content   *[]responsesSaid  `json:"content,omitempty"`
	CallID    string            `json:"call_id,omitempty"`
	Name      string            `json:"name,omitempty"`
	Arguments *string           `json:"arguments,omitempty"`
	Summary   *[]responsesShort `json:"summary,omitempty"`
	Encrypted *string           `json:"encrypted_content,omitempty"`
}

type responsesSaid struct {
	Type        string           `json:"type"`
	Text        *string          `json:"text,omitempty"`
	Refusal     *string          `json:"refusal,omitempty"`
	Annotations *[]struct{}      `json:"annotations,omitempty"`
	Logprobs    *[]openaiLogprob `json:"logprobs,omitempty"`
}

type responsesShort struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

type responsesUsage struct {
	Input        int64 `json:"input_tokens"`
	InputDetails struct {
		Written int64 `json:"cache_write_tokens"`
		Cached  int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	Output        int64 `json:"output_tokens"`
	OutputDetails struct {
		Reasoning int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	Total int64 `json:"total_tokens"`
}

func toResponsesUsage(u usage) *responsesUsage {
	r := &responsesUsage{Input: count(u.input), Output: count(u.output)}
	r.InputDetails.Cached, r.InputDetails.Written, r.OutputDetails.Reasoning = count(u.cached), count(u.written), count(u.reasoning)
	r.Total = r.Input + r.Output
	return r
}

// responsesHead is a response that has just begun.
func responsesHead(c *Call, a *answer) responsesAnswer {
	r := c.asked.responses
	o := responsesAnswer{ID: "resp_" + bare(a.id), Object: "response", CreatedAt: a.created.Unix(), Status: "in_progress", Model: a.model,
		Instructions: r.Instructions, MaxOutputTokens: json.RawMessage(r.MaxOutputTokens), Metadata: r.Metadata, Output: []responsesItem{},
		ParallelToolCalls: !isFalse(r.ParallelToolCalls), Temperature: json.RawMessage(r.Temperature), ToolChoice: r.ToolChoice, Tools: r.Tools,
		TopP: json.RawMessage(r.TopP), Truncation: cmp.Or(r.Truncation, "disabled"), User: r.User}
	for _, v := range []*json.RawMessage{&o.MaxOutputTokens, &o.Temperature, &o.TopP, &o.User} {
		if len(*v) == 0 {
			*v = json.RawMessage("null")
		}
	}
	if !given(o.Metadata) {
		o.Metadata = json.RawMessage("{}")
	}
	if !given(o.ToolChoice) {
		o.ToolChoice = quoted("auto")
	}
	if o.Tools == nil {
		o.Tools = []responsesTool{}
	}
	if r.Reasoning != nil {
		o.Reasoning = *r.Reasoning
	}
	if len(o.Reasoning.Summary) == 0 {
		o.Reasoning.Summary = json.RawMessage("null")
	}
	o.Text.Format = &responsesFormat{Type: "text"}
	if r.Text != nil && r.Text.Format != nil {
		o.Text.Format = r.Text.Format
	}
	return o
}

// end makes o a response that is over.
func (o *responsesAnswer) end(c *Call, a *answer) {
	o.Status = "completed"
	switch {
	case a.stop == stopLength:
		o.Status, o.IncompleteDetails = "incomplete", &responsesIncomplete{"max_output_tokens"}
	case a.stop == stopFilter && !has(a.parts, aRefusal):
		o.Status, o.IncompleteDetails = "incomplete", &responsesIncomplete{"content_filter"}
	default:
		now := c.now().Unix()
		o.CompletedAt = &now
	}
	o.Usage = toResponsesUsage(a.usage)
	for i := range a.parts {
		status := "completed"
		if o.Status == "incomplete" && i == len(a.parts)-1 {
			status = "incomplete"
		}
		o.Output = append(o.Output, responsesItemOf(c, a, i, status, true))
	}
}

// responsesID is the id of the item that part i became.
func responsesID(a *answer, i int) string {
	prefix := "msg_"
	switch a.parts[i].kind {
	case aThought:
		prefix = "rs_"
	case aCall:
		prefix = "fc_"
	}
	return prefix + bare(a.id) + "_" + strconv.Itoa(i)
}

// responsesItemOf is part i as an item; full false: as it is when it begins.
func responsesItemOf(c *Call, a *answer, i int, status string, full bool) responsesItem {
	p := &a.parts[i]
	it := responsesItem{ID: responsesID(a, i), Status: status}
	switch p.kind {
	case aThought:
		it.Type, it.Status, it.Summary = "reasoning", "", &[]responsesShort{}
		if full {
			it.Encrypted = sealed(p)
			if p.text != "" {
				it.Summary = &[]responsesShort{{"summary_text", p.text}}
			}
		}
	case aCall:
		args := ""
		if full {
			args = p.text
		}
		it.Type, it.CallID, it.Name, it.Arguments = "function_call", p.id, p.name, &args
	default:
		it.Type, it.Role, it.Content = "message", "assistant", &[]responsesSaid{}
		if full {
			it.Content = &[]responsesSaid{responsesPartOf(c, p, p.text, p.probs)}
		}
	}
	return it
}

func responsesPartOf(c *Call, p *part, text string, probs []logprob) responsesSaid {
	if p.kind == aRefusal {
		return responsesSaid{Type: "refusal", Refusal: &text}
	}
	return responsesSaid{Type: "output_text", Text: &text, Annotations: &[]struct{}{}, Logprobs: responsesProbs(c, probs)}
}

func responsesProbs(c *Call, probs []logprob) *[]openaiLogprob {
	l := []openaiLogprob{}
	if c.asked.logprobs {
		l = toOpenAILogprobs(probs)
	}
	return &l
}

func wholeResponses(c *Call, a *answer) ([]byte, error) {
	o := responsesHead(c, a)
	o.end(c, a)
	return marshal(o), nil
}

// responsesEvent is an event of a stream (https://platform.openai.com/docs/api-reference/responses-streaming).
type responsesEvent struct {
	Type           string           `json:"type"`
	SequenceNumber int              `json:"sequence_number"`
	Response       *responsesAnswer `json:"response,omitempty"`
	ItemID         string           `json:"item_id,omitempty"`
	OutputIndex    *int             `json:"output_index,omitempty"`
	ContentIndex   *int             `json:"content_index,omitempty"`
	SummaryIndex   *int             `json:"summary_index,omitempty"`
	Item           *responsesItem   `json:"item,omitempty"`
	Part           any              `json:"part,omitempty"`
	Delta          *string          `json:"delta,omitempty"`
	Text           *string          `json:"text,omitempty"`
	Refusal        *string          `json:"refusal,omitempty"`
	Name           string           `json:"name,omitempty"`
	Arguments      *string          `json:"arguments,omitempty"`
	Logprobs       *[]openaiLogprob `json:"logprobs,omitempty"`
}

// responsesSpeech writes the events of a response. Each part of the answer is an item of the output.
type responsesSpeech struct {
	call   *Call
	o      *out
	head   responsesAnswer
	number int
	zero   int // an index that is always 0, and has to be there
}

func streamResponses(c *Call, o *out) encoder { return &responsesSpeech{call: c, o: o} }

func (s *responsesSpeech) event(e responsesEvent) {
	e.SequenceNumber = s.number
	s.number++
	s.o.sse(e.Type, &e)
}

func (s *responsesSpeech) start(a *answer) {
	s.head = responsesHead(s.call, a)
	s.event(responsesEvent{Type: "response.created", Response: &s.head})
	s.event(responsesEvent{Type: "response.in_progress", Response: &s.head})
}

func (s *responsesSpeech) open(a *answer, i int) {
	p, id := &a.parts[i], responsesID(a, i)
	it := responsesItemOf(s.call, a, i, "in_progress", false)
	s.event(responsesEvent{Type: "response.output_item.added", OutputIndex: &i, Item: &it})
	switch p.kind {
	case aText, aRefusal:
		s.event(responsesEvent{Type: "response.content_part.added", ItemID: id, OutputIndex: &i, ContentIndex: &s.zero, Part: responsesPartOf(s.call, p, "", nil)})
	case aThought:
		if !p.hidden {
			s.event(responsesEvent{Type: "response.reasoning_summary_part.added", ItemID: id, OutputIndex: &i, SummaryIndex: &s.zero, Part: responsesShort{"summary_text", ""}})
		}
	}
}

func (s *responsesSpeech) piece(a *answer, i int, text string, probs []logprob) {
	e := responsesEvent{ItemID: responsesID(a, i), OutputIndex: &i, Delta: &text}
	switch a.parts[i].kind {
	case aText:
		e.Type, e.ContentIndex, e.Logprobs = "response.output_text.delta", &s.zero, responsesProbs(s.call, probs)
	case aRefusal:
		e.Type, e.ContentIndex = "response.refusal.delta", &s.zero
	case aThought:
		e.Type, e.SummaryIndex = "response.reasoning_summary_text.delta", &s.zero
	case aCall:
		e.Type = "response.function_call_arguments.delta"
	}
	s.event(e)
}

func (s *responsesSpeech) close(a *answer, i int) error {
	p, id := &a.parts[i], responsesID(a, i)
	e := responsesEvent{ItemID: id, OutputIndex: &i}
	switch p.kind {
	case aText:
		e.Type, e.ContentIndex, e.Text, e.Logprobs = "response.output_text.done", &s.zero, &p.text, responsesProbs(s.call, p.probs)
		s.event(e)
		s.event(responsesEvent{Type: "response.content_part.done", ItemID: id, OutputIndex: &i, ContentIndex: &s.zero, Part: responsesPartOf(s.call, p, p.text, p.probs)})
	case aRefusal:
		e.Type, e.ContentIndex, e.Refusal = "response.refusal.done", &s.zero, &p.text
		s.event(e)
		s.event(responsesEvent{Type: "response.content_part.done", ItemID: id, OutputIndex: &i, ContentIndex: &s.zero, Part: responsesPartOf(s.call, p, p.text, nil)})
	case aThought:
		if !p.hidden {
			e.Type, e.SummaryIndex, e.Text = "response.reasoning_summary_text.done", &s.zero, &p.text
			s.event(e)
			s.event(responsesEvent{Type: "response.reasoning_summary_part.done", ItemID: id, OutputIndex: &i, SummaryIndex: &s.zero, Part: responsesShort{"summary_text", p.text}})
		}
	case aCall:
		e.Type, e.Name, e.Arguments = "response.function_call_arguments.done", p.name, &p.text
		s.event(e)
	}
	it := responsesItemOf(s.call, a, i, "completed", true)
	s.event(responsesEvent{Type: "response.output_item.done", OutputIndex: &i, Item: &it})
	return nil
}

func (s *responsesSpeech) finish(a *answer) {
	s.head.end(s.call, a)
	s.event(responsesEvent{Type: "response." + s.head.Status, Response: &s.head})
}
