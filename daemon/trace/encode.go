package trace

import (
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// Spans are written in OTLP's binary form as they are made: the SDK's spans, the exporter's copy of them, and its encoder take
// five times as long, which on a small machine is time that calls wait for. The members' numbers are those of
// https://github.com/open-telemetry/opentelemetry-proto (trace/v1/trace.proto, common/v1/common.proto, resource/v1/resource.proto).

// spanKind is Span.SpanKind.
type spanKind uint64

const (
	kindInternal spanKind = 1
	kindServer   spanKind = 2
	kindClient   spanKind = 3
)

// span is one span, ready to be written.
type span struct {
	trace      oteltrace.TraceID
	id, parent oteltrace.SpanID // parent: zero for none
	remote     bool             // the parent is another program's
	state      string           // tracestate
	name       string
	kind       spanKind
	begin, end time.Time
	about      []attribute.KeyValue
	failed     bool
}

// append writes s as member number of a message.
func (s *span) append(b []byte, number protowire.Number) []byte {
	return appendMessage(b, number, func(b []byte) []byte {
		b = appendBytes(b, 1, s.trace[:])
		b = appendBytes(b, 2, s.id[:])
		b = appendText(b, 3, s.state)
		if s.parent.IsValid() {
			b = appendBytes(b, 4, s.parent[:])
		}
		b = appendText(b, 5, s.name)
		b = appendNumber(b, 6, uint64(s.kind))
		b = protowire.AppendFixed64(protowire.AppendTag(b, 7, protowire.Fixed64Type), uint64(s.begin.UnixNano()))
		b = protowire.AppendFixed64(protowire.AppendTag(b, 8, protowire.Fixed64Type), uint64(s.end.UnixNano()))
		b = appendAttributes(b, 9, s.about)
		if s.failed {
			b = appendMessage(b, 15, func(b []byte) []byte { return appendNumber(b, 3, 2) }) // STATUS_CODE_ERROR
		}
		flags := uint32(oteltrace.FlagsSampled) | 0x100 // it is known whether the parent is remote
		if s.remote {
			flags |= 0x200
		}
		return protowire.AppendFixed32(protowire.AppendTag(b, 16, protowire.Fixed32Type), flags)
	})
}

// traces is a TracesData: spans, each a member 2 already, of one resource and one scope.
func traces(resource []attribute.KeyValue, version string, spans []byte) []byte {
	b := make([]byte, 0, len(spans)+1024)
	return appendMessage(b, 1, func(b []byte) []byte {
		b = appendMessage(b, 1, func(b []byte) []byte { return appendAttributes(b, 1, resource) })
		b = appendMessage(b, 2, func(b []byte) []byte {
			b = appendMessage(b, 1, func(b []byte) []byte { return appendText(appendText(b, 1, "corral"), 2, version) })
			b = append(b, spans...)
			return appendText(b, 3, SchemaURL)
		})
		return appendText(b, 3, SchemaURL)
	})
}

func appendAttributes(b []byte, number protowire.Number, about []attribute.KeyValue) []byte {
	for i := range about {
		a := &about[i]
		b = appendMessage(b, number, func(b []byte) []byte {
			b = appendText(b, 1, string(a.Key))
			return appendMessage(b, 2, func(b []byte) []byte { return appendValue(b, a.Value) })
		})
	}
	return b
}

// appendValue writes the one member of an AnyValue. A value that is empty is written too: it says of which kind it is.
func appendValue(b []byte, v attribute.Value) []byte {
	switch v.Type() {
	case attribute.STRING:
		return appendString(b, 1, v.AsString())
	case attribute.BOOL:
		return protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), protowire.EncodeBool(v.AsBool()))
	case attribute.INT64:
		return protowire.AppendVarint(protowire.AppendTag(b, 3, protowire.VarintType), uint64(v.AsInt64()))
	case attribute.FLOAT64:
		return protowire.AppendFixed64(protowire.AppendTag(b, 4, protowire.Fixed64Type), math.Float64bits(v.AsFloat64()))
	case attribute.STRINGSLICE:
		return appendMessage(b, 5, func(b []byte) []byte {
			for _, s := range v.AsStringSlice() {
				b = appendMessage(b, 1, func(b []byte) []byte { return appendString(b, 1, s) })
			}
			return b
		})
	}
	return appendString(b, 1, v.String())
}

// appendMessage writes what write appends as member number.
func appendMessage(b []byte, number protowire.Number, write func([]byte) []byte) []byte {
	b = protowire.AppendTag(b, number, protowire.BytesType)
	at := len(b)
	b = write(append(b, 0)) // a length of one byte; where it is longer, what was written moves on
	n := len(b) - at - 1
	if more := protowire.SizeVarint(uint64(n)) - 1; more > 0 {
		b = append(b, make([]byte, more)...)
		copy(b[at+1+more:], b[at+1:at+1+n])
	}
	protowire.AppendVarint(b[:at], uint64(n))
	return b
}

func appendBytes(b []byte, number protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
}

func appendNumber(b []byte, number protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, number, protowire.VarintType), n)
}

// appendText writes s, unless it is empty.
func appendText(b []byte, number protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return appendString(b, number, s)
}

// appendString writes s, of which a collector would refuse what is not UTF-8, and all that came with it.
func appendString(b []byte, number protowire.Number, s string) []byte {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	return protowire.AppendString(protowire.AppendTag(b, number, protowire.BytesType), s)
}
