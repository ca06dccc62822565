package daemon

import (
	"context"
	"log/slog"
	"strings"

	"corral/daemon/admin"
	"corral/daemon/config"
)

// level is what c says is logged.
func level(c config.Config) slog.Level {
	var l slog.Level
	if l.UnmarshalText([]byte(c.Telemetry.Log)) != nil {
		return slog.LevelInfo
	}
	return l
}

// takeLevel puts c's level in force where it is another one than before. A level set by hand outlives other changes of the
// config.
func (d *Daemon) takeLevel(c config.Config) {
	if l := level(c); d.level == nil || *d.level != l {
		d.level = &l
		d.o.Level.Set(l)
	}
}

// logged is what is logged now.
func (d *Daemon) logged() admin.Log {
	return admin.Log{Level: strings.ToLower(d.o.Level.Level().String()), Config: d.config.Current().Telemetry.Log}
}

// setLog logs what name says and what is worse. That it was done is always logged.
func (d *Daemon) setLog(name string) {
	var l slog.Level
	if l.UnmarshalText([]byte(name)) != nil {
		return // the operator API lets no other name through
	}
	d.o.Level.Set(min(l, slog.LevelWarn))
	d.log.Log(context.Background(), slog.LevelWarn, "the log's level was set by hand, until the next start", "level", name)
	d.o.Level.Set(l)
}
