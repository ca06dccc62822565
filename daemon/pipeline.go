package daemon

import (
	"corral/daemon/llm"
)

// journey is the map of a call's way. The gateway has let it in (host, origin, route); from here it meets, in this order:
func (d *Daemon) journey() llm.Handler {
	return llm.Chain(
		d.nest.Handler(), // last: fallback(retry(queue(breaker(timeout(provider))))); returns with the first content

		d.meter.Stage,   // all that comes after is counted, logged and put into the ledger, refusals too
		d.auth.Stage,    // who asks?
		d.limit.Stage,   // is there room?
		d.decoder.Stage, // what is asked: the body, bounded and valid
		d.router.Stage,  // which targets may answer, in which order
	)
}
