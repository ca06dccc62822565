package exposition_test

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"testing"

	"corral/daemon/exposition"
)

func TestSamplesStandByFamiliesWithHelpAndType(t *testing.T) {
	var b bytes.Buffer
	err := exposition.Write(&b, []byte(`corral_calls_in_flight 1
llm_request_duration_seconds_bucket{model="m",le="1"} 2
llm_requests_total{model="a"} 3
# TYPE llm_requests_total counter
go_cgo_calls_count 9
llm_request_duration_seconds_sum{model="m"} 2.5

llm_requests_total_sum 7
llm_request_duration_seconds_count{model="m"} 2
llm_requests_total{model="b c"} 4`))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	for i, l := range got {
		if strings.HasPrefix(l, "# HELP ") {
			got[i] = strings.Join(strings.Fields(l)[:3], " ")
		}
	}
	want := []string{
		"# HELP llm_requests_total", "# TYPE llm_requests_total counter", `llm_requests_total{model="a"} 3`, `llm_requests_total{model="b c"} 4`,
		"# HELP llm_request_duration_seconds", "# TYPE llm_request_duration_seconds histogram",
		`llm_request_duration_seconds_bucket{model="m",le="1"} 2`, `llm_request_duration_seconds_sum{model="m"} 2.5`, `llm_request_duration_seconds_count{model="m"} 2`,
		"# HELP corral_calls_in_flight", "# TYPE corral_calls_in_flight gauge", "corral_calls_in_flight 1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestTheListIsSound(t *testing.T) {
	name, last := regexp.MustCompile(`^[a-z][a-z0-9_]*$`), ""
	for _, f := range exposition.Families() {
		if f.Name == last || !name.MatchString(f.Name) {
			t.Errorf("%q stands there twice, or is no name", f.Name)
		}
		last = f.Name
		if !slices.Contains([]string{"counter", "gauge", "histogram", "summary"}, f.Type) || (f.Type == "counter") != strings.HasSuffix(f.Name, "_total") {
			t.Errorf("%s is a %q", f.Name, f.Type)
		}
		if f.Help == "" || strings.ContainsAny(f.Help, "\\\n|") {
			t.Errorf("%s: %q", f.Name, f.Help)
		}
	}
}

func TestNamesThatStandAsTheyAre(t *testing.T) {
	for name, want := range map[string]bool{"llama3.2:1b": true, "größe 1": true, "": true, "a\"b": false, `a\b`: false, "a\nb": false, "a\xffb": false, "a\u200bb": false} {
		if exposition.Plain(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
