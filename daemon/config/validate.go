package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Validate checks a config that was not read from a file, such as one that the operator API was given. The error is an
// *Errors without lines.
func (c Config) Validate() error {
	rep := newReport("")
	c.check(rep.field)
	return rep.err()
}

// OnDevice says whether the provider's server is on this machine, so that what is sent to it stays here. A model with a
// cloud tag at an Ollama on this machine leaves it all the same: see Target.OnDevice.
func (p Provider) OnDevice() bool {
	u, err := url.Parse(p.URL)
	return err == nil && isLoopback(u.Hostname())
}

// OnDevice says whether the model runs where its provider is. Ollama passes models with the tag cloud or one that ends in
// -cloud on to its makers' servers.
func (t Target) OnDevice() bool {
	at := strings.LastIndex(t.Model, ":")
	tag := strings.ToLower(strings.TrimSpace(t.Model[at+1:])) // Ollama takes names in any case, and with spaces around the tag
	return at < 0 || tag != "cloud" && !strings.HasSuffix(tag, "-cloud")
}

// complete fills in and evens out what may be written in more than one way.
func (c *Config) complete() {
	for i := range c.Providers {
		p := &c.Providers[i]
		if p.URL == "" {
			p.URL = p.Kind.URL()
		}
		p.URL = strings.TrimRight(p.URL, "/")
	}
	for i := range c.Hosts {
		c.Hosts[i] = strings.ToLower(c.Hosts[i])
	}
	for i := range c.Origins {
		c.Origins[i] = strings.ToLower(c.Origins[i])
	}
	for i := range c.Budgets {
		if c.Budgets[i].Scope == "" {
			c.Budgets[i].Scope = "all"
		}
	}
	for i, place := range c.Audit.Anchors {
		if place == syslog+":" {
			c.Audit.Anchors[i] = syslog
		}
	}
}

// check tells everything that is wrong, field by field.
func (c Config) check(tell func(path, format string, args ...any)) {
	v := checker{tell}
	v.listen(c)
	for i, host := range c.Hosts {
		v.host(entry("hosts", i), host)
	}
	for i, origin := range c.Origins {
		v.origin(entry("origins", i), origin)
	}
	v.providers(c)
	v.models(c)

	v.oneOf("retry.strategy", c.Retry.Strategy, "exponential", "linear", "fibonacci")
	v.between("retry.max_attempts", c.Retry.MaxAttempts, 1, 10)
	v.positive("retry.base", c.Retry.Base)
	if c.Retry.Max < c.Retry.Base {
		v.tell("retry.max", "%s is shorter than retry.base, which is %s", c.Retry.Max, c.Retry.Base)
	}
	v.between("breaker.failures", c.Breaker.Failures, 1, 1000)
	v.positive("breaker.open_for", c.Breaker.OpenFor)
	for path, is := range map[string]Percent{"retry.budget": c.Retry.Budget, "breaker.rate": c.Breaker.Rate} {
		if is < 0 || is > 100 {
			v.tell(path, "%s is not from 0%% to 100%%", is)
		}
	}
	v.positive("breaker.window", c.Breaker.Window)
	v.between("breaker.min_calls", c.Breaker.MinCalls, 1, 1000000)
	v.between("queue.concurrent", c.Queue.Concurrent, 0, 100000)
	v.between("queue.waiting", c.Queue.Waiting, 0, 100000)
	v.between("breaker.probes", c.Breaker.Probes, 1, 100)

	v.positive("timeouts.connect", c.Timeouts.Connect)
	v.positive("timeouts.first_token", c.Timeouts.FirstToken)
	v.positive("timeouts.idle", c.Timeouts.Idle)
	v.positive("timeouts.whole", c.Timeouts.Whole)
	if t := c.Timeouts; t.Whole > 0 && t.FirstToken > t.Whole {
		v.tell("timeouts.first_token", "%s is longer than timeouts.whole, which is %s", t.FirstToken, t.Whole)
	}

	v.positive("cache.exact.ttl", c.Cache.Exact.TTL)
	if c.Cache.Exact.MaxBytes < 1 {
		v.tell("cache.exact.max_bytes", "must be more than 0; to keep no answers write cache.exact.when: off")
	}
	v.oneOf("cache.exact.when", c.Cache.Exact.When, "off", "deterministic", "always")
	if t := c.Cache.Similar.Threshold; !(t > 0 && t <= 1) {
		v.tell("cache.similar.threshold", "%v is out of range; use a number over 0 and up to 1, such as 0.95", t)
	}
	if name := c.Cache.Similar.Provider; name != "" {
		i := slices.IndexFunc(c.Providers, func(p Provider) bool { return p.Name == name })
		switch {
		case i < 0:
			v.tell("cache.similar.provider", "there is no provider %s", show(name))
		case !c.Providers[i].OnDevice():
			v.tell("cache.similar.provider", "%s is not on this machine, and questions do not leave it to be compared", show(name))
		}
	}
	v.oneOf("cache.similar.when", c.Cache.Similar.When, "always", "last-resort")
	v.positive("cache.similar.ttl", c.Cache.Similar.TTL)
	for i, m := range c.Cache.Exact.Models {
		at := entry("cache.exact.models", i)
		if _, err := path.Match(m.Model, ""); m.Model == "" || err != nil {
			v.tell(join(at, "model"), "%q is no name and no pattern of names; write a model's name, or such as llama3*", m.Model)
		}
		if m.When != "" {
			v.oneOf(join(at, "when"), m.When, "off", "deterministic", "always")
		}
	}
	if b := c.Cache.MaxFile; b != 0 && b < 1<<20 {
		v.tell("cache.max_file", "%s is too small; use 1MiB or more, or 0 to keep answers in memory only", b)
	}
	v.oneOf("guard.secrets", c.Guard.Secrets, "off", "flag", "redact-for-cloud", "redact", "block")
	v.oneOf("guard.pii", c.Guard.PII, "off", "flag", "redact-for-cloud", "redact", "block")
	v.oneOf("guard.injection", c.Guard.Injection, "off", "flag", "block")

	v.between("limits.requests_per_minute", c.Limits.RequestsPerMinute, 0, 1_000_000)
	v.between("limits.concurrent", c.Limits.Concurrent, 0, 1_000_000)
	if b := c.Limits.Body; b < 1<<10 || b > 1<<30 {
		v.tell("limits.body", "%s is out of range; use 1KiB to 1GiB", b)
	}
	v.between("limits.connections", c.Limits.Connections, 1, 1_000_000)

	for i, m := range c.Prices.Models {
		at := entry("prices.models", i)
		if m.Model == "" {
			v.tell(join(at, "model"), "is missing; name the model as its provider does")
		}
		for name, is := range map[string]float64{"input": m.Input, "output": m.Output, "cached_input": m.CachedInput} {
			if is < 0 || is > 1e6 {
				v.tell(join(at, name), "%v is no price; write US dollars for a million tokens", is)
			}
		}
	}
	for name, is := range map[string]float64{"watts": c.Prices.Local.Watts, "usd_per_kwh": c.Prices.Local.USDPerKWh, "usd_per_hour": c.Prices.Local.USDPerHour} {
		if is < 0 || is > 1e6 {
			v.tell("prices.local."+name, "%v is not from 0 to a million", is)
		}
	}
	v.oneOf("audit.content", c.Audit.Content, "hash", "encrypted")
	v.oneOf("audit.durability", c.Audit.Durability, "group", "strict")
	v.anchors(c.Audit.Anchors)
	for _, b := range []struct {
		path string
		is   Bytes
	}{{"audit.max_content", c.Audit.MaxContent}, {"audit.max_entries", c.Audit.MaxEntries}} {
		if b.is < 0 {
			v.tell(b.path, "%s is negative", b.is)
		}
	}
	v.oneOf("audit.on_failure", c.Audit.OnFailure, "continue", "refuse")
	for i, b := range c.Budgets {
		path := entry("budgets", i)
		v.oneOf(path+".per", b.Per, "hour", "day", "week", "month")
		switch {
		case !(b.USD > 0):
			v.tell(path+".usd", "must be an amount over 0, in US dollars")
		case b.USD < 1e-9 || b.USD > 1e9:
			v.tell(path+".usd", "%v is out of range; use a billionth of a US dollar up to a billion", b.USD)
		}
		v.oneOf(path+".then", b.Then, "warn", "local-only", "refuse")
		if b.Scope != "" {
			v.oneOf(path+".scope", b.Scope, "all", "key", "user", "app")
		}
		if b.Only != "" && (b.Scope == "" || b.Scope == "all") {
			v.tell(path+".only", "%s can be a key, a user or an app; write scope: key, user or app beside it", show(b.Only))
		}
		if slices.ContainsFunc(c.Budgets[:i], func(other Budget) bool {
			b.Then = other.Then
			return b == other
		}) {
			v.tell(path, "stands there already; give it another amount, window or scope")
		}
	}
	if t := c.Health.MaxTemperature; !(t >= 0 && t <= 150) {
		v.tell("health.max_temperature", "%v is out of range; use 0 (not watched) to 150 degrees Celsius", t)
	}
	if len(c.Health.Pressure) == 0 {
		v.tell("health.pressure", "is empty; write [off] for nothing to be done")
	}
	for i, action := range c.Health.Pressure {
		at := entry("health.pressure", i)
		switch {
		case slices.Contains(c.Health.Pressure[:i], action):
			v.tell(at, "stands there twice")
		case action == "off" && len(c.Health.Pressure) > 1:
			v.tell(at, "off stands alone")
		default:
			v.oneOf(at, action, "off", "refuse-load", "shrink-cache", "lower-concurrency", "unload-idle", "prefer-smaller", "prefer-cloud")
		}
	}
	if p := c.Health.Probe; p != 0 && p < Duration(time.Minute) {
		v.tell("health.probe", "%s is too short; use 0s (never) or 1m and more", p)
	}
	if c.SLO.Availability >= 100 {
		v.tell("slo.availability", "must be less than 100%%, such as 99.9%%; a promise without any room is always broken")
	}
	if c.Telemetry.OTLP != "" {
		v.url("telemetry.otlp", c.Telemetry.OTLP)
	}
	for i, h := range c.Telemetry.OTLPHeaders {
		at := entry("telemetry.otlp_headers", i)
		switch {
		case h.Name == "":
			v.tell(at+".name", "is missing; write the header's name, such as Authorization")
		case strings.ContainsFunc(h.Name, func(r rune) bool { return !isWord(r) }):
			v.tell(at+".name", "%s is not the name of a header; use letters, digits and dashes", show(h.Name))
		}
		if problem := h.Value.problem(); h.Value == "" {
			v.tell(at+".value", "is missing; write where it is kept: keyring:NAME, env:NAME or file:PATH")
		} else if problem != "" {
			v.tell(at+".value", "%s", problem)
		}
	}
	if s := c.Telemetry.Sample; !(s >= 0 && s <= 100) {
		v.tell("telemetry.sample", "%s is not from 0%% to 100%%", s)
	}
	v.oneOf("telemetry.propagate", c.Telemetry.Propagate, "local", "all")
	v.oneOf("telemetry.log", c.Telemetry.Log, "debug", "info", "warn", "error")
	v.oneOf("telemetry.format", c.Telemetry.Format, "auto", "json", "human")
	if f := c.Telemetry.File; f != "" && !filepath.IsAbs(f) {
		v.tell("telemetry.file", "%s is not a whole path; write for example /var/log/corral/corral.log", show(f))
	}
	if n := c.Telemetry.FileMaxBytes; n < 2<<20 || n > 1<<40 {
		v.tell("telemetry.file_max_bytes", "%s is out of range; use 2MiB to 1TiB", n)
	}
	v.between("telemetry.file_keep", c.Telemetry.FileKeep, 0, 1000)
	for _, d := range []struct {
		path string
		is   Duration
	}{{"breaker.slow", c.Breaker.Slow}, {"timeouts.load", c.Timeouts.Load}, {"timeouts.ping", c.Timeouts.Ping}, {"audit.retention", c.Audit.Retention}, {"audit.keep_entries", c.Audit.KeepEntries}, {"slo.latency_p95", c.SLO.LatencyP95}, {"shutdown", c.Shutdown}} {
		if d.is < 0 {
			v.tell(d.path, "%s is negative", d.is)
		}
	}
}

// checker has one method for each kind of rule.
type checker struct {
	tell func(path, format string, args ...any)
}

func (v checker) oneOf(path, value string, known ...string) {
	switch {
	case value == "":
		v.tell(path, "is missing; use %s", anyOf(known))
	case !slices.Contains(known, value):
		v.tell(path, "%s is not known; use %s", show(value), anyOf(known))
	}
}

func (v checker) between(path string, n, least, most int) {
	if n < least || n > most {
		v.tell(path, "%d is out of range; use %d to %d", n, least, most)
	}
}

func (v checker) positive(path string, d Duration) {
	if d <= 0 {
		v.tell(path, "%s is too short; it must be more than 0s", d)
	}
}

func (v checker) listen(c Config) {
	v.oneOf("auth", string(c.Auth), string(AuthNone), string(AuthRequired))
	host, port, err := net.SplitHostPort(c.Listen)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || host != "" && !isHost(host) || strconv.FormatUint(n, 10) != port {
		v.tell("listen", "%s is not an address; write host:port, such as 127.0.0.1:11435", show(c.Listen))
		return
	}
	if c.Auth == AuthNone && !isLoopback(host) {
		v.tell("listen", "%s can be reached from other machines, but auth is none; set auth: required and make a key with "+
			"\"corral keys\", or listen on 127.0.0.1:%s", show(c.Listen), port)
	}
}

func (v checker) host(path, host string) {
	if !isHost(host) {
		v.tell(path, "%s is not a host name; write it without scheme, port or path, such as box.lan", show(host))
	}
}

// origin checks what a browser sends in Origin: scheme, host, and a port only when it is not the scheme's own.
func (v checker) origin(path, origin string) {
	scheme, rest, ok := strings.Cut(origin, "://")
	host, port := rest, ""
	if h, p, err := net.SplitHostPort(rest); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	_, bad := strconv.ParseUint(port, 10, 16)
	switch {
	case origin == "*":
		v.tell(path, "any origin (*) is not offered, for then every web page could call; name the origins, such as https://app.example.org")
	case ok && strings.HasSuffix(rest, "/") && isHost(strings.TrimRight(host, "/")):
		v.tell(path, "%s ends in a slash; write it without", show(origin))
	case !ok || !isScheme(scheme) || !isHost(host) || port != "" && bad != nil:
		v.tell(path, "%s is not an origin; write scheme://host or scheme://host:port and nothing else, such as https://app.example.org", showURL(origin))
	case scheme == "https" && port == "443" || scheme == "http" && port == "80":
		v.tell(path, "%s names its scheme's own port, which browsers leave out; write %s://%s", show(origin), scheme, host)
	}
}

func (v checker) providers(c Config) {
	if len(c.Providers) == 0 {
		v.tell("providers", "must have at least one entry, such as { name: local, kind: ollama }")
	}
	first := map[string]int{}
	for i, p := range c.Providers {
		path := entry("providers", i)
		switch other, twice := first[p.Name]; {
		case p.Name == "":
			v.tell(path+".name", "is missing; give each provider a name, such as local")
		case len(p.Name) > 64 || strings.ContainsFunc(p.Name, func(r rune) bool { return !isWord(r) && r != '.' }):
			v.tell(path+".name", "%s is not a name; use up to 64 letters, digits, dots, dashes and underscores", show(p.Name))
		case twice:
			v.tell(path+".name", "%s is the name of %s already; each needs its own", show(p.Name), entry("providers", other))
		default:
			first[p.Name] = i
		}
		v.oneOf(path+".kind", string(p.Kind), string(KindOllama), string(KindOpenAI), string(KindAnthropic), string(KindGemini))
		if p.URL != "" && v.url(path+".url", p.URL) {
			v.apiPath(path+".url", p)
		}
		if problem := p.Key.problem(); p.Key != "" && problem != "" {
			v.tell(path+".key", "%s", problem)
		}
		for j, dialect := range p.Dialects {
			v.oneOf(entry(path+".dialects", j), dialect, "ollama", "openai", "anthropic")
		}
	}
}

// url checks the address of a server. A value with a password or a query in it is not repeated, for either may be a key.
func (v checker) url(path, value string) bool {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Opaque != "" || strings.ContainsFunc(value, unicode.IsSpace):
		v.tell(path, "%s is not a URL; write for example http://127.0.0.1:11434", showURL(value))
	case u.User != nil:
		v.tell(path, "must not hold a user or a password")
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(value, "#"):
		v.tell(path, "must end before the \"?\" or \"#\"")
	case u.Scheme != "http" && u.Scheme != "https":
		v.tell(path, "%s must start with http:// or https://", show(value))
	case !isHost(u.Hostname()) || !isPort(u.Port()):
		v.tell(path, "%s names no host; write for example http://127.0.0.1:11434", show(value))
	default:
		return true
	}
	return false
}

// syslog is the place that is this machine's own log; hasSyslog says whether there is one.
const syslog = "syslog"

const hasSyslog = runtime.GOOS != "windows" && runtime.GOOS != "plan9"

// anchors checks the places that signed heads are copied to.
func (v checker) anchors(places []string) {
	for i, place := range places {
		at := entry("audit.anchors", i)
		switch {
		case slices.Contains(places[:i], place):
			v.tell(at, "stands there twice")
		case place == syslog && !hasSyslog:
			v.tell(at, "syslog is not offered on this system; name a file or an https:// address")
		case place == syslog:
		case strings.HasPrefix(place, syslog):
			v.tell(at, "%s is not known; write syslog for this machine's own", show(place))
		case strings.Contains(place, "://"):
			v.url(at, place)
		case !filepath.IsAbs(place):
			v.tell(at, "%s is not a whole path; write for example /mnt/other/corral-anchor.log, https://host/path or syslog", show(place))
		}
	}
}

// apiPath refuses the usual mistake of writing more of the path than is wanted.
func (v checker) apiPath(path string, p Provider) {
	endings := []string{"/chat/completions", "/completions", "/responses", "/embeddings", "/models"}
	switch p.Kind {
	case KindOllama:
		endings = []string{"/api", "/v1", "/api/chat", "/api/generate"}
	case KindAnthropic:
		endings = []string{"/v1", "/v1/messages"}
	case KindGemini:
		endings = []string{"/v1", "/v1beta", "/models"}
	}
	for _, ending := range endings {
		if base, ok := strings.CutSuffix(p.URL, ending); ok {
			v.tell(path, "%s goes too far for kind %s; write %s", show(p.URL), p.Kind, base)
			return
		}
	}
}

func (v checker) models(c Config) {
	byName := map[string]Provider{}
	var names []string
	for _, p := range c.Providers {
		byName[p.Name] = p
		names = append(names, p.Name)
	}
	first := map[string]int{}
	for i, m := range c.Models {
		path := entry("models", i)
		switch other, twice := first[m.Name]; {
		case m.Name == "":
			v.tell(path+".name", "is missing; write the name that apps ask for, such as chat")
		case !isModel(m.Name):
			v.tell(path+".name", "%s is not a model's name; use up to 256 plain characters without spaces", show(m.Name))
		case twice:
			v.tell(path+".name", "%s is the name of %s already; each needs its own", show(m.Name), entry("models", other))
		default:
			first[m.Name] = i
		}
		if len(m.Targets) == 0 && len(m.LastResort) == 0 {
			v.tell(path+".targets", "is missing; name at least one, such as { provider: %s, model: llama3.2 }", firstOr(names, "local"))
		}
		for j, t := range m.Targets {
			v.target(entry(path+".targets", j), m, t, byName, names)
		}
		for j, last := range m.LastResort {
			if last.Similar && c.Cache.Similar.Model == "" {
				v.tell(entry(path+".last_resort", j), "similar needs an embedding model; set cache.similar.model, such as all-minilm")
			}
		}
	}
}

func (v checker) target(path string, m Model, t Target, byName map[string]Provider, names []string) {
	p, known := byName[t.Provider]
	switch meant := nearest(t.Provider, names); {
	case t.Provider == "":
		v.tell(path+".provider", "is missing; use %s", anyOf(names))
	case !known && meant != "":
		v.tell(path+".provider", "%s is not the name of a provider; did you mean %s?", show(t.Provider), meant)
	case !known:
		v.tell(path+".provider", "%s is not the name of a provider; use %s", show(t.Provider), anyOf(names))
	case m.LocalOnly && !p.OnDevice():
		v.tell(path+".provider", "%s is not on this machine, but %s is local_only; remove the target or local_only", show(t.Provider), show(m.Name))
	}
	switch {
	case t.Model == "":
		v.tell(path+".model", "is missing; write the provider's own name of the model")
	case !isModel(t.Model):
		v.tell(path+".model", "%s is not a model's name; use up to 256 plain characters without spaces", show(t.Model))
	case m.LocalOnly && !t.OnDevice():
		v.tell(path+".model", "%s runs in the cloud, but %s is local_only; remove the target or local_only", show(t.Model), show(m.Name))
	}
}

// showURL quotes an address, unless there may be a password or a key in it.
func showURL(value string) string {
	if strings.ContainsAny(value, "@?") {
		return "what stands here"
	}
	return show(value)
}

func firstOr(names []string, other string) string {
	if len(names) > 0 && names[0] != "" {
		return names[0]
	}
	return other
}

// isModel says whether s can be the name of a model: it goes into headers, labels and URLs.
func isModel(s string) bool {
	return len(s) <= 256 && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// isHost says whether s is an IP address or a host name as RFC 1123 has it, with underscores as networks of containers do.
func isHost(s string) bool {
	if addr, err := netip.ParseAddr(s); err == nil {
		return addr.IsValid()
	}
	if s == "" || len(s) > 253 {
		return false
	}
	numeric := true // 300.0.0.1 is a mistyped address and not a name
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' ||
			strings.ContainsFunc(label, func(r rune) bool { return !isWord(r) }) {
			return false
		}
		numeric = numeric && isNumber(label)
	}
	return !numeric
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

func isScheme(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isWord(r) && r != '+' && r != '.' || r == '_' })
}

// isLoopback says whether a host is this machine and nothing else. Of names only localhost is known to be (RFC 6761);
// what another name stands for can change. An empty host listens everywhere.
func isLoopback(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().IsLoopback()
	}
	return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
}

// listensOnLoopback is isLoopback for host:port.
func listensOnLoopback(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	return err == nil && isLoopback(host)
}

// warnings are what is valid and should be known all the same.
func (c Config) warnings(rep *report) []Problem {
	var found []Problem
	warn := func(path, format string, args ...any) {
		p := rep.find(path, true)
		p.Field, p.Message = path, fmt.Sprintf(format, args...)
		found = append(found, p)
	}
	for i, p := range c.Providers {
		u, err := url.Parse(p.URL)
		if err != nil {
			continue
		}
		path := entry("providers", i) + ".url"
		if p.Kind == KindOpenAI && u.Path == "" {
			warn(path, "has no path; most OpenAI-compatible servers answer under /v1")
		}
		if p.Key != "" && u.Scheme == "http" && !p.OnDevice() {
			warn(path, "the key is sent without encryption; use https:// if the server has it")
		}
	}
	for i, place := range c.Audit.Anchors {
		if u, err := url.Parse(place); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) {
			warn(entry("audit.anchors", i), "is reached without encryption: who is in between can keep signed heads from it unseen; use https:// if the server has it")
		}
	}
	if u, err := url.Parse(c.Telemetry.OTLP); err == nil && u.Scheme == "http" && !isLoopback(u.Hostname()) && (len(c.Telemetry.OTLPHeaders) > 0 || c.Telemetry.Content) {
		warn("telemetry.otlp", "keys of the collector and texts of calls are sent without encryption; use https:// if it has it")
	}
	return inOrder(found)
}
