package admin

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// TokenFile is the operator's token, in the data folder, readable by its owner only.
const TokenFile = "operator.token"

// SocketFile is where the operator API is reached in the data folder, by its owner only. It asks for the token as well.
const SocketFile = "corral.sock"

// Token reads the operator's token in dir, or makes one at the first start.
func Token(dir string) (string, error) {
	path := filepath.Join(dir, TokenFile)
	b, err := os.ReadFile(path)
	if err == nil {
		if t := strings.TrimSpace(string(b)); len(t) >= 32 {
			return t, nil
		}
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("read operator token: %w", err)
	}
	var raw [32]byte
	rand.Read(raw[:])
	token := "corral_op_" + base64.RawURLEncoding.EncodeToString(raw[:])
	tmp, err := os.CreateTemp(dir, TokenFile+".*") // 0600
	if err != nil {
		return "", fmt.Errorf("make operator token: %w", err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(token + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", fmt.Errorf("make operator token: %w", err)
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return "", fmt.Errorf("make operator token: %w", err)
	}
	return token, nil
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
