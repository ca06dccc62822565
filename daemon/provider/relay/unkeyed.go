package relay

import (
	"bytes"
	"net/http"
	"strings"

	"corral/daemon/llm"
)

// shortestKey is the shortest key that is looked for, in bytes: a shorter one may stand in any text.
const shortestKey = 8

// unkeyed is text without the server's own key. Servers repeat in their errors the key that they would not take, and whoever
// may call a model here is not to have it for that.
func (p *Relay) unkeyed(text []byte) []byte {
	if p.o.Authorize == nil || len(text) < shortestKey {
		return text
	}
	h := http.Header{}
	if p.o.Authorize(h) != nil {
		return text
	}
	for _, values := range h {
		for _, v := range values {
			if key := []byte(strings.TrimPrefix(v, "Bearer ")); len(key) >= shortestKey && bytes.Contains(text, key) {
				text = bytes.ReplaceAll(text, key, []byte("[key]"))
			}
		}
	}
	return text
}

// said is what a server says went wrong, as the caller may hear it.
func (p *Relay) said(why string) string { return string(p.unkeyed([]byte(why))) }

// withoutKey is e as the caller and the log may have it.
func (p *Relay) withoutKey(e *llm.Error) *llm.Error {
	text := p.said(e.Message)
	if text == e.Message {
		return e
	}
	clean := *e
	clean.Message, clean.Err = text, nil // which has the same words
	return &clean
}
