package ledger

import (
	"corral/store/ledger/record"
	"corral/store/ledger/usage"
	"corral/store/ledger/vault"
)

// VerifyBehind checks the first segment as a Verify does that began when the ledger had size entries, in the moment when
// more have been committed and the ledger has not heard of it.
func (l *Ledger) VerifyBehind(size uint64) ([]Problem, error) {
	defer l.size.Store(l.size.Swap(size))
	v := &verifier{l: l, sums: map[uint32]*usage.Sum{}, erased: map[record.KeyID]bool{}, erasedSeqs: map[uint64]bool{}}
	v.out.Size = size
	w := &checker{v: v, placer: newPlacer(l.place), sums: map[uint32]*usage.Sum{}, keys: map[record.KeyID]bool{}}
	err := w.segment(0)
	return v.out.Problems, err
}

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
