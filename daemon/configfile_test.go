package daemon_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
)

// TestTheOperatorChangesTheConfig: an edit keeps the rest of the file, is in force at once, and is told and put on record.
func TestTheOperatorChangesTheConfig(t *testing.T) {
	text := "# mine\nbreaker: { failures: 4 } # few\n" + echo(t).config()
	corral := boot(t, text)
	api, ctx := corral.api(), t.Context()
	file, err := api.ConfigFile(ctx)
	if err != nil || file.Text != text || !file.Exists || !file.Writable || file.Path != corral.file || file.Shadowed["listen"] != "the command line" {
		t.Fatalf("%v %+v", err, file)
	}
	edit := config.Edit{Op: "set", Path: "breaker.failures", Value: []byte("7")}
	dry, err := api.EditConfig(ctx, "", true, edit)
	if err != nil || !dry.Valid || dry.Written || !strings.Contains(dry.Diff, "+breaker: { failures: 7 } # few\n") || len(dry.Changes) != 1 || dry.Changes[0] != (config.Change{Field: "breaker.failures", From: "4", To: "7"}) {
		t.Fatalf("%v %+v", err, dry)
	}
	if b, _ := os.ReadFile(corral.file); string(b) != text {
		t.Fatal("a dry run wrote")
	}
	done, err := api.EditConfig(ctx, file.Revision, false, edit)
	if err != nil || !done.Written || done.Revision == file.Revision {
		t.Fatalf("%v %+v", err, done)
	}
	want := strings.Replace(text, "failures: 4", "failures: 7", 1)
	if b, _ := os.ReadFile(corral.file); string(b) != want {
		t.Errorf("the file is\n%s", b)
	}
	now, err := api.ConfigFile(ctx)
	if err != nil || now.Revision != done.Revision || now.Effective["breaker"].(map[string]any)["failures"] != 7.0 {
		t.Errorf("%v %+v", err, now)
	}
	if !strings.Contains(corral.log.String(), "the operator wrote the config") {
		t.Error("the log does not have it")
	}

	// Two who began with the same file: the second one is told, and nothing of the first one's change is lost.
	var refused *client.Error
	if _, err := api.EditConfig(ctx, file.Revision, false, edit); !errors.As(err, &refused) || refused.Status != http.StatusPreconditionFailed {
		t.Errorf("an old revision: %v", err)
	}
	if _, err := api.WriteConfig(ctx, file.Revision, text); !errors.As(err, &refused) || refused.Status != http.StatusPreconditionFailed {
		t.Errorf("an old revision: %v", err)
	}
	if res, _ := corral.browser().do("PUT", "/config", `{"text":"shutdown: 1s"}`); res.StatusCode != http.StatusPreconditionRequired {
		t.Errorf("no revision: %s", res.Status)
	}
	// What is not valid is not written, and said with its place.
	if _, err := api.WriteConfig(ctx, done.Revision, "shutdown: soon\n"); !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), "corral.yaml:1:11: shutdown") {
		t.Errorf("not valid: %v", err)
	}
	checked, err := api.CheckConfig(ctx, "listen: 127.0.0.1:1\naudit: { content: encrypted }\nbreaker:\n  failures: 0\n")
	if err != nil || checked.Valid || checked.Problems[0].Line != 4 || checked.Problems[0].Field != "breaker.failures" {
		t.Errorf("%v %+v", err, checked)
	}
	checked, err = api.CheckConfig(ctx, "audit: { content: encrypted }\n")
	if err != nil || !checked.Valid || strings.Join(checked.NeedsRestart, " ") != "audit" {
		t.Errorf("%v %+v", err, checked)
	}
	checked, err = api.CheckConfig(ctx, "listen: 127.0.0.1:1\n")
	if err != nil || !checked.Valid || len(checked.Held) != 1 || !strings.HasPrefix(checked.Held[0], "listen is set by a flag ") {
		t.Errorf("a flag holds: %v %+v", err, checked)
	}
	if b, _ := os.ReadFile(corral.file); string(b) != want {
		t.Errorf("the file is\n%s", b)
	}
	var notes []string
	err = api.ExportEntries(ctx, client.Query{}, func(e *admin.Entry) error {
		notes = append(notes, e.Note)
		return nil
	})
	if err != nil || !strings.Contains(strings.Join(notes, "\n"), "config written: breaker") {
		t.Errorf("the ledger has %q, %v", notes, err)
	}
}

// TestAKeyInTheConfigIsNotShownToThePage: who wrote a key into the file gets told, and no answer, log or file beside holds it.
func TestAKeyInTheConfigIsNotShownToThePage(t *testing.T) {
	corral := boot(t, echo(t).config())
	const key = "sk-hunter2hunter2hunter2"
	bad := "providers: [ { name: a, kind: openai, key: " + key + " } ]\n"
	b := corral.browser()
	_, checked := b.do("POST", "/config/check", `{"text":`+strconv.Quote(bad)+`}`)
	_, file := b.do("GET", "/config", "")
	_, put := b.do("PUT", "/config", `{"text":`+strconv.Quote(bad)+`}`, "If-Match: "+gjson.Get(file, "revision").Str)
	if err := os.WriteFile(corral.file, []byte(bad), 0o600); err != nil {
		t.Fatal(err)
	}
	_, after := b.do("GET", "/config", "")
	if gjson.Get(checked, "valid").Bool() || !gjson.Get(after, "hidden").Bool() || len(gjson.Get(after, "problems").Array()) == 0 {
		t.Errorf("%s\n%s", checked, after)
	}
	for what, text := range map[string]string{"check": checked, "write": put, "show": after, "log": corral.log.String()} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", what, text)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(filepath.Dir(corral.file), "*.bak")); len(left) != 0 {
		t.Errorf("%q", left)
	}
}

// TestAConfigThatIsGoneIsNotEdited: what edits a file that is not there any more would write the edit alone, and all else that is in force
// would be out of it.
func TestAConfigThatIsGoneIsNotEdited(t *testing.T) {
	text := "breaker: { failures: 4 }\n" + echo(t).config()
	corral := boot(t, text)
	api, ctx := corral.api(), t.Context()
	edit := config.Edit{Op: "set", Path: "breaker.failures", Value: []byte("7")}
	for _, was := range []struct {
		empty bool
		says  []string
	}{{false, []string{"is gone", "corral config init"}}, {true, []string{"is empty", "put it back"}}} {
		err := os.Remove(corral.file)
		if was.empty {
			err = os.WriteFile(corral.file, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		file, err := api.ConfigFile(ctx)
		if err != nil || len(file.Problems) != 1 || !strings.Contains(file.Problems[0].Message, was.says[0]) {
			t.Errorf("%v: %v %+v", was, err, file.Problems)
		}
		if dry, err := api.EditConfig(ctx, "", true, edit); err != nil || dry.Valid || !strings.Contains(dry.Problems[0].Message, was.says[0]) {
			t.Errorf("%v: dry: %v %+v", was, err, dry.Problems)
		}
		_, edited := api.EditConfig(ctx, file.Revision, false, edit)
		_, written := api.WriteConfig(ctx, file.Revision, "breaker: { failures: 7 }\n")
		for _, err := range []error{edited, written} {
			var refused *client.Error
			if !errors.As(err, &refused) || refused.Status != http.StatusUnprocessableEntity || !strings.Contains(err.Error(), was.says[0]) || !strings.Contains(err.Error(), was.says[1]) {
				t.Errorf("%v: %v", was, err)
			}
		}
		if now, err := os.ReadFile(corral.file); (err == nil) != was.empty || len(now) > 0 {
			t.Errorf("%v: it was written: %q %v", was, now, err)
		}
		if now, err := api.ConfigFile(ctx); err != nil || now.Effective["breaker"].(map[string]any)["failures"] != 4.0 || len(now.Effective["providers"].([]any)) != 1 {
			t.Errorf("%v: not in force any more: %v %v", was, err, now.Effective)
		}
	}
	if err := os.WriteFile(corral.file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := api.ConfigFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.EditConfig(ctx, file.Revision, false, edit); err != nil {
		t.Errorf("put back: %v", err)
	}
}
