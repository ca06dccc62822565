package translate

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"corral/daemon/llm"
)

// chat is a request as all APIs could have made it. Decoders fill it, encoders read it.
type chat struct {
	model    string
	messages []message
	tools    []tool
	choice   choice
	format   format
	think    think
	options  []option // what an encoder does not take is named in the warnings

	maxTokens    json.Number // empty: not said
	stop         []string
	stopField    string
	logprobs     bool
	topLogprobs  json.Number
	stream       bool
	includeUsage bool   // of OpenAI: the stream ends with a chunk of usage
	echo         string // of completions: what stands before the answer

	responses *responsesRequest // what a response repeats of its request

	warnings []string
	warned   map[string]bool
}

type role uint8

const (
	system role = iota
	user
	assistant
)

// message is one turn. The results of tools are parts of the user's turns.
type message struct {
	role  role
	parts []part
}

type partKind uint8

const (
	aText partKind = iota
	aRefusal
	aThought
	anImage
	aCall
	aResult
)

// part is a piece of a message or of an answer.
type part struct {
	kind partKind
	// text is that of aText, aRefusal and aThought, and the arguments of aCall as the model wrote them: JSON, usually.
	text string
	id   string // of a call, and of the call that a result answers
	name string // of the tool

	// signature proves to signer, and to nobody else, that a thought or a call is its own. hidden is a thought that
	// only its maker can read.
	signature string
	signer    API
	hidden    bool

	image image

	parts  []part // of a result: aText and anImage
	failed bool   // the tool reported a failure

	probs []logprob // of the tokens of an answer's text or thought

	field string // where it stands in the caller's body, for messages to people
}

// image is a picture by its bytes or by its address.
type image struct {
	mediaType string
	data      string // base64
	url       string
}

type tool struct {
	name, description string
	schema            json.RawMessage // JSON Schema of an object; empty: none given
	strict            *bool
}

// choice is which tool the model has to call.
type choice struct {
	mode  choiceMode
	name  string // for chooseNamed
	field string
}

type choiceMode uint8

const (
	chooseUnsaid choiceMode = iota
	chooseAuto
	chooseNone
	chooseAny
	chooseNamed
)

// format is the shape that the answer has to have.
type format struct {
	kind   formatKind
	name   string
	about  string
	schema json.RawMessage
	strict *bool
	field  string
}

type formatKind uint8

const (
	formatText formatKind = iota
	formatJSON
	formatSchema
)

// think is whether and how hard the model shall think before it answers.
type think struct {
	mode   thinkMode
	effort string      // "" or minimal, low, medium, high, xhigh, max
	budget json.Number // tokens
	field  string
}

type thinkMode uint8

const (
	thinkUnsaid thinkMode = iota
	thinkOn
	thinkOff
)

// option is a setting that some targets know and others do not. key is its name in this package, which is Ollama's
// where Ollama has one; field is where it stood in the caller's body.
type option struct {
	key, field string
	value      json.RawMessage
}

func (c *chat) option(key, field string, value json.RawMessage) {
	if given(value) {
		c.options = append(c.options, option{key, field, value})
	}
}

func (c *chat) number(key, field string, value json.Number) {
	c.option(key, field, json.RawMessage(value))
}

// take removes and returns the value of an option, nil where it was not given.
func (c *chat) take(key string) json.RawMessage {
	for i, o := range c.options {
		if o.key == key {
			c.options = append(c.options[:i:i], c.options[i+1:]...)
			return o.value
		}
	}
	return nil
}

// takeNumber is take for a json.Number. A value that is none stays where it is and so is named in the warnings.
func (c *chat) takeNumber(key string) json.Number {
	for _, o := range c.options {
		if o.key == key && (o.value[0] == '-' || o.value[0]-'0' <= 9) {
			return json.Number(c.take(key))
		}
	}
	return ""
}

// numberOf is the value of an option that is a number.
func (c *chat) numberOf(key string) (float64, bool) {
	for _, o := range c.options {
		if o.key == key {
			f, err := json.Number(o.value).Float64()
			return f, err == nil
		}
	}
	return 0, false
}

// fieldOf is where an option stood in the caller's body.
func (c *chat) fieldOf(key string) string {
	for _, o := range c.options {
		if o.key == key {
			return o.field
		}
	}
	return ""
}

// maxWarnings bounds what may come of a body full of unknown fields.
const maxWarnings = 40

// warn notes that a field of the caller was left behind.
func (c *chat) warn(field string) {
	if len(c.warnings) > maxWarnings {
		return
	}
	field = plainName(field)
	if c.warned[field] {
		return
	}
	if c.warned == nil {
		c.warned = map[string]bool{}
	}
	c.warned[field] = true
	if len(c.warnings) == maxWarnings {
		field = "..."
	}
	c.warnings = append(c.warnings, field)
}

// plainName is name without its indexes and without what a header may not hold: a caller chooses the names of unknown fields.
func plainName(name string) string {
	var b strings.Builder
	skip := false
	for _, r := range name {
		switch {
		case b.Len() >= 96:
			return b.String()
		case r == '[':
			skip = true
		case r == ']':
			skip = false
		case skip:
		case r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || r == '.' || r == '$':
			b.WriteRune(r)
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}

// check refuses what the target's model cannot do, whatever its API.
func (c *chat) check(to Target) error {
	if len(c.messages) == 0 {
		return unsupported("messages", "A call without messages only loads a model, which %s has no word for. Send at least one message.", to.API)
	}
	if to.NoTools && len(c.tools) > 0 {
		return unsupported("tools", "The model %q calls no tools. Leave tools out, or ask a model that does.", c.model)
	}
	for i := range c.messages {
		for _, p := range c.messages[i].parts {
			if p.kind == anImage && to.NoImages {
				return unsupported(p.field, "The model %q sees no images. Leave the image at %s out, or ask a model that does.", c.model, p.field)
			}
			if p.kind == aResult && to.API != Anthropic {
				for _, q := range p.parts {
					if q.kind == anImage {
						return unsupported(q.field, "%s takes no image (%s) in the result of a tool. Send it in a message of the user.", to.API, q.field)
					}
				}
			}
		}
	}
	return nil
}

// needUser is for targets that keep what a system message says apart from the chat, and refuse a chat with nothing in it. Some
// callers put all they ask into one such message, and OpenAI and Ollama answer it; so the last one that says something becomes a turn
// of the user.
func (c *chat) needUser(to API) error {
	last := -1
	for i := range c.messages {
		switch m := &c.messages[i]; {
		case !slices.ContainsFunc(m.parts, part.says):
		case m.role != system:
			return nil
		default:
			last = i
		}
	}
	if last < 0 {
		return unsupported("messages", "%s answers only a chat in which something was said, and here every message is empty. Send a message of the user.", to)
	}
	c.messages[last].role = user
	c.warn("messages.role")
	return nil
}

// says reports whether p is more than an empty text, and more than a thought, which may have to stay behind.
func (p part) says() bool {
	return p.text != "" && p.kind != aThought || p.kind == anImage || p.kind == aCall || p.kind == aResult
}

// nameCalls gives an id to each call and result that has none, and the tool's name to each result: Ollama's callers may
// leave both out, and then the order tells which result belongs to which call.
func (c *chat) nameCalls() error {
	type call struct {
		id, name string
		answered bool
	}
	var calls []call
	for i := range c.messages {
		m := &c.messages[i]
		for j := range m.parts {
			p := &m.parts[j]
			switch p.kind {
			case aCall:
				if p.id == "" {
					p.id = fmt.Sprintf("call_%d", len(calls)+1)
				}
				calls = append(calls, call{id: p.id, name: p.name})
			case aResult:
				found := -1
				for k := range calls {
					q := &calls[k]
					if p.id != "" && q.id == p.id {
						found = k // the last one wins
					} else if p.id == "" && found < 0 && !q.answered && (p.name == "" || p.name == q.name) {
						found = k
					}
				}
				if found < 0 && p.id == "" {
					return invalid(p.field, "The result of a tool at %s answers no call of the messages before it.", p.field)
				}
				if found >= 0 {
					p.id, calls[found].answered = calls[found].id, true
					if p.name == "" {
						p.name = calls[found].name
					}
				}
			}
		}
	}
	return nil
}

// add appends parts to the last message if it is of the same role, else as a message of their own.
func (c *chat) add(r role, parts ...part) {
	if n := len(c.messages); n > 0 && c.messages[n-1].role == r {
		c.messages[n-1].parts = append(c.messages[n-1].parts, parts...)
		return
	}
	c.messages = append(c.messages, message{r, parts})
}

// joined is the text of parts of kind k, with sep between them.
func joined(parts []part, k partKind, sep string) string {
	var b strings.Builder
	first := true
	for i := range parts {
		if parts[i].kind != k || parts[i].hidden || parts[i].text == "" {
			continue
		}
		if !first {
			b.WriteString(sep)
		}
		b.WriteString(parts[i].text)
		first = false
	}
	return b.String()
}

func has(parts []part, k partKind) bool {
	for i := range parts {
		if parts[i].kind == k {
			return true
		}
	}
	return false
}

// arguments are the arguments of a call as a JSON object, for APIs in which they are one.
func (p *part) arguments() (json.RawMessage, bool) {
	s := strings.TrimSpace(p.text)
	if s == "" {
		return json.RawMessage("{}"), true
	}
	return json.RawMessage(s), s[0] == '{' && json.Valid([]byte(s))
}

// unsupported refuses what the target cannot do with field.
func unsupported(field, format string, args ...any) *llm.Error {
	return llm.Errorf(llm.Unsupported, "translate "+field, nil, format, args...)
}

// invalid refuses what makes no sense in the caller's own API.
func invalid(field, format string, args ...any) *llm.Error {
	return llm.Errorf(llm.Invalid, "translate "+field, nil, format, args...)
}

// cannot refuses a field that means something which no translation keeps.
func cannot(field string) *llm.Error {
	return unsupported(field, "%q cannot be carried over to this target, and without it the answer would mean something else. Leave it out, or ask a target that speaks this API itself.", field)
}
