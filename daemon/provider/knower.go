package provider

import "context"

// Needs is what a call asks of a model.
type Needs struct {
	Tools, Images bool
	Embed         bool // vectors, and no text
	Tokens        int  // of its text, roughly; more than the model's context holds would be cut without a word
}

// Knower is a provider that can tell what its models are able to do.
type Knower interface {
	// Able reports whether model can do what is needed. What is not known is taken for yes. It does not keep a call
	// waiting for long.
	Able(ctx context.Context, model string, n Needs) bool
}
