package daemon_test

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"corral/daemon"
	"corral/daemon/client"
	"corral/daemon/config"
	"corral/store/ledger"
	"corral/testkit/raw"
)

// An operator who lowers a limit sees it kept when asking for it; the next start keeps it as well.
func TestTheLedgersLimitsAreKept(t *testing.T) {
	model := serve(t, func(c net.Conn, _ *http.Request, body string) bool { return raw.Reply(c, "application/json", body) })
	limits := func(s string) string { return model.config("audit: { content: encrypted, " + s + " }") }
	corral := boot(t, limits("max_content: 1GiB"))
	api, ctx := corral.api(), context.Background()
	text := strings.Repeat("what was said ", 200)
	const calls = 40
	for range calls {
		corral.do("POST", "/api/generate", `{"model":"m","prompt":"`+text+`"}`)
	}
	whole := func(api *client.Client) *ledger.Verification {
		t.Helper()
		v, err := api.Verify(ctx, func(uint64, uint64) {})
		if err != nil || v.Err() != nil {
			t.Fatal(err, v.Err())
		}
		return v
	}
	has := func(api *client.Client, seq string) bool {
		t.Helper()
		e, err := api.Entry(ctx, seq)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(e.Prompt.Content), text)
	}
	if !eventually(func() bool { _, err := api.Entry(ctx, "#40"); return err == nil }) {
		t.Fatal("the last entry does not come")
	}
	if !has(api, "#1") || !has(api, "#40") {
		t.Fatal("texts are kept")
	}
	whole(api)
	if done, err := api.Retain(ctx); err != nil || done.Changed {
		t.Fatalf("nothing was beyond the limits: %+v, %v", done, err)
	}

	corral.rewrite(limits("max_content: 32KiB"))
	done, err := api.Retain(ctx)
	if err != nil || !done.Changed || done.ContentBelow < 20 || done.ContentBelow > 40 || done.EntriesBelow != 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if has(api, "#1") || !has(api, "#40") {
		t.Error("of the texts the oldest go")
	}
	if v := whole(api); v.Removed == 0 {
		t.Errorf("%+v", v)
	}

	corral.stop()
	<-corral.finished
	if err := os.WriteFile(corral.file, []byte(limits("max_entries: 4KiB")), 0o600); err != nil {
		t.Fatal(err)
	}
	again, stop := context.WithCancel(ctx)
	listening, ended := make(chan string, 1), make(chan error, 1)
	go func() {
		ended <- daemon.Run(again, daemon.Options{
			Config: config.Source{Path: corral.file, Explicit: true, Flags: map[string]string{"listen": "127.0.0.1:0"}}, DataDir: corral.dir, Version: "test",
			Level: new(slog.LevelVar), Log: slog.New(slog.NewJSONHandler(corral.log, nil)), Listening: func(addr string) { listening <- addr },
		})
	}()
	select {
	case <-listening:
	case err := <-ended:
		t.Fatal(err)
	}
	api = corral.api()
	if !eventually(func() bool { return whole(api).From > 0 }) {
		t.Error("the start did not keep the limit")
	}
	if report, err := api.Usage(ctx, client.Query{"by": {"model"}}); err != nil || report.Total.Calls != calls {
		t.Errorf("usage stays when entries go: %+v, %v", report, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestARefusalByTheOperatorAPISaysWhatWasWrong(t *testing.T) {
	corral := boot(t, "")
	_, err := corral.api().Usage(context.Background(), client.Query{"by": {"moon"}})
	if err == nil || !strings.Contains(err.Error(), "moon") || !strings.Contains(err.Error(), "provider") {
		t.Errorf("%v", err)
	}
}

// A person knows the name of a key, and the ledger its id. Of several keys of one name the newest is meant.
func TestEntriesAreChosenAndErasedByTheNameOfTheirKey(t *testing.T) {
	u := echo(t)
	corral := boot(t, u.config("auth: required"))
	api, ctx := corral.api(), context.Background()
	var ids []string
	for range 2 {
		k, err := api.CreateKey(ctx, "notes", 0)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, k.Key.ID)
		corral.do("POST", "/api/generate", `{"model":"m"}`, "X-Api-Key: "+k.Secret)
		if _, err := api.RevokeKey(ctx, k.Key.ID); err != nil {
			t.Fatal(err)
		}
	}
	of := func(caller string) (callers []string) {
		t.Helper()
		entries, err := api.Entries(ctx, client.Query{"caller": {caller}})
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			callers = append(callers, e.Caller)
		}
		return callers
	}
	if !eventually(func() bool { return slices.Equal(of("notes"), ids[1:]) }) {
		t.Fatalf("by name: %v of %v", of("notes"), ids)
	}
	if got := of(ids[0]); !slices.Equal(got, ids[:1]) {
		t.Errorf("by id: %v of %v", got, ids)
	}
	if done, err := api.Erase(ctx, client.Who{Caller: "notes"}); err != nil || done.Entries != 1 {
		t.Errorf("erased: %+v, %v", done, err)
	}
	if got := of(ids[0]); !slices.Equal(got, ids[:1]) {
		t.Errorf("the other key's entry went too: %v", got)
	}
}
