package trace

import (
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"

	"corral/daemon/llm"
)

// spanMaker makes spans of calls that are over. One goroutine uses it.
type spanMaker struct {
	servers  func() map[string]*Server
	version  string
	resource []attribute.KeyValue
	about    []attribute.KeyValue // room for those of one span
	spans    []byte               // room for those of a batch
}

// of is the body that tells a collector of calls.
func (m *spanMaker) of(calls []*call) []byte {
	m.spans = m.spans[:0]
	for _, c := range calls {
		m.call(c)
	}
	return traces(m.resource, m.version, m.spans)
}

// add writes one span of c.
func (m *spanMaker) add(c *call, s span) {
	s.trace, s.state = c.id.TraceID(), c.parent.TraceState().String()
	m.spans = s.append(m.spans, 2)
}

func (m *spanMaker) call(c *call) {
	e := &c.end
	for _, s := range c.steps {
		if s.attempt {
			m.attempt(c, s)
		} else {
			m.add(c, s.span(c, s.name, kindInternal, s.notes))
		}
	}
	err := e.out.Err
	failed := err != nil && err.Kind != llm.Gone && (e.out.Status < 400 || e.out.Status >= 500) || err == nil && e.out.Status >= 500
	m.add(c, span{id: c.id.SpanID(), parent: c.parent.SpanID(), remote: c.parent.IsValid(), name: nameOf(e, c.operation, e.model), kind: kindServer,
		begin: e.began, end: e.at, about: m.ofCall(c), failed: failed})
}

// ofCall are the attributes of a call's span.
func (m *spanMaker) ofCall(c *call) []attribute.KeyValue {
	e, o := &c.end, &c.end.out
	about := append(m.about[:0], semconv.HTTPRoute(e.endpoint.Pattern), semconv.URLPath(e.path), semconv.URLScheme("http"),
		attribute.String("corral.request_id", e.request), attribute.Int("corral.attempts", e.attempts))
	about = asked(about, c, e.model, o.Stream)
	if o.Status > 0 {
		about = append(about, semconv.HTTPResponseStatusCode(o.Status))
	}
	if s := m.servers()[o.Provider]; s != nil {
		about = append(about, s.about[:min(len(s.about), 2)]...) // its address stands with the attempt
	} else if o.Provider != "" {
		about = append(about, attribute.String("corral.provider", o.Provider), semconv.GenAIProviderNameKey.String(o.Provider)) // Corral itself
	}
	if c.operation != "" {
		first := o.First
		if !o.Stream {
			first = 0
		}
		about = answered(about, o.Status, o.Model, first, &o.Usage)
	}
	for _, text := range [...]struct {
		key attribute.Key
		is  string
	}{
		{"corral.route", o.Route}, {"corral.key", e.key}, {"corral.app", e.app}, {"corral.left_device", e.left},
		{semconv.GenAISystemInstructionsKey, e.system}, {semconv.GenAIInputMessagesKey, e.asked}, {semconv.GenAIOutputMessagesKey, e.answered},
	} {
		if text.is != "" {
			about = append(about, text.key.String(text.is))
		}
	}
	if o.Counted {
		about = append(about, attribute.Bool("corral.tokens_estimated", true))
	}
	if o.Priced {
		about = append(about, attribute.Int64("corral.cost_nano_usd", o.NanoUSD))
	}
	if o.Err != nil {
		about = append(about, semconv.ErrorTypeKey.String(o.Err.Code()))
	} else if o.Status >= 500 {
		about = append(about, semconv.ErrorTypeKey.String(strconv.Itoa(o.Status)))
	}
	m.about = about
	return about
}

func (m *spanMaker) attempt(c *call, s *step) {
	about := m.about[:0]
	if server := m.servers()[s.provider]; server != nil {
		about = append(about, server.about...)
	}
	about = asked(about, c, s.asked, s.stream)
	if s.why.Resend > 0 {
		about = append(about, semconv.HTTPRequestResendCount(s.why.Resend))
	}
	if s.why.Retry != "" {
		about = append(about, attribute.String("corral.retry.cause", s.why.Retry))
	}
	if s.why.Fallback != "" {
		about = append(about, attribute.String("corral.fallback.cause", s.why.Fallback))
	}
	if s.status > 0 {
		about = append(about, semconv.HTTPResponseStatusCode(s.status))
	}
	if c.operation != "" {
		about = answered(about, s.status, s.model, s.first, &s.usage)
	}
	if s.err == nil && s.status >= 400 {
		about = append(about, semconv.ErrorTypeKey.String(strconv.Itoa(s.status)))
	}
	m.about = about
	of := s.span(c, nameOf(&c.end, c.operation, s.asked), kindClient, about)
	of.failed = of.failed || s.err == nil && s.status >= 400
	m.add(c, of)
}

// span is a step's span beneath the call's. That a caller leaves is nobody's failure.
func (s *step) span(c *call, name string, kind spanKind, about []attribute.KeyValue) span {
	if s.err != nil {
		about = append(about, semconv.ErrorTypeKey.String(s.err.Code()))
	}
	return span{id: s.id, parent: c.id.SpanID(), name: name, kind: kind, begin: s.began, end: s.end, about: about, failed: s.err != nil && s.err.Kind != llm.Gone}
}

// asked is what both a call and an attempt are told to be.
func asked(about []attribute.KeyValue, c *call, model string, stream bool) []attribute.KeyValue {
	about = append(about, semconv.HTTPRequestMethodKey.String(c.end.method))
	if c.operation == "" {
		return about
	}
	about = append(about, semconv.GenAIOperationNameKey.String(c.operation))
	if model != "" {
		about = append(about, semconv.GenAIRequestModel(model))
	}
	if stream {
		about = append(about, semconv.GenAIRequestStream(true))
	}
	return about
}

// answered is what a model's answer told.
func answered(about []attribute.KeyValue, status int, model string, first time.Duration, u *llm.Usage) []attribute.KeyValue {
	if model != "" && status < 400 {
		about = append(about, semconv.GenAIResponseModel(model))
	}
	if first > 0 {
		about = append(about, semconv.GenAIResponseTimeToFirstChunk(first.Seconds()))
	}
	if u.Finish != "" {
		about = append(about, semconv.GenAIResponseFinishReasons(strings.Split(u.Finish, ",")...))
	}
	for _, n := range [...]struct {
		key attribute.Key
		is  int64
	}{
		{semconv.GenAIUsageInputTokensKey, u.Input}, {semconv.GenAIUsageOutputTokensKey, u.Output}, {semconv.GenAIUsageCacheReadInputTokensKey, u.Cached},
		{semconv.GenAIUsageCacheCreationInputTokensKey, u.Written}, {semconv.GenAIUsageReasoningOutputTokensKey, u.Reasoning},
	} {
		if n.is >= 0 {
			about = append(about, n.key.Int64(n.is))
		}
	}
	return about
}
