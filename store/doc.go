// Package store keeps Corral's one database file: it opens, migrates, checks, copies and compacts it.
//
// What is inside belongs to the packages below it (keys, ledger, ...). Each owns one bucket at the top and draws its own map
// in its package doc; this is the map of maps:
//
//	corral.db
//	├── store      version -> uint32 big-endian        (this package)
//	├── keys       app keys                            (store/keys)
//	└── ledger     audit entries, usage, tree          (store/ledger)
//
// To add a bucket: write a package that takes a *DB and creates its bucket with Tx.Ensure when it opens. To change what an
// existing bucket holds: append a step to the list in migrate.go, and a fixture to testdata.
//
// What surprises: the file under a DB can be exchanged while it is open (Compact does that), so nobody holds a *bbolt.DB. All
// work goes through View and Update, whose Tx notes what it changed while a compaction is on its way.
package store
