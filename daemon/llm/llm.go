// Package llm is the vocabulary in which the stages of a call speak: Request, Reply, Error, Handler and Chain.
//
// It knows the standard library only. A stage imports llm and perhaps one store package, never another stage.
//
// The one thing that surprises: a call stays in the bytes in which it came. A Request carries the caller's own JSON and
// what few fields of it decide; a Reply carries the target's own bytes. Nothing is decoded into a common model of a chat
// unless the target speaks another dialect than the caller.
package llm

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"
)

// Dialect is the API in which a caller or a target speaks.
type Dialect uint8

const (
	Ollama    Dialect = iota // https://github.com/ollama/ollama/blob/main/docs/api.md
	OpenAI                   // https://platform.openai.com/docs/api-reference
	Anthropic                // https://docs.anthropic.com/en/api
)

// String is the dialect's name in config, logs and metrics.
func (d Dialect) String() string {
	switch d {
	case OpenAI:
		return "openai"
	case Anthropic:
		return "anthropic"
	}
	return "ollama"
}

// Task is what a call wants done, whatever its dialect.
type Task uint8

const (
	Read     Task = iota // looks something up: a list of models, a version
	Generate             // makes text: chat, completion, message, response
	Embed                // makes vectors
	Manage               // changes what the target holds: pull, create, delete; may report its progress as a stream
	Upload               // a model's own bytes, of any length: never held in memory
)

// Form is how a streamed answer is parted into events.
type Form uint8

const (
	Whole  Form = iota // not a stream
	NDJSON             // one JSON value a line
	SSE                // server-sent events (WHATWG HTML, section 9.2)
)

// Endpoint is one route of the app-facing API.
type Endpoint struct {
	Name    string // in logs and metrics: a bounded set
	Method  string // of HTTP; empty: any
	Pattern string // of http.ServeMux
	Dialect Dialect
	Task    Task
	Form    Form // of the answer when it is streamed
	// Streams says that a call streams unless it says "stream": false, as Ollama's own do.
	Streams bool
	// NoBody: what the caller sends as a body is not looked at.
	NoBody bool
}

// Carries says that what is asked there is text of a person's or an app's own: it is to be known where that goes.
func (e *Endpoint) Carries() bool {
	return e.Task == Generate || e.Task == Embed || e.Method == "" || e.Name == "count_tokens"
}

// AnyModel stands in Request.Seems for a name that could not be read.
const AnyModel = "*"

// Caller is who asks.
type Caller struct {
	Key     string // id of the key shown; empty where none is asked for
	KeyName string
	User    string // Corral-User
	App     string // Corral-App, else the client's program name
	Remote  string // address without port
	// Operator says that the call came by the operator API, which has asked who it is: no app key is asked for.
	Operator bool
}

// Target is where a call goes.
type Target struct {
	Provider string
	Model    string // the provider's own name; empty: as asked
	Why      string // for Corral-Route: default, model, ...
	Away     string // host that the text goes to, where it leaves this device; empty: it stays
}

// Request is one call on its way through the stages. One goroutine at a time has it.
type Request struct {
	ID       string
	Endpoint *Endpoint
	Method   string
	Path     string // escaped, without the query
	Query    string // raw
	Header   http.Header
	Caller   Caller
	Start    time.Time

	// Source is the body as it arrives; its errors are *Error already. Length is -1 when unknown.
	// The stage `decode` turns it into Body, except for uploads.
	Source io.Reader
	Length int64

	Body   []byte // valid JSON of one object, or empty; not to be changed in place
	Fields Fields // where in Body the few fields stand that decide
	Model  string // the name asked for; empty where the call has none
	// Seems are the names that it may ask for where the route is not known; AnyModel: it may be any. Nobody is chosen by that.
	Seems  []string
	Stream bool

	Chosen   string // provider/model that the operator wants to answer, and no other; empty: as the config says
	Plan     *Plan  // where it may go, by route
	Target   Target // where it goes, or went last
	Attempts int    // how often a target was asked
	AskedOf  Target // who was asked last; Target may be one whose turn did not come any more
	Left     string // host that its text went to when it left this device, by any attempt

	Policy string  // the guard's, by which the call was looked at; empty: by none
	Found  []Found // what the guard saw in its text
	Mask   Mask    // what some targets must not see of it; nil: they may see all
	Masked Acts    // what was done before a target was asked: MaskAway, MaskAlways, or nothing

	TraceID     string // of the W3C trace that the call is part of, 32 hex digits; empty: none
	Traceparent string // that the target is told, where Corral takes part in the trace; empty: the caller's own goes on
	Trace       Trace  // nil: nobody records this call
	Reuse       Reuse  // by the cache, once the reply is closed or has ended

	OverBudget bool // a budget was used up when it came
	LastResort bool // no target could answer, and something stands in for one

	Passed Passed        // when it came past the points of its way
	Tries  []Try         // the targets that it came to, in order
	Shared []Try         // those that another call came to whose answer this one got too
	Queued time.Duration // that it waited for a place at a server, all attempts together

	// Release is called when the call is over and written down: it gives Body's memory back, and the money that was set
	// aside. Nil where there is nothing to give back.
	Release func()
}

// Unknown says that Corral does not know what the call asks for, since its route stands in no row of the gateway's: it may be
// one that costs, such as one for pictures.
func (r *Request) Unknown() bool {
	if r.Endpoint.Method != "" || r.Endpoint.Task != Read {
		return false
	}
	return r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH"
}

// Alone reports that the caller wants no other target, and no last resort, in place of the first (Corral-Fallback: off), or
// has chosen one.
func (r *Request) Alone() bool {
	if r.Chosen != "" {
		return true
	}
	v := r.Header["Corral-Fallback"]
	return len(v) > 0 && strings.EqualFold(strings.TrimSpace(v[0]), "off")
}

// Reuse says that an answer was not made for this call: it was kept from an earlier one, or is shared with one under way.
// It costs nothing again.
type Reuse struct {
	Free    bool
	Similar bool          // it answers another question, which asks the same in other words
	Took    time.Duration // to make the answer the first time; 0: not known
}

// Span is a place in Request.Body.
type Span struct{ From, To int }

// Fields are the top-level members of a body that decide about a call.
type Fields struct {
	// Model spans the value, quotes included, of each member that names the model. There may be several:
	// JSON allows a name twice, and targets differ in which they take, so all of them are rewritten together.
	Model []Span

	MaxOutput int64 // tokens that the answer may have, where the call says so; else 0
	Choices   int64 // answers that it wants at once, where it says so; else 0
	Options   Span  // Ollama's, an object; empty: there are none

	Temperature, Seed Span // numbers; empty: not given

	// Texts is made of the longer texts in the body but labels such as user, wherever they stand and in whatever order: calls
	// that differ in it do not ask the same, unless one writes its characters otherwise. 0: there are none.
	Texts uint64
}

// Usage is what the target reports about a call: what it used, and why the model stopped. A negative count means: not
// reported.
type Usage struct {
	Input, Output          int64
	Cached, Written        int64         // parts of Input: read from the provider's cache, and written to it
	Reasoning              int64         // part of Output
	Load, PromptEval, Eval time.Duration // Ollama's own figures; zero where not told
	Finish                 string        // why the model stopped, in the target's word (in OpenAI's where the answer was translated); several choices: parted by commas; empty: not told
	Failed                 bool          `json:"-"` // it ended a stream by a word of failure, which the caller gets
}

// NoUsage is what is known before a target has reported anything.
var NoUsage = Usage{Input: -1, Output: -1, Cached: -1, Written: -1, Reasoning: -1}

// Reply is what a target answered. Whoever gets one must Close it.
type Reply struct {
	Status   int
	Header   http.Header
	Length   int64 // of the whole body, -1 when unknown
	Stream   bool  // the body comes in events: flush each piece
	Body     Body
	Provider string
	Model    string // that answered
	Digest   string // of that model, where the target tells it
	Route    string // why this target
	// Translated says that the target was asked in other words than the caller's.
	Translated bool
}

// Waiting is the route of a reply whose caller is told that it takes a while: who is going to answer is not known. Its place is taken by
// the route of the answer, once there is one.
const Waiting = "waiting"

// Close ends the reply and frees what it held, the connection to the target too. It may be called more than once.
func (r *Reply) Close() {
	if r.Body != nil {
		r.Body.Close()
	}
}

// Body is an answer's bytes as they come. It is not safe for concurrent use.
type Body interface {
	// Next returns the next piece: whole events of a stream, or any part of another body. The bytes are valid until the
	// next call. At the honest end it returns io.EOF; where the answer broke off it returns an *Error, and the caller
	// must be told so in its own dialect.
	Next() ([]byte, error)
	// More reports whether a further piece is at hand already. Whoever passes pieces on over a connection may then wait
	// with flushing: a target that is faster than the caller costs fewer, larger writes.
	More() bool
	// Last reports whether the piece that Next gave last ends the answer, so that a caller who gets it has all of it.
	Last() bool
	// Usage is what the target reported; it is complete once Next has returned an error.
	Usage() Usage
	Close()
}

// Handler answers calls. The error it returns is always an *Error.
type Handler interface {
	Serve(ctx context.Context, r *Request) (*Reply, error)
}

// HandlerFunc is a function as a Handler.
type HandlerFunc func(ctx context.Context, r *Request) (*Reply, error)

// Serve calls f.
func (f HandlerFunc) Serve(ctx context.Context, r *Request) (*Reply, error) { return f(ctx, r) }

// Stage is a step of the journey: it does its part and hands on to next.
type Stage func(next Handler) Handler

// Chain puts stages in front of last, in the order in which a call meets them.
func Chain(last Handler, stages ...Stage) Handler {
	for i := len(stages) - 1; i >= 0; i-- {
		last = stages[i](last)
	}
	return last
}
