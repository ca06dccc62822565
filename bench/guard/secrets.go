package main

import "corral/daemon/guard/secrets"

// measureSecrets takes any kind as a hit, as the labels only say SECRET.
func measureSecrets(rows []row, show shower) any {
	score := newScore()
	for _, r := range rows {
		sub := score.row(r.Subset)
		found := secrets.Find(r.Text)
		labels := bytes(r.Text, r.Spans)
		for _, l := range labels {
			c := sub.kind(l.Type)
			c.Labels++
			sum := 0
			for _, f := range found {
				sum += max(0, covered(l, f))
			}
			if sum*2 >= l.End-l.Start {
				c.Found++
			} else {
				show.miss(r, l)
			}
		}
		wrong := false
		for _, f := range found {
			touches := false
			for _, l := range labels {
				touches = touches || covered(l, f) > 0
			}
			if !touches {
				wrong = true
				sub.kind("SECRET").Wrong++
				show.hit(r, f.Kind, r.Text[f.From:f.To])
			}
		}
		if wrong {
			sub.WrongRows++
		}
	}
	return score
}
