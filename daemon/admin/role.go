package admin

import (
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Role is what a route asks of its caller. Each includes those before it.
type Role string

// The roles. A browser's session has all but Owner, which is the token's: with a stolen session nobody can make another
// one, exchange the whole database, or outlive its end.
const (
	Anyone  Role = "anyone"  // no login: what a login needs
	Read    Role = "read"    // shows how things are; no texts of calls
	Operate Role = "operate" // changes how Corral goes on; can be undone
	Admin   Role = "admin"   // shows texts of calls, makes and ends keys, removes for good
	Owner   Role = "owner"   // the holder of the token
)

var ranks = []Role{Anyone, Read, Operate, Admin, Owner}

// may reports whether who has r may do what asks for want. What is no role is nobody's.
func (r Role) may(want Role) bool {
	has, asked := slices.Index(ranks, r), slices.Index(ranks, want)
	return asked >= 0 && has >= asked
}

// roleField is where the OpenAPI description says a route's role.
const roleField = "x-role"

// as states the role of a route.
func as(r Role, op huma.Operation) huma.Operation {
	op.Extensions = map[string]any{roleField: string(r)}
	if r == Anyone {
		op.Security = []map[string][]string{{}}
	}
	return op
}

// routes is the API's ServeMux, which knows what was registered and who may ask for it.
type routes struct {
	*http.ServeMux
	patterns []string
	roles    map[string]Role // by pattern; what is not in it is the Owner's
}

func newRoutes() *routes { return &routes{ServeMux: http.NewServeMux(), roles: map[string]Role{}} }

// HandleFunc is what huma registers with.
func (x *routes) HandleFunc(pattern string, h func(http.ResponseWriter, *http.Request)) {
	x.patterns = append(x.patterns, pattern)
	x.ServeMux.HandleFunc(pattern, h)
}

// learn takes over the roles that the operations of the description state, once all are registered.
func (x *routes) learn(api huma.API) {
	for path, item := range api.OpenAPI().Paths {
		for method, op := range operations(item) {
			if r, ok := op.Extensions[roleField].(string); ok {
				x.roles[method+" "+path] = Role(r)
			}
		}
	}
}

// role is what the route of r asks for.
func (x *routes) role(r *http.Request) Role {
	_, pattern := x.Handler(r)
	if pattern == "" {
		return Read // there is no such route, which only callers are told
	}
	if role, ok := x.roles[pattern]; ok {
		return role
	}
	return Owner
}

// Route is a row of the API.
type Route struct {
	Method, Path string // Path is whole: /control/v1/keys/{id}
	Role         Role   // empty: none was stated
	Described    bool   // it stands in openapi.json
}

// Routes are all routes there are, for documents and tests.
func Routes() []Route {
	x, api := register(Options{})
	var out []Route
	for _, pattern := range x.patterns {
		method, path, _ := strings.Cut(pattern, " ")
		item := api.OpenAPI().Paths[path]
		out = append(out, Route{Method: method, Path: path, Role: x.roles[pattern], Described: item != nil && operations(item)[method] != nil})
	}
	return out
}

func operations(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{http.MethodGet: item.Get, http.MethodPut: item.Put, http.MethodPost: item.Post, http.MethodDelete: item.Delete,
		http.MethodPatch: item.Patch, http.MethodHead: item.Head, http.MethodOptions: item.Options, http.MethodTrace: item.Trace}
	for method, op := range all {
		if op == nil {
			delete(all, method)
		}
	}
	return all
}
