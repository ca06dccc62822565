package ledger

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"math/bits"

	"golang.org/x/mod/sumdb/tlog"

	"corral/store"
	"corral/store/ledger/record"
)

// perChunk hashes are kept in one value: single ones would cost a key and a page entry each. Four such values fill a page of 4 KiB; two
// of 64 would just not fit into one.
const perChunk = 29

// edge holds, for each level, the complete subtree at the tree's right edge. Only levels whose bit is set in size count.
type edge struct {
	size   uint64
	levels [64]tlog.Hash
}

// add appends a leaf and returns the hashes to be stored for it: its own, and one for each subtree that it completes.
func (e *edge) add(leaf tlog.Hash, into []tlog.Hash) []tlog.Hash {
	h, level := leaf, 0
	into = append(into, h)
	for e.size>>level&1 == 1 {
		h = tlog.NodeHash(e.levels[level], h)
		into = append(into, h)
		level++
	}
	e.levels[level] = h
	e.size++
	return into
}

// root is the tree's hash.
func (e *edge) root() tlog.Hash {
	if e.size == 0 {
		return tlog.Hash(sha256.Sum256(nil))
	}
	level := bits.TrailingZeros64(e.size)
	h := e.levels[level]
	for level++; e.size>>level != 0; level++ {
		if e.size>>level&1 == 1 {
			h = tlog.NodeHash(e.levels[level], h)
		}
	}
	return h
}

// subtrees lists the stored indexes of the complete subtrees that make up a tree of the size, with their levels.
func subtrees(size uint64) (levels []int, indexes []int64) {
	var done uint64
	for level := 63; level >= 0; level-- {
		if size>>level&1 == 1 {
			levels = append(levels, level)
			indexes = append(indexes, tlog.StoredHashIndex(level, int64(done>>level)))
			done += 1 << level
		}
	}
	return levels, indexes
}

func loadEdge(tx *store.Tx, size uint64) (edge, error) {
	e := edge{size: size}
	levels, indexes := subtrees(size)
	hashes, err := readHashes(tx)(indexes)
	if err != nil {
		return e, err
	}
	for i, level := range levels {
		e.levels[level] = hashes[i]
	}
	return e, nil
}

// readHashes reads stored hashes, for tlog.
func readHashes(tx *store.Tx) tlog.HashReaderFunc {
	chunks, frontier := tx.Bucket(root, bHashes), tx.Bucket(root, bFrontier)
	return func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, index := range indexes {
			at := int(index%perChunk) * tlog.HashSize
			if chunk := chunks.Get(be64(uint64(index / perChunk))); len(chunk) >= at+tlog.HashSize {
				copy(out[i][:], chunk[at:])
			} else if kept := frontier.Get(be64(uint64(index))); len(kept) == tlog.HashSize {
				copy(out[i][:], kept)
			} else {
				return nil, fmt.Errorf("tree hash %d is not there", index)
			}
		}
		return out, nil
	}
}

// hashTail is the last, incomplete chunk of stored hashes, and what of it and after it is not yet written.
type hashTail struct {
	next  int64  // index of the next stored hash
	chunk []byte // from the last multiple of perChunk up to next
}

func loadTail(tx *store.Tx, size uint64) (hashTail, error) {
	t := hashTail{next: storedCount(size)}
	if n := int(t.next % perChunk); n > 0 {
		chunk := tx.Bucket(root, bHashes).Get(be64(uint64(t.next / perChunk)))
		if len(chunk) < n*tlog.HashSize {
			return t, fmt.Errorf("tree hash %d is not there", t.next-1)
		}
		t.chunk = append(t.chunk, chunk[:n*tlog.HashSize]...)
	}
	return t, nil
}

func storedCount(size uint64) int64 { return tlog.StoredHashIndex(0, int64(size)) }

// write puts the hashes and returns the tail after them. The old tail stays as it is.
func (t hashTail) write(b *store.Bucket, hashes []tlog.Hash) (hashTail, error) {
	n := t.next / perChunk
	chunk := append(make([]byte, 0, len(t.chunk)+len(hashes)*tlog.HashSize), t.chunk...)
	for i := range hashes {
		chunk = append(chunk, hashes[i][:]...)
	}
	const full = perChunk * tlog.HashSize
	for len(chunk) > 0 {
		size := min(full, len(chunk))
		if err := b.Put(be64(uint64(n)), chunk[:size:size]); err != nil {
			return t, err
		}
		if size < full {
			break
		}
		chunk = chunk[full:]
		n++
	}
	return hashTail{next: t.next + int64(len(hashes)), chunk: chunk}, nil
}

// placeSize is the length of the seal on a record's place.
const placeSize = 16

// placer seals the place of each record. With it verify names the very entry that was edited, moved, added or taken out, even when
// all hashes were made to fit; heads alone could only name the stretch between two of them.
type placer struct {
	mac hash.Hash
	sum [sha256.Size]byte
	in  [8 + tlog.HashSize]byte
}

func newPlacer(key record.Key) *placer { return &placer{mac: hmac.New(sha256.New, key[:])} }

// seal is valid until the next call.
func (p *placer) seal(seq uint64, leaf *tlog.Hash) []byte {
	binary.BigEndian.PutUint64(p.in[:], seq)
	copy(p.in[8:], leaf[:])
	p.mac.Reset()
	p.mac.Write(p.in[:])
	return p.mac.Sum(p.sum[:0])[:placeSize]
}
