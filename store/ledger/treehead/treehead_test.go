package treehead

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

func pair(t *testing.T) (note.Signer, note.Verifier) {
	t.Helper()
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if derived, err := Public(private); err != nil || derived != public {
		t.Fatalf("Public: %s, %v", derived, err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifier
}

func TestAHeadComesBackAndOnlyItsKeyOpensIt(t *testing.T) {
	signer, verifier := pair(t)
	_, stranger := pair(t)
	h := Head{Origin: "corral/1", Size: 7, Hash: [32]byte{1}, Time: time.Unix(1, 5).UTC(), Kept: 3, GivenUp: 9, Follows: "corral/0"}
	signed, err := Sign(h, signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := Open(signed, verifier); err != nil || got != h {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Open(signed, stranger); !errors.Is(err, ErrHead) {
		t.Errorf("a stranger's key: %v", err)
	}
	signed[10] ^= 1
	if _, err := Open(signed, verifier); !errors.Is(err, ErrHead) {
		t.Errorf("an edited head: %v", err)
	}
}

func TestABareSeedIsAKey(t *testing.T) {
	private, err := FromSeed([32]byte{5})
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	public, err := Public(private)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := Sign(Head{Origin: "x"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(signed, verifier); err != nil {
		t.Error(err)
	}
}

func TestALineThatAKillCutShortSpoilsNoOther(t *testing.T) {
	f := File{Path: filepath.Join(t.TempDir(), "far", "anchor.jsonl")}
	if heads, err := f.Signed(); err != nil || len(heads) != 0 {
		t.Errorf("nothing there yet: %v, %v", heads, err)
	}
	publish := func(s string) {
		if err := f.Publish(context.Background(), []byte(s)); err != nil {
			t.Fatal(err)
		}
	}
	publish("one\n")
	raw, err := os.ReadFile(f.Path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(f.Path, append(raw, `{"note":"to`...), 0o600); err != nil {
		t.Fatal(err)
	}
	publish("three\n")
	heads, err := f.Signed()
	if err != nil || len(heads) != 2 || string(heads[0]) != "one\n" || string(heads[1]) != "three\n" {
		t.Errorf("%q, %v", heads, err)
	}
}
