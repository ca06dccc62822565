package similar

import (
	"slices"
	"strings"
)

// contents compares what is left of both questions as bags: each word of one must be in the other. What may be missing, is typed
// wrongly or written as two words is set right in both, so that roles can compare them in order.
func contents(p, q *question) string {
	x, y := unmatched(p.content, q.content), unmatched(q.content, p.content)
	x, y = spelling(p, q, x, y)
	if len(x) == 0 && len(y) == 0 {
		return ""
	}
	if n := len(x) + len(y); n <= 2 && (len(x) == 0 || len(y) == 0) && len(p.content)+len(q.content)-n >= 4 && len(p.types) > 0 && len(q.types) > 0 {
		side, extra := p, x
		if len(x) == 0 {
			side, extra = q, y
		}
		light := !slices.ContainsFunc(extra, func(i int) bool { return !side.weightless(i) || !side.apart(i) })
		grave := len(extra) == 1 && side.apart(extra[0]) && kindOf(&side.content[extra[0]]) == "words"
		if light || grave {
			for _, i := range slices.Backward(extra) {
				side.leave(i)
			}
			side.grave = side.grave || !light
			return ""
		}
	}
	var left, right []string
	kind := ""
	for _, i := range x {
		left = append(left, p.content[i].shown)
		kind = heavier(kind, kindOf(&p.content[i]))
	}
	for _, i := range y {
		right = append(right, q.content[i].shown)
		kind = heavier(kind, kindOf(&q.content[i]))
	}
	return differ(kind, joined(left), joined(right))
}

// leave takes a word out, with a doubt.
func (q *question) leave(i int) {
	w := q.content[i]
	q.doubts = append(q.doubts, "words: only one has "+w.shown)
	if q.follows(i) {
		q.content[i+1].mark = w.mark
	}
	q.content = slices.Delete(q.content, i, i+1)
}

// apart tells whether a question is a question without a word, which is no name and no part of "this and that".
func (q *question) apart(i int) bool {
	w := &q.content[i]
	return (!w.capped || words.known[words.stem(w.raw)] || titles[w.raw]) && !w.pair && (w.mark == "" || q.follows(i))
}

// follows tells whether the next word belongs to the same phrase.
func (q *question) follows(i int) bool {
	return i+1 < len(q.content) && q.content[i+1].clause == q.content[i].clause && q.content[i+1].mark == ""
}

// weightless tells whether a word may be there or not: an adverb of manner or degree, what stands in the question anyway, what a
// name is the name of (the GRE exam), or a title before one.
func (q *question) weightless(i int) bool {
	w := &q.content[i]
	if w.quoted || w.code || w.figure {
		return false
	}
	again := func(v word) bool { return v.key == w.key }
	if words.weightless[w.key] && (kindOf(w) == "words" || kindOf(w) == "sense") || slices.ContainsFunc(q.content[:i], again) || slices.ContainsFunc(q.content[i+1:], again) {
		return true
	}
	if spareParticiples[w.raw] && i > 0 && i+1 < len(q.content) && q.content[i+1].mark != "" {
		return true // stretch marks caused by, a school located in
	}
	named := func(i int) bool {
		return i >= 0 && i < len(q.content) && q.content[i].proper && q.content[i].clause == w.clause
	}
	return words.sorts[w.key] && w.mark == "" && named(i-1) || titles[w.raw] && named(i+1)
}

var spareParticiples = set("created caused located situated based associated related seen given done")

var titles = set("mr mrs ms dr prof president sir senator actor actress singer")

func joined(s []string) string {
	out := ""
	for i, w := range s {
		if i == 4 {
			return out + " ..."
		}
		if i > 0 {
			out += " "
		}
		out += w
	}
	return out
}

// unmatched are the places of the words of a that b has not. Those that may be missing are taken out of a.
func unmatched(a, b []word) []int {
	var out []int
	used := make([]bool, len(b))
next:
	for i := range a {
		for j := range b {
			if !used[j] && a[i].key == b[j].key {
				used[j] = true
				continue next
			}
		}
		out = append(out, i)
	}
	return out
}

// spelling pairs typing errors and words written together, and drops what may be missing.
func spelling(p, q *question, x, y []int) ([]int, []int) {
	for _, side := range []struct {
		a, b *question
		x, y *[]int
	}{{p, q, &x, &y}, {q, p, &y, &x}} {
		// life span, lifespan
		for k := 0; k+1 < len(*side.x); k++ {
			i := (*side.x)[k]
			if (*side.x)[k+1] != i+1 {
				continue
			}
			together := side.a.content[i].raw + side.a.content[i+1].raw
			for n, j := range *side.y {
				if words.fold(together) == side.b.content[j].key {
					side.a.content[i].key, side.a.content[i+1].key = side.b.content[j].key, ""
					*side.x = slices.Delete(*side.x, k, k+2)
					*side.y = slices.Delete(*side.y, n, n+1)
					break
				}
			}
		}
	}
	for k := 0; k < len(x); k++ {
		for n := 0; n < len(y); n++ {
			v, w := &p.content[x[k]], &q.content[y[n]]
			typed := typo(v, w)
			if typed || derived(v.key, w.key) {
				if typed { // no list has every word there is: a hostel is no hotel
					p.doubts, p.grave = append(p.doubts, differ("words", v.shown, w.shown)), true
				}
				v.key = w.key
				x, y = slices.Delete(x, k, k+1), slices.Delete(y, n, n+1)
				k--
				break
			}
		}
	}
	drop := func(q *question, x []int) []int {
		return slices.DeleteFunc(x, func(i int) bool {
			if q.content[i].opt {
				q.content[i].key = ""
				return true
			}
			return false
		})
	}
	// What may be missing must not stand against something else: one page, two pages.
	if len(x) == 0 || len(y) == 0 {
		x, y = drop(p, x), drop(q, y)
	}
	p.content = slices.DeleteFunc(p.content, func(w word) bool { return w.key == "" })
	q.content = slices.DeleteFunc(q.content, func(w word) bool { return w.key == "" })
	if len(x)+len(y) > 0 { // places have moved; only what they show matters now
		return unmatched(p.content, q.content), unmatched(q.content, p.content)
	}
	return x, y
}

// typo tells whether one is the other with two letters exchanged, or one missing, too many or doubled. Just one of them may be a
// known word: county is no country.
func typo(v, w *word) bool {
	a, b := v.raw, w.raw
	if v.code || w.code || v.figure || w.figure || v.quoted || w.quoted || v.capped && !v.begins || w.capped && !w.begins || len(a) < 5 || len(b) < 5 || a[0] != b[0] {
		return false
	}
	if words.known[words.stem(a)] == words.known[words.stem(b)] {
		return false
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	i := 0
	for i < len(a) && a[i] == b[i] {
		i++
	}
	switch len(b) - len(a) {
	case 0:
		return i+1 < len(a) && a[i] == b[i+1] && a[i+1] == b[i] && a[i+2:] == b[i+2:]
	case 1:
		return a[i:] == b[i+1:]
	}
	return false
}

// derived tells whether one is the noun of what the other does, as far as the list knows: develop, development.
func derived(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	return words.derived[a+" "+b]
}

func kindOf(w *word) string {
	switch {
	case w.code:
		return "code"
	case w.figure:
		return "numbers"
	case w.quoted:
		return "quoted"
	}
	if k := words.kind[w.key]; k != "" {
		return k
	}
	if w.capped && !w.begins {
		return "names"
	}
	if len(w.key) > 0 && w.key[0] == '?' {
		return "question"
	}
	return "words"
}

// heavier is the kind that tells more.
func heavier(a, b string) string {
	order := []string{"", "words", "question", "scope", "format", "language", "units", "names", "dates", "quoted", "numbers", "code"}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// roles compares questions of the same words: who does it, to whom, from where.
func roles(p, q *question) string {
	if x, y := p.suffers(), q.suffers(); x != y {
		return "roles: who does it, who is it done to"
	}
	x, y := canonical(p.content), canonical(q.content)
	if agree(x, y) {
		return ""
	}
	// Orders that say the same. Only one of the two is put into another: what did Plato think of Socrates.
	for _, v := range variants(x) {
		if agree(v, y) {
			return ""
		}
	}
	for _, w := range variants(y) {
		if agree(x, w) {
			return ""
		}
	}
	for i := range x {
		if i < len(y) && (x[i].key != y[i].key || clash(&x[i], &y[i])) {
			return differ("roles", around(x, i), around(y, i))
		}
	}
	return "roles: the same words in another order"
}

// suffers tells whether who is asked for is done to: who was paid.
func (q *question) suffers() bool {
	return len(q.types) > 0 && q.types[0] == "who" && len(q.content) > 0 && q.content[0].acted &&
		!slices.ContainsFunc(q.content, func(w word) bool { return w.mark == "by" })
}

func around(x []word, i int) string {
	var s []string
	for _, w := range x[i:min(i+3, len(x))] {
		if w.mark != "" {
			s = append(s, w.mark)
		}
		s = append(s, w.shown)
	}
	return joined(s)
}

// canonical puts passives into the active, and words such as "safe", which may stand before or after what they are said of, first.
func canonical(content []word) []word {
	out := slices.Clone(content)
	for i := range out {
		if !out[i].acted || out[i].mark != "" {
			continue
		}
		from := i
		for from > 0 && out[from-1].clause == out[i].clause && out[from-1].key != "?if" { // if it is mixed, if you mix it
			from--
		}
		to := i + 1
		var agent []word
		rest := []word{}
		for to < len(out) && out[to].clause == out[i].clause {
			if out[to].mark == "by" && agent == nil {
				for to < len(out) && (len(agent) == 0 || out[to].mark == "" && out[to].clause == out[i].clause) {
					w := out[to]
					w.mark = ""
					agent = append(agent, w)
					to++
				}
				continue
			}
			rest = append(rest, out[to])
			to++
		}
		done := slices.Clone(out[from:i])
		verb := out[i]
		verb.acted = false
		next := slices.Clone(out[:from])
		next = append(next, agent...)
		next = append(next, verb)
		next = append(next, done...)
		next = append(next, rest...)
		next = append(next, out[to:]...)
		out = next
		break
	}
	for i := range out {
		// Which building is the tallest: what is the tallest building.
		if from := i; out[i].after && from > 0 && out[i].mark == "" && (strings.HasSuffix(out[i].raw, "est") || out[i].raw == "most" || out[i].raw == "worst") {
			for from > 0 && out[from-1].clause == out[i].clause {
				from--
			}
			n := 1
			if out[i].raw == "most" && i+1 < len(out) {
				n = 2
			}
			next := append(slices.Clone(out[:from]), out[i:i+n]...)
			out = append(append(next, out[from:i]...), out[i+n:]...)
			break
		}
	}
	front := []word{}
	rest := []word{}
	for _, w := range out {
		if words.frontal[w.key] {
			w.mark = ""
			front = append(front, w)
		} else {
			rest = append(rest, w)
		}
	}
	return append(front, rest...)
}

// agree tells whether two orders of words say the same: word by word, or as the same phrases, each behind its preposition, in
// another order ("in Go, how do I sort", "how do I sort in Go").
func agree(x, y []word) bool {
	if len(x) != len(y) {
		return false
	}
	same := true
	for i := range x {
		if x[i].key != y[i].key || clash(&x[i], &y[i]) || x[i].joined && y[i].tied() || y[i].joined && x[i].tied() {
			same = false
			break
		}
	}
	return same || slices.Equal(chunks(x), chunks(y))
}

func (w *word) tied() bool { return w.mark != "" && w.mark != "'s" }

// chunks are the phrases of a text, sorted.
func chunks(x []word) []string {
	var out []string
	for i, w := range x {
		if i == 0 || w.mark != "" || w.clause != x[i-1].clause {
			out = append(out, w.mark+":")
		}
		out[len(out)-1] += " " + w.key
	}
	// Unmarked phrases keep their order among each other; they are arguments.
	bare := ""
	marked := out[:0]
	for _, c := range out {
		if c[0] == ':' {
			bare += c
		} else {
			marked = append(marked, c)
		}
	}
	slices.Sort(marked)
	return append(slices.Clone(marked), bare)
}

// clash tells whether two prepositions before the same word make it another question.
func clash(v, w *word) bool {
	x, y := v.mark, w.mark
	if x == y {
		return false
	}
	if x > y {
		x, y = y, x
	}
	if x+" "+y == "in to" { // important in making, to make; but: flights to Mexico, in Mexico
		return v.capped || w.capped
	}
	return !alikeMarks[x+" "+y]
}

// alikeMarks are prepositions that may stand for each other, or be missing, before the same word.
var alikeMarks = func() map[string]bool {
	m := map[string]bool{}
	for pair := range strings.SplitSeq(`of,for of,in of,about of,'s of,to of,from of,with for,to for,in for,'s in,'s in,with in,about ,of ,for ,in ,about ,to ,as ,'s ,via ,by ,between`, " ") {
		a, b, _ := strings.Cut(pair, ",")
		m[min(a, b)+" "+max(a, b)] = true
	}
	return m
}()

// tough is "is it safe to eat eggs" for "are eggs safe to eat"; nil: x is no such question.
func tough(x []word) []word {
	last := len(x) - 1
	if last < 2 || !words.frontal[x[0].key] || x[last].mark != "to" {
		return nil
	}
	for i := 1; i < last; i++ {
		if x[i].mark != "" || x[i].clause != x[0].clause || words.frontal[x[i].key] || x[i].pair {
			return nil
		}
	}
	return append([]word{x[0], x[last]}, x[1:last]...)
}

// variants are the other orders of x that say the same: flu symptoms for symptoms of the flu, B and A for A and B.
func variants(x []word) [][]word {
	out := [][]word{x}
	if len(x) > 24 {
		return out
	}
	if v := tough(x); v != nil {
		out = append(out, v)
	}
	for i := 1; i < len(x); i++ {
		switch x[i].mark {
		case "of", "for", "in", "about", "with":
			// [a b] of [c d] -> c d a b
			for m := 1; m <= 3 && i-m >= 0; m++ {
				for n := 1; n <= 3 && i+n <= len(x) && (n == 1 || x[i+n-1].mark == ""); n++ {
					v := slices.Clone(x[:i-m])
					moved := slices.Clone(x[i : i+n])
					moved[0].mark = x[i-m].mark
					v = append(v, moved...)
					head := slices.Clone(x[i-m : i])
					head[0].mark = ""
					v = append(v, head...)
					v = append(v, x[i+n:]...)
					v[i-m+n].joined = true
					out = append(out, v)
				}
			}
		}
		if x[i].pair || x[i-1].raw == "or" && i > 1 {
			or := i
			if !x[i].pair {
				or = i - 1
			}
			for m := 1; m <= 3 && or-m >= 0; m++ {
				for n := 1; n <= 3 && i+n <= len(x); n++ {
					v := slices.Clone(x[:or-m])
					right := slices.Clone(x[i : i+n])
					left := slices.Clone(x[or-m : or])
					right[0].mark, left[0].mark = left[0].mark, right[0].mark
					v = append(v, right...)
					v = append(v, x[or:i]...)
					v = append(v, left...)
					v = append(v, x[i+n:]...)
					out = append(out, v)
				}
			}
		}
	}
	return out
}
