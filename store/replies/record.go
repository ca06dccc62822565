package replies

import (
	"bytes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/klauspost/compress/s2"
	"golang.org/x/crypto/chacha20poly1305"
)

// A record is a header, which the cipher authenticates with both parts, and the two sealed parts:
//
//	0 hash of the key  16 expires (ns, Unix)  24 nonce  47 flags  48 length of the sealed head  52 head, body
//
// The head's text begins with the key itself.
const (
	hashSize   = 16
	nonceSize  = chacha20poly1305.NonceSizeX - 1 // the last byte says which of the two parts
	headerSize = hashSize + 8 + nonceSize + 1 + 4

	flagCompressed = 1

	labelHead = 'h'
	labelBody = 'b'

	compressOver = 512 // bytes; below that s2 gains next to nothing
)

// entryCost is what one entry takes beside its record: its places in the three buckets, in bytes.
const entryCost = 96

var (
	errRecord = errors.New("the record cannot be read")
	// errOther: the file key is wrapped under another secret, or was changed.
	errOther = errors.New("another secret made this file")
)

// keys seal and open the records of one file.
type keys struct {
	id   [16]byte
	hash [32]byte
	aead cipher.AEAD
}

// wrapping is the cipher that wraps the key of the file with this id.
func wrapping(secret [32]byte, id []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret[:], id, "corral replies 1: file key", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	return chacha20poly1305.NewX(key)
}

// newKeys draws a file's id and key. The second value is the wrapped key as it stands in the file.
func newKeys(secret [32]byte) (*keys, []byte, error) {
	var id [16]byte
	var key [32]byte
	wrapped := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(key)+chacha20poly1305.Overhead)
	for _, b := range [][]byte{id[:], key[:], wrapped} {
		_, _ = rand.Read(b) // never fails
	}
	aead, err := wrapping(secret, id[:])
	if err != nil {
		return nil, nil, err
	}
	wrapped = aead.Seal(wrapped, wrapped, key[:], id[:])
	k, err := deriveKeys(id[:], key[:])
	return k, wrapped, err
}

func unwrapKeys(secret [32]byte, id, wrapped []byte) (*keys, error) {
	if len(id) != 16 || len(wrapped) < chacha20poly1305.NonceSizeX {
		return nil, errOther
	}
	aead, err := wrapping(secret, id)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, wrapped[:chacha20poly1305.NonceSizeX], wrapped[chacha20poly1305.NonceSizeX:], id)
	if err != nil {
		return nil, errOther
	}
	return deriveKeys(id, key)
}

func deriveKeys(id, key []byte) (*keys, error) {
	k := &keys{id: [16]byte(id)}
	hash, err := hkdf.Key(sha256.New, key, id, "corral replies 1: hash", len(k.hash))
	if err != nil {
		return nil, err
	}
	seal, err := hkdf.Key(sha256.New, key, id, "corral replies 1: seal", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	k.hash = [32]byte(hash)
	k.aead, err = chacha20poly1305.NewX(seal)
	return k, err
}

// hashOf is the name of a key in the file. A key is made from a prompt; without the secret nobody can try prompts against the file.
// The input has one fixed length, so nothing can be appended to it.
func (k *keys) hashOf(key *Key) (h [hashSize]byte) {
	var in [64]byte
	copy(in[:], k.hash[:])
	copy(in[32:], key[:])
	sum := sha256.Sum256(in[:])
	copy(h[:], sum[:])
	return h
}

// header is the part of a record that is not sealed. It is trusted only after a part was opened with it.
type header struct {
	hash    [hashSize]byte
	expires int64
	head    int // length of the sealed head
	flags   byte
}

func parseHeader(rec []byte) (h header, ok bool) {
	if len(rec) < headerSize {
		return h, false
	}
	copy(h.hash[:], rec)
	h.expires = int64(binary.BigEndian.Uint64(rec[hashSize:]))
	h.flags = rec[hashSize+8+nonceSize]
	h.head = int(binary.BigEndian.Uint32(rec[headerSize-4:]))
	return h, h.head >= chacha20poly1305.Overhead+len(Key{}) && h.head <= len(rec)-headerSize
}

// bound is what the cipher authenticates beside a part: the file, the number and the header.
func (k *keys) bound(number uint64, rec []byte) (b [16 + 8 + headerSize]byte) {
	copy(b[:], k.id[:])
	binary.BigEndian.PutUint64(b[16:], number)
	copy(b[24:], rec[:headerSize])
	return b
}

func nonceOf(rec []byte, label byte) (n [chacha20poly1305.NonceSizeX]byte) {
	copy(n[:], rec[hashSize+8:hashSize+8+nonceSize])
	n[nonceSize] = label
	return n
}

// seal makes the record of an item.
func (k *keys) seal(it *Item, number uint64) []byte {
	body, flags := it.Body, byte(0)
	if len(body) > compressOver {
		if small := s2.EncodeBetter(nil, body); len(small) < len(body)-len(body)/16 {
			body, flags = small, flagCompressed
		}
	}
	headSize := len(Key{}) + len(it.Head) + chacha20poly1305.Overhead
	rec := make([]byte, headerSize, headerSize+headSize+len(body)+chacha20poly1305.Overhead)
	h := k.hashOf(&it.Key)
	copy(rec, h[:])
	binary.BigEndian.PutUint64(rec[hashSize:], uint64(it.Expires.UnixNano()))
	_, _ = rand.Read(rec[hashSize+8 : hashSize+8+nonceSize]) // never fails
	rec[hashSize+8+nonceSize] = flags
	binary.BigEndian.PutUint32(rec[headerSize-4:], uint32(headSize))
	bound := k.bound(number, rec)
	nonce := nonceOf(rec, labelHead)
	rec = append(append(rec, it.Key[:]...), it.Head...)
	k.aead.Seal(rec[headerSize:headerSize], nonce[:], rec[headerSize:], bound[:])
	rec = rec[:headerSize+headSize]
	nonce = nonceOf(rec, labelBody)
	return k.aead.Seal(rec, nonce[:], body, bound[:])
}

// openHead opens the head in place. rec may end after the head.
func (k *keys) openHead(rec []byte, number uint64) (key Key, head []byte, expires time.Time, err error) {
	h, ok := parseHeader(rec)
	if !ok {
		return key, nil, expires, errRecord
	}
	bound, nonce := k.bound(number, rec), nonceOf(rec, labelHead)
	sealed := rec[headerSize : headerSize+h.head]
	plain, err := k.aead.Open(sealed[:0], nonce[:], sealed, bound[:])
	if err != nil || len(plain) < len(key) {
		return key, nil, expires, errRecord
	}
	return Key(plain), plain[len(key):], time.Unix(0, h.expires), nil
}

// open opens both parts in place, and returns copies.
func (k *keys) open(rec []byte, number uint64, want *Key) (head, body []byte, expires time.Time, err error) {
	key, head, expires, err := k.openHead(rec, number)
	if err != nil || key != *want {
		return nil, nil, expires, errRecord
	}
	h, _ := parseHeader(rec)
	bound, nonce := k.bound(number, rec), nonceOf(rec, labelBody)
	sealed := rec[headerSize+h.head:]
	body, err = k.aead.Open(sealed[:0], nonce[:], sealed, bound[:])
	if err != nil {
		return nil, nil, expires, errRecord
	}
	if h.flags&flagCompressed != 0 {
		if body, err = s2.Decode(nil, body); err != nil {
			return nil, nil, expires, errRecord
		}
	} else {
		body = bytes.Clone(body)
	}
	return slices.Clone(head), body, expires, nil
}

func be64(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }

// expiryKey orders by time, then by number.
func expiryKey(expires int64, number uint64) []byte {
	return binary.BigEndian.AppendUint64(be64(uint64(expires)), number)
}
