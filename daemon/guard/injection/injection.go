// Package injection judges whether a text that is given to a model tries to take it over: an order to ignore earlier instructions, a
// jailbreak, a command hidden in a mail, a web page or the result of a tool.
//
// Package view undoes disguises and reads signs; a linear model weighs words, their pieces and the signs, window by window, and the
// worst window decides. Rules of its own decide alone where a meaning is sure. design.md has the figures and what is not caught.
//
// The weights are trained by bench/guardtrain on the texts named in SOURCES.md, which must go wherever the weights go. To extend
// it: add words to the lists of package view or features to its buckets, and train anew; weights fit one version of the features.
//
// The surprise: talk about attacks is benign, and so is a disguise. A question that quotes "ignore previous instructions" in order to
// ask about it is let pass, which is also what an attacker can use; nothing here replaces asking what a model may do.
package injection

import (
	_ "embed"
	"math"
	"sync"

	"corral/daemon/guard/injection/view"
)

//go:embed weights.bin
var shipped []byte

// Verdict is what Judge finds.
type Verdict struct {
	Score     float64 // from 0 to 1; an injection has a half or more
	Injection bool
	Why       string // what weighed most, for logs: one of the codes below; "" when it is no injection
}

// The codes of Verdict.Why.
const (
	WhyOverride   = "override"    // to ignore or forget earlier instructions
	WhyReveal     = "reveal"      // to show the prompt
	WhyJailbreak  = "jailbreak"   // to be somebody without rules
	WhyTemplate   = "template"    // tokens of a chat template, or a turn that somebody else did not take
	WhyHiddenText = "hidden_text" // in characters that nobody sees
	WhyClassifier = "classifier"  // all its words together
)

// Model judges texts. It may be used by several goroutines at once.
type Model struct {
	weights *Weights
	cues    *cues
	pool    sync.Pool // of *judge
}

// judge is the memory of one judgement.
type judge struct {
	reader  *view.Reader
	windows []view.Window
	buckets []uint32
	sums    []int32 // sums[i] is the weight of the words before word i
	counts  []int32 // and their number of buckets
	text    []byte
}

// New loads the weights that come with the program.
func New() (*Model, error) {
	w, err := Decode(shipped)
	if err != nil {
		return nil, err
	}
	return NewFrom(w), nil
}

// NewFrom makes a Model of other weights.
func NewFrom(w *Weights) *Model {
	m := &Model{weights: w, cues: newCues()}
	m.pool.New = func() any { return &judge{reader: view.NewReader()} }
	return m
}

// Judge reads one text. Of one beyond 64 KiB it reads the beginning, the end, and those parts in between in which a byte
// sequence is common that attacks have: see excerpt.
func (m *Model) Judge(text string) Verdict {
	j := m.pool.Get().(*judge)
	defer m.pool.Put(j)
	worst, why := -20.0, ""
	j.text = excerpt(j.text[:0], text, m.cues)
	for _, v := range j.reader.Read(j.text) {
		if z, w := m.view(j, &v); z > worst {
			worst, why = z, w
		}
	}
	verdict := Verdict{Score: 1 / (1 + math.Exp(-worst)), Injection: worst >= 0}
	if verdict.Injection {
		verdict.Why = why
	}
	return verdict
}

// view gives the worst window of a view, in log odds, and what weighs most in it.
func (m *Model) view(j *judge, v *view.View) (worst float64, why string) {
	worst = -20
	table := m.weights.Table
	j.sums, j.counts = append(j.sums[:0], 0), append(j.counts[:0], 0)
	var sum, count int32
	for i := range v.Words {
		j.buckets = v.Buckets(i, j.buckets[:0])
		for _, b := range j.buckets {
			sum += int32(table[b&(1<<view.Bits-1)])
		}
		count += int32(len(j.buckets))
		j.sums, j.counts = append(j.sums, sum), append(j.counts, count)
	}
	j.windows = v.Windows(j.windows[:0])
	// Of many windows one is odd by chance.
	chance := 0.3 * math.Log(max(float64(len(j.windows))/16, 1))
	var facts [view.Dense]float64
	for _, w := range j.windows {
		n := j.counts[w.To] - j.counts[w.From]
		if n == 0 {
			continue // letters that stand apart, which another view reads
		}
		z := float64(m.weights.Bias) - chance + float64(j.sums[w.To]-j.sums[w.From])*float64(m.weights.Scale)*view.Norm(int(n))
		v.Facts(w, &facts)
		for i, f := range facts {
			z += f * float64(m.weights.Facts[i])
		}
		z += sure(&facts)
		if z > worst {
			worst = z
			if z >= 0 {
				why = reason(v, &facts)
			}
		}
	}
	return worst, why
}

// sure is what facts weigh whose meaning is certain, beyond what was learnt of them: the labelled texts hold few of them, and hardly any
// in most languages.
func sure(facts *[view.Dense]float64) float64 {
	return 3*facts[view.Override] + 1.5*facts[view.Reveal] + 4*facts[view.Template] + 1.5*facts[view.Smuggled] - 4*facts[view.Reported]
}

// reason names what is most telling in a window.
func reason(v *view.View, facts *[view.Dense]float64) string {
	switch {
	case v.Origin == view.Unseen:
		return WhyHiddenText
	case facts[view.Override] > 0 || facts[view.Dismissal] > 0:
		return WhyOverride
	case facts[view.Template] > 0:
		return WhyTemplate
	case facts[view.Reveal] > 0:
		return WhyReveal
	case facts[view.Unbound] > 0 && facts[view.Persona] > 0 || facts[view.Unbound] >= 0.5:
		return WhyJailbreak
	case facts[view.FakeTurn] > 0:
		return WhyTemplate
	}
	return WhyClassifier
}
