package translate

import (
	"strings"
	"time"
	"unicode/utf8"

	"corral/daemon/llm"
)

// Canonical is a call in a form that two calls share exactly when they ask the same, whatever their dialect, the order
// of their fields, white space, the stream flag and labels.
//
// A false "the same" is a wrong answer to somebody, a false "different" only a call more. So what is not known to be
// alike is different: where dialects differ in what a server makes of a call, or where this package does not know a
// field, the form holds for the call's own endpoint only.
type Canonical struct {
	// Family is "chat" for chat, chat_completions, responses and messages, else the endpoint's own name. Only calls of one
	// family can share an answer.
	Family string
	// Form is what decides about the answer, all of it but the name of the model.
	Form []byte
	// Prefix is Form without the text of the last message of the user, Question that text. Prefix is nil where this
	// message is not one plain text.
	Prefix   []byte
	Question string

	Turns    int  // messages of the user
	Agentic  bool // tools, calls of tools or their results are in it
	Greedy   bool // a temperature is given, and is 0
	Seeded   bool // a seed is given
	Portable bool // the form does not depend on the endpoint, within the family

	// IncludeUsage: a stream is to end with a chunk of usage. It is not in Form, but an answer kept as a stream is the
	// answer to a call only where they agree in this; else Replay.
	IncludeUsage bool

	// Unfit says why no answer to this call should be kept; empty: it may be.
	Unfit string
}

// harmless are the members of a body that do not decide about the answer, by endpoint; beside those that everywhere do
// not. Those of responses that an answer repeats are not among them: one caller's would be shown to another.
var harmless = map[string]string{
	"chat":             " keep_alive ",
	"generate":         " keep_alive ",
	"embed":            " keep_alive ",
	"embeddings":       " keep_alive ",
	"chat_completions": " user safety_identifier metadata prompt_cache_key prompt_cache_retention ",
	"completions":      " user ",
	"v1_embeddings":    " user ",
}

// Canon is the canonical form of body, a call of ep. It does not look at headers. The error is an *llm.Error of kind
// Invalid: the body is no JSON object, or one with values more than 512 deep.
func Canon(ep *llm.Endpoint, body []byte) (Canonical, error) {
	t, err := parseTree(body)
	if err != nil {
		return Canonical{}, err
	}
	defer t.free()
	if t.values[1].kind != '{' {
		return Canonical{}, llm.Errorf(llm.Invalid, "read JSON", nil, "The body is no JSON object.")
	}
	k := canon{tree: t, ep: ep.Name}
	k.c.Family = family(ep.Name)
	k.survey()
	f := form{t: t, hole: k.question, from: -1, out: make([]byte, 0, len(body)+64)}
	k.c.Portable = k.c.Greedy && k.c.Family == "chat" && k.c.Unfit == "" && !t.long && k.portable(&f)
	if !k.c.Portable {
		f.out, f.from = append(append(f.out[:0], k.ep...), '\n'), -1
		k.whole(&f)
	}
	k.c.Form = f.out
	if f.from >= 0 {
		k.c.Prefix = append(append(make([]byte, 0, len(f.out)-(f.to-f.from)), f.out[:f.from]...), f.out[f.to:]...)
		k.c.Question, _ = t.str(k.question)
	}
	return k.c, nil
}

// family is that of the endpoints which can answer for each other.
func family(endpoint string) string {
	switch endpoint {
	case "chat", "chat_completions", "responses", "messages":
		return "chat"
	}
	return endpoint
}

// canon is what is on the way to a Canonical.
type canon struct {
	*tree
	c        Canonical
	ep       string
	top      map[string]int32 // members of the body
	messages int32            // the list of messages, or of a response's input
	question int32            // the text of the user's last message; 0: it is not one plain text
}

func (k *canon) unfit(why string) {
	if k.c.Unfit == "" {
		k.c.Unfit = why
	}
}

// whole writes the body as it is but for what is harmless.
func (k *canon) whole(f *form) {
	f.out = append(f.out, '{')
	var few [48]int32
	n := 0
	for _, m := range f.members(1, few[:0], false) {
		if k.isHarmless(m) {
			continue
		}
		if n++; n > 1 {
			f.out = append(f.out, ',')
		}
		// The schema that Ollama takes as format stands there bare.
		keep := string(k.key(m)) == "format" && (k.ep == "chat" || k.ep == "generate")
		f.member(m, keep)
	}
	f.out = append(f.out, '}')
}

// isHarmless reports whether the member m of the body does not decide about the answer.
func (k *canon) isHarmless(m int32) bool {
	switch key := string(k.key(m)); key {
	case "model", "stream", "stream_options":
		return true
	case "store":
		return k.ep == "chat_completions" && k.values[m].kind == 'f'
	case "metadata":
		if k.ep == "messages" {
			return k.only(m, "user_id")
		}
		fallthrough
	default:
		return key != "" && strings.Contains(harmless[k.ep], " "+key+" ") && !strings.Contains(key, " ")
	}
}

// only reports whether object i has no members but those named.
func (k *canon) only(i int32, names ...string) bool {
	if k.values[i].kind != '{' {
		return false
	}
next:
	for m := k.values[i].first; m != 0; m = k.values[m].next {
		for _, n := range names {
			if string(k.key(m)) == n {
				continue next
			}
		}
		return false
	}
	return true
}

// survey looks through the body for what a cache has to know beside the form.
func (k *canon) survey() {
	if k.twins() {
		k.unfit("a member is named twice")
	}
	k.top = make(map[string]int32, k.values[1].count)
	for m := k.values[1].first; m != 0; m = k.values[m].next {
		key := string(k.key(m))
		if key != strings.ToLower(key) || !ascii(k.key(m)) {
			k.unfit("a field's name is in capitals: servers differ in whether they know it") // Go's do
		}
		k.top[key] = m
	}
	settings := k.top
	switch k.ep {
	case "chat", "generate":
		settings = map[string]int32{"temperature": k.get(k.top["options"], "temperature"), "seed": k.get(k.top["options"], "seed")}
	}
	k.c.Greedy = k.zero(settings["temperature"])
	if s := settings["seed"]; s != 0 && k.values[s].kind == 0 {
		k.c.Seeded = k.raw(s)[0] != '-' // Ollama takes -1 for any
	}
	if life := k.top["keep_alive"]; life != 0 {
		text, _ := k.str(life)
		if d, err := time.ParseDuration(text); k.zero(life) || err == nil && d == 0 {
			k.unfit("the model is to be unloaded after it")
		}
	}
	if k.ep == "chat_completions" || k.ep == "completions" {
		k.c.IncludeUsage = k.values[k.get(k.top["stream_options"], "include_usage")].kind == 't'
	}
	k.tools()
	switch k.ep {
	case "generate", "completions":
		k.prompt(k.top["prompt"])
	case "chat", "chat_completions", "messages", "responses":
		k.chat()
	case "embed", "v1_embeddings":
		if !k.given(k.top["input"]) {
			k.unfit("there is nothing to make a vector of")
		}
	case "embeddings":
		if !k.given(k.top["prompt"]) {
			k.unfit("there is nothing to make a vector of")
		}
	}
	if !utf8.Valid(k.body) {
		k.unfit("it is not in UTF-8") // what a letter is that is none, servers do not agree on
	}
}

// tools looks at what the model may call, and at what refers to something that a server keeps.
func (k *canon) tools() {
	for _, name := range []string{"tools", "functions"} {
		k.c.Agentic = k.c.Agentic || k.given(k.top[name])
	}
	if tools := k.top["tools"]; tools != 0 {
		for m := k.values[tools].first; m != 0; m = k.values[m].next {
			kind := k.get(m, "type")
			own := kind == 0 || k.is(kind, "function")
			if k.ep == "messages" {
				own = !k.given(kind) || k.is(kind, "custom")
			}
			if !own {
				k.unfit("it has a tool that the server runs itself")
			}
		}
	}
	for _, name := range []string{"web_search_options", "mcp_servers", "container"} {
		if k.given(k.top[name]) {
			k.unfit("it has a tool that the server runs itself")
		}
	}
	for _, name := range []string{"previous_response_id", "conversation"} {
		if k.given(k.top[name]) {
			k.unfit("it goes on with what the server keeps")
		}
	}
	if k.ep == "responses" && k.given(k.top["prompt"]) {
		k.unfit("its prompt is kept by the server")
	}
	for _, name := range []string{"store", "background"} {
		if k.values[k.top[name]].kind == 't' {
			k.unfit("the server is to keep the answer")
		}
	}
}

// prompt looks at the prompt of an endpoint that has no messages.
func (k *canon) prompt(p int32) {
	if p != 0 && k.values[p].kind == '[' && k.values[p].count == 1 {
		p = k.values[p].first
	}
	if !k.given(p) {
		k.unfit("it has no prompt")
		return
	}
	k.c.Turns = 1
	if k.values[p].kind == '"' && !k.given(k.top["images"]) {
		k.question = p
	}
}

// chat looks through the messages.
func (k *canon) chat() {
	if k.messages = k.top["messages"]; k.ep == "responses" {
		if k.messages = k.top["input"]; k.messages != 0 && k.values[k.messages].kind == '"' {
			k.prompt(k.messages)
			k.messages = 0
			return
		}
	}
	if k.messages == 0 || k.values[k.messages].kind != '[' || k.values[k.messages].count == 0 {
		k.unfit("it has no messages")
		k.messages = 0
		return
	}
	for m := k.values[k.messages].first; m != 0; m = k.values[m].next {
		k.message(m)
	}
}

func (k *canon) message(m int32) {
	if kind := k.get(m, "type"); k.ep == "responses" && k.given(kind) {
		switch {
		case k.is(kind, "message"):
		case k.is(kind, "item_reference"):
			k.unfit("it goes on with what the server keeps")
			return
		case !k.is(kind, "reasoning"):
			k.c.Agentic = true
			return
		}
	}
	for _, name := range []string{"tool_calls", "function_call", "tool_call_id"} {
		k.c.Agentic = k.c.Agentic || k.given(k.get(m, name))
	}
	role, content := k.get(m, "role"), k.get(m, "content")
	k.c.Agentic = k.c.Agentic || role != 0 && (k.is(role, "tool") || k.is(role, "function"))
	results := false
	if content != 0 && k.values[content].kind == '[' {
		for b := k.values[content].first; b != 0; b = k.values[b].next {
			if kind := k.get(b, "type"); kind != 0 {
				s, _ := k.str(kind)
				tool := strings.Contains(s, "tool_")
				k.c.Agentic, results = k.c.Agentic || tool, results || tool
			}
		}
	}
	if role == 0 || !k.is(role, "user") {
		return
	}
	if !results { // what a tool said is no turn of the user's
		k.c.Turns++
	}
	k.question = 0
	if !k.given(k.get(m, "images")) {
		k.question = k.plainText(content)
	}
}

// plainText is the one text that a message's content is, 0 where it is something else.
func (k *canon) plainText(content int32) int32 {
	if content != 0 && k.values[content].kind == '[' && k.values[content].count == 1 {
		b := k.values[content].first
		kind := k.get(b, "type")
		if kind == 0 || !k.is(kind, "text") && !k.is(kind, "input_text") && !k.is(kind, "output_text") || !k.only(b, "type", "text") {
			return 0
		}
		content = k.get(b, "text")
	}
	if content == 0 || k.values[content].kind != '"' {
		return 0
	}
	return content
}
