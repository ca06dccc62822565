package daemon

import (
	"time"

	"corral/daemon/health"
)

// setPause begins or ends a pause, and says so as a condition.
func (d *Daemon) setPause(on bool) {
	now := time.Time{}
	if on {
		now = time.Now()
	}
	if !d.pause.Set(now) {
		return
	}
	d.log.Info("new calls are kept out by hand", "paused", on)
	d.wellness.set.Put("pause", time.Now(), d.pauseConditions())
}

func (d *Daemon) pauseConditions() []health.Found {
	if since, on := d.pause.Since(); on {
		return []health.Found{{Code: health.Paused, Severity: health.Warning, Text: "new calls are answered 503 since " + since.Local().Format(time.TimeOnly)}}
	}
	return nil
}
