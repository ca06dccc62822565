package ledger

import (
	"corral/store"
	"corral/store/ledger/record"
	"encoding/binary"
)

func keyIDs(b *store.Bucket) (ids []record.KeyID) {
	_ = b.ForEach(func(k, _ []byte) error {
		if len(k) == 8 {
			ids = append(ids, record.KeyID(binary.BigEndian.Uint64(k)))
		}
		return nil
	})
	return ids
}
func dropErasing(tx *store.Tx, ids []record.KeyID) error {
	b := tx.Bucket(root, bErasing)
	for _, id := range ids {
		if err := b.Delete(be64(uint64(id))); err != nil {
			return err
		}
	}
	return nil
}
