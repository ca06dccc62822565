package app_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/admin"
	"corral/daemon/config"
	"corral/daemon/exposition"
	"corral/daemon/health"
	"corral/daemon/llm"
)

// rows are the rows of a document's tables whose first cell is code, by that code.
func rows(t *testing.T, path string) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../docs/" + path)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		var cells []string
		for cell := range strings.SplitSeq(strings.Trim(strings.TrimSpace(line), "|"), "|") {
			cells = append(cells, strings.Trim(strings.TrimSpace(cell), "`"))
		}
		found[cells[0]] = cells
	}
	return found
}

// fields are the paths of a section's fields: models[].targets[].model.
func fields(path string, of reflect.Type) (found []string) {
	for i := range of.NumField() {
		f := of.Field(i)
		at := strings.TrimPrefix(path+"."+f.Tag.Get("koanf"), ".")
		in := f.Type
		if in.Kind() == reflect.Slice && in.Elem().Kind() == reflect.Struct {
			in = in.Elem()
		}
		if in.Kind() != reflect.Struct || in.NumField() == 0 || in.Field(0).Tag.Get("koanf") == "" {
			found = append(found, at)
			continue
		}
		if in != f.Type {
			at += "[]"
		}
		found = append(found, fields(at, in)...)
	}
	return found
}

func TestTheConfigIsDescribedAsItIs(t *testing.T) {
	table := rows(t, "config.md")
	known := fields("", reflect.TypeFor[config.Config]())
	for _, f := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(known, f) {
			t.Errorf("docs/config.md: there is no field %s", f)
		}
	}
	b, err := json.Marshal(config.Default())
	if err != nil {
		t.Fatal(err)
	}

	for _, f := range known {
		row := table[f]
		if len(row) != 3 {
			t.Errorf("docs/config.md: no row of three cells for %s: %q", f, row)
			continue
		}
		if !strings.Contains(f, "[]") {
			if want := gjson.GetBytes(b, f).String(); row[1] != want {
				t.Errorf("docs/config.md: the default of %s is %q, not %q", f, want, row[1])
			}
		}
		if row[2] == "" {
			t.Errorf("docs/config.md: what does %s mean?", f)
		}
	}
}

func TestEveryConditionIsDescribed(t *testing.T) {
	table := rows(t, "operations.md")
	for _, k := range health.Kinds() {
		if row, want := table[k.Code], []string{k.Code, k.Worst.String(), k.When}; !slices.Equal(row, want) {
			t.Errorf("docs/operations.md: %q, and not %q", row, want)
		}
	}
}

func TestEveryMetricIsDescribed(t *testing.T) {
	table := rows(t, "operations.md")
	for _, f := range exposition.Families() {
		if strings.HasPrefix(f.Name, "go_") || strings.HasPrefix(f.Name, "process_") {
			continue
		}
		if want := []string{f.Name, f.Type, f.Labels, f.Help}; !slices.Equal(table[f.Name], want) {
			t.Errorf("docs/operations.md: %q, want | `%s` | %s |", table[f.Name], f.Name, strings.Join(want[1:], " | "))
		}
		delete(table, f.Name)
	}
	for name := range table {
		if strings.HasPrefix(name, "llm_") || strings.HasPrefix(name, "corral_") {
			t.Errorf("docs/operations.md: there is no metric %s", name)
		}
	}
}

func TestEveryErrorIsDescribed(t *testing.T) {
	table := rows(t, "api.md")
	for k := llm.Kind(0); ; k++ {
		code, status, ok := describe(k)
		if !ok {
			if k < 10 {
				t.Errorf("only %d kinds of errors", k)
			}
			return
		}
		if row := table[code]; len(row) != 3 || row[1] != fmt.Sprint(status) {
			t.Errorf("docs/api.md: %s is %d, the row %q", code, status, row)
		}
	}
}

// describe is false past the last kind.
func describe(k llm.Kind) (code string, status int, ok bool) {
	defer func() { recover() }()
	e := &llm.Error{Kind: k}
	code, status = e.Code(), e.Status()
	return code, status, code != "" && (http.StatusText(status) != "" || status == 499)
}

// TestEveryRouteOfTheOperatorsIsDescribed compares the table with what is registered, roles too.
func TestEveryRouteOfTheOperatorsIsDescribed(t *testing.T) {
	found := map[string]string{}
	for cell, row := range rows(t, "api.md") {
		for route := range strings.SplitSeq(cell, "`, `") {
			if method, path, ok := strings.Cut(route, " /"); ok && len(row) == 3 && method == strings.ToUpper(method) {
				found[method+" "+admin.Base+"/"+path] = row[1]
			}
		}
	}
	for _, r := range admin.Routes() {
		route := r.Method + " " + r.Path
		if strings.HasPrefix(r.Path, admin.Base+"/openapi") {
			continue
		}
		if found[route] != string(r.Role) {
			t.Errorf("docs/api.md: %s asks for %q, and not for %q", route, r.Role, found[route])
		}
		delete(found, route)
	}
	if len(found) > 0 {
		t.Errorf("docs/api.md: there are no such routes: %v", found)
	}
}

// TestLinksLeadSomewhere looks at the links of the documents to each other.
func TestLinksLeadSomewhere(t *testing.T) {
	docs, err := filepath.Glob("../docs/*.md")
	if err != nil || len(docs) < 4 {
		t.Fatal(err, docs)
	}
	for _, doc := range append(docs, "../README.md", "../CHANGELOG.md") {
		doc = strings.TrimPrefix(filepath.ToSlash(doc), "../")
		b, err := os.ReadFile("../" + doc)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range regexp.MustCompile(`\]\(([^)#]+)`).FindAllStringSubmatch(string(b), -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			at := "../" + m[1]
			if strings.HasPrefix(doc, "docs/") {
				at = "../docs/" + m[1]
			}
			if _, err := os.Stat(at); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
		}
	}
}
