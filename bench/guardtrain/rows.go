package main

import (
	"bufio"
	"cmp"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"corral/daemon/guard/injection/view"
)

// row is a labelled text.
type row struct {
	ID     string `json:"id"`
	Text   string `json:"text"`
	Label  string `json:"label"`
	Source string `json:"source"`
	Subset string `json:"subset"`
	File   string `json:"-"` // of a piece of background: pieces of a file stand in one fold

	group int // rows of one group stand in one fold
	fold  int
}

func (r *row) attack() bool { return r.Label == "injection" }

// own tells whether a row is of our choosing: its share among others says nothing.
func (r *row) own() bool { return r.Source == "own" }

// weight is how much a row counts in training.
//
// Rows that are hundreds of copies of one sentence count less, so that the sentence is not all that is learnt. Those whose
// injections have no mark of their own (a request like any user's, only in the wrong place) count nothing: what they would teach
// is to suspect requests. Disguised copies repeat other rows, one source has noisy labels, and texts of our own are few of a kind.
func (r *row) weight() float64 {
	switch r.Subset {
	case "indirect_tool_base", "indirect_email_offtask_hard":
		return 0
	case "indirect_tool_enhanced":
		return 0.1
	case "indirect_tool_benign", "jailbreak_itw_noisy":
		return 0.5
	}
	if strings.HasPrefix(r.Source, "derived:") || r.own() && r.File == "" {
		return 0.5
	}
	return 1
}

//go:embed own.txt
var own string

// loadOwn reads the texts of our own.
func loadOwn() ([]*row, error) {
	var rows []*row
	for n, line := range strings.Split(own, "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		label, text, ok := strings.Cut(line, " ")
		if !ok || label != "injection" && label != "benign" {
			return nil, fmt.Errorf("own.txt: line %d: %q, want injection or benign and a text", n+1, line)
		}
		text = strings.NewReplacer(`\n`, "\n", `\t`, "\t").Replace(text)
		rows = append(rows, &row{ID: fmt.Sprintf("own-%03d", n+1), Text: text, Label: label, Source: "own", Subset: "own_" + label})
	}
	return rows, nil
}

// load reads the labelled texts of a folder and those of our own, and collects the background.
func load(dir string) ([]*row, error) {
	f, err := os.Open(filepath.Join(dir, "injection.dev.jsonl.gz"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	rows, err := decode(z, f.Name())
	if err != nil {
		return nil, err
	}
	ours, err := loadOwn()
	if err != nil {
		return nil, err
	}
	back, err := loadBackground()
	if err != nil {
		return nil, err
	}
	return slices.Concat(rows, ours, back), nil
}

func decode(from io.Reader, name string) ([]*row, error) {
	var rows []*row
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		r := &row{}
		if err := json.Unmarshal(lines.Bytes(), r); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", name, len(rows)+1, err)
		}
		if r.Label != "injection" && r.Label != "benign" {
			return nil, fmt.Errorf("%s: line %d: label %q, want injection or benign", name, len(rows)+1, r.Label)
		}
		rows = append(rows, r)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return rows, nil
}

// Rows that share so many words in a row are taken to come of one text or of one template.
const shingle = 8

// A passage in so many rows of one kind of disguise is its frame (the web page around the comment), and joins nothing.
const frame = 6

// group puts rows into groups that share no passage, disguises undone, and groups into folds of about the same size. A model that is
// judged on a fold it was not trained on has then not seen the text in another dress, nor the template with another name in it.
func group(rows []*row, folds int) {
	passages := make([][]string, len(rows))
	framed := map[string]int{}
	reader := view.NewReader()
	for i, r := range rows {
		if r.File != "" {
			passages[i] = []string{"file " + r.File}
			continue
		}
		seen := map[string]bool{}
		for _, v := range reader.Read([]byte(r.Text)) {
			words := make([]string, len(v.Words))
			for w := range v.Words {
				words[w] = v.Text(w)
			}
			for from := 0; from == 0 || from+shingle <= len(words); from++ {
				seen[strings.Join(words[from:min(len(words), from+shingle)], " ")] = true
			}
		}
		for p := range seen {
			passages[i] = append(passages[i], p)
			if strings.HasPrefix(r.Source, "derived:") {
				framed[r.Subset[:len("evasion_")+3]+p]++
			}
		}
	}
	parent := make([]int, len(rows))
	for i := range parent {
		parent[i] = i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	first := map[string]int{}
	for i, r := range rows {
		for _, p := range passages[i] {
			if strings.HasPrefix(r.Source, "derived:") && framed[r.Subset[:len("evasion_")+3]+p] >= frame {
				continue
			}
			if at, ok := first[p]; ok {
				a, b := find(at), find(i)
				parent[max(a, b)] = min(a, b)
			} else {
				first[p] = i
			}
		}
	}
	sizes := map[int]int{}
	for i, r := range rows {
		r.group = find(i)
		sizes[r.group]++
	}
	var groups []int
	for g := range sizes {
		groups = append(groups, g)
	}
	slices.SortFunc(groups, func(a, b int) int { return cmp.Or(cmp.Compare(sizes[b], sizes[a]), cmp.Compare(a, b)) })
	filled, of := make([]int, folds), map[int]int{}
	for _, g := range groups {
		least := 0
		for f := range filled {
			if filled[f] < filled[least] {
				least = f
			}
		}
		filled[least] += sizes[g]
		of[g] = least
	}
	for _, r := range rows {
		r.fold = of[r.group]
	}
}
