package app

import (
	"bytes"
	"encoding/json"
	"testing"

	"corral/daemon/cache/similar"
)

// Once the threshold itself was named, which seldom decides: 0.92 was "alike" beside "threshold 0.95".
func TestExplainNamesTheLimitThatDecided(t *testing.T) {
	for _, c := range []struct {
		a, b   string
		cosine float64
		want   string
	}{
		{"How do I reset my router?", "how can I reset my router", 0.921, "They may share an answer.\nSimilarity: 0.9210 (0.7 is enough: the words agree)\n"},
		{"How do I reset my router?", "how can I reset my router", 0.6, "They are not near enough to share an answer.\nSimilarity: 0.6000 (0.7 is enough)\n"},
		{"How do I reset a router?", "How do I successfully reset a router?", 0.9, "They may share an answer.\nSimilarity: 0.9000 (0.84 is enough: the words differ in little)\n"},
		{"How do I reset a router?", "How do I successfully reset a router?", 0.8, "They must not share an answer.\nSimilarity: 0.8000 (0.84 is enough with such a difference)\nVeto:       words: only one has successfully\n"},
		{"Boil 3 eggs", "Boil 4 eggs", 0.99, "They must not share an answer.\nSimilarity: 0.9900 (none is enough against a veto)\nVeto:       numbers: 3, not 4\n"},
	} {
		v := similar.Compare(c.a, c.b)
		hit, veto := v.At(0.95, c.cosine)
		a := alike{hit, c.cosine, veto, v}
		var out bytes.Buffer
		(&env{out: &out}).tellAlike(a, 0.95)
		if out.String() != c.want {
			t.Errorf("%s | %s at %v:\n%swant\n%s", c.a, c.b, c.cosine, out.String(), c.want)
		}
		if b, err := json.Marshal(a); err != nil || bytes.Count(b, []byte(":")) < 3 || bytes.Contains(b, []byte("verdict")) {
			t.Errorf("the line is %s, %v", b, err)
		}
	}
}
