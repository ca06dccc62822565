package app

import (
	"bytes"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"corral/daemon/event"
	"corral/store/ledger/record"
)

func TestWhatCallersNameSteersNoTerminal(t *testing.T) {
	const nasty = "a\n168\t2026\x1b[31m\r\x00\x7f\u0085\u2028\u2029\u202e\u2066\u200f\x9bé\ufffd模"
	const written = `a\n168\t2026\x1b[31m\r\x00\x7f\u0085\u2028\u2029\u202e\u2066\u200f\x9bé` + "\ufffd模"
	type name string
	for _, arg := range []any{nasty, name(nasty), errors.New(nasty), []string{nasty}} {
		var out bytes.Buffer
		sayf(&out, "%v|%d|%s\n", arg, 7, time.Second)
		if got := strings.Trim(out.String(), "\n"); strings.NewReplacer("[a", "a", "模]", "模").Replace(got) != written+"|7|1s" {
			t.Errorf("%T: %q", arg, got)
		}
	}
	var out bytes.Buffer
	sayln(&out, lines("one\n\ttwo\x1b[2J"), "a\nb", 3, nil)
	if out.String() != "one\n\ttwo\\x1b[2J a\\nb 3 <nil>\n" {
		t.Errorf("%q", out.String())
	}
}

// A name with a line end in it was a row of its own, and one with an escape coloured the operator's terminal.
func TestRowsAreOfOneLine(t *testing.T) {
	const nasty = "m\n168 2026-01-01 forged\x1b[31m"
	var out bytes.Buffer
	e := &env{out: &out, err: &out}
	entryLine(&out, &record.Entry{Kind: record.Call, ModelAsked: nasty, User: nasty}, func(id string) string { return id })
	sayf(&out, "%s\n", eventWords(event.Call{Model: nasty, User: nasty}))
	sayf(e.out, "%s\n", eventWords(event.Breaker{Provider: "p", Model: nasty}))
	if n := strings.Count(out.String(), "\n"); n != 3 || strings.Contains(out.String(), "\x1b") {
		t.Errorf("%d lines: %q", n, out.String())
	}
}

// Whoever writes past sayf can be made to write what callers like.
func TestAllThatPeopleReadGoesThroughOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	fset, said := token.NewFileSet(), 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") || name == "plain.go" {
			continue
		}
		f, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.SelectorExpr:
				if of, ok := x.X.(*ast.Ident); ok && of.Name == "fmt" && (strings.HasPrefix(x.Sel.Name, "Fprint") || strings.HasPrefix(x.Sel.Name, "Print")) {
					t.Errorf("%s writes by itself; use sayf, sayln or say", fset.Position(x.Pos()))
				}
			case *ast.CallExpr:
				if of, ok := x.Fun.(*ast.Ident); ok && strings.HasPrefix(of.Name, "say") {
					said++
				}
			}
			return true
		})
	}
	if said < 100 {
		t.Errorf("only %d calls were looked at", said)
	}
}
