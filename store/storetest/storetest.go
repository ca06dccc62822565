// Package storetest has what the tests of more than one store need: databases, a disk that can be filled, and the child that checks a file.
package storetest

import (
	"os"
	"testing"

	"corral/store"
)

// Open opens a database in a folder of the test's own and closes it when the test ends.
func Open(t testing.TB) *store.DB { return OpenIn(t, t.TempDir(), store.Options{}) }

// OpenIn opens the database of dir and closes it when the test ends.
func OpenIn(t testing.TB, dir string, opts store.Options) *store.DB {
	t.Helper()
	db, err := store.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// Check is a check for store.Options, by a child of this very test binary. Its TestMain must play the child: see store.CheckMain.
func Check(t testing.TB) func(path string, thorough bool) error {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return store.CheckInChild(exe, store.CheckCommand)
}
