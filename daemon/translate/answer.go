package translate

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"corral/daemon/llm"
)

// answer is what a model said, as all APIs could have told it.
type answer struct {
	id       string
	model    string
	created  time.Time
	parts    []part
	stop     stop
	sequence string // that stopped it, where the target tells
	usage    usage

	thoughtIn string          // the member of OpenAI's messages in which its thoughts came, where that is not reasoning
	context   json.RawMessage // of /api/generate, for the next call there
}

// stop is why an answer ended.
type stop uint8

const (
	stopUnsaid   stop = iota
	stopEnd           // the model was done
	stopLength        // max tokens, or the context is full
	stopSequence      // one of the caller's stop sequences came
	stopCall          // a tool is to be called
	stopFilter        // refused, or held back by a filter
)

// settleStop makes stop agree with the parts: Ollama says stop beside a call, OpenAI beside a refusal.
func (a *answer) settleStop() {
	if a.stop != stopUnsaid && a.stop != stopEnd {
		return
	}
	switch {
	case has(a.parts, aCall):
		a.stop = stopCall
	case has(a.parts, aRefusal):
		a.stop = stopFilter
	default:
		a.stop = stopEnd
	}
}

// probs are the logprobs of all parts.
func (a *answer) probs() (all []logprob) {
	for i := range a.parts {
		all = append(all, a.parts[i].probs...)
	}
	return all
}

// give puts the logprobs of a whole answer to its text.
func (a *answer) give(probs []logprob) {
	for i := range a.parts {
		if a.parts[i].kind == aText {
			a.parts[i].probs = probs
			return
		}
	}
}

// logprob is how likely a token was, and what others were.
type logprob struct {
	Token   string      `json:"token"`
	Logprob json.Number `json:"logprob"`
	Bytes   []int       `json:"bytes,omitempty"`
	Top     []logprob   `json:"top_logprobs,omitempty"`
}

// usage is what an answer used. input holds what was read from a cache and what was written to one, as in OpenAI's
// counting and unlike Anthropic's; output holds the reasoning. A negative count was not told.
type usage struct {
	input, cached, written, output, reasoning int64
	load, promptEval, eval                    time.Duration
}

var noUsage = usage{input: -1, cached: -1, written: -1, output: -1, reasoning: -1}

func (u usage) llm() llm.Usage {
	return llm.Usage{Input: u.input, Output: u.output, Cached: u.cached, Written: u.written, Reasoning: u.reasoning, Load: u.load, PromptEval: u.promptEval, Eval: u.eval}
}

// told is what the target told about the answer, its end in OpenAI's words.
func (a *answer) told() llm.Usage {
	u := a.usage.llm()
	u.Finish = [...]string{stopUnsaid: "", stopEnd: "stop", stopLength: "length", stopSequence: "stop", stopCall: "tool_calls", stopFilter: "content_filter"}[a.stop]
	return u
}

// count is a count as told, 0 where it was not.
func count(n int64) int64 { return max(n, 0) }

// told is a count that a target told, -1 for what cannot be one.
func told(n *int64) int64 {
	if n == nil || *n < 0 || *n > 1e12 {
		return -1
	}
	return *n
}

// randomID is the id of an answer whose target gave none.
func randomID() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// callID is the id of the call at index i of an answer whose target gave it none.
func callID(answerID string, i int) string { return "call_" + bare(answerID) + "_" + strconv.Itoa(i) }

// bare is an id without the prefix that tells of its API: it gets that of the caller's.
func bare(id string) string {
	for _, p := range []string{"chatcmpl-", "cmpl-", "msg_", "resp_"} {
		if rest, ok := strings.CutPrefix(id, p); ok && rest != "" {
			return rest
		}
	}
	return id
}

// badAnswer is for what a target must not say.
func badAnswer(cause error, format string, args ...any) *llm.Error {
	return llm.Errorf(llm.BadAnswer, "translate answer", cause, "The model server's answer cannot be understood: "+format+".", args...)
}

// decodeAnswer decodes what a target said.
func decodeAnswer(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return badAnswer(err, "it is not the JSON that its API promises")
	}
	return nil
}
