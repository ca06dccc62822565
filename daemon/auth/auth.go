// Package auth is the stage that asks who calls. With `auth: none`, which is for loopback only, everybody may; with
// `auth: required` a call must show a key made by `corral keys create`, as Authorization: Bearer or x-api-key.
package auth

import (
	"context"
	"strings"
	"sync/atomic"

	"corral/daemon/llm"
	"corral/store/keys"
)

// Keys finds a key by its secret.
type Keys interface {
	Lookup(secret string) (keys.Key, bool)
}

// Auth is the stage. Required may change while calls go on.
type Auth struct {
	Required atomic.Bool
	keys     Keys
}

// New makes an Auth that asks for nothing.
func New(k Keys) *Auth { return &Auth{keys: k} }

// Stage refuses calls without a valid key where one is required. The key then stays here: it is Corral's, not the target's.
func (a *Auth) Stage(next llm.Handler) llm.Handler {
	return llm.HandlerFunc(func(ctx context.Context, r *llm.Request) (*llm.Reply, error) {
		if !a.Required.Load() || r.Caller.Operator {
			return next.Serve(ctx, r)
		}
		secret := Secret(r.Header)
		if secret == "" {
			return nil, llm.Errorf(llm.Unauthorized, "auth", nil,
				"An API key is required: send it as Authorization: Bearer or x-api-key. `corral keys create` makes one.")
		}
		k, ok := a.keys.Lookup(secret)
		if !ok {
			return nil, llm.Errorf(llm.Unauthorized, "auth", nil, "This API key is not valid, or no longer. `corral keys list` shows those that are.")
		}
		r.Caller.Key, r.Caller.KeyName = k.ID, k.Name
		delete(r.Header, "Authorization")
		delete(r.Header, "X-Api-Key")
		return next.Serve(ctx, r)
	})
}

// Secret is the key that h shows, empty if none.
func Secret(h map[string][]string) string {
	if v := h["Authorization"]; len(v) > 0 {
		if scheme, rest, ok := strings.Cut(v[0], " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(rest)
		}
	}
	if v := h["X-Api-Key"]; len(v) > 0 {
		return v[0]
	}
	return ""
}
