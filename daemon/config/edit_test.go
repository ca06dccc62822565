package config

import (
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
)

func edited(t *testing.T, text string, edits ...Edit) string {
	t.Helper()
	out, err := Apply("corral.yaml", []byte(text), edits)
	if err != nil {
		t.Fatalf("%+v: %v", edits, err)
	}
	return string(out)
}

func set(path, value string) Edit { return Edit{Op: "set", Path: path, Value: json.RawMessage(value)} }
func add(path, value string) Edit { return Edit{Op: "add", Path: path, Value: json.RawMessage(value)} }
func remove(path string) Edit     { return Edit{Op: "remove", Path: path} }
func move(path string, to int) Edit {
	return Edit{Op: "move", Path: path, To: to}
}

func TestAnEditLeavesTheRestOfTheTextAsItIs(t *testing.T) {
	const block = `# mine
listen: 127.0.0.1:11435   # the usual

providers:
  # on this machine
  - name: local
    kind: ollama
    url: http://127.0.0.1:11434 # here
  # far away
  - name: cloud   # paid
    kind: openai
    key: keyring:openai

models:
  - name: chat
    targets:
      # fast
      - { provider: local, model: "llama3.2" }
      # dear
      - { provider: cloud, model: gpt-4o-mini } # last
breaker:
  failures: 3

# the end
`
	const flow = `providers: [ { name: local, kind: ollama }, { name: b, kind: openai, key: "env:B" } ] # two
models:
  - { name: chat, targets: [ { provider: local, model: m }, { provider: b, model: nn } ] }
breaker: { failures: 3, open_for: 60s }
retry:
shutdown: 5s
`
	for _, c := range []struct {
		name, text string
		edits      []Edit
		old, new   string // what of the text is exchanged
	}{
		{"a scalar", block, []Edit{set("breaker.failures", "7")}, "failures: 3", "failures: 7"},
		{"a scalar with a comment beside", block, []Edit{set("listen", `"127.0.0.1:9"`)}, "127.0.0.1:11435   #", "127.0.0.1:9   #"},
		{"a field of a section", block, []Edit{set("breaker.open_for", `"30s"`)}, "failures: 3\n", "failures: 3\n  open_for: 30s\n"},
		{"an entry by its name", block, []Edit{set("providers[cloud].url", `"https://a.example/v1"`)}, "key: keyring:openai\n", "key: keyring:openai\n    url: https://a.example/v1\n"},
		{"an entry by its number", block, []Edit{set("providers[0].url", `"http://127.0.0.1:1"`)}, "http://127.0.0.1:11434 #", "http://127.0.0.1:1 #"},
		{"a provider more", block, []Edit{add("providers", `{"name":"c","kind":"gemini","key":"env:C"}`)}, "key: keyring:openai\n", "key: keyring:openai\n  - name: c\n    kind: gemini\n    key: env:C\n"},
		{"a provider less", block, []Edit{remove("models[chat].targets[1]"), remove("providers[cloud]")},
			"", ""},
		{"targets in another order, with their comments", block, []Edit{move("models[chat].targets[1]", 0)},
			"      # fast\n      - { provider: local, model: \"llama3.2\" }\n      # dear\n      - { provider: cloud, model: gpt-4o-mini } # last\n",
			"      # dear\n      - { provider: cloud, model: gpt-4o-mini } # last\n      # fast\n      - { provider: local, model: \"llama3.2\" }\n"},
		{"a target more", block, []Edit{add("models[chat].targets", `{"provider":"local","model":"x y: z"}`)}, "gpt-4o-mini } # last\n", "gpt-4o-mini } # last\n      - { provider: local, model: \"x y: z\" }\n"},
		{"a last resort", block, []Edit{add("models[chat].last_resort", `{"static":"Sorry."}`)}, "gpt-4o-mini } # last\n", "gpt-4o-mini } # last\n    last_resort:\n      - { static: Sorry. }\n"},
		{"a section that was not there", block, []Edit{set("slo.error_rate", `"1%"`)}, "# the end\n", "# the end\nslo:\n  error_rate: 1%\n"},
		{"a field less", block, []Edit{remove("providers[cloud].key")}, "    key: keyring:openai\n", ""},
		{"null removes", block, []Edit{set("providers[cloud].key", "null")}, "    key: keyring:openai\n", ""},
		{"the first field of an entry", block, []Edit{remove("providers[local].kind"), set("providers[0].kind", `"ollama"`)}, "    kind: ollama\n    url: http://127.0.0.1:11434 # here\n", "    url: http://127.0.0.1:11434 # here\n    kind: ollama\n"},
		{"nothing", block, nil, "", ""},

		{"in braces: a scalar", flow, []Edit{set("breaker.failures", "7")}, "failures: 3,", "failures: 7,"},
		{"in braces: a field more", flow, []Edit{set("breaker.probes", "2")}, "open_for: 60s }", "open_for: 60s, probes: 2 }"},
		{"in braces: a field less", flow, []Edit{remove("breaker.open_for")}, "failures: 3, open_for: 60s }", "failures: 3 }"},
		{"in braces: the first less", flow, []Edit{remove("breaker.failures")}, "failures: 3, open_for", "open_for"},
		{"in brackets: one more", flow, []Edit{add("providers", `{"name":"c","kind":"gemini"}`)}, `key: "env:B" } ] #`, `key: "env:B" }, { name: c, kind: gemini } ] #`},
		{"in brackets: order", flow, []Edit{move("models[chat].targets[0]", 1)}, "{ provider: local, model: m }, { provider: b, model: nn }", "{ provider: b, model: nn }, { provider: local, model: m }"},
		{"in brackets: one less", flow, []Edit{remove("models[chat].targets[0]")}, "{ provider: local, model: m }, ", ""},
		{"in brackets: the last less", flow, []Edit{remove("models[chat].targets[1]")}, ", { provider: b, model: nn }", ""},
		{"a section without anything", flow, []Edit{set("retry.max_attempts", "2")}, "retry:\n", "retry:\n  max_attempts: 2\n"},
		{"a whole list", flow, []Edit{set("models[chat].targets", `[{"provider":"b","model":"nn"}]`)}, "[ { provider: local, model: m }, { provider: b, model: nn } ]", "[ { provider: b, model: nn } ]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := edited(t, c.text, c.edits...)
			want := strings.Replace(c.text, c.old, c.new, 1)
			if c.name == "a provider less" {
				want = strings.Replace(strings.Replace(c.text, "  - name: cloud   # paid\n    kind: openai\n    key: keyring:openai\n", "", 1), "      - { provider: cloud, model: gpt-4o-mini } # last\n", "", 1)
			}
			if got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if crlf := edited(t, strings.ReplaceAll(c.text, "\n", "\r\n"), c.edits...); crlf != strings.ReplaceAll(want, "\n", "\r\n") {
				t.Errorf("with lines as Windows has them:\n%q", crlf)
			}
		})
	}
}

// TestAFileThatWasNotThere: the first edit makes one, and what was in force by default stays so.
func TestAFileThatWasNotThere(t *testing.T) {
	got := edited(t, "", add("providers", `{"name":"openai","kind":"openai","key":"keyring:openai"}`), set("breaker.failures", "2"), add("models", `{"name":"chat","targets":[{"provider":"local","model":"m"}],"last_resort":["similar"]}`))
	want := `providers:
  - { name: local, kind: ollama, url: http://127.0.0.1:11434 }
  - { name: openai, kind: openai, key: keyring:openai }
breaker:
  failures: 2
models:
  - name: chat
    targets:
      - { provider: local, model: m }
    last_resort: [similar]
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
}

// TestASettingThatIsSwitchedOff: a new one stands where the sample explains it.
func TestASettingThatIsSwitchedOff(t *testing.T) {
	got := edited(t, Sample(), set("breaker.failures", "9"), set("telemetry.file", `"/var/log/c.log"`), add("providers", `{"name":"c","kind":"gemini"}`))
	for _, want := range []string{"# When a target that keeps failing is left alone.\nbreaker:\n  failures: 9\n#breaker:\n", "  format: auto\n  file: /var/log/c.log\n#  file:", "url: http://127.0.0.1:11434\n  - name: c\n    kind: gemini\n#  - name: openai\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if parse(t, got).Breaker.Failures != 9 {
		t.Error("it is not in force")
	}
}

func TestAnEditThatCannotBeDone(t *testing.T) {
	const text = "providers:\n  - { name: a, kind: ollama }\nbreaker: { failures: 3 }\n"
	for _, c := range []struct {
		edit Edit
		want string
	}{
		{set("", "1"), "is not a path"},
		{set("a..b", "1"), "is not a path"},
		{set("[0]", "1"), "is not a path"},
		{set("providers[", "1"), "is not a path"},
		{remove(`providers[""]`), "is not a path"},
		{set(`providers[""].url`, `"x"`), "is not a path"},
		{remove("providers[+0]"), "is not a path"},
		{remove("providers[-0]"), "is not a path"},
		{set("providers[3].url", `"x"`), "the list has 1 entries, counted from 0"},
		{set("providers[nobody].url", `"x"`), `nothing there is named "nobody"`},
		{set("listen[0]", `"x"`), "there is no such list"},
		{set("breaker.failures.more", "1"), "stands in no section"},
		{set("breaker.failures", "{"), "is not JSON"},
		{add("breaker", "1"), "is not a list"},
		{add("models", "null"), "has no value"},
		{remove("retry.base"), "is not set in the file"},
		{move("breaker", 0), "is no entry of a list"},
		{move("providers[a]", 4), "cannot go to place 4 of 1"},
		{Edit{Op: "turn", Path: "listen"}, "use set, add, remove or move"},
	} {
		_, err := Apply("corral.yaml", []byte(text), []Edit{c.edit})
		var bad *EditError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.edit, err, c.want)
		}
	}
	_, err := Apply("corral.yaml", []byte("a: [\n"), []Edit{set("listen", "1")})
	var bad *Errors
	if !errors.As(err, &bad) {
		t.Errorf("no YAML: %v", err)
	}
}

// TestOddTexts: shapes that are seldom seen are edited all the same, or refused, and never to mean something else.
func TestOddTexts(t *testing.T) {
	for _, text := range []string{
		"{}\n", "---\nlisten: 127.0.0.1:1\n", "\ufeffbreaker:\n    failures: 1\n", "breaker: &b { failures: 1 }\n", "breaker: { failures: 1,\n  # why\n  probes: 2 }\n",
		"breaker:\n  failures: 1", "? breaker\n: failures: 1\n", "\"breaker\": {\"failures\": 1}\n", "breaker: ~\n", "breaker: # none\n",
		"models:\n- name: chat\n  targets:\n  - provider: local\n    model: m\n  last_resort:\n  - static: >\n      Two\n      lines\nbreaker:\n  failures: 1 # c\n",
		"listen:\n  127.0.0.1:11435\nbreaker: {failures: 1}\n",
	} {
		out, err := Apply("corral.yaml", []byte(text), []Edit{set("breaker.failures", "42"), set("breaker.probes", "3"), add("hosts", `"a.lan"`), add("hosts", `"b.lan"`), move("hosts[1]", 0)})
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		c := parse(t, string(out))
		if c.Breaker.Failures != 42 || c.Breaker.Probes != 3 || !reflect.DeepEqual(c.Hosts, []string{"b.lan", "a.lan"}) {
			t.Errorf("%q became\n%s", text, out)
		}
		if strings.Count(string(out), "# ") != strings.Count(text, "# ") {
			t.Errorf("%q lost a comment:\n%s", text, out)
		}
	}
}

// TestEveryFieldCanBeSet walks all fields of the config in the whole file and in the sample: each is set to what it is, and
// taken away, and no comment goes.
func TestEveryFieldCanBeSet(t *testing.T) {
	whole, err := os.ReadFile("testdata/whole.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text := "# above\n" + string(whole)
	rep := newReport("")
	readYAML([]byte(text), rep)
	own := func(text string) int { return strings.Count(text, "\n#") + strings.Count(text, "\n  #") }
	for path, at := range rep.places {
		if at.text == "" || strings.Contains(path, `"`) {
			continue
		}
		got := edited(t, text, remove(path))
		if own(got) != own(text) {
			t.Errorf("%s: a comment went", path)
		}
		if strings.HasSuffix(path, "]") || strings.Contains(path, "last_resort") {
			continue // what comes after it moves up
		}
		value, _ := json.Marshal(at.text)
		if back := edited(t, got, set(path, string(value))); own(back) != own(text) {
			t.Errorf("%s: a comment went", path)
		}
	}
}

func FuzzApply(f *testing.F) {
	f.Add("breaker: {failures: 1}\n", "breaker.failures", "2")
	f.Add(Sample(), "providers[0].url", `"http://127.0.0.1:1"`)
	f.Add("a: [1, 2]\n", "a[1]", "null")
	f.Fuzz(func(t *testing.T, text, path, value string) {
		for _, op := range []string{"set", "add", "remove"} {
			out, err := Apply("c", []byte(text), []Edit{{Op: op, Path: path, Value: json.RawMessage(value)}})
			if err == nil && readYAML(out, newReport("c")) == nil && op == "add" {
				t.Errorf("%q: %q", text, out)
			}
		}
	})
}
