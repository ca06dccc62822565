package similar

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// question is what a text says once all is folded away that changes no answer.
type question struct {
	language  string
	types     []string // how, why, what, ...: one a clause that has it
	modals    []string // sorted
	persons   []string // sorted
	order     []string // of these, as they come: I of you, you of me
	nots      []string // negations with the word they are before, in order
	notsShown []string
	codes     []string
	quotes    string
	past      bool
	finite    bool // past is known
	bes       int  // forms of be
	haves     int  // forms of have that are no auxiliaries
	stranded  bool // have stands behind what is had: what effect does it have
	there     bool // there is
	content   []word
	owner     bool   // it says whose: my, your, their
	advice    bool   // how should I, where how do I would nearly do
	hanging   string // the preposition at its end
	doubts    []string
	grave     bool // one of them is
}

func read(text string) *question {
	q := &question{}
	ws := scan(text)
	if len(ws) > longest {
		ws = ws[:longest]
		ws = append(ws, word{raw: text, key: text, shown: "more", code: true})
	}
	q.language = language(ws)
	titled := capitals(ws)
	quotedAll := len(ws) > 0
	for i := range ws {
		quotedAll = quotedAll && (ws[i].quoted || ws[i].code)
	}
	for i := range ws {
		w := &ws[i]
		if w.quoted && !quotedAll {
			if q.quotes != "" {
				q.quotes += " "
			}
			q.quotes += w.raw
		}
		if quotedAll {
			w.quoted = false
		}
	}
	ws = rewrite(ws)
	ws = ways(ws)

	var (
		mark    string // the preposition that waits for its word
		neg     string // the negation that does
		be      = -1   // the clause with a form of be
		open    = true // no content in this clause yet
		fresh   = true // nothing but fillers in it
		fronted int    // so many words are the object of what follows
		justBe  bool   // a form of be went right before
		pair    bool   // and, or went before
		clause  = -1
		generic string // the subject that stands for anyone
	)
	for i := 0; i < len(ws); i++ {
		w := &ws[i]
		if w.clause != clause {
			q.hangs(mark)
			clause, open, fresh, mark = w.clause, true, true, ""
		}
		small := words.of(q.language, w.raw)
		c := small.class
		if w.raw == "" {
			continue
		}
		if w.key != "" && w.code {
			q.codes = append(q.codes, w.key)
		}
		if w.shown == "I" && i > 0 && ws[i-1].capped && !ws[i-1].begins && ws[i-1].clause == clause && words.class[ws[i-1].raw] == content &&
			!(i+1 < len(ws) && (words.class[ws[i+1].raw] == having || words.class[ws[i+1].raw] == modal)) {
			c = content // World War I, but not: which version of Python I have
		}
		proper := w.capped && !w.begins && !titled && w.raw != "i" && (c != content)
		if proper && c == negation {
			proper = false
		}
		if n, ok := words.number[w.raw]; ok && !w.quoted && !w.figure {
			w.key, w.figure = "#"+n, true
			w.opt = w.raw == "one" && (!w.capped || w.begins)
		}
		if named[w.raw] && i+1 < len(ws) && ws[i+1].quoted && !w.quoted {
			continue // the word "myriad"
		}
		switch {
		case w.quoted, w.code, w.figure, proper, c == content:
			if w.key == "" {
				w.key = words.fold(w.raw)
				if w.capped && !w.begins && strings.ToUpper(w.shown) == w.shown && len(w.shown) > 1 && c != content && !titled {
					w.key = "^" + w.raw // WHO and who
				}
			}
			w.mark = mark
			mark = ""
			w.proper = w.capped && !w.begins && !titled
			w.opt = w.opt || w.raw == "more" && i+1 < len(ws) && strings.HasSuffix(ws[i+1].raw, "ly") || words.optional[w.key] && !w.quoted && !w.code
			if neg != "" {
				q.nots = append(q.nots, neg+" "+w.key)
				q.notsShown = append(q.notsShown, neg+" "+w.shown)
				neg = ""
			}
			if be == clause && (strings.HasSuffix(w.raw, "ed") || words.part[w.raw]) {
				w.acted = true
			}
			w.pair, pair = pair, false
			w.after, justBe = justBe, false
			q.content = append(q.content, *w)
			open = false
		case c == and:
			pair = true
			mark = ""
			continue
		case c == light:
			q.there = q.there || w.raw == "there" && justBe
			continue
		case c == having:
			if !perfect(ws, i, fresh || !open) {
				q.haves++
				q.stranded = len(q.content) > 0 && !open && last(ws, i)
			}
			if fresh && len(q.types) == 0 {
				q.types = append(q.types, "whether")
			}
			q.past = q.past || w.raw == "had"
		case c == being, c == doing:
			if c == doing && i+1 < len(ws) && words.class[ws[i+1].raw] == pronoun && len(q.types) == 1 && q.types[0] == "what" && len(q.content) > 0 && fronted == 0 {
				fronted = len(q.content)
			}
			if words.past[w.raw] {
				q.past = true
			}
			q.finite = true
			if c == being {
				be, justBe = clause, true
				q.bes++
			}
			if fresh && len(q.types) == 0 {
				q.types = append(q.types, "whether")
			}
		case c == modal:
			m := small.means
			if fresh && len(q.types) == 0 {
				q.types = append(q.types, "whether")
			}
			q.modals = append(q.modals, m)
		case c == pronoun:
			who := small.means
			if who == "one" || who == "we" && len(q.types) > 0 && q.types[0] == "why" && !q.past {
				if who == "we" {
					q.persons = append(q.persons, "people") // why do we yawn
				}
				continue
			}
			if generic != "" && (sameOne[who] == generic || generic == "any" && sameOne[who] != "" && sameOne[who] != "they") {
				q.owner = q.owner || owners[who]
				continue
			}
			q.owner = q.owner || owners[who]
			q.persons = append(q.persons, who)
		case c == negation:
			if neg != "" {
				q.nots = append(q.nots, neg)
				q.notsShown = append(q.notsShown, neg)
			}
			neg = small.means
			if w.shown == "n't" && open && i > 0 {
				q.nots = append(q.nots, neg+" *") // why doesn't it: of the whole clause
				q.notsShown = append(q.notsShown, neg)
				neg = ""
			}
		case c == asking:
			m := small.means
			if m == "why" && len(q.types) > 0 && bare(ws, i) {
				continue // and why?
			}
			starts := open && mark == "" || open && len(q.types) == 0
			switch {
			case starts && (len(q.types) == 0 || w.begins || m == "why" || m == "how"):
				if m == "what" && len(q.types) > 0 && !w.begins {
					continue
				}
				q.types = append(q.types, m)
				mark = ""
				if m == "how" || m == "where" {
					i, generic = subject(ws, i, q)
				}
			case m == "who" || m == "what" && len(q.content) > 0 || m == "where":
				// people who, the place where
			case m == "when":
				q.content = append(q.content, word{raw: "if", key: "?if", shown: w.shown, clause: clause, opt: true})
			default:
				q.content = append(q.content, word{raw: w.raw, key: "?" + m, shown: w.shown, clause: clause})
			}
		case c == condition:
			if w.raw == "when" && open && len(q.types) == 0 && w.begins {
				q.types = append(q.types, "when")
				continue
			}
			q.content = append(q.content, word{raw: w.raw, key: "?if", shown: w.shown, clause: clause, opt: true})
		case c == place:
			mark = small.means
		}
		fresh = false
	}
	if neg != "" {
		q.nots = append(q.nots, neg)
		q.notsShown = append(q.notsShown, neg)
	}
	q.hangs(mark)
	if c := q.content; fronted > 0 && fronted < len(c) {
		// What languages do people speak: they speak languages.
		verb := c[fronted]
		copy(c[1:fronted+1], c[:fronted])
		c[0] = verb
	}
	q.content = dates(q.content)
	if len(q.types) > 0 && q.types[0] == "how" {
		// How can I, how could one, how do you: all the same.
		q.modals = slices.DeleteFunc(q.modals, func(m string) bool { return m == "can" || m == "would" })
	}
	if len(q.types) > 0 && (q.types[0] == "how" || q.types[0] == "where") && generic == "" {
		q.persons = slices.DeleteFunc(q.persons, func(p string) bool { return p == "one" })
	}
	where := len(q.types) > 0 && q.types[0] == "where"
	costs := slices.ContainsFunc(q.content, func(w word) bool { return w.key == words.fold("cost") })
	q.content = slices.DeleteFunc(q.content, func(w word) bool { return costs && w.key == "howmuch" })
	for i := range q.content {
		if k := q.content[i].key; where && (k == words.fold("find") || k == words.fold("get") || k == words.fold("buy")) {
			q.content[i].key = "get"
		}
	}
	if len(q.types) == 1 && q.types[0] == "how" && slices.ContainsFunc(q.content, func(w word) bool { return w.key == words.fold("difference") }) {
		q.types[0] = "what" // how do they differ
	}
	q.content = differences(q.content)
	for _, p := range q.persons {
		if who := cmp.Or(sameOne[p], p); len(q.order) == 0 || q.order[len(q.order)-1] != who {
			q.order = append(q.order, who)
		}
	}
	slices.Sort(q.modals)
	slices.Sort(q.persons)
	q.modals = slices.Compact(q.modals)
	q.persons = slices.Compact(q.persons)
	return q
}

// perfect tells whether a form of have only helps a participle: who has won; turned around, it may stand far off: have the two won.
func perfect(ws []word, i int, turned bool) bool {
	for j := i + 1; j < len(ws) && ws[j].clause == ws[i].clause; j++ {
		w := ws[j].raw
		if helped[w] || words.part[w] || len(w) > 4 && strings.HasSuffix(w, "ed") && !strings.HasSuffix(w, "eed") {
			return true
		}
		if c := words.class[w]; !turned && c == content && !strings.HasSuffix(w, "ly") && !adverbs[w] || c == place || c == asking {
			return false
		}
	}
	return false
}

// last tells whether nothing but a phrase with a preposition follows in the clause.
func last(ws []word, i int) bool {
	return i+1 >= len(ws) || ws[i+1].clause != ws[i].clause || words.class[ws[i+1].raw] == place
}

var (
	helped  = set("been had gone come fallen risen flown slept sat stood swum woken beaten swept dealt paid lain sunk swung hung struck burst heard tried died lied")
	adverbs = set("always just already also often still ever once lately")
)

// hangs notes a preposition that no word follows: what is it for.
func (q *question) hangs(mark string) {
	if mark != "" {
		q.hanging = mark
	}
}

// differences writes "A is different from B" as "difference between A and B".
func differences(c []word) []word {
	at := slices.IndexFunc(c, func(w word) bool { return w.key == words.fold("difference") && w.mark == "" })
	if at < 1 || at+1 >= len(c) || c[at+1].mark != "from" || c[at].clause != c[0].clause || slices.ContainsFunc(c[1:at], func(w word) bool { return w.mark != "" }) {
		return c
	}
	out := append([]word{c[at]}, c[:at]...)
	out = append(out, c[at+1:]...)
	out[0].after = false
	out[1].mark = "between"
	out[at+1].mark, out[at+1].pair = "", true
	return out
}

// dates writes 4 July and 4th July as July 4.
func dates(c []word) []word {
	for i := range c {
		if !months[c[i].key] {
			continue
		}
		day := func(j int) bool {
			if j < 0 || j >= len(c) || !c[j].figure || len(c[j].key) > 5 {
				return false
			}
			for _, end := range []string{"st", "nd", "rd", "th"} {
				c[j].key = strings.TrimSuffix(c[j].key, end)
			}
			return len(c[j].key) <= 3
		}
		if day(i - 1) {
			c[i-1], c[i] = c[i], c[i-1]
			c[i-1].mark, c[i].mark = c[i].mark, c[i-1].mark
		} else {
			day(i + 1)
		}
	}
	return c
}

var months = func() map[string]bool {
	m := map[string]bool{}
	for name := range strings.FieldsSeq("january february march april june july august september october november december") {
		m[words.fold(name)] = true
	}
	return m
}()

// sameOne is the subject that a pronoun goes with.
var sameOne = map[string]string{"i": "i", "me": "i", "my": "i", "you": "you", "your": "you", "we": "we", "us": "we", "our": "we", "they": "they", "them": "they", "their": "they"}

// bare tells whether nothing follows in the sentence.
func bare(ws []word, i int) bool { return i+1 == len(ws) || ws[i+1].begins }

// subject passes over what follows how and where and says only who asks: do I, can you, to. It returns the place of the last word
// it passed and whom that subject makes anyone.
func subject(ws []word, i int, q *question) (int, string) {
	if q.language != "" && q.language != "English" {
		// Wie koche ich, comment puis-je, cómo puedo.
		for k := i + 1; k < len(ws) && k <= i+3; k++ {
			switch u := words.of(q.language, ws[k].raw); {
			case u.class == modal && u.means == "can" || u.class == pronoun && (u.means == "i" || u.means == "one"):
				ws[k].raw = ""
			}
		}
		return i, "i"
	}
	j := i + 1
	for j < len(ws) && words.class[ws[j].raw] == light {
		j++
	}
	if j < len(ws) && ws[j].raw == "to" {
		return j, "any"
	}
	if j < len(ws) && words.class[ws[j].raw] == content && !ws[j].quoted && !ws[j].code {
		return j - 1, "any" // a way to: how
	}
	aux := ""
	if j < len(ws) && (words.class[ws[j].raw] == doing || words.class[ws[j].raw] == modal) {
		aux = ws[j].raw
		j++
	}
	neg := false
	for j < len(ws) && words.class[ws[j].raw] == light {
		j++
	}
	if j >= len(ws) || neg {
		return i, ""
	}
	if aux == "did" || aux == "will" || aux == "might" || aux == "may" {
		return i, ""
	}
	who := ""
	switch ws[j].raw {
	case "i", "you", "u", "we":
		who = words.means[ws[j].raw]
	case "one":
		who = "one"
	case "people", "someone", "anyone", "somebody":
		who = "they"
	}
	if who == "" || aux == "" {
		return i, ""
	}
	if words.class[aux] == modal {
		switch m := words.means[aux]; m {
		case "can", "would":
		case "should":
			if words.means[ws[i].raw] == "how" {
				q.advice = true
				break
			}
			q.modals = append(q.modals, m)
		default:
			q.modals = append(q.modals, m)
		}
	} else {
		q.finite = true
	}
	return j, who
}

// rewrite puts the phrases in the place of those they stand for.
func rewrite(ws []word) []word {
	out := make([]word, 0, len(ws))
	begins := true
	for i := 0; i < len(ws); {
		begins = begins || ws[i].begins
		if p, n := match(ws, i, begins); p != nil {
			for k, to := range p.to {
				w := ws[i]
				w.raw, w.capped, w.key, w.figure = to, false, "", false
				w.begins = begins && k == 0
				w.shown = to
				out = append(out, w)
			}
			i += n
			if len(p.to) > 0 {
				// What a frame leaves behind may be a frame again: please + tell me.
				if p.start && (p.to[len(p.to)-1] == "please" || p.to[len(p.to)-1] == "explain") {
					k := len(out) - 1
					rest := append([]word{out[k]}, ws[i:]...)
					if p2, n2 := match(rest, 0, true); p2 != nil && n2 > 1 {
						out = out[:k]
						ws, i = rest, 0
						continue
					} else if p.to[0] == "explain" {
						out = out[:k]
					} else {
						out = out[:k]
					}
					begins = true
					continue
				}
				begins = false
			}
			continue
		}
		w := ws[i]
		if begins {
			w.begins = true
		}
		out = append(out, w)
		begins = false
		i++
	}
	return out
}

func match(ws []word, i int, begins bool) (*phrase, int) {
	if ws[i].quoted || ws[i].code {
		return nil, 0
	}
	ps := words.phrases[ws[i].raw]
next:
	for k := range ps {
		p := &ps[k]
		if p.start && !begins || len(p.from) > len(ws)-i {
			continue
		}
		at := i
		for _, f := range p.from {
			if f == "-" { // hyphens are not kept
				continue
			}
			if at >= len(ws) || ws[at].raw != f || ws[at].quoted || ws[at].clause != ws[i].clause && !p.start {
				continue next
			}
			at++
		}
		if p.request() && (at >= len(ws) || !requests[ws[at].raw]) {
			continue // can you swim: no request
		}
		return p, at - i
	}
	return nil, 0
}

// request tells whether a phrase may ask for something to be done: can you, would someone.
func (p *phrase) request() bool {
	return p.start && len(p.from) == 2 && len(p.to) == 1 && p.to[0] == "please"
}

// ways makes "what is the best way to" and its like "how".
func ways(ws []word) []word {
	for i := 0; i < len(ws); i++ {
		if ws[i].quoted || !wayWords[ws[i].raw] {
			continue
		}
		// Behind it: to do, of doing, for me to do.
		j := i + 1
		if j+2 < len(ws) && ws[j].raw == "for" && words.class[ws[j+1].raw] == pronoun && ws[j+2].raw == "to" {
			j += 2
		}
		if j >= len(ws) || ws[j].raw != "to" && !((ws[j].raw == "of" || ws[j].raw == "for") && j+1 < len(ws) && strings.HasSuffix(ws[j+1].raw, "ing")) &&
			!(ws[j].raw == "i" || ws[j].raw == "you") {
			continue
		}
		// Before it: what is the best.
		k := i - 1
		var keep []word
		for k >= 0 && (words.class[ws[k].raw] == light || ws[k].raw == "of" || goodWords[ws[k].raw] || words.class[ws[k].raw] == content && i-k <= 2 && k > 0 && words.class[ws[k-1].raw] != content && words.class[ws[k-1].raw] != negation) {
			if words.class[ws[k].raw] == content && !goodWords[ws[k].raw] {
				keep = append(keep, ws[k])
			}
			k--
		}
		if k >= 0 && (words.class[ws[k].raw] == being) {
			k--
		}
		if k >= 0 && (ws[k].raw == "what" || ws[k].raw == "which") {
			k--
		}
		if k >= 0 && !ws[k+1].begins {
			continue
		}
		head := ws[k+1]
		head.raw, head.begins, head.key, head.capped = "how", true, "", false
		to := ws[min(j, len(ws)-1)]
		to.raw, to.key, to.begins = "to", "", false
		rest := ws[min(j+1, len(ws)):]
		if ws[j].raw == "i" || ws[j].raw == "you" { // the best way I can
			rest = ws[j:]
			out := append(slices.Clone(ws[:k+1]), head)
			return append(append(out, keep...), rest...)
		}
		out := append(slices.Clone(ws[:k+1]), head, to)
		out = append(out, keep...)
		return append(out, rest...)
	}
	return ws
}

var (
	named    = set("word term phrase expression")
	requests = set("please kindly explain tell give show help list describe suggest recommend translate summarize summarise write name teach provide compare define make create find clarify " +
		"proofread correct rewrite rephrase paraphrase draft compose calculate outline elaborate analyze analyse generate")
	wayWords  = set("way ways method methods approach technique techniques steps strategy strategies")
	goodWords = set("best good better great ideal right proper correct possible effective efficient most more top easy simple")
)

// capitals tells whether capital letters say nothing, because most words have them.
func capitals(ws []word) bool {
	n, up := 0, 0
	for _, w := range ws {
		if w.code || w.figure || w.begins || w.raw == "" || !unicode.IsLetter(rune(w.raw[0])) && w.raw[0] < 0x80 {
			continue
		}
		n++
		if w.capped {
			up++
		}
	}
	return n > 2 && up*3 > n*2
}
