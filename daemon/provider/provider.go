// Package provider says what a runtime of models is to the rest of Corral. Each kind of runtime has a folder of its own
// beneath this one, and all of them pass the suite in providertest.
package provider

import (
	"context"

	"corral/daemon/llm"
)

// Provider is a server that runs models.
type Provider interface {
	llm.Handler
	Name() string
	// Can reports whether it answers calls to ep, relayed as they are or translated.
	Can(ep *llm.Endpoint) bool
	// Probe asks the server whether it is there; nil: it answered.
	Probe(ctx context.Context) error
	Close()
}
