package config

import (
	"fmt"
	"strings"
)

// diffContext is how many lines stand around a change.
const diffContext = 3

// diffLines bounds the lines that are compared one with each other; of longer changes everything is taken out and put in anew.
const diffLines = 2000

// Diff is what to change in old to get new, as diff -u writes it; empty: nothing.
func Diff(name, old, new string) string {
	if old == new {
		return ""
	}
	a, b := lines(old), lines(new)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	type line struct {
		sign byte
		text string
		a, b int // lines of each before this one
	}
	var all []line
	i, j := 0, 0
	put := func(sign byte, text string) {
		all = append(all, line{sign, text, i, j})
		if sign != '+' {
			i++
		}
		if sign != '-' {
			j++
		}
	}
	for i < head {
		put(' ', a[i])
	}
	am, bm := a[head:len(a)-tail], b[head:len(b)-tail]
	for _, x := range middle(am, bm) {
		put(x.sign, x.text)
	}
	for i < len(a) {
		put(' ', a[i])
	}

	var out strings.Builder
	fmt.Fprintf(&out, "--- %s\n+++ %s\n", name, name)
	for at := 0; at < len(all); {
		if all[at].sign == ' ' {
			at++
			continue
		}
		from, to := max(0, at-diffContext), at
		for last := at; to < len(all) && to <= last+2*diffContext; to++ {
			if all[to].sign != ' ' {
				last = to
			}
		}
		for to > at && all[to-1].sign == ' ' {
			to--
		}
		to = min(len(all), to+diffContext)
		var na, nb int
		for _, l := range all[from:to] {
			if l.sign != '+' {
				na++
			}
			if l.sign != '-' {
				nb++
			}
		}
		start := func(before, n int) int {
			if n == 0 {
				return before
			}
			return before + 1
		}
		fmt.Fprintf(&out, "@@ -%d,%d +%d,%d @@\n", start(all[from].a, na), na, start(all[from].b, nb), nb)
		for _, l := range all[from:to] {
			out.WriteByte(l.sign)
			out.WriteString(strings.TrimSuffix(l.text, "\n"))
			out.WriteByte('\n')
			if !strings.HasSuffix(l.text, "\n") {
				out.WriteString("\\ No newline at end of file\n")
			}
		}
		at = to
	}
	return out.String()
}

type signed struct {
	sign byte
	text string
}

// middle compares by the longest common subsequence.
func middle(a, b []string) (out []signed) {
	if len(a)*len(b) > diffLines*diffLines {
		for _, x := range a {
			out = append(out, signed{'-', x})
		}
		for _, x := range b {
			out = append(out, signed{'+', x})
		}
		return out
	}
	length := make([][]int32, len(a)+1)
	for i := range length {
		length[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) || j < len(b); {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			out = append(out, signed{' ', a[i]})
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && length[i+1][j] >= length[i][j+1]:
			out = append(out, signed{'-', a[i]})
			i++
		default:
			out = append(out, signed{'+', b[j]})
			j++
		}
	}
	return out
}

// lines are those of a text, each with its newline.
func lines(text string) []string {
	list := strings.SplitAfter(text, "\n")
	if list[len(list)-1] == "" {
		list = list[:len(list)-1]
	}
	return list
}
