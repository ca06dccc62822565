package trace

import (
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	oteltrace "go.opentelemetry.io/otel/trace"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// TestASpanIsWhatOTLPSays: what is written here reads, by the protocol's own code, as what it was made of.
func TestASpanIsWhatOTLPSays(t *testing.T) {
	long := strings.Repeat("long ", 5_000) // lengths of one, two and three bytes
	about := []attribute.KeyValue{attribute.String("s", "text"), attribute.String("empty", ""), attribute.String("long", long), attribute.String("bad", "a\xffb"),
		attribute.Bool("b", true), attribute.Bool("no", false), attribute.Int64("i", -5), attribute.Float64("f", 0.25), attribute.StringSlice("l", []string{"stop", ""})}
	text := func(s string) *commonpb.AnyValue {
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
	}
	values := []*commonpb.AnyValue{text("text"), text(""), text(long), text("a\uFFFDb"),
		{Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}, {Value: &commonpb.AnyValue_BoolValue{}}, {Value: &commonpb.AnyValue_IntValue{IntValue: -5}}, {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.25}},
		{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{text("stop"), text("")}}}}}
	var attributes []*commonpb.KeyValue
	for i, v := range values {
		attributes = append(attributes, &commonpb.KeyValue{Key: string(about[i].Key), Value: v})
	}
	begin := time.Unix(1_700_000_000, 123)
	first := span{trace: oteltrace.TraceID{1, 2}, id: oteltrace.SpanID{3}, parent: oteltrace.SpanID{4}, remote: true, state: "a=b", name: "chat m", kind: kindServer,
		begin: begin, end: begin.Add(time.Second), about: about, failed: true}
	second := span{trace: oteltrace.TraceID{1, 2}, id: oteltrace.SpanID{5}, name: "x", kind: kindInternal, begin: begin, end: begin}
	want := &tracepb.TracesData{ResourceSpans: []*tracepb.ResourceSpans{{
		SchemaUrl: SchemaURL,
		Resource:  &resourcepb.Resource{Attributes: attributes[:1]},
		ScopeSpans: []*tracepb.ScopeSpans{{
			SchemaUrl: SchemaURL,
			Scope:     &commonpb.InstrumentationScope{Name: "corral", Version: "v1"},
			Spans: []*tracepb.Span{
				{TraceId: first.trace[:], SpanId: first.id[:], ParentSpanId: first.parent[:], TraceState: "a=b", Name: "chat m", Kind: tracepb.Span_SPAN_KIND_SERVER, Flags: 0x301,
					StartTimeUnixNano: 1_700_000_000_000_000_123, EndTimeUnixNano: 1_700_000_001_000_000_123, Attributes: attributes, Status: &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR}},
				{TraceId: second.trace[:], SpanId: second.id[:], Name: "x", Kind: tracepb.Span_SPAN_KIND_INTERNAL, Flags: 0x101,
					StartTimeUnixNano: 1_700_000_000_000_000_123, EndTimeUnixNano: 1_700_000_000_000_000_123},
			},
		}},
	}}}
	got := &tracepb.TracesData{}
	if err := proto.Unmarshal(traces(about[:1], "v1", second.append(first.append(nil, 2), 2)), got); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}
