package ledger

import (
	"encoding/binary"
	"errors"

	"corral/store"
)

const (
	root      = "ledger"
	bEntries  = "entries"
	bContent  = "content"
	bHashes   = "hashes"
	bFrontier = "frontier"
	bHeads    = "heads"
	bNames    = "names"
	bRekeyed  = "rekeyed"
	bErasing  = "erasing"
)

// Keys directly in the root bucket.
const (
	kState   = "state"
	kOrigin  = "origin" // which ledger this is, for its heads
	kErasing = "now"    // in bErasing
	kPublic  = "public" // the key that signs them; who has the file may change it, so verify asks the signing key instead
)

func buckets() []string {
	return []string{bEntries, bContent, bHashes, bFrontier, bHeads, bNames, bRekeyed, bErasing}
}

// state is what the writer knows of the file. It changes in the transaction that makes it true.
type state struct {
	size         uint64 // entries ever written; the next one's number
	pruned       uint64 // entries below are gone
	contentBelow uint64 // content below is gone
	prunedHour   uint32 // usage sums of hours up to this one may hold entries that are gone
	head         uint64 // size at the newest signed head
	day          uint32 // newest day that keys were made for; never goes back, whatever the clock does
	entryBytes   uint64 // of records kept
	contentBytes uint64 // of sealed content kept
}

var errState = errors.New("the ledger's state cannot be read")

func (s *state) encode() []byte {
	b := []byte{1}
	for _, n := range [...]uint64{s.size, s.pruned, s.contentBelow, s.head, uint64(s.day), s.entryBytes, s.contentBytes, uint64(s.prunedHour)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return b
}

func readState(tx *store.Tx) (s state, err error) {
	b := tx.Bucket(root).Get([]byte(kState))
	if b == nil {
		return s, nil
	}
	if len(b) != 1+8*8 || b[0] != 1 {
		return s, errState
	}
	var day, hour uint64
	for i, n := range [...]*uint64{&s.size, &s.pruned, &s.contentBelow, &s.head, &day, &s.entryBytes, &s.contentBytes, &hour} {
		*n = binary.BigEndian.Uint64(b[1+8*i:])
	}
	s.day, s.prunedHour = uint32(day), uint32(hour)
	return s, nil
}

func (s *state) write(tx *store.Tx) error {
	return tx.Bucket(root).Put([]byte(kState), s.encode())
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

func fromBE64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }
