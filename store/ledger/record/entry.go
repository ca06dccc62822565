// Package record is one entry of the ledger: what it says, how it is written as bytes, and how it is sealed. It knows nothing of
// files, so the small verifier of proofs reads entries with it as well.
//
// As bytes, a record is
//
//	version, kind, row        open: numbers only, what sums and filters need (row.go)
//	key id, salt, commitment  which key opens it; see seal.go
//	content hash              SHA-256 of the sealed content, when there is any
//	sealed details            XChaCha20-Poly1305 over all names and texts but the content (details.go)
//
// and these bytes are the leaf of the Merkle tree. The sealed content (prompt and answer) is kept beside the record and bound by
// its hash, so that it can be removed while the leaf stays provable.
//
// To add a field: to the details, append a tag in details.go (a reader skips tags it does not know); to the row, raise Version.
package record

import (
	"encoding/json"
	"time"
)

// Entry is one line of the ledger: a call, or an event of the ledger's own life.
type Entry struct {
	Seq   uint64    `json:"seq"` // given by the ledger, from 0 on
	Kind  Kind      `json:"kind"`
	Time  time.Time `json:"time"` // when the call began
	Flags Flags     `json:"flags,omitempty"`

	RequestID string `json:"request_id,omitempty"`
	TraceID   string `json:"trace_id,omitempty"`
	Caller    string `json:"caller,omitempty"` // id of the app key; empty when none was asked for
	User      string `json:"user,omitempty"`
	App       string `json:"app,omitempty"`
	Peer      string `json:"peer,omitempty"` // address the call came from

	Dialect       string `json:"dialect,omitempty"`   // ollama, openai, anthropic
	Operation     string `json:"operation,omitempty"` // chat, generate, embed, ...
	ModelAsked    string `json:"model_asked,omitempty"`
	ModelAnswered string `json:"model_answered,omitempty"`
	ModelDigest   string `json:"model_digest,omitempty"`
	Provider      string `json:"provider,omitempty"`
	Route         string `json:"route,omitempty"`   // why this target
	Release       string `json:"release,omitempty"` // of a rollout

	Status    int    `json:"status,omitempty"` // as the caller saw it
	ErrorCode string `json:"error_code,omitempty"`

	Prompt Text `json:"prompt,omitzero"`
	Answer Text `json:"answer,omitzero"`

	Duration   time.Duration `json:"duration_ns,omitempty"`
	FirstToken time.Duration `json:"first_token_ns,omitempty"`
	Queued     time.Duration `json:"queued_ns,omitempty"`
	Tokens     Tokens        `json:"tokens"`
	Cost       Money         `json:"cost_nano_usd"`     // null: not known
	Baseline   Money         `json:"baseline_nano_usd"` // what the same tokens would have cost at the chosen cloud model
	Attempts   int           `json:"attempts,omitempty"`

	Findings []Finding `json:"findings,omitempty"`
	Policy   string    `json:"policy,omitempty"` // the guard's policy that was in force, by name or digest
	Left     string    `json:"left,omitempty"`   // where the text went when it left this device

	Note string `json:"note,omitempty"` // events: what happened, in words or JSON

	// Verdict is added up when the entry is written, and not kept in it.
	Verdict Verdict `json:"-"`

	// Erased says why names and texts are missing; the row's numbers remain. Never written, only read.
	Erased string `json:"erased,omitempty"`
}

// Kind tells calls from the events of the ledger itself.
type Kind uint8

// The kinds. Their numbers are on disk: append only.
const (
	Call      Kind = iota // a request and its answer, or its refusal
	Begin                 // a ledger was begun; Note says after what
	Gap                   // calls went on while nothing could be written; Note counts them
	Erase                 // a person's or a request's key was destroyed
	Retention             // content below a sequence number was removed
	Prune                 // entries below a sequence number were removed
	RotateKey             // the top key was exchanged
	Restore               // a backup was put in place
	Operator              // whatever the daemon wants on record
)

var kindNames = [...]string{"call", "begin", "gap", "erase", "retention", "prune", "rotate-key", "restore", "operator"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return "unknown"
}

// MarshalText writes the kind's name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Verdict is what a call says of the service's levels.
type Verdict uint8

// The verdicts.
const (
	Unjudged   Verdict = iota // it asked no model, its caller was at fault, or left
	Served                    // answered
	Faulty                    // the answer broke off, or a last resort stood in for the model
	Unanswered                // nobody answered, through no fault of the caller
	Limited                   // over a limit or a budget
)

// Text is a prompt or an answer. Content is written only when the ledger keeps content; its commitment always is. A caller that does
// not want to hold the whole text gives Commitment, made by a Committer, and no Content.
type Text struct {
	Content    []byte
	Commitment Commitment
}

// IsZero is for omitzero.
func (t Text) IsZero() bool { return len(t.Content) == 0 && t.Commitment == Commitment{} }

// MarshalJSON writes the content as a string.
func (t Text) MarshalJSON() ([]byte, error) {
	out := struct {
		Content string `json:"content,omitempty"`
		Salt    string `json:"salt,omitempty"`
		SHA256  string `json:"sha256,omitempty"`
	}{Content: string(t.Content)}
	if (t.Commitment != Commitment{}) {
		out.Salt, out.SHA256 = hexOf(t.Commitment.Salt[:]), hexOf(t.Commitment.Sum[:])
	}
	return json.Marshal(out)
}

// Tokens are counts as the provider reports them. A negative count means that it was not told.
type Tokens struct {
	Input       int64 `json:"input"`
	Output      int64 `json:"output"`
	CachedInput int64 `json:"cached_input"` // part of Input
	Reasoning   int64 `json:"reasoning"`    // part of Output
	Estimated   bool  `json:"estimated,omitempty"`
}

// Absent is a count that was not told.
const Absent = -1

// Money is an amount in billionths of a US dollar, so that a single token of a cheap model is a whole number. The zero Money is
// not known, which is not nothing.
type Money struct {
	Nano  int64
	Known bool
}

// Nano returns a known amount.
func Nano(n int64) Money { return Money{Nano: n, Known: true} }

// MarshalJSON writes a number, or null when the amount is not known.
func (m Money) MarshalJSON() ([]byte, error) {
	if !m.Known {
		return []byte("null"), nil
	}
	return json.Marshal(m.Nano)
}

// Finding is what a guard saw in a text, never the text.
type Finding struct {
	Kind   string `json:"kind"`   // e.g. email, api-key, injection
	Action string `json:"action"` // flag, redact or block
	Count  int    `json:"count"`
}
