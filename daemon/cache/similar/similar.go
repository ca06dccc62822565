// Package similar decides whether two questions may share an answer.
//
// An embedding model finds questions that are near each other, and is blind to what a small word changes: "with" and "without",
// 12 and 20, who beats whom. So nearness alone never is enough here. [Compare] reads both texts and names the first thing that
// differs and could change the answer; only when it finds none does the cosine count ([Decide]).
//
// It works the safe way round. It does not look for differences known to matter; it folds away those known not to matter (how a
// question is framed, politeness, spelling, synonyms, what grammar demands), and what is left must be equal, in the same roles.
// A word it does not know is thus a veto. To let more pass, teach it words: see lists.go and synonyms.go. Surprising: it can only
// refuse, and will refuse many questions that a person would call the same.
package similar

import (
	"slices"
	"strings"
)

// Threshold is the cosine from which on two questions are alike that nothing vetoes. It is for all-MiniLM-L6-v2.
const Threshold = 0.95

// How much less than the threshold will do, since nothing passes Compare whose words do not agree.
const (
	slackAgreed  = 0.15 // all words agree
	slackDoubted = 0.07 // there is a Doubt
)

// Verdict is what Compare finds.
type Verdict struct {
	Veto  string // why the questions must not share an answer, such as "numbers: 12, not 20"; empty: nothing speaks against it
	Doubt string // what one says and the other does not, which only matters when they are not very near each other
}

// longest is the number of words above which only equal texts are alike.
const longest = 250

// Decide tells whether two questions may share an answer, by the cosine of their embeddings and the default threshold. The veto
// says what else than the cosine is against it, if anything is.
func Decide(a, b string, cosine float64) (hit bool, veto string) {
	return DecideAt(Threshold, a, b, cosine)
}

// DecideAt is Decide with another threshold.
func DecideAt(threshold float64, a, b string, cosine float64) (hit bool, veto string) {
	v := Compare(a, b)
	switch {
	case v.Veto != "" || cosine < threshold-slackAgreed:
		return false, v.Veto
	case v.Doubt != "" && cosine < threshold-slackDoubted:
		return false, v.Doubt
	}
	return true, ""
}

// Compare reads two questions. It is symmetric, needs no model and takes some ten microseconds.
func Compare(a, b string) Verdict {
	if a == b {
		return Verdict{}
	}
	if len(a) > 16*longest || len(b) > 16*longest {
		return Verdict{Veto: "length: too long to compare"}
	}
	p, q := read(a), read(b)
	for _, check := range []func(p, q *question) string{languages, literals, negations_, modals_, persons, types, contents, roles, tenses} {
		if why := check(p, q); why != "" {
			return Verdict{Veto: why}
		}
	}
	switch doubts := append(p.doubts, q.doubts...); {
	case len(doubts) == 0:
		return Verdict{}
	case len(doubts) > 1 || !slices.Equal(p.persons, q.persons) && !strings.HasPrefix(doubts[0], "person"):
		return Verdict{Veto: "more than one difference: " + doubts[0]}
	default:
		return Verdict{Doubt: doubts[0]}
	}
}

func differ(kind, x, y string) string {
	switch {
	case x == "":
		return kind + ": only one has " + y
	case y == "":
		return kind + ": only one has " + x
	}
	return kind + ": " + x + ", not " + y
}

func languages(p, q *question) string {
	if p.language != "" && q.language != "" && p.language != q.language {
		return differ("language", p.language, q.language)
	}
	return ""
}

// literals are what is compared to the letter: code and addresses, and what both have in quotes.
func literals(p, q *question) string {
	if len(p.codes) != len(q.codes) || !slices.Equal(p.codes, q.codes) {
		x, y := slices.Clone(p.codes), slices.Clone(q.codes)
		slices.Sort(x)
		slices.Sort(y)
		if !slices.Equal(x, y) || len(x) > 1 {
			return differ("code", strings.Join(p.codes, " "), strings.Join(q.codes, " "))
		}
	}
	if p.quotes != "" && q.quotes != "" && p.quotes != q.quotes {
		return differ("quoted", p.quotes, q.quotes)
	}
	return ""
}

func negations_(p, q *question) string {
	if !slices.Equal(p.nots, q.nots) && !(len(p.nots) == 1 && len(q.nots) == 1 && (p.nots[0] == "not *" || q.nots[0] == "not *") &&
		strings.HasPrefix(p.nots[0], "not ") && strings.HasPrefix(q.nots[0], "not ")) {
		return differ("negation", strings.Join(p.notsShown, " "), strings.Join(q.notsShown, " "))
	}
	return ""
}

func modals_(p, q *question) string {
	if p.advice != q.advice {
		p.doubts = append(p.doubts, "modal: only one has should")
	}
	if x, y := without(p.modals, q.modals), without(q.modals, p.modals); len(x)+len(y) == 1 && (len(x) == 1 && x[0] == "can" || len(y) == 1 && y[0] == "can") &&
		len(p.types) > 0 && p.types[0] == "what" && slices.Equal(p.types, q.types) {
		p.doubts = append(p.doubts, "modal: only one has can") // what is to be done, what can be done
		return ""
	}
	if !slices.Equal(p.modals, q.modals) {
		return differ("modal", strings.Join(p.modals, " "), strings.Join(q.modals, " "))
	}
	return ""
}

// persons may be missing from one of the two only when it is the one who asks: my password, the password.
func persons(p, q *question) string {
	x, y := without(p.persons, q.persons), without(q.persons, p.persons)
	if len(x) == 0 && len(y) == 0 {
		return ""
	}
	if len(x) == 0 || len(y) == 0 {
		who := append(x, y...)
		own := func(w string) bool { return w == "i" || w == "me" || w == "my" || w == "people" }
		if !slices.ContainsFunc(who, func(w string) bool { return !own(w) }) {
			return ""
		}
		if len(who) == 1 && (who[0] == "you" || who[0] == "them" || who[0] == "they") {
			p.doubts = append(p.doubts, "person: only one has "+who[0])
			return ""
		}
	}
	return differ("person", strings.Join(x, " "), strings.Join(y, " "))
}

func types(p, q *question) string {
	x, y := p.types, q.types
	if slices.Equal(x, y) {
		return ""
	}
	// "capital of France" asks what "what is the capital of France" does.
	bare := func(s []string) bool { return len(s) == 0 || len(s) == 1 && s[0] == "what" }
	if bare(x) && bare(y) {
		return ""
	}
	best := func(w word) bool { return w.key == words.fold("best") }
	if len(x) == 1 && len(y) == 1 && (x[0]+y[0] == "wherewhat" || x[0]+y[0] == "whatwhere") && slices.ContainsFunc(p.content, best) && slices.ContainsFunc(q.content, best) {
		p.doubts = append(p.doubts, "question: where is the best, what is the best")
		return ""
	}
	if n := min(len(x), len(y)); n > 0 && slices.Equal(x[:n], y[:n]) {
		p.doubts = append(p.doubts, "question: only one asks twice")
		return ""
	}
	return differ("question", strings.Join(x, " "), strings.Join(y, " "))
}

func tenses(p, q *question) string {
	if p.past != q.past && p.finite && q.finite {
		return "tense: one asks of the past"
	}
	return ""
}

// without is a less the words of b, each as often as it is there.
func without(a, b []string) []string {
	var left []string
	used := make([]bool, len(b))
next:
	for _, w := range a {
		for i, v := range b {
			if !used[i] && v == w {
				used[i] = true
				continue next
			}
		}
		left = append(left, w)
	}
	return left
}
