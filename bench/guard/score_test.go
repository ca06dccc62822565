package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rows of one's own: a label counts code points, a finding bytes.
const (
	piiRows = `{"id":"1","text":"Grüße an anna@example.com","label":"pii","subset":"structured","spans":[{"start":9,"end":25,"type":"EMAIL","value":"anna@example.com"}]}
{"id":"2","text":"Grüße an bert","label":"pii","subset":"structured","spans":[{"start":9,"end":13,"type":"EMAIL","value":"bert"}]}
{"id":"3","text":"SSN 123-45-6789 is made up","label":"clean","subset":"negative"}
`
	secretRows = `{"id":"1","text":"password: tr0ub4dor&3","label":"secret","subset":"known","spans":[{"start":10,"end":21,"type":"SECRET","value":"tr0ub4dor&3"}]}
`
)

func TestCountsWhatIsFoundAndWhatIsNot(t *testing.T) {
	dir := t.TempDir()
	for name, rows := range map[string]string{"pii.dev.jsonl.gz": piiRows, "secrets.dev.jsonl.gz": secretRows} {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		z := gzip.NewWriter(f)
		if _, err := z.Write([]byte(rows)); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	halves, err := read(filepath.Join(dir, "pii.dev.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	got := measurePII(append(halves[0], halves[1]...), shower{}).(*score)
	email, wrong := got.subsets["structured"].Types["email"], got.subsets["negative"]
	if email.Labels != 2 || email.Found != 1 || wrong.WrongRows != 1 || wrong.Types["us_ssn"].Wrong != 1 {
		t.Errorf("\n%s", got)
	}
	var out strings.Builder
	if err := run(dir, "secrets", "", "", true, &out); err != nil || strings.Count(out.String(), `"Found": 1`) != 1 {
		t.Error(out.String(), err)
	}
}
