package config

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func parse(t *testing.T, text string) Config {
	t.Helper()
	c, _, err := Parse("corral.yaml", []byte(text))
	if err != nil {
		t.Fatalf("Parse:\n%v", err)
	}
	return c
}

func TestWithoutAFileTheDefaultsHold(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing yet\n", "---\n", "---\n---\n", "retry:\n", "cache:\n  exact:\n", "\ufeff# bom\n", "null\n", "{}\n"} {
		if c := parse(t, text); !reflect.DeepEqual(c, Default()) {
			t.Errorf("%q: got %+v", text, c)
		}
	}
	if err := Default().Validate(); err != nil {
		t.Error(err)
	}
}

func TestTheWholeFileIsRead(t *testing.T) {
	data, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, string(data))
	want := Default()
	want.Hosts = []string{"box.lan"}
	want.Origins = []string{"https://app.example.org"}
	want.Providers = []Provider{
		{Name: "local", Kind: KindOllama, URL: "http://127.0.0.1:11434"},
		{Name: "openai", Kind: KindOpenAI, URL: "https://api.openai.com/v1", Key: "keyring:openai"},
		{Name: "claude", Kind: KindAnthropic, URL: "https://api.anthropic.com", Key: "env:ANTHROPIC_API_KEY"},
		{Name: "llama", Kind: KindOpenAI, URL: "http://127.0.0.1:8080/v1", Dialects: []string{"anthropic"}},
	}
	want.Models = []Model{{
		Name:       "chat",
		Targets:    []Target{{"local", "llama3.2"}, {"openai", "gpt-4o-mini"}},
		LastResort: []LastResort{{Similar: true}, {Static: "The model is away; please try again."}},
	}, {
		Name: "private", Targets: []Target{{"local", "llama3.2"}}, LocalOnly: true,
	}}
	want.Cache.Similar.Model, want.Cache.Similar.Provider = "all-minilm", "local"
	want.Cache.Exact.Models = []CacheModel{{"llama3*", Duration(time.Hour), "always"}}
	want.Guard = Guard{"block", "redact-for-cloud", "flag"}
	want.Limits.RequestsPerMinute, want.Limits.Concurrent = 600, 64
	want.Budgets = []Budget{{"day", 5, "local-only", "all", ""}, {"month", 20, "refuse", "key", "notes-app"}}
	want.Audit.Anchors = []string{"/mnt/other/anchor.log"}
	want.Prices = Prices{"gpt-4o", LocalPrice{35, 0.3, 0.01}, []ModelPrice{{"openai", "custom", 0.15, 0.6, 0.075}}}
	want.Health.Pressure, want.Health.Probe = []string{"refuse-load", "prefer-cloud"}, Duration(10*time.Minute)
	want.Telemetry.OTLP, want.Telemetry.File = "http://127.0.0.1:4318", "/var/log/corral.log"
	want.Telemetry.OTLPHeaders = []Header{{Name: "Authorization", Value: "env:OTLP_AUTHORIZATION"}}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got  %+v\nwant %+v", c, want)
	}
}

func TestOlderFilesAreStillRead(t *testing.T) {
	for _, name := range []string{"testdata/sketch.yaml"} {
		if _, err := Load(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whoever adds a field sees here what else wants to know of it.
func TestEveryFieldIsInTheWholeFileAndInTheSample(t *testing.T) {
	whole, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rep := newReport("whole.yaml")
	readYAML(whole, rep)
	inWhole := map[string]bool{}
	for path := range rep.places {
		inWhole[anyEntry(path)] = true
	}
	rep = newReport("sample")
	readYAML([]byte(switchedOn(Sample(), func(string) bool { return true })), rep)
	inSample := map[string]bool{}
	for path := range rep.places {
		inSample[anyEntry(path)] = true
	}
	for _, path := range allFields("", reflect.TypeFor[Config]()) {
		if !inWhole[path] {
			t.Errorf("%s is not in testdata/whole.yaml", path)
		}
		if !inSample[path] {
			t.Errorf("%s is not in the sample", path)
		}
	}
}

// anyEntry is the path without the numbers of entries: models[].targets[].model.
func anyEntry(path string) string {
	var b strings.Builder
	inside := false
	for _, r := range path {
		if inside = inside && r != ']'; !inside {
			b.WriteRune(r)
		}
		inside = inside || r == '['
	}
	return b.String()
}

func allFields(path string, t reflect.Type) []string {
	var paths []string
	for i, name := range fieldNames(t) {
		field, at := t.Field(i).Type, join(path, name)
		paths = append(paths, at)
		if field.Kind() == reflect.Slice {
			field, at = field.Elem(), at+"[]"
		}
		if isSection(field) {
			paths = append(paths, allFields(at, field)...)
		}
	}
	return paths
}

func TestSectionsAreMergedAndListsAreReplaced(t *testing.T) {
	c := parse(t, "retry: { max_attempts: 2 }\nproviders: [ { name: a, kind: ollama } ]\n")
	want := Default()
	want.Retry.MaxAttempts = 2
	want.Providers[0].Name = "a"
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
}

func TestScalarsAreTheTextInTheFile(t *testing.T) {
	c := parse(t, `
guard: { secrets: off, pii: 'off', injection: "off" }
slo: { availability: 99.95%, error_rate: "0%", latency_p95: 1.5s }
limits: { body: 1048576 }
models:
  - { name: 7, targets: [ { provider: local, model: 3.2 } ], local_only: true }
  - name: yes
    targets: &same [ { provider: local, model: !!str true } ]
  - name: again
    targets: *same
  - ? name
    : long
    last_resort:
      - static: |
          Two
          lines.
`)
	if c.Guard.Secrets != "off" || c.SLO.Availability != 99.95 || c.SLO.LatencyP95 != Duration(1500*time.Millisecond) || c.Limits.Body != 1<<20 {
		t.Errorf("got %+v", c)
	}
	want := []Model{
		{Name: "7", Targets: []Target{{"local", "3.2"}}, LocalOnly: true},
		{Name: "yes", Targets: []Target{{"local", "true"}}},
		{Name: "again", Targets: []Target{{"local", "true"}}},
		{Name: "long", LastResort: []LastResort{{Static: "Two\nlines.\n"}}},
	}
	if !reflect.DeepEqual(c.Models, want) {
		t.Errorf("got  %+v\nwant %+v", c.Models, want)
	}
}

func TestWhatCanBeWrittenInMoreThanOneWayIsEvenedOut(t *testing.T) {
	c := parse(t, "hosts: [Box.LAN]\norigins: [HTTPS://App.example.org]\nproviders: [ { name: a, kind: ollama, url: http://localhost:1/ } ]\r\n")
	if c.Hosts[0] != "box.lan" || c.Origins[0] != "https://app.example.org" || c.Providers[0].URL != "http://localhost:1" {
		t.Errorf("got %v %v %v", c.Hosts, c.Origins, c.Providers)
	}
}

func TestLaterLayersWin(t *testing.T) {
	file := filepath.Join(t.TempDir(), "corral.yaml")
	if err := os.WriteFile(file, []byte("listen: 127.0.0.1:1\nauth: none\ntelemetry: { log: warn, format: json }\nhosts: [a.lan]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{"CORRAL_LISTEN": "127.0.0.1:2", "CORRAL_TELEMETRY_LOG": "debug", "CORRAL_HOSTS": "b.lan, c.lan", "CORRAL_AUTH": ""}
	s := Source{Path: file, Lookup: lookup(environment), Flags: map[string]string{"listen": "127.0.0.1:3", "shutdown": "5s"}}
	c, _, err := s.Load()
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Listen, want.Telemetry.Log, want.Telemetry.Format = "127.0.0.1:3", "debug", "json"
	want.Hosts, want.Shutdown = []string{"b.lan", "c.lan"}, Duration(5*time.Second)
	if !reflect.DeepEqual(c, want) {
		t.Errorf("got %+v", c)
	}
}

func TestAWrongVariableOrFlagIsNamed(t *testing.T) {
	s := Source{
		Lookup: lookup(map[string]string{"CORRAL_TELEMETRY_LOG": "loud", "CORRAL_SHUTDOWN": "30"}),
		Flags:  map[string]string{"auth": "maybe", "tls": "on"},
	}
	_, _, err := s.Load()
	wantProblems(t, err,
		`CORRAL_SHUTDOWN: shutdown: "30" has no unit; write 30s, 30m or 30h`,
		`CORRAL_TELEMETRY_LOG: telemetry.log: "loud" is not known; use debug, info, warn or error`,
		`command line: auth: "maybe" is not known; use none or required`,
		`command line: tls: is not a known field; here may stand listen, auth, hosts, origins, providers, models, local_only, retry, breaker, timeouts, queue, cache, guard, limits, audit, prices, budgets, health, slo, telemetry or shutdown`,
	)
}

func TestEachVariableSetsOneField(t *testing.T) {
	seen := map[string]string{"CORRAL_CONFIG": "the file", "CORRAL_DATA_DIR": "the data folder"}
	for _, path := range variables("", reflect.TypeFor[Config]()) {
		if other := seen[variable(path)]; other != "" {
			t.Errorf("%s stands for %s and for %s", variable(path), path, other)
		}
		seen[variable(path)] = path
	}
	for _, want := range []string{"CORRAL_LISTEN", "CORRAL_AUTH", "CORRAL_TELEMETRY_LOG", "CORRAL_HOSTS", "CORRAL_HEALTH_MIN_FREE_DISK"} {
		if seen[want] == "" {
			t.Errorf("%s sets nothing", want)
		}
	}
}

func TestAFileThatIsNotThere(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "corral.yaml")
	if c, _, err := (Source{Path: missing}).Load(); err != nil || !reflect.DeepEqual(c, Default()) {
		t.Errorf("not named: %+v, %v", c, err)
	}
	_, err := Load(missing)
	if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `"corral config init" makes one`) {
		t.Errorf("named: %v", err)
	}
	if _, err := Load(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("folder: %v", err)
	}
}

func TestMarshalIsReadBack(t *testing.T) {
	whole, err := Load("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	odd := Default()
	odd.Health = Health{MinFreeMemory: Share{Bytes: 1}, MaxTemperature: 90.5, Pressure: []string{"off"}}
	odd.Audit.Retention, odd.SLO.ErrorRate, odd.SLO.LatencyP95 = 0, 0.001, Duration(90*time.Minute+time.Nanosecond)
	for _, text := range []string{"- x", "a: b", " # ", "'", `"\n`, "\u0085\u2028é\t", "null", "%", "---", "\x7f\a", "{}", "<&>", " ", "@", "similar"} {
		if strings.TrimSpace(text) != "" {
			odd.Models = append(odd.Models, Model{Name: "m" + string(rune('a'+len(odd.Models))), LastResort: []LastResort{{Static: text}}})
		}
	}
	for _, c := range []Config{Default(), whole, odd} {
		text, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if got := parse(t, string(text)); !reflect.DeepEqual(got, c) {
			t.Errorf("got  %+v\nwant %+v\nfrom\n%s", got, c, text)
		}
	}
}

// switchedOn takes the # away from the settings that are switched off and whose section is wanted.
func switchedOn(sample string, wanted func(section string) bool) string {
	var lines []string
	section := ""
	for line := range strings.SplitSeq(sample, "\n") {
		setting := strings.TrimPrefix(line, "#")
		if off := setting != line; off && (setting == "" || setting[0] == ' ' && !strings.HasPrefix(setting, "  ")) {
			continue // a comment
		} else if name, _, ok := strings.Cut(setting, ":"); ok && !strings.HasPrefix(name, " ") {
			section = name
		}
		if setting == line || wanted(section) {
			lines = append(lines, setting)
		}
	}
	return strings.Join(lines, "\n")
}

func TestTheSampleIsTheDefault(t *testing.T) {
	c, warnings, err := Parse("sample", []byte(Sample()))
	if err != nil || len(warnings) > 0 || !reflect.DeepEqual(c, Default()) {
		t.Errorf("%+v\n%v\n%v", c, warnings, err)
	}
}

// The sample says of itself which of its lines are settings and which text.
func TestTheSampleSaysWhatItsLinesAre(t *testing.T) {
	form := regexp.MustCompile(`^(# \S.*|#(  )*(- )?[a-z0-9_]+:.*|[^#]*)$`)
	lines := strings.Split(Sample(), "\n")
	for i, line := range lines {
		if !form.MatchString(line) {
			t.Errorf("line %d is neither text nor a setting: %s", i+1, line)
		}
	}
	if head, rest, _ := strings.Cut(Sample(), "\n\n"); strings.Contains(head, "keeps the value shown") || len(rest) == 0 {
		t.Errorf("examples are no defaults: %s", head)
	}
}

func TestTheSampleIsValidWithAnythingSwitchedOn(t *testing.T) {
	sections := fieldNames(reflect.TypeFor[Config]())
	for _, one := range append(sections, "all") {
		text := switchedOn(Sample(), func(section string) bool { return one == "all" || section == one })
		if _, _, err := Parse(one, []byte(text)); err != nil {
			t.Errorf("%s switched on:\n%v\n%s", one, err, text)
		}
	}
}

func TestWarningsTellWhatIsLikelyWrong(t *testing.T) {
	text := `listen: 127.0.0.1:11435
retry: { max_attempts: 2 }
providers:
  - { name: local, kind: ollama }
  - { name: g, kind: gemini, key: env:GEMINI_API_KEY }
  - { name: lan, kind: openai, url: http://box.lan:8000, key: env:LAN_KEY }
models:
  - name: chat
    last_resort: [ { static: away } ]
audit: { anchors: [ "http://127.0.0.1:9/x", "http://box.lan/x" ] }
telemetry: { otlp: "http://box.lan:4318", content: true }
`
	s := Source{Path: "corral.yaml", Lookup: lookup(map[string]string{"CORRAL_SLO_LATENCY_P95": "1s", "CORRAL_RETRY_BASE": "1s"})}
	_, warnings, err := s.parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.Error())
	}
	want := []string{
		"corral.yaml:6:32: providers[2].url: has no path; most OpenAI-compatible servers answer under /v1",
		"corral.yaml:6:32: providers[2].url: the key is sent without encryption; use https:// if the server has it",
		"corral.yaml:10:45: audit.anchors[1]: is reached without encryption: who is in between can keep signed heads from it unseen; use https:// if the server has it",
		"corral.yaml:11:14: telemetry.otlp: keys of the collector and texts of calls are sent without encryption; use https:// if it has it",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// FuzzParse looks for panics, for problems without a message, and for configs that change when written and read again.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"testdata/whole.yaml", "testdata/sketch.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, text := range []string{"", "a: &a [*a]", "[[[", "{{{", "a: !b c", "<<: {}", "? [a]\n: b", "%YAML 1.2\n---\n", "models: [{name: a, last_resort: [{static: \"\\u0085\"}]}]", "\ufeff", "\t", "a: |2-\n", "'", "- - -", "*a"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, _, err := Parse("f", data)
		if err != nil {
			var all *Errors
			if !errors.As(err, &all) || len(all.Problems) == 0 {
				t.Fatalf("not told as problems: %v", err)
			}
			for _, p := range all.Problems {
				if p.Message == "" || strings.Contains(p.Error(), "\n") {
					t.Fatalf("not one line: %q", p.Error())
				}
			}
			return
		}
		text, err := Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		again, _, err := Parse("f", text)
		if err != nil || !reflect.DeepEqual(c, again) {
			t.Fatalf("%v\ngot  %+v\nwant %+v\nfrom\n%s", err, again, c, text)
		}
	})
}

func TestWrongFilesAreRefusedSoon(t *testing.T) {
	var deep strings.Builder
	for i := range 700 {
		deep.WriteString(strings.Repeat(" ", i) + "a:\n")
	}
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'k'; c++ {
		bomb += string(c) + ": &" + string(c) + " [" + strings.Repeat("*"+string(c-1)+",", 9) + "]\n"
	}
	random := make([]byte, 100_000)
	source := rand.NewChaCha8([32]byte{1})
	source.Read(random)
	texts := map[string]string{"deep": deep.String(), "aliases": bomb, "random": string(random), "too large": strings.Repeat("# x\n", 1<<18) + "\n"}
	for _, part := range []string{"[", "{a: ", "- ", "? ", "&a ", "!!x ", "*a ", "a: ", "\"", "'", "%", "|\n", "a: 1\n", "a,", "x y ", "- - \n", "[]", "---\n", "\\", "&", "|", "a: |\n  x\n", "é", "a: 'x\n", "a:\n- b\n"} {
		texts[part] = strings.Repeat(part, maxFile/8/len(part))
	}
	for name, text := range texts {
		start := time.Now()
		_, _, err := Parse("corral.yaml", []byte(text))
		if err == nil {
			t.Errorf("%q is taken", name)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%q takes %v", name, took)
		} else if testing.Verbose() {
			t.Logf("%q %v %.200v", name, took, err)
		}
	}
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

func wantProblems(t *testing.T, err error, want ...string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// TestVariablesThatSetNothingAreTold: a misspelt one was ignored without a word.
func TestVariablesThatSetNothingAreTold(t *testing.T) {
	file := filepath.Join(t.TempDir(), "corral.yaml")
	if err := os.WriteFile(file, []byte("providers: [ { name: p, kind: openai, key: env:CORRAL_P_KEY } ]\ntelemetry: { otlp_headers: [ { name: x, value: env:CORRAL_HEADER } ] }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := Source{Path: file, Lookup: lookup(nil), Environ: func() []string {
		return []string{"HOME=/h", "CORRAL=x", "CORRAL_BREAKER_FAILURS=3", "CORRAL_BREAKER_FAILURES=3", "CORRAL_CONFIG=c", "CORRAL_DATA_DIR=d", "CORRAL_TEST_OLLAMA=o", "CORRAL_PROVIDERS=secret",
			"CORRAL_P_KEY=secret", "CORRAL_HEADER=secret", "CORRAL_EMPTY=", "CORRAL_listen=l", "CORRAL_NONE\n=secret"}
	}}
	_, warnings, err := s.Load()
	var said []string
	for _, w := range warnings {
		said = append(said, w.Error())
	}
	want := []string{
		"CORRAL_BREAKER_FAILURS: sets nothing; did you mean CORRAL_BREAKER_FAILURES?",
		`CORRAL_NONE\n: sets nothing: no field that a variable can set has this name`,
		"CORRAL_PROVIDERS: sets nothing: no field that a variable can set has this name",
		"CORRAL_listen: sets nothing; did you mean CORRAL_LISTEN?",
	}
	if err != nil || !slices.Equal(said, want) {
		t.Errorf("%v\n%s", err, strings.Join(said, "\n"))
	}
	s.Environ = nil
	if _, warnings, err = s.Load(); err != nil || len(warnings) > 0 {
		t.Errorf("%v %v", err, warnings)
	}
}
