package cache

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"corral/daemon/llm"
	"corral/store/replies"
)

// Key names an answer by all that could have changed it.
type Key = replies.Key

// Head is what is known of a kept answer beside its bytes.
type Head struct {
	Owner    string    `json:"owner,omitempty"` // id of the caller's key; empty: no keys are asked for
	Asked    string    `json:"asked"`           // the model's name as the caller gave it
	Provider string    `json:"provider"`
	Model    string    `json:"model"` // that answered
	Digest   string    `json:"digest,omitempty"`
	Away     string    `json:"away,omitempty"` // host that made the answer, where that is not this device
	Endpoint string    `json:"endpoint"`
	Shape    shape     `json:"shape"`
	Type     string    `json:"type"` // Content-Type
	Warning  string    `json:"warning,omitempty"`
	Stored   time.Time `json:"stored"`

	Texts uint64        `json:"texts"` // of the call (textsOf)
	Usage llm.Usage     `json:"usage"`
	Took  time.Duration `json:"took_ns"`

	// Exact is until when the answer may be given to the same question, Similar until when to one alike. Zero: never.
	Exact   time.Time `json:"exact,omitzero"`
	Similar time.Time `json:"similar,omitzero"`

	Partition Key    `json:"partition,omitzero"` // of questions that differ in their last turn only
	Question  string `json:"question,omitempty"`
	Space     string `json:"space,omitempty"`  // of the vector
	Vector    []byte `json:"vector,omitempty"` // of the question, packed
}

// shape is in which form an answer's bytes are. Bytes of one shape may be given to any call of that shape as they are.
type shape uint8

const (
	whole shape = iota
	streamed
	streamedUsage // OpenAI's stream with the event that tells the usage
)

// entry is one kept answer. It is never changed.
type entry struct {
	Head
	body []byte
}

// expires is when nothing more can be done with it.
func (e *entry) expires() time.Time {
	if e.Similar.After(e.Exact) {
		return e.Similar
	}
	return e.Exact
}

// overhead is what an entry takes in memory beside its texts, in bytes: the entry itself, its key, and the tables' share. See
// BenchmarkMemory.
const overhead = 768

func (e *entry) weight() uint32 {
	n := overhead + len(e.body) + len(e.Question) + len(e.Vector) + len(e.Asked) + len(e.Provider) + len(e.Model) + len(e.Digest)
	return uint32(min(n, 1<<31))
}

func (e *entry) item(k Key) (replies.Item, error) {
	head, err := json.Marshal(&e.Head)
	return replies.Item{Key: k, Expires: e.expires(), Head: head, Body: e.body}, err
}

func decode(head, body []byte) (*entry, error) {
	e := &entry{body: body}
	return e, json.Unmarshal(head, &e.Head)
}

// reply is e as the answer to a call, in these bytes.
func (e *entry) reply(r *llm.Request, body []byte, contentType, route string, age time.Duration, status string) *llm.Reply {
	h := http.Header{"Content-Type": {contentType}, "Age": {strconv.FormatInt(int64(age/time.Second), 10)}, "Cache-Status": {status}}
	if e.Warning != "" {
		h["Warning"] = []string{e.Warning}
	}
	reply := &llm.Reply{Status: http.StatusOK, Header: h, Length: int64(len(body)), Stream: r.Stream && r.Endpoint.Task == llm.Generate,
		Body: &kept{left: body, usage: e.Usage}, Provider: e.Provider, Model: e.Model, Digest: e.Digest, Route: route}
	if reply.Stream {
		reply.Length = -1
	}
	return reply
}
