// Package secrets finds credentials in free text: keys of model providers and clouds, tokens of services, private keys, and values that are
// assigned to a name such as password or api_token.
//
// Two things lead to a finding. A value may have a form of its own (formats.go: a prefix, an alphabet, a length), or it may stand where a
// secret is named (assign.go), and then it must look like one (judge.go), for most of what stands behind "token:" in a chat is prose or code.
// To add a provider, add a line to formats; to add a kind, add it to Kinds as well.
//
// Find reads each byte a bounded number of times, whatever the text is, and it never looks a word up by a regular expression: those cost more
// for one kilobyte than the whole stage may.
package secrets

import "corral/daemon/guard/span"

// Kinds are all that Find can name. The list is bounded, as kinds become labels of metrics and words in the configuration.
func Kinds() []string {
	return []string{
		"openai_key", "anthropic_key", "google_api_key", "groq_key", "huggingface_token", "xai_key", "openrouter_key", "perplexity_key",
		"replicate_token", "nvidia_key", "corral_key", "llm_key",
		"aws_access_key", "aws_secret_key", "azure_key", "google_oauth",
		"github_token", "gitlab_token", "slack_token", "webhook_url", "stripe_key", "npm_token", "pypi_token", "service_token",
		"private_key", "jwt", "basic_auth", "password_in_url", "password", "generic_secret",
	}
}

// Find returns the secrets of a text, in order and without overlap. A span covers the value and not the line around it; of a private key it is
// the whole block, of a webhook the whole address.
func Find(text string) []span.Span {
	s := scan{text: text}
	s.run()
	return s.spans
}

// scan is one reading of one text.
type scan struct {
	text    string
	spans   []span.Span
	end     int    // of the last span; nothing before it is looked at again
	near    int    // up to here a bare secret key of AWS is looked for, as its access key stood before
	refused int    // up to here a run of base64 was read and is no JWT
	runs    [8]run // read by take of late
	next    int    // the one of runs to be forgotten next
	work    int    // bytes read beyond the one pass over the text, for the test that this stays linear
}

func (s *scan) run() {
	text := s.text
	for i := 0; i < len(text); {
		switch c := class[text[i]]; {
		case c&wordChar != 0:
			start := i
			for i++; i < len(text) && class[text[i]]&wordChar != 0; i++ {
			}
			if start > 0 && text[start-1] == '\\' && (text[start] == 'n' || text[start] == 't' || text[start] == 'r') {
				start++ // the line end of a text within a text: "\nghp_..."
			}
			s.word(start, i)
		case c&operator != 0:
			i = s.operator(i)
		default:
			i++
		}
		i = max(i, s.end)
	}
}

// word looks at a run of letters, digits, _ and -.
func (s *scan) word(from, to int) {
	if from+1 >= len(s.text) {
		return
	}
	if starts[pair(s.text[from], s.text[from+1])] != 0 && s.known(from) {
		return
	}
	switch s.text[from:to] {
	case "is", "ist", "lautet", "est":
		s.said(from, to)
		return
	}
	if from < s.near {
		s.awsSecret(from)
	}
}

// known adds what stands at a place if it has a form of its own.
func (s *scan) known(at int) bool { return s.formed(at, false) }

// formed is known, or without the words that stand before a value: "Bearer Bearer Bearer" would be read from each of them to the last.
func (s *scan) formed(at int, valueOnly bool) bool {
	if at < s.end || at+1 >= len(s.text) {
		return false
	}
	for _, f := range groups[starts[pair(s.text[at], s.text[at+1])]] {
		if valueOnly && f.form >= bearerForm {
			continue
		}
		if from, to, ok := f.match(s, at); ok {
			s.add(from, to, f.kind)
			if f.kind == "aws_access_key" {
				s.near = to + 200
			}
			return true
		}
	}
	return false
}

func (s *scan) add(from, to int, kind string) {
	if from < s.end || from >= to {
		return
	}
	s.spans = append(s.spans, span.Span{From: from, To: to, Kind: kind})
	s.end = to
}

// run is what take has read: text[from:to] is of such characters, and whole says that none follows.
type run struct {
	chars    set
	from, to int
	whole    bool
}

// take returns the end of the run of such characters at a place, of limit bytes at most. It remembers the last runs, for a text made of one
// prefix over and over would else be read anew to the limit at each of them.
func (s *scan) take(at int, chars set, limit int) int {
	end := min(len(s.text), at+limit)
	r := s.remembered(at, chars)
	to := max(at, r.to)
	if !r.whole {
		from := to
		for to < end && class[s.text[to]]&chars != 0 {
			to++
		}
		s.work += to - from
		r.to = max(r.to, to)
		r.whole = to < end || to == len(s.text)
	}
	s.work++
	return min(to, end)
}

// remembered returns the run that covers a place, or a new one that begins there.
func (s *scan) remembered(at int, chars set) *run {
	for i := range s.runs {
		if r := &s.runs[i]; r.chars == chars && r.from <= at && at <= r.to {
			return r
		}
	}
	r := &s.runs[s.next]
	s.next = (s.next + 1) % len(s.runs)
	*r = run{chars: chars, from: at, to: at}
	return r
}
