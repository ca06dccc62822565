// Package meter is the stage that wraps the rest of the journey and writes down what became of each call: its entry in the
// ledger, its metrics and its log line, refusals and broken streams included. A call is written down once, when its reply
// is closed, or, where the ledger is strict, before the caller gets the end of the answer.
//
// The surprise: what is hashed for the ledger are the bytes themselves as they came and went, so that whoever kept a copy
// can show it. A piece of an answer is hashed after it was handed on, not before.
package meter

import (
	"cmp"
	"context"
	"encoding/hex"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/llm"
	"corral/daemon/tokens"
	"corral/store/ledger/record"
)

// Ledger is where entries go (store/ledger).
type Ledger interface {
	Append(record.Entry) error
	AppendStrict(context.Context, record.Entry) error
	Err() error
}

// Rules are what the config says about the ledger.
type Rules struct {
	Strict bool // the end of an answer waits until its entry is on disk
	Refuse bool // no call is answered while the ledger cannot be written
	Keep   bool // texts are kept, sealed, and not their commitments only
}

// Prices tells what a call cost, and what the same tokens would have cost at the model that savings are reckoned by.
type Prices interface {
	Cost(t llm.Target, model string, u llm.Usage, took time.Duration) (cost, baseline record.Money)
}

// Options are what a Meter writes to.
type Options struct {
	Log    *slog.Logger
	Set    *metrics.Set
	Ledger Ledger
	Prices Prices
	Rules  func() Rules
	// Ended is told of each call that is over, and how many others go on. It must be quick; nil: nobody listens.
	Ended func(r *llm.Request, e record.Entry, others int64)
}

// Meter is the stage.
type Meter struct {
	o      Options
	inside atomic.Int64
	series *series
	count  tokens.Counter
	later  chan struct{} // a place for each call that is being written down after its end
	wg     sync.WaitGroup
}

const (
	largePrompt = 64 << 10 // bytes: hashing more takes longer than the caller's next call should wait
	maxLater    = 8        // calls that are written down after their end at the same time; more are written down at once
)

// New makes a Meter.
func New(o Options) *Meter {
	m := &Meter{o: o, series: newSeries(o.Set), later: make(chan struct{}, maxLater)}
	o.Set.NewGauge("corral_calls_in_flight", func() float64 { return float64(m.inside.Load()) })
	return m
}

// Close waits until all calls are written down. No new ones may come.
func (m *Meter) Close() { m.wg.Wait() }

// Refused counts a call that the listener turned away before it became one.
func (m *Meter) Refused(code string) { m.series.turnedAway("listener", code) }

// Stage measures what next does.
func (m *Meter) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		rules := m.o.Rules()
		if rules.Refuse {
			if err := m.o.Ledger.Err(); err != nil {
				e := llm.Errorf(llm.Unrecorded, "ledger", err, "The ledger cannot be written, and no call goes by unrecorded (audit.on_failure: refuse). Free the disk, or ask the operator.")
				e.RetryAfter = 10 * time.Second
				m.series.turnedAway(r.Endpoint.Name, e.Code())
				if r.Trace != nil {
					r.Trace.End(&llm.Outcome{Status: e.Status(), Usage: llm.NoUsage, Err: e})
				}
				return nil, e
			}
		}
		m.inside.Add(1)
		c := &call{m: m, r: r, ctx: ctx, rules: rules, texts: r.Trace != nil && r.Trace.Texts()}
		returned := false
		defer func() {
			if !returned { // a stage panicked; the gateway says so to the caller and to the log
				c.err = &llm.Error{Kind: llm.Internal, Message: "A stage panicked; the log has the cause under this request id."}
				c.write()
			}
		}()
		reply, err := next.Serve(ctx, r)
		returned = true
		if err != nil {
			c.err = llm.AsError(err)
			if werr := c.write(); werr != nil {
				return nil, werr
			}
			return nil, err
		}
		c.reply, c.body, c.first = reply, reply.Body, time.Since(r.Start)
		reply.Body = c
		return reply, nil
	})
}

// call is one call under observation, and its reply's body.
type call struct {
	m     *Meter
	r     *llm.Request
	ctx   context.Context
	rules Rules
	texts bool // the call's trace wants the answer's text
	reply *llm.Reply
	body  llm.Body
	first time.Duration // until the first content, or the whole of an answer that is not streamed

	piece   []byte // given last and not yet taken down; valid until the next call of body.Next
	pending []byte // small pieces that are not hashed yet
	answer  *record.Committer
	kept    []byte  // the answer, where texts are kept or may have to be counted
	lent    *[]byte // where kept came from, if it has to go back there
	bytes   int64
	ended   bool // Next has given an error or the last piece
	err     *llm.Error
	written bool
}

// maxKept bounds what is held of an answer whose text the ledger keeps, in bytes. The ledger marks what was cut.
const maxKept = 4 << 20

func (c *call) Next() ([]byte, error) {
	c.takeDown()
	p, err := c.body.Next()
	if err != nil {
		c.ended = true
		if err != io.EOF {
			c.err = llm.AsError(err)
		}
		if c.rules.Strict {
			if werr := c.write(); werr != nil && err == io.EOF {
				return nil, werr
			}
		}
		return nil, err
	}
	c.piece = p
	c.bytes += int64(len(p))
	if c.body.Last() {
		c.ended = true
		if c.rules.Strict {
			c.takeDown()
			if err := c.write(); err != nil {
				return nil, err
			}
		}
	}
	return p, nil
}

// takeDown hashes, and where texts are kept keeps, the piece that was handed on last.
func (c *call) takeDown() {
	if len(c.piece) == 0 {
		return
	}
	// Small pieces are hashed together: each call of the hash costs more than a token's bytes do.
	if len(c.piece) < hashTogether/4 {
		if c.pending = append(c.pending, c.piece...); len(c.pending) >= hashTogether {
			c.hash()
		}
	} else {
		c.hash()
		c.commitTo().Write(c.piece)
	}
	if (c.rules.Keep || c.texts || c.mayCount()) && len(c.kept) <= maxKept {
		if c.kept == nil && !c.rules.Keep { // else it becomes the ledger's
			c.lent = answers.Get().(*[]byte)
			c.kept = (*c.lent)[:0]
		}
		c.kept = append(c.kept, c.piece...)
	}
	c.piece = nil
}

// answers are buffers for answers that may have to be counted.
var answers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

const hashTogether = 4 << 10 // bytes

func (c *call) commitTo() *record.Committer {
	if c.answer == nil {
		c.answer = record.NewCommitter()
	}
	return c.answer
}

// hash takes the small pieces that have gathered into the answer's commitment.
func (c *call) hash() {
	if len(c.pending) > 0 {
		c.commitTo().Write(c.pending)
		c.pending = c.pending[:0]
	}
}

// mayCount says that the tokens of this answer may have to be counted here. Of a stream that is known at its end only, for it
// may break off; of an answer that comes whole as soon as its usage is read.
func (c *call) mayCount() bool {
	if c.r.Endpoint.Task != llm.Generate {
		return false
	}
	if c.reply.Stream {
		return true
	}
	u := c.body.Usage()
	return u.Input < 0 || u.Output < 0
}

func (c *call) More() bool       { return c.body.More() }
func (c *call) Last() bool       { return c.body.Last() }
func (c *call) Usage() llm.Usage { return c.body.Usage() }

func (c *call) Close() {
	if c.body == nil {
		return
	}
	c.takeDown()
	if !c.ended && c.err == nil && c.r.Method != "HEAD" {
		if c.err = llm.Ended(c.ctx); c.err == nil {
			c.err = &llm.Error{Kind: llm.Gone, Message: "The caller closed the connection."}
		}
	}
	c.body.Close() // now it is known whether this call pays for an answer that several got
	c.write()
	c.body = nil
}

// write writes the call down, once. An error says that the ledger would not take it and that the config wants the call
// refused then.
func (c *call) write() error {
	if c.written {
		return nil
	}
	c.written = true
	m := c.m
	m.inside.Add(-1)
	o := c.outcome()
	if !c.rules.Strict && (len(c.r.Body) > largePrompt || o.uncounted.any()) {
		select {
		case m.later <- struct{}{}:
			release := c.r.Release
			c.r.Release = nil // the body is looked at until then
			m.wg.Go(func() {
				defer func() { <-m.later }()
				c.settle(o)
				if release != nil {
					release()
				}
			})
			return nil
		default:
		}
	}
	return c.settle(o)
}

// settle counts what the target did not, and writes the call down.
func (c *call) settle(o *outcome) error {
	m := c.m
	c.located()
	if o.uncounted.any() {
		if err := c.count(o); err != nil {
			m.o.Log.Warn("cannot count the tokens of a call", "request_id", c.r.ID, "cause", err)
		}
	}
	o.cost, o.baseline = record.Nano(0), record.Nano(0) // what no model answered costs nothing
	if c.costs() {
		from, model := c.r.Target, o.model
		if !c.began() {
			from = c.r.AskedOf
			model = cmp.Or(from.Model, c.r.Model)
		}
		o.cost, o.baseline = m.o.Prices.Cost(from, model, o.usage, o.took)
		if c.r.Reuse.Free {
			if o.cost.Known && o.cost.Nano > 0 {
				o.baseline = o.cost // what is saved is what it cost the first time
			}
			o.cost = record.Nano(0)
		}
	} else if c.reply != nil && c.reply.Status < 300 && c.r.Left != "" && c.r.Unknown() {
		o.cost = record.Money{} // whoever is paid there may know
	}
	m.series.count(c.r, o)
	began := time.Since(c.r.Start)
	c.hash()
	entry := c.entry(o)
	m.series.judged(entry.Verdict)
	c.commitPrompt(&entry)
	m.line(c.r, o, &entry)
	if m.o.Ended != nil {
		m.o.Ended(c.r, entry, m.inside.Load())
	}
	err := c.appended(c.commit(entry))
	m.series.timed(c.r, o, time.Since(c.r.Start)-began)
	c.trace(o, err)
	if c.lent != nil && cap(c.kept) <= 256<<10 {
		*c.lent = c.kept[:0]
		answers.Put(c.lent)
	}
	return err
}

// located puts right what the plan said of where the text went, which may have been old: a server on this device that passes calls on has
// the last word.
func (c *call) located() {
	r := c.r
	if own := placed(&r.Tries); own {
		for _, t := range r.Tries {
			for _, x := range []*llm.Target{&r.AskedOf, &r.Target} {
				if x.Provider == t.Target.Provider && x.Model == t.Target.Model {
					x.Away = t.Target.Away
				}
			}
		}
	} else if !placed(&r.Shared) {
		return
	}
	r.Left = ""
	for _, t := range slices.Concat(r.Shared, r.Tries) {
		if t.Sent && t.Target.Away != "" {
			r.Left = t.Target.Away
		}
	}
}

// placed has each try say where its text went; false: nothing is known that was not before. Others may read what tries was.
func placed(tries *[]llm.Try) bool {
	if !slices.ContainsFunc(*tries, func(t llm.Try) bool { return t.Where != nil }) {
		return false
	}
	*tries = slices.Clone(*tries)
	for i := range *tries {
		t := &(*tries)[i]
		if t.Where != nil && t.Sent {
			if host, known := t.Where(); known {
				t.Target.Away = host
			}
		}
		t.Where = nil // it holds on to much
	}
	return true
}

// costs says that a model worked for this call: it answered, or began to, or was still at it when its caller left or its time
// was up. A provider is paid for that too, by what it can have read at the least.
func (c *call) costs() bool {
	switch c.r.Endpoint.Task {
	case llm.Generate, llm.Embed:
	default:
		return false
	}
	if c.r.LastResort && !c.r.Reuse.Free {
		return false // a sentence
	}
	if c.began() {
		return c.reply.Status < 300
	}
	return c.r.Attempts > 0 && c.err != nil && (c.err.Kind == llm.Gone || c.err.Kind == llm.Timeout)
}

// began says that somebody has answered. A caller may have been told to wait before that.
func (c *call) began() bool { return c.reply != nil && c.reply.Route != llm.Waiting }

// untold is which of a call's tokens its target did not tell.
type untold struct{ input, output bool }

func (u untold) any() bool { return u.input || u.output }

// untold looks at what u leaves to be counted here. Where an answer broke off, or its caller left, the target had no time to
// tell how long it was; Anthropic's has named a first number by then, which says nothing of the rest.
func (c *call) untold(u llm.Usage) untold {
	if !c.costs() || c.r.LastResort {
		return untold{}
	}
	return untold{u.Input < 0, c.r.Endpoint.Task == llm.Generate && (u.Output < 0 || c.err != nil)}
}

// count counts what is untold: of a prompt all, of an answer what has come. What the target told already is not made less.
func (c *call) count(o *outcome) error {
	if o.uncounted.input {
		n, err := c.m.count.Text(tokens.Prompt(c.r.Body))
		if err != nil {
			return err
		}
		o.usage.Input, o.estimated = n, true
	}
	if o.uncounted.output {
		n, err := c.m.count.Text(tokens.Answer(c.kept))
		if err != nil {
			return err
		}
		if n > o.usage.Output {
			o.usage.Output, o.estimated = n, true
		}
	}
	return nil
}

// commit gives e to the ledger, and where that is strict waits until it is on disk.
func (c *call) commit(e record.Entry) (err error) {
	step := c.r.Mark("ledger commit")
	if c.rules.Strict {
		// The caller may leave, but what was answered must be on record all the same.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 30*time.Second)
		defer cancel()
		err = c.m.o.Ledger.AppendStrict(ctx, e)
	} else {
		err = c.m.o.Ledger.Append(e)
	}
	if err != nil {
		step.End(&llm.Error{Kind: llm.Unrecorded, Err: err})
		return err
	}
	step.End(nil)
	return nil
}

// trace tells the call's trace how it ended; withheld is why the caller does not get the answer after all.
func (c *call) trace(o *outcome, withheld error) {
	if c.r.Trace == nil {
		return
	}
	end := llm.Outcome{Status: o.status, Provider: o.provider, Model: o.model, Route: o.route, Stream: o.stream, First: o.first, Usage: o.usage,
		Counted: o.estimated, NanoUSD: o.cost.Nano, Priced: o.cost.Known, Answer: c.kept, Err: o.err}
	switch {
	case c.reply != nil:
		end.Status = c.reply.Status // which the caller has got, whatever came after it
	case o.err.Kind == llm.Gone:
		end.Status = 0
	}
	if withheld != nil {
		end.Err = llm.AsError(withheld)
	}
	c.r.Trace.End(&end)
}

// commitPrompt binds the entry to the prompt.
func (c *call) commitPrompt(e *record.Entry) {
	if len(c.r.Body) == 0 {
		return
	}
	e.Prompt.Commitment = record.Commit(c.r.Body)
	if c.rules.Keep {
		e.Prompt.Content = append([]byte(nil), c.r.Body...)
	}
}

// appended turns what the ledger said into what the caller hears, if that matters.
func (c *call) appended(err error) error {
	if err == nil {
		return nil
	}
	c.m.series.turnedAway("ledger", "append")
	if !c.rules.Refuse && !c.rules.Strict {
		return nil
	}
	return llm.Errorf(llm.Unrecorded, "ledger", err, "The ledger cannot be written, so this answer was withheld. Free the disk, or ask the operator.")
}

// outcome is what became of a call.
type outcome struct {
	status          int
	provider, model string
	route, digest   string
	err             *llm.Error
	usage           llm.Usage
	took, first     time.Duration
	bytes           int64
	stream          bool
	cost, baseline  record.Money
	answered        bool // the caller got an answer, or its beginning
	uncounted       untold
	estimated       bool // some of its tokens were counted here
}

func (c *call) outcome() *outcome {
	o := &outcome{provider: cmp.Or(c.r.AskedOf.Provider, c.r.Target.Provider), usage: llm.NoUsage, took: time.Since(c.r.Start), err: c.err, bytes: c.bytes}
	if c.reply != nil {
		o.status, o.route = c.reply.Status, c.reply.Route
		if c.began() {
			o.provider, o.model, o.digest = c.reply.Provider, c.reply.Model, c.reply.Digest
		}
		o.usage, o.first, o.stream, o.answered = c.body.Usage(), c.first, c.reply.Stream, true
	}
	if c.err != nil {
		o.status = c.err.Status()
	}
	o.uncounted = c.untold(o.usage)
	return o
}

// entry is the call as the ledger keeps it.
func (c *call) entry(o *outcome) record.Entry {
	r := c.r
	e := record.Entry{
		Kind: record.Call, Time: r.Start, RequestID: r.ID, TraceID: r.TraceID,
		Caller: r.Caller.Key, User: r.Caller.User, App: r.Caller.App, Peer: r.Caller.Remote,
		Dialect: r.Endpoint.Dialect.String(), Operation: r.Endpoint.Name, ModelAsked: r.Model, ModelAnswered: o.model, ModelDigest: o.digest,
		Provider: o.provider, Route: o.route, Status: o.status, Duration: o.took, FirstToken: o.first,
		Tokens: record.Tokens{Input: o.usage.Input, Output: o.usage.Output, CachedInput: o.usage.Cached, Reasoning: o.usage.Reasoning, Estimated: o.estimated},
		Cost:   o.cost, Baseline: o.baseline, Left: r.Left, Attempts: r.Attempts, Queued: r.Queued, Verdict: c.verdict(o),
	}
	if c.answer != nil {
		e.Answer = record.Text{Commitment: c.answer.Commitment()}
		if c.rules.Keep {
			e.Answer.Content = c.kept
		}
	}
	guarded(&e, r)
	if o.stream {
		e.Flags |= record.Streamed
	}
	if o.estimated {
		e.Flags |= record.Estimated
	}
	if r.Reuse.Free && c.reply != nil {
		e.Flags |= record.CacheHit
	}
	if r.Left != "" {
		e.Flags |= record.LeftDevice
	}
	if r.Attempts > 1 {
		e.Flags |= record.Retried
	}
	if r.OverBudget {
		e.Flags |= record.OverBudget
	}
	switch {
	case strings.HasPrefix(o.route, "fallback:"):
		e.Flags |= record.Fallback
	case r.LastResort:
		e.Flags |= record.LastResort
	}
	if o.err != nil {
		e.ErrorCode = o.err.Code()
		switch {
		case o.err.Kind == llm.Gone:
			e.Flags |= record.CallerLeft
		case c.reply != nil:
			e.Flags |= record.Broken
		case r.Attempts == 0 && !r.Reuse.Free: // else it waited for another's, which was asked of a target
			e.Flags |= record.Refused
		}
	}
	return e
}

// CallMessage is the message of a call's line in the log.
const CallMessage = "call"

// line is the call's line in the log. The prompt's hash and the trace are those of its entry e, so that the two can be joined.
func (m *Meter) line(r *llm.Request, o *outcome, e *record.Entry) {
	level := slog.LevelInfo
	if o.err != nil && o.err.Kind != llm.Gone && o.status >= 500 {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !m.o.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 24)
	attrs = append(attrs, slog.String("request_id", r.ID))
	if e.TraceID != "" {
		attrs = append(attrs, slog.String("trace_id", e.TraceID))
	}
	attrs = append(attrs, slog.String("dialect", r.Endpoint.Dialect.String()), slog.String("endpoint", r.Endpoint.Name),
		slog.String("model", r.Model), slog.String("provider", o.provider))
	if o.model != "" && o.model != r.Model {
		attrs = append(attrs, slog.String("target_model", o.model))
	}
	attrs = append(attrs, slog.Int("status", o.status), slog.Float64("ms", ms(o.took)))
	if o.stream {
		attrs = append(attrs, slog.Float64("first_ms", ms(o.first)))
	}
	if o.usage.Input >= 0 {
		attrs = append(attrs, slog.Int64("tokens_in", o.usage.Input))
	}
	if o.usage.Output >= 0 {
		attrs = append(attrs, slog.Int64("tokens_out", o.usage.Output))
	}
	if o.estimated {
		attrs = append(attrs, slog.Bool("tokens_estimated", true))
	}
	if o.cost.Known {
		attrs = append(attrs, slog.Float64("cost_usd", float64(o.cost.Nano)/1e9)) // to be read; the ledger has the integer
	}
	attrs = append(attrs, slog.Int64("bytes", o.bytes))
	if sum := &e.Prompt.Commitment.Sum; len(r.Body) > 0 {
		attrs = append(attrs, slog.String("prompt_sha256", hex.EncodeToString(sum[:])))
	}
	if len(e.Findings) > 0 {
		attrs = append(attrs, slog.String("guard", seen(e)))
	}
	if r.Caller.KeyName != "" {
		attrs = append(attrs, slog.String("key", r.Caller.KeyName))
	}
	if r.Caller.App != "" {
		attrs = append(attrs, slog.String("app", r.Caller.App))
	}
	if r.Caller.User != "" {
		attrs = append(attrs, slog.String("user", r.Caller.User))
	}
	if o.err != nil {
		attrs = append(attrs, slog.String("code", o.err.Code()), slog.String("error", o.err.Message))
		if o.err.Err != nil {
			attrs = append(attrs, slog.String("cause", o.err.Err.Error()))
		}
	}
	m.o.Log.LogAttrs(ctx, level, CallMessage, attrs...)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
