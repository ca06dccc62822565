// Package ledgertest opens ledgers for tests.
package ledgertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"corral/store"
	"corral/store/ledger"
	"corral/store/ledger/record"
	"corral/store/ledger/treehead"
	"corral/store/ledger/vault"
)

// Options are ledger options with keys in files of dir, and an anchor file beside them.
func Options(dir string) ledger.Options {
	return ledger.Options{
		TopKey:     vault.FromFile(filepath.Join(dir, "top.key")),
		SigningKey: vault.FromFile(filepath.Join(dir, "signing.key")),
		Anchors:    []treehead.Anchor{Anchor(dir)},
	}
}

// Anchor is the anchor file of dir.
func Anchor(dir string) treehead.File { return treehead.File{Path: filepath.Join(dir, "anchor.jsonl")} }

// Open opens the ledger of dir. What is open when the test ends is closed then.
func Open(t testing.TB, dir string, change func(*ledger.Options)) *ledger.Ledger {
	t.Helper()
	l, _ := OpenWith(t, dir, store.Options{}, change)
	return l
}

// OpenWith is Open with options for the database too. close closes both early.
func OpenWith(t testing.TB, dir string, so store.Options, change func(*ledger.Options)) (l *ledger.Ledger, closeAll func()) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	db, err := store.Open(dir, so)
	if err != nil {
		t.Fatal(err)
	}
	opts := Options(dir)
	if change != nil {
		change(&opts)
	}
	l, err = ledger.Open(db, opts)
	if err != nil {
		_ = db.Close()
		t.Fatal(err)
	}
	closed := false
	closeAll = func() {
		t.Helper()
		if closed {
			return
		}
		closed = true
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := l.Close(ctx); err != nil {
			t.Errorf("close ledger: %v", err)
		}
		if err := db.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	}
	t.Cleanup(closeAll)
	return l, closeAll
}

// Call is a plausible call, a different one for each n.
func Call(n int) record.Entry {
	return record.Entry{
		Time:      time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Second),
		RequestID: fmt.Sprintf("req-%06d", n), TraceID: "4bf92f3577b34da6a3ce929d0e0e4736",
		Caller: "key_1f2e3d", User: fmt.Sprintf("user%d", n%3), App: "editor", Dialect: "openai", Operation: "chat",
		ModelAsked: "chat", ModelAnswered: "llama3.2", ModelDigest: "sha256:a80c4f17acd5", Provider: "local", Route: "first target",
		Status: 200, Prompt: record.Text{Content: fmt.Appendf(nil, "What is %d and a half?", n)},
		Answer:   record.Text{Content: fmt.Appendf(nil, "It is %d.5, I think.", n)},
		Duration: 1500 * time.Millisecond, FirstToken: 120 * time.Millisecond,
		Tokens: record.Tokens{Input: 20, Output: 10, CachedInput: 5}, Cost: record.Nano(int64(1000 + n)), Baseline: record.Nano(5000),
		Policy: "default", Findings: []record.Finding{{Kind: "email", Action: "flag", Count: 1}},
	}
}
