// Package meter is the stage that wraps the rest of the journey and writes down what became of each call: its entry in the
// ledger, its metrics and its log line, refusals and broken streams included. A call is written down once, when its reply
// is closed, or, where the ledger is strict, before the caller gets the end of the answer.
//
// The surprise: what is hashed for the ledger are the bytes themselves as they came and went, so that whoever kept a copy
// can show it. A piece of an answer is hashed after it was handed on, not before.
package meter

import (
	"context"
	"io"
	"log/slog"
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
func (m *Meter) Refused(code string) { m.series.failed("listener", code) }

// Stage measures what next does.
func (m *Meter) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		rules := m.o.Rules()
		if rules.Refuse {
			if err := m.o.Ledger.Err(); err != nil {
				e := llm.Errorf(llm.Unrecorded, "ledger", err, "The ledger cannot be written, and no call goes by unrecorded (audit.on_failure: refuse). Free the disk, or ask the operator.")
				e.RetryAfter = 10 * time.Second
				m.series.failed(r.Endpoint.Name, e.Code())
				return nil, e
			}
		}
		m.inside.Add(1)
		c := &call{m: m, r: r, ctx: ctx, rules: rules}
		reply, err := next.Serve(ctx, r)
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
	if (c.rules.Keep || c.mayNotTell()) && len(c.kept) <= maxKept {
		if c.kept == nil && !c.rules.Keep { // else it becomes the ledger's
			c.lent = answers.Get().(*[]byte)
			c.kept = (*c.lent)[:0]
		}
		c.kept = append(c.kept, c.piece...)
	}
	c.piece = nil
}

// answers are buffers for streamed answers that may have to be counted.
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

// mayNotTell says that the target may leave the tokens of this answer untold, so that they have to be counted here.
func (c *call) mayNotTell() bool {
	return c.reply.Stream && c.r.Endpoint.Task == llm.Generate && c.r.Endpoint.Dialect == llm.OpenAI
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
	c.write()
	c.body.Close()
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
	if !c.rules.Strict && (len(c.r.Body) > largePrompt || o.uncounted) {
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
	if o.uncounted {
		if u, err := m.count.Usage(c.r.Body, c.kept); err == nil {
			o.usage.Input, o.usage.Output, o.estimated = u.Input, u.Output, true
		} else {
			m.o.Log.Warn("cannot count the tokens of a call", "request_id", c.r.ID, "cause", err)
		}
	}
	o.cost, o.baseline = record.Nano(0), record.Nano(0) // what no model answered costs nothing
	if t := c.r.Endpoint.Task; c.reply != nil && c.reply.Status < 300 && (t == llm.Generate || t == llm.Embed) {
		o.cost, o.baseline = m.o.Prices.Cost(c.r.Target, o.model, o.usage, o.took)
	}
	m.series.count(c.r, o)
	m.line(c.r, o)
	c.hash()
	if c.lent != nil && cap(c.kept) <= 256<<10 {
		*c.lent = c.kept[:0]
		answers.Put(c.lent)
	}
	entry := c.entry(o)
	c.commitPrompt(&entry)
	if !c.rules.Strict {
		return c.appended(m.o.Ledger.Append(entry))
	}
	// The caller may leave, but what was answered must be on record all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.ctx), 30*time.Second)
	defer cancel()
	return c.appended(m.o.Ledger.AppendStrict(ctx, entry))
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
	c.m.series.failed("ledger", "append")
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
	uncounted       bool // the target did not tell its tokens
	estimated       bool // they were counted here
}

func (c *call) outcome() *outcome {
	o := &outcome{provider: c.r.Target.Provider, usage: llm.NoUsage, took: time.Since(c.r.Start), err: c.err, bytes: c.bytes}
	if c.reply != nil {
		o.status, o.provider, o.model, o.route, o.digest = c.reply.Status, c.reply.Provider, c.reply.Model, c.reply.Route, c.reply.Digest
		o.usage, o.first, o.stream = c.body.Usage(), c.first, c.reply.Stream
	}
	if c.err != nil {
		o.status = c.err.Status()
	}
	o.uncounted = c.reply != nil && o.usage.Input < 0 && o.usage.Output < 0 && o.status < 300 && c.mayNotTell()
	return o
}

// entry is the call as the ledger keeps it.
func (c *call) entry(o *outcome) record.Entry {
	r := c.r
	e := record.Entry{
		Kind: record.Call, Time: r.Start, RequestID: r.ID, TraceID: traceID(r.Header.Get("Traceparent")),
		Caller: r.Caller.Key, User: r.Caller.User, App: r.Caller.App, Peer: r.Caller.Remote,
		Dialect: r.Endpoint.Dialect.String(), Operation: r.Endpoint.Name, ModelAsked: r.Model, ModelAnswered: o.model, ModelDigest: o.digest,
		Provider: o.provider, Route: o.route, Status: o.status, Duration: o.took, FirstToken: o.first,
		Tokens: record.Tokens{Input: o.usage.Input, Output: o.usage.Output, CachedInput: o.usage.Cached, Reasoning: o.usage.Reasoning, Estimated: o.estimated},
		Cost:   o.cost, Baseline: o.baseline, Left: r.Left, Attempts: r.Attempts,
	}
	if c.answer != nil {
		e.Answer = record.Text{Commitment: c.answer.Commitment()}
		if c.rules.Keep {
			e.Answer.Content = c.kept
		}
	}
	if o.stream {
		e.Flags |= record.Streamed
	}
	if o.estimated {
		e.Flags |= record.Estimated
	}
	if r.Left != "" {
		e.Flags |= record.LeftDevice
	}
	if r.Attempts > 1 {
		e.Flags |= record.Retried
	}
	switch {
	case strings.HasPrefix(o.route, "fallback:"):
		e.Flags |= record.Fallback
	case o.route == "static" || o.route == "similar":
		e.Flags |= record.LastResort
	}
	if o.err != nil {
		e.ErrorCode = o.err.Code()
		switch {
		case o.err.Kind == llm.Gone:
			e.Flags |= record.CallerLeft
		case c.reply != nil:
			e.Flags |= record.Broken
		case r.Attempts == 0:
			e.Flags |= record.Refused
		}
	}
	return e
}

// traceID is the trace's id in a traceparent header (W3C Trace Context, section 3.2), empty if there is none.
func traceID(parent string) string {
	if f := strings.Split(parent, "-"); len(f) >= 4 && len(f[1]) == 32 {
		return f[1]
	}
	return ""
}

// CallMessage is the message of a call's line in the log.
const CallMessage = "call"

// line is the call's line in the log.
func (m *Meter) line(r *llm.Request, o *outcome) {
	level := slog.LevelInfo
	if o.err != nil && o.err.Kind != llm.Gone && o.status >= 500 {
		level = slog.LevelWarn
	}
	ctx := context.Background()
	if !m.o.Log.Enabled(ctx, level) {
		return
	}
	attrs := make([]slog.Attr, 0, 20)
	attrs = append(attrs, slog.String("request_id", r.ID), slog.String("dialect", r.Endpoint.Dialect.String()), slog.String("endpoint", r.Endpoint.Name),
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
	attrs = append(attrs, slog.Int64("bytes", o.bytes))
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
