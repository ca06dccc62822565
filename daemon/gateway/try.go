package gateway

import (
	"context"
	"maps"
	"net/http"
	"net/url"
)

// Tried is a call that came by the operator API.
type Tried struct {
	Path   string // of the app-facing API, such as /api/chat
	Target string // provider/model that is to answer, and no other; empty: as the config says
	By     string // whose call it is, in the ledger and for budgets: it has no app key
}

type triedKey struct{}

// Try answers a call that came by the operator API as if it had come from an app: it goes through the same journey. Who
// asks is known already, so no app key is asked for, and what the operator API was shown goes no further.
func (g *Gateway) Try(w http.ResponseWriter, hr *http.Request, t Tried) {
	r := hr.Clone(context.WithValue(hr.Context(), triedKey{}, t))
	r.URL = &url.URL{Path: t.Path}
	r.RequestURI = t.Path
	r.Header = maps.Clone(hr.Header)
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "X-Corral-Csrf", "Origin", "Referer"} {
		delete(r.Header, name)
	}
	g.calls.ServeHTTP(w, r)
}
