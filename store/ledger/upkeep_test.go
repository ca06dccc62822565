package ledger_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/ledgertest"
	"corral/store/ledger/proof"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

func keepContent(o *ledger.Options) { o.KeepContent = true }

func sound(t testing.TB, l *ledger.Ledger) *ledger.Verification {
	t.Helper()
	v := verify(t, l)
	if !v.OK() {
		t.Errorf("verify: %v", v.Problems)
	}
	return v
}

func TestErasingAPersonLeavesTheRestReadable(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 30)
	start := ledgertest.Call(0).Time
	done, err := l.Erase(ctx(t), ledger.Who{User: "user1"})
	if err != nil {
		t.Fatal(err)
	}
	if done.Entries != 10 {
		t.Errorf("%+v", done)
	}
	check := func(l *ledger.Ledger) {
		t.Helper()
		for _, e := range all(t, l, ledger.Filter{Calls: true, To: start.Add(30 * time.Second)}) {
			erased := e.User == ledger.ErasedName
			if erased != (e.Erased != "") || erased != (e.RequestID == "") || (erased && len(e.Prompt.Content) > 0) || e.Tokens.Input != 20 {
				t.Errorf("entry %d: %s", e.Seq, dump(t, e))
			}
		}
		r, err := l.Usage(usage.Query{From: start, To: start.Add(time.Hour), By: usage.User})
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range r.Rows {
			if row.Key == "user1" && row.Sum.Calls != 1 {
				t.Errorf("the name is still known for %d calls", row.Sum.Calls)
			}
		}
		if v := sound(t, l); v.Erased != 10 {
			t.Errorf("verify counts %d erased entries", v.Erased)
		}
	}
	check(l)
	appendCalls(t, l, 31, 32) // user1 comes back
	check(l)
	closeAll()
	check(ledgertest.Open(t, dir, nil))
	if _, err := ledgertestNothing(t); err == nil {
		t.Error("erasing nobody went well")
	}
}

func ledgertestNothing(t *testing.T) (ledger.Erased, error) {
	t.Helper()
	l := ledgertest.Open(t, t.TempDir(), nil)
	if _, err := l.Erase(ctx(t), ledger.Who{User: "stranger"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("erasing a stranger: %v", err)
	}
	return l.Erase(ctx(t), ledger.Who{})
}

// What an attacker has afterwards: all files, the top key, and time. They try every key that is left anywhere on every entry.
func TestAnErasedTextCannotBeGotBack(t *testing.T) {
	for name, who := range map[string]ledger.Who{
		"by user":    {User: "user1"},
		"by request": {RequestID: "req-000004"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
			appendCalls(t, l, 0, 12)
			if _, err := l.Erase(ctx(t), who); err != nil {
				t.Fatal(err)
			}
			target := record.Entry{}
			for _, e := range all(t, l, ledger.Filter{Calls: true}) {
				if e.Erased != "" {
					target = *e
				}
			}
			// The key is gone from the key file in every generation: the ids that the sealed record names are nowhere in it.
			if target.Erased == "" || target.RequestID != "" || target.Prompt.Content != nil || target.Prompt.Commitment != (record.Commitment{}) {
				t.Fatalf("not erased: %s", dump(t, target))
			}
			if _, err := l.Prove(ctx(t), target.Seq, true); !errors.Is(err, vault.ErrGone) {
				t.Errorf("an erased entry can be shown: %v", err)
			}
			bundle, err := l.Prove(ctx(t), target.Seq, false)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := proof.Verify(bundle, l.PublicKey()); err != nil {
				t.Errorf("an erased entry cannot be proved any more: %v", err)
			}
			closeAll()
			var b proof.Bundle
			if err := json.Unmarshal(bundle, &b); err != nil {
				t.Fatal(err)
			}
			r, err := record.Parse(b.Leaf)
			if err != nil {
				t.Fatal(err)
			}
			v, err := vault.Open(filepath.Join(dir, vault.FileName), vault.FromFile(filepath.Join(dir, "top.key")))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = v.Close() }()
			tried := 0
			for _, id := range v.All() {
				key, err := v.Key(id)
				if err != nil {
					t.Fatal(err)
				}
				entry := r.EntryKey(&key)
				for _, k := range []record.Key{key, entry} {
					if _, err := r.Open(&k, nil); err == nil {
						t.Error("a key that is left opens it")
					}
				}
				// Wrapped entry keys on pages of the database that are free now: any 72 bytes of the file might be one.
				tried++
			}
			if tried == 0 {
				t.Error("no keys were tried")
			}
			raw, err := os.ReadFile(filepath.Join(dir, store.FileName))
			if err != nil {
				t.Fatal(err)
			}
			if found := ledger.TryWrapped(v, raw, target.Seq, r); found {
				t.Error("a wrapped key on some page opens it")
			}
		})
	}
}

func TestErasingOneRequestKeepsItsNeighbours(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 30)
	for _, id := range []string{"req-000004", "req-000010"} { // both of user1, so the second is wrapped anew before it goes
		if _, err := l.Erase(ctx(t), ledger.Who{RequestID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Erase(ctx(t), ledger.Who{RequestID: "req-000004"}); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("a second time: %v", err)
	}
	appendCalls(t, l, 30, 36)
	check := func(l *ledger.Ledger) {
		t.Helper()
		readable := 0
		for _, e := range all(t, l, ledger.Filter{Calls: true}) {
			if e.Erased == "" {
				readable++
				if !e.Prompt.Commitment.Opens(e.Prompt.Content) {
					t.Errorf("entry %d does not open", e.Seq)
				}
			}
		}
		if readable != 34 {
			t.Errorf("%d entries are readable, want 34", readable)
		}
		if v := sound(t, l); v.Erased != 2 {
			t.Errorf("verify counts %d erased entries", v.Erased)
		}
	}
	check(l)
	closeAll()
	l = ledgertest.Open(t, dir, nil)
	check(l)
	done, err := l.Erase(ctx(t), ledger.Who{User: "user1"})
	if err != nil || done.Entries != 10 {
		t.Fatalf("then the whole person: %+v, %v", done, err)
	}
	sound(t, l)
}

func TestRotateKeyWhileCallsGoOn(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 10)
	before := files(t, dir)["top.key"]
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for n := 10; ; n++ {
			select {
			case <-stop:
				done <- nil
				return
			default:
			}
			if err := l.AppendStrict(context.Background(), ledgertest.Call(n)); err != nil {
				done <- err
				return
			}
		}
	}()
	for range 3 {
		if err := l.RotateKey(ctx(t)); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	closeAll()
	if files(t, dir)["top.key"] == before {
		t.Error("the top key is the same")
	}
	l = ledgertest.Open(t, dir, nil)
	sound(t, l)
	for _, e := range all(t, l, ledger.Filter{}) {
		if e.Erased != "" {
			t.Fatalf("entry %d cannot be read", e.Seq)
		}
	}
}

func TestRetentionTakesContentFirstAndEntriesLater(t *testing.T) {
	dir := t.TempDir()
	now := ledgertest.Call(0).Time
	var clock atomic.Int64
	clock.Store(now.UnixNano())
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), func(o *ledger.Options) {
		o.KeepContent, o.HeadEvery = true, 100
		o.Now = func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	})
	big := strings.Repeat("words ", 2000)
	for n := range 600 {
		e := ledgertest.Call(n)
		now = e.Time.Add(time.Duration(n) * 24 * time.Hour / 100) // six days
		clock.Store(now.UnixNano())
		e.Time = now
		e.Prompt.Content = []byte(big)
		if err := l.AppendStrict(ctx(t), e); err != nil {
			t.Fatal(err)
		}
	}
	total := func() int64 {
		r, err := l.Usage(usage.Query{From: now.AddDate(0, 0, -30), To: now.Add(time.Hour), By: usage.Total})
		if err != nil {
			t.Fatal(err)
		}
		return r.Total.Cost
	}
	cost := total()
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, store.FileName))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()

	done, err := l.Retain(ctx(t), ledger.Retention{ContentAge: 48 * time.Hour, EntryAge: 96 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	if done.ContentBelow < 390 || done.ContentBelow > 410 || done.EntriesBelow < 190 || done.EntriesBelow > 210 || done.Keys == 0 {
		t.Errorf("%+v", done)
	}
	if after := size(); after > before/2 {
		t.Errorf("the file has %d bytes of %d", after, before)
	}
	v := sound(t, l)
	if v.From != done.EntriesBelow || v.Removed == 0 {
		t.Errorf("%+v", v)
	}
	for _, e := range all(t, l, ledger.Filter{Calls: true}) {
		if e.Erased != "" || (len(e.Prompt.Content) > 0) != (e.Seq >= done.ContentBelow) {
			t.Errorf("entry %d: erased %q, %d bytes of content", e.Seq, e.Erased, len(e.Prompt.Content))
		}
	}
	if total() != cost {
		t.Error("the usage sums have changed")
	}
	bundle, err := l.Prove(ctx(t), done.EntriesBelow+1, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Verify(bundle, l.PublicKey()); err != nil {
		t.Error(err)
	}

	if done, err = l.Retain(ctx(t), ledger.Retention{ContentBytes: 200_000, EntryBytes: 40_000}); err != nil {
		t.Fatal(err)
	}
	status, err := l.Status()
	if err != nil {
		t.Fatal(err)
	}
	if status.ContentBytes > 200_000 || status.EntryBytes > 42_000 || status.ContentBytes == 0 || status.EntryBytes == 0 {
		t.Errorf("%+v", status)
	}
	appendCalls(t, l, 600, 650)
	sound(t, l)
	closeAll()
	l = ledgertest.Open(t, dir, nil)
	sound(t, l)
	appendCalls(t, l, 650, 660)
	sound(t, l)
}

// A clock that was in the future for a call does not end retention: what is old goes on being removed after that call's entry.
func TestAnEntryFromTheFutureProtectsNothing(t *testing.T) {
	now := ledgertest.Call(0).Time
	var clock atomic.Int64
	clock.Store(now.Add(-60 * 24 * time.Hour).UnixNano())
	l, _ := ledgertest.OpenWith(t, t.TempDir(), storeOptions(), func(o *ledger.Options) {
		o.KeepContent, o.Now = true, func() time.Time { return time.Unix(0, clock.Load()).UTC() }
	})
	clock.Store(now.UnixNano())
	for n, age := range []time.Duration{50 * 24 * time.Hour, -70 * 365 * 24 * time.Hour, 40 * 24 * time.Hour, time.Hour, 0} {
		e := ledgertest.Call(n)
		e.Time = now.Add(-age)
		e.Prompt.Content = []byte("words")
		if err := l.AppendStrict(ctx(t), e); err != nil {
			t.Fatal(err)
		}
	}
	done, err := l.Retain(ctx(t), ledger.Retention{ContentAge: 30 * 24 * time.Hour})
	if err != nil || done.ContentBelow != 4 { // the ledger's own beginning is entry 0
		t.Errorf("%+v %v", done, err)
	}
}

func TestRemovingMoreThanIsOnRecordIsSeen(t *testing.T) {
	dir := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, dir, storeOptions(), keepContent)
	appendCalls(t, l, 0, 50)
	if _, err := l.Retain(ctx(t), ledger.Retention{ContentBytes: 2000, EntryBytes: 12000}); err != nil {
		t.Fatal(err)
	}
	from := sound(t, l).From
	closeAll()
	key := copyDir(t, dir)
	v, err := vault.Open(filepath.Join(key, vault.FileName), vault.FromFile(filepath.Join(key, "top.key")))
	if err != nil {
		t.Fatal(err)
	}
	// Someone destroys a person's keys with another tool, so that no entry tells of it.
	if err := v.Destroy(v.Of(vault.Who{Kind: "user", Name: "user2"})...); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if got := verify(t, ledgertest.Open(t, key, nil)); got.OK() || got.Problems[0].Kind != "unreadable" {
		t.Errorf("keys destroyed in silence: %+v", got.Problems)
	}
	if from == 0 {
		t.Error("nothing was pruned")
	}
}

func TestProofs(t *testing.T) {
	dir := t.TempDir()
	l := ledgertest.Open(t, dir, keepContent)
	appendCalls(t, l, 0, 20)
	public := l.PublicKey()
	bundle, err := l.Prove(ctx(t), 7, true)
	if err != nil {
		t.Fatal(err)
	}
	got, err := proof.Verify(bundle, public)
	if err != nil {
		t.Fatal(err)
	}
	if got.Entry == nil || got.Entry.RequestID != "req-000006" || string(got.Entry.Prompt.Content) != "What is 6 and a half?" {
		t.Errorf("%+v", got)
	}
	closed, err := l.Prove(ctx(t), 7, false)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(closed), `"key"`) {
		t.Error("a closed proof has a key in it")
	}
	if got, err := proof.Verify(closed, public); err != nil || got.Entry != nil || got.Row.Status != 200 {
		t.Errorf("closed: %+v, %v", got, err)
	}
	other := ledgertest.Open(t, t.TempDir(), nil).PublicKey()
	if _, err := proof.Verify(bundle, other); !errors.Is(err, proof.ErrProof) {
		t.Errorf("with another ledger's key: %v", err)
	}
	var b map[string]any
	if err := json.Unmarshal(bundle, &b); err != nil {
		t.Fatal(err)
	}
	for field, bad := range map[string]any{
		"seq": 8, "leaf": "AQ==", "path": []string{}, "head": "nothing", "key": strings.Repeat("A", 43) + "=", "content": "AAAA", "format": "x",
	} {
		old := b[field]
		b[field] = bad
		raw, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := proof.Verify(raw, public); !errors.Is(err, proof.ErrProof) {
			t.Errorf("%s spoiled: %v", field, err)
		}
		b[field] = old
	}
	if _, err := l.Prove(ctx(t), 999, true); !errors.Is(err, ledger.ErrNotFound) {
		t.Errorf("an entry that is not there: %v", err)
	}
}

func TestExports(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 5)
	for format, want := range map[ledger.Format]string{
		ledger.JSONLines: `"request_id":"req-000003"`,
		ledger.OCSF:      `"class_uid":6003`,
	} {
		var out strings.Builder
		if err := l.Export(ctx(t), &out, format, ledger.Filter{Calls: true}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		if len(lines) != 5 || !strings.Contains(lines[3], want) {
			t.Errorf("%s: %d lines, %s", format, len(lines), lines[3])
		}
		for _, line := range lines {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s: not JSON: %s", format, line)
			}
		}
	}
	if err := l.Export(ctx(t), &strings.Builder{}, "xml", ledger.Filter{}); err == nil {
		t.Error("an unknown format was taken")
	}
}

func TestOCSFHasWhatTheSchemaAsksFor(t *testing.T) {
	l := ledgertest.Open(t, t.TempDir(), nil)
	appendCalls(t, l, 0, 1)
	for _, e := range []record.Entry{
		{Kind: record.Call, Time: time.Now(), Status: 400},                  // refused before anything was known of it
		{Kind: record.Call, Time: time.Now(), Status: 200, Caller: "key_1"}, // a key, and neither user nor app
		{Kind: record.Call, Time: time.Now(), Status: 200, User: "alice", Operation: "chat", Dialect: "openai", Peer: "127.0.0.1", RequestID: "req-alice"},
	} {
		if err := l.AppendStrict(ctx(t), e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.Erase(ctx(t), ledger.Who{User: "alice"}); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := l.Export(ctx(t), &out, ledger.OCSF, ledger.Filter{}); err != nil {
		t.Fatal(err)
	}
	type object = map[string]any
	has := func(o any, names ...string) bool {
		m, _ := o.(object)
		return slices.ContainsFunc(names, func(n string) bool { return m[n] != nil })
	}
	var blank func(o object) []string
	blank = func(o object) (found []string) {
		for name, v := range o {
			if m, ok := v.(object); ok {
				found = append(found, blank(m)...)
			}
			if v == "" || v == nil {
				found = append(found, name)
			}
		}
		return found
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		var e object
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"activity_id", "actor", "api", "category_uid", "class_uid", "metadata", "severity_id", "src_endpoint", "time", "type_uid"} {
			if !has(e, name) {
				t.Errorf("no %s: %s", name, line)
			}
		}
		actor, _ := e["actor"].(object)
		api, _ := e["api"].(object)
		if !has(actor, "app_name", "user") || actor["user"] != nil && !has(actor["user"], "name", "uid") || !has(api, "operation") || !has(api["service"], "name") ||
			!has(e["src_endpoint"], "ip", "name") || e["dst_endpoint"] != nil && !has(e["dst_endpoint"], "svc_name") {
			t.Errorf("an object lacks what it must have: %s", line)
		}
		if found := blank(e); len(found) > 0 && !slices.Equal(found, []string{"cost_nano_usd"}) {
			t.Errorf("says nothing in %v: %s", found, line)
		}
	}
}

// New keys of the ledger's own in place of lost ones would make it look as if someone had edited every entry, and nobody would be told why.
func TestALedgerWhoseKeyFileIsLostOrCutDoesNotOpen(t *testing.T) {
	sound := t.TempDir()
	l, closeAll := ledgertest.OpenWith(t, sound, storeOptions(), nil)
	appendCalls(t, l, 0, 10)
	closeAll()
	for name, spoil := range map[string]func(path string) error{
		"lost":             os.Remove,
		"empty":            func(path string) error { return os.Truncate(path, 0) },
		"cut to a part":    func(path string) error { return os.Truncate(path, 128+2*128) },
		"cut to its title": func(path string) error { return os.Truncate(path, 128) },
		"zeros":            func(path string) error { return os.WriteFile(path, make([]byte, 32<<10), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := copyDir(t, sound)
			path := filepath.Join(dir, vault.FileName)
			if err := spoil(path); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the first try must not make it look well to the second
				db, err := store.Open(dir, storeOptions())
				if err != nil {
					t.Fatal(err)
				}
				l, err := ledger.Open(db, ledgertest.Options(dir))
				if !errors.Is(err, vault.ErrKeyFile) || !strings.Contains(err.Error(), "backup") {
					t.Errorf("%v", err)
				}
				if err == nil {
					_ = l.Close(ctx(t))
				}
				if err := db.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}
