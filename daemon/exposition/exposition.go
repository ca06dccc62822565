// Package exposition is the page of metrics: the list of all that Corral tells, and the Prometheus text format
// (https://prometheus.io/docs/instrumenting/exposition_formats/) with a line of help and the type of each.
//
// To add a metric, write it where it is known and describe it in families.go. Docs, dashboard and alerts are checked
// against that list, and the list against what a running Corral tells.
//
// The surprise: what is not in the list is not told. Of what the metrics library says about the process only that is, since
// some of its names are such that Prometheus' own check refuses them.
package exposition

import (
	"bytes"
	"cmp"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Family is one metric.
type Family struct {
	Name   string
	Type   string // counter, gauge, histogram or summary
	Labels string // parted by commas
	Help   string
}

// Write writes the samples of raw, which come in any order, by families.
func Write(w io.Writer, raw []byte) error {
	known := map[string]int{}
	for i, f := range families {
		known[f.Name] = i
	}
	of := map[int][][]byte{}
	for line := range bytes.Lines(raw) {
		if len(line) < 2 || line[0] == '#' {
			continue
		}
		if i, ok := family(known, line); ok {
			of[i] = append(of[i], line)
		}
	}
	var b bytes.Buffer
	for i, f := range families {
		samples := of[i]
		if len(samples) == 0 {
			continue
		}
		b.WriteString("# HELP " + f.Name + " " + f.Help + "\n# TYPE " + f.Name + " " + f.Type + "\n")
		for _, s := range samples {
			b.Write(s)
			if s[len(s)-1] != '\n' {
				b.WriteByte('\n')
			}
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// family finds the one that a sample belongs to.
func family(known map[string]int, line []byte) (int, bool) {
	end := bytes.IndexAny(line, "{ ")
	if end < 0 {
		return 0, false
	}
	name := string(line[:end])
	if i, ok := known[name]; ok {
		return i, true
	}
	for _, suffix := range [...]string{"_bucket", "_sum", "_count"} {
		if base, cut := strings.CutSuffix(name, suffix); cut {
			if i, ok := known[base]; ok && (families[i].Type == "histogram" || families[i].Type == "summary") {
				return i, true
			}
		}
	}
	return 0, false
}

// Plain reports whether a name stands in a label as it is. Go's quoting and that of the format differ for what is odd.
func Plain(name string) bool {
	return utf8.ValidString(name) && !strings.ContainsFunc(name, func(r rune) bool { return r == '"' || r == '\\' || !unicode.IsPrint(r) })
}

// Families lists all metrics by name.
func Families() []Family {
	return slices.SortedFunc(slices.Values(families), func(a, b Family) int { return cmp.Compare(a.Name, b.Name) })
}
