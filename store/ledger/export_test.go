package ledger

import (
	"corral/store/ledger/record"
	"corral/store/ledger/vault"
)

// TryWrapped tries to read an entry's key from any place of the file, as a page left behind might hold one.
func TryWrapped(v *vault.Vault, file []byte, seq uint64, r *record.Record) bool {
	known := map[record.KeyID]bool{}
	for _, id := range v.All() {
		known[id] = true
	}
	l := &Ledger{vault: v}
	for i := 0; i+rekeyedSize <= len(file); i++ {
		wrapped := file[i : i+rekeyedSize]
		if !known[record.KeyID(fromBE64(wrapped))] {
			continue
		}
		key, err := l.unwrapEntryKey(seq, wrapped)
		if err != nil {
			continue
		}
		if _, err := r.Open(&key, nil); err == nil {
			return true
		}
	}
	return false
}
