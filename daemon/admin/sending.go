package admin

import (
	"context"
	"strings"

	"corral/daemon/config"
)

// MaySend reports whether who asks with ctx may have a key that is kept sent to a server that the config does not send it to
// already. The holder of the token may. A session may where the key was typed in it: else a stolen session could read any key,
// and any file with one line, by naming a server of its own.
func MaySend(ctx context.Context, key config.Secret) bool {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return false
	}
	if c.role == Owner {
		return true
	}
	name, ok := strings.CutPrefix(string(key), "keyring:")
	return ok && c.by == "session" && c.session.Typed.Has(name)
}

// typed remembers that the key of that name was typed in the session that asks.
func typed(ctx context.Context, name string) {
	if c, ok := ctx.Value(callerKey{}).(caller); ok && c.by == "session" {
		c.session.Typed.Add(name)
	}
}

// HowToSend says what who may not have a key sent can do.
const HowToSend = "type the key anew on this page, or make the change with the corral command"
