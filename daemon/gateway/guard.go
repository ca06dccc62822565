package gateway

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"corral/daemon/llm"
)

// Policy says which hosts and pages the listener answers.
type Policy struct {
	Hosts   []string // Host names beside loopback's and the listener's own
	Origins []string // web origins beside localhost's
}

// checkHost refuses a Host that is not this machine's: a page whose own name was made to resolve to 127.0.0.1 (DNS
// rebinding) still sends its own name. The port does not matter for that.
func (p *Policy) checkHost(r *http.Request) *llm.Error {
	host := r.Host
	if host == "" {
		return nil // HTTP/1.0 without it: no browser sends that
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.Trim(strings.ToLower(host), "[]")
	if localName(host) || host == "host.docker.internal" || host == "host.containers.internal" {
		return nil // what containers call the machine they run on
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		if ip.IsLoopback() {
			return nil
		}
		if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
			if at, err := netip.ParseAddrPort(local.String()); err == nil && at.Addr().Unmap() == ip.Unmap() {
				return nil
			}
		}
	}
	if slices.ContainsFunc(p.Hosts, func(h string) bool { return strings.EqualFold(h, host) }) {
		return nil
	}
	return llm.Errorf(llm.Forbidden, "check host", nil,
		"Corral does not answer for the host %q. If it should, add it to `hosts:` in corral.yaml.", clip(host, 100))
}

func localName(host string) bool {
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// appSchemes are origins of programs on this machine, which no page of the web can have. Ollama allows them too.
var appSchemes = []string{"app", "file", "tauri", "vscode-webview", "vscode-file", "chrome-extension", "moz-extension", "safari-web-extension"}

// originAllowed reports whether a page of this origin may read answers.
func (p *Policy) originAllowed(origin string) bool {
	if slices.ContainsFunc(p.Origins, func(o string) bool { return strings.EqualFold(o, origin) }) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.User != nil {
		return false
	}
	switch u.Scheme {
	case "http", "https":
		host := strings.ToLower(u.Hostname())
		if localName(host) {
			return true
		}
		ip, err := netip.ParseAddr(host)
		return err == nil && ip.IsLoopback()
	}
	return slices.Contains(appSchemes, u.Scheme)
}

// checkOrigin refuses what a page elsewhere on the web sends, whatever its content type: a form may be posted across sites
// without asking first. Programs send neither header, so curl works as it does with Ollama.
func (p *Policy) checkOrigin(r *http.Request) *llm.Error {
	origin := r.Header.Get("Origin")
	if origin != "" {
		if p.originAllowed(origin) {
			return nil
		}
		return llm.Errorf(llm.Forbidden, "check origin", nil,
			"Pages from %q may not use Corral. If they should, add that origin to `origins:` in corral.yaml.", clip(origin, 100))
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			return nil // a link or an address typed in; without an Origin no page can read the answer
		}
		return llm.Errorf(llm.Forbidden, "check origin", nil, "A page of another site may not use Corral.")
	}
	return nil
}

// cors answers a preflight, or says on any other answer that its page may read it.
func (p *Policy) cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header["Origin"]
	if len(origin) == 0 {
		return false
	}
	h := w.Header()
	h["Vary"] = append(h["Vary"], "Origin")
	h["Access-Control-Allow-Origin"] = origin[:1]
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		h["Access-Control-Expose-Headers"] = exposed
		return false
	}
	h["Access-Control-Allow-Methods"] = []string{"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"}
	if want := r.Header["Access-Control-Request-Headers"]; len(want) > 0 {
		h["Access-Control-Allow-Headers"] = want
	}
	if r.Header.Get("Access-Control-Request-Private-Network") == "true" {
		h["Access-Control-Allow-Private-Network"] = []string{"true"}
	}
	h["Access-Control-Max-Age"] = []string{"7200"}
	w.WriteHeader(http.StatusNoContent)
	return true
}

var exposed = []string{"X-Request-Id, Cache-Status, Age, Corral-Provider, Corral-Model, Corral-Route, Retry-After, RateLimit, RateLimit-Policy, Warning"}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n] + "..."
	}
	return s
}
