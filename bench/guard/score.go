package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"corral/daemon/guard/span"
)

// score counts for each subset and type.
type score struct {
	subsets map[string]*subset
}

type subset struct {
	Rows      int
	WrongRows int // with a finding that no label bears out
	Types     map[string]*count
}

type count struct {
	Labels, Found int // labels, and those that a finding of the type covers by half
	Wrong         int // findings of the type that touch no label of it
}

func newScore() *score { return &score{subsets: map[string]*subset{}} }

func (s *score) row(name string) *subset {
	sub := s.subsets[name]
	if sub == nil {
		sub = &subset{Types: map[string]*count{}}
		s.subsets[name] = sub
	}
	sub.Rows++
	return sub
}

func (s *subset) kind(name string) *count {
	c := s.Types[name]
	if c == nil {
		c = &count{}
		s.Types[name] = c
	}
	return c
}

// bytes turns offsets of code points into offsets of bytes.
func bytes(text string, labels []label) []label {
	at := make([]int, 0, len(text)+1)
	for i := range text {
		at = append(at, i)
	}
	at = append(at, len(text))
	out := slices.Clone(labels)
	for i := range out {
		out[i].Start, out[i].End = at[min(out[i].Start, len(at)-1)], at[min(out[i].End, len(at)-1)]
	}
	return out
}

// covered is how many bytes of a label a finding covers.
func covered(l label, s span.Span) int { return min(l.End, s.To) - max(l.Start, s.From) }

// String is a table: recall, precision of the findings where it can be said, and wrongly hit rows.
func (s *score) String() string {
	var b strings.Builder
	fmt.Fprintln(&b, "subset\ttype\tlabels\trecall\twrong\tprecision\trows\twrongly hit rows")
	for _, name := range slices.Sorted(maps.Keys(s.subsets)) {
		sub := s.subsets[name]
		fmt.Fprintf(&b, "%s\t\t\t\t\t\t%d\t%d (%.3f)\n", name, sub.Rows, sub.WrongRows, float64(sub.WrongRows)/float64(sub.Rows))
		for _, kind := range slices.Sorted(maps.Keys(sub.Types)) {
			c := sub.Types[kind]
			fmt.Fprintf(&b, "\t%s\t%d\t%s\t%d\t%s\n", kind, c.Labels, ratio(c.Found, c.Labels), c.Wrong, ratio(c.Found, c.Found+c.Wrong))
		}
	}
	return b.String()
}

func (s *score) MarshalJSON() ([]byte, error) { return json.Marshal(s.subsets) }

func ratio(a, b int) string {
	if b == 0 {
		return "-"
	}
	return fmt.Sprintf("%.3f", float64(a)/float64(b))
}
