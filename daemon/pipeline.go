package daemon

import (
	"corral/daemon/llm"
)

// journey is the map of a call's way. The gateway has let it in (host, origin, route); from here it meets, in this order, what
// follows. Between them llm.Pass notes when the call comes past, for the metrics.
func (d *Daemon) journey() llm.Handler {
	return llm.Chain(
		d.nest.Handler(), // last: fallback(retry(remember(queue(breaker(stay(timeout(provider))))))); returns with the first content

		d.trace.Stage, // which trace is the call part of?
		d.meter.Stage, // all that comes after is counted, logged and put into the ledger, refusals too
		d.auth.Stage,  // who asks?
		d.pause.Stage, // does the operator let calls in?
		d.limit.Stage, // is there room?
		llm.Pass(llm.Admitted),
		d.decoder.Stage, // what is asked: the body, bounded and valid
		llm.Pass(llm.Decoded),
		d.guard.Stage, // may its text pass, and whom to?
		llm.Pass(llm.Guarded),
		d.router.Stage, // which targets may answer, in which order
		llm.Pass(llm.Routed),
		d.cache.Stage, // has it been answered before?
		llm.Pass(llm.Looked),
		d.budgets.Stage,       // is there money for it?
		d.wellness.gate.Stage, // which of them, while the machine is short of memory or too hot
		llm.Pass(llm.Allowed),
	)
}
