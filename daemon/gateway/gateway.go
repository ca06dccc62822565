// Package gateway is where calls come in: the listener's manners, the table of routes, and the way from HTTP to an
// llm.Request and back. No other package of the journey knows net/http's server.
//
// To add a route, add a row to routes.go. The surprise: a reply's first bytes are written only when the target's first
// content has come, so an error before that still gets its own status; after that an error is the stream's last event.
package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"corral/daemon/dialect"
	"corral/daemon/llm"
)

// Options are what a Gateway stands between.
type Options struct {
	Policy  func() *Policy
	Journey llm.Handler  // what answers calls
	Other   http.Handler // what answers everything that is no call: probes, metrics, the operator API, the page
	Log     *slog.Logger
	// Refused is told of calls that the listener itself turned away, for the metrics.
	Refused func(code string)
}

// Gateway is an http.Handler for the whole listener.
type Gateway struct {
	o     Options
	ids   *ids
	calls *http.ServeMux
	other http.Handler
}

// New makes a Gateway.
func New(o Options) *Gateway {
	g := &Gateway{o: o, ids: newIDs(), other: Recovering(o.Other, o.Log)}
	g.calls = mux(g.call)
	return g
}

// ServeHTTP lets in who may come in, and shows each the way.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	policy := g.o.Policy()
	err := policy.checkHost(r)
	if err == nil {
		err = policy.checkOrigin(r)
	}
	if err != nil {
		g.o.Refused(err.Code())
		id := g.requestID(r.Header)
		w.Header()["X-Request-Id"] = []string{id}
		writeError(w, dialectOf(r.URL.Path), err, id)
		return
	}
	if policy.cors(w, r) {
		return
	}
	if p := r.URL.Path; strings.HasPrefix(p, "/api/") || strings.HasPrefix(p, "/v1/") {
		g.calls.ServeHTTP(w, r)
		return
	}
	g.other.ServeHTTP(w, r)
}

// dialectOf is the best guess before a route is known.
func dialectOf(path string) llm.Dialect {
	switch {
	case strings.HasPrefix(path, "/v1/messages"):
		return llm.Anthropic
	case strings.HasPrefix(path, "/v1/"):
		return llm.OpenAI
	}
	return llm.Ollama
}

// call answers one endpoint.
func (g *Gateway) call(ep *llm.Endpoint) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, hr *http.Request) {
		r := g.request(ep, w, hr)
		h := w.Header()
		h["X-Request-Id"] = []string{r.ID}
		defer func() {
			if r.Release != nil {
				r.Release()
			}
		}()
		begun := false
		defer g.recovered(w, r, &begun)
		reply, err := g.o.Journey.Serve(hr.Context(), r)
		if err != nil {
			writeError(w, dialectFor(r), llm.AsError(err), r.ID)
			return
		}
		defer reply.Close()
		write(w, r, reply, &begun)
	})
}

// dialectFor is the dialect in which r hears of errors. Under /v1/ an unknown route may be anybody's.
func dialectFor(r *llm.Request) llm.Dialect {
	if r.Endpoint.Name == "v1_other" {
		return dialectOf(r.Path)
	}
	return r.Endpoint.Dialect
}

// recovered answers for a stage that panicked: a fault in one call must not end the others. An answer that has begun breaks off.
func (g *Gateway) recovered(w http.ResponseWriter, r *llm.Request, begun *bool) {
	v := recover()
	if v == nil {
		return
	}
	if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(v)
	}
	g.o.Log.Error("a stage panicked", "request_id", r.ID, "panic", v, "stack", string(debug.Stack()))
	if *begun {
		panic(http.ErrAbortHandler)
	}
	writeError(w, dialectFor(r), llm.Errorf(llm.Internal, "", nil, "Corral failed on this call; its log has the cause under this request id."), r.ID)
}

// Recovering is h, with its panics logged. net/http would say them at the level of half-sent heads.
func Recovering(h http.Handler, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if v != http.ErrAbortHandler {
				log.Error("a handler panicked", "method", r.Method, "path", clip(r.URL.Path, 200), "panic", v, "stack", string(debug.Stack()))
			}
			panic(http.ErrAbortHandler) // what was sent so far must not look whole
		}()
		h.ServeHTTP(w, r)
	})
}

func (g *Gateway) request(ep *llm.Endpoint, w http.ResponseWriter, hr *http.Request) *llm.Request {
	r := &llm.Request{ID: g.requestID(hr.Header), Endpoint: ep, Method: hr.Method, Path: hr.URL.EscapedPath(), Query: hr.URL.RawQuery,
		Header: hr.Header, Start: time.Now(), Length: hr.ContentLength}
	if r.Length != 0 {
		r.Source = &source{r: hr.Body, rc: http.NewResponseController(w)}
	}
	if ep.Name == "model" {
		r.Model = hr.PathValue("model")
	}
	r.Caller.User, r.Caller.App = clip(hr.Header.Get("Corral-User"), 128), clip(hr.Header.Get("Corral-App"), 128)
	if t, ok := hr.Context().Value(triedKey{}).(Tried); ok {
		r.Chosen = t.Target
		r.Caller.Operator, r.Caller.Key, r.Caller.KeyName = true, t.By, t.By
		if r.Caller.App == "" {
			r.Caller.App = t.By
		}
	}
	if r.Caller.App == "" {
		r.Caller.App = product(hr.UserAgent())
	}
	if host, _, err := net.SplitHostPort(hr.RemoteAddr); err == nil {
		r.Caller.Remote = host
	}
	return r
}

// product is the first word of a User-Agent without its version: "ollama" of "ollama/0.17.4 (amd64 linux)".
func product(ua string) string {
	long := len(ua) > 256
	if i := strings.IndexAny(ua, "/ ("); i >= 0 {
		ua = ua[:i]
	}
	if long {
		ua = strings.Clone(ua) // what remembers the app should not hold all of its header
	}
	return clip(ua, 64)
}

// requestID is the caller's own X-Request-Id where it is a plain word, else a new one.
func (g *Gateway) requestID(h http.Header) string {
	if v := h["X-Request-Id"]; len(v) > 0 && plain(v[0]) {
		return v[0]
	}
	return g.ids.next()
}

func plain(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if !(c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z' || c == '-' || c == '_' || c == '.' || c == ':') {
			return false
		}
	}
	return true
}

// ids makes request ids: random bytes of this process and a counter, so that no call reads the random source.
type ids struct {
	prefix string
	n      atomic.Uint64
}

func newIDs() *ids {
	var seed [8]byte
	rand.Read(seed[:])
	return &ids{prefix: "req_" + hex.EncodeToString(seed[:])}
}

func (x *ids) next() string {
	b := make([]byte, 0, 32)
	b = append(b, x.prefix...)
	c := strconv.FormatUint(x.n.Add(1), 16)
	for range 8 - min(len(c), 8) {
		b = append(b, '0')
	}
	return string(append(b, c...))
}

// writePatience is how long a caller may leave its answer unread before the connection is given up.
const writePatience = 60 * time.Second

// write sends reply as it comes; begun says whether its head has gone.
func write(w http.ResponseWriter, r *llm.Request, reply *llm.Reply, begun *bool) {
	h := w.Header()
	for k, vs := range reply.Header {
		h[k] = vs
	}
	h["Corral-Provider"] = []string{reply.Provider}
	if reply.Model != "" {
		h["Corral-Model"] = []string{headerText(reply.Model)}
	}
	if reply.Route != "" {
		h["Corral-Route"] = []string{reply.Route}
	}
	if reply.Length >= 0 {
		h["Content-Length"] = []string{strconv.FormatInt(reply.Length, 10)}
	}
	if r.Method == http.MethodHead {
		w.WriteHeader(reply.Status)
		return
	}
	rc := http.NewResponseController(w)
	var sends sends
	for first := true; ; first = false {
		b, err := reply.Body.Next()
		if err != nil && err != io.EOF {
			switch e := llm.AsError(err); {
			case first:
				for k := range reply.Header {
					delete(h, k)
				}
				writeError(w, dialectFor(r), e, r.ID)
			case !reply.Stream:
				panic(http.ErrAbortHandler) // half of a plain body cannot be marked but by a broken connection
			case e.Kind != llm.Gone:
				w.Write(dialect.ErrorEvent(r.Endpoint, e, r.ID))
			}
			return
		}
		if first {
			*begun = true
			w.WriteHeader(reply.Status)
		}
		if err == io.EOF {
			if !reply.Stream {
				rc.Flush() // now, and not after what is still to be written down about the call
			}
			return
		}
		sends.within(rc)
		if _, err := w.Write(b); err != nil {
			return // the caller left
		}
		if reply.Stream && (first || !reply.Body.More()) {
			if rc.Flush() != nil {
				return
			}
		}
	}
}

// headerText is s without what a header may not hold.
func headerText(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '?'
		}
		return c
	}, clip(s, 200))
}

func writeError(w http.ResponseWriter, d llm.Dialect, e *llm.Error, id string) {
	h := w.Header()
	h["Content-Type"] = []string{dialect.MediaType}
	h["Cache-Status"], h["Age"] = []string{"corral; detail=" + e.Code()}, []string{"0"} // neither kept nor had from a target
	if e.RetryAfter > 0 {
		h["Retry-After"] = []string{strconv.Itoa(int((e.RetryAfter + time.Second - 1) / time.Second))}
	}
	if e.Kind == llm.OverBudget && e.RetryAfter > time.Minute {
		h["X-Should-Retry"] = []string{"false"} // else OpenAI's and Anthropic's clients ask twice more at once
	}
	if len(e.Allow) > 0 {
		h["Allow"] = []string{strings.Join(e.Allow, ", ")}
	}
	if e.Kind == llm.Unauthorized {
		h["Www-Authenticate"] = []string{`Bearer realm="corral"`}
	}
	if e.Kind == llm.TooLarge || e.Kind == llm.SlowCaller || e.Kind == llm.Busy {
		h["Connection"] = []string{"close"} // what is left of the body is not worth reading
	}
	body := append(dialect.Error(d, e, id), '\n')
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(e.Status())
	w.Write(body)
}
