package testkit

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Collector is the OTLP/HTTP receiver of the OpenTelemetry collector, and what it was sent.
type Collector struct{ *Server }

// Span is a span as a Collector got it.
type Span struct {
	TraceID, ID, Parent string // hex; Parent empty: none
	Name, Kind          string // Kind: internal, server or client
	Start, End          int64  // Unix time in ns
	Failed              bool   // its status is Error
	Attributes          map[string]string
	Resource            map[string]string
	Schema              string // URL
}

// OTLP starts a Collector: the program in testkit/otlp, a module of its own whose dependencies are downloaded the first time.
func OTLP(t testing.TB) *Collector {
	t.Helper()
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "corral").Output()
	if err != nil {
		t.Fatal("find the module corral:", err)
	}
	path := filepath.Join(t.TempDir(), "otlp")
	build := exec.Command("go", "build", "-o", path, ".")
	build.Dir = filepath.Join(strings.TrimSpace(string(root)), "testkit", "otlp")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		Missing(t, "the receiver of the OpenTelemetry collector cannot be built: %v\n%s", err, out)
	}
	s := &Server{t: t, name: "otlp", Addr: FreeAddr(t), probe: "/v1/traces", status: http.StatusMethodNotAllowed}
	s.command = func() *exec.Cmd { return exec.Command(path, s.Addr) }
	return &Collector{s.start()}
}

// Spans are all that have come so far.
func (c *Collector) Spans() (all []Span) {
	c.t.Helper()
	for line := range strings.Lines(c.Log()) {
		if !strings.HasPrefix(line, `{"resourceSpans"`) || !strings.HasSuffix(line, "\n") {
			continue
		}
		var in struct {
			ResourceSpans []struct {
				Resource   struct{ Attributes attributes }
				ScopeSpans []struct {
					SchemaURL string `json:"schemaUrl"`
					Spans     []struct {
						TraceID           string `json:"traceId"`
						SpanID            string `json:"spanId"`
						ParentSpanID      string `json:"parentSpanId"`
						Name              string
						Kind              int
						StartTimeUnixNano string
						EndTimeUnixNano   string
						Attributes        attributes
						Status            struct{ Code int }
					}
				}
			}
		}
		if err := json.Unmarshal([]byte(line), &in); err != nil {
			c.t.Fatalf("the collector printed %.300q: %v", line, err)
		}
		for _, r := range in.ResourceSpans {
			for _, scope := range r.ScopeSpans {
				for _, s := range scope.Spans {
					kind := map[int]string{1: "internal", 2: "server", 3: "client"}[s.Kind]
					start, _ := strconv.ParseInt(s.StartTimeUnixNano, 10, 64)
					end, _ := strconv.ParseInt(s.EndTimeUnixNano, 10, 64)
					all = append(all, Span{s.TraceID, s.SpanID, s.ParentSpanID, s.Name, kind, start, end, s.Status.Code == 2,
						maps.Collect(s.Attributes.all()), maps.Collect(r.Resource.Attributes.all()), scope.SchemaURL})
				}
			}
		}
	}
	return all
}

// attributes are those of OTLP's JSON, values of each type as texts.
type attributes []struct {
	Key   string
	Value value
}

type value struct {
	StringValue *string
	IntValue    *string
	DoubleValue *float64
	BoolValue   *bool
	ArrayValue  struct{ Values []value }
}

func (a attributes) all() func(yield func(k, v string) bool) {
	return func(yield func(k, v string) bool) {
		for _, x := range a {
			if !yield(x.Key, x.Value.text()) {
				return
			}
		}
	}
}

func (v value) text() string {
	switch {
	case v.StringValue != nil:
		return *v.StringValue
	case v.IntValue != nil:
		return *v.IntValue
	case v.DoubleValue != nil:
		return strconv.FormatFloat(*v.DoubleValue, 'g', -1, 64)
	case v.BoolValue != nil:
		return strconv.FormatBool(*v.BoolValue)
	}
	var each []string
	for _, x := range v.ArrayValue.Values {
		each = append(each, x.text())
	}
	return "[" + strings.Join(each, " ") + "]"
}
