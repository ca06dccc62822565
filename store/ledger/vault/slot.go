package vault

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"golang.org/x/crypto/chacha20poly1305"

	"corral/store/ledger/record"
)

// slotSize is 128 bytes: four to a disk sector, and none lies across two.
const slotSize = 128

const (
	slotMagic  = 'K'
	kindSystem = 1 // wrapped by a top key: day keys, and the ledger's own
	kindPerson = 2 // wrapped by a day key
)

type owner [16]byte

// slot is one wrapped key.
//
//	0 magic  1 kind  4 day  8 id  16 owner  32 parent  40 nonce  64 wrapped key  112 generation  120 CRC-32
type slot struct {
	kind       byte
	day        uint32 // days since 1970-01-01 UTC; noDay for keys of no day
	id         record.KeyID
	owner      owner  // persons: keyed hash of the name; system keys: which
	parent     uint64 // id of the wrapping key
	nonce      [chacha20poly1305.NonceSizeX]byte
	wrapped    [48]byte
	generation uint64 // the higher of two slots with one id counts
}

var errSlot = errors.New("slot cannot be read")

func (s *slot) encode() []byte {
	b := make([]byte, slotSize)
	b[0], b[1] = slotMagic, s.kind
	binary.BigEndian.PutUint32(b[4:], s.day)
	binary.BigEndian.PutUint64(b[8:], uint64(s.id))
	copy(b[16:], s.owner[:])
	binary.BigEndian.PutUint64(b[32:], s.parent)
	copy(b[40:], s.nonce[:])
	copy(b[64:], s.wrapped[:])
	binary.BigEndian.PutUint64(b[112:], s.generation)
	binary.BigEndian.PutUint32(b[120:], crc32.ChecksumIEEE(b[:120]))
	return b
}

// decodeSlot returns nil for an empty slot, and errSlot for one that a power cut tore.
func decodeSlot(b []byte) (*slot, error) {
	if bytes.Equal(b, make([]byte, slotSize)) {
		return nil, nil
	}
	if b[0] != slotMagic || crc32.ChecksumIEEE(b[:120]) != binary.BigEndian.Uint32(b[120:]) {
		return nil, errSlot
	}
	s := &slot{
		kind: b[1], day: binary.BigEndian.Uint32(b[4:]), id: record.KeyID(binary.BigEndian.Uint64(b[8:])),
		parent: binary.BigEndian.Uint64(b[32:]), generation: binary.BigEndian.Uint64(b[112:]),
	}
	copy(s.owner[:], b[16:])
	copy(s.nonce[:], b[40:])
	copy(s.wrapped[:], b[64:])
	return s, nil
}

// bound is what the wrapping authenticates beside the key: nobody can move a key to another person or day.
func (s *slot) bound() []byte {
	b := make([]byte, 0, 40)
	b = append(b, s.kind)
	b = binary.BigEndian.AppendUint32(b, s.day)
	b = binary.BigEndian.AppendUint64(b, uint64(s.id))
	b = append(b, s.owner[:]...)
	return binary.BigEndian.AppendUint64(b, s.parent)
}

func (s *slot) wrap(parent uint64, under, key *record.Key) error {
	aead, err := chacha20poly1305.NewX(under[:])
	if err != nil {
		return err
	}
	s.parent = parent
	_, _ = rand.Read(s.nonce[:]) // never fails
	aead.Seal(s.wrapped[:0], s.nonce[:], key[:], s.bound())
	return nil
}

func (s *slot) unwrap(under *record.Key) (key record.Key, err error) {
	aead, err := chacha20poly1305.NewX(under[:])
	if err != nil {
		return key, err
	}
	if _, err := aead.Open(key[:0], s.nonce[:], s.wrapped[:], s.bound()); err != nil {
		return key, record.ErrKey
	}
	return key, nil
}

func be64(n uint64) []byte     { return binary.BigEndian.AppendUint64(nil, n) }
func fromBE64(b []byte) uint64 { return binary.BigEndian.Uint64(b) }

// randomID is never 0. Ids are drawn rather than counted: a counter would have to remember the ids of destroyed keys.
func randomID() uint64 {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return max(1, binary.BigEndian.Uint64(b[:]))
}
