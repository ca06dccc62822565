// Package storetest opens databases for tests.
package storetest

import (
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
