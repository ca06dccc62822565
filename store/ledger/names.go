package ledger

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"

	"corral/store"
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

const (
	nobody   = 0 // the number of the empty name
	others   = 1 // the number that all names share once there are too many
	maxNames = 50_000

	// ErasedName stands for a name whose key was destroyed.
	ErasedName = "(erased)"
	otherName  = "(other)"
)

// names gives numbers to the names of users, apps, callers, models and providers, so that rows and sums hold none. A name is sealed
// under its person's key and goes with it. Callers choose some of these names, so their number is bounded.
type names struct {
	vault *vault.Vault

	mu      sync.RWMutex
	numbers map[name]uint32
	known   map[usage.Dimension]map[uint32]string
	next    map[usage.Dimension]uint32
	pending []newName // in memory only, until a transaction takes them along
}

type name struct {
	dim  usage.Dimension
	text string
}

type newName struct{ key, value []byte }

// subject is whose key a name is sealed under: models and providers are nobody's.
func subject(dim usage.Dimension, text string) vault.Who {
	switch dim {
	case usage.User, usage.App, usage.Caller:
		return vault.Who{Kind: dim.String(), Name: text}
	}
	return vault.Who{}
}

func loadNames(tx *store.Tx, v *vault.Vault) (*names, error) {
	n := &names{vault: v, numbers: map[name]uint32{}, known: map[usage.Dimension]map[uint32]string{}, next: map[usage.Dimension]uint32{}}
	err := tx.Bucket(root, bNames).ForEach(func(k, sealed []byte) error {
		if len(k) != 5 {
			return fmt.Errorf("name %x cannot be read", k)
		}
		dim, number := usage.Dimension(k[0]), binary.BigEndian.Uint32(k[1:])
		n.next[dim] = max(n.next[dim], number+1)
		if text, ok := n.open(k, sealed); ok {
			n.put(dim, number, text)
		}
		return nil
	})
	return n, err
}

func (n *names) put(dim usage.Dimension, number uint32, text string) {
	if n.known[dim] == nil {
		n.known[dim] = map[uint32]string{}
	}
	n.known[dim][number] = text
	n.numbers[name{dim, text}] = number
}

// number finds the number of a name and gives one to a new name.
func (n *names) number(dim usage.Dimension, text string) (uint32, error) {
	if text == "" {
		return nobody, nil
	}
	n.mu.RLock()
	number, ok := n.numbers[name{dim, text}]
	n.mu.RUnlock()
	if ok {
		return number, nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if number, ok = n.numbers[name{dim, text}]; ok {
		return number, nil
	}
	number = max(n.next[dim], others+1)
	if number > maxNames {
		return others, nil
	}
	k := binary.BigEndian.AppendUint32([]byte{byte(dim)}, number)
	sealed, err := n.seal(k, dim, text)
	if err != nil {
		return 0, err
	}
	n.next[dim] = number + 1
	n.put(dim, number, text)
	n.pending = append(n.pending, newName{k, sealed})
	return number, nil
}

func (n *names) seal(k []byte, dim usage.Dimension, text string) ([]byte, error) {
	id, key := n.vault.System()
	if who := subject(dim, text); who != (vault.Who{}) {
		var err error
		if id, key, err = n.vault.Person(vault.NameDay, who); err != nil {
			return nil, err
		}
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, err
	}
	b := binary.BigEndian.AppendUint64(nil, uint64(id))
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce) // never fails
	b = append(b, nonce...)
	return aead.Seal(b, nonce, []byte(text), k), nil
}

func (n *names) open(k, sealed []byte) (string, bool) {
	if len(sealed) < 8+chacha20poly1305.NonceSizeX {
		return "", false
	}
	key, err := n.vault.Key(record.KeyID(binary.BigEndian.Uint64(sealed)))
	if err != nil {
		return "", false
	}
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return "", false
	}
	text, err := aead.Open(nil, sealed[8:8+chacha20poly1305.NonceSizeX], sealed[8+chacha20poly1305.NonceSizeX:], k)
	return string(text), err == nil
}

// name resolves a number.
func (n *names) name(dim usage.Dimension, number uint32) string {
	switch number {
	case nobody:
		return ""
	case others:
		return otherName
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	if text, ok := n.known[dim][number]; ok {
		return text
	}
	return ErasedName
}

// find finds the number of a name without giving one.
func (n *names) find(dim usage.Dimension, text string) (uint32, bool) {
	if text == "" {
		return nobody, true
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	number, ok := n.numbers[name{dim, text}]
	return number, ok
}

// forget drops a name from memory after its key was destroyed. Its number stays taken.
func (n *names) forget(dim usage.Dimension, text string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if number, ok := n.numbers[name{dim, text}]; ok {
		delete(n.numbers, name{dim, text})
		delete(n.known[dim], number)
	}
}

// waiting counts the pending names. Those that are to be written must be counted before their keys are flushed.
func (n *names) waiting() int {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return len(n.pending)
}

// write puts the first pending names into the transaction; wrote is called when they are on disk.
func (n *names) write(tx *store.Tx, count int) error {
	if count == 0 {
		return nil
	}
	n.mu.RLock()
	defer n.mu.RUnlock()
	b := tx.Bucket(root, bNames)
	for _, p := range n.pending[:count] {
		if err := b.Put(p.key, p.value); err != nil {
			return err
		}
	}
	return nil
}

func (n *names) wrote(count int) {
	if count == 0 {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.pending = append([]newName(nil), n.pending[count:]...)
}
