// Package similar decides whether two questions may share an answer.
//
// An embedding model finds questions that are near each other, and is blind to what a small word changes: "with" and "without",
// 12 and 20, who beats whom. So nearness alone never is enough here. [Compare] reads both texts and names the first thing that
// differs and could change the answer; only when it finds none does the cosine count ([Decide]).
//
// It works the safe way round. It does not look for differences known to matter; it folds away those known not to matter (how a
// question is framed, politeness, spelling, synonyms, what grammar demands), and what is left must be equal, in the same roles.
// A word it does not know is thus a veto, or, if it is the only difference, a grave doubt that takes nearly the whole threshold. To
// let more pass, teach it words: see lists.go and synonyms.go. Surprising: it can only refuse, and will refuse many questions that
// a person would call the same.
package similar

import (
	"slices"
	"strings"
)

// Threshold is the cosine from which on two questions are alike that nothing vetoes. It is for all-MiniLM-L6-v2.
const Threshold = 0.95

// How much less than the threshold will do, since nothing passes Compare whose words do not agree.
const (
	Slack        = 0.25 // all words agree: under the threshold less this, nothing is alike
	slackDoubted = 0.11 // there is a Doubt
	slackGrave   = 0.01 // it is Grave
)

// Verdict is what Compare finds.
type Verdict struct {
	Veto  string // why the questions must not share an answer, such as "numbers: 12, not 20"; empty: nothing speaks against it
	Doubt string // what one says and the other does not, which only matters when they are not very near each other
	Grave bool   // they must be nearer still: it is a word that may well matter
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
	return Compare(a, b).At(threshold, cosine)
}

// At decides with a cosine; veto is as of Decide.
func (v Verdict) At(threshold, cosine float64) (hit bool, veto string) {
	switch {
	case v.Veto != "" || cosine < threshold-Slack:
		return false, v.Veto
	case cosine < v.Enough(threshold):
		return false, v.Doubt
	}
	return true, ""
}

// Enough is the cosine from which the questions may share an answer, where there is no veto.
func (v Verdict) Enough(threshold float64) float64 {
	switch {
	case v.Grave:
		return threshold - slackGrave
	case v.Doubt != "":
		return threshold - slackDoubted
	}
	return threshold - Slack
}

// Compare reads two questions. It is symmetric, needs no model and takes some 30 microseconds.
func Compare(a, b string) Verdict {
	if a == b {
		return Verdict{}
	}
	if len(a) > 16*longest || len(b) > 16*longest {
		return Verdict{Veto: "length: too long to compare"}
	}
	p, q := read(a), read(b)
	for _, check := range []func(p, q *question) string{languages, literals, negations_, modals_, persons, types, contents, roles, tenses, owning} {
		if why := check(p, q); why != "" {
			return Verdict{Veto: why}
		}
	}
	switch doubts := append(p.doubts, q.doubts...); {
	case len(doubts) == 0:
		return Verdict{}
	case len(doubts) > 2 || len(doubts) > 1 && (p.grave || q.grave):
		return Verdict{Veto: "more than one difference: " + doubts[0]}
	default:
		return Verdict{Doubt: strings.Join(doubts, "; "), Grave: p.grave || q.grave}
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
	if x, y := without(p.modals, q.modals), without(q.modals, p.modals); len(x)+len(y) == 1 && slices.Contains(append(x, y...), "will") &&
		len(p.types) > 0 && p.types[0] == "when" && slices.Equal(p.types, q.types) && !p.past && !q.past {
		p.doubts = append(p.doubts, "modal: only one has will") // when does it start, when will it start
		return ""
	}
	if !slices.Equal(p.modals, q.modals) {
		return differ("modal", strings.Join(p.modals, " "), strings.Join(q.modals, " "))
	}
	return ""
}

// persons may be missing from one of the two only when it is the one who asks (my password, the password), or when it stands for
// anyone and nobody else is named.
func persons(p, q *question) string {
	x, y := without(p.persons, q.persons), without(q.persons, p.persons)
	if len(x) == 0 && len(y) == 0 {
		if !slices.Equal(p.order, q.order) { // can I see yours, can you see mine
			return differ("person", strings.Join(p.order, " "), strings.Join(q.order, " "))
		}
		return ""
	}
	who := append(slices.Clone(x), y...)
	all := func(s []string, f func(string) bool) bool {
		return !slices.ContainsFunc(s, func(w string) bool { return !f(w) })
	}
	if len(x) == 0 || len(y) == 0 {
		if all(who, func(w string) bool { return w == "i" || w == "me" || w == "my" || w == "people" }) {
			if slices.Contains(who, "me") && slices.Contains(p.persons, "i") && slices.Contains(q.persons, "i") {
				return differ("person", strings.Join(x, " "), strings.Join(y, " ")) // who blocked me, whom I blocked
			}
			return ""
		}
		if all(who, func(w string) bool { return anyones[w] }) && !(p.owner && q.owner) && len(p.persons)+len(q.persons) == len(who) {
			p.doubts = append(p.doubts, "person: only one has "+strings.Join(who, " "))
			return ""
		}
		return differ("person", strings.Join(x, " "), strings.Join(y, " "))
	}
	// What is your worst habit, what is the worst habit you have.
	if all(append(slices.Clone(p.persons), q.persons...), func(w string) bool { return sameOne[w] == "you" }) {
		p.doubts = append(p.doubts, "person: "+strings.Join(x, " ")+", not "+strings.Join(y, " "))
		return ""
	}
	// What can I do, what can we do; can you live on it, can one live on it.
	if len(x) == 1 && len(y) == 1 && len(p.persons) == 1 && len(q.persons) == 1 && slices.Equal(p.modals, []string{"can"}) && slices.Equal(q.modals, p.modals) &&
		len(p.types) > 0 && slices.Equal(p.types, q.types) && whoever[x[0]] && whoever[y[0]] && (p.types[0] == "what" || x[0] != "i" && y[0] != "i") && len(p.content) > 1 {
		p.doubts = append(p.doubts, "person: "+x[0]+", not "+y[0])
		return ""
	}
	return differ("person", strings.Join(x, " "), strings.Join(y, " "))
}

var (
	owners  = set("my your our their his her") // whose
	anyones = set("this you your they them their we us our people")
	whoever = set("i you we they people one")
)

func types(p, q *question) string {
	if p.hanging != q.hanging {
		p.doubts, p.grave = append(p.doubts, differ("question", p.hanging, q.hanging)), true
	}
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
		p.doubts, p.grave = append(p.doubts, "question: only one asks twice"), true
		return ""
	}
	return differ("question", strings.Join(x, " "), strings.Join(y, " "))
}

func tenses(p, q *question) string {
	if p.past != q.past && p.finite && q.finite {
		asked := func(q *question) bool { return slices.Contains(q.persons, "your") || slices.Contains(q.persons, "you") }
		if asked(p) && asked(q) && slices.ContainsFunc(p.content, superlative) {
			p.doubts = append(p.doubts, "tense: one asks of the past") // what is, what was your worst mistake
			return ""
		}
		return "tense: one asks of the past"
	}
	return verbs(p, q)
}

// verbs compares tenses where a verb alone tells of the past: who owns it, who owned it. On one side it may be a form of be or do
// that tells it: who is leading it, who led it.
func verbs(p, q *question) string {
	if q.verbal() {
		p, q = q, p
	}
	if !p.verbal() {
		return ""
	}
	for _, v := range p.verbs() {
		other, same := false, false
		for _, w := range q.verbs() {
			switch {
			case v.key != w.key:
			case q.verbal():
				other, same = other || past(v.raw) != past(w.raw), same || past(v.raw) == past(w.raw)
			case !q.finite || words.stem(v.raw) != words.stem(w.raw):
			case v.raw == w.raw && w.acted: // which skills needed, which skills are needed
			case w.acted || strings.HasSuffix(w.raw, "ing") || v.raw == w.raw+"s":
				other = other || past(v.raw) != q.past
			}
		}
		if other && !same {
			return "tense: one asks of the past"
		}
	}
	return ""
}

// verbal tells whether it asks who does it, or what, without a verb beside the one that says what is done.
func (q *question) verbal() bool {
	return len(q.types) > 0 && (q.types[0] == "who" || q.types[0] == "what") && !q.finite && len(q.modals) == 0 && (q.language == "" || q.language == "English")
}

// verbs are the words of the first clause that may be verbs.
func (q *question) verbs() []word {
	var out []word
	for _, w := range q.content {
		if w.key == "?if" {
			break // what happens if it fell
		}
		if w.clause == q.content[0].clause && !w.quoted && !w.code && !w.figure && !w.proper {
			out = append(out, w)
		}
	}
	return out
}

// past tells whether a word is the simple past of a verb, if it is one.
func past(w string) bool {
	return words.pasts[w] || len(w) > 4 && strings.HasSuffix(w, "ed") && !strings.HasSuffix(w, "eed")
}

// owning keeps apart what somebody is and what somebody has: is Bob a lawyer, does Bob have a lawyer. What effect does it have asks
// what the effect of it is, and whether Mars has water, whether there is water on Mars.
func owning(p, q *question) string {
	if p.haves < q.haves {
		p, q = q, p
	}
	if p.haves > q.haves && p.bes < q.bes && !(p.stranded || q.there) {
		return "words: have, not be"
	}
	return ""
}

func superlative(w word) bool {
	return w.raw == "best" || w.raw == "worst" || w.raw == "most" || w.key == words.fold("favorite") || len(w.raw) > 5 && strings.HasSuffix(w.raw, "est")
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
