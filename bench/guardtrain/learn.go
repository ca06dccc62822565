package main

import (
	"math"

	"corral/daemon/guard/injection/view"
)

// What training does, chosen by cross-validation.
const (
	l2      = 0.05 // penalty on the weights of words
	l2facts = 0.5  // and on those of facts
	rounds  = 80   // steps of the fit, at most

	wholeShare = 0.3 // of an attack's weight stays on the whole text once its worst window is known
	restShare  = 0.5 // of a benign text's weight is spread over all its windows once its worst one is known

	// A text that a model trained on others is so sure to be something else is a wrong label or, far more often, an attack without a mark
	// (a plain question, labelled for where it was asked). It keeps little of its weight: learning it means learning noise.
	surelyBenign, surelyAttack = -1.5, 2.5
	doubtful                   = 0.2
	parts                      = 3 // a text is judged by a model trained on the others of so many parts
)

// lesson is a row, read.
type lesson struct {
	*row
	samples []*sample
	whole   []int   // the samples that make up the whole text, as it reads without its disguise
	score   float64 // of a model that was trained without it
	trust   float64 // how much of its weight it keeps
}

func readAll(rows []*row) []*lesson {
	reader := view.NewReader()
	var lessons []*lesson
	var windows []view.Window
	for _, r := range rows {
		l := &lesson{row: r, trust: 1}
		for k, v := range reader.Read([]byte(r.Text)) {
			if k > 0 {
				l.whole = nil // the last view is the innermost, and holds what makes it an attack
			}
			windows = v.Windows(windows[:0])
			for n, w := range windows {
				s := &sample{attack: r.attack()}
				for i := w.From; i < w.To; i++ {
					s.buckets = v.Buckets(i, s.buckets)
				}
				if len(s.buckets) == 0 {
					continue
				}
				var facts [view.Dense]float64
				v.Facts(w, &facts)
				s.facts = facts[:]
				if n == 0 || v.Large(w) {
					l.whole = append(l.whole, len(l.samples))
				}
				l.samples = append(l.samples, s)
			}
		}
		lessons = append(lessons, l)
	}
	return lessons
}

// copy gives a lesson whose weights may be set without touching those of others.
func (l *lesson) copy() *lesson {
	c := *l
	c.samples = make([]*sample, len(l.samples))
	for i, s := range l.samples {
		d := *s
		c.samples[i] = &d
	}
	return &c
}

// worst gives the window with the highest score.
func (l *lesson) worst(m *linear) (at int, score float64) {
	score = math.Inf(-1)
	for i, s := range l.samples {
		if z := m.logit(s); z > score {
			at, score = i, z
		}
	}
	return at, score
}

// train finds out which texts can be trusted, and learns from them.
func train(lessons []*lesson) *linear {
	for part := range parts {
		var others []*lesson
		for _, l := range lessons {
			if l.group%parts != part {
				l.trust = 1
				others = append(others, l)
			}
		}
		m := learn(others)
		for _, l := range lessons {
			if l.group%parts == part {
				_, l.score = l.worst(m)
			}
		}
	}
	for _, l := range lessons {
		l.trust = 1
		if l.attack() && l.score < surelyBenign || !l.attack() && l.score > surelyAttack {
			l.trust = doubtful
		}
	}
	return learn(lessons)
}

// learn fits a model to windows, though only texts have labels: first to whole attacks and to all windows of what is benign, then
// once more with the weight on the window of each text that the first model finds worst, as that is what decides. A third time would
// make it worse: it then picks windows that it knows by heart.
func learn(lessons []*lesson) *linear {
	m := fit(weighed(lessons, nil), 1<<view.Bits, view.Dense, l2, l2facts, rounds)
	return fit(weighed(lessons, m), 1<<view.Bits, view.Dense, l2, l2facts, rounds)
}

// weighed gives the windows to learn from.
func weighed(lessons []*lesson, m *linear) []*sample {
	var samples []*sample
	for _, l := range lessons {
		weight := l.weight() * l.trust
		if weight == 0 || len(l.samples) == 0 {
			continue
		}
		spread, worst := 1.0, -1
		if m != nil {
			worst, _ = l.worst(m)
			spread = restShare
			if l.attack() {
				spread = wholeShare
			}
		}
		for _, s := range l.samples {
			s.weight = 0
			if !l.attack() {
				s.weight = spread / float64(len(l.samples))
			}
		}
		if l.attack() {
			for _, i := range l.whole {
				l.samples[i].weight = spread / float64(len(l.whole))
			}
		}
		if worst >= 0 {
			l.samples[worst].weight++
		}
		for _, s := range l.samples {
			if s.weight > 0 {
				s.weight *= weight
				samples = append(samples, s)
			}
		}
	}
	return samples
}
