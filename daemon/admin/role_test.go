package admin_test

import (
	"slices"
	"testing"

	"corral/daemon/admin"
)

// TestEveryRouteStatesItsRole walks what is registered, and not only what is described. A route of none would be the
// token's alone, and nobody would have decided that.
func TestEveryRouteStatesItsRole(t *testing.T) {
	all := admin.Routes()
	if len(all) < 35 {
		t.Fatalf("only %d routes", len(all))
	}
	anyone := []string{}
	for _, r := range all {
		name := r.Method + " " + r.Path
		switch r.Role {
		case admin.Anyone:
			anyone = append(anyone, name)
		case admin.Read:
			if r.Method != "GET" && name != "DELETE /control/v1/session" {
				t.Errorf("%s changes something, and asks for %s only", name, r.Role)
			}
		case admin.Operate, admin.Admin, admin.Owner:
		default:
			t.Errorf("%s states no role: %q (admin.go: as)", name, r.Role)
		}
		if r.Method != "GET" && (r.Method == "" || !slices.Contains([]string{"POST", "PUT", "DELETE", "PATCH"}, r.Method)) {
			t.Errorf("%s: a route has a method", name)
		}
		if !r.Described && !slices.Contains([]string{".json", ".yaml"}, r.Path[len(r.Path)-5:]) {
			t.Errorf("%s is not in openapi.json", name)
		}
	}
	slices.Sort(anyone)
	if !slices.Equal(anyone, []string{"GET /control/v1/session", "POST /control/v1/session"}) {
		t.Errorf("without a login: %v", anyone)
	}
}
