package admin

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"corral/daemon/admin/session"
)

// Login is who the caller is.
type Login struct {
	Authenticated bool       `json:"authenticated"`
	By            string     `json:"by,omitempty" enum:"session,token"`
	Roles         []Role     `json:"roles" doc:"what routes may ask for (x-role) and are answered"`
	CSRF          string     `json:"csrf,omitempty" doc:"of a session: every change must send it as X-Corral-CSRF"`
	Expires       *time.Time `json:"expires,omitempty" doc:"when the session ends at the latest"`
	IdleExpires   *time.Time `json:"idle_expires,omitempty" doc:"when it ends without another request"`
}

func loginOf(role Role, by string, s *session.Session) Login {
	l := Login{Authenticated: by != "", By: by, Roles: []Role{}}
	for _, r := range ranks {
		if role.may(r) {
			l.Roles = append(l.Roles, r)
		}
	}
	if s != nil {
		l.CSRF, l.Expires, l.IdleExpires = s.CSRF, &s.Expires, &s.Idle
	}
	return l
}

// Link is a one-time login. The code is in its fragment, which no browser sends: it is in no log, no Referer, and what
// fetches links beforehand cannot use it up. The page there sends it with POST /session.
type Link struct {
	URL     string    `json:"url" format:"uri"`
	Page    string    `json:"page" format:"uri" doc:"the same without the code"`
	Expires time.Time `json:"expires"`
}

type loginOutput struct{ Body Login }

type beganOutput struct {
	SetCookie string `header:"Set-Cookie"`
	Body      Login
}

type endedOutput struct {
	SetCookie []string `header:"Set-Cookie"`
}

type beginInput struct {
	Body struct {
		Code string `json:"code" minLength:"1" maxLength:"200" doc:"of a link that corral ui made: what follows the #"`
	}
}

type linkInput struct {
	Body struct {
		At      string `json:"at,omitempty" maxLength:"300" doc:"address by which the browser reaches Corral, where it is not the listener's own; https, unless it is this machine"`
		Private bool   `json:"private,omitempty" doc:"under a name of this machine that nobody else knows, so that no web server of another port gets the cookie"`
	}
}

type linkOutput struct{ Body Link }

type endedAllOutput struct {
	Body struct {
		Ended int `json:"ended" doc:"sessions there were"`
	}
}

// NewSessions makes the table of browsers' sessions. Its ends are logged.
func NewSessions(log *slog.Logger) *session.Table {
	return session.New(func(id string, why error) {
		level := slog.LevelInfo
		if errors.Is(why, session.ErrTwice) {
			level = slog.LevelWarn
		}
		log.Log(context.Background(), level, "a browser's session at the operator API is over", "session", id, "why", why.Error())
	})
}

// logins registers what has to do with sessions of browsers.
func logins(api huma.API, o Options) {
	tags := []string{"session"}
	huma.Register(api, as(Anyone, huma.Operation{OperationID: "session", Method: http.MethodGet, Path: Base + "/session", Summary: "Who the caller is, and what a page needs to change something", Tags: tags}),
		func(ctx context.Context, _ *struct{}) (*loginOutput, error) {
			c := callerOf(ctx)
			if c.by == "session" {
				return &loginOutput{loginOf(c.role, c.by, &c.session)}, nil
			}
			return &loginOutput{loginOf(c.role, c.by, nil)}, nil
		})
	huma.Register(api, as(Anyone, huma.Operation{OperationID: "begin-session", Method: http.MethodPost, Path: Base + "/session", Summary: "Exchange the code of a one-time link for a session", Tags: tags,
		Description: "Sets the session's cookie. A code works once, for two minutes, from the page it was made for. Where it comes a second time from another browser, the session that it began ends.",
		Errors:      []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests}}),
		func(ctx context.Context, in *beginInput) (*beganOutput, error) {
			c := callerOf(ctx)
			if c.foreign || c.origin == "" || hostOf(c.origin) != c.host {
				return nil, huma.Error403Forbidden("Only Corral's own page may log in.")
			}
			secret, s, err := o.Sessions.Begin(in.Body.Code, c.origin, c.secret)
			switch {
			case errors.Is(err, session.ErrWait):
				return nil, huma.ErrorWithHeaders(huma.Error429TooManyRequests("Too many wrong codes; wait a little."), http.Header{"Retry-After": {strconv.Itoa(int(session.WrongEvery / time.Second))}})
			case err != nil:
				o.Logger.Warn("a login to the operator API was refused", "origin", c.origin)
				return nil, huma.Error401Unauthorized("This link is of no use any more, or not at this address: it works once, for two minutes. `corral ui` makes another one.")
			}
			o.Logger.Info("a browser logged in to the operator API", "session", s.ID, "origin", s.Origin)
			return &beganOutput{cookie(s.Origin, secret), loginOf(Admin, "session", &s)}, nil
		})
	huma.Register(api, as(Read, huma.Operation{OperationID: "end-session", Method: http.MethodDelete, Path: Base + "/session", Summary: "Log out", DefaultStatus: http.StatusNoContent, Tags: tags}),
		func(ctx context.Context, _ *struct{}) (*endedOutput, error) {
			c := callerOf(ctx)
			if c.by != "session" {
				return &endedOutput{}, nil // a token stays
			}
			o.Sessions.End(c.secret)
			return &endedOutput{[]string{cookie(c.session.Origin, "")}}, nil
		})
	huma.Register(api, as(Owner, huma.Operation{OperationID: "make-link", Method: http.MethodPost, Path: Base + "/session/link", Summary: "Make a one-time link to the page", DefaultStatus: http.StatusCreated, Tags: tags}),
		func(_ context.Context, in *linkInput) (*linkOutput, error) {
			at := in.Body.At
			if at == "" {
				at = "http://" + Reachable(o.Address())
			}
			if in.Body.Private {
				var err error
				if at, err = private(at); err != nil {
					return nil, huma.Error422UnprocessableEntity(err.Error())
				}
			}
			origin, err := originOf(at)
			if err != nil {
				return nil, huma.Error422UnprocessableEntity(err.Error())
			}
			code, expires := o.Sessions.Link(origin)
			return &linkOutput{Link{URL: origin + "/ui/login#" + code, Page: origin + "/ui/", Expires: expires}}, nil
		})
	huma.Register(api, as(Owner, huma.Operation{OperationID: "end-sessions", Method: http.MethodDelete, Path: Base + "/sessions", Summary: "Log every browser out, and make links that nobody used useless", Tags: tags}),
		func(context.Context, *struct{}) (*endedAllOutput, error) {
			out := &endedAllOutput{}
			out.Body.Ended = o.Sessions.EndAll()
			return out, nil
		})
}

// cookie sets the session's secret in a browser, or removes it. It stays on this path, and ends with the browser.
func cookie(origin, secret string) string {
	c := &http.Cookie{Name: cookieName(origin), Value: secret, Path: Base, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if strings.HasPrefix(c.Name, "__Host-") {
		c.Secure, c.Path = true, "/" // as the prefix demands
	}
	if secret == "" {
		c.MaxAge = -1
	}
	return c.String()
}

// originOf is the origin of an address, written as a browser writes it.
func originOf(at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil || u.Host == "" || u.User != nil || u.Scheme != "http" && u.Scheme != "https" || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("the address of the page is such as http://127.0.0.1:11435 or https://corral.example")
	}
	name := strings.ToLower(u.Hostname())
	if u.Scheme == "http" && !onThisMachine(name) {
		return "", errors.New("over the network a browser may log in by https only: put a TLS proxy in front of Corral, or go through `ssh -L`")
	}
	if strings.Contains(name, ":") {
		name = "[" + name + "]"
	}
	if port := u.Port(); port != "" && port != map[string]string{"http": "80", "https": "443"}[u.Scheme] {
		name += ":" + port
	}
	return u.Scheme + "://" + name, nil
}

// private is an address of this machine under a name that is made for one login. Browsers look names under localhost up
// themselves (RFC 6761, section 6.3), and keep cookies of one name from all others.
func private(at string) (string, error) {
	u, err := url.Parse(at)
	if err != nil || u.Scheme != "http" || !onThisMachine(u.Hostname()) {
		return "", errors.New("a name for one login only is for this machine, and without https: leave one of both")
	}
	u.Host = net.JoinHostPort("corral-"+strings.ToLower(rand.Text())+".localhost", cmp.Or(u.Port(), "80"))
	return u.String(), nil
}

func onThisMachine(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback()
	}
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// Reachable is address with loopback in place of "every address of this machine".
func Reachable(address string) string {
	host, port, err := net.SplitHostPort(address)
	if ip, e := netip.ParseAddr(host); err == nil && e == nil && ip.IsUnspecified() {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
