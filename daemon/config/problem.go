package config

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a config, or that its owner should know.
type Problem struct {
	File    string `json:"file,omitempty"`   // the file as it was named, the variable (CORRAL_LISTEN) or "command line"
	Line    int    `json:"line,omitempty"`   // from 1; 0 when there is no place to point at
	Column  int    `json:"column,omitempty"` // in characters, from 1
	Field   string `json:"field,omitempty"`  // such as providers[1].url; empty when the whole file is meant
	Message string `json:"message"`          // what is wrong and what would be right; never a key
}

// Error is `corral.yaml:12:8: retry.strategy: "expo" is not known; use exponential, linear or fibonacci`.
func (p Problem) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

func (p Problem) String() string { return p.Error() }

// Errors is every problem found in one config, in the order of the file. It is never empty.
type Errors struct{ Problems []Problem }

// Error is one problem a line.
func (e *Errors) Error() string {
	const most = 50 // a file of another kind altogether has thousands
	lines := make([]string, 0, most+1)
	for i, p := range e.Problems {
		if i == most {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Problems)-most))
			break
		}
		lines = append(lines, p.Error())
	}
	return strings.Join(lines, "\n")
}

// place is where a field was set.
type place struct {
	file       string
	key, value position
	text       string // of a scalar
}

// position is in a file; zero: none.
type position struct{ line, column int }

// report collects problems and knows where each field was set.
type report struct {
	file   string // named when a field was set nowhere
	places map[string]place
	found  []Problem
	told   map[string]bool // fields with a problem
}

func newReport(file string) *report {
	return &report{file: file, places: map[string]place{}, told: map[string]bool{}}
}

// field tells of a wrong value.
func (r *report) field(path, format string, args ...any) {
	r.add(path, r.find(path, false), fmt.Sprintf(format, args...))
}

// key tells of a field that should not be there at all.
func (r *report) key(path, format string, args ...any) {
	r.add(path, r.find(path, true), fmt.Sprintf(format, args...))
}

// at tells of something at a position that belongs to no field.
func (r *report) at(pos position, format string, args ...any) {
	r.add("", Problem{File: r.file, Line: pos.line, Column: pos.column}, fmt.Sprintf(format, args...))
}

func (r *report) add(path string, p Problem, message string) {
	p.Field, p.Message = path, message
	r.told[path] = true
	r.found = append(r.found, p)
}

// knows says whether a problem of this field, or of one that holds it, has been told already. What is wrong with a value
// that could not even be read is not worth saying.
func (r *report) knows(path string) bool {
	for ; path != ""; path = parent(path) {
		if r.told[path] {
			return true
		}
	}
	return false
}

// find is the place of a field, or of the nearest one that holds it: a missing field points at its section.
func (r *report) find(path string, key bool) Problem {
	for up := path; up != ""; up = parent(up) {
		at, ok := r.places[up]
		if !ok {
			continue
		}
		pos := at.value
		if (key || up != path) && at.key != (position{}) {
			pos = at.key
		}
		return Problem{File: at.file, Line: pos.line, Column: pos.column}
	}
	return Problem{File: r.file}
}

// err is all that was found, or nil.
func (r *report) err() error {
	if len(r.found) == 0 {
		return nil
	}
	return &Errors{Problems: inOrder(r.found)}
}

// inOrder puts what has a line first, in the order of the file; the environment and the command line follow.
func inOrder(problems []Problem) []Problem {
	line := func(p Problem) int {
		if p.Line == 0 {
			return int(^uint(0) >> 1)
		}
		return p.Line
	}
	slices.SortStableFunc(problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(line(a), line(b)), cmp.Compare(a.Column, b.Column), cmp.Compare(a.File, b.File), cmp.Compare(a.Field, b.Field))
	})
	return problems
}

// join is the path of a field in a section; a name that could be mistaken for a path stands in quotes.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return !isWord(r) }) {
		key = show(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// entry is the path of a place in a list.
func entry(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// parent is the path of what holds a field; empty at the top.
func parent(path string) string {
	if i := strings.LastIndexAny(path, ".["); i > 0 {
		return path[:i]
	}
	return ""
}

// show quotes a value for a message, and cuts what is too long to be read.
func show(value string) string {
	const most = 60
	if runes := []rune(value); len(runes) > most {
		value = string(runes[:most]) + "…"
	}
	return strconv.Quote(value)
}

// anyOf is `a, b or c`.
func anyOf(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// nearest is the name that was probably meant, or empty.
func nearest(wrong string, names []string) string {
	wrong = strings.ToLower(strings.NewReplacer("-", "_", " ", "_").Replace(wrong))
	best, least := "", 1+max(1, len(wrong)/3)
	for _, name := range names {
		if d := distance(wrong, strings.ReplaceAll(strings.ToLower(name), "-", "_")); d < least {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to add, drop, change or swap with a neighbour to get from a to b (the optimal string
// alignment of Damerau and Levenshtein).
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	var before []int
	above := make([]int, len(b)+1)
	for j := range above {
		above[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := above[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(change, above[j]+1, row[j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, above = above, row
	}
	return above[len(b)]
}

// isWord says whether r may stand in a name: a letter, a digit, dash or underscore.
func isWord(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '-' || r == '_'
}
