package guard

import "strings"

// Tried is what the guard sees in one text, whatever the rules are.
type Tried struct {
	Places []Place
	Masked string // the text with placeholders in the places of what was found
	// Injection says that the text looks like an attempt to take the model over, and Why of which kind. Score is from 0 to 1.
	Injection bool
	Why       string
	Score     float64
}

// Place is a credential or a personal datum, in bytes of the text.
type Place struct {
	Class, Kind string
	From, To    int
}

// Try looks at text as if a user had sent it.
func (g *Guard) Try(text string) Tried {
	var out Tried
	all := &inUse{Rules: Rules{Secrets: Rule{On: true}, PII: Rule{On: true}}}
	names := g.names()
	names.taken([]byte(text))
	var b strings.Builder
	at := 0
	found := all.spans([]byte(text), nil)
	for _, x := range found {
		out.Places = append(out.Places, Place{x.class, x.Kind, x.From, x.To})
	}
	for _, x := range joined(found) {
		b.WriteString(text[at:x.From])
		b.WriteString(names.name(x.Kind, text[x.From:x.To], false))
		at = x.To
	}
	out.Masked = b.String() + text[at:]
	v := g.model.Judge(text)
	out.Injection, out.Why, out.Score = v.Injection, v.Why, v.Score
	return out
}
