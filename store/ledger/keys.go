package ledger

import (
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"corral/store/ledger/vault"
)

// Places says where the two keys may be kept, best first.
type Places struct {
	Credentials string        // folder of systemd's credentials ($CREDENTIALS_DIRECTORY); empty: none
	Keyring     vault.Keyring // nil: none, as for a service
	Dir         string        // the data folder, for the files of last resort
}

// Names of the keys in each kind of place.
const (
	topName     = "corral-ledger-key"
	signingName = "corral-signing-key"
)

// Keys chooses the places of the top key and the signing key. A ledger that exists already keeps its places: when its keyring is
// locked, that is an error of Open and no reason for a new key in a file. For a new ledger it takes a credential, else the keyring if
// it answers, else files with mode 0600. What was chosen is said by Status.
func Keys(p Places) (top, signing vault.Source, err error) {
	if top, err = p.choose(topName, "top.key", vault.KindOf(filepath.Join(p.Dir, vault.FileName))); err != nil {
		return nil, nil, fmt.Errorf("top key: %w", err)
	}
	// Both stand in the same kind of place, but for credentials, of which there may be one without the other.
	kind := top.Kind()
	if kind == "credential" && !exists(filepath.Join(p.Credentials, signingName)) {
		kind = "file"
	}
	if signing, err = p.choose(signingName, "signing.key", kind); err != nil {
		return nil, nil, fmt.Errorf("signing key: %w", err)
	}
	return top, signing, nil
}

// choose finds the place of the kind; the best there is when kind is empty.
func (p Places) choose(name, file, kind string) (vault.Source, error) {
	switch {
	case kind == "credential" && p.Credentials == "":
		return nil, fmt.Errorf("%w: it is a systemd credential (%s), and this process was started without credentials", vault.ErrTopKey, name)
	case kind == "keyring" && p.Keyring == nil:
		return nil, fmt.Errorf("%w: it is in the OS keyring, which this process may not use", vault.ErrTopKey)
	case kind == "credential", kind == "" && p.Credentials != "" && exists(filepath.Join(p.Credentials, name)):
		return vault.FromCredential(p.Credentials, name), nil
	case kind == "keyring":
		return vault.FromKeyring(p.Keyring, name), nil
	case kind == "" && p.Keyring != nil:
		s := vault.FromKeyring(p.Keyring, name)
		if _, err := s.Load(); err == nil || errors.Is(err, vault.ErrNoSecret) {
			return s, nil
		}
	}
	return vault.FromFile(filepath.Join(p.Dir, file)), nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Secret is a key for purpose, which only whoever has this ledger's own keys can derive (HKDF, RFC 5869).
func (l *Ledger) Secret(purpose string) (secret [32]byte) {
	mac := l.vault.MAC()
	key, err := hkdf.Key(sha256.New, mac[:], nil, "corral "+purpose, len(secret))
	if err != nil {
		panic(err) // only for lengths that SHA-256 cannot give
	}
	copy(secret[:], key)
	return secret
}
