package similar

import "strings"

// class is what a word does in a question, where it is no content.
type class uint8

const (
	content   class = iota
	light           // articles, politeness, fillers: nothing hangs on them
	being           // forms of be
	doing           // do, does, did
	having          // have, has, had
	modal           // can, should, must, ...
	pronoun         // persons and possessives
	negation        // not, never, without, ...
	asking          // how, why, what, ...
	place           // prepositions that only tie a word to another: its mark
	and             // joins equals
	condition       // if, when, whether in the middle of a sentence
)

// lexicon is every word list of this package in the form in which it is asked. It never changes.
type lexicon struct {
	class      map[string]class
	small      map[string]use      // by language and word
	means      map[string]string   // what a word of a class stands for: could -> can, his -> he
	past       map[string]bool     // did, was, were, had
	phrases    map[string][]phrase // by their first word, longest first
	group      map[string]string   // stem -> the first of its synonyms
	lemma      map[string]string   // went -> go; the misspelt -> the well spelt
	number     map[string]string   // seven -> 7, third -> 3rd
	kind       map[string]string   // stem -> what to call the difference: units, dates, ...
	known      map[string]bool     // stems that are certainly no typing errors
	frontal    map[string]bool     // words that may stand before or after what they are said of: safe, cost
	optional   map[string]bool
	sorts      map[string]bool // what a name may be the name of: an exam, an app
	weightless map[string]bool // words that may be missing from one of the two when they are near each other
	part       map[string]bool // participles that do not end in -ed
	pasts      map[string]bool // past forms that do not end in -ed
	derived    map[string]bool // a word and the noun of what it does, by their keys, the shorter one first
}

type phrase struct {
	from  []string
	to    []string
	start bool // only where a sentence begins
}

// words is read once, when the program starts: a fraction of a millisecond.
var words = readLexicon()

func readLexicon() *lexicon {
	l := &lexicon{
		class: map[string]class{}, small: map[string]use{}, means: map[string]string{}, past: set(pastWords), phrases: map[string][]phrase{}, group: map[string]string{},
		lemma: map[string]string{}, number: map[string]string{}, kind: map[string]string{}, known: map[string]bool{}, frontal: map[string]bool{},
		optional: map[string]bool{}, weightless: map[string]bool{}, sorts: map[string]bool{}, part: set(participles), pasts: set(pasts), derived: map[string]bool{},
	}
	for _, c := range []struct {
		class class
		list  string
	}{{light, lightWords}, {being, "be is are am was were been being 're 'm"}, {doing, "do does did"}, {having, "have has had having 've"}, {modal, modals},
		{pronoun, pronouns}, {negation, negations}, {asking, askings}, {place, places}, {and, "and & plus"}, {condition, "if whenever"}} {
		for line := range strings.Lines(c.list) {
			l.add("", c.class, line)
		}
	}
	for line := range strings.Lines(foreign) {
		if language, rest, ok := strings.Cut(line, " "); ok {
			name, rest, _ := strings.Cut(rest, " ")
			l.add(language, classNames[name], rest)
		}
	}
	for line := range strings.Lines(lemmas) {
		f := strings.Fields(line)
		for _, w := range f[min(1, len(f)):] {
			l.lemma[w] = f[0]
		}
	}
	for line := range strings.Lines(numbers) {
		f := strings.Fields(line)
		for _, w := range f[min(1, len(f)):] {
			l.number[w] = f[0]
		}
	}
	for line := range strings.Lines(synonyms) {
		f := strings.Fields(line)
		for _, w := range f {
			s := l.stem(w)
			if _, taken := l.group[s]; !taken {
				l.group[s] = l.stem(f[0])
			}
			l.known[s] = true
		}
	}
	for _, w := range strings.Fields(plain) {
		l.known[l.stem(w)] = true
	}
	for line := range strings.Lines(kinds) {
		name, rest, _ := strings.Cut(line, ":")
		for _, w := range strings.Fields(rest) {
			s := l.fold(w)
			l.kind[s] = strings.TrimSpace(name)
			l.known[s] = true
		}
	}
	for _, w := range strings.Fields(frontals) {
		l.frontal[l.fold(w)] = true
	}
	for _, w := range strings.Fields(weightless) {
		l.weightless[l.fold(w)] = true
		l.known[l.stem(w)] = true
	}
	for _, w := range strings.Fields(sorts) {
		l.sorts[l.fold(w)] = true
	}
	for _, w := range strings.Fields(optionals) {
		l.optional[l.fold(w)] = true
	}
	for line := range strings.Lines(nouns) {
		ends, list, _ := strings.Cut(line, ":")
		for _, w := range strings.Fields(list) {
			for end := range strings.FieldsSeq(ends) {
				root := w
				if strings.ContainsRune("aeiou", rune(end[0])) {
					root = strings.TrimSuffix(w, "e")
				}
				a, b := l.fold(w), l.fold(root+end)
				if len(a) > len(b) {
					a, b = b, a
				}
				l.derived[a+" "+b] = true
			}
		}
	}
	for line := range strings.Lines(phrases) {
		from, to, ok := strings.Cut(strings.TrimSpace(line), ">")
		if !ok {
			continue
		}
		for alternative := range strings.SplitSeq(from, "|") {
			p := phrase{to: strings.Fields(to)}
			for _, f := range strings.Fields(alternative) {
				if f == "^" || f == "'s" {
					p.from = append(p.from, f)
				} else if f != "-" {
					for _, part := range addWord(nil, f) {
						p.from = append(p.from, part.raw)
					}
				}
			}
			if len(p.from) == 0 {
				continue
			}
			if p.from[0] == "^" {
				p.start, p.from = true, p.from[1:]
			}
			at := l.phrases[p.from[0]]
			i := 0
			for i < len(at) && len(at[i].from) >= len(p.from) {
				i++
			}
			at = append(at, phrase{})
			copy(at[i+1:], at[i:])
			at[i] = p
			l.phrases[p.from[0]] = at
		}
	}
	return l
}

var classNames = map[string]class{"light": light, "being": being, "having": having, "modal": modal, "pronoun": pronoun, "negation": negation,
	"asking": asking, "place": place, "and": and, "condition": condition}

// add reads "meaning = word word" or just words.
func (l *lexicon) add(language string, c class, line string) {
	meaning, list, ok := strings.Cut(line, " = ")
	if !ok {
		meaning, list = "", line
	}
	for _, w := range strings.Fields(list) {
		m := w
		if ok {
			m = strings.TrimSpace(meaning)
		}
		l.small[language+" "+w] = use{c, m}
		if language == "" {
			l.class[w], l.means[w] = c, m
		}
	}
}

// use is what a small word does, and the word that stands for it.
type use struct {
	class class
	means string
}

// of is the use of a word in a text of a language.
func (l *lexicon) of(language, w string) use {
	if language == "" || language == "English" {
		return use{l.class[w], l.means[w]}
	}
	return l.small[language+" "+w]
}

func set(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// fold is the word that stands for a word and all that may replace it.
func (l *lexicon) fold(w string) string {
	s := l.stem(w)
	if g, ok := l.group[s]; ok {
		return g
	}
	return s
}

// stem takes off what only grammar adds to an English word. Two words of one stem are taken for one another, so endings that
// change what is said stay: -er and -est, -less, un-, and -tion.
func (l *lexicon) stem(w string) string {
	if b, ok := l.lemma[w]; ok {
		w = b
	}
	if len(w) < 4 || w[0] >= 0x80 {
		return w
	}
	switch {
	case strings.HasSuffix(w, "ies") && len(w) > 4:
		w = w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "sses"), strings.HasSuffix(w, "shes"), strings.HasSuffix(w, "ches"), strings.HasSuffix(w, "xes"), strings.HasSuffix(w, "zzes"), strings.HasSuffix(w, "toes"), strings.HasSuffix(w, "goes"):
		w = w[:len(w)-2]
	case strings.HasSuffix(w, "s") && !strings.HasSuffix(w, "ss") && !strings.HasSuffix(w, "us") && !strings.HasSuffix(w, "is"):
		w = w[:len(w)-1]
	}
	if b, ok := l.lemma[w]; ok {
		w = b
	}
	switch {
	case strings.HasSuffix(w, "ied") && len(w) > 4:
		w = w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "ed") && !strings.HasSuffix(w, "eed") && len(w) > 4 && hasVowel(w[:len(w)-2]):
		w = undouble(w[:len(w)-2])
	case strings.HasSuffix(w, "ing") && len(w) > 5 && hasVowel(w[:len(w)-3]):
		w = undouble(w[:len(w)-3])
	case strings.HasSuffix(w, "ally") && len(w) > 7:
		w = w[:len(w)-4]
	case strings.HasSuffix(w, "ily") && len(w) > 5:
		w = w[:len(w)-3] + "y"
	case strings.HasSuffix(w, "ly") && len(w) > 5:
		w = w[:len(w)-2]
	}
	if len(w) > 5 {
		// British and American spelling.
		w = strings.Replace(w, "isation", "ization", 1)
		if strings.HasSuffix(w, "ise") {
			w = w[:len(w)-3] + "ize"
		} else if strings.HasSuffix(w, "is") && !strings.HasSuffix(w, "sis") {
			w = w[:len(w)-2] + "iz"
		} else if strings.HasSuffix(w, "yse") {
			w = w[:len(w)-3] + "yze"
		}
	}
	if len(w) > 4 && strings.HasSuffix(w, "our") {
		w = w[:len(w)-3] + "or"
	}
	if len(w) > 3 && strings.HasSuffix(w, "e") {
		w = w[:len(w)-1]
	}
	if b, ok := l.lemma[w]; ok {
		return b
	}
	return w
}

func hasVowel(s string) bool { return strings.ContainsAny(s, "aeiouy") }

func undouble(s string) string {
	n := len(s)
	if n > 3 && s[n-1] == s[n-2] && !strings.ContainsRune("lsz", rune(s[n-1])) || n > 5 && strings.HasSuffix(s, "ll") {
		return s[:n-1]
	}
	return s
}
