package trace_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/klauspost/compress/gzip"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"corral/daemon/llm"
	"corral/daemon/trace"
)

// watched is a Tracer with what it says.
type watched struct {
	*trace.Tracer
	set *metrics.Set
	mu  sync.Mutex
	buf bytes.Buffer
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.Write(p)
}

func (w *watched) log() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

func newTracer(t *testing.T) *watched {
	w := &watched{set: metrics.NewSet()}
	servers := map[string]*trace.Server{"local": trace.NewServer("local", "ollama", "http://127.0.0.1:11434")}
	w.Tracer = trace.New(trace.Options{Log: slog.New(slog.NewTextHandler(w, nil)), Set: w.set, Version: "test", Servers: func() map[string]*trace.Server { return servers }})
	return w
}

// wants are lines of the metrics.
func (w *watched) wants(t *testing.T, lines ...string) {
	t.Helper()
	var b bytes.Buffer
	w.set.WritePrometheus(&b)
	for _, l := range lines {
		if !strings.Contains(b.String(), l+"\n") {
			t.Errorf("%q is not in\n%s", l, b.String())
		}
	}
}

func request(header http.Header) *llm.Request {
	return &llm.Request{ID: "req_1", Endpoint: chat, Method: "POST", Path: "/v1/chat/completions", Header: header, Start: time.Now(), Model: "chat", Stream: true,
		Target: llm.Target{Provider: "local", Model: "m"}, Attempts: 1}
}

// calls makes n calls.
func (w *watched) calls(t *testing.T, n int) {
	t.Helper()
	h := w.Stage(llm.HandlerFunc(journey))
	for range n {
		if _, err := h.Serve(context.Background(), request(http.Header{})); err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheTraceOfACallIsTheCallersOwnWhereItIsValid(t *testing.T) {
	const id, span = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	for name, c := range map[string]struct {
		header string
		sample float64
		same   bool   // the trace is the caller's
		flags  string // in what goes on
	}{
		"none":                       {"", 1, false, "01"},
		"none, not sampled":          {"", 0, false, "00"},
		"sampled":                    {"00-" + id + "-" + span + "-01", 0, true, "01"},
		"not sampled":                {"00-" + id + "-" + span + "-00", 1, true, "00"},
		"of a later version":         {"cc-" + id + "-" + span + "-01-what-else", 0, true, "01"},
		"of no version":              {"ff-" + id + "-" + span + "-01", 1, false, "01"},
		"with more than the version": {"00-" + id + "-" + span + "-01-x", 1, false, "01"},
		"in capitals":                {strings.ToUpper("00-" + id + "-" + span + "-01"), 1, false, "01"},
		"all zero":                   {"00-" + strings.Repeat("0", 32) + "-" + span + "-01", 1, false, "01"},
		"no span":                    {"00-" + id + "-" + strings.Repeat("0", 16) + "-01", 1, false, "01"},
		"cut":                        {"00-" + id, 1, false, "01"},
		"nonsense":                   {"x\x00", 1, false, "01"},
	} {
		for _, on := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, on %v", name, on), func(t *testing.T) {
				w := newTracer(t)
				defer w.Close()
				if on {
					w.Set(trace.Rules{URL: "http://127.0.0.1:1", Sample: c.sample})
				}
				h := http.Header{"Tracestate": {"a=b"}}
				if c.header != "" {
					h["Traceparent"] = []string{c.header}
				}
				r := request(h)
				w.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) { return &llm.Reply{}, nil })).Serve(t.Context(), r)
				if !on {
					if want := map[bool]string{true: id}[c.same]; r.TraceID != want || r.Traceparent != "" || r.Trace != nil || len(h["Tracestate"]) != 1 {
						t.Errorf("%q, %q, %v, %v", r.TraceID, r.Traceparent, r.Trace, h)
					}
					return
				}
				f := strings.Split(r.Traceparent, "-")
				if len(f) != 4 || f[0] != "00" || f[1] != r.TraceID || len(f[2]) != 16 || f[2] == span || f[3] != c.flags || (r.TraceID == id) != c.same {
					t.Errorf("trace %q, %q goes on", r.TraceID, r.Traceparent)
				}
				if (r.Trace != nil) != (c.flags == "01") || (len(h["Tracestate"]) == 1) != c.same {
					t.Errorf("recorded: %v; %v", r.Trace != nil, h)
				}
			})
		}
	}
}

// sent decodes what a collector gets.
func sent(t *testing.T, r *http.Request) (spans int) {
	for _, rs := range traces(t, r).ResourceSpans {
		for _, s := range rs.ScopeSpans {
			spans += len(s.Spans)
		}
	}
	return spans
}

func traces(t *testing.T, r *http.Request) *tracepb.TracesData {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		t.Error(err)
		return &tracepb.TracesData{}
	}
	b, err := io.ReadAll(z)
	var in tracepb.TracesData
	if err == nil {
		err = proto.Unmarshal(b, &in)
	}
	if err != nil {
		t.Error(err)
	}
	return &in
}

// TestABadCollectorHoldsUpNothing: a collector that answers nothing, so that the queue fills up; no call may wait for it, nor may
// the end of Corral for long.
func TestABadCollectorHoldsUpNothing(t *testing.T) {
	asked := make(chan struct{}, 1)
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		asked <- struct{}{}
		<-r.Context().Done()
	}))
	defer hang.Close()
	w := newTracer(t)
	w.Set(trace.Rules{URL: hang.URL, Sample: 1})
	w.calls(t, 256) // a batch
	<-asked         // and it hangs
	w.calls(t, 1024)
	w.wants(t, `corral_traces_dropped_total{cause="full"} 0`)
	w.calls(t, 10)
	w.wants(t, `corral_traces_dropped_total{cause="full"} 10`, "corral_traces_sent_total 0")
	began := time.Now()
	w.Close()
	if took := time.Since(began); took > 8*time.Second {
		t.Errorf("Close took %v", took)
	}
	w.wants(t, `corral_traces_dropped_total{cause="failed"} 1280`, `corral_traces_dropped_total{cause="full"} 10`)
	if n := strings.Count(w.log(), "traces do not reach the collector"); n != 1 {
		t.Errorf("%d lines of log:\n%s", n, w.log())
	}
}

func TestACollectorThatFailsIsAskedAgainWhereThatMayHelp(t *testing.T) {
	for name, c := range map[string]struct {
		first        int
		asked        int32
		sent, failed int
	}{
		"unavailable": {503, 2, 1, 0},
		"too many":    {429, 2, 1, 0},
		"broken":      {500, 1, 0, 1},
		"refused":     {401, 1, 0, 1},
		"redirected":  {307, 1, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			var asked atomic.Int32
			done := make(chan struct{}, 4)
			s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
				if r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/x-protobuf" || r.Header.Get("User-Agent") != "corral/test" || r.Header.Get("X-Key") != "k" {
					t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
				}
				if n := sent(t, r); n != 3*256 {
					t.Errorf("%d spans", n)
				}
				if asked.Add(1) == 1 {
					rw.Header().Set("Location", "/elsewhere")
					rw.Header().Set("Retry-After", "1")
					rw.WriteHeader(c.first)
				}
				done <- struct{}{}
			}))
			defer s.Close()
			w := newTracer(t)
			w.Set(trace.Rules{URL: s.URL + "/", Sample: 1, Headers: func() (http.Header, error) { return http.Header{"X-Key": {"k"}}, nil }})
			w.calls(t, 256)
			for range c.asked {
				<-done
			}
			w.Close()
			w.wants(t, fmt.Sprintf("corral_traces_sent_total %d", c.sent*256), fmt.Sprintf(`corral_traces_dropped_total{cause="failed"} %d`, c.failed*256))
			if asked.Load() != c.asked {
				t.Errorf("asked %d times", asked.Load())
			}
			if strings.Contains(w.log(), "status") != (c.failed > 0) {
				t.Errorf("log: %s", w.log())
			}
		})
	}
}

func TestSpansThatTheCollectorDoesNotWantAreCounted(t *testing.T) {
	part := protowire.AppendString(protowire.AppendTag(protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 7), 2, protowire.BytesType), "too old")
	answer := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), part)
	for name, c := range map[string]struct {
		answer []byte
		want   int
	}{"some": {answer, 7}, "none": {nil, 0}, "nonsense": {[]byte("<html>"), 0}, "cut": {answer[:3], 0}} {
		s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { rw.Write(c.answer) }))
		w := newTracer(t)
		w.Set(trace.Rules{URL: s.URL + "/v1/traces", Sample: 1})
		w.calls(t, 3)
		w.Close()
		s.Close()
		t.Log(name)
		w.wants(t, fmt.Sprintf("corral_traces_rejected_spans_total %d", c.want), "corral_traces_sent_total 3")
	}
}

// TestTheLogSaysNowAndThenThatTracesAreLost, and when they arrive again.
func TestTheLogSaysNowAndThenThatTracesAreLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var bad atomic.Bool
		bad.Store(true)
		w := newTracer(t)
		// Within the bubble nothing may wait for a network: the headers are asked for first, and fail.
		w.Set(trace.Rules{URL: "http://collector.example", Sample: 1, Headers: func() (http.Header, error) {
			if bad.Load() {
				return nil, fmt.Errorf("the keyring is locked")
			}
			return nil, io.EOF
		}})
		for range 6 { // minutes
			w.calls(t, 1)
			time.Sleep(time.Minute)
			synctest.Wait()
		}
		if n := strings.Count(w.log(), "the keyring is locked"); n != 2 || !strings.Contains(w.log(), "calls_lost=5") {
			t.Errorf("%d lines:\n%s", n, w.log())
		}
		w.wants(t, `corral_traces_dropped_total{cause="failed"} 6`)
		w.Close()
	})
}

// TestACallWhoseAttemptOutlivesItIsSentWhole: the end of a call that its caller left is known before that of the attempt.
func TestACallWhoseAttemptOutlivesItIsSentWhole(t *testing.T) {
	got := make(chan int, 2)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- sent(t, r) }))
	defer s.Close()
	w := newTracer(t)
	w.Set(trace.Rules{URL: s.URL, Sample: 1})
	r := request(http.Header{})
	w.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) { return &llm.Reply{}, nil })).Serve(t.Context(), r)
	a := r.Trace.Attempt(r, llm.Again{})
	var wg sync.WaitGroup
	wg.Go(func() { r.Trace.End(&llm.Outcome{Err: &llm.Error{Kind: llm.Gone}}) })
	wg.Go(func() { a.End(llm.NoUsage, &llm.Error{Kind: llm.Gone}) })
	wg.Wait()
	a.End(llm.NoUsage, nil)         // nothing more comes of it
	r.Trace.End(&llm.Outcome{})     // nor of this
	r.Mark("too late").End(nil)     // nor of what begins after all of it
	r.Trace.Attempt(r, llm.Again{}) // or never ends
	w.Close()
	close(got)
	if n := <-got; n != 2 {
		t.Errorf("%d spans", n)
	}
	if n, more := <-got; more {
		t.Errorf("%d spans more", n)
	}
}

// TestALongNameIsCut: what waits for the collector is bounded, whatever callers call their models.
func TestALongNameIsCut(t *testing.T) {
	got := make(chan *tracepb.TracesData, 1)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- traces(t, r) }))
	defer s.Close()
	w := newTracer(t)
	w.Set(trace.Rules{URL: s.URL, Sample: 1})
	r := request(http.Header{})
	r.Model = strings.Repeat("m", 1<<20)
	r.Target.Model = ""
	w.Stage(llm.HandlerFunc(func(_ context.Context, r *llm.Request) (*llm.Reply, error) {
		a := r.Trace.Attempt(r, llm.Again{})
		a.Answered(&llm.Reply{Status: 200, Model: r.Model})
		a.End(llm.NoUsage, nil)
		r.Trace.End(&llm.Outcome{Status: 200, Model: r.Model, Usage: llm.NoUsage})
		return &llm.Reply{}, nil
	})).Serve(t.Context(), r)
	w.Close()
	in := <-got
	if n := proto.Size(in); n > 4<<10 || in.ResourceSpans[0].ScopeSpans[0].Spans[1].Name != "chat "+strings.Repeat("m", 256)+"…" {
		t.Errorf("%d bytes: %.300v", n, in)
	}
}

// TestOffAndOnAgain: the config may change under calls.
func TestOffAndOnAgain(t *testing.T) {
	var second atomic.Int32
	first := make(chan int, 2)
	one := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { first <- sent(t, r) }))
	defer one.Close()
	two := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { second.Add(int32(sent(t, r))) }))
	defer two.Close()
	w := newTracer(t)
	w.calls(t, 1)
	w.Set(trace.Rules{URL: one.URL, Sample: 1})
	w.calls(t, 256)
	if n := <-first; n != 3*256 {
		t.Errorf("%d spans at the first", n)
	}
	w.Set(trace.Rules{})
	w.calls(t, 1)
	w.Set(trace.Rules{URL: two.URL, Sample: 1})
	w.calls(t, 2)
	w.Close()
	w.Close() // as a start that fails half-way may
	w.calls(t, 1)
	if len(first) != 0 || second.Load() != 3*2 {
		t.Errorf("%d more, and %d spans", len(first), second.Load())
	}
}
