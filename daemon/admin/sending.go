package admin

import (
	"context"
	"strings"

	"corral/daemon/config"
)

// MaySend reports whether who asks with ctx may have a key that is kept sent to a server that the config does not send it to
// already. The holder of the token may. A session may where the key was typed in it: else a stolen session could read any key,
// and any file with one line, by naming a server of its own. kept is the key under a name: another may have been put there since.
func MaySend(ctx context.Context, key config.Secret, kept func(name string) (string, error)) bool {
	c, ok := ctx.Value(callerKey{}).(caller)
	if !ok {
		return false
	}
	if c.role == Owner {
		return true
	}
	name, ok := strings.CutPrefix(string(key), "keyring:")
	if !ok || c.by != "session" {
		return false
	}
	now, err := kept(name)
	return err == nil && c.session.Typed.Has(name, now)
}

// typed remembers that key was typed in the session that asks, under that name.
func typed(ctx context.Context, name, key string) {
	if c, ok := ctx.Value(callerKey{}).(caller); ok && c.by == "session" {
		c.session.Typed.Add(name, key)
	}
}

// HowToSend says what who may not have a key sent can do.
const HowToSend = "type the key anew on this page, or make the change with the corral command"
