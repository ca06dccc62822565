// Package trace tells a collector of OpenTelemetry traces what became of each call: a span for the call, and beneath it one
// for each attempt at a target, each wait in a queue, the entry in the ledger, and whatever a stage marks (llm.Request.Mark).
//
// Attributes follow the OpenTelemetry semantic conventions of the version in SchemaURL, those for generative AI
// among them; what these have no word for is named corral.*. A text of a prompt or an answer is sent only where the config
// asks for it, and names of users never.
//
// To add a step, mark it in its stage; to add an attribute of a call or an attempt, see span.go. Off, as it is by default,
// all of this is one look at a pointer.
//
// The surprise: a call only writes down what happens (call.go, a microsecond or two); spans are made of that by the one goroutine
// that sends them (span.go, queue.go), and written as OTLP at once (encode.go). Of the SDK only the sampling, the propagation and
// the words are used: its spans cost five times as much to make and to encode, its batch processor does not say what it dropped,
// and its HTTP exporter brings all of gRPC along (6 MB of program, 4 MB of memory) and reads the environment behind the config's
// back.
package trace

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"

	"github.com/VictoriaMetrics/metrics"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	oteltrace "go.opentelemetry.io/otel/trace"

	"corral/daemon/llm"
)

// SchemaURL names the version of the semantic conventions that the spans follow: the last one that holds those for
// generative AI, before they moved to a repository of their own.
const SchemaURL = semconv.SchemaURL

// Options are what a Tracer needs to know.
type Options struct {
	Log     *slog.Logger
	Set     *metrics.Set
	Version string // of Corral
	// Servers are the providers in force, by name.
	Servers func() map[string]*Server
	Proxy   func(*http.Request) (*url.URL, error) // on the way to the collector; nil: none
}

// Rules are what the config says.
type Rules struct {
	URL     string                      // of the collector, with or without /v1/traces; empty: nothing is traced
	Headers func() (http.Header, error) // that the collector wants; nil: none
	Sample  float64                     // of the calls that are not part of a trace already, from 0 to 1; others go by their trace's own choice
	Content bool                        // prompts and answers too
}

// Tracer is the stage, and what brings its spans to the collector.
type Tracer struct {
	o        Options
	resource []attribute.KeyValue
	live     atomic.Pointer[pipeline] // nil: off

	mu    sync.Mutex // guards what follows
	queue *queue     // nil until something is traced
}

// pipeline records calls by one set of rules.
type pipeline struct {
	sampler sdktrace.Sampler
	content bool
	queue   *queue
}

// New makes a Tracer that is off. Close must be called.
func New(o Options) *Tracer {
	var id [8]byte
	rand.Read(id[:])
	about := []attribute.KeyValue{semconv.ServiceName("corral"), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(hex.EncodeToString(id[:])),
		semconv.TelemetrySDKName("opentelemetry"), semconv.TelemetrySDKLanguageGo, semconv.TelemetrySDKVersion(otel.Version())}
	if name, err := os.Hostname(); err == nil {
		about = append(about, semconv.HostName(name))
	}
	return &Tracer{o: o, resource: about}
}

// Set puts r in force for calls to come. Calls under way end as they began; what waits goes to the new place.
func (t *Tracer) Set(r Rules) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.URL == "" {
		t.live.Store(nil)
		return
	}
	if t.queue == nil {
		t.queue = newQueue(t.o, t.resource)
	}
	if old := t.queue.to.Swap(newUpload(t.o, r)); old != nil {
		old.close()
	}
	t.live.Store(&pipeline{sampler: sdktrace.ParentBased(sdktrace.TraceIDRatioBased(r.Sample)), content: r.Content, queue: t.queue})
}

// Close sends what waits, for a few seconds at most. No calls may come any more.
func (t *Tracer) Close() {
	t.live.Store(nil)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.queue != nil {
		t.queue.close()
		t.queue = nil
	}
}

// Stage gives each call its trace: the caller's, where it came with one (W3C Trace Context), or a new one.
func (t *Tracer) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		x := t.live.Load()
		if x == nil && r.Header["Traceparent"] == nil {
			return next.Serve(ctx, r)
		}
		parent := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(r.Header))
		if x == nil {
			if known := oteltrace.SpanContextFromContext(parent); known.IsValid() {
				r.TraceID = known.TraceID().String()
			}
			return next.Serve(ctx, r)
		}
		x.begin(parent, r)
		return next.Serve(ctx, r)
	})
}
