package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// Sent is a key that is kept somewhere, and the server that the config has it sent to.
type Sent struct {
	Field string // where the config names the key
	Key   Secret
	To    string // scheme, host and port
}

// Sends are the keys that c has sent to a server. c must be valid.
func Sends(c Config) (out []Sent) {
	for i, p := range c.Providers {
		if p.Key != "" {
			out = append(out, Sent{fmt.Sprintf("providers[%d].key", i), p.Key, Origin(p.URL)})
		}
	}
	for i, h := range c.Telemetry.OTLPHeaders {
		if h.Value != "" {
			out = append(out, Sent{fmt.Sprintf("telemetry.otlp_headers[%d].value", i), h.Value, Origin(c.Telemetry.OTLP)})
		}
	}
	return out
}

// Origin is the server of an address: its scheme, host and port.
func Origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// HasSent reports whether c has the key sent to that server.
func HasSent(c Config, key Secret, to string) bool {
	return slices.ContainsFunc(Sends(c), func(s Sent) bool { return s.Key == key && s.To == to })
}
