package soak

import (
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/tidwall/gjson"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// server is an http.Server of this process on a free loopback port.
type server struct {
	url  string
	http *http.Server
	wg   sync.WaitGroup
}

func serve(h http.Handler) (*server, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	s := &server{url: "http://" + l.Addr().String(), http: &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}}
	s.wg.Go(func() { s.http.Serve(l) })
	return s, nil
}

func (s *server) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		s.http.Close()
	}
	s.wg.Wait()
}

// endless is a model server whose answers never come, and whose streams never end. It tells callers who want to leave that
// their call has come as far as this, so that it is sure what they leave.
type endless struct {
	*server
	mu    sync.Mutex        // guards what follows
	leave map[string]func() // by request id
}

func newEndless() (*endless, error) {
	e := &endless{leave: map[string]func(){}}
	m := http.NewServeMux()
	m.HandleFunc("GET /v1/models", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"object":"list","data":[{"id":"endless","object":"model"}]}`)
	})
	m.HandleFunc("POST /v1/chat/completions", e.chat)
	var err error
	e.server, err = serve(m)
	return e, err
}

func (e *endless) tell(id string, leave func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.leave[id] = leave
}

func (e *endless) forget(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.leave, id)
}

func (e *endless) chat(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	if !gjson.GetBytes(b, "stream").Bool() {
		e.mu.Lock()
		leave := e.leave[gjson.GetBytes(b, "messages.0.content").Str]
		e.mu.Unlock()
		if leave != nil {
			leave()
		}
		<-r.Context().Done()
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := io.WriteString(w, "data: {\"id\":\"x\",\"object\":\"chat.completion.chunk\",\"model\":\"endless\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"on \"},\"finish_reason\":null}]}\n\n"); err != nil || rc.Flush() != nil {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}

// collector is a receiver of traces: OTLP over HTTP, binary and compressed, as Corral sends it.
type collector struct {
	*server
	mu     sync.Mutex // guards what follows
	calls  map[string]span
	twice  int // spans of a call that was told of already
	others int // spans of calls that are none of the soak's
	spans  int // of all kinds
	bad    error
}

// span is what the span of a call says.
type span struct {
	status            int // 0: not told
	in, out, nanoUSD  int64
	tellsIn, tellsOut bool
}

func newCollector(calls int) (*collector, error) {
	c := &collector{calls: make(map[string]span, calls)}
	m := http.NewServeMux()
	m.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		if err := c.take(r); err != nil {
			c.mu.Lock()
			c.bad = err
			c.mu.Unlock()
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-protobuf")
	})
	var err error
	c.server, err = serve(m)
	return c, err
}

func (c *collector) take(r *http.Request) error {
	z, err := gzip.NewReader(r.Body)
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	b, err := io.ReadAll(io.LimitReader(z, 64<<20))
	if err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	var in tracepb.TracesData // of the same form as the request
	if err := proto.Unmarshal(b, &in); err != nil {
		return fmt.Errorf("traces: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range in.ResourceSpans {
		for _, ss := range rs.ScopeSpans {
			for _, s := range ss.Spans {
				c.spans++
				if s.Kind == tracepb.Span_SPAN_KIND_SERVER {
					c.note(s)
				}
			}
		}
	}
	return nil
}

func (c *collector) note(s *tracepb.Span) {
	var x span
	id := ""
	for _, a := range s.Attributes {
		switch a.Key {
		case "corral.request_id":
			id = a.Value.GetStringValue()
		case "http.response.status_code":
			x.status = int(a.Value.GetIntValue())
		case "gen_ai.usage.input_tokens":
			x.in, x.tellsIn = a.Value.GetIntValue(), true
		case "gen_ai.usage.output_tokens":
			x.out, x.tellsOut = a.Value.GetIntValue(), true
		case "corral.cost_nano_usd":
			x.nanoUSD = a.Value.GetIntValue()
		}
	}
	if numberOf(id) < 0 {
		c.others++
		return
	}
	if _, ok := c.calls[id]; ok {
		c.twice++
	}
	c.calls[id] = x
}
