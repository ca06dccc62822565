package main

import (
	"math"

	"corral/daemon/guard/injection/view"
)

// sample is a window to learn from: its buckets, where each counts as often as it stands there, and its facts.
type sample struct {
	buckets []uint32
	facts   []float64
	attack  bool
	weight  float64
}

// linear is a model in full precision.
type linear struct {
	bias  float64
	facts []float64
	table []float64
}

func (m *linear) logit(s *sample) float64 {
	sum := 0.0
	for _, b := range s.buckets {
		sum += m.table[b]
	}
	z := m.bias + float64(sum*view.Norm(len(s.buckets)))
	for i, f := range s.facts {
		z += float64(f * m.facts[i])
	}
	return z
}

// fit finds the logistic regression with the least loss, by L-BFGS. The penalty is on squares of the weights: l2 for the
// table, l2facts for the facts, none for the bias.
//
// It does the same on every machine, bit by bit: nothing is random or concurrent, each product is converted so that no compiler fuses it
// with a sum, and exp and log are its own, as those of package math differ between processors.
func fit(samples []*sample, buckets, facts int, l2, l2facts float64, rounds int) *linear {
	n := buckets + facts + 1
	x, g := make([]float64, n), make([]float64, n)
	loss := func(x, g []float64) float64 {
		m := linear{x[n-1], x[buckets : n-1], x[:buckets]}
		total := 0.0
		for i, w := range m.table {
			g[i] = float64(l2 * w)
			total += float64(g[i] * w / 2)
		}
		for i, w := range m.facts {
			g[buckets+i] = float64(l2facts * w)
			total += float64(g[buckets+i] * w / 2)
		}
		g[n-1] = 0
		for _, s := range samples {
			z := m.logit(s)
			y := -1.0
			if s.attack {
				y = 1
			}
			l, slope := logistic(float64(y * z))
			total += float64(s.weight * l)
			slope *= -float64(y * s.weight)
			part := float64(slope * view.Norm(len(s.buckets)))
			for _, b := range s.buckets {
				g[b] += part
			}
			for i, f := range s.facts {
				g[buckets+i] += float64(slope * f)
			}
			g[n-1] += slope
		}
		return total
	}
	descend(x, g, loss, rounds)
	return &linear{x[n-1], x[buckets : n-1], x[:buckets]}
}

// memory is how many steps L-BFGS remembers.
const memory = 8

// descend walks x to where loss is least; g is room for the slope. Nocedal and Wright, Numerical Optimization, algorithm 7.5, with a
// step that is halved until the loss falls enough.
func descend(x, g []float64, loss func(x, g []float64) float64, rounds int) {
	type step struct {
		s, y []float64
		rho  float64
	}
	var past []step
	n := len(x)
	d, next, slope := make([]float64, n), make([]float64, n), make([]float64, n)
	alpha := make([]float64, memory)
	f := loss(x, g)

	for round := range rounds {
		for i := range d {
			d[i] = -g[i]
		}
		for k := len(past) - 1; k >= 0; k-- {
			alpha[k] = float64(past[k].rho * dot(past[k].s, d))
			add(d, -alpha[k], past[k].y)
		}
		if k := len(past) - 1; k >= 0 {
			scale := 1 / float64(past[k].rho*dot(past[k].y, past[k].y))
			for i := range d {
				d[i] *= scale
			}
		}
		for k := range past {
			beta := float64(past[k].rho * dot(past[k].y, d))
			add(d, alpha[k]-beta, past[k].s)
		}
		down := dot(g, d)
		if down >= 0 {
			return
		}
		t := 1.0
		if round == 0 {
			t = 1 / math.Sqrt(dot(g, g))
		}
		var fnext float64
		for try := 0; ; try++ {
			copy(next, x)
			add(next, t, d)
			fnext = loss(next, slope)
			if fnext <= f+float64(1e-4*float64(t*down)) {
				break
			}
			if try == 30 {
				return
			}
			t /= 2
		}
		s, y := make([]float64, n), make([]float64, n)
		for i := range s {
			s[i], y[i] = next[i]-x[i], slope[i]-g[i]
		}
		if sy := dot(s, y); sy > 1e-12 {
			if len(past) == memory {
				past = past[1:]
			}
			past = append(past, step{s, y, 1 / sy})
		}
		copy(x, next)
		copy(g, slope)
		if f-fnext < 1e-7*f {
			return
		}
		f = fnext
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += float64(a[i] * b[i])
	}
	return sum
}

func add(to []float64, by float64, what []float64) {
	for i := range to {
		to[i] += float64(by * what[i])
	}
}

// logistic gives ln(1+exp(-m)) and 1/(1+exp(m)): the loss at a margin, and how fast it falls there.
func logistic(m float64) (loss, slope float64) {
	e := exp(-math.Abs(m)) // from 0 to 1
	s := e / (2 + e)       // ln(1+e) = 2 artanh(s), and s is at most a third
	q, term, ln := float64(s*s), s, 0.0
	for k := 1.0; k < 30; k += 2 {
		ln += term / k
		term *= q
	}
	ln *= 2
	if m >= 0 {
		return ln, e / (1 + e)
	}
	return ln - m, 1 / (1 + e)
}

// exp is e to the x, for x of zero or less.
func exp(x float64) float64 {
	if x < -40 {
		return 0
	}
	// e^x = (e^(x/64))^64, and x/64 is small enough for a few terms.
	x /= 64
	sum, term := 1.0, 1.0
	for k := 1.0; k < 16; k++ {
		term *= float64(x / k)
		sum += term
	}
	for range 6 {
		sum *= sum
	}
	return sum
}
