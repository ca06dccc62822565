package daemon_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"corral/daemon/admin"
	"corral/daemon/client"
	"corral/daemon/config"
)

// listener is a server that remembers which keys it was shown.
type listener struct {
	url string
	mu  sync.Mutex
	got []string
}

func newListener(t *testing.T) *listener {
	l := &listener{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.got = append(l.got, r.Header.Get("Authorization"))
		fmt.Fprint(w, `{"object":"list","data":[]}`)
	}))
	t.Cleanup(s.Close)
	l.url = s.URL + "/v1"
	return l
}

func (l *listener) heard() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.got, " ")
}

// TestASessionHasNoKeptKeySentElsewhere: with a page's session nobody may learn a key, or what is in a file, by naming a server
// of one's own; who typed the key in it, or holds the token, may send it where they like.
func TestASessionHasNoKeptKeySentElsewhere(t *testing.T) {
	home, thief := newListener(t), newListener(t)
	corral := boot(t, fmt.Sprintf("providers: [ { name: cloud, kind: openai, url: %q, key: keyring:cloud } ]\n", home.url))
	api, ctx := corral.api(), t.Context()
	if _, err := api.SetSecret(ctx, "cloud", "sk-cloud-secret"); err != nil {
		t.Fatal(err)
	}
	page := corral.browser()
	token := "file:" + filepath.Join(corral.dir, admin.TokenFile)
	try := func(url, key string) gjson.Result {
		t.Helper()
		res, got := page.do("POST", "/providers/test", fmt.Sprintf(`{"kind":"openai","url":%q,"key":%q}`, url, key))
		if res.StatusCode != 200 {
			t.Fatalf("%s %s", res.Status, got)
		}
		return gjson.Parse(got)
	}
	for _, key := range []string{"keyring:cloud", token, "env:HOME"} {
		if got := try(thief.url, key); !strings.Contains(got.Get("problem").Str, "not sent to "+strings.TrimSuffix(thief.url, "/v1")) {
			t.Errorf("%s: %s", key, got)
		}
	}
	if got := try(home.url, "keyring:cloud"); got.Get("auth").Str != "ok" || !strings.Contains(home.heard(), "Bearer sk-cloud-secret") {
		t.Errorf("its own server: %s", got)
	}

	// Nor by the config: another address for the same key, a new provider with it, or the headers of traces.
	revision := func() string {
		_, file := page.do("GET", "/config", "")
		return `If-Match: "` + gjson.Get(file, "revision").Str + `"`
	}
	edit := func(edits string) (*http.Response, string) {
		return page.do("PATCH", "/config", `{"edits":[`+edits+`]}`, revision())
	}
	before, _ := os.ReadFile(corral.file)
	move := fmt.Sprintf(`{"op":"set","path":"providers[cloud].url","value":%q}`, thief.url)
	for what, edits := range map[string]string{
		"another address": move,
		"a new provider":  fmt.Sprintf(`{"op":"add","path":"providers","value":{"name":"mine","kind":"openai","url":%q,"key":"keyring:cloud"}}`, thief.url),
		"a file":          fmt.Sprintf(`{"op":"add","path":"providers","value":{"name":"mine","kind":"openai","url":%q,"key":%q}}`, thief.url, token),
		"traces":          fmt.Sprintf(`{"op":"set","path":"telemetry.otlp","value":%q},{"op":"add","path":"telemetry.otlp_headers","value":{"name":"X-Key","value":"keyring:cloud"}}`, thief.url),
	} {
		if res, got := edit(edits); res.StatusCode != 422 || !strings.Contains(got, "not sent to") {
			t.Errorf("%s: %s %s", what, res.Status, got)
		}
		if _, got := page.do("PATCH", "/config", `{"dry_run":true,"edits":[`+edits+`]}`); gjson.Get(got, "valid").Bool() {
			t.Errorf("%s: its review says that it may be written: %s", what, got)
		}
	}
	text := strings.ReplaceAll(string(before), home.url, thief.url)
	if res, got := page.do("PUT", "/config", `{"text":`+strconv.Quote(text)+`}`, revision()); res.StatusCode != 422 {
		t.Errorf("the whole text: %s %s", res.Status, got)
	}
	if now, _ := os.ReadFile(corral.file); string(now) != string(before) {
		t.Errorf("the file is\n%s", now)
	}
	if heard := thief.heard(); strings.Contains(heard, "secret") || strings.Contains(heard, corral.token()) {
		t.Errorf("it heard %s", heard)
	}

	// Another session that knows the key may move it, and so may the token's holder.
	if res, got := page.do("PUT", "/secrets/cloud", `{"key":"sk-cloud-typed"}`); res.StatusCode != 200 {
		t.Fatalf("%s %s", res.Status, got)
	}
	if res, got := edit(move); res.StatusCode != 200 {
		t.Errorf("it was typed here: %s %s", res.Status, got)
	}
	other := corral.browser()
	if res, _ := other.do("PATCH", "/config", `{"edits":[`+strings.ReplaceAll(move, thief.url, home.url)+`]}`, revision()); res.StatusCode != 422 {
		t.Errorf("it was not typed in this session: %s", res.Status)
	}
	file, err := api.ConfigFile(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.EditConfig(ctx, file.Revision, false, config.Edit{Op: "set", Path: "providers[cloud].url", Value: []byte(strconv.Quote(home.url))}); err != nil {
		t.Errorf("the token's holder: %v", err)
	}
	// What was typed under a name says nothing of what its owner keeps there later.
	if _, err := api.SetSecret(ctx, "cloud", "sk-cloud-anew"); err != nil {
		t.Fatal(err)
	}
	if res, _ := edit(move); res.StatusCode != 422 {
		t.Errorf("another key was kept under the name since: %s", res.Status)
	}
}

// TestWhatTheOperatorDoesIsOnRecord, though whoever did it hangs up at once.
func TestWhatTheOperatorDoesIsOnRecord(t *testing.T) {
	corral := boot(t, echo(t).config())
	api, ctx := corral.api(), t.Context()
	key, err := api.CreateKey(ctx, "phone", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := api.RevokeKey(ctx, "phone"); err != nil {
		t.Fatal(err)
	}
	if _, err := api.SetSecret(ctx, "cloud", "sk-cloud-secret"); err != nil {
		t.Fatal(err)
	}
	if err := api.RemoveSecret(ctx, "cloud"); err != nil {
		t.Fatal(err)
	}
	var notes []string
	if err := api.ExportEntries(ctx, client.Query{}, func(e *admin.Entry) error {
		notes = append(notes, e.Note)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	all := strings.Join(notes, "\n")
	for _, want := range []string{"app key made: phone (" + key.Key.ID + ")", "app key revoked: phone", "key of a provider kept: cloud", "key of a provider removed: cloud"} {
		if !strings.Contains(all, want) {
			t.Errorf("%q is not among %q", want, notes)
		}
	}
	if strings.Contains(all, "sk-cloud") || strings.Contains(all, key.Secret) {
		t.Errorf("a key is among %q", notes)
	}
}
