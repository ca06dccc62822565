package daemon

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/admin"
	"corral/daemon/exposition"
	"corral/daemon/health"
	"corral/frontend"
)

//go:embed login.html login.css login.js
var login embed.FS

// other answers what is no call: the greeting, the probes, the metrics, the page and the operator API.
func (d *Daemon) other(control http.Handler) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", greet)
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	m.HandleFunc("GET /readyz", d.ready)
	m.HandleFunc("GET /metrics", d.metrics)
	for at, name := range map[string]string{"login": "login.html", "login.css": "login.css", "login.js": "login.js"} {
		m.HandleFunc("GET /ui/"+at, func(w http.ResponseWriter, r *http.Request) { asPage(w, r, name) })
	}
	m.Handle("GET /ui/", frontend.Handler("/ui/"))
	m.Handle(admin.Base+"/", control)
	return m
}

// asPage answers with a file of the login. It runs and shows nothing but its own files, is shown in no frame, and no
// window that another site opened may hold on to it.
func asPage(w http.ResponseWriter, r *http.Request, name string) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin") // with no-referrer a browser may hide the Origin that a change needs
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Cache-Control", "no-cache")
	http.ServeFileFS(w, r, login, name)
}

// greet tells a client of Ollama what it wants to hear, and shows a browser the page.
func greet(w http.ResponseWriter, r *http.Request) {
	if strings.Contains(r.Header.Get("Accept"), "text/html") {
		w.Header().Set("Vary", "Accept")
		http.Redirect(w, r, "/ui/", http.StatusFound)
		return
	}
	text(w, http.StatusOK, "Ollama is running")
}

func text(w http.ResponseWriter, status int, s string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	io.WriteString(w, s)
}

// readiness says whether a call would be answered now.
func (d *Daemon) readiness(seen []admin.Provider) bool {
	_, paused := d.pause.Since()
	return !paused && len(seen) > 0 && seen[0].Reachable && (d.books.Err() == nil || !d.now.Load().audit.Refuse)
}

// reason is a condition that is not well, as a probe may know it: texts and names of places are the operator's.
type reason struct {
	Condition string          `json:"condition"`
	Provider  string          `json:"provider,omitempty"`
	Severity  health.Severity `json:"severity"`
	Title     string          `json:"title"`
}

// ready tells a probe.
func (d *Daemon) ready(w http.ResponseWriter, r *http.Request) {
	out := struct {
		Ready   bool     `json:"ready"`
		Reasons []reason `json:"reasons"`
	}{d.readiness(d.refreshForProbe(context.WithoutCancel(r.Context()))), []reason{}}
	for _, c := range bad(d.wellness.set.List()) {
		x := reason{Condition: c.Code, Severity: c.Severity, Title: c.Title}
		if c.Code == health.Provider {
			x.Provider = c.Subject
		}
		out.Reasons = append(out.Reasons, x)
	}
	status := http.StatusOK
	if !out.Ready {
		status = http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(out)
}

func (d *Daemon) metrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	var b bytes.Buffer
	d.writeMetrics(&b)
	exposition.Write(w, b.Bytes()) // an error is the reader's, who has left
}

// writeMetrics writes all samples, in no order.
func (d *Daemon) writeMetrics(w io.Writer) {
	d.set.WritePrometheus(w)
	d.writeNest(w)
	d.writeLedger(w)
	d.writeBudgets(w)
	d.writeLevels(w)
	readers, dropped := d.events.Readers()
	metrics.WriteGaugeUint64(w, "corral_feed_readers", uint64(readers))
	metrics.WriteCounterUint64(w, "corral_feed_dropped_total", dropped)
	d.writeHealth(w)
	metrics.WriteGaugeUint64(w, fmt.Sprintf("corral_build_info{version=%q,goversion=%q,os=%q,arch=%q}", d.o.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH), 1)
	metrics.WriteProcessMetrics(w)
	metrics.WriteFDMetrics(w)
}

// writeLedger writes how the ledger fares as metrics.
func (d *Daemon) writeLedger(w io.Writer) {
	failing := map[bool]uint64{true: 1}
	metrics.WriteGaugeUint64(w, "corral_ledger_failing", failing[d.books.Err() != nil])
	l, err := d.books.open()
	if err != nil {
		return
	}
	metrics.WriteCounterUint64(w, "corral_ledger_entries_total", l.Size())
	if s, err := l.Status(); err == nil {
		metrics.WriteGaugeUint64(w, "corral_ledger_missed_calls", s.Missed)
		metrics.WriteGaugeUint64(w, "corral_ledger_waiting_entries", uint64(s.Waiting))
		metrics.WriteGaugeFloat64(w, "corral_ledger_lag_seconds", s.Lag)
		metrics.WriteCounterUint64(w, "corral_ledger_failures_total", s.Failures)
		n := uint64(0)
		for _, a := range s.Anchors {
			n += failing[a.Error != ""]
		}
		metrics.WriteGaugeUint64(w, "corral_ledger_anchors_failing", n) // not by name: a path or an address is the operator's
	}
}
