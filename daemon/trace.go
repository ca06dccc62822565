package daemon

import (
	"fmt"
	"net/http"

	"corral/daemon/config"
	"corral/daemon/trace"
)

// traceRules are what c says about traces. The values of headers are read when the first trace is sent, and again after a
// reload.
func (d *Daemon) traceRules(c config.Config) trace.Rules {
	t := c.Telemetry
	values := make([]func() (string, error), len(t.OTLPHeaders))
	for i, h := range t.OTLPHeaders {
		values[i] = once(func() (string, error) { return h.Value.Resolve(d.o.Secret) })
	}
	headers := func() (http.Header, error) {
		out := http.Header{}
		for i, h := range t.OTLPHeaders {
			value, err := values[i]()
			if err != nil {
				return nil, fmt.Errorf("telemetry.otlp_headers: %w", err)
			}
			out.Set(h.Name, value)
		}
		return out, nil
	}
	return trace.Rules{URL: t.OTLP, Headers: headers, Sample: float64(t.Sample) / 100, Content: t.Content}
}

// servers are the providers of c as traces tell of them.
func servers(c config.Config) map[string]*trace.Server {
	out := make(map[string]*trace.Server, len(c.Providers))
	for _, p := range c.Providers {
		out[p.Name] = trace.NewServer(p.Name, string(p.Kind), p.URL)
	}
	return out
}
