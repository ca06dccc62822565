package admin

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/admin/session"
	"corral/daemon/auth"
)

// maxBody bounds what a route may be sent, but for a backup and a call to a model.
const maxBody = 1 << 20

// caller is who asks.
type caller struct {
	role    Role
	by      string          // token or session; empty: nobody who is known
	session session.Session // by session
	secret  string          // of the session
	origin  string          // the page's that asks, where a browser says so
	host    string
	foreign bool // a page of another origin has the browser ask this
}

type callerKey struct{}

func callerOf(ctx context.Context) caller { return ctx.Value(callerKey{}).(caller) }

// guard stands before every route: it finds out who asks, and compares with what the route asks for.
type guard struct {
	token string
	table *session.Table
	next  *routes
}

// refusal is an answer to who may not.
type refusal struct {
	status int
	detail string
}

const howToLogin = "Send the operator's token as Authorization: Bearer. It is in " + TokenFile + " in Corral's data folder; the corral command finds it by itself. " +
	"For a browser, `corral ui` makes a link."

func (g *guard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'") // for who opens an answer as a page
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	c, no := g.who(r)
	want := g.next.role(r)
	switch {
	case no != nil:
	case !c.role.may(want) && c.by == "":
		no = &refusal{http.StatusUnauthorized, howToLogin}
	case !c.role.may(want):
		no = &refusal{http.StatusForbidden, "This is for the holder of the operator's token only, and not for the page: use the corral command."}
	case c.by == "session" && (want != Anyone || safe(r.Method)): // a login has checks of its own
		no = admits(c, r)
	}
	if no != nil {
		refuse(w, no)
		return
	}
	if r.URL.Path != Base+"/restore" && !strings.HasPrefix(r.URL.Path, tryBase) { // these bound it themselves
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	}
	ctx := context.WithValue(r.Context(), callerKey{}, c)
	if c.by == "session" {
		g.table.Use(c.secret) // only now: what is refused keeps no session alive
		var end context.CancelCauseFunc
		ctx, end = context.WithCancelCause(ctx)
		defer end(nil)
		defer context.AfterFunc(c.session.Done, func() { end(context.Cause(c.session.Done)) })() // a feed ends with its session
	}
	g.next.ServeHTTP(w, r.WithContext(ctx))
}

// who finds out who asks. Who shows a token is taken at that: a wrong one is refused, whatever the cookie.
func (g *guard) who(r *http.Request) (caller, *refusal) {
	c := caller{role: Anyone, origin: r.Header.Get("Origin"), host: r.Host}
	site := r.Header.Get("Sec-Fetch-Site")
	c.foreign = site != "" && site != "same-origin" && site != "none"
	if token := auth.Secret(r.Header); token != "" {
		if !same(token, g.token) {
			return c, &refusal{http.StatusUnauthorized, howToLogin}
		}
		c.role, c.by = Owner, "token"
		return c, nil
	}
	for _, secret := range shown(r) {
		if s, ok := g.table.Find(secret); ok && hostOf(s.Origin) == r.Host {
			c.role, c.by, c.session, c.secret = Admin, "session", s, secret
			break
		}
	}
	return c, nil
}

// safe reports whether a method changes nothing.
func safe(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// CSRFHeader is where a page shows Session.CSRF with what changes something.
const CSRFHeader = "X-Corral-CSRF"

// admits checks what a browser sends by itself with the cookie: it does so for pages of other ports of this host too.
func admits(c caller, r *http.Request) *refusal {
	if c.foreign || c.origin != "" && c.origin != c.session.Origin {
		return &refusal{http.StatusForbidden, "A page of another origin may not use this session."}
	}
	if safe(r.Method) {
		return nil
	}
	if c.origin == "" {
		return &refusal{http.StatusForbidden, "A change by a session needs the Origin header, which every browser sends."}
	}
	if !same(r.Header.Get(CSRFHeader), c.session.CSRF) {
		return &refusal{http.StatusForbidden, "A change by a session needs " + CSRFHeader + " with the value that GET " + Base + "/session gives."}
	}
	return nil
}

func refuse(w http.ResponseWriter, no *refusal) {
	if no.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer realm="corral operator"`)
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(no.status)
	json.NewEncoder(w).Encode(huma.ErrorModel{Title: http.StatusText(no.status), Status: no.status, Detail: no.detail})
}

// cookieName is the session cookie of a page of origin. Ports share their host's cookies, so the name tells two Corrals
// apart. The prefix keeps others from setting it, which browsers allow over https only.
func cookieName(origin string) string {
	if strings.HasPrefix(origin, "https://") {
		return "__Host-corral"
	}
	if _, port, err := net.SplitHostPort(hostOf(origin)); err == nil {
		return "corral-" + port
	}
	return "corral-80"
}

// hostOf is an origin as the Host header has it.
func hostOf(origin string) string {
	_, host, _ := strings.Cut(origin, "://")
	return host
}

// shown are the secrets that the cookies of r may hold: what listens at another port of this host may have set some of the
// same name.
func shown(r *http.Request) (secrets []string) {
	for _, scheme := range []string{"https://", "http://"} {
		for _, c := range r.CookiesNamed(cookieName(scheme + r.Host)) {
			secrets = append(secrets, c.Value)
		}
	}
	return secrets[:min(len(secrets), 4)]
}
