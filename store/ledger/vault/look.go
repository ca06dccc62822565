package vault

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"os"

	"corral/store/ledger/record"
)

// Made says whether there is a whole key file at path, or the beginnings of none.
func Made(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(f, header); err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return false, err
	}
	return bytes.HasPrefix(header, []byte(magic)), nil
}

// KindOf reads which kind of place the top key of the key file at path is in; empty when there is no such file yet.
func KindOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	header := make([]byte, headerSize)
	if _, err := io.ReadFull(f, header); err != nil || !bytes.HasPrefix(header, []byte(magic)) {
		return ""
	}
	return string(bytes.TrimRight(header[len(magic):], "\x00"))
}

// Check says whether source holds the top key of the key file at path, as Open would, and writes nothing. There is nothing wrong with a
// file that was never made. Errors: ErrTopKey, ErrKeyFile.
func Check(path string, source Source) error {
	raw, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	v := &Vault{source: source, path: path}
	fresh, err := v.header(raw)
	if err != nil || fresh {
		return err
	}
	if err := v.loadTop(false); err != nil {
		return err
	}
	v.parse(raw[headerSize:])
	return v.ownKeys(false)
}

// SameKeys says whether the key file at path and the given one belong to one ledger: whether they have the same keys of the ledger's
// own. Their ids are not secret.
func SameKeys(path string, other []byte) bool {
	here, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	mine, theirs := ownIDs(here), ownIDs(other)
	return len(mine) > 0 && maps.Equal(mine, theirs)
}

func ownIDs(raw []byte) map[owner]record.KeyID {
	ids := map[owner]record.KeyID{}
	for i := headerSize; i+slotSize <= len(raw); i += slotSize {
		if s, err := decodeSlot(raw[i : i+slotSize]); err == nil && s != nil && s.kind == kindSystem && s.day == noDay {
			ids[s.owner] = s.id
		}
	}
	return ids
}
