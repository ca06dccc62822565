package main

import (
	"slices"
	"strings"

	"corral/daemon/guard/pii"
	"corral/daemon/guard/span"
)

// measurePII counts the types that pii claims to know, and a finding of another type is no hit. Of names, addresses and the rest it says nothing.
func measurePII(rows []row, show shower) any {
	score := newScore()
	for _, r := range rows {
		sub := score.row(r.Subset)
		found := pii.Find(r.Text)
		labels := bytes(r.Text, r.Spans)
		for _, l := range labels {
			kind := strings.ToLower(l.Type)
			if !slices.Contains(pii.Kinds(), kind) {
				continue
			}
			c := sub.kind(kind)
			c.Labels++
			if slices.ContainsFunc(found, func(f span.Span) bool { return f.Kind == kind && covered(l, f)*2 >= l.End-l.Start }) {
				c.Found++
			} else {
				show.miss(r, l)
			}
		}
		wrong := false
		for _, f := range found {
			if !slices.ContainsFunc(labels, func(l label) bool { return strings.ToLower(l.Type) == f.Kind && covered(l, f) > 0 }) {
				wrong = true
				sub.kind(f.Kind).Wrong++
				show.hit(r, f.Kind, r.Text[f.From:f.To])
			}
		}
		if wrong {
			sub.WrongRows++
		}
	}
	return score
}
