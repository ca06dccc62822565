package provider

import (
	"context"
	"time"
)

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

// Listed is a model that a provider says it has.
type Listed struct {
	Model string
	Known bool   // what follows is known
	Chats bool   // it makes text
	Sees  bool   // it takes pictures
	Tools bool   // it calls tools
	Away  string // host that the server passes text for it on to; empty: none
}

// Lister is a provider that can tell which models it has. The caller bounds ctx.
type Lister interface {
	Models(ctx context.Context) ([]Listed, error)
}

// Held is a model in a server's memory.
type Held struct {
	Model   string // its full name
	Bytes   uint64
	Expires time.Time // when the server lets it go by itself
}

// Holder is a provider that loads its models when they are asked for, and can tell which it holds. What it tells may be a
// quarter of a second old; each answer comes within a second or is an error.
type Holder interface {
	Held(ctx context.Context) ([]Held, error)
	// Stored are the models that could be loaded: their sizes in bytes, by full name. May be five seconds old. What the server passes on
	// to another host is none of them.
	Stored(ctx context.Context) (map[string]uint64, error)
	// Full is a model's name as Held and Stored have it.
	Full(model string) string
	// Unload lets go of a model as soon as the calls for it that run are over.
	Unload(ctx context.Context, model string) error
	// Try makes a loaded model work as little as it can, to see whether it still does.
	Try(ctx context.Context, model string) error
}

// Model is a model that a server on this device has. What the server does not tell is empty.
type Model struct {
	Name          string // as calls name it
	Bytes         uint64 // on the disk
	Quantization  string // such as Q4_K_M
	Parameters    string // such as 3.2B
	Family        string
	Trained       int      // tokens of context that it was made for
	Context       int      // tokens of context that it is set to
	Cache         uint64   // bytes of memory that each token of context takes, roughly
	Can           []string // completion, embedding, tools, vision, thinking and others
	Digest        string   // hex
	Modified      time.Time
	Loaded        bool
	LoadedBytes   uint64    // of memory, that on graphics cards included
	LoadedVRAM    uint64    // of these, on graphics cards
	LoadedContext int       // tokens
	Expires       time.Time // when the server lets it go by itself; zero: not told
	Folder        string    // in which the server keeps its models
	Away          string    // host that the server passes text for it on to; empty: none
}

// Stocker is a provider that can tell what its models are like, and which of them it has in memory.
type Stocker interface {
	Stock(ctx context.Context) ([]Model, error)
}

// Progress is how far a pull is: bytes of all parts of which the server has told so far.
type Progress struct {
	Step        string // in the server's words
	Done, Total uint64
}

// Keeper is a provider whose models can be changed.
type Keeper interface {
	Stocker
	Holder
	// Pull gets a model from a registry, and tells how far it is; what tell returns ends it. Ending ctx ends it at the server too.
	// insecure allows a registry without encryption. Its error is an *AskError where the server gave the reason.
	Pull(ctx context.Context, model string, insecure bool, tell func(Progress) error) error
	// Remove deletes a model from the server's disk.
	Remove(ctx context.Context, model string) error
	// Load reads a model into memory and has it kept for so long after its last use; 0: as long as the server does by itself;
	// negative: for good.
	Load(ctx context.Context, model string, keep time.Duration) error
}

// AskError is what a server answered in place of what it was asked for.
type AskError struct {
	Status int    // of HTTP; 0: it said so in a stream
	Text   string // in its own words
}

func (e *AskError) Error() string { return e.Text }
