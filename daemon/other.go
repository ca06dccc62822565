package daemon

import (
	"context"
	_ "embed"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/VictoriaMetrics/metrics"

	"corral/daemon/admin"
)

//go:embed page.html
var page []byte

// other answers what is no call: the greeting, the probes, the metrics, the page and the operator API.
func (d *Daemon) other(control http.Handler) http.Handler {
	m := http.NewServeMux()
	m.HandleFunc("GET /{$}", greet)
	m.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { text(w, http.StatusOK, "ok\n") })
	m.HandleFunc("GET /readyz", d.ready)
	m.HandleFunc("GET /metrics", d.metrics)
	m.HandleFunc("GET /ui/", func(w http.ResponseWriter, _ *http.Request) {
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		w.Write(page)
	})
	m.Handle(admin.Base+"/", control)
	return m
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

// reason is why a call may not be answered, or not be recorded. The details are the operator's.
type reason struct {
	Reason   string `json:"reason"` // provider or ledger
	Provider string `json:"provider,omitempty"`
	Problem  string `json:"problem"`
}

// readiness says whether a call would be answered now, and what stands in the way of some or all of them.
func (d *Daemon) readiness(seen []admin.Provider) (ready bool, reasons []reason) {
	ready, reasons = len(seen) > 0 && seen[0].Reachable, []reason{}
	for _, p := range seen {
		if !p.Reachable {
			reasons = append(reasons, reason{"provider", p.Name, "cannot be reached"})
		}
	}
	if d.books.Err() != nil {
		why := "cannot be written; calls go on"
		if d.now.Load().audit.Refuse {
			ready, why = false, "cannot be written; calls are refused"
		}
		reasons = append(reasons, reason{Reason: "ledger", Problem: why})
	}
	return ready, reasons
}

// ready tells a probe.
func (d *Daemon) ready(w http.ResponseWriter, r *http.Request) {
	var out struct {
		Ready   bool     `json:"ready"`
		Reasons []reason `json:"reasons"`
	}
	out.Ready, out.Reasons = d.readiness(d.seen(context.WithoutCancel(r.Context())))
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
	d.set.WritePrometheus(w)
	d.writeNest(w)
	d.writeLedger(w)
	metrics.WriteProcessMetrics(w)
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
		n := uint64(0)
		for _, a := range s.Anchors {
			n += failing[a.Error != ""]
		}
		metrics.WriteGaugeUint64(w, "corral_ledger_anchors_failing", n) // not by name: a path or an address is the operator's
	}
}
