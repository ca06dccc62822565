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

// ready says whether a call would be answered now, and if not, why.
func (d *Daemon) ready(w http.ResponseWriter, r *http.Request) {
	type reason struct {
		Provider string `json:"provider"`
		Problem  string `json:"problem"`
	}
	out := struct {
		Ready   bool     `json:"ready"`
		Reasons []reason `json:"reasons"`
	}{Reasons: []reason{}}
	for i, p := range d.seen(context.WithoutCancel(r.Context())) {
		if i == 0 {
			out.Ready = p.Reachable
		}
		if !p.Reachable {
			out.Reasons = append(out.Reasons, reason{p.Name, "cannot be reached"}) // the details are the operator's
		}
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
	d.set.WritePrometheus(w)
	d.writeNest(w)
	metrics.WriteProcessMetrics(w)
}
