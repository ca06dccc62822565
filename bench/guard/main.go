// Command guard measures the finders of the guard on labelled text: what they find, and what they take for something that it is not.
//
//	go run ./bench/guard -data DIR [-json] [-part secrets|pii] [-half a|b] [-show misses|hits]
//
// DIR holds *.dev.jsonl.gz: an id, a text, its subset, and the spans that should be found. Each part of the guard is in a file of its own; it
// is a value of type part, in the list of parts.
//
// Rows are split in two halves by a hash of their id. Rules are tuned by looking at half a only; half b, which nobody reads, is the honest figure.
package main

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
)

// part is one thing that the guard does, and how it is measured.
type part struct {
	name    string
	file    string
	measure func(rows []row, show shower) any // what it returns prints itself, and goes into --json
}

func parts() []part {
	return []part{
		{name: "secrets", file: "secrets.dev.jsonl.gz", measure: measureSecrets},
		{name: "pii", file: "pii.dev.jsonl.gz", measure: measurePII},
	}
}

// row is a labelled text. Offsets of spans are in Unicode code points, as Python counts.
type row struct {
	ID, Text, Label, Subset string
	Spans                   []label
}

type label struct {
	Start, End  int
	Type, Value string
}

func main() {
	data := flag.String("data", "", "directory of the labelled text")
	asJSON := flag.Bool("json", false, "print JSON")
	only := flag.String("part", "", "measure this part only")
	half := flag.String("half", "", "this half only: a or b")
	show := flag.String("show", "", "print the rows too where a label was missed (misses) or something wrong was found (hits)")
	flag.Parse()
	if err := run(*data, *only, *half, *show, *asJSON, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "guard:", err)
		os.Exit(1)
	}
}

func run(data, only, half, show string, asJSON bool, out io.Writer) error {
	if data == "" {
		return errors.New("which text? name its directory by -data")
	}
	results := map[string]map[string]any{}
	for _, p := range parts() {
		if only != "" && only != p.name {
			continue
		}
		halves, err := read(filepath.Join(data, p.file))
		if err != nil {
			return err
		}
		results[p.name] = map[string]any{}
		for i, name := range []string{"a", "b"} {
			if half != "" && half != name {
				continue
			}
			r := p.measure(halves[i], shower{show, out})
			results[p.name][name] = r
			if !asJSON {
				fmt.Fprintf(out, "%s, half %s, %d rows\n", p.name, name, len(halves[i]))
				w := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
				fmt.Fprint(w, r)
				_ = w.Flush()
				fmt.Fprintln(out)
			}
		}
	}
	if asJSON {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		return e.Encode(results)
	}
	return nil
}

// read returns the rows of a file, in their two halves.
func read(path string) (halves [2][]row, err error) {
	f, err := os.Open(path)
	if err != nil {
		return halves, err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return halves, fmt.Errorf("read %s: %w", path, err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var r row
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return halves, fmt.Errorf("read %s: %w", path, err)
		}
		h := fnv.New32a()
		_, _ = h.Write([]byte(r.ID))
		n := (h.Sum32()>>15 ^ h.Sum32()) & 1
		halves[n] = append(halves[n], r)
	}
	return halves, lines.Err()
}

// shower prints single rows for whoever tunes a rule.
type shower struct {
	what string
	out  io.Writer
}

func (s shower) miss(r row, l label) {
	if s.what == "misses" {
		fmt.Fprintf(s.out, "missed %s %s %q in %.300q\n", r.Subset, l.Type, l.Value, r.Text)
	}
}

func (s shower) hit(r row, kind, value string) {
	if s.what == "hits" {
		fmt.Fprintf(s.out, "wrong %s %s %q in %.300q\n", r.Subset, kind, value, r.Text)
	}
}
