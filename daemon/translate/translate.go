// Package translate turns a call of one API into a call of another and the answer back, whole or streamed, for targets
// that do not speak the API in which the caller asks.
//
// Every API meets in one model of a chat (chat.go) and of an answer (answer.go). An API that callers speak has a decoder
// of requests and an encoder of answers, one that targets speak has an encoder of requests and a decoder of answers; the
// tables in speak.go say which. To add one, write these two and give them a row there.
//
// What cannot be carried over is never lost in silence. Where it would change what the answer means (a picture for a
// target without eyes, several choices, a tool that must be called) the call is refused with an *llm.Error that names the
// field; where it would not (keep_alive for a cloud) the field's name stands in Call.Warnings. Unknown fields of the
// caller's body are named there too. Not named is what is only a label: the name of a JSON schema, the id of a past item.
//
// How a provider's relay uses it, for a target that does not speak the caller's endpoint:
//
//	call, err := translate.Request(r.Endpoint, r.Body, translate.TargetAt(translate.Anthropic, base.Hostname(), r.Target.Model))
//	// send call.Body to call.Path (and call.Query), without the caller's Authorization; then, with the target's answer res:
//	if call.Stream && res.Status < 300 { body = call.Events(res) } // an llm.Body; hold what Next gives until body.Content()
//	else { b, usage, err := call.Answer(res.Status, all) }         // errors of the target come in the caller's shape too
//	// the Content-Type is call.ContentType(streamed), and call.Warning() is a Warning header.
//
// What only some models of an API take, traits.go knows by their names.
//
// For the cache, canonical.go says which calls ask the same, whatever their API, and replay.go tells an answer again in
// another form: whole or streamed, and in another API.
//
// The surprise: a failure that a target tells of in the middle of its stream is returned by Next as an *llm.Error. It is
// the gateway that writes errors into streams, in one place for all (dialect.ErrorEvent).
package translate

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"corral/daemon/llm"
)

// API is what a target speaks.
type API uint8

const (
	OpenAI    API = iota // chat completions and embeddings (https://platform.openai.com/docs/api-reference/chat)
	Anthropic            // messages (https://docs.anthropic.com/en/api/messages)
	Ollama               // /api/chat and /api/embed (https://github.com/ollama/ollama/blob/main/docs/api.md)
	Gemini               // generateContent and batchEmbedContents (https://ai.google.dev/api/generate-content)
)

// String is how the API is called in messages to people.
func (a API) String() string { return [...]string{"OpenAI", "Anthropic", "Ollama", "Gemini"}[a] }

// Target is where a call goes, and what is known of the model there. TargetAt fills it; the zero value of a trait means that nothing is
// known, and then the call goes as most models take it.
type Target struct {
	API   API
	Model string // the target's own name for it; empty: as the caller asked

	NoImages bool // the model sees no pictures: a call with one is refused
	NoTools  bool // the model calls no tools: a call that brings some is refused

	// MaxTokens bounds the answer where the target insists on a bound and the caller gave none (Anthropic); 0: 8192.
	MaxTokens int64
	// NewMaxTokens sends max_completion_tokens: OpenAI's own newer models refuse max_tokens, others know nothing else.
	NewMaxTokens bool
	// Reasoning is the member of a message in which an OpenAI-compatible server takes past reasoning back:
	// reasoning_content (llama.cpp, DeepSeek), reasoning (vLLM, Ollama, OpenRouter), or both. Empty: it takes none, as OpenAI.
	Reasoning string

	// NoThinking says that the model does not think, or is not to be told how.
	NoThinking bool
	// Efforts are the words for how hard to think that the model knows, from the least to the most; none is among them where it can
	// be told not to think. Nil: not known.
	Efforts []string
	// BudgetThinking asks for thinking by a budget of tokens: Claude up to 4.5 and Gemini up to 2.5 know no other way.
	BudgetThinking bool
	// MinBudget and MaxBudget bound such a budget in tokens; 0: not known.
	MinBudget, MaxBudget int64
	// NoBudgets says that the model thinks, and takes only words for how hard: Claude from 4.7 on refuses a budget.
	NoBudgets bool
	// ToolsUnthinking says that the model takes tools only while it does not think.
	ToolsUnthinking bool
	// NoSampling says that the model refuses to be told how tokens are chosen, and how likely they were; NoSamplingThinking that it
	// does while it thinks.
	NoSampling, NoSamplingThinking bool
}

// Call is a call in the target's words, and what is needed to bring the answer back.
type Call struct {
	Path     string   // "/v1/chat/completions", "/v1/messages", "/api/chat", "/v1beta/models/x:generateContent", ...
	Query    string   // "alt=sse" for a stream of Gemini, else empty
	Body     []byte   // JSON
	Form     llm.Form // of the target's stream
	Stream   bool
	Warnings []string // fields of the caller's body that were left behind

	from  *speaker
	to    API
	asked *chat
	embed *embedding
	now   func() time.Time
	newID func() string
	total time.Duration // that an answer took which is told again; 0: it is measured
}

// Can reports whether a call of ep can be taken to a target that speaks to.
func Can(ep *llm.Endpoint, to API) bool {
	s := speakers[ep.Name]
	return s != nil && (s.embed == nil || to != Anthropic)
}

// Request translates body, a call of the endpoint from. The error is an *llm.Error: Invalid for a body that makes no
// sense in its own API, Unsupported for one that the target cannot do.
func Request(from *llm.Endpoint, body []byte, to Target) (*Call, error) {
	s := speakers[from.Name]
	if !Can(from, to.API) {
		return nil, llm.Errorf(llm.Unsupported, "translate", nil, "A call of %s cannot be taken to a target that speaks %s. Ask a target that speaks this API itself.", from.Pattern, to.API)
	}
	c := &Call{from: s, to: to.API, now: time.Now, newID: randomID}
	var err error
	if s.embed != nil {
		err = c.requestEmbed(body, to)
	} else {
		err = c.requestChat(body, to)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Call) requestChat(body []byte, to Target) error {
	ch, err := c.from.decode(body)
	if err != nil {
		return err
	}
	if to.Model != "" {
		ch.model = to.Model
	}
	if err := ch.nameCalls(); err != nil {
		return err
	}
	if err := ch.check(to); err != nil {
		return err
	}
	ch.fitThinking(to)
	if to.API == Anthropic || to.API == Gemini {
		if err := ch.needUser(to.API); err != nil {
			return err
		}
	}
	t := hearers[to.API]
	if c.Body, err = t.encode(ch, to); err != nil {
		return err
	}
	for _, o := range ch.options {
		ch.warn(o.field)
	}
	c.asked, c.Stream, c.Form, c.Warnings = ch, ch.stream, t.form, ch.warnings
	switch to.API {
	case OpenAI:
		c.Path = "/v1/chat/completions"
	case Anthropic:
		c.Path = "/v1/messages"
	case Ollama:
		c.Path = "/api/chat"
	case Gemini:
		c.Path = geminiPath(ch.model, "generateContent")
		if ch.stream {
			c.Path, c.Query = geminiPath(ch.model, "streamGenerateContent"), "alt=sse"
		}
	}
	return nil
}

// geminiPath is the path of a method of a model, which may be called by its full name.
func geminiPath(model, method string) string {
	return "/v1beta/models/" + url.PathEscape(trimModels(model)) + ":" + method
}

func trimModels(model string) string { return strings.TrimPrefix(model, "models/") }

// ContentType is that of the answer in the caller's API.
func (c *Call) ContentType(streamed bool) string {
	switch {
	case !streamed:
		return "application/json"
	case c.from.form == llm.NDJSON:
		return "application/x-ndjson"
	}
	return "text/event-stream"
}

// Warning is Warnings as the value of a Warning header (RFC 7234, section 5.5), empty where there are none.
func (c *Call) Warning() string {
	if len(c.Warnings) == 0 {
		return ""
	}
	return fmt.Sprintf(`299 corral "not carried over to %s: %s"`, c.to, strings.Join(c.Warnings, ", "))
}

// Answer translates a whole answer, or with a status of 400 and above the target's error. The error it returns is an
// *llm.Error: the target answered with what is no answer, or with a failure inside a 200.
func (c *Call) Answer(status int, body []byte) ([]byte, llm.Usage, error) {
	if status >= 400 {
		return c.from.failure(status, failureOf(status, body)), llm.NoUsage, nil
	}
	if f, ok := failureInside(body); ok {
		return nil, llm.NoUsage, f.err()
	}
	if c.embed != nil {
		return c.answerEmbed(body)
	}
	a := &answer{usage: noUsage}
	if err := hearers[c.to].whole(body, a); err != nil {
		return nil, llm.NoUsage, err
	}
	if err := c.settle(a); err != nil {
		return nil, llm.NoUsage, err
	}
	b, err := c.from.whole(c, a)
	if err != nil {
		return nil, llm.NoUsage, err
	}
	return b, a.told(), nil
}

// settle fills in what the target did not say.
func (c *Call) settle(a *answer) error {
	if a.id == "" {
		a.id = c.newID()
	}
	if a.model == "" {
		a.model = c.asked.model
	}
	if a.created.IsZero() {
		a.created = c.now().UTC()
	}
	for i := range a.parts {
		if p := &a.parts[i]; p.kind == aCall {
			if p.id == "" {
				p.id = callID(a.id, i)
			}
			if strings.TrimSpace(p.text) == "" {
				p.text = "{}"
			}
		}
	}
	a.settleStop()
	return nil
}

// Events translates a stream as it comes from src. Close must be called.
func (c *Call) Events(src io.Reader) *Stream {
	s := &Stream{split: newSplitter(src, c.Form)}
	s.flow = flow{call: c, open: none, limit: maxAnswer, answer: answer{usage: noUsage}}
	s.flow.enc = c.from.stream(c, &s.out)
	s.decode = hearers[c.to].stream()
	return s
}

// out is where encoders of streams write.
type out struct{ bytes.Buffer }

// sse writes an event. v is one of this package's own types.
func (o *out) sse(name string, v any) {
	if name != "" {
		o.WriteString("event: ")
		o.WriteString(name)
		o.WriteByte('\n')
	}
	o.WriteString("data: ")
	o.Write(marshal(v))
	o.WriteString("\n\n")
}

// line writes a line of NDJSON.
func (o *out) line(v any) {
	o.Write(marshal(v))
	o.WriteByte('\n')
}
