package trace

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"corral/daemon/llm"
)

// Server is a provider as spans tell of it.
type Server struct{ about []attribute.KeyValue }

// NewServer makes a Server of a provider's kind in the config and its address.
func NewServer(name, kind, address string) *Server {
	s := &Server{about: []attribute.KeyValue{attribute.String("corral.provider", name)}}
	u, err := url.Parse(address)
	if err != nil {
		return s
	}
	s.about = append(s.about, semconv.GenAIProviderNameKey.String(maker(kind, u.Hostname())), semconv.ServerAddress(u.Hostname()))
	port := map[string]int{"http": 80, "https": 443}[u.Scheme]
	if n, err := strconv.Atoi(u.Port()); err == nil {
		port = n
	}
	s.about = append(s.about, semconv.ServerPort(port))
	return s
}

// maker is gen_ai.provider.name: the conventions' own word where they have one.
func maker(kind, host string) string {
	switch kind {
	case "gemini":
		return semconv.GenAIProviderNameGCPGemini.Value.AsString()
	case "openai": // and whatever speaks like it
		for _, known := range []struct {
			host string
			name attribute.KeyValue
		}{
			{"groq.com", semconv.GenAIProviderNameGroq}, {"mistral.ai", semconv.GenAIProviderNameMistralAI}, {"deepseek.com", semconv.GenAIProviderNameDeepseek},
			{"perplexity.ai", semconv.GenAIProviderNamePerplexity}, {"x.ai", semconv.GenAIProviderNameXAI}, {"openai.azure.com", semconv.GenAIProviderNameAzureAIOpenAI},
		} {
			if host == known.host || strings.HasSuffix(host, "."+known.host) {
				return known.name.Value.AsString()
			}
		}
	}
	return kind
}

// operations are gen_ai.operation.name by endpoint; calls to others ask no model.
var operations = map[string]string{
	"chat": "chat", "chat_completions": "chat", "responses": "chat", "messages": "chat",
	"generate": "text_completion", "completions": "text_completion",
	"embed": "embeddings", "embeddings": "embeddings", "v1_embeddings": "embeddings",
}

// nameOf is the name of a span with a model asked for: "chat llama3.2", "GET /api/tags".
func nameOf(e *end, operation, model string) string {
	switch {
	case operation == "":
		return e.method + " " + e.endpoint.Pattern
	case model == "":
		return operation
	}
	return operation + " " + model
}

// call is the trace of one call: what happened, written down as it happens. The spans are made of it later, where no call waits
// for that (span.go).
type call struct {
	x         *pipeline
	r         *llm.Request          // until the end, which takes of it what is needed
	parent    oteltrace.SpanContext // the caller's own span; not valid: there is none
	id        oteltrace.SpanContext // of the call's span
	operation string

	mu    sync.Mutex // guards what follows: the end of a call and of an attempt may come from two goroutines
	open  int        // steps that go on, and the call itself
	over  bool
	steps []*step
	room  [4]*step // for steps
	end   end
}

// end is what is known of a call when it is over.
type end struct {
	at                           time.Time
	began                        time.Time
	endpoint                     *llm.Endpoint
	request, method, path, model string
	key, app, left               string
	attempts                     int
	out                          llm.Outcome
	system, asked, answered      string // texts, as JSON
}

// step is a part of a call: an attempt, or something within Corral.
type step struct {
	c          *call
	id         oteltrace.SpanID
	name       string
	began, end time.Time
	notes      []attribute.KeyValue
	err        *llm.Error
	attempt    bool

	// Of an attempt:
	provider string
	asked    string // model
	stream   bool
	why      llm.Again
	status   int
	model    string        // that answered
	first    time.Duration // of a stream, until its first content
	usage    llm.Usage
}

// begin makes r a part of its trace, and has it recorded where it was chosen.
func (x *pipeline) begin(parent context.Context, r *llm.Request) {
	from := oteltrace.SpanContextFromContext(parent)
	id := oteltrace.SpanContextConfig{TraceID: from.TraceID(), SpanID: newSpanID()}
	if !from.IsValid() {
		delete(r.Header, "Tracestate") // of a trace that nobody can name
		id.TraceID = newTraceID()
	}
	chosen := x.sampler.ShouldSample(sdktrace.SamplingParameters{ParentContext: parent, TraceID: id.TraceID}).Decision == sdktrace.RecordAndSample
	if chosen {
		id.TraceFlags = oteltrace.FlagsSampled
	}
	sc := oteltrace.NewSpanContext(id)
	r.TraceID, r.Traceparent = id.TraceID.String(), traceparent(id.TraceID, id.SpanID, id.TraceFlags)
	if chosen {
		c := &call{x: x, r: r, parent: from, id: sc, operation: operations[r.Endpoint.Name], open: 1}
		c.steps = c.room[:0]
		r.Trace = c
	}
}

func newTraceID() (id oteltrace.TraceID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:8], rand.Uint64())
		binary.NativeEndian.PutUint64(id[8:], rand.Uint64())
	}
	return id
}

func newSpanID() (id oteltrace.SpanID) {
	for !id.IsValid() {
		binary.NativeEndian.PutUint64(id[:], rand.Uint64())
	}
	return id
}

// traceparent is a span as a header (https://www.w3.org/TR/trace-context/#traceparent-header).
func traceparent(t oteltrace.TraceID, s oteltrace.SpanID, f oteltrace.TraceFlags) string {
	b := make([]byte, 0, 55)
	b = append(b, "00-"...)
	b = appendHex(b, t[:])
	b = append(b, '-')
	b = appendHex(b, s[:])
	b = append(b, '-')
	return string(appendHex(b, []byte{byte(f & oteltrace.FlagsSampled)}))
}

func appendHex(b, from []byte) []byte {
	const digits = "0123456789abcdef"
	for _, c := range from {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

func (c *call) Texts() bool { return c.x.content && c.r.Endpoint.Task == llm.Generate }

// add begins a step. One that begins when all is over already, for a caller who has left, belongs to nothing.
func (c *call) add(s *step) *step {
	s.c, s.id = c, newSpanID()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open > 0 {
		c.open++
		c.steps = append(c.steps, s)
	} else {
		s.end = s.began
	}
	return s
}

// ended ends a step, once.
func (c *call) ended(s *step, err *llm.Error) {
	now := time.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.end.IsZero() {
		s.end, s.err = now, err
		c.close()
	}
}

// close hands the call on when it and all its steps are over. It needs the lock.
func (c *call) close() {
	if c.open--; c.open == 0 {
		c.x.queue.take(c)
	}
}

// mark is a step as the one who marks it knows it.
type mark struct{ *step }

func (c *call) Step(name string, began time.Time) llm.Step {
	return mark{c.add(&step{name: name, began: began})}
}

func (m mark) Note(key, value string) { m.notes = append(m.notes, attribute.String(key, value)) }

func (m mark) End(err *llm.Error) { m.c.ended(m.step, err) }

// attempt is a step in which a target is asked.
type attempt struct{ *step }

func (c *call) Attempt(r *llm.Request, why llm.Again) llm.Attempt {
	s := &step{attempt: true, began: time.Now(), provider: r.Target.Provider, asked: r.Target.Model, stream: r.Stream, why: why, usage: llm.NoUsage}
	if s.asked == "" {
		s.asked = cut(r.Model, maxName)
	}
	c.add(s)
	r.Traceparent = traceparent(c.id.TraceID(), s.id, oteltrace.FlagsSampled)
	return attempt{s}
}

func (a attempt) Answered(reply *llm.Reply) {
	a.status, a.model = reply.Status, cut(reply.Model, maxName)
	if reply.Stream {
		a.first = time.Since(a.began)
	}
}

func (a attempt) End(u llm.Usage, err *llm.Error) {
	if a.step.end.IsZero() {
		a.usage = u
	}
	a.c.ended(a.step, err)
}

func (c *call) End(o *llm.Outcome) {
	now := time.Now()
	r := c.r
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return
	}
	c.over = true
	c.end = end{at: now, began: r.Start, endpoint: r.Endpoint, request: r.ID, method: r.Method, path: cut(r.Path, maxName), model: cut(r.Model, maxName),
		key: r.Caller.KeyName, app: r.Caller.App, left: r.Left, attempts: r.Attempts, out: *o}
	if c.Texts() && !r.Private() {
		c.end.texts(c.x.queue, r.Body)
	}
	c.end.out.Model = cut(o.Model, maxName)
	c.end.out.Answer = nil // it is valid until now only
	c.r = nil
	c.close()
}

// maxName bounds a name that a caller chose, in bytes: a body may be nothing but the name of a model.
const maxName = 256
