package daemon

import (
	"corral/daemon/llm"
)

// journey is the map of a call's way. The gateway has let it in (host, origin, route); from here it meets, in this order:
func (d *Daemon) journey() llm.Handler {
	return llm.Chain(
		d.router,        // which target; it asks the provider, and returns with the first content of the answer
		d.auth.Stage,    // who asks?
		d.meter.Stage,   // all that comes after is counted and logged, refusals too
		d.limit.Stage,   // is there room?
		d.decoder.Stage, // what is asked: the body, bounded and valid
	)
}
