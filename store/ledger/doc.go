// Package ledger keeps what was asked, answered and spent, so that it can be proved.
//
// Each call leaves one record (package record): its usage row in the open, as numbers; everything else sealed under a key of its own
// (package vault). Records are the leaves of a Merkle tree whose signed heads also go to a second place (package treehead). What one
// commit writes, it writes in one transaction:
//
//	ledger
//	├── state     one small value: how many entries, from which on they are kept, ... (state.go)
//	├── entries   seq(8) -> record, then 16 bytes that seal its place
//	├── content   seq(8) -> sealed prompt and answer; removed sooner than the entry
//	├── hashes    n(8) -> the tree's stored hashes 29n to 29n+28, in the order of x/mod/sumdb/tlog
//	├── frontier  index(8) -> the stored hashes that are still needed of what was pruned
//	├── heads     size(8) -> signed tree head
//	├── names     dimension(1) number(4) -> sealed name
//	├── rekeyed   seq(8) -> wrapped entry key, where a neighbour was erased
//	├── erasing   "now" -> the erasure that is under way, until it is done
//	├── hours     usage sums (package usage)
//	├── days      likewise
//	└── minutes   what service levels are read from (package usage)
//
// One goroutine writes. Append hands an entry over and returns; AppendStrict returns when it is on disk. To carry a new fact about
// a call, add it to record.Entry.
//
// What surprises: a sequence number is given by the writer, after sealing. So nothing that is sealed knows its own place; the tree
// does, and 16 bytes beside each record that only the holder of a key can make. design.md has the reasons.
package ledger
