package translate

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// portable writes the form that calls of all dialects share, and false where the call holds something that a dialect
// does not have or that servers take otherwise in one dialect than in another. What is known of that:
//
//   - Without a temperature of 0 the defaults of sampling decide, and Ollama's /v1 has others than its /api/chat.
//   - Ollama makes of each part of a content a message, in chat completions only, and joins the parts elsewhere.
//   - It shows the role developer to the model as it is, and most templates do not know it.
//   - It leaves max_completion_tokens out, and the effort, the tools' order of members and json_object in responses.
//   - It names the tool of a result in chat and chat completions, not in messages and responses.
//   - Anthropic's answers say that a stop sequence ended them, others' do not.
//   - OpenAI takes the schemas of functions strictly unless told, in responses only.
//   - A response repeats its instructions, so they are not the same as a system message there.
//   - num_predict under 1 means no bound, or the model's own.
//
// See https://github.com/ollama/ollama: openai/openai.go, openai/responses.go, anthropic/anthropic.go, server/routes.go.
func (k *canon) portable(f *form) bool {
	p := portable{canon: k, f: f}
	return p.settings() && p.write()
}

// portable is a call of which all is known.
type portable struct {
	*canon
	f       *form
	system  []int32 // texts that stand before the messages
	bound   int32   // of the answer's tokens
	stop    int32
	think   string
	json    bool
	tools   int32
	options []int32 // the rest, by names that are the same in all dialects
}

// settings sorts the members of the body. It is false for one that is not known to be alike in all dialects.
func (p *portable) settings() bool {
	t := p.tree
	for m := t.values[1].first; m != 0; m = t.values[m].next {
		key := string(t.key(m))
		if p.isHarmless(m) || t.values[m].kind == 'n' {
			continue
		}
		ok := false
		switch key {
		case "messages":
			ok = p.ep != "responses"
		case "input":
			ok = p.ep == "responses"
		case "system":
			ok = p.ep == "messages" && p.lead(m)
		case "instructions":
			ok = p.ep == "responses" && p.lead(m)
		case "temperature", "top_p":
			ok = p.ep != "chat" && p.option(m)
		case "top_k":
			ok = p.ep == "messages" && p.option(m)
		case "seed", "frequency_penalty", "presence_penalty":
			ok = p.ep == "chat_completions" && p.option(m)
		case "max_tokens":
			ok = (p.ep == "chat_completions" || p.ep == "messages") && p.limit(m)
		case "max_output_tokens":
			ok = p.ep == "responses" && p.limit(m)
		case "stop":
			ok = p.ep == "chat_completions" && p.stops(m)
		case "options":
			ok = p.ep == "chat" && p.ollama(m)
		case "think":
			ok = p.ep == "chat" && p.thinks(m)
		case "reasoning_effort":
			ok = p.ep == "chat_completions" && p.thinks(m)
		case "format":
			p.json, ok = true, p.ep == "chat" && t.is(m, "json")
		case "response_format":
			kind := t.get(m, "type")
			p.json, ok = true, p.ep == "chat_completions" && p.only(m, "type") && kind != 0 && t.is(kind, "json_object")
		case "tools":
			p.tools, ok = m, p.ep != "responses"
		}
		if !ok {
			return false
		}
	}
	return true
}

// lead takes a system prompt that stands beside the messages.
func (p *portable) lead(m int32) bool {
	text := p.plainText(m)
	p.system = append(p.system, text)
	return text != 0 && p.given(text)
}

func (p *portable) option(m int32) bool {
	p.options = append(p.options, m)
	return p.values[m].kind == 0
}

func (p *portable) limit(m int32) bool {
	p.bound = m
	return p.values[m].kind == 0 && p.raw(m)[0] != '-' && !p.zero(m)
}

// stops takes stop sequences: a text, or a list of such.
func (p *portable) stops(m int32) bool {
	p.stop = m
	if p.values[m].kind == '"' {
		return p.given(m)
	}
	for s := p.values[m].first; s != 0; s = p.values[s].next {
		if p.values[s].kind != '"' || !p.given(s) {
			return false
		}
	}
	return p.values[m].kind == '[' && p.values[m].count > 0
}

// ollama takes Ollama's options. Those that only it has are the same wherever they come from.
func (p *portable) ollama(options int32) bool {
	if p.values[options].kind != '{' {
		return false
	}
	for m := p.values[options].first; m != 0; m = p.values[m].next {
		ok := false
		switch key := string(p.key(m)); {
		case key == "num_predict":
			ok = p.limit(m)
		case key == "stop":
			ok = p.values[m].kind == '[' && p.stops(m) // a bare text is an error there
		case strings.Trim(key, "abcdefghijklmnopqrstuvwxyz0123456789_") == "":
			p.options = append(p.options, m)
			ok = p.values[m].kind == 0 || p.values[m].kind == 't' || p.values[m].kind == 'f'
		}
		if !ok {
			return false
		}
	}
	return true
}

// thinks takes how hard to think, where Ollama and OpenAI have the same word for it.
func (p *portable) thinks(m int32) bool {
	word, _ := p.str(m)
	switch {
	case word == "low" || word == "medium" || word == "high":
		p.think = word
	case p.ep == "chat" && p.values[m].kind == 'f', p.ep == "chat_completions" && word == "none":
		p.think = "none"
	}
	return p.think != ""
}

// write writes the form.
func (p *portable) write() bool {
	f := p.f
	f.out = append(f.out, "chat\n["...)
	first := true
	for _, s := range p.system {
		p.said(&first, "system", s)
	}
	switch {
	case p.messages != 0:
		for m := p.values[p.messages].first; m != 0; m = p.values[m].next {
			if !p.turn(&first, m) {
				return false
			}
		}
	case p.ep == "responses" && p.question != 0:
		p.said(&first, "user", p.question)
	default:
		return false
	}
	f.out = append(f.out, ']')
	if p.bound != 0 {
		p.setting("max", p.bound)
	}
	if p.stop != 0 {
		f.out = append(f.out, ",\"stop\":"...)
		if list := p.values[p.stop].kind == '['; list {
			f.write(p.stop, false)
		} else {
			f.out = append(f.out, '[')
			f.write(p.stop, false)
			f.out = append(f.out, ']')
		}
	}
	if p.think != "" {
		f.out = append(append(f.out, ",\"think\":"...), p.think...)
	}
	if p.json {
		f.out = append(f.out, ",\"json\":true"...)
	}
	if p.tools != 0 && !p.offered() {
		return false
	}
	for i := 1; i < len(p.options); i++ {
		for j := i; j > 0 && string(p.key(p.options[j])) < string(p.key(p.options[j-1])); j-- {
			p.options[j], p.options[j-1] = p.options[j-1], p.options[j]
		}
	}
	for i, m := range p.options {
		if i > 0 && string(p.key(m)) == string(p.key(p.options[i-1])) {
			return false
		}
		p.setting("option "+string(p.key(m)), m)
	}
	return true
}

func (p *portable) setting(name string, m int32) {
	p.f.out = append(append(append(p.f.out, ',', '"'), name...), '"', ':')
	p.f.write(m, false)
}

// said writes a message that is one text.
func (p *portable) said(first *bool, role string, text int32) {
	if !*first {
		p.f.out = append(p.f.out, ',')
	}
	*first = false
	p.f.out = append(append(append(p.f.out, '[', '"'), role...), '"', ',')
	p.f.text(text)
	p.f.out = append(p.f.out, ']')
}

// turn writes a message: one text, which pictures may follow.
func (p *portable) turn(first *bool, m int32) bool {
	var role, text int32
	var pictures []string
	if p.values[m].kind != '{' {
		return false
	}
	for q := p.values[m].first; q != 0; q = p.values[q].next {
		switch key := string(p.key(q)); {
		case key == "role":
			role = q
		case key == "content":
			if text, pictures = p.content(q); text == 0 {
				return false
			}
		case key == "type" && p.ep == "responses" && p.is(q, "message"):
		case key == "images" && p.ep == "chat":
			if p.values[q].kind != '[' {
				return false
			}
			for i := p.values[q].first; i != 0; i = p.values[i].next {
				s, ok := p.str(i)
				if !ok || s == "" || strings.Contains(s, ":") {
					return false
				}
				pictures = append(pictures, pictureOf(sniffImage(s), s))
			}
		default:
			return false
		}
	}
	if role == 0 || text == 0 || !p.given(text) {
		return false
	}
	word := "user"
	switch {
	case p.is(role, "user"):
	case p.is(role, "assistant"):
		word = "assistant"
	case p.is(role, "system") && p.ep != "messages" && p.ep != "responses":
		word = "system"
	default:
		return false
	}
	if word != "user" && pictures != nil {
		return false
	}
	p.said(first, word, text)
	if pictures != nil {
		out := p.f.out[:len(p.f.out)-1]
		for _, h := range pictures {
			out = append(append(append(out, ',', '"'), h...), '"')
		}
		p.f.out = append(out, ']')
	}
	return true
}

// content is the one text of a content and the pictures after it; no text where it is anything else.
func (p *portable) content(c int32) (text int32, pictures []string) {
	if p.values[c].kind != '[' || p.values[c].count == 1 {
		return p.plainText(c), nil
	}
	if p.ep != "messages" && p.ep != "responses" {
		return 0, nil
	}
	for b := p.values[c].first; b != 0; b = p.values[b].next {
		if b == p.values[c].first {
			kind := p.get(b, "type")
			if text = p.get(b, "text"); kind == 0 || !p.is(kind, "text") && !p.is(kind, "input_text") || !p.only(b, "type", "text") || text == 0 || p.values[text].kind != '"' {
				return 0, nil
			}
			continue
		}
		h, ok := p.picture(b)
		if !ok {
			return 0, nil
		}
		pictures = append(pictures, h)
	}
	return text, pictures
}

// picture is the hash of a block that is a picture.
func (p *portable) picture(b int32) (string, bool) {
	kind := p.get(b, "type")
	switch {
	case kind == 0:
	case p.ep == "messages" && p.is(kind, "image") && p.only(b, "type", "source"):
		s := p.get(b, "source")
		if how := p.get(s, "type"); how == 0 || !p.is(how, "base64") || !p.only(s, "type", "media_type", "data") {
			return "", false
		}
		media, ok := p.str(p.get(s, "media_type"))
		data, ok2 := p.str(p.get(s, "data"))
		return pictureOf(media, data), ok && ok2 && data != ""
	case p.ep == "responses" && p.is(kind, "input_image") && p.only(b, "type", "image_url", "detail"):
		if d := p.get(b, "detail"); d != 0 && !p.is(d, "auto") {
			return "", false
		}
		url, _ := p.str(p.get(b, "image_url"))
		img, ok := parseDataURL(url)
		return pictureOf(img.mediaType, img.data), ok && url == img.dataURL()
	}
	return "", false
}

// pictureOf is a picture as it stands in a form.
func pictureOf(media, data string) string {
	h := sha256.Sum256([]byte(media + " " + data))
	return hex.EncodeToString(h[:])
}

// offered writes the tools.
func (p *portable) offered() bool {
	f := p.f
	if p.values[p.tools].kind != '[' {
		return false
	}
	f.out = append(f.out, ",\"tools\":["...)
	for m := p.values[p.tools].first; m != 0; m = p.values[m].next {
		def, schema := m, "input_schema"
		if p.ep != "messages" {
			kind := p.get(m, "type")
			if def, schema = p.get(m, "function"), "parameters"; kind == 0 || !p.is(kind, "function") || def == 0 || !p.only(m, "type", "function") {
				return false
			}
		} else if kind := p.get(m, "type"); kind != 0 {
			return false // Ollama has it from the caller there, and it is always function elsewhere
		}
		if !p.only(def, "name", "description", schema) {
			return false
		}
		name, about, of := p.get(def, "name"), p.get(def, "description"), p.get(def, schema)
		if name == 0 || about == 0 || of == 0 || p.values[name].kind != '"' || p.values[about].kind != '"' || p.values[of].kind != '{' {
			return false
		}
		f.out = append(f.out, '[')
		f.text(name)
		f.out = append(f.out, ',')
		f.text(about)
		f.out = append(f.out, ',')
		f.write(of, true)
		f.out = append(f.out, ']')
		if p.values[m].next != 0 {
			f.out = append(f.out, ',')
		}
	}
	f.out = append(f.out, ']')
	return true
}
